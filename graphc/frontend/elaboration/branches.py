"""Branches that stay in the graph, because a dim or a tensor decides which block runs.

    if loss < best:                 # one of two graphs
    n = 4 if B > 8 else 2           # one of two numbers

Tensors that the blocks give are results of the branch. A number that is chosen from two stays one
without a dtype, as those are that it is chosen from; one beside a tensor takes the tensor's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphc.errors import (
    DTypeError,
    GraphcError,
    OutOfRangeError,
    ShapeError,
    SourceError,
    Span,
)
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.carries import form_of
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.index_notation.formulas import is_formula
from graphc.frontend.tracing import trees
from graphc.frontend.tracing.nesting import leaves_like
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.traced_bodies import TracedBranch, branch_tensors, traced_branch
from graphc.ir.node import Node

__all__ = ["branch", "conditional"]

_WHOLE_RANGE = (
    "the condition narrows no dim: what is proved of sizes holds for its whole range, as "
    "x[min(3, B - 1)] does"
)

Run = Callable[[Evaluator, Sequence[syntax.Statement]], Any]
"""Runs statements; gives something else than None where they return."""


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
        with traced_branch() as one, _told_of_sizes(predicate):
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
            pair = [end.value for end in ends]
            (value,) = _chosen(predicate, traced, {"the result": pair}, node.test.span)
            return replace(ends[0], value=value)
        names = dict.fromkeys(name for scope in scopes for name in scope.assigned())
        found = {name: [scope.find(name) for scope in scopes] for name in names}
        pairs = {
            name: pair
            for name, pair in found.items()
            if not any(value is Scope.MISSING for value in pair)
        }
        called = {repr(name): pair for name, pair in pairs.items()}
        values = _chosen(predicate, traced, called, node.test.span)
    for name, value in zip(pairs, values, strict=True):
        evaluator.scope.define(name, value)
    for name in names:
        why, hint = "has a value in one block of a branch only", "give it one before the branch"
        evaluator.scope.leave_without(name, why, hint)
    return None


def conditional(evaluator: Evaluator, node: syntax.Conditional, predicate: Tensor, run: Run) -> Any:
    """The value of `a if predicate else b`: a branch that returns it from both of its blocks."""
    blocks = ((syntax.Return(one, span=one.span),) for one in (node.body, node.orelse))
    return branch(evaluator, syntax.If(node.test, *blocks, span=node.span), predicate, run).value


@contextmanager
def _told_of_sizes(predicate: Tensor) -> Iterator[None]:
    """Say of errors about sizes in a block that a condition on dims proves nothing there."""
    try:
        yield
    except GraphcError as error:
        for one in error.errors:
            is_of_sizes = isinstance(one, ShapeError | OutOfRangeError)
            if is_of_sizes and is_formula(predicate.node) and _WHOLE_RANGE not in one.notes:
                one.note(_WHOLE_RANGE)
        raise


def _chosen(
    predicate: Tensor,
    traced: Sequence[TracedBranch],
    pairs: Mapping[str, Sequence[Any]],
    span: Span,
) -> list[Any]:
    """What the predicate chooses of each pair of values, given what they are called in errors.

    Raises:
        SourceError, DTypeError, ShapeError: values of different forms or types.
    """
    results: tuple[list[Node], list[Node]] = ([], [])
    for what, (one, other) in pairs.items():
        if one is other:
            continue
        if form_of(one) != form_of(other):
            raise _unlike(what, one, other, span)
        for leaves in zip(trees.leaves(one), leaves_like(other, one, what), strict=True):
            if not _stays_known(*leaves):
                for found, tensor in zip(results, _as_tensors(what, *leaves, span), strict=True):
                    found.append(tensor.node)
    tensors = iter(branch_tensors(predicate.node, traced, results))

    def leaf(one: Any, other: Any) -> Any:
        if not _stays_known(one, other):
            return next(tensors)
        return one if _is_same(one, other) else numbers.chosen(predicate, one, other)

    return [
        one
        if one is other
        else trees.rebuilt(one, list(map(leaf, trees.leaves(one), leaves_like(other, one, what))))
        for what, (one, other) in pairs.items()
    ]


def _stays_known(one: Any, other: Any) -> bool:
    """Whether what is chosen is no tensor: it is the same in both blocks, or a number."""
    are_numbers = all(numbers.is_number(v) and not isinstance(v, bool) for v in (one, other))
    return are_numbers or _is_same(one, other)


def _is_same(one: Any, other: Any) -> bool:
    """Whether both are one value; 0.0 and -0.0 are two."""
    are_alike = type(one) is type(other) and numbers.is_number(one) and one == other
    return one is other or (are_alike and str(one) == str(other))


def _as_tensors(what: str, one: Any, other: Any, span: Span) -> tuple[Tensor, Tensor]:
    """Two values of one type, of which a number takes the dtype of a tensor."""
    a, b = numbers.alike((one, other))
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        raise _unlike(what, one, other, span)
    if a.type is not b.type:
        error = DTypeError if a.dtype is not b.dtype else ShapeError
        raise error(
            f"{what} is {a.type} if the condition holds, and else {b.type}",
            code="branch-type",
            span=span,
            hint="both blocks give the same dtype and shape; cast or broadcast",
        )
    return a, b


def _unlike(what: str, one: Any, other: Any, span: Span) -> SourceError:
    return refused(
        f"{what} is {described(one)} if the condition holds, and else {described(other)}",
        "branch-type",
        span,
        "what is chosen at run time is a number or a tensor, or nests them alike in both blocks",
    )
