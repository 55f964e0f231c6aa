"""Whether the elements of every tensor can be counted in the integers that kernels index with."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.errors import DimensionError, Span
from graphc.ir import dims
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType

__all__ = ["LARGEST_SIZE", "check_sizes"]

LARGEST_SIZE = 2**63 - 1
"""Elements of a tensor: an index is a signed integer of 64 bits."""


def check_sizes(graph: Graph, declarations: Mapping[str, Span] | None = None) -> None:
    """Refuse a tensor that has more than `LARGEST_SIZE` elements at the largest dims.

    Args:
        graph: whose nodes are looked at.
        declarations: where dims are declared, by name.

    Raises:
        DimensionError: there is one; it is placed at the declaration of its largest dim.
    """
    seen: set[TensorType] = set()
    for node in graph.nodes():
        type_ = node.type
        if not isinstance(type_, TensorType) or type_ in seen:
            continue
        seen.add(type_)
        most = dims.bounds(type_.size)[1]
        if most > LARGEST_SIZE:
            ranges = {n: dims.bounds(d) for n, d in dims.variables(type_.size).items()}
            largest = max(ranges, key=lambda name: ranges[name][1], default="")
            raise DimensionError(
                f"{type_} has up to {most} elements, and 64 bits count to {LARGEST_SIZE}",
                code="tensor-size",
                span=(declarations or {}).get(largest),
                hint=f"narrow the range of {largest}" if largest else "use smaller tensors",
                notes=[f"{name}: {low}..{high}" for name, (low, high) in ranges.items()],
            )
