"""Normalisation of each row by its own statistics."""

from __future__ import annotations

from graphc.frontend.tracing.initializers import ones, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["LayerNorm", "RMSNorm"]

Shape = int | tuple[int, ...] | list[int]


def _sizes(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) over the last axes, scaled and shifted (J. L. Ba et al., 2016).

    Args:
        normalized_shape: sizes of the axes at the end that are normalised together.
        eps: keeps the division finite.
        elementwise_affine: whether there are a weight (at first 1) and a bias (at first 0).
        bias: whether there is a bias beside the weight.
    """

    def __init__(
        self,
        normalized_shape: Shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._sizes, self._eps = _sizes(normalized_shape), eps
        self.weight = Parameter(self._sizes, dtype, ones()) if elementwise_affine else None
        has_bias = elementwise_affine and bias
        self.bias = Parameter(self._sizes, dtype, zeros()) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised."""
        result: Tensor = call("layer_norm", x, self._sizes, self.weight, self.bias, self._eps)
        return result


class RMSNorm(Module):
    """x / sqrt(mean(x*x) + eps) over the last axes, scaled (B. Zhang and R. Sennrich, 2019).

    Args:
        normalized_shape: sizes of the axes at the end that are normalised together.
        eps: keeps the division finite; by default the epsilon of the operand's dtype.
        elementwise_affine: whether there is a weight (at first 1).
    """

    def __init__(
        self,
        normalized_shape: Shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._sizes, self._eps = _sizes(normalized_shape), eps
        self.weight = Parameter(self._sizes, dtype, ones()) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised."""
        result: Tensor = call("rms_norm", x, self._sizes, self.weight, self._eps)
        return result
