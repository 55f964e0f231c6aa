"""Which names an expression mentions, and how an access is written: walks over the syntax."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from graphc.errors import NameLookupError, SourceError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import refused, without_operand
from graphc.frontend.elaboration.scope import Scope
from graphc.lazy import formatter

__all__ = [
    "AXIS_WORDS",
    "ambiguous",
    "bound_in",
    "check_bound",
    "hidden_by_reduction",
    "introduced_in",
    "mentions",
    "names_in",
    "reduced_indices",
    "require_bound",
    "text_of",
    "unbound",
]

MAX_TEXT = 60
"""Characters of an expression in a message."""

AXIS_WORDS = ("axis", "dim")
"""The arguments that name the axes which a function computes along."""


def names_in(node: syntax.Node) -> Iterator[syntax.Name]:
    """Every name that occurs in an expression."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Name):
            yield one
        pending += reversed(list(syntax.children(one)))


def mentions(node: syntax.Node, names: Collection[str]) -> bool:
    """Whether one of the names occurs in an expression."""
    return any(one.id in names for one in names_in(node))


def reduced_indices(node: syntax.Node, scope: Scope) -> Iterator[str]:
    """The indices that reductions in an expression are over: `sum[k] ...`, `max(..., axis=k)`."""
    pending = [node]
    while pending:
        one = pending.pop()
        yield from _bound_by(one, scope)
        pending += reversed(list(syntax.children(one)))


def _bound_by(node: syntax.Node, scope: Scope) -> Iterator[str]:
    """The indices that an expression gives a meaning to inside of it."""
    if isinstance(node, syntax.Reduction):
        yield from (index.id for index in node.indices)
    elif isinstance(node, syntax.Call):
        for keyword in node.keywords:
            if keyword.arg in AXIS_WORDS:
                known = names_in(keyword.value)
                yield from (one.id for one in known if scope.find(one.id) is Scope.MISSING)


def bound_in(node: syntax.Node) -> Iterator[str]:
    """The names that comprehensions in an expression take items by."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Clause):
            yield from (target.id for target in names_in(one.target))
        pending += syntax.children(one)


def introduced_in(node: syntax.Node) -> Iterator[syntax.Name]:
    """The indices that `sum[k] ...` and its like introduce, as they are written."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Reduction):
            yield from one.indices
        pending += reversed(list(syntax.children(one)))


def check_bound(
    node: syntax.Node, names: Collection[str], bound: frozenset[str], scope: Scope
) -> None:
    """Refuse an index outside of the reduction that it belongs to.

    Raises:
        NameLookupError: at the index.
        SourceError: at a reduction of nothing.
    """
    pending = [(node, bound)]
    while pending:
        one, inner = pending.pop()
        _require_operand(one, scope)
        inner |= {*_bound_by(one, scope)}
        if isinstance(one, syntax.Name) and one.id in names and one.id not in inner:
            raise unbound(one)
        pending += [(child, inner) for child in reversed(list(syntax.children(one)))]


def _require_operand(node: syntax.Node, scope: Scope) -> None:
    """Refuse `sum[k]` before an operator, where it is no element of a value called so."""
    if isinstance(node, syntax.Subscript) and node.reduction:
        found = scope.find(node.reduction)
        if found is Scope.MISSING or callable(found):
            raise without_operand(node)


def require_bound(index: syntax.Expression, names: Collection[str], scope: Scope) -> None:
    """Refuse what is no index of the statement and has no value either.

    Raises:
        NameLookupError: at its name.
    """
    for one in names_in(index):
        if one.id not in names and scope.find(one.id) is Scope.MISSING:
            raise unbound(one)


def ambiguous(name: str, span: Span) -> SourceError:
    """The error for a name of an axis that means something else too."""
    return refused(
        f"{name!r} is the name of an axis here, and has another meaning as well",
        "ambiguous-index",
        span,
        "give the index or the value another name",
    )


def hidden_by_reduction(index: syntax.Name) -> SourceError:
    """The error for an index that occurs in reductions over an index of its name alone."""
    return refused(
        f"nothing depends on the index {index.id!r}: a reduction inside has one of its own",
        "unread-index",
        index.span,
        f"give one of them another name; what is repeated along {index.id!r} says how often where "
        f"the index is introduced, {index.id}: 4",
    )


def unbound(index: syntax.Name) -> NameLookupError:
    """The error for an index that the statement does not have."""
    return NameLookupError(
        f"the index {index.id!r} is neither on the left nor reduced over",
        code="unbound-index",
        span=index.span,
        hint=f"sum over it, sum[{index.id}] ..., or add it on the left",
    )


def text_of(node: syntax.Expression) -> str:
    """An expression as it is written, for messages; of what is long the beginning."""
    text = " ".join(formatter.unparse(node).split())
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
