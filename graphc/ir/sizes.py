"""Whether tensors are small enough to be counted in 64 bits, and for the memory of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping

from graphc.errors import DimensionError, Span, UsageError
from graphc.ir import dims
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType, TupleType

__all__ = ["LARGEST_SIZE", "check_memory", "check_sizes", "memory_bytes", "require_steps"]

LARGEST_SIZE = 2**63 - 1
"""Elements of a tensor: an index is a signed integer of 64 bits."""
MOST_STEPS = 1 << 14
"""Of a function whose steps are nodes of their own."""


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


def require_steps(name: str, steps: int) -> None:
    """Refuse a number of steps, each of which is written out, that no program should have.

    Args:
        name: of the function that is called.
        steps: how many there would be.

    Raises:
        UsageError: there are too many.
    """
    if steps > MOST_STEPS:
        raise UsageError(
            f"{name}: {steps} steps, and the most that are written out are {MOST_STEPS}",
            code="argument",
            hint="give a smaller number",
        )


def memory_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(graph: Graph) -> None:
    """Refuse a graph without dims that makes a tensor larger than the memory of this machine.

    Raises:
        UsageError: there is one.
    """
    memory = memory_bytes()
    for node in graph.nodes():
        types = node.type.elements if isinstance(node.type, TupleType) else (node.type,)
        for type_ in types:
            if dims.bounds(type_.nbytes)[0] > memory:
                raise UsageError(
                    f"{node.op.name}: {type_} needs {type_.nbytes} bytes, and this machine has "
                    f"{memory}",
                    code="argument",
                    hint="make its axes smaller",
                )
