"""Loops and branches of Python functions that stay in the graph: `scan`, `while_loop`, `cond`.

Bodies are functions on tensors. They are traced once, and see the tensors around them; what they
carry, run over and return may be nested in tuples, lists and dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.closures import captured, stand_ins
from graphc.frontend.initializers import SEED_DTYPE
from graphc.frontend.location import at_python_line
from graphc.frontend.random_draws import each_iteration
from graphc.frontend.state import state_kept
from graphc.frontend.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, topological
from graphc.ir.ops import control_flow as ops
from graphc.ir.ops.arithmetic import add
from graphc.ir.ops.creation import number
from graphc.ir.ops.sequences import arange
from graphc.ir.ops.structural import project
from graphc.ir.source_map import nodes_built
from graphc.ir.types import TensorType
from graphc.passes.bodies import branch_graph, loop_graph

__all__ = [
    "branch_tensors",
    "cond",
    "leaves",
    "rebuilt",
    "require_form",
    "scan",
    "scan_tensors",
    "while_loop",
    "while_tensors",
]

RowOf = Callable[[Tensor], Tensor | None]
"""The row of a tensor that the loop then runs over as well; None if it changes in the loop."""

Step = Callable[[list[Tensor], list[Tensor], RowOf], tuple[list[Tensor], list[Tensor]]]
"""From carries and rows to the next carries and rows of results."""


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    *,
    length: DimLike | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `body(carry, x)` over the rows of `xs`; it returns the next carry and a row of results.

    Any order of derivative is defined. For a gradient iterations keep what it reads and cannot
    compute again by cheap ops; one of a body in `checkpoint` keeps what that is given alone.

    Args:
        body: called once, with tensors that stand for every iteration. Its row may be None.
        init: the first carry: a tensor, or tuples, lists and dicts of tensors.
        xs: tensors of one length, in the same forms; None for none.
        length: iterations, where there is nothing to run over; may be a dim.
        reverse: take the rows from the last to the first. Results stand where their row was.

    Returns:
        The last carry, and the rows of results stacked.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or lengths differ.
        UsageError: no length, or a body that returns no pair.

    >>> from graphc.frontend.trace import trace
    >>> from graphc.ir.dtype import f32
    >>> def sums(x):
    ...     return scan(lambda total, row: (total + row, total + row), x[0] * 0, x)[1]
    >>> trace(sums, f32["T", 3])[0].results[0].type
    f32[T, 3]
    """
    with at_python_line():
        first = list(leaves(init, "init"))
        rows = [] if xs is None else list(leaves(xs, "xs"))
        stacked_form: list[Any] = []

        def step(
            carries: list[Tensor], given: list[Tensor], row_of: RowOf
        ) -> tuple[list[Tensor], list[Tensor]]:
            x = None if xs is None else rebuilt(xs, iter(given))
            result = body(rebuilt(init, iter(carries)), x)
            if not isinstance(result, tuple) or len(result) != 2:
                raise UsageError(
                    f"the body of a scan returned {result!r}, expected a pair",
                    code="scan-result",
                    hint="return the next carry and a row of results, or (carry, None)",
                )
            carry, row = result
            require_form(carry, init, "the carry")
            stacked_form.append(row)
            found = [] if row is None else [one for _, one in leaves(row, "the row")]
            return [one for _, one in leaves(carry, "the carry")], found

        carries, stacked = scan_tensors(step, first, [one for _, one in rows], length, reverse)
        row = stacked_form[0]
        return rebuilt(init, iter(carries)), (None if row is None else rebuilt(row, iter(stacked)))


def while_loop(
    condition: Callable[[Any], Tensor],
    body: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: DimLike,
) -> Any:
    """Run `body(carry)` while `condition(carry)` holds, and `max_steps` times at most.

    Any order of derivative is defined: for a gradient `max_steps` iterations keep what `scan` keeps.

    Args:
        condition: gives a bool without axes.
        body: gives the next carry.
        init: the first carry: a tensor, or tuples, lists and dicts of tensors.
        max_steps: bounds the loop and the memory of its gradient; may be a dim.

    Returns:
        The last carry.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or the condition is no bool.
    """
    with at_python_line():

        def test(carries: list[Tensor]) -> Tensor:
            holds = condition(rebuilt(init, iter(carries)))
            if not isinstance(holds, Tensor):
                raise UsageError(f"the condition gives {holds!r}, expected a tensor of bool")
            return holds

        def step(carries: list[Tensor]) -> list[Tensor]:
            carry = body(rebuilt(init, iter(carries)))
            require_form(carry, init, "the carry")
            return [one for _, one in leaves(carry, "the carry")]

        first = list(leaves(init, "init"))
        return rebuilt(init, iter(while_tensors(test, step, first, max_steps)))


def cond(
    predicate: Tensor,
    then: Callable[..., Any],
    otherwise: Callable[..., Any],
    *operands: Any,
) -> Any:
    """`then(*operands)` if the predicate holds, else `otherwise(*operands)`; only one of them runs.

    Any order of derivative is defined.

    Args:
        predicate: a bool without axes.
        then, otherwise: give tensors of the same types, nested in the same way.

    Raises:
        ShapeError, DTypeError: results of different types, or a predicate that is no bool.
        UsageError: results that are nested in different ways.
    """
    with at_python_line():
        if not isinstance(predicate, Tensor):
            return then(*operands) if predicate else otherwise(*operands)
        forms: list[Any] = []
        traced: list[tuple[list[Node], set[Node]]] = []
        for branch in (then, otherwise):
            with nodes_built() as built, state_kept("a branch"):
                result = branch(*operands)
                forms.append(result)
                nodes = [one.node for _, one in leaves(result, "the result of a branch")]
            traced.append((nodes, built))
        require_form(forms[1], forms[0], "the result of the other branch")
        found = branch_tensors(predicate.node, traced)
        return rebuilt(forms[0], iter(found))


def scan_tensors(
    step: Step,
    init: Sequence[tuple[str, Tensor]],
    xs: Sequence[Tensor],
    length: DimLike | None,
    reverse: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """`scan` of lists of tensors; each carry has a name for errors."""
    size = _length(xs, length)
    carries = stand_ins("carry", [one.type for _, one in init])
    rows = stand_ins("row", [TensorType(x.type.dtype, x.type.shape[1:]) for x in xs])
    sliced = [one.node for one in xs]

    def row_of(tensor: Tensor) -> Tensor | None:
        node = tensor.node
        if not node.shape or node.shape[0] != size:
            return None
        if node not in sliced:
            if not {*carries, *rows}.isdisjoint(topological([node])):
                return None
            sliced.append(node)
            rows.extend(stand_ins("row", [TensorType(node.dtype, node.shape[1:])]))
        return Tensor(rows[sliced.index(node)])

    def iteration() -> Node:
        row = row_of(Tensor(arange(size, dtype=SEED_DTYPE)))
        assert row is not None
        return row.node

    with nodes_built() as built, state_kept("a loop"), each_iteration(iteration):
        given = [Tensor(one) for one in rows]
        after, results = step([Tensor(one) for one in carries], given, row_of)
        roots = [one.node for one in (*after, *results)]
    _require_carries(init, roots)
    constants = captured(roots, [*carries, *rows], built)
    body = loop_graph("body", carries, rows, constants, roots)
    operands = [*(one.node for _, one in init), *sliced, *constants]
    node = ops.scan(
        *operands, body=body, carries=len(init), slices=len(sliced), length=size, reverse=reverse
    )
    parts = [Tensor(project(node, index=number)) for number in range(len(roots))]
    return parts[: len(init)], parts[len(init) :]


def while_tensors(
    test: Callable[[list[Tensor]], Tensor],
    step: Callable[[list[Tensor]], list[Tensor]],
    init: Sequence[tuple[str, Tensor]],
    max_steps: DimLike,
) -> list[Tensor]:
    """`while_loop` of lists of tensors; each carry has a name for errors."""
    carries = stand_ins("carry", [one.type for _, one in init])
    (iteration,) = stand_ins("iteration", [TensorType(SEED_DTYPE, ())])
    given = [Tensor(one) for one in carries]
    with nodes_built() as built, state_kept("a loop"), each_iteration(lambda: iteration):
        holds = test(given).node
        roots = [one.node for one in step(given)]
    _require_carries(init, roots)
    if holds.tensor is not TensorType(dtypes.bool_, ()):
        raise DTypeError(
            f"the condition of a loop is {holds.type}, expected bool[]",
            code="condition",
            hint="compare numbers without axes, or reduce with all(...) or any(...)",
        )
    first = [one.node for _, one in init]
    if iteration in topological([holds, *roots]):
        # The loop draws random numbers, and counts its iterations for them.
        first.append(number(0, SEED_DTYPE))
        carries.append(iteration)
        roots.append(add(iteration, number(1, SEED_DTYPE)))
    constants = captured([holds, *roots], carries, built)
    node = ops.while_loop(
        *first,
        *constants,
        condition=loop_graph("condition", carries, (), constants, [holds]),
        body=loop_graph("body", carries, (), constants, roots),
        carries=len(first),
        max_steps=max_steps,
    )
    return [Tensor(project(node, index=place)) for place in range(len(init))]


def branch_tensors(predicate: Node, traced: Sequence[tuple[list[Node], set[Node]]]) -> list[Tensor]:
    """`cond` of two blocks that have been traced: their results, and the nodes built meanwhile."""
    operands: dict[Node, None] = {}
    for roots, built in traced:
        operands |= dict.fromkeys(captured(roots, (), built))
    then, otherwise = (
        branch_graph(name, list(operands), roots)
        for name, (roots, _) in zip(("then", "otherwise"), traced, strict=True)
    )
    node = ops.cond(predicate, *operands, then=then, otherwise=otherwise)
    return [Tensor(project(node, index=number)) for number in range(len(traced[0][0]))]


def _length(xs: Sequence[Tensor], length: DimLike | None) -> DimLike:
    for x in xs:
        if not x.type.shape:
            raise ShapeError(f"a {x.type} is run over, which has no rows")
        if length is None:
            length = x.type.shape[0]
        if x.type.shape[0] != length:
            raise ShapeError(f"a {x.type} is run over, expected {length} rows")
    if length is None:
        raise UsageError(
            "a scan over nothing has no length", code="scan-length", hint="give it: length=..."
        )
    return length


def _require_carries(init: Sequence[tuple[str, Tensor]], after: Sequence[Node]) -> None:
    for (name, before), node in zip(init, after, strict=False):
        if before.type is not node.tensor:
            error = DTypeError if before.type.dtype is not node.dtype else ShapeError
            raise error(
                f"the loop begins with {name} as {before.type}, and makes it {node.type}",
                code="carry-type",
                hint="what a loop carries keeps its dtype and shape; cast or broadcast it",
            )


# -- nested values --------------------------------------------------------------------------------


def leaves(value: Any, what: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a nested value, each with what it is called in errors."""
    if isinstance(value, Tensor):
        yield what, value
    elif type(value) in (list, tuple):
        for place, part in enumerate(value):
            yield from leaves(part, f"{what}[{place}]")
    elif type(value) is dict:
        for key, part in value.items():
            yield from leaves(part, f"{what}[{key!r}]")
    else:
        raise UsageError(
            f"{what} is {value!r} ({type(value).__name__}), expected a tensor",
            code="argument",
            hint="a number becomes one with full((), value, dtype)",
        )


def rebuilt(form: Any, leaves: Iterator[Tensor]) -> Any:
    """The tensors nested as `form` is."""
    if type(form) in (list, tuple):
        return type(form)(rebuilt(part, leaves) for part in form)
    if type(form) is dict:
        return {key: rebuilt(part, leaves) for key, part in form.items()}
    return next(leaves)


def require_form(value: Any, expected: Any, what: str) -> None:
    """Refuse a value that is not nested as another one is."""
    same = (
        isinstance(value, Tensor) if isinstance(expected, Tensor) else type(value) is type(expected)
    )
    if same and isinstance(expected, list | tuple):
        same = len(value) == len(expected)
    if same and isinstance(expected, dict):
        same = list(value) == list(expected)
    if not same:
        raise UsageError(
            f"{what} is {value!r}, expected the form of {expected!r}",
            code="nesting",
            hint="nest tensors in the same tuples, lists and dicts",
        )
    if isinstance(expected, list | tuple):
        for one, other in zip(value, expected, strict=True):
            require_form(one, other, what)
    elif isinstance(expected, dict):
        for key in expected:
            require_form(value[key], expected[key], what)
