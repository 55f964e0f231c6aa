"""Tables of indices: of triangles, diagonals and grids; flat and split ones; windows of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import offer
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.conversion import cast_to, require_integers, whole_numbers
from graphc.ir.ops.creation.constants import full_like, iota, number, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    floor_divide,
    maximum,
    minimum,
    multiply,
    remainder,
)
from graphc.ir.ops.indexing.at_updates import update
from graphc.ir.ops.indexing.take import as_indices, take

__all__: list[str] = []

MOST_INDICES = 1 << 20
"""Of a triangle: they are a table in the graph."""

MOST_AXES = 64
"""As many as arrays of NumPy have."""


def _declare_triangle(name: str, indices: str, which: str) -> None:
    def call(rows: DimLike, k: int = 0, columns: DimLike | None = None) -> tuple[Node, Node]:
        width = rows if columns is None else columns
        if not isinstance(rows, int) or not isinstance(width, int):
            raise ShapeError(
                f"{name}: {rows} rows and {width} columns, expected fixed numbers",
                hint="how many indices there are would differ from call to call; a mask has one "
                "shape: where(triu(ones_like(x)) > 0, x, y)",
            )
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


def _declare_triangle_of(name: str, indices: str) -> None:
    def call(x: Node, k: int = 0) -> tuple[Node, Node]:
        sizes = _known_sizes(name, x, 2)
        return functions[indices](sizes[0], k, sizes[1])  # type: ignore[no-any-return]

    offer(call, name, f"`{indices}` for the rows and columns of the matrix `x`.")


_declare_triangle_of("tril_indices_from", "tril_indices")
_declare_triangle_of("triu_indices_from", "triu_indices")


def _known_sizes(name: str, x: Node, rank: int | None = None) -> list[int]:
    sizes = [one for one in x.shape if isinstance(one, int)]
    if len(sizes) != len(x.shape) or len(sizes) != (rank or max(len(sizes), 2)):
        raise ShapeError(f"{name}: {x.type}", hint="expected known sizes of two axes or more")
    return sizes


@surface("diag_indices")
def diag_indices(n: int, ndim: int = 2) -> tuple[Node, ...]:
    """The indices of the elements on the diagonal of a tensor of `ndim` axes of `n` elements."""
    if n < 0 or not 0 <= ndim <= MOST_AXES:
        raise UsageError(f"diag_indices: {ndim} axes of {n}", hint="give sizes of 0 or more")
    return (iota(shape=(n,), axis=0, dtype=dtypes.i64),) * ndim


@surface("diag_indices_from")
def diag_indices_from(x: Node) -> tuple[Node, ...]:
    """The indices of the elements on the diagonal of `x`, whose axes have one size."""
    sizes = _known_sizes("diag_indices_from", x)
    if len(set(sizes)) > 1:
        raise ShapeError(f"diag_indices_from: the sizes of {x.type} differ")
    return diag_indices(sizes[0], len(sizes))


@surface("indices")
def index_grid(
    dimensions: Sequence[int], dtype: DType = dtypes.i64, sparse: bool = False
) -> Node | tuple[Node, ...]:
    """The index along each axis, [axes, *dimensions], of the elements of a tensor of that shape.

    sparse: a tuple instead, of tensors whose size is 1 on all axes but their own.
    """
    sizes = tuple(dimensions)
    if not sizes or any(type(one) is not int or one < 0 for one in sizes):
        raise UsageError(f"indices: the shape is {dimensions!r}", hint="sizes are 0 or more")
    found = []
    for axis, _ in enumerate(sizes):
        shape = tuple(n if not sparse or i == axis else 1 for i, n in enumerate(sizes))
        found.append(iota(shape=shape, axis=axis, dtype=dtype))
    return tuple(found) if sparse else functions["stack"](found)


@surface("ix_")
def open_grid(*vectors: Node) -> tuple[Node, ...]:
    """Vectors of indices, each along an axis of its own: `x[ix_(rows, columns)]` is a submatrix."""
    found = []
    for axis, one in enumerate(vectors):
        if len(one.shape) != 1 or not one.dtype.is_integer:
            raise ShapeError(
                f"ix_: {one.type}, expected a vector of integers",
                hint="how many places a mask has depends on data",
            )
        shape = tuple(-1 if i == axis else 1 for i, _ in enumerate(vectors))
        found.append(functions["reshape"](one, shape))
    return tuple(found)


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
    require_integers("unravel_index", "indices", left)
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
    given = [as_indices("ravel_multi_index", one) for one in indices]
    places = broadcast(*(whole_numbers("ravel_multi_index", "indices", one) for one in given))
    total = zeros_like(places[0])
    for place, size in zip(places, sizes, strict=True):
        total = add(multiply(total, full_like(total, size)), place)
    return total


# -- windows whose place is data -------------------------------------------------------------------


def _starts(
    name: str, x: Node, starts: Sequence[Node | int] | Node, sizes: Sequence[DimLike]
) -> list[Node]:
    """Where a window begins on each axis, moved so that it lies inside."""
    given = list(functions["unstack"](starts) if isinstance(starts, Node) else starts)
    if len(given) != len(x.shape) or len(sizes) != len(x.shape):
        raise ShapeError(f"{name}: {len(given)} starts and {len(sizes)} sizes for {x.type}")
    found = []
    for start, size, extent in zip(given, sizes, x.shape, strict=True):
        place = whole_numbers(name, "starts", as_indices(name, start))
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
    x: Node, start_indices: Sequence[Node | int] | Node, slice_sizes: Sequence[DimLike]
) -> Node:
    """The window of `slice_sizes` that begins at indices which are data, one for each axis.

    The indices are a list, or a vector. A window that would reach beyond the tensor is moved
    inside, as in JAX.
    """
    starts = _starts("dynamic_slice", x, start_indices, slice_sizes)
    for axis, (start, size) in enumerate(zip(starts, slice_sizes, strict=True)):
        x = take(x, _counted(start, size), axis)
    return x


@surface("dynamic_update_slice")
def dynamic_update_slice(x: Node, new: Node, start_indices: Sequence[Node | int] | Node) -> Node:
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
