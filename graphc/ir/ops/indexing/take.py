"""The names under which elements are taken at indices: of the array API, and of PyTorch.

All are `gather`: negative indices count from the end, and what is out of range is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast_shapes, normal_axis
from graphc.ir.ops.conversion import cast_to, require_integers
from graphc.ir.ops.creation.constants import (
    constant_like,
    full_like,
    iota,
    number,
    tensor,
    zeros_like,
)
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    maximum,
    minimum,
    negative,
    remainder,
    subtract,
)
from graphc.ir.ops.elementwise.logic import equal, greater_equal, less, logical_and, where
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.indexing.index_ranges import require_inside
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views.slicing import pad, slice_

__all__ = [
    "as_indices",
    "cut_to",
    "embedding",
    "last_axis",
    "nearest_inside",
    "take",
    "take_along_axis",
]


def as_indices(name: str, indices: object) -> Node:
    """Indices as a tensor: one of integers, or whole numbers of Python, in lists of any depth.

    Raises:
        UsageError: anything else.
    """
    if isinstance(indices, Node):
        return indices
    if isinstance(indices, int) and not isinstance(indices, bool):
        return number(indices, dtypes.i64)
    if isinstance(indices, list | tuple) and _are_whole(indices):
        with suppress(ValueError, OverflowError):
            data = np.asarray(indices, "<i8")
            return tensor(data=data.tobytes(), dtype=dtypes.i64, shape=data.shape)
    raise UsageError(
        f"{name}: {indices!r} ({type(indices).__name__}) is no tensor of indices",
        code="index",
        hint="use a tensor of integers, or whole numbers, in lists of equal lengths at each depth",
    )


def _are_whole(values: object) -> bool:
    if isinstance(values, list | tuple):
        return all(map(_are_whole, values))
    return type(values) is int


def last_axis(x: Node, axis: int) -> tuple[int, ...]:
    """The order of axes that puts one last."""
    return (*(one for one in range(len(x.shape)) if one != axis), axis)


@surface("take")
def take(
    x: Node,
    indices: Node | int | Sequence[int],
    axis: int | None = None,
    mode: Literal["raise", "clip", "wrap", "fill"] = "raise",
    *,
    fill_value: PythonScalar | None = None,
) -> Node:
    """The slices of `x` at `indices` along an axis, which the axes of the indices replace.

    Args:
        x: of any shape; without an axis it is read as a vector.
        indices: whole numbers.
        axis: of the slices.
        mode: what is out of range. "raise" refuses what is so for certain, and reads 0 elsewhere;
            "clip" takes the nearest slice, the first one for negative indices; "wrap" goes on at
            the other end; "fill" gives `fill_value`.
        fill_value: unless given NaN, the least of signed or the largest of unsigned numbers, True.

    Raises:
        DTypeError: indices that are no integers.
        ShapeError: there is no such axis.
    """
    index = as_indices("take", indices)
    if axis is None:
        x, axis = views.reshape(x, shape=(dims.product(x.shape),)), 0
    place, rank = normal_axis(axis, len(x.shape), "take"), len(index.shape)
    if mode == "fill":
        return _filled(x, index, place, fill_value)
    if mode in ("clip", "wrap"):
        index = _inside(index, x.shape[place], mode)
    elif mode != "raise":
        raise UsageError(
            f"take: mode is {mode!r}", hint='use one of "raise", "clip", "wrap", "fill"'
        )
    else:
        require_inside("take", x, place, index)
    read = gather(x, index, axes=(place,), batch=0)
    if place == 0:
        return read
    order = (
        *range(rank, rank + place), *range(rank), *range(rank + place, len(read.shape))
    )  # fmt: skip
    return views.permute_dims(read, axes=order)


def _inside(index: Node, size: DimLike, mode: str) -> Node:
    """The indices as they are meant where they are out of range."""
    wide = _wide(index)
    count = full_like(wide, size)
    if mode == "wrap":
        return remainder(wide, count)
    last = subtract(count, constant_like(1, wide))
    return minimum(maximum(wide, constant_like(0, wide)), last)


def _wide(index: Node) -> Node:
    """The indices in a dtype that holds them and every size."""
    return index if index.dtype is dtypes.u64 else cast_to(index, dtypes.i64)


def _filled(x: Node, index: Node, place: int, value: PythonScalar | None) -> Node:
    wide = _wide(index)
    is_there = _is_there(wide, x.shape[place])
    read = take(x, where(is_there, wide, zeros_like(wide)), place)
    lead = (1,) * place
    after = (1,) * (len(x.shape) - place - 1)
    return _where_there(views.reshape(is_there, shape=(*lead, *index.shape, *after)), read, value)


def _is_there(index: Node, size: DimLike) -> Node:
    """Whether each of the wide indices is in range, those counted from the end too."""
    count = full_like(index, size)
    below = less(index, count)
    if index.dtype is not dtypes.i64:
        return below
    return logical_and(below, greater_equal(index, negative(count)))


def _where_there(is_there: Node, read: Node, value: PythonScalar | None) -> Node:
    """What was read, and elsewhere a number, or the usual one of the dtype."""
    if value is None:
        value = _usual_fill(read.dtype)
    whole = views.broadcast_to(is_there, shape=read.shape)
    return where(whole, read, constant_like(value, read))


def _usual_fill(dtype: DType) -> PythonScalar:
    if dtype.kind == "bool":
        return True
    if dtype.precision:
        return float("nan")
    return int(dtype.minimum_value if dtype.kind == "signed" else dtype.maximum_value)


def nearest_inside(name: str, x: Node, axis: int, index: Node, mode: str) -> Node:
    """The indices along an axis: as they are, or counted from the start and moved inside.

    Raises:
        UsageError: `mode` is neither "raise" nor "clip".
    """
    if mode == "raise":
        return index
    if mode != "clip":
        hint = '"raise" unless given; "clip" takes the nearest in place of what is out of range'
        raise UsageError(f"{name}: mode is {mode!r}", hint=hint)
    require_integers(name, "indices", index)
    wide = _wide(index)
    from_end = add(wide, full_like(wide, x.shape[axis]))
    return _inside(where(less(wide, zeros_like(wide)), from_end, wide), x.shape[axis], mode)


@surface("index_select")
def index_select(x: Node, dim: int, index: Node | int | Sequence[int]) -> Node:
    """The slices of `x` at `index` along an axis: `take` as PyTorch calls it."""
    return take(x, index, dim)


@surface("take_along_axis")
def take_along_axis(
    x: Node,
    indices: Node,
    axis: int = -1,
    mode: Literal["raise", "clip", "fill"] = "raise",
    *,
    fill_value: PythonScalar | None = None,
) -> Node:
    """`x[..., indices[..., i, ...], ...]`: along an axis, with an index for each element.

    The other axes of `x` and `indices` broadcast. What is out of range reads 0, and is refused
    where it is so for certain ("raise"), takes the nearest element ("clip", negative indices too
    being counted from the end first), or gives `fill_value`, as of `take` ("fill").

    Raises:
        ShapeError: another number of axes, or axes that do not broadcast.
    """
    if len(indices.shape) != len(x.shape):
        raise ShapeError(
            f"take_along_axis: indices {indices.type} for {x.type}",
            hint="both have as many axes",
        )
    place = normal_axis(axis, len(x.shape), "take_along_axis")
    if mode == "fill":
        require_integers("take_along_axis", "indices", indices)
        wide = _wide(indices)
        is_there = _is_there(wide, x.shape[place])
        read = take_along_axis(x, where(is_there, wide, zeros_like(wide)), axis)
        return _where_there(is_there, read, fill_value)
    indices = nearest_inside("take_along_axis", x, place, indices, mode)
    require_inside("take_along_axis", x, place, indices)
    shared = broadcast_shapes(_without(x.shape, place), _without(indices.shape, place))
    x, indices = (_widened(one, shared, place) for one in (x, indices))
    order = last_axis(x, place)
    moved = [views.permute_dims(one, axes=order) for one in (x, indices)]
    read = gather(*moved, axes=(len(order) - 1,), batch=len(order) - 1)
    return views.permute_dims(read, axes=tuple(np.argsort(order).tolist()))


@surface("take_along_dim")
def take_along_dim(x: Node, indices: Node, axis: int | None = None) -> Node:
    """`take_along_axis`; without an axis of the elements of all axes, in row-major order."""
    if axis is None:
        x, indices = (views.reshape(one, shape=(dims.product(one.shape),)) for one in (x, indices))
    return take_along_axis(x, indices, axis or 0)


def _without(shape: Sequence[DimLike], axis: int) -> tuple[DimLike, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _widened(x: Node, shared: Sequence[DimLike], axis: int) -> Node:
    """`x` with the shared sizes on all axes but one."""
    shape = (*shared[:axis], x.shape[axis], *shared[axis:])
    return x if shape == x.shape else views.broadcast_to(x, shape=shape)


@surface("gather")
def gather_along(x: Node, dim: int, index: Node) -> Node:
    """PyTorch's gather: `take_along_axis` for indices that may be shorter than `x`.

    Raises:
        ShapeError: another number of axes, or one on which the indices are longer.
    """
    place = normal_axis(dim, len(x.shape), "gather")
    return take_along_axis(cut_to("gather", x, index, place), index, place)


def cut_to(name: str, x: Node, index: Node, axis: int | None) -> Node:
    """`x` without the elements beyond the indices, on all axes or all but one."""
    if len(index.shape) != len(x.shape):
        raise ShapeError(f"{name}: indices {index.type} for {x.type}: another number of axes")
    stop = tuple(
        size if one == axis else have
        for one, (size, have) in enumerate(zip(x.shape, index.shape, strict=True))
    )
    if not all(map(dims.always_less_equal, stop, x.shape)):
        raise ShapeError(
            f"{name}: indices {index.type} for {x.type}",
            hint="the indices are no longer than the tensor"
            + ("" if axis is None else f", but for axis {axis}"),
        )
    zeros, ones = (0,) * len(stop), (1,) * len(stop)
    return x if stop == x.shape else slice_(x, start=zeros, stop=stop, step=ones)


@surface("embedding")
def embedding(ids: Node, weight: Node, padding_idx: int | None = None) -> Node:
    """The rows of `weight` [count, features] at `ids` [...]: [..., features].

    The row `padding_idx` is read, and takes no part in the gradient.

    Raises:
        ShapeError: the weight is no matrix.
        DTypeError: the ids are no integers.
    """
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: the weight is {weight.type}, expected [count, features]")
    if padding_idx is not None:
        row = iota(shape=weight.shape, axis=0, dtype=dtypes.i64)
        place = normal_axis(padding_idx, _known(weight.shape[0]), "embedding")
        is_padding = equal(row, constant_like(place, row))
        weight = where(is_padding, stop_gradient(weight), weight)
    require_inside("embedding", weight, 0, ids)
    return gather(weight, ids, axes=(0,), batch=0)


def _known(size: DimLike) -> int:
    return dims.bounds(size)[0]


# -- diagonals ------------------------------------------------------------------------------------


@surface("diagonal")
@also_named(dim1="axis1", dim2="axis2", k="offset")
def diagonal(x: Node, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Node:
    """The diagonal that lies `offset` above the main one of two axes, as a last axis.

    Raises:
        ShapeError: there are no two such axes.
    """
    rank = len(x.shape)
    rows, columns = (normal_axis(axis, rank, "diagonal") for axis in (axis1, axis2))
    if rows == columns:
        raise ShapeError(f"diagonal: axis {rows} twice", code="axis")
    order = (*(one for one in range(rank) if one not in (rows, columns)), rows, columns)
    moved = views.permute_dims(x, axes=order)
    down, right = max(-offset, 0), max(offset, 0)
    *outer, n, m = moved.shape
    length = dims.maximum(0, dims.minimum(n - down, m - right))
    counter = iota(shape=(*outer, length), axis=rank - 2, dtype=dtypes.i64)
    row, column = (add(counter, constant_like(one, counter)) for one in (down, right))
    return gather(moved, row, column, axes=(rank - 2, rank - 1), batch=rank - 2)


@surface("diagflat")
@also_named(k="offset")
def diagflat(x: Node, offset: int = 0) -> Node:
    """The matrix with the elements of `x`, in row-major order, on a diagonal."""
    return diag(views.reshape(x, shape=(dims.product(x.shape),)), offset)


@surface("diag")
@also_named(diagonal="offset", k="offset")
def diag(x: Node, offset: int = 0) -> Node:
    """The diagonal of a matrix; of a vector, the matrix with that diagonal and zeros around.

    Raises:
        ShapeError: neither a vector nor a matrix.
    """
    if len(x.shape) == 2:
        return diagonal(x, offset)
    if len(x.shape) != 1:
        raise ShapeError(f"diag: {x.type} is neither a vector nor a matrix")
    rows = pad(x, before=(max(-offset, 0),), after=(max(offset, 0),), value=0)
    size = rows.shape[0]
    wide = views.broadcast_to(views.reshape(rows, shape=(size, 1)), shape=(size, size))
    row, column = (iota(shape=(size, size), axis=axis, dtype=dtypes.i64) for axis in (0, 1))
    shift = views.broadcast_to(number(offset, dtypes.i64), shape=(size, size))
    return where(equal(add(row, shift), column), wide, zeros_like(wide))
