"""`x[items]` with numbers, dims, slices, `...`, None, tensors of integers and constant masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import EllipsisType
from typing import Any

import numpy as np

from graphc.errors import OutOfRangeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.creation.constants import known_values
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.indexing.index_ranges import require_inside
from graphc.ir.ops.indexing.take import as_indices
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views import slicing
from graphc.ir.record import Record

__all__ = ["Item", "Lookup", "Selection", "as_mask", "index", "split"]

Item = DimLike | slice | EllipsisType | Node | list[Any] | None


@surface("index")
def index(x: Node, items: Item | tuple[Item, ...]) -> Node:
    """`x[items]` as NumPy reads it, for numbers, dims, slices, `...`, None and tensors of integers.

    A number or dim counts from the end where it is negative for certain. Slices are cut to the
    axis; their bounds may be dims. Tensors broadcast; an element of theirs that is negative
    counts from the end, and one out of range gives 0. A mask of booleans that is a constant, an
    array or a list, stands for the places at which it holds.

    Raises:
        ShapeError: a number out of range, or more items than axes.
        UsageError: a mask of booleans that is data: how many elements it chooses is not known.
    """
    selection, lookup = split(x, items)
    part = selection.read(x)
    return part if lookup is None else lookup.read(part)


class Selection(Record):
    """What numbers, slices and None choose: a view.

    Attributes:
        start, stop, step: for each axis.
        reverse: axes that run backwards.
        shape: of the result, without the axes of numbers and with those of None.
    """

    start: tuple[DimLike, ...]
    stop: tuple[DimLike, ...]
    step: tuple[int, ...]
    reverse: tuple[int, ...]
    shape: tuple[DimLike, ...]

    def read(self, x: Node) -> Node:
        """The elements of `x` that are chosen."""
        is_whole = (
            self.stop == x.shape
            and all(a == 0 for a in self.start)
            and all(by == 1 for by in self.step)
        )
        part = x
        if not is_whole:
            part = slicing.slice_(x, start=self.start, stop=self.stop, step=self.step)
        if self.reverse:
            part = views.flip(part, axes=self.reverse)
        return part if part.shape == self.shape else views.reshape(part, shape=self.shape)


class Lookup(Record):
    """What tensors of integers choose from what is selected.

    Attributes:
        indices: tensors of one shape.
        axes: of the selection; increasing.
        place: where the axes of the indices stand in the result.
    """

    indices: tuple[Node, ...]
    axes: tuple[int, ...]
    place: int

    def order(self, rank: int) -> tuple[int, ...]:
        """How the axes of what `gather` reads, of so many, are put in the order of the result."""
        first = len(self.indices[0].shape)
        rest = range(first, rank)
        return (*rest[: self.place], *range(first), *rest[self.place :])

    def read(self, x: Node) -> Node:
        """The elements of `x` that are chosen."""
        found = gather(x, *self.indices, axes=self.axes, batch=0)
        order = self.order(len(found.shape))
        in_order = order == tuple(range(len(order)))
        return found if in_order else views.permute_dims(found, axes=order)

    def as_read(self, updates: Node) -> Node:
        """Updates in the shape of the result, with the axes as `gather` reads them."""
        order = self.order(len(updates.shape))
        return views.permute_dims(updates, axes=tuple(np.argsort(order).tolist()))


def split(x: Node, items: Item | tuple[Item, ...]) -> tuple[Selection, Lookup | None]:
    """An index as a view of `x`, and what is looked up in the view."""
    given = items if isinstance(items, tuple) else (items,)
    spelled = _without_ellipsis(x, given)
    bounds: list[tuple[DimLike, DimLike, int]] = []
    reverse: list[int] = []
    result: list[DimLike] = []
    tensors: dict[int, Node] = {}
    looked_up: list[int] = []
    place = 0
    has_tensors = any(isinstance(item, Node) for item in spelled)
    for number, item in enumerate(spelled):
        if item is None:
            result.append(1)
            continue
        axis = len(bounds)
        size = x.shape[axis]
        # Where there are tensors, NumPy counts a number among them.
        if has_tensors and not isinstance(item, slice):
            place = place if looked_up else len(result)
            looked_up.append(number)
        if isinstance(item, Node):
            require_inside("index", x, axis, item)
            tensors[len(result)] = item
            item = slice(None)
        if isinstance(item, slice):
            first, last, by, is_reversed = _slice_bounds(item, size, x, axis)
            result.append(dims.ceil_div(last - first, by))
            if is_reversed:
                reverse.append(axis)
        else:
            first, by = _position(item, size, x, axis), 1
            last = first + 1
        bounds.append((first, last, by))
    start, stop, step = zip(*bounds, strict=True) if bounds else ((), (), ())
    selection = Selection(start, stop, step, tuple(reverse), tuple(result))
    if not tensors:
        return selection, None
    are_neighbours = looked_up[-1] - looked_up[0] == len(looked_up) - 1
    indices = broadcast(*tensors.values())
    return selection, Lookup(indices, tuple(tensors), place if are_neighbours else 0)


def _without_ellipsis(x: Node, items: Iterable[Item]) -> list[Any]:
    spelled = [_read(item) for item in items]
    for item in spelled:
        is_item = isinstance(item, int | Dim | slice | EllipsisType | Node | np.ndarray | None)
        if isinstance(item, bool) or not is_item:
            raise UsageError(
                f"{item!r} ({type(item).__name__}) is no index",
                code="index",
                hint="index with numbers, slices, tensors of integers, ... and None",
            )
    dots = [place for place, item in enumerate(spelled) if item is ...]
    used = sum(_axis_count(item) for item in spelled)
    missing = len(x.shape) - used
    if len(dots) > 1 or missing < 0:
        raise ShapeError(
            f"{used} indices for {x.type}" if missing < 0 else "an index has one ... at most",
            code="index",
            hint=f"it has {len(x.shape)} axes" if missing < 0 else None,
        )
    at = dots[0] if dots else len(spelled)
    whole: list[Item] = [slice(None)] * missing
    return list(_without_masks(x, [*spelled[:at], *whole, *spelled[at + len(dots) :]]))


def as_mask(item: object) -> Node | None:
    """The mask that an item is, a tensor or nested list of booleans; None for another item."""
    if isinstance(item, list) and _are_booleans(item):
        item = functions["asarray"](item)
    is_mask = isinstance(item, Node) and item.dtype is dtypes.bool_
    return item if is_mask else None  # type: ignore[return-value]


def _are_booleans(values: object) -> bool:
    if isinstance(values, list):
        return bool(values) and all(map(_are_booleans, values))
    return isinstance(values, bool)


def _read(item: object) -> object:
    """A list as a tensor, and a mask as an array."""
    mask = as_mask(item)
    if mask is None:
        return as_indices("index", item) if isinstance(item, list) else item
    values = known_values(mask)
    if values is None:
        raise UsageError(
            f"the shape of a tensor at a mask ({mask.type}) depends on data",
            code="data-dependent-shape",
            hint="choose with where(mask, x, other), or replace with x.at[mask].set(value)",
        )
    if not values.shape:
        raise UsageError("one bool is no index", code="index", hint="a mask has an axis or more")
    return values


def _axis_count(item: object) -> int:
    """How many axes of the tensor an item is for."""
    return item.ndim if isinstance(item, np.ndarray) else item is not None and item is not ...


def _without_masks(x: Node, items: Iterable[Any]) -> Iterator[Any]:
    """Each mask as the indices, along each of its axes, of the places at which it holds."""
    axis = 0
    for item in items:
        if not isinstance(item, np.ndarray):
            yield item
        elif item.shape != x.shape[axis : axis + item.ndim]:
            raise ShapeError(
                f"a mask {list(item.shape)} from axis {axis} of {x.type}",
                code="index",
                hint="the axes of a mask are as long as those of the tensor that it stands for",
            )
        else:
            yield from (as_indices("index", places.tolist()) for places in np.nonzero(item))
        axis += _axis_count(item)


def _from_end(value: DimLike, size: DimLike) -> DimLike:
    return value + size if dims.always_less_equal(value, -1) else value


def _position(item: Any, size: DimLike, x: Node, axis: int) -> DimLike:
    place = _from_end(item, size)
    if not dims.always_less_equal(0, place) or not dims.always_less_equal(place + 1, size):
        is_outside = isinstance(place, int) and isinstance(size, int)
        error = OutOfRangeError(
            f"index {item} is {'outside' if is_outside else 'not proved to be inside'} "
            f"axis {axis} of {x.type}",
            code="index",
            hint=f"axis {axis} has {size} elements, counted from 0",
        )
        error.axis = axis
        raise error
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
    if isinstance(value, Node):
        raise UsageError(
            f"a bound of a slice is tensor {value.type}, expected what is known while the program "
            "is built",
            code="slice",
            hint="dynamic_slice(x, (0, n), (4, 2)) is a part of known size that begins where "
            "tensors say; x[n] reads one place",
        )
    if isinstance(value, bool) or not isinstance(value, int | Dim):
        raise UsageError(
            f"{value!r} ({type(value).__name__}) is no bound of a slice",
            code="slice",
            hint="bounds are whole numbers, dims, or left out",
        )
    return _from_end(value, size)
