"""Tensors with some elements replaced or combined with others, by axis: names of PyTorch and NumPy.

All are `scatter`: updates meet in row-major order of the indices, negative indices count from
the end, what is out of range is dropped. `x.at[items]` is in `index_updates.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.broadcasting import Operand, normal_axis
from graphc.ir.ops.conversion import cast_to, require_integers, whole_numbers
from graphc.ir.ops.creation.constants import constant_like, number, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import divide, floor_divide, multiply
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.elementwise.logic import less, where
from graphc.ir.ops.indexing.index_ranges import require_inside
from graphc.ir.ops.indexing.scatter import scatter
from graphc.ir.ops.indexing.take import as_indices, cut_to, last_axis, nearest_inside
from graphc.ir.ops.reductions.reduction import highest, lowest
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views.slicing import pad

__all__ = ["combined"]

_REDUCTIONS = {
    "sum": "add", "add": "add", "prod": "multiply", "multiply": "multiply",
    "amax": "maximum", "amin": "minimum", "mean": "add",
}  # fmt: skip


def combined(
    base: Node, updates: Node, *indices: Node, axes: tuple[int, ...], batch: int, combine: str
) -> Node:
    """`scatter`, with sums and products of f16 and bf16 in f32: rounded once, at the end."""
    dtype = base.dtype
    if combine != "set":
        require_computable("scatter", dtype)
    wide = dtype.accumulator if combine in ("add", "multiply") and dtype.precision else dtype
    result = scatter(
        cast_to(base, wide), cast_to(updates, wide), *indices,
        axes=axes, batch=batch, combine=combine,
    )  # fmt: skip
    return cast_to(result, dtype)


# -- an index for each element ---------------------------------------------------------------------


def _along(name: str, x: Node, axis: int, index: Node, source: Operand, combine: str) -> Node:
    """Updates at an index along an axis, where all other axes stay."""
    place = normal_axis(axis, len(x.shape), name)
    require_integers(name, "indices", index)
    require_inside(name, x, place, index)
    updates = _updates(name, x, index, source)
    if x.shape[:place] != index.shape[:place] or x.shape[place + 1 :] != index.shape[place + 1 :]:
        cut_to(name, x, index, place)
        index, updates = _filled(x, place, index, updates)
    order = last_axis(x, place)
    x, updates, index = (views.permute_dims(one, axes=order) for one in (x, updates, index))
    last = len(order) - 1
    result = combined(x, updates, index, axes=(last,), batch=last, combine=combine)
    return views.permute_dims(result, axes=tuple(np.argsort(order).tolist()))


def _updates(name: str, x: Node, index: Node, source: Operand) -> Node:
    """The updates in the shape of the indices: elements beyond them are cut off."""
    if not isinstance(source, Node):
        return views.broadcast_to(number(source, x.dtype), shape=index.shape)
    return cast_to(cut_to(name, source, index, None), x.dtype)


def _filled(x: Node, axis: int, index: Node, updates: Node) -> tuple[Node, Node]:
    """Indices and updates as long as the tensor, with more of them that are out of range."""
    after = tuple(
        0 if one == axis else size - have
        for one, (size, have) in enumerate(zip(x.shape, index.shape, strict=True))
    )
    before = (0,) * len(after)
    beyond = dtypes.i64.maximum_value
    index = pad(cast_to(index, dtypes.i64), before=before, after=after, value=beyond)
    return index, pad(updates, before=before, after=after, value=0)


@surface("scatter")
def scatter_along(x: Node, dim: int, index: Node, src: Operand, reduce: str | None = None) -> Node:
    """PyTorch's scatter: `src[..., i, ...]` at `index[..., i, ...]` along an axis.

    Indices and `src` may be shorter than `x` on the other axes. Of several updates of one
    element the last one stays, or all are combined by `reduce` ("add" or "multiply").

    Raises:
        ShapeError: indices that are longer than `x` or `src`.
        UsageError: another `reduce`.
    """
    if reduce not in (None, "add", "multiply"):
        raise UsageError(
            f"scatter: there is no reduction {reduce!r}",
            hint='"add" or "multiply"; scatter_reduce has more',
        )
    return _along("scatter", x, dim, index, src, reduce or "set")


@surface("put_along_axis")
def put_along_axis(
    x: Node,
    indices: Node,
    values: Operand,
    axis: int = -1,
    mode: Literal["raise", "clip"] = "raise",
) -> Node:
    """`x` with values at an index for each, along an axis: what `take_along_axis` reads.

    What is out of range is dropped, and refused where it is so for certain ("raise"), or written
    to the nearest element ("clip").
    """
    place = normal_axis(axis, len(x.shape), "put_along_axis")
    inside = nearest_inside("put_along_axis", x, place, indices, mode)
    return _along("put_along_axis", x, axis, inside, values, "set")


@surface("scatter_add")
def scatter_add(x: Node, dim: int, index: Node, src: Operand) -> Node:
    """`x` with `src` added at an index for each element, along an axis."""
    return _along("scatter_add", x, dim, index, src, "add")


@surface("scatter_reduce")
def scatter_reduce(
    x: Node, dim: int, index: Node, src: Operand, reduce: str, include_self: bool = True
) -> Node:
    """`x` reduced with `src` at an index for each element, along an axis.

    Args:
        x: the tensor.
        dim: the axis.
        index: positions along it.
        src: what is combined, at least as long as the indices.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether what is in `x` is combined as well; if not, it is replaced.
    """
    if reduce not in _REDUCTIONS:
        raise UsageError(
            f"scatter_reduce: there is no reduction {reduce!r}",
            hint="there are sum, prod, mean, amax and amin",
        )
    combine = _REDUCTIONS[reduce]

    def merged(base: Node, updates: Operand, start: float) -> Node:
        if not include_self:
            base = _along("scatter_reduce", base, dim, index, start, "set")
        return _along("scatter_reduce", base, dim, index, updates, combine)

    total = merged(x, src, _identity(x, combine))
    if reduce != "mean":
        return total
    is_whole = x.dtype.is_integer
    count = merged(cast_to(ones_like(x), x.dtype.accumulator), 1, 0)
    if is_whole:
        return floor_divide(total, cast_to(count, x.dtype))
    return cast_to(divide(cast_to(total, count.dtype), count), x.dtype)


def _identity(x: Node, combine: str) -> int | float:
    """What `combine` changes nothing with."""
    if combine in ("add", "multiply"):
        return 0 if combine == "add" else 1
    return lowest(x.dtype) if combine == "maximum" else highest(x.dtype)


# -- an index for each slice -----------------------------------------------------------------------


def _slices(
    name: str, x: Node, axis: int, index: Node | int | Sequence[int], source: Operand, combine: str
) -> Node:
    """Slices at an index each, along an axis."""
    place = normal_axis(axis, len(x.shape), name)
    places = as_indices(name, index)
    if len(places.shape) != 1:
        raise ShapeError(f"{name}: the indices are {places.type}, expected a vector")
    require_inside(name, x, place, places)
    expected: tuple[DimLike, ...] = (*x.shape[:place], places.shape[0], *x.shape[place + 1 :])
    if isinstance(source, Node):
        if source.shape != expected:
            raise ShapeError(f"{name}: {source.type} at {places.type} of {x.type}")
        updates = cast_to(source, x.dtype)
    else:
        updates = views.broadcast_to(number(source, x.dtype), shape=expected)
    order = (place, *(one for one in range(len(expected)) if one != place))
    updates = views.permute_dims(updates, axes=order)
    return combined(x, updates, places, axes=(place,), batch=0, combine=combine)


@surface("index_add")
def index_add(
    x: Node, dim: int, index: Node | int | Sequence[int], source: Node, alpha: int | float = 1
) -> Node:
    """`x` with the slices of `source`, times `alpha`, added at `index` along an axis."""
    if alpha != 1:
        source = multiply(source, constant_like(alpha, source))
    return _slices("index_add", x, dim, index, source, "add")


@surface("index_copy")
def index_copy(x: Node, dim: int, index: Node | int | Sequence[int], source: Node) -> Node:
    """`x` with the slices at `index` along an axis replaced by those of `source`."""
    return _slices("index_copy", x, dim, index, source, "set")


@surface("index_fill")
def index_fill(x: Node, dim: int, index: Node | int | Sequence[int], value: Operand) -> Node:
    """`x` with the slices at `index` along an axis filled with a number, or a tensor of one."""
    if isinstance(value, Node) and not value.shape:
        place = normal_axis(dim, len(x.shape), "index_fill")
        count = as_indices("index_fill", index).tensor.size
        filled = (*x.shape[:place], count, *x.shape[place + 1 :])
        value = views.broadcast_to(value, shape=filled)
    return _slices("index_fill", x, dim, index, value, "set")


@surface("bincount")
def bincount(
    x: Node, length: DimLike | None = None, weights: Node | None = None, minlength: int = 0
) -> Node:
    """How often each of 0 .. length - 1 occurs, or the sum of the weights of where it does.

    The length is given, since the shape of a result cannot depend on data; other numbers count
    for nothing, and truths are 0 and 1. Without it an array has as many counts as its elements
    say, `minlength` at least.

    Raises:
        ShapeError: the weights have another shape.
        UsageError: there is no length.
    """
    if length is None:
        raise UsageError(
            "bincount: the shape of the result depends on data, and shapes are known before a run",
            code="data-dependent-shape",
            hint=f"give a length, bincount(x, length={minlength or 'n'})",
        )
    for size in (length, minlength):
        if not isinstance(size, int | Dim):
            raise UsageError(
                f"bincount: {size!r} is no number of counts", hint="give a whole number"
            )
    length = dims.maximum(length, minlength)
    counted = cast_to(x, dtypes.u8) if x.dtype.kind == "bool" else x
    wide = whole_numbers("bincount", "numbers", counted)
    flat = views.reshape(wide, shape=(dims.product(x.shape),))
    # Negative numbers count from the end elsewhere, and are out of range here.
    beyond = constant_like(dtypes.i64.maximum_value, flat)
    places = where(less(flat, zeros_like(flat)), beyond, flat)
    if weights is None:
        updates = ones_like(flat)
    elif weights.shape != x.shape:
        raise ShapeError(f"bincount: {x.type} with weights {weights.type}")
    else:
        updates = views.reshape(weights, shape=flat.shape)
    base = views.broadcast_to(number(0, updates.dtype), shape=(length,))
    return combined(base, updates, places, axes=(0,), batch=0, combine="add")
