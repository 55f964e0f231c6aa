"""What the device functions that lanes call for themselves, or that a warp calls together, compute.

An address is given as a `LanePointer`: the place that each of the calling lanes means. Asynchronous
copies arrive at once here; that they are waited for is for the verifier and the simulator to check.
Layouts of fragments are those of PTX ISA, "Matrix Fragments for mma.m16n8k16" and "ldmatrix".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.dtype import DType

__all__ = ["LanePointer", "add_product", "copy_16", "load_matrices", "multiply_tiles", "nothing"]

Array = np.ndarray[Any, Any]

_WARP = 32


class LanePointer:
    """Where each of some lanes points to.

    Args:
        array: the memory; for storage of lanes, a row for each lane.
        places: the index that each lane points to.
        lanes: the lanes' numbers if each points into its own storage, else None.
        error: what to raise for a place that does not exist.
    """

    def __init__(
        self,
        array: Array,
        places: Array,
        lanes: Array | None,
        error: Callable[[int], Exception],
    ) -> None:
        self._array, self._places, self._lanes, self._error = array, places, lanes, error

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is pointed to."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    def load(self, offset: int = 0, where: Array | bool = True) -> Array:
        """The elements `offset` places on, for the lanes where the condition holds; else 0."""
        places, chosen = self._chosen(offset, where)
        result = np.zeros(self._places.shape, self.dtype)
        if self._lanes is None:
            result[chosen] = self._array[places]
        else:
            result[chosen] = self._array[self._lanes[chosen], places]
        return result

    def store(self, values: Array, offset: int = 0) -> None:
        """Replace the elements `offset` places on."""
        places, _ = self._chosen(offset, True)
        if self._lanes is None:
            self._array[places] = values
        else:
            self._array[self._lanes, places] = values

    def _chosen(self, offset: int, where: Array | bool) -> tuple[Array, Array]:
        chosen = np.broadcast_to(np.asarray(where), self._places.shape)
        places = self._places[chosen] + offset
        outside = (places < 0) | (places >= self._array.shape[-1])
        if outside.any():
            raise self._error(int(places[outside][0]))
        return places, chosen


def add_product(multiply_add: Callable[[Array, Array, Array], Array]) -> Callable[..., None]:
    """`*sum = a * b + *sum` for each lane."""

    def add(total: LanePointer, a: Array, b: Array) -> None:
        total.store(multiply_add(a, b, total.load()))

    return add


def nothing() -> None:
    """Where only the order of memory accesses is concerned."""


def copy_16(to: LanePointer, source: LanePointer, valid_bytes: Any = 16) -> None:
    """Copy 16 bytes, of which those from `valid_bytes` on become zero and are not read."""
    size = source.dtype.itemsize
    for element in range(16 // size):
        values = source.load(element, where=element * size < np.asarray(valid_bytes))
        to.store(values.view(to.dtype), element)


def load_matrices(count: int, *, transposed: bool) -> Callable[[LanePointer, LanePointer], None]:
    """Bring `count` matrices of 8 x 8 elements of 16 bits into registers."""

    def load(fragment: LanePointer, row: LanePointer) -> None:
        elements = np.stack([row.load(element) for element in range(8)], axis=-1)
        # [warp, matrix, row, element]
        matrices = elements.reshape(-1, _WARP // 8, 8, 8).astype(np.uint32)
        if transposed:
            matrices = matrices.swapaxes(-1, -2)
        for matrix in range(count):
            pairs = matrices[:, matrix].reshape(-1, _WARP, 2)
            fragment.store((pairs[..., 0] | pairs[..., 1] << 16).reshape(-1), matrix)

    return load


def multiply_tiles(dtype: DType) -> Callable[[LanePointer, LanePointer, LanePointer], None]:
    """c (16 x 8) += a (16 x 16) times b (16 x 8), over ascending k, rounded after each addition."""

    def multiply(c: LanePointer, a: LanePointer, b: LanePointer) -> None:
        # [warp, group, pair, register, half]: lane 4 group + pair.
        left, right = (
            np.stack([pointer.load(i) for i in range(count)], axis=-1)
            .view(np.uint16)
            .view(dtype.numpy)
            .astype(np.float32)
            .reshape(-1, 8, 4, count, 2)
            for pointer, count in ((a, 4), (b, 2))
        )
        # Register i of a: row group + 8 (i % 2), k 2 pair + 8 (i / 2) + half.
        rows = left.reshape(-1, 8, 4, 2, 2, 2).transpose(0, 4, 1, 3, 2, 5).reshape(-1, 16, 16)
        # Register i of b: k 2 pair + 8 i + half, column group.
        columns = right.transpose(0, 3, 2, 4, 1).reshape(-1, 16, 8)
        sums = np.stack([c.load(i) for i in range(4)], axis=-1).reshape(-1, 8, 4, 2, 2)
        # Sum i of c: row group + 8 (i / 2), column 2 pair + i % 2.
        total = sums.transpose(0, 3, 1, 2, 4).reshape(-1, 16, 8)
        for k in range(16):
            total = total + rows[:, :, k, None] * columns[:, None, k, :]
        back = total.reshape(-1, 2, 8, 4, 2).transpose(0, 2, 3, 1, 4).reshape(-1, 4)
        for i in range(4):
            c.store(back[:, i], i)

    return multiply
