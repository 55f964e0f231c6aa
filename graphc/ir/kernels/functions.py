"""What the device functions that a `Call` names compute, in NumPy.

The text of a dialect spells each of them in its own way; this is what all of them mean. A name ends
in the dtype that the function is for: `gc_pack_left_bf16`. Memory is passed as a flat array that
begins at the address. The layout of packed operands is the functions' own affair: here it is
[depth][columns] and [rows][stride].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.ir import dtype as dtypes
from graphc.ir.kernels.warp_functions import (
    add_product,
    copy_16,
    load_matrices,
    multiply_tiles,
    nothing,
)
from graphc.ir.ops.sorting.sort import in_order

__all__ = ["FUNCTIONS", "DeviceFunction", "Pointer", "find_function", "multiply_add"]

Array = np.ndarray[Any, Any]


class Pointer:
    """An address that a function of the whole step is given; strides may lead to before it.

    Args:
        array: the memory.
        place: where in it the address is.
    """

    def __init__(self, array: Array, place: int) -> None:
        self._array, self._place = array, place

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is pointed to."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    def __getitem__(self, offsets: slice | Array) -> Array:
        return np.asarray(self._array[self._places(offsets)])

    def __setitem__(self, offsets: slice | Array, values: Array) -> None:
        self._array[self._places(offsets)] = values

    def _places(self, offsets: slice | Array) -> Array:
        if isinstance(offsets, slice):
            offsets = np.arange(offsets.start or 0, offsets.stop)
        places = offsets + self._place
        if places.size and places.min() < 0:
            raise IndexError(f"place {places.min()} is before the memory")
        return places


@dataclass(frozen=True, slots=True)
class DeviceFunction:
    """A device function.

    Attributes:
        name: without the dtype.
        writes: numbers of the arguments whose memory it writes.
        reads: numbers of the arguments whose memory it reads.
        meaning: does to pointers into NumPy arrays what the function does to memory.
        is_of_lane: whether lanes call it inside a loop over lanes, each with addresses of its own
            (see `warp_functions`).
        width: elements that a function of a lane touches from each of its addresses on.
        synchronizes: whether all lanes have arrived when it begins, and none goes on before it
            ends.
        extents: numbers of the arguments whose product is how many elements it computes.
        work: of each of these, in the unit of `work.py`.
    """

    name: str
    writes: tuple[int, ...]
    reads: tuple[int, ...]
    meaning: Callable[..., None]
    is_of_lane: bool = False
    width: int = 1
    synchronizes: bool = False
    extents: tuple[int, ...] = ()
    work: int = 1


def find_function(name: str) -> DeviceFunction | None:
    """The function of a `Call`, by its name with or without a dtype or template arguments."""
    name = name.partition("<")[0]
    return FUNCTIONS.get(name) or FUNCTIONS.get(name.rpartition("_")[0])


# -- multiply-adds --------------------------------------------------------------------------------


def multiply_add(a: Array, b: Array, c: Array) -> Array:
    """a * b + c, for floats rounded once, for complex numbers once for each product of parts.

    f32 is computed in f64, where the product is exact, and rounded to odd on the way (S. Boldo and
    G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
    odd", 2008). f64 is computed with their emulation; where that overflows or underflows inside,
    the product is rounded as well.
    """
    if c.dtype.kind == "c":
        result = np.empty(np.broadcast_shapes(a.shape, b.shape, c.shape), c.dtype)
        result.real = multiply_add(-a.imag, b.imag, multiply_add(a.real, b.real, c.real))
        result.imag = multiply_add(a.imag, b.real, multiply_add(a.real, b.imag, c.imag))
        return result
    with np.errstate(all="ignore"):
        if c.dtype == np.float32:
            product = a.astype(np.float64) * b.astype(np.float64)
            return _sum_to_odd(product, c.astype(np.float64)).astype(np.float32)
        if c.dtype != np.float64:
            return np.asarray(a * b + c)
        high, low = _exact_product(a, b)
        inner, inner_error = _exact_sum(c, low)
        outer, outer_error = _exact_sum(high, inner)
        result = outer + _sum_to_odd(inner_error, outer_error)
        magnitude = np.maximum(np.abs(high), np.maximum(np.abs(a), np.abs(b)))
        is_exact = (magnitude < 2.0**990) & ((np.abs(high) > 2.0**-960) | (high == 0))
        return np.where(is_exact & np.isfinite(result), result, a * b + c)


def _exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and what the rounding lost (D. Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a * b rounded, and what the rounding lost (T. Dekker, 1971)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    cross = (a_high * b_high - product) + a_high * b_low + a_low * b_high
    return product, cross + a_low * b_low


def _halves(x: Array) -> tuple[Array, Array]:
    shifted = x * float(2**27 + 1)
    high = shifted - (shifted - x)
    return high, x - high


def _sum_to_odd(a: Array, b: Array) -> Array:
    """a + b: exact, or the neighbour in f64 whose last bit is set."""
    total, lost = _exact_sum(a, b)
    is_even = total.view(np.int64) % 2 == 0
    neighbour = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where(is_even & (lost != 0) & np.isfinite(lost), neighbour, total)


# -- matrix products on the host ------------------------------------------------------------------


def _block(memory: Pointer, outer: int, inner: int, rows: int, columns: int) -> Array:
    """memory[i * outer + j * inner] for i < rows, j < columns."""
    places = np.arange(rows)[:, None] * outer + np.arange(columns)[None, :] * inner
    return memory[places]


def _add_products(total: Array, left: Array, right: Array) -> Array:
    """Each element as one chain of multiply-adds over ascending k."""
    for k in range(left.shape[1]):
        total = multiply_add(left[:, k, None], right[None, k, :], total)
    return total


def _pack_right(
    packed: Pointer, b: Pointer, n_stride: int, k_stride: int, columns: int, depth: int
) -> None:
    block = _block(b, k_stride, n_stride, depth, columns)
    packed[: depth * columns] = block.astype(packed.dtype).reshape(-1)


def _pack_left(
    packed: Pointer, stride: int, a: Pointer, m_stride: int, k_stride: int, rows: int, depth: int
) -> None:
    block = _block(a, m_stride, k_stride, rows, depth).astype(packed.dtype)
    packed[np.arange(rows)[:, None] * stride + np.arange(depth)] = block


def _multiply_packed(
    tile: Pointer,
    tile_stride: int,
    left: Pointer,
    left_stride: int,
    right: Pointer,
    rows: int,
    columns: int,
    depth: int,
    first: Array,
) -> None:
    places = np.arange(rows)[:, None] * tile_stride + np.arange(columns)
    start = np.zeros((rows, columns), tile.dtype) if first else tile[places]
    a = _block(left, left_stride, 1, rows, depth)
    tile[places] = _add_products(start, a, right[: depth * columns].reshape(depth, columns))


def _multiply_rows(
    tile: Pointer,
    tile_stride: int,
    a: Pointer,
    m_stride: int,
    a_stride: int,
    b: Pointer,
    n_stride: int,
    k_stride: int,
    rows: int,
    columns: int,
    depth: int,
) -> None:
    left = _block(a, m_stride, a_stride, rows, depth).astype(tile.dtype)
    right = _block(b, k_stride, n_stride, depth, columns).astype(tile.dtype)
    places = np.arange(rows)[:, None] * tile_stride + np.arange(columns)
    tile[places] = _add_products(np.zeros((rows, columns), tile.dtype), left, right)


# -- sorting --------------------------------------------------------------------------------------


def _sorted_part(
    out: Pointer, keys: Pointer, given: Array, descending: int, width: int, first: int, count: int
) -> None:
    """The places `first` .. `first + count - 1` of the positions in `given`, in runs of `width`."""
    for start in range(first // width * width, first + count, width):
        positions = given[start : start + width]
        places = np.arange(start, start + len(positions))
        ordered = positions[in_order(keys[positions], bool(descending))]
        inside = (places >= first) & (places < first + count)
        out[places[inside]] = ordered[inside]


def _sort_runs(
    out: Pointer, keys: Pointer, length: int, descending: int, width: int, first: int, count: int
) -> None:
    _sorted_part(out, keys, np.arange(length), descending, width, first, count)


def _merge_runs(
    out: Pointer,
    keys: Pointer,
    runs: Pointer,
    length: int,
    descending: int,
    width: int,
    first: int,
    count: int,
) -> None:
    _sorted_part(out, keys, runs[:length], descending, 2 * width, first, count)


def _of_lane(
    name: str,
    writes: tuple[int, ...],
    reads: tuple[int, ...],
    meaning: Callable[..., None],
    width: int = 1,
) -> DeviceFunction:
    return DeviceFunction(name, writes, reads, meaning, is_of_lane=True, width=width)


def _of_step(
    name: str,
    writes: tuple[int, ...],
    reads: tuple[int, ...],
    meaning: Callable[..., None],
    extents: tuple[int, ...],
    work: int = 1,
) -> DeviceFunction:
    return DeviceFunction(
        name, writes, reads, meaning, synchronizes=True, extents=extents, work=work
    )


FUNCTIONS: Mapping[str, DeviceFunction] = MappingProxyType(
    {
        function.name: function
        for function in (
            _of_lane("gc_multiply_add", (0,), (0,), add_product(multiply_add)),
            # 16 bytes are 8 elements of the dtypes that tensor cores multiply.
            _of_lane("gc_copy_async_16", (0,), (1,), copy_16, width=8),
            _of_lane("gc_copy_async_commit", (), (), nothing),
            _of_lane("gc_copy_async_wait", (), (), nothing),
            *(
                _of_lane(
                    f"gc_load_matrices_x{count}{'_transposed' if transposed else ''}",
                    (0,),
                    (1,),
                    load_matrices(count, transposed=transposed),
                    width=8,
                )
                for count in (2, 4)
                for transposed in (False, True)
            ),
            _of_lane("gc_mma_m16n8k16_f16", (0,), (0, 1, 2), multiply_tiles(dtypes.f16)),
            _of_lane("gc_mma_m16n8k16_bf16", (0,), (0, 1, 2), multiply_tiles(dtypes.bf16)),
            _of_step("gc_pack_right", (0,), (1,), _pack_right, (4, 5), 3),
            _of_step("gc_pack_left", (0,), (2,), _pack_left, (5, 6), 3),
            _of_step("gc_multiply_packed", (0,), (0, 2, 4), _multiply_packed, (5, 6, 7)),
            # Few rows take less time than reading the right operand does.
            _of_step("gc_multiply_rows", (0,), (2, 5), _multiply_rows, (8, 9, 10), 6),
            _of_step("gc_sort_runs", (0,), (1,), _sort_runs, (-1,), 32),
            _of_step("gc_merge_runs", (0,), (1, 2), _merge_runs, (-1,), 32),
        )
    }
)
"""Every device function with a meaning, by its name without the dtype."""
