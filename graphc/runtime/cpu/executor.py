"""Run a program on the CPU: one native call for each call of an export."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.runtime.aligned import aligned_bytes
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.cpu.host_calls import HostCallback, HostCalls
from graphc.runtime.cpu.pool import runner
from graphc.runtime.cpu.results import ResultMemory
from graphc.runtime.host_state import HostState
from graphc.runtime.program import Entry, Program

__all__ = ["CpuExecutor"]

Array = np.ndarray[Any, Any]

_FRAMES_KEPT = 64
_NO_CALLS = HostCallback()


@dataclass(slots=True)
class _Frame:
    """A call's memory table for one set of shapes, prepared once and used again."""

    slots: Any
    dims: Any
    results: list[tuple[int, tuple[int, ...], np.dtype[Any]]]
    arena_bytes: int
    calls: HostCalls | None


class CpuExecutor(HostState):
    """The exports of a program, with their state, on the CPU.

    Args:
        program: made for the target "cpu".
        library: its shared object.
        state: the first values of all state, by name: aligned, and taken over.
        symbols: the C function of each export.
    """

    def __init__(
        self,
        program: Program,
        library: Path,
        state: Mapping[str, Array],
        symbols: Mapping[str, str],
    ) -> None:
        super().__init__(state)
        self.program = program
        self._library = ctypes.CDLL(str(library))
        self._functions = {}
        for name, symbol in symbols.items():
            function = self._library[symbol]
            function.restype = None
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, HostCallback]
            self._functions[name] = function
        self._runner = runner()
        self._runner_address = ctypes.addressof(self._runner)
        self._results = ResultMemory()
        self._arena = aligned_bytes(0)
        self._frames: dict[tuple[Any, ...], _Frame] = {}
        self.allocations = 0
        """How often the arena was allocated: it grows to the largest call and then stays."""

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; returns its results as new arrays and leaves new state in place."""
        entry = self.program.entries[name]
        with self._lock:
            arrays, frame = self._prepared(entry, arguments)
            slots = frame.slots
            for slot, array in zip(entry.inputs, arrays, strict=True):
                slots[slot] = array.__array_interface__["data"][0]
            results = []
            for slot, shape, dtype in frame.results:
                result = self._results.array(shape, dtype)
                slots[slot] = result.__array_interface__["data"][0]
                results.append(result)
            if frame.calls is None:
                self._functions[name](self._runner_address, slots, frame.dims, _NO_CALLS)
            else:
                callback = frame.calls.callback
                self._functions[name](self._runner_address, slots, frame.dims, callback)
                frame.calls.raise_failure()
        return results

    def _prepared(self, entry: Entry, arguments: Sequence[Any]) -> tuple[list[Array], _Frame]:
        """The arguments as arrays, and the frame for their shapes."""
        key = (entry.name, *(getattr(a, "shape", None) for a in arguments))
        frame = self._frames.get(key)
        if frame is not None and all(
            type(a) is np.ndarray
            and a.dtype == entry.slots[slot].type.dtype.numpy
            and a.flags.c_contiguous
            and a.flags.aligned
            for slot, a in zip(entry.inputs, arguments, strict=True)
        ):
            return list(arguments), frame
        arrays, environment = bind_arguments(entry, arguments)
        frame = self._frame(entry, environment)
        if None not in key[1:]:
            if len(self._frames) >= _FRAMES_KEPT:
                self._frames.pop(next(iter(self._frames)))
            self._frames[key] = frame
        return arrays, frame

    def _frame(self, entry: Entry, environment: Mapping[str, int]) -> _Frame:
        layout = entry.layout(environment)
        if layout.arena_bytes > self._arena.nbytes:
            self._grow(layout.arena_bytes)
        slots = (ctypes.c_void_p * max(len(entry.slots), 1))()
        base = self._arena.ctypes.data
        for number, offset in layout.offsets.items():
            slots[number] = base + offset
        for number in entry.state:
            slots[number] = self.state[entry.slots[number].name].ctypes.data
        values = (ctypes.c_int64 * max(len(entry.dims), 1))(
            *(environment[name] for name in entry.dims)
        )
        results = []
        for number in entry.results:
            type_ = entry.slots[number].type
            shape = tuple(dims.evaluate(dim, environment) for dim in type_.shape)
            results.append((number, shape, type_.dtype.numpy))
        calls = HostCalls.of(entry, environment)
        return _Frame(slots, values, results, layout.arena_bytes, calls)

    def _grow(self, nbytes: int) -> None:
        self._arena = aligned_bytes(nbytes)
        self._frames.clear()
        self.allocations += 1
