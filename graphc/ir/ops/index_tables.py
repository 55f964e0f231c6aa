"""Tables of indices: of triangles, and between flat and split indices; windows at data's places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import add, floor_divide, maximum, minimum, multiply, remainder
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import full_like, iota, number, zeros_like
from graphc.ir.ops.index_updates import update
from graphc.ir.ops.take import as_indices, take

__all__: list[str] = []

MOST_INDICES = 1 << 20
"""Of a triangle: they are a table in the graph."""


def _declare_triangle(name: str, indices: str, which: str) -> None:
    def call(rows: int, k: int = 0, columns: int | None = None) -> tuple[Node, Node]:
        width = rows if columns is None else columns
        if rows < 0 or width < 0 or rows * width > MOST_INDICES:
            raise UsageError(f"{name}: {rows} rows and {width} columns")
        places = getattr(np, indices)(rows, min(max(k, -rows - 1), width + 1), width)
        row, column = (as_indices(name, one.tolist()) for one in places)
        return row, column

    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"The rows and the columns of the elements on and {which} the diagonal that lies `k` above "
        "the main one of a matrix."
    )
    surface(name)(call)


_declare_triangle("tril_indices", "tril_indices", "below")
_declare_triangle("triu_indices", "triu_indices", "above")


def _sizes(name: str, shape: Sequence[DimLike]) -> list[DimLike]:
    for one in shape:
        is_size = type(one) is int or isinstance(one, Dim)
        if not is_size or not dims.always_less_equal(1, one):
            raise UsageError(f"{name}: the shape is {list(shape)}", hint="sizes are 1 or more")
    return list(shape)


@surface("unravel_index")
def unravel_index(
    indices: Node | int | Sequence[int], shape: Sequence[DimLike]
) -> tuple[Node, ...]:
    """The index along each axis of an element of `shape` that is counted in row-major order."""
    left = as_indices("unravel_index", indices)
    found = []
    for size in reversed(_sizes("unravel_index", shape)):
        divisor = full_like(left, size)
        found.append(remainder(left, divisor))
        left = floor_divide(left, divisor)
    return tuple(reversed(found))


@surface("ravel_multi_index")
def ravel_multi_index(indices: Sequence[Node | int], shape: Sequence[DimLike]) -> Node:
    """The number, in row-major order, of the element of `shape` with an index along each axis."""
    sizes = _sizes("ravel_multi_index", shape)
    if len(indices) != len(sizes) or not sizes:
        raise UsageError(f"ravel_multi_index: {len(indices)} indices for the shape {sizes}")
    places = broadcast(
        *(cast_to(as_indices("ravel_multi_index", one), dtypes.i64) for one in indices)
    )
    total = zeros_like(places[0])
    for place, size in zip(places, sizes, strict=True):
        total = add(multiply(total, full_like(total, size)), place)
    return total


# -- windows whose place is data -------------------------------------------------------------------


def _starts(
    name: str, x: Node, starts: Sequence[Node | int], sizes: Sequence[DimLike]
) -> list[Node]:
    """Where a window begins on each axis, moved so that it lies inside."""
    if len(starts) != len(x.shape) or len(sizes) != len(x.shape):
        raise ShapeError(f"{name}: {len(starts)} starts and {len(sizes)} sizes for {x.type}")
    found = []
    for start, size, extent in zip(starts, sizes, x.shape, strict=True):
        place = cast_to(as_indices(name, start), dtypes.i64)
        fits = dims.always_less_equal(0, size) and dims.always_less_equal(size, extent)
        if place.shape or not fits:
            raise ShapeError(
                f"{name}: {size} elements from {place.type} on an axis of {extent}",
                hint=f"a start is one whole number, a size 0 to {extent}",
            )
        last = number(extent - size, dtypes.i64)
        found.append(minimum(maximum(place, zeros_like(place)), last))
    return found


@surface("dynamic_slice")
def dynamic_slice(
    x: Node, start_indices: Sequence[Node | int], slice_sizes: Sequence[DimLike]
) -> Node:
    """The window of `slice_sizes` that begins at indices which are data, one for each axis.

    A window that would reach beyond the tensor is moved inside, as in JAX.
    """
    starts = _starts("dynamic_slice", x, start_indices, slice_sizes)
    for axis, (start, size) in enumerate(zip(starts, slice_sizes, strict=True)):
        x = take(x, _counted(start, size), axis)
    return x


@surface("dynamic_update_slice")
def dynamic_update_slice(x: Node, new: Node, start_indices: Sequence[Node | int]) -> Node:
    """`x` with the window that `dynamic_slice` reads replaced by `new`."""
    sizes = new.shape
    starts = _starts("dynamic_update_slice", x, start_indices, sizes)
    rank = len(sizes)
    items = tuple(
        functions["reshape"](
            _counted(start, size), *(size if a == axis else 1 for a in range(rank))
        )
        for axis, (start, size) in enumerate(zip(starts, sizes, strict=True))
    )
    return update(x, items, new, "set") if rank else cast_to(new, x.dtype)


def _counted(start: Node, size: DimLike) -> Node:
    counter = iota(shape=(size,), axis=0, dtype=dtypes.i64)
    return add(*broadcast(counter, start))
