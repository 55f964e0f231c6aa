"""What a GPU, or the simulator of one, is to launch for given dims.

A kernel takes the addresses of its slots and then its scalars; one that runs over several bindings
takes them in a table, by value. `graphc/codegen/cuda.py` prints kernels to the same convention.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.errors import ModuleFormatError
from graphc.ir import dims
from graphc.runtime.program import Alternative, Binding, Entry, Geometry, Step

__all__ = ["Launch", "Run", "launches", "pointer_offset", "scalar_type", "segment_table"]

_MOST_BLOCKS = 65_535 * 32
"""Blocks of a launch at most. Kernels loop over the grid steps that are left: far more blocks than
a device runs at once gain nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """A kernel over one binding: its slots, its scalars, and how many grid steps it has."""

    slots: tuple[int, ...]
    scalars: tuple[int, ...]
    grid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch: a kernel over one binding or, through its table, over several."""

    kernel: str
    geometry: Geometry
    runs: tuple[Run, ...]

    @property
    def blocks(self) -> int:
        """Blocks of the grid."""
        return min(sum(run.grid for run in self.runs), _MOST_BLOCKS)


def launches(
    entry: Entry, geometry: Mapping[str, Geometry], environment: Mapping[str, int]
) -> tuple[Launch, ...]:
    """The launches of an export in order; what has no grid steps is left out.

    Args:
        geometry: of each kernel, by name.
        environment: the values of the entry's dims.

    Raises:
        ModuleFormatError: the program has no kernel for these dims.
    """
    return tuple(
        launch for step in entry.steps for launch in _of_step(entry, step, geometry, environment)
    )


def _of_step(
    entry: Entry, step: Step, geometry: Mapping[str, Geometry], environment: Mapping[str, int]
) -> Iterator[Launch]:
    chosen = next((a for a in step.alternatives if _applies(a, environment)), None)
    if chosen is None or chosen.kernel not in geometry:
        sizes = ", ".join(f"{name} = {value}" for name, value in environment.items())
        raise ModuleFormatError(
            f"{entry.name} has no kernel for {sizes or step.text}", hint="build the module again"
        )
    shape = geometry[chosen.kernel]
    runs = [_run(binding, environment) for binding in chosen.bindings]
    runs = [run for run in runs if run.grid > 0]
    most = max(shape.segments, 1)
    for begin in range(0, len(runs), most):
        yield Launch(chosen.kernel, shape, tuple(runs[begin : begin + most]))


def _applies(alternative: Alternative, environment: Mapping[str, int]) -> bool:
    if alternative.dim == 0:
        return True
    return alternative.low <= dims.evaluate(alternative.dim, environment) <= alternative.high


def _run(binding: Binding, environment: Mapping[str, int]) -> Run:
    scalars = tuple(dims.evaluate(scalar, environment) for scalar in binding.scalars)
    return Run(binding.slots, scalars, dims.evaluate(binding.grid, environment))


# -- arguments -----------------------------------------------------------------------------------


def scalar_type(geometry: Geometry) -> type[ctypes.c_int32] | type[ctypes.c_int64]:
    """The C type of a kernel's scalars."""
    return ctypes.c_int32 if geometry.index_bits == 32 else ctypes.c_int64


def segment_table(launch: Launch, addresses: Sequence[Sequence[int]]) -> ctypes.Structure:
    """The argument of a kernel that takes a table.

    Args:
        addresses: for each run, those of its slots.
    """
    first = launch.runs[0]
    table = _table_type(len(first.slots), len(first.scalars), launch.geometry)()
    table.count = len(launch.runs)
    end = 0
    for segment, run, pointers in zip(table.segment, launch.runs, addresses, strict=False):
        end += run.grid
        segment.slots[:] = pointers
        segment.scalars[:] = run.scalars
        segment.end = end
    return table


def pointer_offset(launch: Launch, run: int, slot: int) -> int:
    """Where in the table the address of a run's slot lies, in bytes."""
    first = launch.runs[0]
    segment = _segment_type(len(first.slots), len(first.scalars), launch.geometry)
    size, address = ctypes.sizeof(segment), ctypes.sizeof(ctypes.c_void_p)
    return ctypes.sizeof(ctypes.c_int64) + run * size + slot * address


@functools.cache
def _segment_type(slots: int, scalars: int, geometry: Geometry) -> type[ctypes.Structure]:
    fields: list[tuple[str, Any]] = [
        ("slots", ctypes.c_uint64 * slots),
        ("scalars", scalar_type(geometry) * scalars),
        ("end", ctypes.c_int64),
    ]
    return type("Segment", (ctypes.Structure,), {"_fields_": fields})


@functools.cache
def _table_type(slots: int, scalars: int, geometry: Geometry) -> type[Any]:
    segment = _segment_type(slots, scalars, geometry)
    fields = [("count", ctypes.c_int64), ("segment", segment * geometry.segments)]
    return type("Table", (ctypes.Structure,), {"_fields_": fields})
