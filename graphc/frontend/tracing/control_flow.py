"""Loops and branches of Python functions that stay in the graph: `scan`, `while_loop`, `cond`.

Bodies are functions on tensors. They are traced once, see the tensors around them, and read and
update state; what they carry, run over and return may be trees (`trees.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.as_tensor import as_tensor, as_tensors
from graphc.frontend.tracing.carries import (
    Seen,
    beside,
    carrying,
    in_dtype_of,
    is_plain_number,
    tensors_in,
    with_numbers,
)
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.nesting import leaves_like
from graphc.frontend.tracing.parameters import require_function, require_parameters
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.traced_bodies import (
    RowOf,
    TracedBranch,
    branch_tensors,
    scan_tensors,
    traced_branch,
    while_tensors,
)
from graphc.frontend.tracing.trees import leaves, named_leaves, rebuilt
from graphc.ir.dims import Dim, DimLike

__all__ = ["cond", "require_branches", "scan", "while_loop"]


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
        body: called with tensors that stand for every iteration. Its row may be None.
        init: the first carry: a tensor, array or number, or a tree of them, or None. A Python
            number takes the dtype that the body makes of it, which is first called with that.
        xs: tensors or arrays of one length, in the same forms; None for none.
        length: iterations, where there is nothing to run over; may be a dim.
        reverse: take the rows from the last to the first. Results stand where their row was.

    Returns:
        The last carry, and the rows of results stacked.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or lengths differ.
        UsageError: no length, or a body that returns no pair.

    >>> from graphc.frontend.tracing.trace import trace
    >>> from graphc.ir.dtype import f32
    >>> def sums(x):
    ...     return scan(lambda total, row: (total + row, total + row), x[0] * 0, x)[1]
    >>> trace(sums, f32["T", 3])[0].results[0].type
    f32[T, 3]
    """
    require_function(body, "scan", "the body comes first: scan(body, init, xs)")
    require_parameters(body, "scan", 2, "the body is a function of the carry and a row: body(c, x)")
    with at_python_line():
        _require_size("scan", "length", length)
        rows = as_tensors(xs, "xs")
        over = list(leaves(rows))

        def run(form: Any, seen: Seen) -> tuple[list[Tensor], Any]:
            stacked_form: list[Any] = []

            def step(
                carries: list[Tensor], given: list[Tensor], row_of: RowOf
            ) -> tuple[list[Tensor], list[Tensor]]:
                x = rebuilt(rows, given)
                carry, row = _pair(body(with_numbers(form, carries), x))
                after = _next_carries(carry, form, carries, seen)
                stacked_form.append(as_tensors(row, "the row"))
                return after, list(leaves(stacked_form[0]))

            first = tensors_in(form, "init")
            carries, stacked = scan_tensors(step, first, over, length, reverse)
            return carries, rebuilt(stacked_form[0], stacked)

        return carrying(_first_carry(init), run, beside, over)


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            f"the body of a scan returned {shown(result)}, expected a pair",
            code="scan-result",
            hint="return the next carry and a row of results, or (carry, None)",
        )
    carry, row = result
    return carry, row


def _require_size(name: str, what: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | Dim)):
        raise UsageError(
            f"{name}: {what} is {shown(value)}, expected a size",
            code="argument",
            hint="a size is a number or a dim, such as x.shape[0], and never the value of a tensor",
        )


_LOOP = (
    "write while_loop(condition, body, init, max_steps=n), with condition(carry) and body(carry)"
)


def while_loop(
    condition: Callable[[Any], Tensor],
    body: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: DimLike | None = None,
) -> Any:
    """Run `body(carry)` while `condition(carry)` holds, and `max_steps` times at most.

    A loop that reaches `max_steps` ends as others do: `condition` of what it gave says that it did.

    Any order of derivative is defined: for a gradient `max_steps` iterations keep what those of
    `scan` keep.

    Args:
        condition: gives a bool without axes.
        body: gives the next carry.
        init: the first carry: a tensor, array or number, or a tree of them. A Python number takes
            the dtype that the body makes of it, which is first called with that.
        max_steps: bounds the loop and the memory of its gradient; may be a dim.

    Returns:
        The last carry.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or the condition is no bool.
        UsageError: no bound.
    """
    for one in (condition, body):
        require_function(one, "while_loop", _LOOP)
        require_parameters(one, "while_loop", 1, _LOOP)
    with at_python_line():
        _require_size("while_loop", "max_steps", max_steps)
        if max_steps is None:
            raise UsageError(
                "a while_loop needs a bound",
                code="loop-bound",
                hint="say how often it runs at most: while_loop(..., max_steps=100)",
            )
        bound = max_steps

        def run(form: Any, seen: Seen) -> tuple[list[Tensor], None]:
            def test(carries: list[Tensor]) -> Tensor:
                given = with_numbers(form, carries)
                holds = condition(given)
                if isinstance(holds, bool) and len(carries) < len(list(leaves(form))):
                    holds = as_tensor(holds, "the condition")
                if not isinstance(holds, Tensor):
                    raise UsageError(
                        f"the condition gives {shown(holds)}, expected a tensor of bool",
                        hint="compare tensors in it; scan(..., length=n) repeats a known number "
                        "of times",
                    )
                return holds

            def step(carries: list[Tensor]) -> list[Tensor]:
                return _next_carries(body(with_numbers(form, carries)), form, carries, seen)

            first = tensors_in(form, "init")
            return while_tensors(test, step, first, bound), None

        return carrying(_first_carry(init), run, beside)[0]


# -- carries --------------------------------------------------------------------------------------


def _first_carry(init: Any) -> Any:
    return rebuilt(
        init,
        [
            leaf if type(leaf) in (int, float, complex) else as_tensor(leaf, name)
            for name, leaf in named_leaves(init, "init")
        ],
    )


def _next_carries(carry: Any, form: Any, carries: Sequence[Tensor], seen: Seen) -> list[Tensor]:
    tensors = leaves_like(as_tensors(carry, "the carry"), form, "the carry")
    values = leaves_like(carry, form, "the carry")
    seen([v if is_plain_number(v) else one for v, one in zip(values, tensors, strict=True)])
    carried = [
        (v, one)
        for leaf, v, one in zip(leaves(form), values, tensors, strict=True)
        if isinstance(leaf, Tensor)
    ]
    return [
        in_dtype_of(value, now, then) for now, (value, then) in zip(carries, carried, strict=True)
    ]


_BRANCHES = (
    "where(condition, a, b) chooses elements, cond(p, lambda: a, lambda: b) a branch; the "
    "condition number of a matrix is linalg.cond(x)"
)


def cond(
    predicate: Tensor,
    then: Any = None,
    otherwise: Any = None,
    *operands: Any,
) -> Any:
    """`then(*operands)` if the predicate holds, else `otherwise(*operands)`; only one of them runs.

    Any order of derivative is defined.

    Args:
        predicate: a bool without axes.
        then, otherwise: functions that give tensors of the same types, nested in the same way. A
            Python number takes the dtype of what the other one gives in its place.

    Raises:
        ShapeError, DTypeError: results of different types, or a predicate that is no bool.
        UsageError: what are no functions, or results that are nested in different ways.
    """
    require_branches(then, otherwise, len(operands))
    with at_python_line():
        if not isinstance(predicate, Tensor):
            return then(*operands) if predicate else otherwise(*operands)
        values: list[list[Any]] = []
        tensors: list[list[Tensor]] = []
        traced: list[TracedBranch] = []
        form: Any = None
        for number, branch in enumerate((then, otherwise)):
            with traced_branch() as found:
                value = branch(*operands)
                made = as_tensors(value, "the result of a branch")
                form = form if number else made
                for lists, tree in ((values, value), (tensors, made)):
                    lists.append(leaves_like(tree, form, "the result of the other branch"))
            traced.append(found)
        results = [
            [beside(*one).node for one in zip(mine, theirs, strict=True)]
            for mine, theirs in zip(values, reversed(tensors), strict=True)
        ]
        return rebuilt(form, branch_tensors(predicate.node, traced, results))


def require_branches(then: Any, otherwise: Any, operands: int) -> None:
    """Refuse branches that are no functions of so many operands."""
    for branch in (then, otherwise):
        require_function(branch, "cond", _BRANCHES)
    for branch in (then, otherwise):
        hint = "both branches are functions of the operands: cond(p, f, g, x) with f(x) and g(x)"
        require_parameters(branch, "cond", operands, hint)
