"""Activations as modules, for containers; each is the function of its name."""

from __future__ import annotations

from typing import Any

from graphc.frontend.module import Module
from graphc.frontend.tensor import Tensor, call

__all__ = [
    "ELU",
    "GELU",
    "Identity",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class _Function(Module):
    """A function of the registry with fixed arguments."""

    def __init__(self, name: str, **keywords: Any) -> None:
        self._name = name
        self._keywords = keywords

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        result: Tensor = call(self._name, x, **self._keywords)
        return result


class Identity(Module):
    """x."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` itself."""
        return x


class ReLU(_Function):
    """max(x, 0)."""

    def __init__(self) -> None:
        super().__init__("relu")


class LeakyReLU(_Function):
    """x above 0, `negative_slope` * x below."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__("leaky_relu", negative_slope=negative_slope)


class ELU(_Function):
    """x above 0, alpha * (exp(x) - 1) below (D.-A. Clevert et al., 2015)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__("elu", alpha=alpha)


class GELU(_Function):
    """x times the normal distribution function of x; `approximate="tanh"` computes it by tanh."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__("gelu", approximate=approximate)


class SiLU(_Function):
    """x * sigmoid(x)."""

    def __init__(self) -> None:
        super().__init__("silu")


class Softplus(_Function):
    """log(1 + exp(x))."""

    def __init__(self) -> None:
        super().__init__("softplus")


class Tanh(_Function):
    """The hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__("tanh")


class Sigmoid(_Function):
    """1 / (1 + exp(-x))."""

    def __init__(self) -> None:
        super().__init__("sigmoid")


class Softmax(_Function):
    """exp(x) / sum(exp(x)) along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("softmax", axis=axis)


class LogSoftmax(_Function):
    """The logarithm of softmax along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__("log_softmax", axis=axis)
