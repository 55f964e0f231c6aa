"""Losses as modules; each is the function of its name, which can be called as well.

`reduction` is "mean", "sum" or "none". Arguments that follow others in PyTorch which are none here
are given by name. Weights that are numbers or arrays are arguments like others; for a checkpoint to
hold them, as PyTorch's do, give a `Buffer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call, function
from graphc.ir.ops.argument_names import also_named
from graphc.nn.function_layer import FunctionLayer

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]

Weights = Any
"""A list of numbers, an array, or a `Buffer`; None weighs all alike."""


def _weights(given: Weights) -> Any:
    """Weights as a tensor or an array."""
    return given if given is None or isinstance(given, Tensor) else np.asarray(given)


class _TargetLoss(FunctionLayer):
    """A loss of predictions and targets alone."""

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of `x` against `target`."""
        return self._of(x, target)


class CrossEntropyLoss(_TargetLoss):
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
        self.weight = _weights(weight)
        super().__init__(
            "cross_entropy",
            weight=self.weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class NLLLoss(_TargetLoss):
    """The negative log likelihood of integer labels under log probabilities [..., classes].

    `weight` has a factor for each class; a mean divides by the sum of those of its labels.
    """

    def __init__(
        self, weight: Weights = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        self.weight = _weights(weight)
        super().__init__(
            "nll_loss", weight=self.weight, ignore_index=ignore_index, reduction=reduction
        )


class MSELoss(_TargetLoss):
    """The squared distance."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("mse_loss", reduction=reduction)


class L1Loss(_TargetLoss):
    """The absolute distance."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("l1_loss", reduction=reduction)


class BCELoss(_TargetLoss):
    """The cross entropy of probabilities under probabilities, each times its `weight`."""

    def __init__(self, weight: Weights = None, *, reduction: str = "mean") -> None:
        self.weight = _weights(weight)
        super().__init__("binary_cross_entropy", weight=self.weight, reduction=reduction)


class BCEWithLogitsLoss(_TargetLoss):
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
        self.weight, self.pos_weight = _weights(weight), _weights(pos_weight)
        super().__init__(
            "binary_cross_entropy_with_logits",
            weight=self.weight,
            reduction=reduction,
            pos_weight=self.pos_weight,
        )


class CTCLoss(FunctionLayer):
    """The negative log likelihood of targets over all alignments with their input (A. Graves et
    al., 2006).
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__("ctc_loss", blank=blank, reduction=reduction, zero_infinity=zero_infinity)

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """The loss of `log_probs` [time, batch, classes] (see `ctc_loss`)."""
        return self._of(log_probs, targets, input_lengths, target_lengths)


class CosineEmbeddingLoss(FunctionLayer):
    """One less the cosine of the angle of pairs that belong together (target 1), the cosine above
    `margin` of those that do not (-1).
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__("cosine_embedding_loss", margin=margin, reduction=reduction)

    @also_named(input1="x", input2="y")
    def forward(self, x: Tensor, y: Tensor, target: Tensor) -> Tensor:
        """The loss of pairs of rows."""
        return self._of(x, y, target)


class GaussianNLLLoss(FunctionLayer):
    """The negative log likelihood of a target under normal distributions of given variance."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__("gaussian_nll_loss", full=full, eps=eps, reduction=reduction)

    def forward(self, x: Tensor, target: Tensor, var: Any) -> Tensor:
        """The loss of expected values `x` with variances `var`."""
        return self._of(x, target, var)


class HingeEmbeddingLoss(_TargetLoss):
    """x where the target is 1, max(0, margin - x) where it is -1."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__("hinge_embedding_loss", margin=margin, reduction=reduction)


class HuberLoss(_TargetLoss):
    """Half the square up to `delta`, linear beyond (P. Huber, 1964)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__("huber_loss", delta=delta, reduction=reduction)


class KLDivLoss(_TargetLoss):
    """The divergence of a target distribution from one that is given by its logarithm."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("kl_div", log_target=log_target, reduction=reduction)


class MarginRankingLoss(FunctionLayer):
    """max(0, margin - target * (x - y))."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__("margin_ranking_loss", margin=margin, reduction=reduction)

    @also_named(input1="x", input2="y")
    def forward(self, x: Tensor, y: Tensor, target: Tensor) -> Tensor:
        """The loss of pairs, of which `x` should be the larger where the target is 1."""
        return self._of(x, y, target)


class MultiLabelMarginLoss(_TargetLoss):
    """The margins between classes of an example and all others."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("multilabel_margin_loss", reduction=reduction)


class MultiLabelSoftMarginLoss(_TargetLoss):
    """The cross entropy of each class by itself, times its `weight`, over examples."""

    def __init__(self, weight: Weights = None, *, reduction: str = "mean") -> None:
        self.weight = _weights(weight)
        super().__init__("multilabel_soft_margin_loss", weight=self.weight, reduction=reduction)


class MultiMarginLoss(_TargetLoss):
    """The margins between the class of an example and all others, times the class's `weight`."""

    def __init__(
        self,
        p: float = 1.0,
        margin: float = 1.0,
        weight: Weights = None,
        *,
        reduction: str = "mean",
    ) -> None:
        self.weight = _weights(weight)
        super().__init__(
            "multi_margin_loss", p=p, margin=margin, weight=self.weight, reduction=reduction
        )


class PoissonNLLLoss(FunctionLayer):
    """The negative log likelihood of counts under Poisson distributions."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            "poisson_nll_loss", log_input=log_input, full=full, eps=eps, reduction=reduction
        )

    @also_named(log_input="x")
    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of rates, or of their logarithms, `x`."""
        return self._of(x, target)


class SmoothL1Loss(_TargetLoss):
    """The square below `beta`, the absolute distance beyond (R. Girshick, 2015)."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__("smooth_l1_loss", beta=beta, reduction=reduction)


class SoftMarginLoss(_TargetLoss):
    """log(1 + exp(-target * x))."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("soft_margin_loss", reduction=reduction)


class TripletMarginLoss(FunctionLayer):
    """How much nearer an anchor is to its match than to another, up to `margin`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            "triplet_margin_loss", margin=margin, p=p, eps=eps, swap=swap, reduction=reduction
        )

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of rows."""
        return self._of(anchor, positive, negative)


class TripletMarginWithDistanceLoss(Module):
    """`TripletMarginLoss` under a distance of one's own: a function of two tensors, by default
    `pairwise_distance`.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        self._distance = distance_function or function("pairwise_distance")
        self._margin, self._swap, self._reduction = margin, swap, reduction

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """How much nearer `anchor` is to `positive` than to `negative`, up to the margin.

        `swap`: the negative's distance from the positive counts, where it is the smaller.
        """
        near, far = self._distance(anchor, positive), self._distance(anchor, negative)
        if self._swap:
            far = call("minimum", far, self._distance(positive, negative))
        sign = call("ones_like", far)
        result: Tensor = call(
            "margin_ranking_loss", far, near, sign, self._margin, reduction=self._reduction
        )
        return result
