"""Factors that no reduced index occurs in: they stand outside of the reduction."""

from __future__ import annotations

from collections.abc import Collection

from graphc.frontend import syntax
from graphc.frontend.index_notation.mentions import mentions

__all__ = ["factored"]


def factored(
    node: syntax.Reduction, names: Collection[str]
) -> tuple[syntax.Expression, list[tuple[str, syntax.Expression]]]:
    """What is reduced, and the factors that stand outside: (operator or "before", factor).

    Args:
        node: the reduction.
        names: what depends on a reduced index: the indices, and tensors whose axes they name.
    """
    inside = node.operand
    outside: list[tuple[str, syntax.Expression]] = []
    if node.operator not in ("sum", "mean"):
        return inside, outside
    while (
        isinstance(inside, syntax.Binary)
        and inside.operator in ("*", "/")
        and not mentions(inside.right, names)
    ):
        outside.insert(0, (inside.operator, inside.right))
        inside = inside.left
    first, rest = _without_first(inside, names)
    if first is not None and rest is not None:
        outside.insert(0, ("before", first))
        inside = rest
    return inside, outside


def _without_first(
    node: syntax.Expression, names: Collection[str]
) -> tuple[syntax.Expression | None, syntax.Expression | None]:
    """The first factor of a product if no index occurs in it, and the product without it."""
    products: list[syntax.Binary] = []
    while isinstance(node, syntax.Binary) and node.operator == "*":
        products.append(node)
        node = node.left
    if not products or mentions(node, names):
        return None, None
    rest = products.pop().right
    for one in reversed(products):
        rest = syntax.Binary(rest, "*", one.right, span=one.span)
    return node, rest
