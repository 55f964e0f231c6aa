"""Layers that give elements other places; each is the function of its name."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import DimLike
from graphc.ir.ops.argument_names import also_named
from graphc.nn.function_layer import UnaryLayer

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


class Flatten(UnaryLayer):
    """The axes from `start_axis` to `end_axis` as one; by default all but the first."""

    @also_named(start_dim="start_axis", end_dim="end_axis")
    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        super().__init__("flatten", start_axis, end_axis)


class Unflatten(UnaryLayer):
    """One axis as several of `sizes`, of which one may be -1."""

    @also_named(unflattened_size="sizes")
    def __init__(self, axis: int, sizes: Sequence[DimLike]) -> None:
        super().__init__("unflatten", axis, sizes)


class Unfold(UnaryLayer):
    """The windows of pictures [N, C, H, W] as columns: [N, C*KH*KW, windows]."""

    def __init__(
        self,
        kernel_size: Widths,
        dilation: Widths = 1,
        padding: Widths = 0,
        stride: Widths = 1,
    ) -> None:
        super().__init__("unfold", kernel_size, dilation, padding, stride)


class Fold(UnaryLayer):
    """Columns [N, C*KH*KW, windows] summed to pictures [N, C, H, W]: the adjoint of `Unfold`."""

    def __init__(
        self,
        output_size: Widths,
        kernel_size: Widths,
        dilation: Widths = 1,
        padding: Widths = 0,
        stride: Widths = 1,
    ) -> None:
        super().__init__("fold", output_size, kernel_size, dilation, padding, stride)


class PixelShuffle(UnaryLayer):
    """Channels as pixels: [N, C*r*r, H, W] becomes [N, C, H*r, W*r] (W. Shi et al., 2016)."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__("pixel_shuffle", upscale_factor)


class PixelUnshuffle(UnaryLayer):
    """Pixels as channels: what `PixelShuffle` undoes."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__("pixel_unshuffle", downscale_factor)


class ChannelShuffle(UnaryLayer):
    """The channels, dealt out so that each group gets some of every one (X. Zhang et al., 2017)."""

    def __init__(self, groups: int) -> None:
        super().__init__("channel_shuffle", groups)
