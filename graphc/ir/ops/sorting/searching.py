"""Searching in sorted data, and functions whose result has as many elements as the data says."""

from __future__ import annotations

from typing import Literal, NoReturn

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import (
    constant_like,
    dim_value,
    iota,
    known_values,
    number,
    zeros_like,
)
from graphc.ir.ops.elementwise.arithmetic import add, floor_divide, remainder, subtract
from graphc.ir.ops.elementwise.logic import (
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    where,
)
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.views import shape as views

__all__ = ["searchsorted"]

_I64 = dtypes.i64


@surface("searchsorted")
def searchsorted(
    sorted_sequence: Node,
    values: Operand,
    side: Literal["left", "right"] = "left",
    right: bool = False,
    *,
    sorter: Node | None = None,
) -> Node:
    """Where each value would be inserted to keep a sequence in ascending order: `i64` positions.

    Args:
        sorted_sequence: a vector, or vectors along the last axis.
        values: of any shape for one vector; else with the same leading axes.
        side: before elements that are equal to the value ("left") or after them ("right").
        right: PyTorch's way to say `side="right"`.
        sorter: indices that sort the sequence, where it is not sorted itself.

    Raises:
        ShapeError: other leading axes.

    NaN is greater than every number, as in a sorted array of NumPy. A binary search, one step
    after the other in one kernel.
    """
    if side not in ("left", "right"):
        raise UsageError(f"searchsorted: there is no side {side!r}", hint='"left" or "right"')
    if sorter is not None:
        sorted_sequence = functions["take_along_axis"](sorted_sequence, sorter)
    line, wanted = promoted(sorted_sequence, values)
    if not line.shape:
        raise ShapeError("searchsorted: a single number is no sequence")
    batch = len(line.shape) - 1
    if batch and wanted.shape[:batch] != line.shape[:batch]:
        raise ShapeError(
            f"searchsorted: values {wanted.type} in {line.type}",
            hint="all axes of the sequence but the last are the first ones of the values",
        )
    size = line.shape[batch]
    is_after = right or side == "right"
    end = views.broadcast_to(dim_value(dim=size, dtype=_I64), shape=wanted.shape)
    found = zeros_like(end)
    for bit in reversed(range(dims.bounds(size)[1].bit_length())):
        probe = add(found, constant_like(2**bit, found))
        last = add(probe, constant_like(-1, probe))
        element = gather(line, last, axes=(batch,), batch=batch)
        is_below = logical_not(_is_less(wanted, element)) if is_after else _is_less(element, wanted)
        found = where(logical_and(less_equal(probe, end), is_below), probe, found)
    return found


@surface("bucketize")
def bucketize(x: Operand, boundaries: Node, right: bool = False, out_int32: bool = False) -> Node:
    """The number of the interval between ascending boundaries that each element lies in, as `i64`.

    Interval i has its upper boundary, and with `right` its lower one, among its elements. With
    `out_int32` the numbers are `i32`.
    """
    if len(boundaries.shape) != 1:
        raise ShapeError(f"bucketize: the boundaries are {boundaries.type}, expected a vector")
    places: Node = searchsorted(boundaries, x, right=right)
    return cast_to(places, dtypes.i32) if out_int32 else places


@surface("digitize")
def digitize(x: Operand, bins: Node, right: bool = False) -> Node:
    """The number of the interval between bounds that each element lies in, as NumPy counts them.

    Bounds ascend or descend, as the first and the last of them say. An interval has the lower of
    its bounds among its elements, and with `right` the upper one.
    """
    if len(bins.shape) != 1:
        raise ShapeError(f"digitize: the bins are {bins.type}, expected a vector")
    count = dim_value(dim=bins.shape[0], dtype=_I64)
    first, last = (
        gather(bins, place, axes=(0,), batch=0)
        for place in (zeros_like(count), subtract(count, constant_like(1, count)))
    )
    is_down = _is_less(last, first)
    ascending = where(*broadcast(is_down, views.flip(bins, axes=(0,)), bins))
    found = bucketize(x, ascending, not right)
    return where(*broadcast(is_down, subtract(*broadcast(count, found)), found))


def _is_less(a: Node, b: Node) -> Node:
    """Whether a < b, where NaN is greater than every number."""
    if not a.dtype.precision:
        return less(a, b)
    is_nan = functions["isnan"]
    return logical_or(less(a, b), logical_and(is_nan(b), logical_not(is_nan(a))))


def _refused(name: str, instead: str) -> NoReturn:
    raise UsageError(
        f"{name}: the shape of the result depends on data, and shapes are known before a run",
        code="data-dependent-shape",
        hint=instead,
    )


@surface("nonzero")
def nonzero(x: Node, size: DimLike | None = None, fill_value: int = -1) -> tuple[Node, ...]:
    """Where `x` is not zero: for each axis, a vector of the `i64` indices in row-major order.

    Args:
        x: the tensor.
        size: how many indices there are in the result: the shape cannot depend on data. Places
            beyond these are left out. Of a constant it is how many there are, by default.
        fill_value: what stands where there are fewer.

    Raises:
        UsageError: there is no size, and `x` is no constant.
    """
    if not x.shape:
        raise ShapeError("nonzero: a single number has no axes")
    if size is None:
        known = known_values(x)
        if known is None:
            _refused(
                "nonzero", "give a bound, nonzero(x, size=n), or choose with where(mask, x, other)"
            )
        return tuple(functions["asarray"](places, _I64) for places in np.nonzero(known))
    count = dims.product(x.shape)
    flags = views.reshape(cast_to(cast_to(x, dtypes.bool_), _I64), shape=(count,))
    # The k-th is the first place at which k have been met.
    met = functions["cumsum"](flags, 0)
    wanted = add(iota(shape=(size,), axis=0, dtype=_I64), _filled(1, size))
    flat = searchsorted(met, wanted)
    found: list[Node] = []
    end = views.broadcast_to(dim_value(dim=count, dtype=_I64), shape=(size,))
    for extent in reversed(x.shape):
        divisor = views.broadcast_to(dim_value(dim=extent, dtype=_I64), shape=(size,))
        place = where(less(flat, end), remainder(flat, divisor), _filled(fill_value, size))
        found.append(place)
        flat, end = floor_divide(flat, divisor), floor_divide(end, divisor)
    return tuple(reversed(found))


def _filled(value: int, size: DimLike) -> Node:
    return views.broadcast_to(number(value, _I64), shape=(size,))


@surface("flatnonzero")
def flatnonzero(x: Node, size: DimLike | None = None, fill_value: int = -1) -> Node:
    """Where `x` is not zero, counted in row-major order; see `nonzero`."""
    known = known_values(x)
    flat = functions["flatten"](x) if known is None else functions["asarray"](known.ravel())
    return nonzero(flat, size, fill_value)[0]


@surface("argwhere")
def argwhere(x: Node, size: DimLike | None = None, fill_value: int = -1) -> Node:
    """Where `x` is not zero: a row of indices for each place, [size, axes]; see `nonzero`."""
    columns = nonzero(x, size, fill_value)
    return functions["stack"](columns, axis=1)  # type: ignore[no-any-return]


@surface("masked_select")
def masked_select(x: Node, mask: Node) -> Node:
    """The elements of `x` for which a constant mask holds, in row-major order; both broadcast.

    Raises:
        UsageError: how many elements a mask chooses that is no constant is not known before a run.
    """
    known = known_values(mask)
    if known is None or mask.dtype is not dtypes.bool_:
        _refused("masked_select", "choose with where(mask, x, other), of the shape of x")
    x, _ = functions["broadcast_arrays"](x, mask)
    sizes = [size for size in x.shape if isinstance(size, int)]
    if len(sizes) < len(x.shape):
        raise ShapeError(
            f"masked_select: a mask chooses from {x.type}, whose sizes are not known",
            hint="give the axes of x fixed sizes",
        )
    chosen = functions["asarray"](np.broadcast_to(known, sizes).ravel())
    return functions["extract"](chosen, x)  # type: ignore[no-any-return]


@surface("unique_all", "unique_counts", "unique_inverse", "unique_values")
def unique_all(x: Node) -> Node:
    """Refused: how many different elements there are is not known before a run."""
    _refused("unique", "give a bound, unique(x, size=n)")


@surface("isin")
def isin(x: Operand, values: Operand, *, invert: bool = False) -> Node:
    """Whether each element of `x` is one of `values`, or none of them (`invert`); NaN is none.

    Each is compared with each: for few values.
    """
    elements, few = promoted(x, values)
    flat = functions["reshape"](few, -1)
    found: Node = functions["any"](
        functions["equal"](functions["expand_dims"](elements, -1), flat), axis=-1
    )
    return functions["logical_not"](found) if invert else found
