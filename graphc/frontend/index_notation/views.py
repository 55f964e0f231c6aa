"""The view of a tensor along one axis that a position means: windows, strides, repetitions."""

from __future__ import annotations

from graphc.frontend.index_notation.positions import Position, Sizes
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.ops.shape import broadcast_to, flip, reshape
from graphc.ir.ops.slicing import slice_
from graphc.ir.ops.window import window

__all__ = ["viewed"]


def viewed(x: Node, axis: int, position: Position, sizes: Sizes) -> tuple[Node, list[str]]:
    """`x` with `axis` read at a position, and the indices that stand in its place, in order.

    The indices stay in range, and there is one of them at least.
    """
    if position.divisor != 1:
        x = _repeated(x, axis, position.divisor)
    elif position.modulus:
        position = position.shifted(position.modulus, sizes)
        times = dims.ceil_div(position.bounds(sizes)[1] + 1, position.modulus)
        x = _periodic(x, axis, position.modulus, times)
    downwards = [name for name, factor in position.factors.items() if factor < 0]
    low, high = position.bounds(sizes)
    steps = {name: abs(factor) for name, factor in position.factors.items()}
    first, *others = steps
    by = 1 if others else steps[first]
    x = _sliced(x, axis, low, high + 1, by)
    for name in others:
        stride = steps[first] if name == others[-1] else 1
        x = window(x, axis=axis, size=sizes[name], stride=stride, dilation=steps[name])
    names = [first, *reversed(others)]
    if downwards:
        # An index with a negative factor counts from the other end.
        x = flip(x, axes=tuple(axis + i for i, name in enumerate(names) if name in downwards))
    return x, names


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


def _repeated(x: Node, axis: int, by: int) -> Node:
    """Every element `by` times: element i is that at i // by."""
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    column = reshape(x, shape=(*before, size, 1, *after))
    spread = broadcast_to(column, shape=(*before, size, by, *after))
    return reshape(spread, shape=(*before, size * by, *after))


def _periodic(x: Node, axis: int, period: int, times: DimLike) -> Node:
    """The first elements again and again: element i is that at i % period."""
    x = _sliced(x, axis, 0, period, 1)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    row = reshape(x, shape=(*before, 1, period, *after))
    spread = broadcast_to(row, shape=(*before, times, period, *after))
    return reshape(spread, shape=(*before, times * period, *after))
