"""Groups: nodes that one kernel computes, and the index variables that it computes them at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Index
from graphc.ir.node import Node
from graphc.ir.op import (
    Contraction,
    Cumulative,
    Element,
    Elementwise,
    Reduction,
    RowFunction,
    Scatter,
    Source,
    View,
)

__all__ = ["KIND_OF", "Group", "GroupKind", "aligned", "domain_of", "is_transparent", "kept"]

# A cast, a shift and a scale.
_STEPS_AT_MOST = 3


class GroupKind(Enum):
    """The shape of a group's computation: which schedules can claim it.

    A loop or a branch is a group by itself: its members are the node and then the projections
    that others read, its graphs are planned by themselves.
    """

    POINTWISE = "pointwise"
    REDUCTION = "reduction"
    CONTRACTION = "contraction"
    CUMULATIVE = "cumulative"
    ROW_FUNCTION = "row function"
    APART = "apart"
    SCATTER = "scatter"


KIND_OF: Mapping[type, GroupKind] = {
    Reduction: GroupKind.REDUCTION,
    Contraction: GroupKind.CONTRACTION,
    Cumulative: GroupKind.CUMULATIVE,
    RowFunction: GroupKind.ROW_FUNCTION,
    Scatter: GroupKind.SCATTER,
}
"""The kind of a group that holds a node of this lowering; others are in groups of any kind."""


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that one kernel computes.

    Attributes:
        kind: the shape of the computation.
        shape: extents of the domain; for a reduction those before reducing, for a scatter those
            of its updates.
        axes: for a reduction, the axes of the domain that are reduced; for a scan, its axis.
        members: in the order in which they can be computed.
        outputs: those that are stored, because a result, an update or another group needs them.
            Each has the shape of the domain or, in a reduction, that of what is left of it, but
            for axes of extent 1. A scatter group stores the scatter alone.
        stored_views: views that are loaded where they are no members; see `stored_views.py`.
    """

    kind: GroupKind
    shape: tuple[DimLike, ...]
    axes: tuple[int, ...]
    members: tuple[Node, ...]
    outputs: tuple[Node, ...]
    stored_views: frozenset[Node] = frozenset()

    @property
    def anchor(self) -> Node:
        """The matrix product, scan, row function or scatter that the group is named after."""
        for node in self.members:
            if isinstance(node.op.lowering, Contraction | Cumulative | RowFunction | Scatter):
                return node
        raise InternalError("the group has no anchor")


def is_transparent(node: Node) -> bool:
    """Whether users compute the node themselves instead of loading it."""
    lowering = node.op.lowering
    if isinstance(lowering, View | Source):
        return True
    small = isinstance(lowering, Elementwise) or (isinstance(lowering, Element) and lowering.cheap)
    return small and (all(extent == 1 for extent in node.shape) or _is_widened(node))


def _is_widened(node: Node, steps: int = _STEPS_AT_MOST) -> bool:
    """Whether the node is 8 or 16-bit numbers as wider ones, or those scaled by smaller tensors.

    To read the narrow ones and compute it costs less than to read it. 16-bit floats are stored all
    the same: tensor cores take them from memory.
    """
    lowering = node.op.lowering
    if node.dtype.bits < 32 or steps == 0:
        return False
    if isinstance(lowering, Element):
        return lowering.cheap and [one.dtype.bits < 32 for one in node.inputs] == [True]
    if not isinstance(lowering, Elementwise) or not lowering.cheap:
        return False
    whole = [operand for operand in node.inputs if not _is_repeated(operand)]
    return len(whole) == 1 and _is_widened(whole[0], steps - 1)


def _is_repeated(node: Node) -> bool:
    """Whether the node is a view of fewer elements."""
    if not isinstance(node.op.lowering, View):
        return False
    return dims.always_less_equal(node.inputs[0].tensor.size + 1, node.tensor.size)


def domain_of(shape: Sequence[DimLike]) -> Index:
    """Index variables for `shape`; an axis of extent 1 has the index 0."""
    return tuple(
        0 if extent == 1 else dims.variable(f"_i{axis}", 0, max(dims.bounds(extent)[1] - 1, 0))
        for axis, extent in enumerate(shape)
    )


def kept(index: tuple[DimLike, ...], axes: Iterable[int]) -> tuple[DimLike, ...]:
    """An index or a shape without the reduced axes."""
    dropped = set(axes)
    return tuple(i for axis, i in enumerate(index) if axis not in dropped)


def aligned(index: Index, shape: Sequence[DimLike], wanted: Sequence[DimLike]) -> Index | None:
    """The index in a tensor of shape `wanted` that is `index` in one of `shape`.

    None if the shapes differ by more than axes of extent 1.
    """
    places = [(i, extent) for i, extent in zip(index, shape, strict=True) if extent != 1]
    if [extent for _, extent in places] != [extent for extent in wanted if extent != 1]:
        return None
    rest = iter(places)
    return tuple(0 if extent == 1 else next(rest)[0] for extent in wanted)
