"""Normalisation by channels, axis 1: over the batch, over groups, over each example."""

from __future__ import annotations

from typing import Any

from graphc.errors import ShapeError
from graphc.frontend.tracing.initializers import ones, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Buffer, Parameter, is_training
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.nn.function_layer import UnaryLayer

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LocalResponseNorm",
]

Axes = tuple[int, ...]


class _Normalization(Module):
    """(x - mean) / sqrt(var + eps) of each channel, scaled and shifted.

    Args:
        num_features: channels, axis 1.
        eps: keeps the division finite.
        momentum: how far a running moment moves at each step.
        affine: whether there are a weight (at first 1) and a bias (at first 0).
        track_running_stats: whether there are running moments, for use outside of training;
            without, those of the operand are always used.
        bias: whether there is a bias beside the weight.
    """

    def _make_state(
        self, num_features: int, affine: bool, tracks: bool, dtype: DType, bias: bool
    ) -> None:
        self._num_features = num_features
        self.weight = Parameter(num_features, dtype, ones()) if affine else None
        self.bias = Parameter(num_features, dtype, zeros()) if affine and bias else None
        self.running_mean = Buffer(num_features, dtype, zeros()) if tracks else None
        self.running_var = Buffer(num_features, dtype, ones()) if tracks else None
        self.num_batches_tracked = Buffer((), dtypes.i64, zeros()) if tracks else None

    def _require(self, x: Tensor, ranks: tuple[int, ...], channels: int) -> None:
        if x.ndim not in ranks or x.shape[channels] != self._num_features:
            raise ShapeError(
                f"{type(self).__name__}({self._num_features}) takes {' or '.join(map(str, ranks))} "
                f"axes with {self._num_features} channels, and was given {x.type}"
            )

    def _moments(self, x: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
        """The mean, and the unbiased variance, without gradients."""
        x = call("stop_gradient", x)
        return call("mean", x, axis=axes), call("var", x, axis=axes, correction=1)

    def _track(self, *moments: Tensor, share: Any) -> None:
        """Move the running moments towards others by a share of the way."""
        for running, moment in zip((self.running_mean, self.running_var), moments, strict=True):
            assert running is not None
            running.update(call("lerp", running, moment.astype(running.dtype), share))


class _BatchNorm(_Normalization):
    __doc__ = f"""{_Normalization.__doc__}
    In training the moments are those of the batch (S. Ioffe and C. Szegedy, 2015). With None for
    `momentum` the running ones are the mean of those of all batches.
    """

    _ranks: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: DType = dtypes.f32,
        *,
        bias: bool = True,
    ) -> None:
        self._eps, self._momentum = eps, momentum
        self._make_state(num_features, affine, track_running_stats, dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised.

        Raises:
            ShapeError: `x` has another number of axes, or of channels.
        """
        self._require(x, self._ranks, 1)
        training = is_training()
        if training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked + 1
            self.num_batches_tracked.update(count)
            share = self._momentum
            moments = self._moments(x, tuple(axis for axis in range(x.ndim) if axis != 1))
            self._track(*moments, share=1 / count.astype(x.dtype) if share is None else share)
        known = (None, None) if training else (self.running_mean, self.running_var)
        result: Tensor = call(
            "batch_norm", x, *known, self.weight, self.bias, training, eps=self._eps
        )
        return result


class BatchNorm1d(_BatchNorm):
    """`batch_norm` of [N, C] or [N, C, L], with running moments kept as state."""

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`batch_norm` of [N, C, H, W], with running moments kept as state."""

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """`batch_norm` of [N, C, D, H, W], with running moments kept as state."""

    _ranks = (5,)


class GroupNorm(Module):
    """Each group of channels of each example, normalised (Y. Wu and K. He, 2018)."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: DType = dtypes.f32,
        *,
        bias: bool = True,
    ) -> None:
        self._num_groups, self._eps = num_groups, eps
        self.weight = Parameter(num_channels, dtype, ones()) if affine else None
        self.bias = Parameter(num_channels, dtype, zeros()) if affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised."""
        result: Tensor = call("group_norm", x, self._num_groups, self.weight, self.bias, self._eps)
        return result


class _InstanceNorm(_Normalization):
    __doc__ = f"""{_Normalization.__doc__}
    The moments are those of each example (D. Ulyanov et al., 2016); running ones, if any, are the
    means of theirs.
    """

    _rank: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: DType = dtypes.f32,
        *,
        bias: bool = True,
    ) -> None:
        self._eps, self._momentum = eps, momentum
        self._make_state(num_features, affine, track_running_stats, dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised; the axis of the batch may be missing.

        Raises:
            ShapeError: `x` has another number of axes, or of channels.
        """
        self._require(x, (self._rank - 1, self._rank), 1 - self._rank)
        rows = x if x.ndim == self._rank else call("expand_dims", x, 0)
        tracks, training = self.running_mean is not None, is_training()
        if tracks and training:
            own = self._moments(rows, tuple(range(2, self._rank)))
            self._track(*(moment.mean(axis=0) for moment in own), share=self._momentum)
        known = (self.running_mean, self.running_var) if tracks and not training else (None, None)
        own_moments = training or not tracks
        result: Tensor = call(
            "instance_norm", rows, *known, self.weight, self.bias, own_moments, eps=self._eps
        )
        return result if x.ndim == self._rank else result[0]


class InstanceNorm1d(_InstanceNorm):
    """`instance_norm` of [N, C, L], or of [C, L]."""

    _rank = 3


class InstanceNorm2d(_InstanceNorm):
    """`instance_norm` of [N, C, H, W], or of [C, H, W]."""

    _rank = 4


class InstanceNorm3d(_InstanceNorm):
    """`instance_norm` of [N, C, D, H, W], or of [C, D, H, W]."""

    _rank = 5


class LocalResponseNorm(UnaryLayer):
    """x / (k + alpha * mean of x*x over `size` neighbouring channels) ** beta (Krizhevsky et al.,
    2012).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__("local_response_norm", size, alpha, beta, k)
