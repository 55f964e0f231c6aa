"""Run a program on a GPU: a call is one recording of copies and launches, replayed.

Where a value decides what runs (a branch, a loop with a condition), the host launches step by
step and waits for that value, one byte, each time. For an op that the host computes (a
factorisation, a Fourier transform) it waits for the operands, and copies them here and back.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.runtime.aligned import array_at
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.cuda.cubins import best_cubin
from graphc.runtime.cuda.device_arrays import DeviceArray, device_arrays
from graphc.runtime.cuda.gpu import Gpu
from graphc.runtime.cuda.memory import DeviceState, GrowingMemory, placed
from graphc.runtime.host_calls import called_node, run_host_call
from graphc.runtime.launches import MAX_BLOCKS, LaunchTable, arguments_of, shape_of
from graphc.runtime.program import ALIGNMENT, Entry, HostCallStep, LaunchStep, Program
from graphc.runtime.walk import Walk, known_launches

__all__ = ["CudaExecutor"]

Array = np.ndarray[Any, Any]

_FRAMES_KEPT = 64

# Longer loops are launched anew at each call: a recording of them would take too much memory.
_RECORDED_AT_MOST = 1 << 14

# What the widest loads of kernels ask for. Arrays of other packages need not have it.
_LOAD_BYTES = 16


@dataclass(frozen=True)
class _Frame:
    """A call for one set of shapes and of arrays on the device, prepared once.

    Attributes:
        run: copies the inputs to the device, launches, and copies the results back.
        inputs: where the host puts each input; None for one that is on the device.
        results: where the host finds the results.
    """

    run: Callable[[], None]
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
            frame.run()
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
            frame = self._prepare(entry, environment, addresses)
            if len(self._frames) >= _FRAMES_KEPT:
                del self._frames[next(iter(self._frames))]
            self._frames[key] = frame
        return frame

    def _prepare(
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
        self._reserve(exchanged + layout.arena_bytes, exchanged + ALIGNMENT)
        device, host = self._device_memory.address, self._host_memory.address
        memory = {
            **read_in_place,
            **{number: device + offset for number, offset in places.items()},
            **{number: device + exchanged + at for number, at in layout.offsets.items()},
            **{number: self.state.address(entry.slots[number].name) for number in entry.state},
        }
        flag = array_at(host + exchanged, (), np.dtype(np.bool_))
        walk = self._walk(entry, environment, memory, host + exchanged, flag)

        def run() -> None:
            for number, address in zip(entry.inputs, resident, strict=True):
                if number in places:
                    source = host + places[number] if address is None else address
                    self._gpu.copy(memory[number], source, sizes[number])
            walk()
            for number in entry.results:
                self._gpu.copy(host + places[number], memory[number], sizes[number])

        def on_host(number: int) -> Array:
            type_ = entry.slots[number].type
            shape = shape_of(type_, environment)
            return array_at(host + places[number], shape, type_.dtype.numpy)

        inputs = zip(entry.inputs, resident, strict=True)
        return _Frame(
            self._recorded(run, known_launches(entry.steps, environment)),
            tuple(on_host(number) if address is None else None for number, address in inputs),
            tuple(map(on_host, entry.results)),
        )

    def _recorded(self, run: Callable[[], None], launches: int | None) -> Callable[[], None]:
        """The same as one replay, where it is known beforehand what is launched."""
        if launches is None or launches > _RECORDED_AT_MOST:
            return run
        with self._gpu.recording() as recording:
            run()
        return functools.partial(self._gpu.replay, recording)

    def _walk(
        self,
        entry: Entry,
        environment: Mapping[str, int],
        memory: Mapping[int, int],
        flag_address: int,
        flag: Array,
    ) -> Callable[[], None]:
        """What runs the entry's steps; `flag` is memory of the host for a bool of the device."""
        table = LaunchTable(self.program, entry, environment)

        def is_true(address: int) -> bool:
            self._gpu.copy(flag_address, address, 1)
            self._gpu.wait()
            return bool(flag)

        def run() -> None:
            places = dict(memory)

            def launch(step: LaunchStep) -> None:
                for one in table.of(step):
                    self._gpu.launch(
                        self._kernels[one.kernel],
                        min(one.steps, MAX_BLOCKS),
                        one.geometry,
                        arguments_of(one, places),
                    )

            def call(step: HostCallStep) -> None:
                self._host_call(step, entry, environment, places)

            walk = Walk(
                entry,
                environment,
                places,
                launch,
                is_true,
                lambda place, begin, _: place + begin,
                call,
            )
            walk.run(entry.steps)

        return run

    def _host_call(
        self,
        step: HostCallStep,
        entry: Entry,
        environment: Mapping[str, int],
        places: Mapping[int, int],
    ) -> None:
        """Compute an op on the host: operands come from the device, results go there."""
        types = [slot.type for slot in entry.slots]
        operands, results = (
            [np.empty(shape_of(types[i], environment), types[i].dtype.numpy) for i in slots]
            for slots in (step.operands, step.results)
        )
        for slot, array in zip(step.operands, operands, strict=True):
            self._gpu.copy(array.ctypes.data, places[slot], array.nbytes)
        self._gpu.wait()
        run_host_call(called_node(step, types), operands, results, environment)
        for slot, array in zip(step.results, results, strict=True):
            self._gpu.copy(places[slot], array.ctypes.data, array.nbytes)
        self._gpu.wait()

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
