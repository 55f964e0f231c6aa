"""Loops and branches that stay in the graph, because a dim or a tensor decides what runs.

    for t in range(T):              # a dim: a scan
        h = cell(x[t], h)           # x[t] is a row that the scan runs over
        ys[t] = h                   # rows of results, stacked

    for row in x:                   # a tensor: a scan over its rows
    for i, (a, b) in enumerate(zip(x, y)):  # over the rows of several, with their number
    for i in arange(1000):          # numbers that stay in the graph: a scan too
    while error > 1e-6, at most 100:
    if loss < best:                 # a tensor: one of two graphs

What a body assigns, and what had a value before, is carried from one iteration to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from graphc.errors import DTypeError, ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.carries import Carries, alike, form_of, is_tensors
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.iterables import InGraph, Rounds, Together, length_of
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.rows import Rows, rows_in
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing import trees
from graphc.frontend.tracing.control_flow import leaves, rebuilt, require_form
from graphc.frontend.tracing.loop_index import LoopIndex
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.traced_bodies import (
    TracedBranch,
    branch_tensors,
    scan_tensors,
    traced_branch,
    while_tensors,
)
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.ops.sequences import arange

__all__ = [
    "bounded_loop",
    "branch",
    "conditional",
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
    """`range` of a dim, and `arange` of any size."""
    match node:
        case syntax.Call(syntax.Name("range" | "arange" as name), (size,), ()):
            length = evaluator.evaluate(size)
            if isinstance(length, Dim):
                return Rounds(length)
            if name == "arange" and type(length) is int:
                return Rounds(max(length, 0))
    return None


def scan_loop(evaluator: Evaluator, node: syntax.For, over: InGraph, run: Run) -> None:
    """A loop over numbers, over the rows of tensors, or both.

    Raises:
        GraphcError: a carry that changes its type, or a `return` inside.
    """
    carried = Carries(evaluator, node.body, rows_in(node))
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
    for name, value in zip(rows.stored, stacked, strict=True):
        rows.define(evaluator.scope, name, value)
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


def branch(evaluator: Evaluator, node: syntax.If, predicate: Tensor, run: Run) -> Any:
    """A branch on a tensor. What both blocks give a value has one afterwards.

    Returns:
        What `run` gave for the first block, with the value chosen, if both blocks return.

    Raises:
        GraphcError: blocks that give a name values of different types, or one that returns.
    """
    scopes, ends, traced = [], [], []
    for block in (node.body, node.orelse):
        inner = Evaluator(evaluator.program, Scope(evaluator.scope))
        with traced_branch() as one:
            ends.append(run(inner, block))
        scopes.append(inner.scope)
        traced.append(one)
    if (ends[0] is None) is not (ends[1] is None):
        raise not_supported(
            "a return in one block of a branch on a tensor",
            node.test.span,
            "return from both blocks, or return at the end of the function from what follows",
        )
    with evaluator.program.sources.at(node.test.span):
        if ends[0] is not None:
            values = alike([end.value for end in ends])
            _require_tensors(values, node)
            parts = [[one for _, one in leaves(value, "the result")] for value in values]
            made = _chosen(predicate, parts, traced)
            return replace(ends[0], value=rebuilt(values[0], iter(made)))
        names = dict.fromkeys(name for scope in scopes for name in scope.assigned())
        found = {name: _choice(name, scopes, evaluator.scope, node) for name in names}
        chosen_from = {name: values for name, values in found.items() if values}
        for name, values in chosen_from.items():
            for one, other in zip(*map(trees.leaves, values), strict=True):
                _require_alike(repr(name), one, other, node)
        parts = [
            [leaf for values in chosen_from.values() for leaf in trees.leaves(values[block])]
            for block in range(2)
        ]
        chosen = iter(_chosen(predicate, parts, traced))
        for name, values in chosen_from.items():
            evaluator.scope.define(name, trees.rebuilt(values[0], chosen))
        for name in names:
            why, hint = "has a value in one block of a branch only", "give it one before the branch"
            evaluator.scope.leave_without(name, why, hint)
    return None


def conditional(evaluator: Evaluator, node: syntax.Conditional, predicate: Tensor, run: Run) -> Any:
    """The value of `a if predicate else b`: a branch that returns it from both of its blocks."""
    blocks = ((syntax.Return(one, span=one.span),) for one in (node.body, node.orelse))
    return branch(evaluator, syntax.If(node.test, *blocks, span=node.span), predicate, run).value


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
        yield _indices(over.length) if isinstance(over, Rounds) else over


def _item(
    over: InGraph, rows: Iterator[Tensor], row_of: Callable[[Tensor], Tensor | None]
) -> Tensor | tuple[Any, ...]:
    """What one iteration is given, of its rows."""
    if isinstance(over, Together):
        return tuple(_item(one, rows, row_of) for one in over.parts)
    return LoopIndex(next(rows).node, row_of) if isinstance(over, Rounds) else next(rows)


def _indices(length: DimLike) -> Tensor:
    """The numbers of the iterations."""
    narrow = dims.bounds(length)[1] < 2**31
    return Tensor(arange(length, dtype=dtypes.i32 if narrow else dtypes.i64))


# -- branches -------------------------------------------------------------------------------------


def _choice(name: str, scopes: Sequence[Scope], outer: Scope, node: syntax.If) -> list[Any]:
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
    found = alike(values)
    if all(map(is_tensors, found)) and form_of(found[0]) == form_of(found[1]):
        return found
    raise refused(
        f"{name!r} is {described(one)} if the condition holds, and else {described(other)}",
        "branch-type",
        node.test.span,
        "a value that is chosen at run time is a tensor",
    )


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
    predicate: Tensor, parts: Sequence[Sequence[Tensor]], traced: Sequence[TracedBranch]
) -> list[Tensor]:
    results = [[one.node for one in values] for values in parts]
    return branch_tensors(predicate.node, traced, results)
