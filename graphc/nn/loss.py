"""Losses as modules; each is the function of its name, which can be called as well.

`reduction` is "mean", "sum" or "none". Arguments that follow others in PyTorch which are none here
are given by name. Weights that are numbers or arrays are arguments like others; for a checkpoint to
hold them, as PyTorch's do, give a `Buffer`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "NLLLoss",
    "TargetLoss",
    "Weights",
    "weights",
]

Weights = Any
"""A list of numbers, an array, or a `Buffer`; None weighs all alike."""


def weights(given: Weights) -> Any:
    """Weights as a tensor or an array."""
    return given if given is None or isinstance(given, Tensor) else np.asarray(given)


class Loss(Module):
    """A function of the registry with all but its tensors fixed."""

    def __init__(self, name: str, **keywords: Any) -> None:
        self._name = name
        self._keywords = keywords

    def _of(self, *operands: Any) -> Tensor:
        result: Tensor = call(self._name, *operands, **self._keywords)
        return result


class TargetLoss(Loss):
    """A loss of predictions and targets alone."""

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of `x` against `target`."""
        return self._of(x, target)


class CrossEntropyLoss(TargetLoss):
    """The cross entropy of integer labels [...] under logits [..., classes].

    Args:
        weight: a factor for each class; a mean divides by the sum of those of its labels.
        ignore_index: the label of places that do not count.
        label_smoothing: the share of a label that all classes have in equal parts.
    """

    def __init__(
        self,
        weight: Weights = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.weight = weights(weight)
        super().__init__(
            "cross_entropy",
            weight=self.weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class NLLLoss(TargetLoss):
    """The negative log likelihood of integer labels under log probabilities [..., classes].

    `weight` has a factor for each class; a mean divides by the sum of those of its labels.
    """

    def __init__(
        self, weight: Weights = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        self.weight = weights(weight)
        super().__init__(
            "nll_loss", weight=self.weight, ignore_index=ignore_index, reduction=reduction
        )


class MSELoss(TargetLoss):
    """The squared distance."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("mse_loss", reduction=reduction)


class L1Loss(TargetLoss):
    """The absolute distance."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("l1_loss", reduction=reduction)


class BCELoss(TargetLoss):
    """The cross entropy of probabilities under probabilities, each times its `weight`."""

    def __init__(self, weight: Weights = None, *, reduction: str = "mean") -> None:
        self.weight = weights(weight)
        super().__init__("binary_cross_entropy", weight=self.weight, reduction=reduction)


class BCEWithLogitsLoss(TargetLoss):
    """The cross entropy of probabilities under sigmoid(logits), each times its `weight`.

    `pos_weight` multiplies the part of the positive examples.
    """

    def __init__(
        self,
        weight: Weights = None,
        *,
        reduction: str = "mean",
        pos_weight: Weights = None,
    ) -> None:
        self.weight, self.pos_weight = weights(weight), weights(pos_weight)
        super().__init__(
            "binary_cross_entropy_with_logits",
            weight=self.weight,
            reduction=reduction,
            pos_weight=self.pos_weight,
        )
