"""Convolutions over one, two or three spatial axes, and their transposes.

Weights are kept as PyTorch keeps them: [out, in / groups, *taps], transposed [in, out / groups,
*taps].
"""

from __future__ import annotations

import math
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.initializers import Initializer, uniform, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.ops.nn.convolution import widths_of

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

Widths = int | tuple[int, ...]


def _per_axis(width: Widths, rank: int) -> tuple[int, ...]:
    return (width,) * rank if isinstance(width, int) else tuple(width)


class _Convolution(Module):
    """What all have: a weight and a bias, evenly spread over (-k, k), k = 1 / sqrt(fan in)."""

    _function: str
    _rank: int

    def _make_state(self, shape: tuple[int, ...], out: int, bias: bool, dtype: DType) -> None:
        fan_in = math.prod(shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init: Initializer = uniform(-bound, bound) if bound else zeros()
        self.weight = Parameter(shape, dtype, init)
        self.bias = Parameter(out, dtype, init) if bias else None

    def _require_groups(self, *channels: int, groups: int) -> None:
        if groups < 1 or any(count % groups for count in channels):
            text = " and ".join(map(str, channels))
            raise ShapeError(
                f"{type(self).__name__}: {text} channels in {groups} groups",
                hint="make both numbers of channels multiples of groups",
            )

    def _require_mode(self, mode: str, *known: str) -> None:
        if mode not in known:
            raise UsageError(
                f"{type(self).__name__}: padding_mode is {mode!r}",
                hint=f"it takes {' or '.join(map(repr, known))}",
            )

    def _require_channels(self, x: Tensor, channels: int) -> None:
        if x.ndim not in (self._rank + 1, self._rank + 2) or x.shape[-self._rank - 1] != channels:
            axes = ", ".join(["N", str(channels), *"DHW"[-self._rank :]])
            raise ShapeError(f"{type(self).__name__} takes [{axes}], and was given {x.type}")


class _Forward(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Widths,
        stride: Widths = 1,
        padding: Widths | str = 0,
        dilation: Widths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: DType = dtypes.f32,
    ) -> None:
        self._require_groups(in_channels, out_channels, groups=groups)
        self._require_mode(padding_mode, "zeros", "reflect", "replicate", "circular")
        taps = _per_axis(kernel_size, self._rank)
        self._make_state((out_channels, in_channels // groups, *taps), out_channels, bias, dtype)
        self._in_channels = in_channels
        self._keywords: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        self._mode, self._widths = padding_mode, []
        if padding_mode != "zeros":
            steps, apart = (_per_axis(width, self._rank) for width in (stride, dilation))
            self._widths = list(widths_of(self._function, padding, taps, steps, apart))
            self._keywords["padding"] = 0

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of `x` [N, in, ...] or [in, ...].

        Raises:
            ShapeError: another number of axes or channels, or axes too short for the padding.
        """
        self._require_channels(x, self._in_channels)
        if self._widths:
            x = call("pad", x, [*[(0, 0)] * (x.ndim - self._rank), *self._widths], mode=self._mode)
        result: Tensor = call(self._function, x, self.weight, self.bias, **self._keywords)
        return result


class _Transposed(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Widths,
        stride: Widths = 1,
        padding: Widths = 0,
        output_padding: Widths = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Widths = 1,
        padding_mode: str = "zeros",
        dtype: DType = dtypes.f32,
    ) -> None:
        self._require_groups(in_channels, out_channels, groups=groups)
        self._require_mode(padding_mode, "zeros")
        taps = _per_axis(kernel_size, self._rank)
        self._make_state((in_channels, out_channels // groups, *taps), out_channels, bias, dtype)
        self._in_channels = in_channels
        self._keywords: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "dilation": dilation,
        }

    def forward(self, x: Tensor) -> Tensor:
        """The transposed convolution of `x` [N, in, ...] or [in, ...].

        Raises:
            ShapeError: another number of axes or channels.
        """
        self._require_channels(x, self._in_channels)
        result: Tensor = call(self._function, x, self.weight, self.bias, **self._keywords)
        return result


class Conv1d(_Forward):
    """The convolution over one spatial axis; `padding` may be "same" or "valid".

    `padding_mode`: what lies around, "zeros", or what `pad` has for "reflect", "replicate" and
    "circular".

    >>> from graphc.frontend.tracing.trace import trace
    >>> trace(Conv1d(4, 8, 3, padding=1), dtypes.f32[2, 4, 10])[0].results[0].type
    f32[2, 8, 10]
    """

    _function, _rank = "conv1d", 1


class Conv2d(_Forward):
    """The convolution over two spatial axes; `padding` may be "same" or "valid".

    `padding_mode`: what lies around, "zeros", or what `pad` has for "reflect", "replicate" and
    "circular".
    """

    _function, _rank = "conv2d", 2


class Conv3d(_Forward):
    """The convolution over three spatial axes; `padding` may be "same" or "valid".

    `padding_mode`: what lies around, "zeros", or what `pad` has for "reflect", "replicate" and
    "circular".
    """

    _function, _rank = "conv3d", 3


class ConvTranspose1d(_Transposed):
    """The transpose of a convolution over one spatial axis."""

    _function, _rank = "conv_transpose1d", 1


class ConvTranspose2d(_Transposed):
    """The transpose of a convolution over two spatial axes."""

    _function, _rank = "conv_transpose2d", 2


class ConvTranspose3d(_Transposed):
    """The transpose of a convolution over three spatial axes."""

    _function, _rank = "conv_transpose3d", 3
