"""Pictures [..., channels, rows, columns]: shuffles of pixels, and interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import (
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
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, iota, zeros_like
from graphc.ir.ops.logic import equal, less, less_equal, logical_and, where
from graphc.ir.ops.rearrange import moveaxis, permute_dims, reshape
from graphc.ir.ops.reduction import restored, sum_over

__all__: list[str] = []


# -- shuffles -------------------------------------------------------------------------------------


def _channels(x: Node, name: str, divisor: int) -> tuple[tuple[DimLike, ...], DimLike]:
    if len(x.shape) < 3 or divisor < 1 or not dims.divides(x.shape[-3], divisor):
        raise ShapeError(f"{name}: the channels of {x.type} do not split by {divisor}")
    return x.shape[:-3], x.shape[-3] // divisor


@surface("pixel_shuffle")
def pixel_shuffle(x: Node, upscale_factor: int) -> Node:
    """[..., c*r*r, h, w] as [..., c, h*r, w*r] (W. Shi et al., 2016)."""
    r = upscale_factor
    batch, channels = _channels(x, "pixel_shuffle", r * r)
    rows, columns = x.shape[-2:]
    spread = reshape(x, *batch, channels, r, r, rows, columns)
    n = len(batch)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return reshape(permute_dims(spread, *order), *batch, channels, rows * r, columns * r)


@surface("pixel_unshuffle")
def pixel_unshuffle(x: Node, downscale_factor: int) -> Node:
    """The inverse of `pixel_shuffle`."""
    r = downscale_factor
    batch, channels = _channels(x, "pixel_unshuffle", 1)
    rows, columns = x.shape[-2:]
    if r < 1 or not (dims.divides(rows, r) and dims.divides(columns, r)):
        raise ShapeError(f"pixel_unshuffle: the pixels of {x.type} do not split by {r}")
    spread = reshape(x, *batch, channels, rows // r, r, columns // r, r)
    n = len(batch)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return reshape(permute_dims(spread, *order), *batch, channels * r * r, rows // r, columns // r)


@surface("channel_shuffle")
def channel_shuffle(x: Node, groups: int) -> Node:
    """The channels of axis 1, dealt out so that each group gets some of every group."""
    if len(x.shape) < 2 or groups < 1 or not dims.divides(x.shape[1], groups):
        raise ShapeError(f"channel_shuffle: {x.type} in {groups} groups")
    batch, channels, *rest = x.shape
    spread = reshape(x, batch, groups, channels // groups, *rest)
    order = (0, 2, 1, *range(3, 3 + len(rest)))
    return reshape(permute_dims(spread, *order), *x.shape)


# -- interpolation --------------------------------------------------------------------------------

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]

_AXES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}

# The free number of cubic convolution (R. Keys, 1981), as PyTorch chooses it.
_CUBIC = -0.75
# The one that is exact for parabolas; PyTorch takes it where it smooths.
_SMOOTH_CUBIC = -0.5


@surface("interpolate", "upsample")
def interpolate(
    x: Node,
    size: int | Sequence[int] | None = None,
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
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Node:
    """`interpolate` that takes the nearest pixel."""
    return interpolate(x, size, scale_factor)


@surface("upsample_bilinear")
def upsample_bilinear(
    x: Node,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Node:
    """`interpolate` by lines along both axes, where the outer pixels' centres keep their places."""
    return interpolate(x, size, scale_factor, "bilinear", align_corners=True)


def _sizes(
    x: Node, size: int | Sequence[int] | None, scale: float | Sequence[float] | None
) -> tuple[list[int], list[float | None]]:
    axes = len(x.shape) - 2
    if axes < 1 or (size is None) == (scale is None):
        raise UsageError(
            f"interpolate: {x.type} with size {size} and scale_factor {scale}",
            hint="give one of size and scale_factor, and axes after the channels",
        )
    known = [one for one in x.shape[2:] if isinstance(one, int)]
    if len(known) != axes:
        raise ShapeError(f"interpolate: the sizes of {x.type} are not all known")
    if size is not None:
        sizes = [size] * axes if isinstance(size, int) else list(size)
        scales: list[float | None] = [None] * len(sizes)
    else:
        assert scale is not None
        given = [float(scale)] * axes if isinstance(scale, int | float) else list(scale)
        sizes = [int(one * by) for one, by in zip(known, given, strict=False)]
        scales = list(given)
    if len(sizes) != axes or any(one < 1 for one in sizes):
        raise ShapeError(f"interpolate: {x.type} to {sizes}")
    return sizes, scales


def _resampled(
    x: Node,
    axis: int,
    target: int,
    scale: float | None,
    mode: str,
    align_corners: bool,
    antialias: bool,
) -> Node:
    source = x.shape[axis]
    assert isinstance(source, int)
    if source == target and scale is None:
        return x
    wide = x.dtype.accumulator
    place = iota(shape=(target, source), axis=0, dtype=wide)
    column = iota(shape=(target, source), axis=1, dtype=wide)
    step = 1 / scale if scale is not None else source / target
    if mode in ("nearest", "nearest-exact"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        at = floor(scaled(add(place, constant_like(shift, place)), step))
        chosen = minimum(at, constant_like(source - 1, at))
        weights = cast_to(equal(column, chosen), wide)
    elif antialias:
        if align_corners:
            step = (source - 1) / (target - 1) if target > 1 else 0.0
        weights = _covering(place, column, source, step, mode)
    else:
        at = _positions(place, source, target, step, align_corners)
        weights = _linear(at, column, source) if mode != "bicubic" else _cubic(at, column, source)
    rows = cast_to(moveaxis(x, axis, -1), wide)
    product: Node = functions["matmul"](rows, functions["transpose"](weights))
    return moveaxis(cast_to(product, x.dtype), -1, axis)


def _positions(place: Node, source: int, target: int, step: float, align_corners: bool) -> Node:
    """Where each target pixel lies among the source pixels."""
    if align_corners:
        return scaled(place, (source - 1) / (target - 1) if target > 1 else 0.0)
    half = constant_like(0.5, place)
    return subtract(scaled(add(place, half), step), half)


def _linear(at: Node, column: Node, source: int) -> Node:
    """1 - |distance| to the two pixels beside; at the borders the outer pixel alone."""
    inside = minimum(maximum(at, zeros_like(at)), constant_like(source - 1, at))
    distance = absolute(subtract(inside, column))
    one = constant_like(1, distance)
    return where(less(distance, one), subtract(one, distance), zeros_like(one))


def _cubic(at: Node, column: Node, source: int) -> Node:
    """Weights of the four pixels beside; beyond the border the outer pixel stands for them."""
    first = floor(at)
    weights = zeros_like(at)
    for offset in (-1, 0, 1, 2):
        pixel = add(first, constant_like(offset, first))
        weight = _cubic_weight(absolute(subtract(at, pixel)))
        clamped = minimum(maximum(pixel, zeros_like(pixel)), constant_like(source - 1, pixel))
        weights = add(weights, where(equal(clamped, column), weight, zeros_like(weight)))
    return weights


def _covering(place: Node, column: Node, source: int, step: float, mode: str) -> Node:
    """Weights of all pixels that a larger one covers: the kernel, as wide as that one, to sum 1."""
    width, reach = max(step, 1.0), 1 if mode == "bilinear" else 2
    half = constant_like(0.5, place)
    centre = scaled(add(place, half), step)
    support = constant_like(reach * width, centre)
    first = maximum(trunc(add(subtract(centre, support), half)), zeros_like(centre))
    last = minimum(trunc(add(add(centre, support), half)), constant_like(source, centre))
    distance = absolute(scaled(add(subtract(column, centre), half), 1 / width))
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
