"""Rules by which ops take a further axis in front, as `vmap` adds it; see `Op.batch`."""

from __future__ import annotations

from graphc.ir.dims import DimLike
from graphc.ir.node import Node, build

__all__ = ["same_attributes", "shifted_axes"]

_SHIFTED = ("axis", "axes", "batch")


def same_attributes(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    """For ops that compute each element alone."""
    return build(node.op, operands, node.attributes)


def shifted_axes(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    """For ops to which `axis`, `axes` or `batch`, a count, say all that concerns axes."""
    attributes = tuple(
        (name, _shifted(value) if name in _SHIFTED else value) for name, value in node.attributes
    )
    return build(node.op, operands, attributes)


def _shifted(value: int | tuple[int, ...]) -> int | tuple[int, ...]:
    return value + 1 if isinstance(value, int) else tuple(axis + 1 for axis in value)
