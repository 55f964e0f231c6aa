"""Fully connected layers, of one operand and of two."""

from __future__ import annotations

import math

from graphc.errors import ShapeError
from graphc.frontend.tracing.initializers import Initializer, kaiming_uniform, uniform, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.ops.argument_names import also_named

__all__ = ["Bilinear", "Linear"]


class Linear(Module):
    """`x @ weight.T + bias`, with `weight` [out_features, in_features] as PyTorch keeps it.

    Args:
        in_features, out_features: sizes of the last axis of the operand and of the result.
        bias: whether there is one.
        dtype: of weight and bias.
        init: first value of the weight. By default weight and bias are evenly spread over
            (-k, k) with k = 1 / sqrt(in_features), as in PyTorch.

    >>> for path, parameter in Linear(64, 10).named_parameters():
    ...     print(path, parameter.type)
    weight f32[10, 64]
    bias f32[10]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DType = dtypes.f32,
        *,
        init: Initializer | None = None,
    ) -> None:
        # Of slope sqrt(5) the bound sqrt(6 / ((1 + 5) * n)) is 1 / sqrt(n).
        self.weight = Parameter(
            (out_features, in_features), dtype, init or kaiming_uniform(math.sqrt(5))
        )
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        self.bias = (
            Parameter(out_features, dtype, uniform(-bound, bound) if bound else zeros())
            if bias
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """The layer applied to the last axis of `x`.

        Raises:
            ShapeError: the last axis of `x` is not `in_features`.
        """
        out_features, in_features = self.weight.sizes
        if x.ndim == 0 or x.shape[-1] != in_features:
            raise ShapeError(
                f"Linear({in_features}, {out_features}) takes [..., {in_features}], and was given "
                f"{x.type}",
                hint="change in_features, or the last axis of the operand, to match",
            )
        result: Tensor = call("linear", x, self.weight, self.bias)
        return result


class Bilinear(Module):
    """`x @ weight[k] @ y + bias[k]` for each k, with `weight` [out, in of x, in of y].

    Args:
        in1_features, in2_features, out_features: sizes of the last axes of both operands and of
            the result.
        bias: whether there is one.
        dtype: of weight and bias, at first evenly spread over (-k, k), k = 1 / sqrt(in1_features).
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        bound = 1 / math.sqrt(in1_features) if in1_features else 0.0
        init = uniform(-bound, bound) if bound else zeros()
        self.weight = Parameter((out_features, in1_features, in2_features), dtype, init)
        self.bias = Parameter(out_features, dtype, init) if bias else None

    @also_named(input1="x", input2="y")
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The layer applied to the last axes of `x` and `y`."""
        result: Tensor = call("bilinear", x, y, self.weight, self.bias)
        return result
