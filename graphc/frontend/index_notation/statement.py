"""What a statement of index notation means, and one that computes with named axes."""

from __future__ import annotations

from graphc.frontend import syntax
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.index_notation.evaluator import IndexEvaluator
from graphc.frontend.index_notation.mentions import check_bound, names_in, reduced_indices, unbound
from graphc.frontend.index_notation.space import Space
from graphc.frontend.tensor import Tensor

__all__ = ["elaborate_named", "elaborate_notation"]


def elaborate_notation(evaluator: Evaluator, node: syntax.IndexAssign | syntax.Reduction) -> Tensor:
    """The tensor that a statement of index notation defines, or the number of a reduction.

    Raises:
        ShapeError: an index runs over axes of different sizes, or out of an axis.
        NameLookupError: an index is neither on the left nor reduced over.
        SourceError: an expression that index notation does not take.
    """
    is_statement = isinstance(node, syntax.IndexAssign)
    body = node.value if isinstance(node, syntax.IndexAssign) else node
    free = tuple(index.id for index in node.indices) if is_statement else ()
    names = tuple(dict.fromkeys((*free, *reduced_indices(body, evaluator.scope))))
    check_bound(body, names, frozenset(free), evaluator.scope)
    inner = IndexEvaluator(evaluator, Space(names, {}))
    inner.measure(body)
    value = inner.evaluate(body)
    _require_folded(inner, body, free)
    with evaluator.program.sources.at(node.span):
        return inner.space.restricted(inner.in_space(value), free, node.span)


def elaborate_named(
    evaluator: Evaluator, body: syntax.Expression
) -> tuple[Tensor, tuple[str, ...]] | None:
    """The value of an expression that mentions the indices of tensors that carry them.

    `where(j <= i, s, 0)` is such an expression where s was defined as `s[b, i, j] = ...` and i
    and j mean nothing else. None if the expression is no such one.

    Returns:
        The tensor, and the indices that its axes have the names of.

    Raises:
        as `elaborate_notation` does.
    """
    scope = evaluator.scope
    evaluator.program.count(body.span)
    carried = {one.id: scope.axis_names(one.id) for one in names_in(body)}
    carried = {name: axes for name, axes in carried.items() if axes}
    if not carried:
        return None
    indices = tuple(dict.fromkeys(axis for axes in carried.values() for axis in axes))
    reduced = tuple(reduced_indices(body, scope))
    mentioned = {*(one.id for one in names_in(body)), *reduced} & {*indices}
    hidden = [name for name in mentioned if scope.find(name) is not Scope.MISSING]
    if len(hidden) == len(mentioned):
        return None
    for one in names_in(body):
        if one.id in hidden:
            raise refused(
                f"{one.id!r} is the name of an axis here, and has another meaning as well",
                "ambiguous-index",
                one.span,
                "give the index or the value another name",
            )
    names = tuple(dict.fromkeys((*indices, *reduced)))
    check_bound(body, names, frozenset(indices), scope)
    inner = IndexEvaluator(evaluator, Space(names, carried))
    inner.measure(body)
    value = inner.evaluate(body)
    _require_folded(inner, body, indices)
    free = inner.space.in_order(list(inner.indices_of(body)))
    with evaluator.program.sources.at(body.span):
        return inner.space.restricted(inner.in_space(value), free, body.span), tuple(free)


def _require_folded(
    inner: IndexEvaluator, body: syntax.Expression, indices: tuple[str, ...]
) -> None:
    """Refuse a value with an axis that a function computes along, and keeps."""
    left = inner.indices_of(body) - {*indices}
    for one in names_in(body):
        if one.id in left:
            raise unbound(one)
