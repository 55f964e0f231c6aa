"""Statistics of the elements that are not NaN, beside the sums and extremes in `summaries.py`."""

from __future__ import annotations

from graphc.errors import ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops import shape as views
from graphc.ir.ops.arithmetic import add, divide, maximum, multiply, scaled, subtract
from graphc.ir.ops.broadcasting import normal_axes
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, zeros_like
from graphc.ir.ops.elementwise import require_float
from graphc.ir.ops.logic import equal, isnan, logical_not, where
from graphc.ir.ops.rearrange import expand_dims, flatten
from graphc.ir.ops.reduction import Axis, highest, kept, lowest, restored, sum_over
from graphc.ir.ops.sort import Interpolation, along, reduced, sort
from graphc.ir.ops.spelling import also_named
from graphc.ir.ops.take import take_along_axis
from graphc.ir.ops.transcendental import sqrt

__all__: list[str] = []

F = functions


@surface("nanvar")
@also_named(dim="axis", keepdim="keepdims", ddof="correction")
def nanvar(x: Node, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Node:
    """The variance of the elements that are not NaN, over axes (all by default)."""
    require_float("nanvar", x.dtype)
    axes = normal_axes(axis, len(x.shape), "nanvar")
    wide = cast_to(x, x.dtype.accumulator)
    is_there = logical_not(isnan(wide))
    count = sum_over(cast_to(is_there, wide.dtype), axes=axes)
    numbers = where(is_there, wide, zeros_like(wide))
    average = divide(sum_over(numbers, axes=axes), count)
    distance = where(
        is_there, subtract(numbers, restored(average, x.shape, axes)), zeros_like(wide)
    )
    total = sum_over(multiply(distance, distance), axes=axes)
    degrees = maximum(subtract(count, constant_like(correction + 0, count)), zeros_like(count))
    result = cast_to(divide(total, degrees), x.dtype)
    return kept(result, x.shape, axes) if keepdims else result


@surface("nanstd")
@also_named(dim="axis", keepdim="keepdims", ddof="correction")
def nanstd(x: Node, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Node:
    """The square root of `nanvar`."""
    return sqrt(nanvar(x, axis, correction, keepdims))


@surface("nanquantile")
@also_named(dim="axis", keepdim="keepdims", interpolation="method")
def nanquantile(
    x: Node,
    q: float,
    axis: int | None = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """`quantile` of the elements that are not NaN; NaN where all are."""
    if not 0 <= q <= 1:
        raise UsageError(f"nanquantile: q is {q}, expected 0 to 1")
    if method not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise UsageError(
            f"nanquantile: method is {method!r}",
            hint='use "linear", "lower", "higher", "nearest" or "midpoint"',
        )
    require_float("nanquantile", x.dtype)
    rows, place = along(x, axis, "nanquantile")
    if rows.shape[-1] == 0:
        raise ShapeError(f"nanquantile: axis {place} of {x.type} is empty", code="empty-axis")
    # The NaNs of a sorted row are its last elements.
    ordered = sort(cast_to(rows, x.dtype.accumulator))
    count = F["sum"](cast_to(logical_not(isnan(ordered)), dtypes.f64), axis=-1)
    last = maximum(subtract(count, constant_like(1, count)), zeros_like(count))
    at = scaled(last, q)
    low, high = F["floor"](at), F["ceil"](at)
    below, above = (_element(ordered, one) for one in (low, high))
    if method == "nearest":
        low = high = F["round"](at)
        result = _element(ordered, low)
    elif method in ("lower", "higher"):
        result = below if method == "lower" else above
    else:
        share = subtract(at, low) if method == "linear" else scaled(subtract(high, low), 0.5)
        between = multiply(subtract(above, below), cast_to(share, below.dtype))
        result = where(equal(low, high), below, add(below, between))
    result = cast_to(result, x.dtype)
    return reduced(result, x, axis, keepdims)


@surface("nanpercentile")
@also_named(dim="axis", keepdim="keepdims", interpolation="method")
def nanpercentile(
    x: Node,
    q: float,
    axis: int | None = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """`nanquantile` of a share in percent."""
    return nanquantile(x, q / 100, axis, keepdims, method)


def _element(rows: Node, place: Node) -> Node:
    """The element of each row at a whole number."""
    found = take_along_axis(rows, expand_dims(cast_to(place, dtypes.i64), -1), -1)
    return views.reshape(found, shape=place.shape)


@surface("nanmedian")
@also_named(dim="axis", keepdim="keepdims")
def nanmedian(x: Node, axis: int | None = None, keepdims: bool = False) -> Node:
    """`median` of the elements that are not NaN."""
    return nanquantile(x, 0.5, axis, keepdims, "midpoint")


def _declare_position(name: str, extreme: str) -> None:
    @also_named(dim="axis", keepdim="keepdims")
    def call(x: Node, axis: int | None = None, keepdims: bool = False) -> Node:
        bound = lowest(x.dtype) if extreme == "argmax" else highest(x.dtype)
        numbers = where(isnan(x), constant_like(bound, x), x) if x.dtype.kind == "float" else x
        found: Node = F[extreme](numbers, axis=axis, keepdims=keepdims)
        return found

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{extreme}` of the elements that are not NaN."
    surface(name)(call)


_declare_position("nanargmax", "argmax")
_declare_position("nanargmin", "argmin")


def _declare_scan(name: str, scan: str, start: float, what: str) -> None:
    @also_named(dim="axis")
    def call(x: Node, axis: int | None = None) -> Node:
        is_float = x.dtype.kind == "float"
        numbers = where(isnan(x), constant_like(start, x), x) if is_float else x
        found: Node = F[scan](
            flatten(numbers) if axis is None else numbers, 0 if axis is None else axis
        )
        return found

    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"The {what} of the elements so far that are not NaN, along an axis (of `x` flattened by "
        "default)."
    )
    surface(name)(call)


_declare_scan("nancumsum", "cumsum", 0, "sum")
_declare_scan("nancumprod", "cumprod", 1, "product")
