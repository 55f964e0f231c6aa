"""Activations as modules, for containers; each is the function of its name."""

from __future__ import annotations

from typing import Any

from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.initializers import full
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter, is_training
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.ops.argument_names import also_named
from graphc.nn.function_layer import UnaryLayer

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class Identity(Module):
    """x, whatever the layer is made of, so that it may stand for any other one."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        """Takes all arguments, and none has a meaning."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` itself."""
        return x


class ReLU(UnaryLayer):
    """max(x, 0)."""

    def __init__(self) -> None:
        super().__init__("relu")


class LeakyReLU(UnaryLayer):
    """x above 0, `negative_slope` * x below."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__("leaky_relu", negative_slope=negative_slope)


class ELU(UnaryLayer):
    """x above 0, alpha * (exp(x) - 1) below (D.-A. Clevert et al., 2015)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__("elu", alpha=alpha)


class GELU(UnaryLayer):
    """x times the normal distribution function of x; `approximate="tanh"` computes it by tanh."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__("gelu", approximate=approximate)


class SiLU(UnaryLayer):
    """x * sigmoid(x)."""

    def __init__(self) -> None:
        super().__init__("silu")


class Softplus(UnaryLayer):
    """log(1 + exp(beta * x)) / beta, and x where beta * x is above `threshold`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__("softplus", beta=beta, threshold=threshold)


class Tanh(UnaryLayer):
    """The hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__("tanh")


class Sigmoid(UnaryLayer):
    """1 / (1 + exp(-x))."""

    def __init__(self) -> None:
        super().__init__("sigmoid")


class Softmax(UnaryLayer):
    """exp(x) / sum(exp(x)) along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("softmax", axis=axis)


class Softmax2d(UnaryLayer):
    """Softmax along the channels of [N, C, H, W]."""

    def __init__(self) -> None:
        super().__init__("softmax", axis=-3)


class LogSoftmax(UnaryLayer):
    """The logarithm of softmax along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("log_softmax", axis=axis)


class CELU(UnaryLayer):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)) (J. Barron, 2017)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__("celu", alpha=alpha)


class GLU(UnaryLayer):
    """a * sigmoid(b) of the halves a and b of an axis (Y. Dauphin et al., 2017)."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("glu", axis=axis)


class Hardshrink(UnaryLayer):
    """x where |x| > bound, else 0."""

    @also_named(lambd="bound")
    def __init__(self, bound: float = 0.5) -> None:
        super().__init__("hardshrink", bound=bound)


class Hardsigmoid(UnaryLayer):
    """x / 6 + 1/2, limited to 0 .. 1."""

    def __init__(self) -> None:
        super().__init__("hardsigmoid")


class Hardswish(UnaryLayer):
    """x * hardsigmoid(x) (A. Howard et al., 2019)."""

    def __init__(self) -> None:
        super().__init__("hardswish")


class Hardtanh(UnaryLayer):
    """x limited to min_val .. max_val."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__("hardtanh", min_val=min_val, max_val=max_val)


class LogSigmoid(UnaryLayer):
    """The logarithm of sigmoid(x)."""

    def __init__(self) -> None:
        super().__init__("logsigmoid")


class Mish(UnaryLayer):
    """x * tanh(softplus(x)) (D. Misra, 2019)."""

    def __init__(self) -> None:
        super().__init__("mish")


class ReLU6(UnaryLayer):
    """x limited to 0 .. 6."""

    def __init__(self) -> None:
        super().__init__("relu6")


class SELU(UnaryLayer):
    """Scaled exponential linear units (G. Klambauer et al., 2017)."""

    def __init__(self) -> None:
        super().__init__("selu")


class Softmin(UnaryLayer):
    """Softmax of -x along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("softmin", axis=axis)


class Softshrink(UnaryLayer):
    """x moved towards 0 by `bound`."""

    @also_named(lambd="bound")
    def __init__(self, bound: float = 0.5) -> None:
        super().__init__("softshrink", bound=bound)


class Softsign(UnaryLayer):
    """x / (1 + |x|)."""

    def __init__(self) -> None:
        super().__init__("softsign")


class Tanhshrink(UnaryLayer):
    """x - tanh(x)."""

    def __init__(self) -> None:
        super().__init__("tanhshrink")


class Threshold(UnaryLayer):
    """x where it is above `threshold`, else `value`."""

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__("threshold", threshold=threshold, value=value)


class PReLU(Module):
    """x above 0, `weight` * x below, one weight for all or for each channel (He et al., 2015)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, dtype: DType = dtypes.f32
    ) -> None:
        self.weight = Parameter(num_parameters, dtype, full(init))

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`, whose channels are axis 1."""
        result: Tensor = call("prelu", x, self.weight)
        return result


class RReLU(Module):
    """x above 0, below x times a slope drawn anew from `lower` .. `upper` for each element in
    training, and times the mean of both otherwise (B. Xu et al., 2015).
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        self._lower, self._upper = lower, upper

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        if not is_training():
            result: Tensor = call("rrelu", x, self._lower, self._upper)
            return result
        key = tracing().random_key(self)
        slope = call(
            "uniform", x.shape, self._lower, self._upper, x.dtype, seed=key.seed, stream=key.stream
        )
        drawn: Tensor = call("where", x > 0, x, x * slope)
        return drawn
