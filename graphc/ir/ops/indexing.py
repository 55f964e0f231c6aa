"""`x[items]` with numbers, dims, slices, `...` and None."""

from __future__ import annotations

from collections.abc import Iterable
from types import EllipsisType
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops import shape as views
from graphc.ir.ops import slicing

__all__ = ["Item", "index"]

Item = DimLike | slice | EllipsisType | None


@surface("index")
def index(x: Node, items: Item | tuple[Item, ...]) -> Node:
    """`x[items]` as NumPy reads it, for numbers, dims, slices, `...` and None.

    A number or dim counts from the end where it is negative for certain. Slices are cut to the
    axis; their bounds may be dims.

    Raises:
        ShapeError: a number out of range, or more items than axes.
    """
    given = items if isinstance(items, tuple) else (items,)
    spelled = _without_ellipsis(x, given)
    start: list[DimLike] = []
    stop: list[DimLike] = []
    step: list[int] = []
    reverse: list[int] = []
    result: list[DimLike] = []
    for item in spelled:
        if item is None:
            result.append(1)
            continue
        axis = len(start)
        size = x.shape[axis]
        if isinstance(item, slice):
            first, last, by, is_reversed = _slice_bounds(item, size, x, axis)
            result.append(dims.ceil_div(last - first, by))
            if is_reversed:
                reverse.append(axis)
        else:
            first, by = _position(item, size, x, axis), 1
            last = first + 1
        start.append(first)
        stop.append(last)
        step.append(by)
    part = _sliced(x, tuple(start), tuple(stop), tuple(step))
    if reverse:
        part = views.flip(part, axes=tuple(reverse))
    shape = tuple(result)
    return part if part.shape == shape else views.reshape(part, shape=shape)


def _sliced(
    x: Node, start: tuple[DimLike, ...], stop: tuple[DimLike, ...], step: tuple[int, ...]
) -> Node:
    is_whole = stop == x.shape and all(a == 0 for a in start) and all(by == 1 for by in step)
    return x if is_whole else slicing.slice_(x, start=start, stop=stop, step=step)


def _without_ellipsis(x: Node, items: Iterable[Item]) -> list[Item]:
    spelled = list(items)
    for item in spelled:
        if isinstance(item, bool) or not isinstance(item, int | Dim | slice | EllipsisType | None):
            raise UsageError(
                f"{item!r} ({type(item).__name__}) is no index",
                code="index",
                hint="index with numbers, slices, ... and None",
            )
    dots = [place for place, item in enumerate(spelled) if item is ...]
    used = sum(item is not None and item is not ... for item in spelled)
    missing = len(x.shape) - used
    if len(dots) > 1 or missing < 0:
        raise ShapeError(
            f"{used} indices for {x.type}" if missing < 0 else "an index has one ... at most",
            code="index",
        )
    at = dots[0] if dots else len(spelled)
    whole: list[Item] = [slice(None)] * missing
    return [*spelled[:at], *whole, *spelled[at + len(dots) :]]


def _from_end(value: DimLike, size: DimLike) -> DimLike:
    return value + size if dims.always_less_equal(value, -1) else value


def _position(item: Any, size: DimLike, x: Node, axis: int) -> DimLike:
    place = _from_end(item, size)
    if not dims.always_less_equal(0, place) or not dims.always_less_equal(place + 1, size):
        raise ShapeError(
            f"index {item} is not proved to be inside axis {axis} of {x.type}",
            code="index",
            hint=f"axis {axis} has {size} elements, counted from 0",
        )
    return place


def _slice_bounds(
    item: slice, size: DimLike, x: Node, axis: int
) -> tuple[DimLike, DimLike, int, bool]:
    """Start, stop and step of a forward slice, and whether it is to be reversed."""
    by = 1 if item.step is None else item.step
    if isinstance(by, bool) or not isinstance(by, int) or by == 0:
        raise ShapeError(f"a slice of axis {axis} of {x.type} has step {by!r}", code="slice")

    def cut(place: DimLike) -> DimLike:
        return dims.minimum(size, dims.maximum(0, place))

    if by > 0:
        first = cut(0 if item.start is None else _bound(item.start, size))
        last = cut(size if item.stop is None else _bound(item.stop, size))
        return first, dims.maximum(first, last), by, False
    # Backwards from `start` to above `stop`: the same elements forwards, from the last of them.
    high = cut(size if item.start is None else _bound(item.start, size) + 1)
    low = cut(0 if item.stop is None else _bound(item.stop, size) + 1)
    count = dims.ceil_div(dims.maximum(0, high - low), -by)
    return dims.minimum(high, high - 1 + (count - 1) * by), high, -by, True


def _bound(value: Any, size: DimLike) -> DimLike:
    if isinstance(value, bool) or not isinstance(value, int | Dim):
        raise UsageError(
            f"{value!r} ({type(value).__name__}) is no bound of a slice",
            code="slice",
            hint="bounds are whole numbers, dims, or left out",
        )
    return _from_end(value, size)
