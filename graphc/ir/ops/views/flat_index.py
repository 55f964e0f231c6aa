"""Row-major index arithmetic on symbolic shapes: what reshape and flat counters are made from."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir import dims
from graphc.ir.dims import DimLike

__all__ = ["ravel", "regroup", "unravel"]


def ravel(index: Sequence[DimLike], shape: Sequence[DimLike]) -> DimLike:
    """The row-major position of `index` in `shape`.

    >>> ravel((1, 2), (3, 4))
    6
    """
    flat: DimLike = 0
    for i, size in zip(index, shape, strict=True):
        flat = dims.joined(flat, i, size)
    return flat


def unravel(flat: DimLike, shape: Sequence[DimLike]) -> tuple[DimLike, ...]:
    """The index in `shape` of a row-major position below the size of `shape`.

    >>> unravel(6, (3, 4))
    (1, 2)
    """
    index: list[DimLike] = []
    for position, size in enumerate(reversed(shape)):
        # A size of zero has no positions: what is computed for it is never used. The leading
        # axis needs no remainder, since the position is in range.
        divisor = dims.maximum(1, size)
        is_leading = position == len(shape) - 1
        index.append(flat if is_leading else flat % divisor)
        flat = flat if is_leading else flat // divisor
    return tuple(reversed(index))


def regroup(
    index: Sequence[DimLike], shape: Sequence[DimLike], target: Sequence[DimLike]
) -> tuple[DimLike, ...]:
    """The index in `target` of the element at `index` in `shape`: shapes of equal size.

    The shapes are cut where the products of their leading dims agree, and each stretch is
    converted on its own, so that an axis that stays keeps its index, merged axes need no
    division, and axes of size 1 cost nothing.

    >>> i, j, k = (dims.variable(name, 0, 3) for name in "ijk")
    >>> regroup((i, j, k), (4, 4, 4), (4, 16)), regroup((i, j), (4, 16), (4, 1, 16))
    ((i, j*4 + k), (i, 0, j))
    """
    result: list[DimLike] = [0] * len(target)
    rows = [axis for axis, size in enumerate(shape) if size != 1]
    columns = [axis for axis, size in enumerate(target) if size != 1]
    for row, column in _stretches([shape[a] for a in rows], [target[a] for a in columns]):
        axes = rows[row]
        flat = ravel([index[a] for a in axes], [shape[a] for a in axes])
        places = columns[column]
        for place, value in zip(places, unravel(flat, [target[a] for a in places]), strict=True):
            result[place] = value
    return tuple(result)


def _stretches(shape: Sequence[DimLike], target: Sequence[DimLike]) -> list[tuple[slice, slice]]:
    """Shortest runs of axes of both shapes, in order, that have equal sizes."""
    if 0 in shape or 0 in target:
        # Nothing is ever read; every product below would be zero and tell nothing.
        return []
    ends: dict[DimLike, int] = {}
    size: DimLike = 1
    for position, one in enumerate(target):
        size = size * one
        ends[size] = position + 1
    stretches = []
    begin, column, size = 0, 0, 1
    for position, one in enumerate(shape):
        size = size * one
        end = len(target) if position == len(shape) - 1 else ends.get(size, 0)
        if end > column:
            stretches.append((slice(begin, position + 1), slice(column, end)))
            begin, column = position + 1, end
    return stretches
