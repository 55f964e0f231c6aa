"""Run a program on a GPU: a call is one recording of copies and launches, replayed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.cuda.cubins import best_cubin
from graphc.runtime.cuda.device_arrays import DeviceArray, device_arrays
from graphc.runtime.cuda.gpu import Gpu, Recording
from graphc.runtime.cuda.memory import DeviceState, GrowingMemory, array_at, placed
from graphc.runtime.launches import MAX_BLOCKS, arguments_of, launches_of, shape_of
from graphc.runtime.program import Entry, Program

__all__ = ["CudaExecutor"]

Array = np.ndarray[Any, Any]

_FRAMES_KEPT = 64

# What the widest loads of kernels ask for. Arrays of other packages need not have it.
_LOAD_BYTES = 16


@dataclass(frozen=True)
class _Frame:
    """A call for one set of shapes and of arrays on the device, recorded once.

    Attributes:
        recording: copies of the inputs to the device, launches, copies of the results back.
        inputs: where the host puts each input; None for one that is on the device.
        results: where the host finds the results.
    """

    recording: Recording
    inputs: tuple[Array | None, ...]
    results: tuple[Array, ...]


class CudaExecutor:
    """The exports of a program, with their state, on a GPU.

    State stays on the device. Arrays that lie there already are read where they are; others are
    copied by way of memory that the device reads by itself. Results are new arrays of the host.

    Args:
        program: made for CUDA.
        cubins: its kernels, compiled, by architecture: sm_80, sm_90a and the like.
        state: the first values of all state, by name; copied.
        gpu: the device; by default the current one, or else the first.

    Raises:
        DeviceError: there is no GPU, no driver or one that is too old, no cubin for the device,
            or not enough memory on it.
    """

    def __init__(
        self,
        program: Program,
        cubins: Mapping[str, bytes],
        state: Mapping[str, Array],
        gpu: Gpu | None = None,
    ) -> None:
        self.program = program
        self._gpu = gpu = gpu or Gpu()
        self._lock = threading.Lock()
        cubin = cubins[best_cubin(cubins, gpu.capability, gpu.name)]
        self._kernels = gpu.load(cubin, program.geometry)
        self.state = DeviceState(gpu, self._lock, state)
        self._device_memory = GrowingMemory(gpu, lambda n: gpu.allocate(n, "the call"))
        self._host_memory = GrowingMemory(gpu, gpu.allocate_pinned)
        self._frames: dict[tuple[Any, ...], _Frame] = {}
        self.allocations = 0
        """How often memory for calls was allocated: it grows to the largest and then stays."""

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; returns its results as new arrays and leaves new state in place."""
        entry = self.program.entries[name]
        with self._lock:
            self._gpu.make_current()
            resident = device_arrays(entry, arguments, self._gpu.number, self._gpu.stream)
            arrays, environment = bind_arguments(
                entry,
                [
                    argument if array is None else array.stand_in
                    for argument, array in zip(arguments, resident, strict=True)
                ],
            )
            frame = self._frame(entry, environment, resident)
            for place, array in zip(frame.inputs, arrays, strict=True):
                if place is not None:
                    place[...] = array
            self._gpu.replay(frame.recording)
            self._gpu.wait()
            return [result.copy() for result in frame.results]

    def set_state(self, values: Mapping[str, Array]) -> None:
        """Replace values of state in place."""
        with self._lock:
            self.state.write(values)

    # -- frames ------------------------------------------------------------------------------

    def _frame(
        self,
        entry: Entry,
        environment: Mapping[str, int],
        resident: Sequence[DeviceArray | None],
    ) -> _Frame:
        addresses = tuple(None if array is None else array.address for array in resident)
        key = (entry.name, tuple(environment[name] for name in entry.dims), addresses)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._record(entry, environment, addresses)
            if len(self._frames) >= _FRAMES_KEPT:
                del self._frames[next(iter(self._frames))]
            self._frames[key] = frame
        return frame

    def _record(
        self, entry: Entry, environment: Mapping[str, int], resident: Sequence[int | None]
    ) -> _Frame:
        layout = entry.layout(environment)
        sizes = {
            number: dims.evaluate(entry.slots[number].type.nbytes, environment)
            for number in (*entry.inputs, *entry.results)
        }
        read_in_place = {
            number: address
            for number, address in zip(entry.inputs, resident, strict=True)
            if address is not None and address % _LOAD_BYTES == 0
        }
        places, exchanged = placed(
            {number: size for number, size in sizes.items() if number not in read_in_place}
        )
        self._reserve(exchanged + layout.arena_bytes, exchanged)
        device, host = self._device_memory.address, self._host_memory.address
        memory = {
            **read_in_place,
            **{number: device + offset for number, offset in places.items()},
            **{number: device + exchanged + at for number, at in layout.offsets.items()},
            **{number: self.state.address(entry.slots[number].name) for number in entry.state},
        }
        with self._gpu.recording() as recording:
            for number, address in zip(entry.inputs, resident, strict=True):
                if number in places:
                    source = host + places[number] if address is None else address
                    self._gpu.copy(memory[number], source, sizes[number])
            self._launch(entry, environment, memory)
            for number in entry.results:
                self._gpu.copy(host + places[number], memory[number], sizes[number])

        def on_host(number: int) -> Array:
            type_ = entry.slots[number].type
            shape = shape_of(type_, environment)
            return array_at(host + places[number], shape, type_.dtype.numpy)

        inputs = zip(entry.inputs, resident, strict=True)
        return _Frame(
            recording,
            tuple(on_host(number) if address is None else None for number, address in inputs),
            tuple(map(on_host, entry.results)),
        )

    def _launch(
        self, entry: Entry, environment: Mapping[str, int], memory: Mapping[int, int]
    ) -> None:
        for launch in launches_of(self.program, entry, environment):
            self._gpu.launch(
                self._kernels[launch.kernel],
                min(launch.steps, MAX_BLOCKS),
                launch.geometry,
                arguments_of(launch, memory),
            )

    def _reserve(self, device_bytes: int, host_bytes: int) -> None:
        """Have memory for a call. Recordings hold addresses: growing ends the present ones."""
        for memory, nbytes in (
            (self._device_memory, device_bytes),
            (self._host_memory, host_bytes),
        ):
            if nbytes > memory.nbytes:
                self._frames.clear()
                memory.grow(nbytes)
                self.allocations += 1
