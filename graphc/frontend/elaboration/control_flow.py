"""Loops and branches that stay in the graph, because a dim or a tensor decides what runs.

    for t in range(T):              # a dim: a scan
        h = cell(x[t], h)           # x[t] is a row that the scan runs over
        ys[t] = h                   # rows of results, stacked

    for row in x:                   # a tensor: a scan over its rows
    while error > 1e-6, at most 100:
    if loss < best:                 # a tensor: one of two graphs

What a body assigns, and what had a value before, is carried from one iteration to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphc.errors import DTypeError, GraphcError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.control_flow import (
    branch_tensors,
    leaves,
    rebuilt,
    require_form,
    scan_tensors,
    while_tensors,
)
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.loop_index import LoopIndex
from graphc.frontend.state import state_kept
from graphc.frontend.tensor import Tensor
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.ops.sequences import arange
from graphc.ir.source_map import nodes_built

__all__ = ["bounded_loop", "branch", "row_assigned", "scan_loop", "scanned"]

Run = Callable[[Evaluator, Sequence[syntax.Statement]], Any]
"""Runs statements; gives something else than None where they return."""


def scanned(evaluator: Evaluator, node: syntax.For) -> Tensor | Dim | None:
    """What a loop runs over, if it is a tensor or `range` of a dim: then it is a scan."""
    match node.iterable:
        case syntax.Call(syntax.Name("range"), (size,), ()):
            found = evaluator.evaluate(size)
            return found if isinstance(found, Dim) else None
        case syntax.Name() | syntax.Attribute() | syntax.Subscript():
            found = evaluator.evaluate(node.iterable)
            return found if isinstance(found, Tensor) else None
    return None


def scan_loop(evaluator: Evaluator, node: syntax.For, over: Tensor | Dim, run: Run) -> None:
    """A loop over a dim, or over the rows of a tensor.

    Raises:
        GraphcError: a carry that changes its type, or a `return` inside.
    """
    names, before = _carried(evaluator, node.body)
    rows: list[str] = []
    length: DimLike = over if isinstance(over, Dim) else _rows_of(over, node)

    def step(
        carries: list[Tensor], given: list[Tensor], row_of: Callable[[Tensor], Tensor | None]
    ) -> tuple[list[Tensor], list[Tensor]]:
        inner = Evaluator(evaluator.program, Scope(evaluator.scope))
        for name, value in zip(names, carries, strict=True):
            inner.scope.define(name, value)
        item = given[0]
        if isinstance(over, Dim):
            item = LoopIndex(item.node, row_of, inner.scope)
        inner.assign(node.target, item)
        _run_inside(inner, node.body, run)
        stacked = item.stacked if isinstance(item, LoopIndex) else {}
        rows.extend(stacked)
        return _after(inner, names, carries), list(stacked.values())

    with evaluator.program.sources.at(node.iterable.span), _told(evaluator, names):
        xs = _indices(length) if isinstance(over, Dim) else over
        init = [(repr(name), value) for name, value in zip(names, before, strict=True)]
        carries, stacked = scan_tensors(step, init, [xs], length, False)
    for name, value in (*zip(names, carries, strict=True), *zip(rows, stacked, strict=True)):
        evaluator.scope.define(name, value)


def bounded_loop(evaluator: Evaluator, node: syntax.While, run: Run) -> None:
    """A loop with a condition and a bound.

    Raises:
        GraphcError: a condition that does not change, a bound that is no size, a carry that
            changes its type, or a `return` inside.
    """
    names, before = _carried(evaluator, node.body)
    bound = evaluator.evaluate(node.bound)
    if isinstance(bound, bool) or not isinstance(bound, int | Dim) or dims.bounds(bound)[0] < 0:
        raise refused(
            f"{described(bound)} bounds a loop, expected a size",
            "loop-bound",
            node.bound.span,
            "a loop runs a known number of times at most: while error > 1e-6, at most 100:",
        )

    def inner_of(carries: list[Tensor]) -> Evaluator:
        inner = Evaluator(evaluator.program, Scope(evaluator.scope))
        for name, value in zip(names, carries, strict=True):
            inner.scope.define(name, value)
        return inner

    def test(carries: list[Tensor]) -> Tensor:
        holds = inner_of(carries).evaluate(node.test)
        if not isinstance(holds, Tensor):
            raise refused(
                f"{described(holds)} is the condition of a loop, expected a tensor of bool",
                "condition",
                node.test.span,
                "for a number of repetitions that is known, write: for i in range(n)",
            )
        if holds.shape or holds.dtype is not dtypes.bool_:
            raise DTypeError(
                f"the condition of a loop is {holds.type}, expected bool[]",
                code="condition",
                span=node.test.span,
                hint="compare numbers without axes, or reduce with all(...) or any(...)",
            )
        return holds

    def step(carries: list[Tensor]) -> list[Tensor]:
        inner = inner_of(carries)
        _run_inside(inner, node.body, run)
        return _after(inner, names, carries)

    with evaluator.program.sources.at(node.test.span), _told(evaluator, names):
        init = [(repr(name), value) for name, value in zip(names, before, strict=True)]
        found = while_tensors(test, step, init, bound)
    for name, value in zip(names, found, strict=True):
        evaluator.scope.define(name, value)


def branch(evaluator: Evaluator, node: syntax.If, predicate: Tensor, run: Run) -> Any:
    """A branch on a tensor. What both blocks give a value has one afterwards.

    Returns:
        What `run` gave for the first block, with the value chosen, if both blocks return.

    Raises:
        GraphcError: blocks that give a name values of different types, or one that returns.
    """
    scopes, ends, built = [], [], []
    for block in (node.body, node.orelse):
        inner = Evaluator(evaluator.program, Scope(evaluator.scope))
        with nodes_built() as nodes, state_kept("a branch"):
            ends.append(run(inner, block))
        scopes.append(inner.scope)
        built.append(nodes)
    if (ends[0] is None) is not (ends[1] is None):
        raise not_supported(
            "a return in one block of a branch on a tensor",
            node.test.span,
            "return from both blocks, or assign a value in both and return it afterwards",
        )
    with evaluator.program.sources.at(node.test.span):
        if ends[0] is not None:
            values = _alike([end.value for end in ends])
            _require_tensors(values, node)
            parts = [[one for _, one in leaves(value, "the result")] for value in values]
            chosen = _chosen(predicate, parts, built)
            return replace(ends[0], value=rebuilt(values[0], iter(chosen)))
        names = dict.fromkeys(name for scope in scopes for name in scope.assigned())
        found = {name: _choice(name, scopes, evaluator.scope, node) for name in names}
        tensors = {name: values for name, values in found.items() if values}
        for name, (one, other) in tensors.items():
            _require_alike(repr(name), one, other, node)
        parts = [[values[block] for values in tensors.values()] for block in range(2)]
        for name, value in zip(tensors, _chosen(predicate, parts, built), strict=True):
            evaluator.scope.define(name, value)
    return None


def row_assigned(evaluator: Evaluator, node: syntax.IndexAssign) -> bool:
    """Whether the statement is `ys[t] = row` for the index of a loop, which is then done.

    Raises:
        GraphcError: it stands in a branch or a loop inside that loop, or is no tensor.
    """
    index = evaluator.scope.find(node.indices[0].id) if node.indices else None
    if not isinstance(index, LoopIndex):
        return False
    if index.scope is not evaluator.scope:
        raise not_supported(
            f"a row of {node.name!r} that is assigned in a block inside its loop",
            node.span,
            "assign the row to a name, and that to the row after the block",
        )
    if len(node.indices) > 1:
        rest = replace(node, indices=node.indices[1:])
        value = evaluator.program.index_notation(evaluator, rest)
    else:
        value = _as_tensor(evaluator.evaluate(node.value))
    if not isinstance(value, Tensor):
        raise refused(
            f"{described(value)} is a row of {node.name!r}, expected a tensor",
            "row",
            node.value.span,
            "stack tensors, one for each iteration",
        )
    index.stacked[node.name] = value
    return True


# -- carries --------------------------------------------------------------------------------------


def _carried(
    evaluator: Evaluator, body: Sequence[syntax.Statement]
) -> tuple[dict[str, Span], list[Tensor]]:
    """The names that a body assigns and that have a value before it, with where they are
    assigned; and these values."""
    found: dict[str, Span] = {}
    values: dict[str, Tensor] = {}
    for name, span in syntax.assigned(body):
        value = _as_tensor(evaluator.scope.find(name))
        if isinstance(value, Tensor):
            found[name], values[name] = span, value
    return found, [values[name] for name in found]


@contextmanager
def _told(evaluator: Evaluator, names: Iterable[str]) -> Iterator[None]:
    """Say of errors about dtypes which carries were numbers, and have a dtype by being carried."""
    try:
        yield
    except GraphcError as error:
        for name in names:
            value = evaluator.scope.find(name)
            if numbers.is_number(value):
                for one in error.errors:
                    if isinstance(one, DTypeError):
                        type_ = numbers.tensor_of(value).type
                        one.note(
                            f"{name!r} is {described(value)}, which the loop carries as {type_}"
                        )
        raise


def _as_tensor(value: Any, dtype: DType | None = None) -> Any:
    """A number as a tensor, which a loop or a branch can give another value; others as they are."""
    return numbers.tensor_of(value, dtype) if numbers.is_number(value) else value


def _after(inner: Evaluator, names: dict[str, Span], carries: Sequence[Tensor]) -> list[Tensor]:
    """The values of the carries after an iteration."""
    found = []
    for (name, span), before in zip(names.items(), carries, strict=True):
        value = _as_tensor(inner.scope.find(name), before.dtype)
        if not isinstance(value, Tensor):
            raise refused(
                f"the loop begins with {name!r} as {before.type}, and makes it {described(value)}",
                "carry-type",
                span,
                "what a loop carries stays a tensor of its type",
            )
        if value.type is not before.type:
            error = DTypeError if value.dtype is not before.dtype else ShapeError
            raise error(
                f"the loop begins with {name!r} as {before.type}, and makes it {value.type}",
                code="carry-type",
                span=span,
                hint="what a loop carries keeps its dtype and shape; cast or broadcast it",
            )
        found.append(value)
    return found


def _run_inside(inner: Evaluator, body: Sequence[syntax.Statement], run: Run) -> None:
    returned = run(inner, body)
    if returned is not None:
        raise not_supported(
            "a return inside a loop that stays in the graph",
            returned.span,
            "carry the value, and return it after the loop",
        )


def _rows_of(over: Tensor, node: syntax.For) -> DimLike:
    if not over.type.shape:
        raise ShapeError(f"a {over.type} has no rows to loop over", span=node.iterable.span)
    return over.type.shape[0]


def _indices(length: DimLike) -> Tensor:
    """The numbers of the iterations."""
    narrow = dims.bounds(length)[1] < 2**31
    return Tensor(arange(length, dtype=dtypes.i32 if narrow else dtypes.i64))


# -- branches -------------------------------------------------------------------------------------


def _choice(name: str, scopes: Sequence[Scope], outer: Scope, node: syntax.If) -> list[Tensor]:
    """The values of a name that the predicate chooses from; one that both blocks agree on is kept.

    Empty where there is nothing to choose.
    """
    values = [scope.find(name) for scope in scopes]
    if any(value is Scope.MISSING for value in values):
        return []
    one, other = values
    if one is other or (type(one) is type(other) and numbers.is_number(one) and one == other):
        outer.define(name, one)
        return []
    found = _alike(values)
    if all(isinstance(value, Tensor) for value in found):
        return found
    raise refused(
        f"{name!r} is {described(one)} if the condition holds, and else {described(other)}",
        "branch-type",
        node.test.span,
        "a value that is chosen at run time is a tensor",
    )


def _alike(values: Sequence[Any]) -> list[Any]:
    """Numbers among the values as tensors: of the dtype of the other value, or of that number."""
    given = next((one.dtype for one in values if isinstance(one, Tensor)), None)
    tensors = [_as_tensor(one, given) for one in values]
    if given is None and all(isinstance(one, Tensor) for one in tensors):
        floats = [one.dtype for one in tensors if one.dtype.kind == "float"]
        return [_as_tensor(one, next(iter(floats), None)) for one in values]
    return tensors


def _require_alike(what: str, one: Tensor, other: Tensor, node: syntax.If) -> None:
    if one.type is not other.type:
        error = DTypeError if one.dtype is not other.dtype else ShapeError
        raise error(
            f"{what} is {one.type} if the condition holds, and else {other.type}",
            code="branch-type",
            span=node.test.span,
            hint="both blocks give the same dtype and shape; cast or broadcast",
        )


def _require_tensors(values: Sequence[Any], node: syntax.If) -> None:
    require_form(values[1], values[0], "the result of the other block")
    pairs = zip(*(leaves(value, "the result") for value in values), strict=True)
    for (what, one), (_, other) in pairs:
        _require_alike(what, one, other, node)


def _chosen(
    predicate: Tensor, parts: Sequence[Sequence[Tensor]], built: Sequence[set[Any]]
) -> list[Tensor]:
    traced = [
        ([one.node for one in values], found) for values, found in zip(parts, built, strict=True)
    ]
    return branch_tensors(predicate.node, traced) if parts[0] else []
