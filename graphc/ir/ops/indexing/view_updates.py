"""Tensors with a part replaced that a view, a mask or flat indices name.

The views themselves are read with `select`, `narrow` and `diagonal`; `x.at[...]` does the same for
any index.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, normal_axis
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import iota, ones_like
from graphc.ir.ops.elementwise.arithmetic import subtract
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.indexing.at_updates import update
from graphc.ir.ops.indexing.take import diagonal, take
from graphc.ir.ops.indexing.updates_by_axis import scatter_reduce
from graphc.ir.ops.views import shape as views

__all__: list[str] = []


def _before(axis: int) -> tuple[slice, ...]:
    return (slice(None),) * axis


@surface("select_scatter")
@also_named(index="position")
def select_scatter(x: Node, src: Operand, axis: int, position: DimLike) -> Node:
    """`x` in which what `select(x, axis, position)` reads is `src`."""
    place = normal_axis(axis, len(x.shape), "select_scatter")
    return update(x, (*_before(place), position), src, "set")


@surface("slice_scatter")
@also_named(end="stop")
def slice_scatter(
    x: Node,
    src: Operand,
    axis: int = 0,
    start: DimLike | None = None,
    stop: DimLike | None = None,
    step: int = 1,
) -> Node:
    """`x` in which what `x[start:stop:step]` reads along an axis is `src`."""
    place = normal_axis(axis, len(x.shape), "slice_scatter")
    return update(x, (*_before(place), slice(start, stop, step)), src, "set")


@surface("diagonal_scatter")
@also_named(dim1="axis1", dim2="axis2")
def diagonal_scatter(x: Node, src: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """`x` with `src` on the diagonal that lies `offset` above the main one of two axes.

    `src` has the shape of `diagonal(x, offset, axis1, axis2)`.

    Raises:
        ShapeError: it has another one.
    """
    there = diagonal(x, offset, axis1, axis2)
    if src.shape != there.shape:
        raise ShapeError(
            f"diagonal_scatter: {src.type} on the diagonal {there.type} of {x.type}",
            hint=f"expected {there.type}, as diagonal(x) gives it",
        )
    size = dims.product(x.shape)
    counter = views.reshape(iota(shape=(size,), axis=0, dtype=dtypes.i64), shape=x.shape)
    flat = views.reshape(x, shape=(size,))
    new = update(flat, diagonal(counter, offset, axis1, axis2), src, "set")
    return views.reshape(new, shape=x.shape)


@surface("masked_scatter")
@also_named(source="values")
def masked_scatter(x: Node, mask: Node, values: Node) -> Node:
    """`x` in which the k-th place where the mask holds, in row-major order, is the k-th value.

    The mask broadcasts. Places for which there are no values are 0.
    """
    spread = functions["broadcast_to"](mask, x.shape)
    count = cast_to(functions["flatten"](cast_to(spread, dtypes.bool_)), dtypes.i64)
    met: Node = functions["cumsum"](count, 0)
    read = take(functions["flatten"](values), subtract(met, ones_like(met)))
    return where(spread, cast_to(views.reshape(read, shape=x.shape), x.dtype), x)


@surface("index_put")
def index_put(
    x: Node, indices: Sequence[Node | None], values: Operand, accumulate: bool = False
) -> Node:
    """`x` in which what `x[indices]` reads is replaced by values, or increased by them."""
    items = tuple(slice(None) if one is None else one for one in indices)
    return update(x, items, values, "add" if accumulate else "set")


@surface("put")
@also_named(index="indices", source="values")
def put(x: Node, indices: Node, values: Node, accumulate: bool = False) -> Node:
    """`x` with values at indices of its elements in row-major order, set or added."""
    given = views.reshape(values, shape=indices.shape)
    flat = update(functions["flatten"](x), indices, given, "add" if accumulate else "set")
    return views.reshape(flat, shape=x.shape)


@surface("index_reduce")
def index_reduce(
    x: Node, dim: int, index: Node, source: Node, reduce: str, *, include_self: bool = True
) -> Node:
    """`x` reduced with the slices of `source` at `index` along an axis.

    Args:
        x: the tensor.
        dim: the axis.
        index: a vector of positions along it.
        source: the slices, along the same axis.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether what is in `x` is combined as well; if not, it is replaced.
    """
    if len(index.shape) != 1:
        raise ShapeError(f"index_reduce: the indices are {index.type}, expected a vector")
    place = normal_axis(dim, len(x.shape), "index_reduce")
    after = (1,) * (len(source.shape) - place - 1)
    column = views.reshape(index, shape=(*(1,) * place, *index.shape, *after))
    each = functions["broadcast_to"](column, source.shape)
    return scatter_reduce(x, place, each, source, reduce, include_self)


@surface("as_strided")
@also_named(size="shape", stride="strides", storage_offset="offset")
def as_strided(x: Node, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> Node:
    """Element (i, j, ...) is number offset + strides[0] * i + strides[1] * j + ... of `x`.

    The elements of `x` are counted in row-major order. Elements may be read several times.

    Raises:
        ShapeError: an element of the result is none of `x`.
    """
    if len(shape) != len(strides) or any(one < 0 for one in (*shape, *strides, offset)):
        raise UsageError(f"as_strided: strides {list(strides)} for shape {list(shape)}")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    is_empty = 0 in shape
    if not is_empty and not dims.always_less_equal(last + 1, dims.product(x.shape)):
        raise ShapeError(f"as_strided: element {last} of {x.type}")
    places = functions["full"](tuple(shape), offset, dtypes.i64)
    for axis, step in enumerate(strides):
        counter = iota(shape=tuple(shape), axis=axis, dtype=dtypes.i64)
        places = functions["add"](places, functions["multiply"](counter, step))
    return take(x, places)
