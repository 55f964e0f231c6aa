"""Normalisation by channels, axis 1: over the batch, over groups, over each example."""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.frontend.tracing.initializers import ones, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Buffer, Parameter, is_training
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

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


class _BatchNorm(Module):
    """(x - mean) / sqrt(var + eps) of each channel, scaled and shifted (Ioffe, Szegedy, 2015).

    In training the moments are those of the batch, and the running ones move towards them by
    `momentum`; otherwise the running moments are used.

    Args:
        num_features: channels, axis 1.
        eps: keeps the division finite.
        momentum: how far a running moment moves at each step.
        affine: whether there are a weight (at first 1) and a bias (at first 0).
        track_running_stats: whether there are running moments; without, those of the batch are
            always used.
    """

    _ranks: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._num_features, self._eps, self._momentum = num_features, eps, momentum
        self.weight = Parameter(num_features, dtype, ones()) if affine else None
        self.bias = Parameter(num_features, dtype, zeros()) if affine else None
        tracks = track_running_stats
        self.running_mean = Buffer(num_features, dtype, zeros()) if tracks else None
        self.running_var = Buffer(num_features, dtype, ones()) if tracks else None
        self.num_batches_tracked = Buffer((), dtypes.i64, zeros()) if tracks else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised.

        Raises:
            ShapeError: `x` has another number of axes, or of channels.
        """
        if x.ndim not in self._ranks or x.shape[1] != self._num_features:
            ranks = " or ".join(map(str, self._ranks))
            raise ShapeError(
                f"{type(self).__name__}({self._num_features}) takes {ranks} axes, the second of "
                f"{self._num_features}, and was given {x.type}"
            )
        training = is_training()
        if training:
            self._track(x)
        moments = (None, None) if training else (self.running_mean, self.running_var)
        result: Tensor = call(
            "batch_norm", x, *moments, self.weight, self.bias, training, eps=self._eps
        )
        return result

    def _track(self, x: Tensor) -> None:
        """Move the running moments towards those of the batch; the variance is the unbiased one."""
        if self.running_mean is None or self.running_var is None:
            return
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
        for running, name, keywords in (
            (self.running_mean, "mean", {}),
            (self.running_var, "var", {"correction": 1}),
        ):
            moment = call("stop_gradient", call(name, x, axis=axes, **keywords))
            moved = call("lerp", running, moment.astype(running.dtype), self._momentum)
            running.update(moved)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.update(self.num_batches_tracked + 1)


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
    ) -> None:
        self._num_groups, self._eps = num_groups, eps
        self.weight = Parameter(num_channels, dtype, ones()) if affine else None
        self.bias = Parameter(num_channels, dtype, zeros()) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised."""
        result: Tensor = call("group_norm", x, self._num_groups, self.weight, self.bias, self._eps)
        return result


class _InstanceNorm(Module):
    """Each channel of each example, normalised (D. Ulyanov et al., 2016)."""

    _rank: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        *,
        affine: bool = False,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._eps = eps
        self.weight = Parameter(num_features, dtype, ones()) if affine else None
        self.bias = Parameter(num_features, dtype, zeros()) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised.

        Raises:
            ShapeError: `x` has another number of axes.
        """
        if x.ndim != self._rank:
            raise ShapeError(f"{type(self).__name__} takes {self._rank} axes, was given {x.type}")
        result: Tensor = call("instance_norm", x, self.weight, self.bias, self._eps)
        return result


class InstanceNorm1d(_InstanceNorm):
    """`instance_norm` of [N, C, L]."""

    _rank = 3


class InstanceNorm2d(_InstanceNorm):
    """`instance_norm` of [N, C, H, W]."""

    _rank = 4


class InstanceNorm3d(_InstanceNorm):
    """`instance_norm` of [N, C, D, H, W]."""

    _rank = 5


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x*x over `size` neighbouring channels) ** beta (Krizhevsky et al.,
    2012).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self._arguments = (size, alpha, beta, k)

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised."""
        result: Tensor = call("local_response_norm", x, *self._arguments)
        return result
