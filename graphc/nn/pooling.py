"""Pooling and resampling as modules; each is the function of its name."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.dims import DimLike
from graphc.nn.function_layer import FunctionLayer, UnaryLayer

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

Widths = int | tuple[int, ...]


class _MaxPool(UnaryLayer):
    def __init__(
        self,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        dilation: Widths = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            self._function,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            return_indices=return_indices,
            ceil_mode=ceil_mode,
        )


class _AvgPool(UnaryLayer):
    def __init__(
        self,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            self._function,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class _AvgPoolOver(_AvgPool):
    def __init__(
        self,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self._keywords["divisor_override"] = divisor_override


class _LPPool(UnaryLayer):
    def __init__(
        self,
        norm_type: float,
        kernel_size: Widths,
        stride: Widths | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            self._function,
            norm_type=norm_type,
            kernel_size=kernel_size,
            stride=stride,
            ceil_mode=ceil_mode,
        )


class _MaxUnpool(FunctionLayer):
    def __init__(
        self, kernel_size: Widths, stride: Widths | None = None, padding: Widths = 0
    ) -> None:
        super().__init__(self._function, kernel_size=kernel_size, stride=stride, padding=padding)

    def forward(
        self, x: Tensor, indices: Tensor, output_size: Sequence[DimLike] | None = None
    ) -> Tensor:
        """The maxima `x` where they were; `output_size` is needed where several pool to one."""
        return self._of(x, indices, output_size=output_size)


class _Adaptive(UnaryLayer):
    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        super().__init__(self._function, output_size=output_size)


class _AdaptiveMax(UnaryLayer):
    def __init__(
        self, output_size: int | Sequence[int | None], return_indices: bool = False
    ) -> None:
        super().__init__(self._function, output_size=output_size, return_indices=return_indices)


class MaxPool1d(_MaxPool):
    """The maximum of each window of the last axis."""

    _function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """The maximum of each window of the last two axes."""

    _function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """The maximum of each window of the last three axes."""

    _function = "max_pool3d"


class AvgPool1d(_AvgPool):
    """The mean of each window of the last axis."""

    _function = "avg_pool1d"


class AvgPool2d(_AvgPoolOver):
    """The mean of each window of the last two axes, or its sum by `divisor_override`."""

    _function = "avg_pool2d"


class AvgPool3d(_AvgPoolOver):
    """The mean of each window of the last three axes, or its sum by `divisor_override`."""

    _function = "avg_pool3d"


class LPPool1d(_LPPool):
    """The p-norm of each window of the last axis, p being `norm_type`."""

    _function = "lp_pool1d"


class LPPool2d(_LPPool):
    """The p-norm of each window of the last two axes, p being `norm_type`."""

    _function = "lp_pool2d"


class LPPool3d(_LPPool):
    """The p-norm of each window of the last three axes, p being `norm_type`."""

    _function = "lp_pool3d"


class MaxUnpool1d(_MaxUnpool):
    """What `MaxPool1d(..., return_indices=True)` gave back at its places, among zeros."""

    _function = "max_unpool1d"


class MaxUnpool2d(_MaxUnpool):
    """What `MaxPool2d(..., return_indices=True)` gave back at its places, among zeros."""

    _function = "max_unpool2d"


class MaxUnpool3d(_MaxUnpool):
    """What `MaxPool3d(..., return_indices=True)` gave back at its places, among zeros."""

    _function = "max_unpool3d"


class AdaptiveAvgPool1d(_Adaptive):
    """The means of `output_size` windows of the last axis, as even as can be."""

    _function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_Adaptive):
    """The means of `output_size` windows of the last two axes; None keeps an axis."""

    _function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_Adaptive):
    """The means of `output_size` windows of the last three axes; None keeps an axis."""

    _function = "adaptive_avg_pool3d"


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The maxima of `output_size` windows of the last axis, as even as can be."""

    _function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The maxima of `output_size` windows of the last two axes; None keeps an axis."""

    _function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMax):
    """The maxima of `output_size` windows of the last three axes; None keeps an axis."""

    _function = "adaptive_max_pool3d"


class Upsample(UnaryLayer):
    """The spatial axes at another size, or `scale_factor` times theirs (see `interpolate`)."""

    _function = "interpolate"

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ) -> None:
        super().__init__(
            self._function,
            size=size,
            scale_factor=scale_factor,
            mode=mode,
            align_corners=align_corners,
        )


class UpsamplingNearest2d(Upsample):
    """`Upsample` of two axes by nearest elements."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of two axes by lines between elements, those at corners kept."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
