"""Memory of results, used again once the caller has dropped them.

A large array that is new at each call costs more than filling it: the system hands out its pages
one by one, and clears each.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from graphc.errors import DeviceError

__all__ = ["ResultMemory"]

Array = np.ndarray[Any, Any]

# Below this the allocator has memory at hand that the system need not clear.
_LARGE_BYTES = 1 << 20

# One that the caller still holds while the next call runs, and the one that is written.
_KEPT_OF_A_SIZE = 2

_SIZES_KEPT = 16


class ResultMemory:
    """Gives arrays whose memory it keeps, and gives that memory again when nobody refers to it."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Array]] = {}

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array of any content that nothing else refers to.

        Raises:
            DeviceError: there is no memory for it.
        """
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < _LARGE_BYTES:
            return np.empty(shape, dtype)
        return self._memory(nbytes).view(dtype).reshape(shape)

    def _memory(self, nbytes: int) -> Array:
        kept = self._kept.setdefault(nbytes, [])
        for number in range(len(kept)):
            # An array refers to the one that owns its memory.
            if _references(kept, number) == _WITHOUT_USERS:
                return kept[number]
        try:
            memory = np.empty(nbytes, np.uint8)
        except MemoryError as error:
            raise DeviceError(
                f"there is no memory for {nbytes} bytes", code="out-of-memory"
            ) from error
        if len(kept) < _KEPT_OF_A_SIZE:
            kept.append(memory)
        if len(self._kept) > _SIZES_KEPT:
            del self._kept[next(iter(self._kept))]
        return memory


def _references(kept: list[Array], number: int) -> int:
    return sys.getrefcount(kept[number])


# What the list and the call itself count for; it depends on the version of Python.
_WITHOUT_USERS = _references([np.empty(0, np.uint8)], 0)
