"""Losses as modules; each is the function of its name, which can be called as well."""

from __future__ import annotations

from typing import Any

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss"]


class _Loss(Module):
    """A function of predictions and targets, reduced by "mean", "sum" or "none"."""

    _name: str

    def __init__(self, *, reduction: str = "mean") -> None:
        self._keywords: dict[str, Any] = {"reduction": reduction}

    def forward(self, prediction: Tensor, target: Any) -> Tensor:
        """The loss of `prediction` against `target`."""
        result: Tensor = call(self._name, prediction, target, **self._keywords)
        return result


class CrossEntropyLoss(_Loss):
    """The cross entropy of integer labels [...] under logits [..., classes].

    Args:
        ignore_index: the label of places that do not count.
        label_smoothing: the share of a label that all classes have in equal parts.
    """

    _name = "cross_entropy"

    def __init__(
        self, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction=reduction)
        self._keywords.update(ignore_index=ignore_index, label_smoothing=label_smoothing)


class MSELoss(_Loss):
    """The squared distance."""

    _name = "mse_loss"


class L1Loss(_Loss):
    """The absolute distance."""

    _name = "l1_loss"


class BCEWithLogitsLoss(_Loss):
    """The cross entropy of probabilities under sigmoid(logits)."""

    _name = "binary_cross_entropy_with_logits"
