"""Integrals, derivatives and interpolation, from samples; sums of products along a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, normal_axis, promoted
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.creation.constants import dim_value, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, scaled, subtract
from graphc.ir.ops.elementwise.logic import equal, where

__all__: list[str] = []

F = functions


def _strips(name: str, y: Node, x: Node | None, dx: float, axis: int) -> Node:
    """The areas of the strips between neighbouring samples."""
    length = y.shape[axis]
    if not dims.always_less_equal(1, length):
        raise ShapeError(f"{name}: axis {axis} of {y.type} may be empty")
    low: Node = F["narrow"](y, axis, 0, length - 1)
    high: Node = F["narrow"](y, axis, 1, length - 1)
    middle = scaled(add(low, high), 0.5)
    if x is None:
        return scaled(middle, dx)
    places = x
    if len(x.shape) == 1 and len(y.shape) > 1:
        places = F["reshape"](x, x.shape[0], *(1,) * (len(y.shape) - 1 - axis))
    widths: Node = F["diff"](F["broadcast_to"](places, y.shape), axis=axis)
    return multiply(*promoted(middle, widths))


@surface("trapezoid", "trapz")
@rounded_once
def trapezoid(y: Node, x: Node | None = None, dx: float = 1.0, axis: int = -1) -> Node:
    """The integral of samples `y` along an axis, by the trapezoidal rule.

    Args:
        y: samples.
        x: where they are taken, along the axis; by default `dx` apart.
        dx: their distance.
        axis: of the samples.
    """
    place = normal_axis(axis, len(y.shape), "trapezoid")
    area: Node = F["sum"](_strips("trapezoid", y, x, dx, place), axis=place)
    return area


@surface("gradient")
def gradient(
    x: Node,
    spacing: float | Node | Sequence[float | Node] | None = None,
    axis: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Node, ...]:
    """The derivatives of samples along axes (all by default), by differences of second order.

    Args:
        x: samples.
        spacing: their distance, or a vector of where they are taken; one for each axis, or one
            for all; 1 by default.
        axis: of the samples, one or several.
        edge_order: 1 or 2, the order of the differences at both ends.

    Raises:
        ShapeError: an axis has fewer than edge_order + 1 samples, or the places are others.
    """
    axes = [normal_axis(one, len(x.shape), "gradient") for one in _listed(axis, len(x.shape))]
    step = 1.0 if spacing is None else spacing
    given = list(spacing) if isinstance(spacing, list | tuple) else [step] * len(axes)
    if len(given) != len(axes) or edge_order not in (1, 2):
        raise UsageError(
            f"gradient: {len(given)} spacings for {len(axes)} axes, edge_order {edge_order}",
            hint="give a spacing for each axis, and edge_order 1 or 2",
        )
    return tuple(
        F["moveaxis"](_slopes(F["moveaxis"](x, place, -1), step, edge_order), -1, place)
        for place, step in zip(axes, given, strict=True)
    )


def _listed(axis: int | Sequence[int] | None, rank: int) -> Sequence[int]:
    if axis is None:
        return range(rank)
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _slopes(y: Node, spacing: Any, edge_order: int) -> Node:
    """The derivatives along the last axis."""
    count = y.shape[-1]
    if not dims.always_less_equal(edge_order + 1, count):
        raise ShapeError(f"gradient: {count} samples, expected {edge_order + 1} or more")
    steps = F["diff"](y, -1)
    if isinstance(spacing, Node):
        if spacing.shape != (count,):
            raise ShapeError(f"gradient: places {spacing.type} for {count} samples")
        widths = F["cast"](F["diff"](spacing), y.dtype)
    else:
        widths = F["full"]((count - 1,), spacing, y.dtype)
    slopes = F["divide"](steps, widths)
    left, right = _cut(widths, 0, -1), _cut(widths, 1, None)
    whole = F["add"](left, right)
    if isinstance(spacing, Node):
        # The derivative of the parabola through three neighbours.
        before, after = _cut(slopes, 0, -1), _cut(slopes, 1, None)
        lean = F["add"](F["multiply"](before, right), F["multiply"](after, left))
        inner = F["divide"](lean, whole)
    else:
        # That depends on the outer two alone where all are as far apart.
        inner = F["divide"](F["subtract"](_cut(y, 2, None), _cut(y, 0, -2)), whole)
    first, last = _cut(slopes, 0, 1), _cut(slopes, -1, None)
    if edge_order == 2:
        first = _at_edge(slopes, widths, (0, 1), (1, 2))
        last = _at_edge(slopes, widths, (-1, None), (-2, -1))
    edges: Node = F["concat"]((first, inner, last), -1)
    return edges


def _at_edge(slopes: Node, widths: Node, outer: Any, inner: Any) -> Node:
    near, far = _cut(slopes, *outer), _cut(slopes, *inner)
    w, v = _cut(widths, *outer), _cut(widths, *inner)
    bend = F["divide"](F["multiply"](F["subtract"](near, far), w), F["add"](w, v))
    moved: Node = F["add"](near, bend)
    return moved


def _cut(x: Node, start: int, stop: int | None) -> Node:
    part: Node = F["index"](x, (..., slice(start, stop)))
    return part


@surface("cumulative_trapezoid")
def cumulative_trapezoid(y: Node, x: Node | None = None, dx: float = 1.0, axis: int = -1) -> Node:
    """The integrals of samples `y` up to each but the first, by the trapezoidal rule."""
    place = normal_axis(axis, len(y.shape), "cumulative_trapezoid")
    strips = _strips("cumulative_trapezoid", y, x, dx, place)
    areas: Node = F["cumulative_sum"](strips, axis=place)
    return areas


@surface("interp")
@rounded_once
def interp(
    x: Node,
    xp: Node,
    fp: Node,
    left: Operand | None = None,
    right: Operand | None = None,
    period: float | None = None,
) -> Node:
    """The values at `x` of lines between the points (xp, fp); beyond them, those of their ends.

    Args:
        x: any shape.
        xp: where the points are, in ascending order, [N].
        fp: their values, [N].
        left: what stands below the first point instead.
        right: what stands above the last one instead.
        period: `x` and `xp`, which may be in any order, are modulo this, and nothing is beyond.

    Raises:
        ShapeError: the points are not two vectors of one length, of one point at least.
    """
    if len(xp.shape) != 1 or xp.shape != fp.shape or not dims.always_less_equal(1, xp.shape[0]):
        raise ShapeError(f"interp: points {xp.type} and {fp.type}, expected vectors of one length")
    x, xp, fp = promoted(x, xp, fp)
    if period is not None:
        x, xp, fp = _on_a_circle(x, xp, fp, abs(period))
        left = right = None
    last = dim_value(dim=xp.shape[0] - 1, dtype=dtypes.i64)
    high = F["minimum"](F["searchsorted"](xp, x, side="right"), last)
    low = F["maximum"](F["subtract"](high, 1), 0)
    x0, x1, y0, y1 = (F["take"](a, i, axis=0) for a in (xp, fp) for i in (low, high))
    width = subtract(x1, x0)
    is_flat = equal(width, zeros_like(width))
    inside = F["clip"](x, F["min"](xp), F["max"](xp))
    part = divide(subtract(inside, x0), where(is_flat, ones_like(width), width))
    # At an end the slope is that of a line to itself.
    found: Node = where(is_flat, y1, add(y0, multiply(part, subtract(y1, y0))))
    if left is not None:
        found = F["where"](F["less"](x, F["min"](xp)), left, found)
    if right is not None:
        found = F["where"](F["greater"](x, F["max"](xp)), right, found)
    return found


def _on_a_circle(x: Node, xp: Node, fp: Node, period: float) -> tuple[Node, Node, Node]:
    """Places modulo a period, and the points in order between those a period before and after."""
    if not period:
        raise UsageError("interp: the period is 0", hint="give another number")
    x, xp = F["remainder"](x, period), F["remainder"](xp, period)
    order = F["argsort"](xp)
    xp, fp = F["take"](xp, order, axis=0), F["take"](fp, order, axis=0)
    first, last = slice(0, 1), slice(-1, None)
    before = F["subtract"](F["index"](xp, (last,)), period)
    after = F["add"](F["index"](xp, (first,)), period)
    ends = F["index"](fp, (last,)), F["index"](fp, (first,))
    return x, F["concat"]((before, xp, after), 0), F["concat"]((ends[0], fp, ends[1]), 0)


@surface("unwrap")
def unwrap(
    x: Node, discont: float | None = None, axis: int = -1, *, period: float = 6.283185307179586
) -> Node:
    """Angles along an axis, moved by whole periods, so that neighbours differ by half at most.

    discont: a difference below this stays as it is; half a period, or more.
    """
    if x.dtype.kind != "float" or not period > 0:
        raise UsageError(f"unwrap: {x.type}, period {period}", hint="give floats, and more than 0")
    place = normal_axis(axis, len(x.shape), "unwrap")
    rows = F["moveaxis"](x, place, -1)
    steps = F["diff"](rows)
    half = period / 2
    wrapped = F["subtract"](F["remainder"](F["add"](steps, half), period), half)
    is_whole = F["logical_and"](F["equal"](wrapped, -half), F["greater"](steps, 0.0))
    moves = F["subtract"](F["where"](is_whole, half, wrapped), steps)
    is_small = F["less"](F["abs"](steps), half if discont is None else max(discont, half))
    total = F["cumulative_sum"](F["where"](is_small, 0.0, moves), axis=-1)
    moved = F["add"](rows, F["pad"](total, (*((0, 0) for _ in rows.shape[1:]), (1, 0))))
    return F["moveaxis"](moved, -1, place)  # type: ignore[no-any-return]


@surface("ediff1d")
def ediff1d(x: Node, to_end: Operand | None = None, to_begin: Operand | None = None) -> Node:
    """The differences of neighbours of `x`, flattened, between two other stretches of numbers."""
    middle = F["diff"](F["flatten"](x))
    ends = [
        [] if one is None else [F["flatten"](promoted(middle, one)[1])]
        for one in (to_begin, to_end)
    ]
    return F["concat"]([*ends[0], middle, *ends[1]], 0)  # type: ignore[no-any-return]


# -- sums of products along a line -----------------------------------------------------------------


def _slid(name: str, x: Node, weights: Node, mode: str) -> Node:
    """The sums of products of `weights` with the stretches of `x`, both vectors."""
    if len(x.shape) != 1 or len(weights.shape) != 1:
        raise ShapeError(f"{name}: {x.type} and {weights.type}, expected two vectors")
    size = weights.shape[0]
    if not dims.always_less_equal(1, size) or not dims.always_less_equal(1, x.shape[0]):
        raise ShapeError(f"{name}: {x.type} and {weights.type} may be empty")
    if mode not in ("full", "same", "valid"):
        raise UsageError(f"{name}: mode is {mode!r}", hint='use "full", "same" or "valid"')
    around = {"full": (size - 1, size - 1), "same": (size // 2, size - 1 - size // 2)}
    stretched, taps = promoted(F["pad"](x, (around.get(mode, (0, 0)),)), weights)
    sums: Node = F["matmul"](F["window"](stretched, 0, size), taps)
    return sums


@surface("correlate")
def correlate(x: Node, y: Node, mode: str = "valid") -> Node:
    """The sums of products of the conjugate of `y` with the stretches of a vector `x`.

    mode: "valid" of those inside, "same" of as many as the longer one has, "full" of all that
    overlap.

    Raises:
        ShapeError: which one is longer differs from call to call, and mode is not "full".
    """
    if _is_longer("correlate", y, x, mode):
        return F["flip"](_slid("correlate", F["conj"](y), x, mode))  # type: ignore[no-any-return]
    return _slid("correlate", x, F["conj"](y), mode)


@surface("convolve")
def convolve(x: Node, y: Node, mode: str = "full") -> Node:
    """The convolution of two vectors; see `correlate` for the modes.

    Raises:
        ShapeError: which one is longer differs from call to call, and mode is not "full".
    """
    if _is_longer("convolve", y, x, mode):
        x, y = y, x
    if mode == "same":
        whole = _slid("convolve", x, F["flip"](y), "full")
        start = (y.shape[0] - 1) // 2
        part: Node = F["narrow"](whole, 0, start, x.shape[0])
        return part
    return _slid("convolve", x, F["flip"](y), mode)


def _is_longer(name: str, x: Node, y: Node, mode: str) -> bool:
    """Whether a vector is longer, where that matters: "full" is the same for both orders."""
    if mode == "full" or len(x.shape) != 1 or len(y.shape) != 1:
        return False
    if dims.always_less_equal(x.shape[0], y.shape[0]):
        return False
    if not dims.always_less_equal(y.shape[0], x.shape[0]):
        raise ShapeError(
            f"{name}: which one of {x.type} and {y.type} is longer is not known",
            hint='use mode "full", or ranges of the dims that do not overlap',
        )
    return True
