"""What a statement of index notation means, and one that computes with named axes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from graphc.errors import ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.index_notation.evaluator import IndexEvaluator
from graphc.frontend.index_notation.mentions import (
    ambiguous,
    bound_in,
    check_bound,
    hidden_by_reduction,
    introduced_in,
    mentions,
    names_in,
    reduced_indices,
    unbound,
)
from graphc.frontend.index_notation.named_axes import require_aligned
from graphc.frontend.index_notation.space import Space
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike

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
    introduced = node.indices if isinstance(node, syntax.IndexAssign) else ()
    for one in (*introduced, *introduced_in(body)):
        _require_new(one, evaluator.scope)
    stated = _stated(evaluator, (*introduced, *introduced_in(body)), names)
    inner = IndexEvaluator(evaluator, Space(names, {}, stated))
    inner.measure(body)
    value = inner.evaluate(body)
    _require_folded(inner, body, free)
    _require_read(inner, body, introduced)
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
    bound = {*bound_in(body)}
    hidden = [name for name in mentioned if name in bound or scope.find(name) is not Scope.MISSING]
    if len(hidden) == len(mentioned):
        require_aligned(body, carried)
        return None
    for one in names_in(body):
        if one.id in hidden:
            raise ambiguous(one.id, one.span)
    for one in introduced_in(body):
        _require_new(one, scope)
    names = tuple(dict.fromkeys((*indices, *reduced)))
    check_bound(body, names, frozenset(indices), scope)
    stated = _stated(evaluator, introduced_in(body), names)
    inner = IndexEvaluator(evaluator, Space(names, carried, stated))
    inner.measure(body)
    value = inner.evaluate(body)
    _require_folded(inner, body, indices)
    free = inner.space.in_order(list(inner.indices_of(body)))
    with evaluator.program.sources.at(body.span):
        return inner.space.restricted(inner.in_space(value), free, body.span), tuple(free)


def _require_new(index: syntax.Name, scope: Scope) -> None:
    """Refuse an index whose name is a value already, which it would hide."""
    value = scope.find(index.id)
    if not numbers.is_number(value) and not isinstance(value, Tensor | tuple | list | dict | str):
        return
    error = refused(
        f"{index.id!r} is {described(value)} here, and no new index",
        "ambiguous-index",
        index.span,
        "choose another name for the index; a new value for one element is made by "
        f"z.at[{index.id}].set(...)",
    )
    place = scope.place_of(index.id)
    raise error if place is None else error.note(f"it is defined at {place}")


def _require_read(
    inner: IndexEvaluator, body: syntax.Expression, introduced: Iterable[syntax.Name]
) -> None:
    """Refuse an index on the left that a reduction hides wherever it occurs."""
    read = inner.indices_of(body)
    for one in introduced:
        is_stated = isinstance(one, syntax.Index)
        if one.id in inner.space.extents.sizes and one.id not in read and not is_stated:
            raise hidden_by_reduction(one)


def _stated(
    evaluator: Evaluator, introduced: Iterable[syntax.Name], names: Collection[str]
) -> dict[str, DimLike]:
    """How far the indices run of which it is stated.

    Raises:
        SourceError: what is stated is no whole number, or depends on another index.
        ShapeError: two numbers are stated for one index, or one that may be negative.
    """
    found: dict[str, DimLike] = {}
    for one in introduced:
        if not isinstance(one, syntax.Index):
            continue
        if mentions(one.extent, names):
            raise refused(
                f"how far the index {one.id!r} runs depends on an index",
                "index-extent",
                one.extent.span,
                f"let {one.id} run over all, and choose: where(condition, ..., 0)",
            )
        value = evaluator.evaluate(one.extent)
        if isinstance(value, bool) or not isinstance(value, int | Dim):
            raise refused(
                f"the index {one.id!r} runs over {described(value)}",
                "index-extent",
                one.extent.span,
                "an index runs over a whole number that is known while the program is built",
            )
        if not dims.always_less_equal(0, value):
            raise ShapeError(
                f"the index {one.id!r} runs over {value}, which may be negative",
                code="index-extent",
                span=one.extent.span,
                hint="let the dim's range begin where this is 0 or more",
            )
        if not dims.always_equal(found.setdefault(one.id, value), value):
            raise ShapeError(
                f"the index {one.id!r} runs over {found[one.id]} and over {value}",
                span=one.extent.span,
                hint="give one of them another index",
            )
    return found


def _require_folded(
    inner: IndexEvaluator, body: syntax.Expression, indices: tuple[str, ...]
) -> None:
    """Refuse a value with an axis that a function computes along, and keeps."""
    left = inner.indices_of(body) - {*indices}
    for one in names_in(body):
        if one.id in left:
            raise unbound(one)
