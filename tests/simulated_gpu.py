"""A GPU in place of the driver's: memory is the host's, kernels are run by the simulator.

Like a device it does nothing when it is told to, but only when it is waited for, so that whoever
forgets to wait, or gives memory back too early, is found out by wrong results.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.errors import DeviceError
from graphc.runtime.cuda.gpu import Gpu, Memory, Recording
from graphc.runtime.program import ALIGNMENT, Geometry
from graphc.runtime.simulator.kernels import SimulatedKernels

__all__ = ["SimulatedGpu"]

Array = np.ndarray[Any, Any]
Work = Callable[[], None]

# What memory holds before it is written, and after it was given back.
_UNSET_BYTE = 0xA5


class SimulatedGpu(Gpu):
    """A device of compute capability 9.0 whose cubins are CUDA text.

    Args:
        capacity: bytes of its memory.
    """

    stream = 0x57

    def __init__(self, capacity: int = 1 << 30) -> None:
        self.number = 0
        self.name = "simulated GPU"
        self.capability = (9, 0)
        self.free_bytes = capacity
        self.recordings = 0
        self._kernels: SimulatedKernels | None = None
        self._waiting: list[Work] = []
        self._recorded: list[Work] | None = None

    def make_current(self) -> None:
        pass

    def load(self, cubin: bytes, geometry: Mapping[str, Geometry]) -> dict[str, Any]:
        self._kernels = SimulatedKernels.compile(cubin.decode())
        return {name: name for name in geometry}

    def launch(self, kernel: Any, blocks: int, shape: Geometry, arguments: Sequence[Any]) -> None:
        kernels = self._kernels
        assert kernels is not None
        given = [_pointed_to(a) if isinstance(a, ctypes.c_void_p) else a for a in arguments]

        def work() -> None:
            grid, block = (blocks, 1, 1), (shape.lanes, 1, 1)
            kernels.launch(kernel, grid, block, shape.shared_bytes, given)

        self._start(work)

    def allocate(self, nbytes: int, purpose: str) -> Memory:
        if nbytes > self.free_bytes:
            raise DeviceError(f"no memory for {purpose}", code="out-of-memory")
        self.free_bytes -= nbytes
        return _memory(nbytes)

    def allocate_pinned(self, nbytes: int) -> Memory:
        return _memory(nbytes)

    def free(self, memory: Memory) -> None:
        self.wait()
        memory.owner[...] = _UNSET_BYTE
        self.free_bytes += memory.nbytes

    def copy(self, target: int, source: int, nbytes: int) -> None:
        self._start(lambda: ctypes.memmove(target, source, nbytes) and None)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        made = Recording([])
        self._recorded = made.graph
        try:
            yield made
        finally:
            self._recorded = None
        self.recordings += 1

    def replay(self, recording: Recording) -> None:
        self._waiting += recording.graph

    def wait(self) -> None:
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def _start(self, work: Work) -> None:
        (self._waiting if self._recorded is None else self._recorded).append(work)


def _memory(nbytes: int) -> Memory:
    raw = np.full(nbytes + ALIGNMENT, _UNSET_BYTE, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return Memory(raw.ctypes.data + start, nbytes, raw)


def _pointed_to(pointer: ctypes.c_void_p) -> Array:
    """An array at an address, for the simulator, which takes no bare addresses."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * 1).from_address(pointer.value or 0))
