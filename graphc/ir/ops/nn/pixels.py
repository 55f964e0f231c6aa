"""Shuffles of pixels and channels of pictures [..., channels, rows, columns]."""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.views.rearrange import permute_dims, reshape

__all__: list[str] = []


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
