"""Run a CUDA program on the CPU: its kernels' text, launch by launch, by the simulator."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.runtime.aligned import aligned_array, aligned_bytes, aligned_copy
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.host_calls import called_node, run_host_call
from graphc.runtime.host_state import HostState
from graphc.runtime.launches import MAX_BLOCKS, Launch, LaunchTable, arguments_of, shape_of
from graphc.runtime.program import Entry, HostCallStep, LaunchStep, Program
from graphc.runtime.simulator.arguments import Argument, PointerTable
from graphc.runtime.simulator.kernels import SimulatedKernels
from graphc.runtime.walk import Walk

__all__ = ["SimulatorExecutor"]

Array = np.ndarray[Any, Any]

_POINTER_BYTES = ctypes.sizeof(ctypes.c_void_p)


class SimulatorExecutor(HostState):
    """The exports of a program, with their state, on the simulator.

    Args:
        program: made for CUDA.
        source: its CUDA text.
        state: the first values of all state, by name: aligned, and taken over.
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
        super().__init__(state)
        self.program = program
        self.allocations = 0
        """How often the arena was allocated: it grows to the largest call and then stays."""
        self._kernels = SimulatedKernels.compile(source, check)
        self._blocks = blocks
        self._seed = seed
        self._arena = aligned_bytes(0)

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; returns its results as new arrays and leaves new state in place.

        Raises:
            SimulatorError: a kernel broke a rule of CUDA.
        """
        entry = self.program.entries[name]
        with self._lock:
            arrays, environment = bind_arguments(entry, arguments)
            memory, results = self._memory(entry, arrays, environment)
            table = LaunchTable(self.program, entry, environment)

            def launch(step: LaunchStep) -> None:
                for one in table.of(step):
                    self._launch(one, memory)

            def call(step: HostCallStep) -> None:
                types = [slot.type for slot in entry.slots]
                operands, results = (
                    [
                        _bytes(memory[slot])
                        .view(types[slot].dtype.numpy)
                        .reshape(shape_of(types[slot], environment))
                        for slot in slots
                    ]
                    for slots in (step.operands, step.results)
                )
                run_host_call(called_node(step, types), operands, results, environment)

            walk = Walk(entry, environment, memory, launch, _is_true, _row, call)
            walk.run(entry.steps)
        return results

    def _memory(
        self, entry: Entry, arrays: Sequence[Array], environment: Mapping[str, int]
    ) -> tuple[dict[int, Array], list[Array]]:
        """Memory for every slot, aligned as on a GPU, and the results among them."""
        layout = entry.layout(environment)
        if layout.arena_bytes > self._arena.nbytes:
            self._arena = aligned_bytes(layout.arena_bytes)
            self.allocations += 1
        memory: dict[int, Array] = {}
        for number, array in zip(entry.inputs, arrays, strict=True):
            memory[number] = aligned_copy(array)
        for number in entry.state:
            memory[number] = self.state[entry.slots[number].name]
        for number, offset in layout.offsets.items():
            nbytes = dims.evaluate(entry.slots[number].type.nbytes, environment)
            memory[number] = self._arena[offset : offset + nbytes]
        results = []
        for number in entry.results:
            type_ = entry.slots[number].type
            shape = shape_of(type_, environment)
            memory[number] = aligned_array(shape, type_.dtype.numpy)
            results.append(memory[number])
        return memory, results

    def _launch(self, launch: Launch, memory: Mapping[int, Array]) -> None:
        geometry = launch.geometry
        self._kernels.launch(
            launch.kernel,
            (min(launch.steps, self._blocks), 1, 1),
            (geometry.lanes, 1, 1),
            geometry.shared_bytes,
            _arguments(launch, memory),
            self._seed,
        )


def _bytes(place: Array) -> Array:
    return place.reshape(-1).view(np.uint8)


def _is_true(place: Array) -> bool:
    return bool(_bytes(place)[0])


def _row(place: Array, begin: int, nbytes: int) -> Array:
    return _bytes(place)[begin : begin + nbytes]


def _arguments(launch: Launch, memory: Mapping[int, Array]) -> list[Argument]:
    """The arguments of a launch, with arrays in place of their addresses."""
    slots = [slot for segment in launch.segments for slot in segment.slots]
    given = arguments_of(launch, dict.fromkeys(slots, 0))
    if not launch.geometry.segments:
        return [*(memory[slot] for slot in slots), *given[len(slots) :]]
    (table,) = given
    pointers = [
        (ctypes.addressof(row.slots) - ctypes.addressof(table) + number * _POINTER_BYTES, slot)
        for row, segment in zip(table.segment, launch.segments, strict=False)
        for number, slot in enumerate(segment.slots)
    ]
    return [PointerTable(table, tuple((offset, memory[slot]) for offset, slot in pointers))]
