"""Statistics of the elements that are not NaN, beside the sums and extremes in `summaries.py`."""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import divide, maximum, multiply, subtract
from graphc.ir.ops.broadcasting import normal_axes
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, zeros_like
from graphc.ir.ops.elementwise import require_float
from graphc.ir.ops.logic import isnan, logical_not, where
from graphc.ir.ops.norms import root
from graphc.ir.ops.rearrange import flatten
from graphc.ir.ops.reduction import Axis, highest, kept, lowest, restored, sum_over
from graphc.ir.ops.spelling import also_named
from graphc.ir.ops.summaries import without_nan

__all__: list[str] = []

F = functions


@surface("nanvar")
@also_named(ddof="correction")
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
@also_named(ddof="correction")
def nanstd(x: Node, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Node:
    """The square root of `nanvar`, with the derivatives of `std`."""
    return root(nanvar(x, axis, correction, keepdims), 2.0)


def _declare_position(name: str, extreme: str) -> None:
    def call(x: Node, axis: int | None = None, keepdims: bool = False) -> Node:
        bound = lowest(x.dtype) if extreme == "argmax" else highest(x.dtype)
        numbers = without_nan(x, bound)
        found: Node = F[extreme](numbers, axis=axis, keepdims=keepdims)
        return found

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{extreme}` of the elements that are not NaN."
    surface(name)(call)


_declare_position("nanargmax", "argmax")
_declare_position("nanargmin", "argmin")


def _declare_scan(name: str, scan: str, start: float, what: str) -> None:
    def call(x: Node, axis: int | None = None) -> Node:
        numbers = without_nan(x, start)
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
