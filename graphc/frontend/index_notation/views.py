"""The view of a tensor along one axis that a position means: windows, strides, repetitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphc.frontend.index_notation.positions import Position, Sizes, fits
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.ops.views.padding import pad as padded
from graphc.ir.ops.views.shape import broadcast_to, flip, reshape
from graphc.ir.ops.views.slicing import slice_
from graphc.ir.ops.views.window import window

__all__ = ["viewed"]


def viewed(x: Node, axis: int, position: Position, sizes: Sizes) -> tuple[Node, list[str]]:
    """`x` with `axis` read at a position, and the indices that stand in its place, in order.

    What the position reads outside of the axis is nobody's: it is the element that is nearest.
    Where several indices stand at the position they all have values.
    """
    if position.divisor != 1:
        x = _repeated(x, axis, position.divisor)
    if position.modulus != 0:
        position, times = position.wrapped(sizes)
        x = _periodic(x, axis, position.modulus, times)
    elif not fits(*position.bounds(sizes), x.shape[axis]):
        x, position = _extended(x, axis, position, sizes)
    downwards = [name for name, factor in position.factors.items() if factor < 0]
    low, high = position.bounds(sizes)
    steps = {name: abs(factor) for name, factor in position.factors.items()}
    if len(steps) == 1:
        ((name, by),) = steps.items()
        x = _strided(x, axis, low, sizes[name], by)
        names = [name]
    else:
        x, names = _split(_sliced(x, axis, low, high + 1, 1), axis, steps, sizes)
    if downwards:
        # An index with a negative factor counts from the other end.
        x = flip(x, axes=tuple(axis + i for i, name in enumerate(names) if name in downwards))
    return x, names


def _split(x: Node, axis: int, steps: Mapping[str, int], sizes: Sizes) -> tuple[Node, list[str]]:
    """`x` with `axis` as several indices, which lie `steps` apart, and these in order."""
    digits = sorted(steps, key=steps.__getitem__, reverse=True)
    if all(
        dims.always_equal(steps[name], dims.product(sizes[one] for one in digits[place:]))
        for place, name in enumerate(digits, 1)
    ):
        # Nothing overlaps: each index counts where the next ones have come to their ends.
        split = (sizes[name] for name in digits)
        return reshape(x, shape=(*x.shape[:axis], *split, *x.shape[axis + 1 :])), digits
    first, *others = steps
    for name in others:
        stride = steps[first] if name == others[-1] else 1
        x = window(x, axis=axis, size=sizes[name], stride=stride, dilation=steps[name])
    return x, [first, *reversed(others)]


def _extended(x: Node, axis: int, position: Position, sizes: Sizes) -> tuple[Node, Position]:
    """The tensor with its first and last elements repeated as far as the position reads.

    Zeros could make numbers that are not finite, whose derivatives are not 0 where they are
    not chosen.
    """
    low, high = position.bounds(sizes)
    before, after = dims.maximum(0, -low), dims.maximum(0, high + 1 - x.shape[axis])
    widths = [(before, after) if i == axis else (0, 0) for i in range(len(x.shape))]
    return padded(x, widths, mode="edge"), replace(position, offset=position.offset + before)


def _strided(x: Node, axis: int, start: DimLike, count: DimLike, by: int) -> Node:
    """Every `by`-th element."""
    if by == 1 or dims.always_less_equal(1, count):
        return _sliced(x, axis, start, start + by * (count - 1) + 1, by)
    # One that may be empty ends at a multiple of its step, if need be behind the axis.
    widths = [(0, by - 1 if i == axis else 0) for i in range(len(x.shape))]
    return _sliced(padded(x, widths), axis, start, start + by * count, by)


def _sliced(x: Node, axis: int, start: DimLike, stop: DimLike, by: int) -> Node:
    if start == 0 and by == 1 and dims.always_equal(stop, x.shape[axis]):
        return x
    rank = len(x.shape)
    return slice_(
        x,
        start=tuple(start if i == axis else 0 for i in range(rank)),
        stop=tuple(stop if i == axis else size for i, size in enumerate(x.shape)),
        step=tuple(by if i == axis else 1 for i in range(rank)),
    )


def _repeated(x: Node, axis: int, by: DimLike) -> Node:
    """Every element `by` times: element i is that at i // by."""
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    column = reshape(x, shape=(*before, size, 1, *after))
    spread = broadcast_to(column, shape=(*before, size, by, *after))
    return reshape(spread, shape=(*before, size * by, *after))


def _periodic(x: Node, axis: int, period: DimLike, times: DimLike) -> Node:
    """The first elements again and again: element i is that at i % period."""
    x = _sliced(x, axis, 0, period, 1)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    row = reshape(x, shape=(*before, 1, period, *after))
    spread = broadcast_to(row, shape=(*before, times, period, *after))
    return reshape(spread, shape=(*before, times * period, *after))
