"""Loops that stay in the graph, because a dim or a tensor decides how often they run.

    for t in range(T):              # a dim: a scan
        h = cell(x[t], h)           # x[t] is a row that the scan runs over
        ys[t] = h                   # rows of results, stacked

    for row in x:                   # a tensor: a scan over its rows
    for i, (a, b) in enumerate(zip(x, y)):  # over the rows of several, with their number
    for i in arange(1000):          # numbers that stay in the graph: a scan too
    while error > 1e-6, at most 100:

What a body assigns, and what had a value before, is carried from one iteration to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.carries import Carries
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.iterables import InGraph, Rounds, Together, indices, length_of
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.rows import Rows, rows_in
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.loop_index import LoopIndex
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.traced_bodies import scan_tensors, while_tensors
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim

__all__ = [
    "bounded_loop",
    "is_of_dims",
    "iterated",
    "leave_loop",
    "scan_loop",
]

Run = Callable[[Evaluator, Sequence[syntax.Statement]], Any]
"""Runs statements; gives something else than None where they return."""


def iterated(evaluator: Evaluator, node: syntax.For) -> Any:
    """What a loop runs over: of `InGraph`, where it stays in the graph, or a sequence."""
    match node.iterable:
        case syntax.Call(syntax.Name("reversed"), (syntax.Call() as inner,), ()):
            found = _rounds(evaluator, inner)
            found = None if found is None else Rounds(found.length, reverse=True)
        case syntax.Call() as call:
            found = _rounds(evaluator, call)
        case _:
            found = None
    return evaluator.evaluate(node.iterable) if found is None else found


def _rounds(evaluator: Evaluator, node: syntax.Call) -> Rounds | None:
    """`range` of a dim, and `arange` of any size.

    A dim stays one where the call says what size it has: what the source writes decides which loops
    stay in the graph, and not who calls it.
    """
    match node:
        case syntax.Call(syntax.Name("range" | "arange" as name), (size,), ()):
            length = evaluator.evaluate(size)
            stays = name == "arange" or is_of_dims(evaluator.scope, size)
            if isinstance(length, Dim) or (stays and type(length) is int):
                return Rounds(dims.maximum(length, 0))
    return None


def is_of_dims(scope: Scope, node: syntax.Node) -> bool:
    """Whether an expression names a dim of the function's types, which each call chooses."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Name) and scope.is_size(one.id):
            return True
        pending += syntax.children(one)
    return False


def scan_loop(evaluator: Evaluator, node: syntax.For, over: InGraph, run: Run) -> None:
    """A loop over numbers, over the rows of tensors, or both.

    Raises:
        GraphcError: a carry that changes its type, or a `return` inside.
    """
    carried = Carries(evaluator, node.body, [name for name, _ in rows_in(evaluator.scope, node)])
    traced: list[Rows] = []
    try:
        length = length_of(over)
    except ShapeError as error:
        raise error.at(node.iterable.span) from None

    def step(
        carries: list[Tensor], given: list[Tensor], row_of: Callable[[Tensor], Tensor | None]
    ) -> tuple[list[Tensor], list[Tensor]]:
        inner = Evaluator(evaluator.program, Scope(evaluator.scope))
        carried.define(inner.scope, carries)
        inner.assign(node.target, _item(over, iter(given), row_of))
        rows = Rows(inner.scope, node)
        rows.begin()
        _run_inside(inner, node.body, run)
        traced[:] = [rows]
        stacked = [numbers.tensor_of(one[None]) for one in rows.stored.values()]
        return carried.after(inner.scope, carries), stacked

    with evaluator.program.sources.at(node.iterable.span), carried.told():
        xs = list(_rows(over))
        reverse = isinstance(over, Rounds) and over.reverse
        stacked = carried.through(
            lambda init: scan_tensors(step, init, xs, length, reverse),
            list(Together((over,)).tensors()),
        )
    (rows,) = traced
    for one, value in zip(rows.stored, stacked, strict=True):
        rows.define(evaluator.scope, one, value)
    leave_loop(evaluator.scope, node.body)


def bounded_loop(evaluator: Evaluator, node: syntax.While, run: Run) -> None:
    """A loop with a condition and a bound.

    Raises:
        GraphcError: a condition that does not change, a bound that is no size, a carry that
            changes its type, or a `return` inside.
    """
    carried = Carries(evaluator, node.body)
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
        carried.define(inner.scope, carries)
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
        return carried.after(inner.scope, carries)

    with evaluator.program.sources.at(node.test.span), carried.told():
        carried.through(lambda init: (while_tensors(test, step, init, bound), []))
    leave_loop(evaluator.scope, node.body)


def leave_loop(
    scope: Scope,
    body: Sequence[syntax.Statement],
    why: str = "it has none before the loop, which may run 0 times",
) -> None:
    """Say why names that the body of a loop assigns have no value after it, if they have none."""
    for name, _ in syntax.assigned(body):
        scope.leave_without(name, f"has no value: {why}", "give it one before the loop")


def _run_inside(inner: Evaluator, body: Sequence[syntax.Statement], run: Run) -> None:
    returned = run(inner, body)
    if returned is not None:
        raise not_supported(
            "a return inside a loop that stays in the graph",
            returned.span,
            "carry the value, and return it after the loop",
        )


def _rows(over: InGraph) -> Iterator[Tensor]:
    """The tensors of whose rows an iteration has one each."""
    if isinstance(over, Together):
        for one in over.parts:
            yield from _rows(one)
    else:
        yield indices(over.length) if isinstance(over, Rounds) else over


def _item(
    over: InGraph, rows: Iterator[Tensor], row_of: Callable[[Tensor], Tensor | None]
) -> Tensor | tuple[Any, ...]:
    """What one iteration is given, of its rows."""
    if isinstance(over, Together):
        return tuple(_item(one, rows, row_of) for one in over.parts)
    return LoopIndex(next(rows).node, row_of) if isinstance(over, Rounds) else next(rows)
