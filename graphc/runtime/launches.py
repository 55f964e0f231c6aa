"""What a GPU, or the simulator of one, launches in a call: the steps of an export for given dims.

A kernel takes the addresses of its slots and then its scalars; one that some launch binds several
times takes a table of its bindings instead, by value (`graphc/codegen/cuda.py`).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from graphc.errors import ModuleFormatError
from graphc.ir import dims
from graphc.ir.record import Record
from graphc.ir.types import TensorType
from graphc.runtime.program import Entry, Geometry, LaunchStep, Program

__all__ = [
    "MAX_BLOCKS",
    "Launch",
    "LaunchTable",
    "Segment",
    "arguments_of",
    "launches_of",
    "scalar_type",
    "shape_of",
    "table_type",
]

MAX_BLOCKS = 65_535 * 32
"""Blocks of a launch at most. Kernels loop over the grid steps that are left: more blocks than a
device runs at once gain nothing."""


class Segment(Record):
    """One binding of a launch. Its grid steps follow those of the one before, up to `end`."""

    slots: tuple[int, ...]
    scalars: tuple[int, ...]
    end: int


class Launch(Record):
    """One launch of a kernel, over one segment or, by its table, over several."""

    kernel: str
    geometry: Geometry
    segments: tuple[Segment, ...]

    @property
    def steps(self) -> int:
        """Grid steps of all segments: at least one."""
        return self.segments[-1].end


def launches_of(
    program: Program, entry: Entry, step: LaunchStep, environment: Mapping[str, int]
) -> tuple[Launch, ...]:
    """The launches of a step, in order; what has no grid step is left out.

    Args:
        environment: the values of the entry's dims.

    Raises:
        ModuleFormatError: the program has no kernel for these dims.
    """
    return tuple(_launches(program, entry, step, environment))


class LaunchTable:
    """The launches of each step of an entry for given dims, found once: a loop repeats them."""

    def __init__(self, program: Program, entry: Entry, environment: Mapping[str, int]) -> None:
        self._call = program, entry, environment
        self._found: dict[int, tuple[Launch, ...]] = {}

    def of(self, step: LaunchStep) -> tuple[Launch, ...]:
        """The launches of one of the entry's steps."""
        program, entry, environment = self._call
        if id(step) not in self._found:
            self._found[id(step)] = launches_of(program, entry, step, environment)
        return self._found[id(step)]


def _launches(
    program: Program, entry: Entry, step: LaunchStep, environment: Mapping[str, int]
) -> Iterator[Launch]:
    chosen = step.alternative(environment)
    if chosen is None or chosen.kernel not in program.geometry:
        sizes = ", ".join(f"{name} = {value}" for name, value in environment.items())
        raise ModuleFormatError(
            f"{entry.name} has no kernel to launch for {sizes or 'its shapes'}",
            hint="build the module again",
        )
    geometry = program.geometry[chosen.kernel]
    found = [
        (binding, grid)
        for binding in chosen.bindings
        if (grid := dims.evaluate(binding.grid, environment)) > 0
    ]
    most = max(geometry.segments, 1)
    for begin in range(0, len(found), most):
        segments: list[Segment] = []
        end = 0
        for binding, grid in found[begin : begin + most]:
            end += grid
            scalars = tuple(dims.evaluate(scalar, environment) for scalar in binding.scalars)
            segments.append(Segment(binding.slots, scalars, end))
        yield Launch(chosen.kernel, geometry, tuple(segments))


def shape_of(type_: TensorType, environment: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a tensor for given dims."""
    return tuple(dims.evaluate(dim, environment) for dim in type_.shape)


def scalar_type(geometry: Geometry) -> type[ctypes.c_int32] | type[ctypes.c_int64]:
    """The C type of a kernel's scalars."""
    return ctypes.c_int32 if geometry.index_bits == 32 else ctypes.c_int64


def arguments_of(launch: Launch, addresses: Mapping[int, int]) -> list[Any]:
    """The arguments of a launch as ctypes objects, for slots at the given addresses."""
    first, scalar = launch.segments[0], scalar_type(launch.geometry)
    if not launch.geometry.segments:
        pointers = [ctypes.c_void_p(addresses[slot]) for slot in first.slots]
        return [*pointers, *map(scalar, first.scalars)]
    table = table_type(launch.geometry, len(first.slots), len(first.scalars))()
    table.count = len(launch.segments)
    for row, segment in zip(table.segment, launch.segments, strict=False):
        row.slots[:] = [addresses[slot] for slot in segment.slots]
        row.scalars[:] = segment.scalars
        row.end = segment.end
    return [table]


@functools.cache
def table_type(geometry: Geometry, slots: int, scalars: int) -> type[Any]:
    """The struct of a kernel's table: `count`, and `segment`s of `slots`, `scalars` and `end`."""
    row: list[tuple[str, Any]] = [
        ("slots", ctypes.c_void_p * slots),
        ("scalars", scalar_type(geometry) * scalars),
        ("end", ctypes.c_longlong),
    ]
    segment: Any = type("Segment", (ctypes.Structure,), {"_fields_": row})
    fields = [("count", ctypes.c_longlong), ("segment", segment * geometry.segments)]
    return type("Table", (ctypes.Structure,), {"_fields_": fields})
