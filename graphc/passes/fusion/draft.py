"""A fusion group while it is being built: its domain, and where each member is computed."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Index
from graphc.ir.node import Node
from graphc.ir.op import Cumulative, Reduction, Scatter
from graphc.passes.fusion.group import KIND_OF, GroupKind, aligned, domain_of, kept

__all__ = [
    "Draft",
    "can_be_epilogue",
    "is_one_long_row",
    "is_reduction",
    "names_of",
    "renamed",
    "start",
    "widen",
]

# A reduction of all of a tensor keeps to itself beyond this size: its grid step would have to
# do the work of the groups around it alone.
_ONE_ROW_AT_MOST = 1 << 14


@dataclass(eq=False)
class Draft:
    """A group being built. `at` holds the indices at which each member is computed."""

    kind: GroupKind
    shape: tuple[DimLike, ...]
    domain: Index
    axes: tuple[int, ...] = ()
    at: dict[Node, set[Index]] = field(default_factory=dict)

    @property
    def outer(self) -> Index:
        """The index of what is left after reducing."""
        return kept(self.domain, self.axes)

    def store_index(self, node: Node) -> Index | None:
        """The index at which the group would store the node; None if it cannot."""
        if self.kind is GroupKind.SCATTER:
            return None
        if node.shape == self.shape:
            return self.domain
        if is_reduction(node) and node.inputs[0].shape == self.shape:
            return kept(self.domain, node["axes"])
        return self.row_index(node) if self.kind is GroupKind.REDUCTION else None

    def row_index(self, node: Node) -> Index | None:
        """The index in the node that stands for what is left of the domain, if it has its shape."""
        return aligned(self.outer, kept(self.shape, self.axes), node.shape)


def can_be_epilogue(group: Draft) -> bool:
    """Whether a reduction or product may take the pointwise group as its epilogue."""
    return all(at == {group.domain} for at in group.at.values())


def start(node: Node) -> Draft:
    """A group of one node."""
    shape = node.shape
    axes: tuple[int, ...] = ()
    match node.op.lowering:
        case Reduction():
            shape, axes = node.inputs[0].shape, node["axes"]
        case Cumulative():
            axes = (node["axis"],)
        case Scatter():
            shape = node.inputs[1].shape
    kind = KIND_OF.get(type(node.op.lowering), GroupKind.POINTWISE)
    group = Draft(kind, shape, domain_of(shape), axes)
    group.at[node] = {group.outer if is_reduction(node) else group.domain}
    return group


def widen(group: Draft, operand: tuple[DimLike, ...], axes: tuple[int, ...]) -> None:
    """Turn a pointwise group into the epilogue of a reduction over `axes` of `operand`."""
    domain = domain_of(operand)
    group.at = renamed(group, kept(domain, axes))
    group.kind, group.shape, group.axes = GroupKind.REDUCTION, operand, axes
    group.domain = domain


def renamed(group: Draft, index: Index) -> dict[Node, set[Index]]:
    """Where the members are computed, with another index for the group's domain."""
    new_names = {
        name: new
        for before, new in zip(group.domain, index, strict=True)
        for name in names_of((before,))
    }
    return {
        node: {tuple(dims.substitute(i, new_names, proved=False) for i in at) for at in places}
        for node, places in group.at.items()
    }


def names_of(index: Index) -> set[str]:
    """The variables that an index depends on."""
    return {name for dim in index for name in dims.variables(dim)}


def is_one_long_row(shape: tuple[DimLike, ...], axes: tuple[int, ...]) -> bool:
    """Whether the reduction has one result, so that what joins it runs as one grid step."""
    long = dims.bounds(dims.product(shape))[1] > _ONE_ROW_AT_MOST
    return long and dims.product(kept(shape, axes)) == 1


def is_reduction(node: Node) -> bool:
    """Whether the node folds axes."""
    return isinstance(node.op.lowering, Reduction)
