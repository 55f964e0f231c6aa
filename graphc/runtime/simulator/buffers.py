"""The arguments of a launch as the kernel sees them, in the checking mode with red zones."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BufferRecord", "CheckedBuffers"]

Array: TypeAlias = npt.NDArray[Any]

# The driver's allocations have this alignment, and so have the copies here.
_ALIGNMENT = 256
# Pages of it that nobody touches are never allocated.
_RED_ZONE_BYTES = 1 << 20


class BufferRecord(ctypes.Structure):
    """`Buffer` of block.hpp."""

    _fields_ = (("address", ctypes.c_uint64), ("bytes", ctypes.c_uint64))


class CheckedBuffers:
    """Copies of the arrays of a launch, far apart, so that an access beyond one hits no other.

    Arrays that overlap share one copy, at the same distances.
    """

    def __init__(self, arrays: Sequence[tuple[str, Array]]) -> None:
        self._arrays = sorted(arrays, key=lambda item: item[1].ctypes.data)
        self._groups: list[_Group] = []
        for name, array in self._arrays:
            start, end = array.ctypes.data, array.ctypes.data + array.nbytes
            if not self._groups or start >= self._groups[-1].end:
                self._groups.append(_Group(start))
            self._groups[-1].add(name, array, end)
        for group in self._groups:
            group.copy_in()

    @property
    def table(self) -> ctypes.Array[BufferRecord]:
        """The copies, for the checker."""
        return (BufferRecord * len(self._groups))(
            *(BufferRecord(group.copy_address, group.end - group.start) for group in self._groups)
        )

    def address_of(self, array: Array) -> int:
        """Where the copy of `array` lies."""
        start = array.ctypes.data
        group = next(g for g in self._groups if any(a is array for _, a in g.members))
        return group.copy_address + start - group.start

    def name_of(self, region: int, offset: int) -> tuple[str, int, int]:
        """The array that holds a byte: name, offset in it, its size."""
        group = self._groups[region]
        address = group.start + offset
        inside = [m for m in group.members if 0 <= address - m[1].ctypes.data < m[1].nbytes]
        name, array = inside[0] if inside else group.members[-1]
        # An access just below a region has a negative offset, which arrives as a large number.
        distance = (address - array.ctypes.data + 2**63) % 2**64 - 2**63
        return name, distance, array.nbytes

    def copy_back(self) -> None:
        """Give what the kernel wrote to the caller's arrays."""
        for group in self._groups:
            group.copy_back()


class _Group:
    """Arrays that overlap, and the copy of the memory they cover together."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.members: list[tuple[str, Array]] = []

    def add(self, name: str, array: Array, end: int) -> None:
        self.members.append((name, array))
        self.end = max(self.end, end)

    def copy_in(self) -> None:
        size = self.end - self.start
        self._memory = np.empty(size + 2 * _RED_ZONE_BYTES + _ALIGNMENT, np.uint8)
        middle = self._memory.ctypes.data + _RED_ZONE_BYTES
        self.copy_address = (middle + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
        ctypes.memmove(self.copy_address, self.start, size)

    def copy_back(self) -> None:
        for _, array in self.members:
            if array.flags.writeable:
                source = self.copy_address + array.ctypes.data - self.start
                ctypes.memmove(array.ctypes.data, source, array.nbytes)
