"""Views that are stored after all, because computing them where they are read would cost too much.

A view is an index map, and views of views compose: each reader computes where in memory its
element lies. Two things must stay bounded. The composed index grows where divisions do not
cancel (a transposed reshape of a transposed reshape), and the number of places that an element
may come from doubles with each view that chooses between two (a concatenation of rolled tensors).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import DimensionError
from graphc.ir.dims import Dim
from graphc.ir.expr import Constant, Expr, Index
from graphc.ir.node import Node
from graphc.ir.op import View
from graphc.passes.fusion.group import domain_of

__all__ = ["stored_views"]

# Terms and atoms of one composed index at most; dims themselves end at a few times that.
_INDEX_SIZE_AT_MOST = 48
# Views between an element and its memory, and places that it may come from, at most; beside
# twice the operands that the view itself chooses from.
_STEPS_AT_MOST = 16


def stored_views(order: Sequence[Node]) -> frozenset[Node]:
    """The views, of all nodes in topological order, that have a kernel of their own."""
    stored: set[Node] = set()
    for node in order:
        if isinstance(node.op.lowering, View) and _is_deep(node, stored):
            stored.update(o for o in node.inputs if _is_view(o, stored))
    return frozenset(stored)


def _is_view(node: Node, stored: set[Node]) -> bool:
    return isinstance(node.op.lowering, View) and node not in stored and node.tensor.size != 1


def _is_deep(view: Node, stored: set[Node]) -> bool:
    """Whether an element of the view is too far from its memory."""
    try:
        pending = _reads(view, domain_of(view.shape))
        places, views = len(pending), 0
        room = 2 * places + _STEPS_AT_MOST
        while pending:
            node, index = pending.pop()
            if _size(index) > _INDEX_SIZE_AT_MOST:
                return True
            if _is_view(node, stored):
                views += 1
                further = _reads(node, index)
                places += len(further) - 1
                pending += further
            if max(places, views) > room:
                return True
    except DimensionError:
        return True
    return False


def _reads(view: Node, index: Index) -> list[tuple[Node, Index]]:
    """The operands' elements that an element of the view may be."""
    found: list[tuple[Node, Index]] = []

    def record(number: int, at: Index) -> Expr:
        found.append((view.inputs[number], at))
        return Constant(0, view.inputs[number].dtype)

    lowering = view.op.lowering
    assert isinstance(lowering, View)
    lowering.element(view, index, record)
    return found


def _size(index: Index) -> int:
    return sum(dim.size for dim in index if isinstance(dim, Dim))
