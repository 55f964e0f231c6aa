"""Layers that give elements other places; each is the function of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dims import DimLike
from graphc.ir.ops.spelling import also_named

__all__ = [
    "ChannelShuffle",
    "Flatten",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unflatten",
    "Unfold",
]

Widths = int | tuple[int, ...]


class _Rearrangement(Module):
    """A function of the registry with fixed arguments."""

    _function: str
    _arguments: tuple[Any, ...]

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        result: Tensor = call(self._function, x, *self._arguments)
        return result


class Flatten(_Rearrangement):
    """The axes from `start_axis` to `end_axis` as one; by default all but the first."""

    _function = "flatten"

    @also_named(start_dim="start_axis", end_dim="end_axis")
    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self._arguments = (start_axis, end_axis)


class Unflatten(_Rearrangement):
    """One axis as several of `sizes`, of which one may be -1."""

    _function = "unflatten"

    @also_named(unflattened_size="sizes")
    def __init__(self, axis: int, sizes: Sequence[DimLike]) -> None:
        self._arguments = (axis, sizes)


class Unfold(_Rearrangement):
    """The windows of pictures [N, C, H, W] as columns: [N, C*KH*KW, windows]."""

    _function = "unfold"

    def __init__(
        self,
        kernel_size: Widths,
        dilation: Widths = 1,
        padding: Widths = 0,
        stride: Widths = 1,
    ) -> None:
        self._arguments = (kernel_size, dilation, padding, stride)


class Fold(_Rearrangement):
    """Columns [N, C*KH*KW, windows] summed to pictures [N, C, H, W]: the adjoint of `Unfold`."""

    _function = "fold"

    def __init__(
        self,
        output_size: Widths,
        kernel_size: Widths,
        dilation: Widths = 1,
        padding: Widths = 0,
        stride: Widths = 1,
    ) -> None:
        self._arguments = (output_size, kernel_size, dilation, padding, stride)


class PixelShuffle(_Rearrangement):
    """Channels as pixels: [N, C*r*r, H, W] becomes [N, C, H*r, W*r] (W. Shi et al., 2016)."""

    _function = "pixel_shuffle"

    def __init__(self, upscale_factor: int) -> None:
        self._arguments = (upscale_factor,)


class PixelUnshuffle(_Rearrangement):
    """Pixels as channels: what `PixelShuffle` undoes."""

    _function = "pixel_unshuffle"

    def __init__(self, downscale_factor: int) -> None:
        self._arguments = (downscale_factor,)


class ChannelShuffle(_Rearrangement):
    """The channels, dealt out so that each group gets some of every one (X. Zhang et al., 2017)."""

    _function = "channel_shuffle"

    def __init__(self, groups: int) -> None:
        self._arguments = (groups,)
