"""Interpolation: pictures [batch, channels, ...] sampled at other sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, full_like, iota, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    floor,
    maximum,
    minimum,
    multiply,
    scaled,
    subtract,
    trunc,
)
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.elementwise.logic import equal, less, less_equal, logical_and, where
from graphc.ir.ops.reductions.reduction import restored, sum_over
from graphc.ir.ops.views.rearrange import moveaxis

__all__: list[str] = []

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]

_AXES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}

# The free number of cubic convolution (R. Keys, 1981), as PyTorch chooses it.
_CUBIC = -0.75
# The one that is exact for parabolas; PyTorch takes it where it smooths.
_SMOOTH_CUBIC = -0.5


@surface("interpolate", "upsample")
@rounded_once
def interpolate(
    x: Node,
    size: DimLike | Sequence[DimLike] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: Mode = "nearest",
    align_corners: bool | None = False,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Node:
    """`x` [batch, channels, ...] sampled at other sizes of the axes after the channels.

    Each axis is a matrix product with a small matrix of weights ("nearest" a choice), so the cost
    grows with both sizes. "area" takes means, as `adaptive_avg_pool2d` does.

    Args:
        x: one to three axes after the channels.
        size: their new sizes; or else
        scale_factor: what they are multiplied by.
        mode: how a pixel follows from those around it.
        align_corners: whether the outer pixels' centres keep their places, or their borders.
        recompute_scale_factor: whether places follow from the rounded sizes, not from the factors.
        antialias: for "bilinear" and "bicubic": where a picture becomes smaller, whether a pixel
            follows from all those that it covers.
    """
    require_computable("interpolate", x.dtype)
    if mode in _AXES and len(x.shape) - 2 != _AXES[mode]:
        raise ShapeError(
            f'interpolate: "{mode}" is for {_AXES[mode]} axes after the channels, not {x.type}'
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise UsageError(f'interpolate: antialias is for "bilinear" and "bicubic", not {mode!r}')
    sizes, scales = _sizes(x, size, scale_factor)
    if recompute_scale_factor:
        scales = [None] * len(sizes)
    if mode == "area":
        return functions[f"adaptive_avg_pool{len(sizes)}d"](x, sizes)  # type: ignore[no-any-return]
    for axis, (target, scale) in enumerate(zip(sizes, scales, strict=True), start=2):
        x = _resampled(x, axis, target, scale, mode, bool(align_corners), antialias)
    return x


@surface("upsample_nearest")
def upsample_nearest(
    x: Node,
    size: DimLike | Sequence[DimLike] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Node:
    """`interpolate` that takes the nearest pixel."""
    return interpolate(x, size, scale_factor)


@surface("upsample_bilinear")
def upsample_bilinear(
    x: Node,
    size: DimLike | Sequence[DimLike] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Node:
    """`interpolate` by lines along both axes, where the outer pixels' centres keep their places."""
    return interpolate(x, size, scale_factor, "bilinear", align_corners=True)


def _sizes(
    x: Node, size: DimLike | Sequence[DimLike] | None, scale: float | Sequence[float] | None
) -> tuple[list[DimLike], list[float | None]]:
    axes = len(x.shape) - 2
    if axes < 1 or (size is None) == (scale is None):
        raise UsageError(
            f"interpolate: {x.type} with size {size} and scale_factor {scale}",
            hint="give one of size and scale_factor, and axes after the channels",
        )
    if size is not None:
        sizes = [size] * axes if isinstance(size, int | Dim) else list(size)
        scales: list[float | None] = [None] * len(sizes)
    else:
        assert scale is not None
        given = [float(scale)] * axes if isinstance(scale, int | float) else list(scale)
        if len(given) != axes or not all(map(math.isfinite, given)):
            raise UsageError(
                f"interpolate: scale_factor {scale} for {x.type}",
                hint=f"give a finite number, or {axes} of them",
            )
        sizes = [_times(one, by) for one, by in zip(x.shape[2:], given, strict=True)]
        scales = list(given)
    for one in (*x.shape[2:], *sizes):
        if not isinstance(one, int | Dim) or not dims.always_less_equal(1, one):
            raise ShapeError(
                f"interpolate: {x.type} to {sizes}",
                hint="all sizes are 1 or more; let the ranges of dims begin there",
            )
    if len(sizes) != axes:
        raise ShapeError(f"interpolate: {x.type} to {sizes}", hint=f"give {axes} sizes")
    return sizes, scales


MOST_PARTS = 4096
"""Of the denominator of a factor of a dim: sizes are computed in whole numbers of 64 bits."""


def _times(size: DimLike, factor: float) -> DimLike:
    """The size that a factor gives, rounded down."""
    if isinstance(size, int):
        return int(size * factor)
    share = Fraction(factor).limit_denominator(MOST_PARTS) if math.isfinite(factor) else None
    if share is None or float(share) != factor:
        raise UsageError(
            f"interpolate: {factor!r} times a size of {size}",
            hint=f"give size, or a factor with a denominator of {MOST_PARTS} at most",
        )
    return size * share.numerator // share.denominator


def _resampled(
    x: Node,
    axis: int,
    target: DimLike,
    scale: float | None,
    mode: str,
    align_corners: bool,
    antialias: bool,
) -> Node:
    source = x.shape[axis]
    if source == target and scale is None:
        return x
    wide = x.dtype.accumulator
    place = iota(shape=(target, source), axis=0, dtype=wide)
    column = iota(shape=(target, source), axis=1, dtype=wide)
    step = constant_like(1 / scale, place) if scale is not None else _ratio(source, target, place)
    if align_corners and mode not in ("nearest", "nearest-exact"):
        # A single pixel stays at the first one.
        last = dims.minimum(1, target - 1) * (source - 1)
        step = _ratio(last, dims.maximum(1, target - 1), place)
    if mode in ("nearest", "nearest-exact"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        at = floor(multiply(add(place, constant_like(shift, place)), step))
        chosen = minimum(at, full_like(at, source - 1))
        weights = cast_to(equal(column, chosen), wide)
    elif antialias:
        weights = _covering(place, column, source, step, mode)
    else:
        at = multiply(place, step) if align_corners else _centre(place, step)
        weights = _linear(at, column, source) if mode != "bicubic" else _cubic(at, column, source)
    rows = cast_to(moveaxis(x, axis, -1), wide)
    product: Node = functions["matmul"](rows, functions["transpose"](weights))
    return moveaxis(cast_to(product, x.dtype), -1, axis)


def _ratio(above: DimLike, below: DimLike, like: Node) -> Node:
    """The quotient of two sizes."""
    if isinstance(above, int) and isinstance(below, int):
        return constant_like(above / below, like)
    return divide(full_like(like, above), full_like(like, below))


def _centre(place: Node, step: Node) -> Node:
    """Where the centre of each target pixel lies among the source pixels."""
    half = constant_like(0.5, place)
    return subtract(multiply(add(place, half), step), half)


def _linear(at: Node, column: Node, source: DimLike) -> Node:
    """1 - |distance| to the two pixels beside; at the borders the outer pixel alone."""
    inside = minimum(maximum(at, zeros_like(at)), full_like(at, source - 1))
    distance = absolute(subtract(inside, column))
    one = constant_like(1, distance)
    return where(less(distance, one), subtract(one, distance), zeros_like(one))


def _cubic(at: Node, column: Node, source: DimLike) -> Node:
    """Weights of the four pixels beside; beyond the border the outer pixel stands for them."""
    first = floor(at)
    weights = zeros_like(at)
    for offset in (-1, 0, 1, 2):
        pixel = add(first, constant_like(offset, first))
        weight = _cubic_weight(absolute(subtract(at, pixel)))
        clamped = minimum(maximum(pixel, zeros_like(pixel)), full_like(pixel, source - 1))
        weights = add(weights, where(equal(clamped, column), weight, zeros_like(weight)))
    return weights


def _covering(place: Node, column: Node, source: DimLike, step: Node, mode: str) -> Node:
    """Weights of all pixels that a larger one covers: the kernel, as wide as that one, to sum 1."""
    width, half = maximum(step, ones_like(step)), constant_like(0.5, place)
    centre = multiply(add(place, half), step)
    support = width if mode == "bilinear" else add(width, width)
    first = maximum(trunc(add(subtract(centre, support), half)), zeros_like(centre))
    last = minimum(trunc(add(add(centre, support), half)), full_like(centre, source))
    distance = absolute(divide(add(subtract(column, centre), half), width))
    one, zero = constant_like(1, distance), zeros_like(distance)
    if mode == "bilinear":
        kernel = where(less(distance, one), subtract(one, distance), zero)
    else:
        is_near = less(distance, constant_like(2, distance))
        kernel = where(is_near, _cubic_weight(distance, _SMOOTH_CUBIC), zero)
    is_covered = logical_and(less_equal(first, column), less(column, last))
    kernel = where(is_covered, kernel, zero)
    total = sum_over(kernel, axes=(1,))
    return divide(kernel, restored(total, kernel.shape, (1,)))


def _cubic_weight(t: Node, a: float = _CUBIC) -> Node:
    """The kernel of cubic convolution at distance t <= 2 (R. Keys, 1981, equation 4)."""
    one = constant_like(1, t)
    square, cube = multiply(t, t), multiply(multiply(t, t), t)
    near = add(subtract(scaled(cube, a + 2), scaled(square, a + 3)), one)
    far = add(subtract(scaled(cube, a), scaled(square, 5 * a)), scaled(t, 8 * a))
    far = subtract(far, constant_like(4 * a, far))
    return where(less(t, one), near, far)
