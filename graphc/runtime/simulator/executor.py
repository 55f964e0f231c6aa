"""Run a CUDA program on the CPU: its kernels' text, launch by launch, by the simulator."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DeviceError
from graphc.ir import dims
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.launches import MAX_BLOCKS, Launch, launches_of, shape_of, table_type
from graphc.runtime.program import ALIGNMENT, Entry, Program
from graphc.runtime.simulator.arguments import Argument, PointerTable
from graphc.runtime.simulator.kernels import SimulatedKernels

__all__ = ["SimulatorExecutor"]

Array = np.ndarray[Any, Any]


class SimulatorExecutor:
    """The exports of a program, with their state, on the simulator.

    Args:
        program: made for CUDA.
        source: its CUDA text.
        state: the first values of all state, by name; the executor owns its copies.
        check: report accesses out of bounds, races, copies that nobody waited for and reads of
            uninitialised shared memory, in every launch; slower.
        blocks: blocks of a launch at most; results do not depend on it.
        seed: other than 0, threads take turns in a random order; results do not depend on it.
    """

    def __init__(
        self,
        program: Program,
        source: str,
        state: Mapping[str, Array],
        *,
        check: bool = False,
        blocks: int = MAX_BLOCKS,
        seed: int = 0,
    ) -> None:
        self.program = program
        self.state = {name: _aligned_copy(value) for name, value in state.items()}
        self.allocations = 0
        """How often the arena was allocated: it grows to the largest call and then stays."""
        self._kernels = SimulatedKernels.compile(source, check)
        self._blocks = blocks
        self._seed = seed
        self._arena = _aligned_bytes(0)
        self._lock = threading.Lock()

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; returns its results as new arrays and leaves new state in place.

        Raises:
            SimulatorError: a kernel broke a rule of CUDA.
        """
        entry = self.program.entries[name]
        with self._lock:
            arrays, environment = bind_arguments(entry, arguments)
            memory, results = self._memory(entry, arrays, environment)
            for launch in launches_of(self.program, entry, environment):
                self._launch(launch, memory)
        return results

    def set_state(self, values: Mapping[str, Array]) -> None:
        """Replace values of state in place."""
        with self._lock:
            for name, value in values.items():
                self.state[name][...] = value

    def _memory(
        self, entry: Entry, arrays: Sequence[Array], environment: Mapping[str, int]
    ) -> tuple[dict[int, Array], list[Array]]:
        """Memory for every slot, aligned as on a GPU, and the results among them."""
        layout = entry.layout(environment)
        if layout.arena_bytes > self._arena.nbytes:
            self._arena = _aligned_bytes(layout.arena_bytes)
            self.allocations += 1
        memory: dict[int, Array] = {}
        for number, array in zip(entry.inputs, arrays, strict=True):
            memory[number] = _aligned_copy(array)
        for number in entry.state:
            memory[number] = self.state[entry.slots[number].name]
        for number, offset in layout.offsets.items():
            nbytes = dims.evaluate(entry.slots[number].type.nbytes, environment)
            memory[number] = self._arena[offset : offset + nbytes]
        results = []
        for number in entry.results:
            type_ = entry.slots[number].type
            shape = shape_of(type_, environment)
            memory[number] = _aligned_copy(np.empty(shape, type_.dtype.numpy))
            results.append(memory[number])
        return memory, results

    def _launch(self, launch: Launch, memory: Mapping[int, Array]) -> None:
        geometry = launch.geometry
        scalar = ctypes.c_int32 if geometry.index_bits == 32 else ctypes.c_int64
        arguments: list[Argument] = []
        if geometry.segments:
            arguments.append(_table(launch, memory))
        else:
            (segment,) = launch.segments
            arguments += [memory[slot] for slot in segment.slots]
            arguments += [scalar(value) for value in segment.scalars]
        self._kernels.launch(
            launch.kernel,
            (min(launch.steps, self._blocks), 1, 1),
            (geometry.lanes, 1, 1),
            geometry.shared_bytes,
            arguments,
            self._seed,
        )


def _table(launch: Launch, memory: Mapping[int, Array]) -> PointerTable:
    """The bindings of a launch as the kernel's parameter."""
    first = launch.segments[0]
    table = table_type(launch.geometry, len(first.slots), len(first.scalars))()
    table.count = len(launch.segments)
    pointers: list[tuple[int, Array]] = []
    for row, segment in zip(table.segment, launch.segments, strict=False):
        for number, value in enumerate(segment.scalars):
            row.scalars[number] = value
        row.end = segment.end
        place = ctypes.addressof(row) - ctypes.addressof(table)
        for number, slot in enumerate(segment.slots):
            pointers.append((place + number * ctypes.sizeof(ctypes.c_void_p), memory[slot]))
    return PointerTable(table, tuple(pointers))


def _aligned_bytes(nbytes: int) -> Array:
    try:
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise DeviceError(f"there is no memory for {nbytes} bytes", code="out-of-memory") from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


def _aligned_copy(value: Array) -> Array:
    memory = _aligned_bytes(value.nbytes)
    array = memory.view(value.dtype).reshape(value.shape) if value.nbytes else value.copy()
    array[...] = value
    return array
