"""Tensors put together from parts: rows inserted and left away, blocks, filled diagonals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, normal_axis, promoted
from graphc.ir.ops.creation.constants import dim_value, iota

__all__: list[str] = []

F = functions

Places = int | slice | Sequence[int] | Sequence[bool]


def _rows(name: str, x: Node, axis: int | None) -> tuple[Node, int, DimLike]:
    """`x`, flattened without an axis; the axis, and how many elements it has."""
    if axis is None:
        x, axis = F["flatten"](x), 0
    place = normal_axis(axis, len(x.shape), name)
    return x, place, x.shape[place]


def _taken(x: Node, order: np.ndarray[Any, Any], axis: int) -> Node:
    places = F["asarray"](order.tolist(), dtypes.i64)
    return F["take"](x, places, axis=axis)  # type: ignore[no-any-return]


def _ascending(name: str, places: Places, size: DimLike, last: DimLike) -> list[DimLike]:
    """Places up to the last one, of an axis whose size is a dim, as they lie for every size."""
    given = _places(name, [places] if isinstance(places, int) else places, size)
    hint = "put parts together, concat((x[:i], x[i + 1:])), or let the range of the dim begin later"
    if isinstance(given, slice):
        raise ShapeError(f"{name}: the places {places!r} of {size} elements", hint=hint)
    counted = sorted(given, key=lambda one: (one < 0, one))
    found: list[DimLike] = [one + size if one < 0 else one for one in counted]
    for low, high in itertools.pairwise((0, *found, last) if found else ()):
        if not dims.always_less_equal(low, high):
            raise ShapeError(f"{name}: places {places!r} in {size} elements", hint=hint)
    return found


def _places(name: str, places: Places, size: DimLike) -> Any:
    """What NumPy takes for places along an axis; those where a mask holds."""
    if isinstance(places, slice):
        return places
    given = places if isinstance(places, list | tuple) else [places]
    if given is places and given and all(isinstance(one, bool) for one in given):
        if len(given) != size:
            raise ShapeError(f"{name}: a mask of {len(given)} places for {size} elements")
        return np.flatnonzero(given).tolist()
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int):
            raise UsageError(
                f"{name}: places {places!r}", hint="give whole numbers, a slice, or a mask"
            )
    return list(given) if isinstance(places, list | tuple) else places


@surface("insert")
def insert(
    x: Node, obj: Places, values: Operand | Sequence[object], axis: int | None = None
) -> Node:
    """`x` with values before places along an axis; flattened without one.

    Args:
        x: the tensor.
        obj: places in `x`: a number, a slice, several numbers, or a mask that is a list.
        values: what stands there; a number, a list, or what broadcasts to the rows that are new.
            For one place as many rows as `values` has.
        axis: of the places.

    Raises:
        ShapeError: a place is none of the axis.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.insert(np.array([1, 2, 3]), [1, 3], 0)
    array([1, 0, 2, 3, 0])
    """
    x, place, size = _rows("insert", x, axis)
    x, more = promoted(x, values if isinstance(values, Operand) else F["asarray"](values, x.dtype))
    where = _places("insert", obj, size)
    if len(more.shape) < len(x.shape):
        more = F["reshape"](more, (*(1,) * (len(x.shape) - len(more.shape)), *more.shape))
    if isinstance(where, int):
        more = F["moveaxis"](more, 0, place)
    if not isinstance(size, int):
        return _between_rows(x, obj, more, place)
    rows = [where] if isinstance(where, int) else _numbers(where, size)
    count = more.shape[place] if len(rows) == 1 else len(rows)
    if not isinstance(count, int):
        raise ShapeError(
            f"insert: {more.type} has {count} rows, expected a fixed number",
            hint="put parts together: concat((x[:i], rows, x[i:]))",
        )
    shape = tuple(count if i == place else n for i, n in enumerate(x.shape))
    try:
        order = np.insert(np.arange(size), where, np.arange(size, size + count))
    except IndexError:
        raise ShapeError(f"insert: places {obj!r} in {size} elements", code="axis") from None
    return _taken(F["concat"]((x, F["broadcast_to"](more, shape)), place), order, place)


def _between_rows(x: Node, obj: Places, more: Node, axis: int) -> Node:
    """`x`, of an axis whose size is a dim, with a part of the new rows before each place."""
    size = x.shape[axis]
    places = _ascending("insert", obj, size, size)
    given = [obj] if isinstance(obj, int) else list(cast("Sequence[int]", obj))
    order = sorted(range(len(given)), key=lambda i: (given[i] < 0, given[i]))
    count = more.shape[axis] if len(given) == 1 else len(given)
    shape = tuple(count if i == axis else n for i, n in enumerate(x.shape))
    rows = F["broadcast_to"](more, shape)
    start: DimLike = 0
    parts: list[Node] = []
    for place, row in zip(places, order, strict=True):
        new = rows if len(given) == 1 else F["narrow"](rows, axis, row, 1)
        parts += [F["narrow"](x, axis, start, place - start), new]
        start = place
    return F["concat"]([*parts, F["narrow"](x, axis, start, size - start)], axis)  # type: ignore[no-any-return]


def _numbers(where: Any, size: int) -> Any:
    return range(*where.indices(size)) if isinstance(where, slice) else where


@surface("delete")
def delete(x: Node, obj: Places, axis: int | None = None) -> Node:
    """`x` without the elements at places along an axis; flattened without one.

    obj: a number, a slice, several numbers, or a mask that is a list.

    Raises:
        ShapeError: a place is none of the axis.
    """
    x, place, size = _rows("delete", x, axis)
    if not isinstance(size, int):
        start: DimLike = 0
        parts: list[Node] = []
        for one in dict.fromkeys(_ascending("delete", obj, size, size - 1)):
            parts.append(F["narrow"](x, place, start, one - start))
            start = one + 1
        parts.append(F["narrow"](x, place, start, size - start))
        return F["concat"](parts, place)  # type: ignore[no-any-return]
    try:
        order = np.delete(np.arange(size), _places("delete", obj, size))
    except IndexError:
        raise ShapeError(f"delete: places {obj!r} in {size} elements", code="axis") from None
    return _taken(x, order, place)


@surface("resize")
def resize(x: Node, shape: int | Sequence[int]) -> Node:
    """The elements of `x` in row-major order, again and again, until they fill a shape.

    An empty `x` gives zeros.
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in sizes):
        raise UsageError(f"resize: the shape is {shape!r}", hint="give sizes of 0 or more")
    count, wanted = dims.product(x.shape), dims.product(sizes)
    if not isinstance(count, int):
        if not dims.always_less_equal(1, count):
            raise ShapeError(
                f"resize: {x.type} may be empty", hint="let the range of the dim begin at 1"
            )
        places = F["remainder"](F["arange"](wanted), dim_value(dim=count, dtype=dtypes.i64))
        return F["reshape"](F["take"](F["flatten"](x), places), sizes)  # type: ignore[no-any-return]
    if not count:
        return F["zeros"](sizes, x.dtype)  # type: ignore[no-any-return]
    rows = F["tile"](F["flatten"](x), -(-wanted // count))
    return F["reshape"](F["narrow"](rows, 0, 0, wanted), sizes)  # type: ignore[no-any-return]


@surface("block")
def block(arrays: Sequence[Any] | Node) -> Node:
    """Tensors in nested lists, put together: those of the innermost lists along the last axis.

    Those of the lists around them along the one before it, and so on.
    """
    depth = _depth(arrays)
    found = _leaves(arrays)
    if not found:
        raise UsageError("block: no tensors", hint="give tensors in nested lists")
    rank = max(depth, *(len(one.shape) for one in found))
    return _joined(arrays, depth, rank)


def _depth(value: Any) -> int:
    if not isinstance(value, list | tuple):
        return 0
    depths = {_depth(one) for one in value}
    if len(depths) > 1:
        raise UsageError("block: lists of several depths", hint="put each tensor in as many lists")
    return 1 + max(depths, default=0)


def _leaves(value: Any) -> list[Node]:
    if isinstance(value, list | tuple):
        return [one for item in value for one in _leaves(item)]
    if not isinstance(value, Node):
        raise UsageError(f"block: {value!r} is no tensor")
    return [value]


def _joined(value: Any, depth: int, rank: int) -> Node:
    if isinstance(value, list | tuple):
        parts = [_joined(one, depth - 1, rank) for one in value]
        return F["concat"](promoted(*parts), -depth)  # type: ignore[no-any-return]
    return F["reshape"](value, (*(1,) * (rank - len(value.shape)), *value.shape))  # type: ignore[no-any-return]


@surface("fill_diagonal")
def fill_diagonal(x: Node, value: Operand, wrap: bool = False) -> Node:
    """`x` with a number where the indices along all of its axes, two or more, are equal.

    Args:
        x: a matrix, or a tensor of more axes of one size.
        value: one number, or those along the diagonal, which begin again after the last.
        wrap: in a matrix with more rows than columns the diagonal begins anew, after an empty row.
    """
    if len(x.shape) < 2:
        raise ShapeError(f"fill_diagonal: {x.type} has no diagonal", code="rank")
    if len(x.shape) > 2 and not all(dims.always_equal(n, x.shape[0]) for n in x.shape):
        raise ShapeError(f"fill_diagonal: the sizes of {x.type} differ")
    first, *others = (iota(shape=x.shape, axis=i, dtype=dtypes.i64) for i, _ in enumerate(x.shape))
    place = first
    if wrap and len(x.shape) == 2:
        period = F["full"]((), x.shape[1] + 1, dtypes.i64)
        place = F["subtract"](first, F["floor_divide"](first, period))
        first = F["remainder"](first, period)
    if isinstance(value, Node) and value.shape:
        numbers = F["ravel"](value)
        count = F["full"]((), numbers.shape[0], dtypes.i64)
        value = F["take"](numbers, F["remainder"](place, count))
    on = F["equal"](first, others[0])
    for one in others[1:]:
        on = F["logical_and"](on, F["equal"](first, one))
    return F["where"](on, value, x)  # type: ignore[no-any-return]
