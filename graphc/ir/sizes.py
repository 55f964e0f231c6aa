"""Whether tensors are small enough to be counted in 64 bits, and for the memory of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from graphc.errors import DimensionError, Span, UsageError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dims.atoms import Opaque
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType, TupleType

__all__ = [
    "LARGEST_SIZE",
    "check_memory",
    "check_sizes",
    "limited_sizes",
    "memory_bytes",
    "require_counted",
    "require_steps",
]

LARGEST_SIZE = 2**63 - 1
"""Elements of a tensor: an index is a signed integer of 64 bits."""
MOST_STEPS = 1 << 14
"""Of a function whose steps are nodes of their own."""


def check_sizes(graph: Graph, declarations: Mapping[str, Span] | None = None) -> None:
    """Refuse a tensor that has more than `LARGEST_SIZE` elements at the smallest dims.

    Args:
        graph: whose nodes are looked at.
        declarations: where dims are declared, by name.

    Raises:
        DimensionError: there is one; it is placed at the declaration of its largest dim.
    """
    for type_ in _types(graph):
        least = dims.bounds(type_.size)[0]
        if least > LARGEST_SIZE:
            ranges = {n: dims.bounds(d) for n, d in dims.variables(type_.size).items()}
            largest = max(ranges, key=lambda name: ranges[name][0], default="")
            raise DimensionError(
                f"{type_} has at least {least} elements, and 64 bits count to {LARGEST_SIZE}",
                code="tensor-size",
                span=(declarations or {}).get(largest),
                hint=f"let the range of {largest} begin earlier"
                if largest
                else "use smaller tensors",
                notes=[f"{name}: {low}..{high}" for name, (low, high) in ranges.items()],
            )


def limited_sizes(graph: Graph) -> tuple[Dim, ...]:
    """Sizes that the ranges of dims allow to be more than 64 bits count, by which bounds go."""
    sizes = (
        part
        for type_ in _types(graph)
        for one in (type_.size, *type_.shape)
        for part in _parts(one)
    )
    return tuple(size for size in dict.fromkeys(sizes) if dims.bounds(size)[1] >= LARGEST_SIZE)


def _parts(size: DimLike) -> Iterator[Dim]:
    """A size, and what it divides or compares."""
    if isinstance(size, Dim):
        yield size
        atoms = (atom for monomial, _ in size.terms for atom in monomial)
        arguments = (one for atom in atoms if isinstance(atom, Opaque) for one in atom.arguments)
        for argument in arguments:
            yield from _parts(argument)


def require_counted(name: str, sizes: Iterable[Dim], environment: Mapping[str, int]) -> None:
    """Refuse a call for which one of the sizes is larger than 64 bits count.

    Args:
        name: of what is called.
        environment: the values of its dims.

    Raises:
        DimensionError: there is one.
    """
    for size in sizes:
        value = dims.evaluate(size, environment)
        if value > LARGEST_SIZE:
            given = ", ".join(f"{one} is {environment[one]}" for one in dims.variables(size))
            raise DimensionError(
                f"{name}: the size {size} is {value}, and 64 bits count to {LARGEST_SIZE}: {given}",
                code="tensor-size",
                hint="give smaller arrays",
            )


def _types(graph: Graph) -> Iterable[TensorType]:
    types = (node.type for node in graph.nodes())
    return dict.fromkeys(type_ for type_ in types if isinstance(type_, TensorType))


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
