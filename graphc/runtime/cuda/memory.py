"""Memory of an executor on the device: state, and room for calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphc.runtime.cuda.gpu import Gpu, Memory
from graphc.runtime.program import aligned

__all__ = ["DeviceState", "GrowingMemory", "placed"]

Array = np.ndarray[Any, Any]


def placed(sizes: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """Offsets of pieces that lie one after the other, aligned, and the end of the last.

    >>> placed({3: 100, 5: 4})
    ({3: 0, 5: 256}, 512)
    """
    offsets: dict[int, int] = {}
    end = 0
    for number, nbytes in sizes.items():
        offsets[number] = end
        end += aligned(nbytes)
    return offsets, end


class GrowingMemory:
    """Memory that is allocated again where more is needed; its content is then lost."""

    def __init__(self, gpu: Gpu, allocate: Callable[[int], Memory]) -> None:
        self._gpu = gpu
        self._allocate = allocate
        self._memory: Memory | None = None

    @property
    def address(self) -> int:
        """Where it begins, once it has grown; 0 before."""
        return 0 if self._memory is None else self._memory.address

    @property
    def nbytes(self) -> int:
        """How much there is."""
        return 0 if self._memory is None else self._memory.nbytes

    def grow(self, nbytes: int) -> None:
        """Have `nbytes` in place of what there was, which is given back first.

        Raises:
            DeviceError: there is not enough; then there is none at all.
        """
        if self._memory is not None:
            memory, self._memory = self._memory, None
            self._gpu.free(memory)
        self._memory = self._allocate(nbytes)


class DeviceState(Mapping[str, Array]):
    """State that lies on the device, in one allocation. Reading an item copies it to the host.

    Args:
        lock: held while a call runs.
        values: the first values; copied.
    """

    def __init__(self, gpu: Gpu, lock: threading.Lock, values: Mapping[str, Array]) -> None:
        self._gpu = gpu
        self._lock = lock
        self._types = {name: (value.shape, value.dtype) for name, value in values.items()}
        offsets, nbytes = placed({i: value.nbytes for i, value in enumerate(values.values())})
        self._memory = gpu.allocate(nbytes, "the state")
        self._addresses = {name: self._memory.address + offsets[i] for i, name in enumerate(values)}
        self.write(values)

    def address(self, name: str) -> int:
        """Where a value lies on the device."""
        return self._addresses[name]

    def write(self, values: Mapping[str, Array]) -> None:
        """Replace values, of their types, while no call runs."""
        self._gpu.make_current()
        for name, value in values.items():
            source = np.ascontiguousarray(value, self._types[name][1])
            self._gpu.copy(self._addresses[name], source.ctypes.data, source.nbytes)
            # The copy may read the array until then.
            self._gpu.wait()

    def __getitem__(self, name: str) -> Array:
        shape, dtype = self._types[name]
        value = np.empty(shape, dtype)
        with self._lock:
            self._gpu.make_current()
            self._gpu.copy(value.ctypes.data, self._addresses[name], value.nbytes)
            self._gpu.wait()
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)
