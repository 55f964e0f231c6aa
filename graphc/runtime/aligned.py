"""Memory of the host, aligned as programs promise it to kernels; and arrays over addresses."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import DeviceError
from graphc.runtime.program import ALIGNMENT

__all__ = ["aligned_array", "aligned_bytes", "aligned_copies", "aligned_copy", "array_at"]

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


def aligned_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A contiguous array of any content.

    >>> aligned_array((2, 3), np.dtype(np.int16)).ctypes.data % ALIGNMENT
    0

    Raises:
        DeviceError: there is no memory for it.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    return aligned_bytes(nbytes).view(dtype).reshape(shape)


def aligned_copy(value: Array) -> Array:
    """A contiguous copy of an array.

    Raises:
        DeviceError: there is no memory for it.
    """
    array = aligned_array(value.shape, value.dtype)
    array[...] = value
    return array


def aligned_copies(values: Mapping[str, Array]) -> dict[str, Array]:
    """Copies of arrays, for an executor to take over."""
    return {name: aligned_copy(value) for name, value in values.items()}


def array_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array over memory of the host, which it does not keep."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes == 0:
        return np.empty(shape, dtype)
    content = (ctypes.c_uint8 * nbytes).from_address(address)
    return np.ctypeslib.as_array(content).view(dtype).reshape(shape)
