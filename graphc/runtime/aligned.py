"""Memory of the host that is aligned as programs promise it to kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DeviceError
from graphc.runtime.program import ALIGNMENT

__all__ = ["aligned_bytes", "aligned_copy"]

Array = np.ndarray[Any, Any]


def aligned_bytes(nbytes: int) -> Array:
    """Bytes of any content.

    Raises:
        DeviceError: there is no memory for them.
    """
    try:
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise DeviceError(f"there is no memory for {nbytes} bytes", code="out-of-memory") from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


def aligned_copy(value: Array) -> Array:
    """A contiguous copy of an array.

    >>> aligned_copy(np.arange(3)).ctypes.data % ALIGNMENT
    0
    """
    memory = aligned_bytes(value.nbytes)
    array = memory.view(value.dtype).reshape(value.shape) if value.nbytes else value.copy()
    array[...] = value
    return array
