"""Losses of margins and of distributions as modules; each is the function of its name.

`reduction` is "mean", "sum" or "none". Arguments that follow others in PyTorch which are none here
are given by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call, function

__all__ = [
    "BCELoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
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


class _Loss(Module):
    """A function of the registry with fixed arguments."""

    def __init__(self, name: str, **keywords: Any) -> None:
        self._name = name
        self._keywords = keywords

    def forward(self, *operands: Any) -> Tensor:
        """The loss of the operands, as of the function."""
        result: Tensor = call(self._name, *operands, **self._keywords)
        return result


class BCELoss(_Loss):
    """The cross entropy of probabilities under probabilities."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("binary_cross_entropy", reduction=reduction)


class CTCLoss(_Loss):
    """The negative log likelihood of targets over all alignments with their input (A. Graves et
    al., 2006).
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__("ctc_loss", blank=blank, reduction=reduction, zero_infinity=zero_infinity)


class CosineEmbeddingLoss(_Loss):
    """One less the cosine of the angle of pairs that belong together (target 1), the cosine above
    `margin` of those that do not (-1).
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__("cosine_embedding_loss", margin=margin, reduction=reduction)


class GaussianNLLLoss(_Loss):
    """The negative log likelihood of a target under normal distributions of given variance."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__("gaussian_nll_loss", full=full, eps=eps, reduction=reduction)


class HingeEmbeddingLoss(_Loss):
    """x where the target is 1, max(0, margin - x) where it is -1."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__("hinge_embedding_loss", margin=margin, reduction=reduction)


class HuberLoss(_Loss):
    """Half the square up to `delta`, linear beyond (P. Huber, 1964)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__("huber_loss", delta=delta, reduction=reduction)


class KLDivLoss(_Loss):
    """The divergence of a target distribution from one that is given by its logarithm."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("kl_div", log_target=log_target, reduction=reduction)


class MarginRankingLoss(_Loss):
    """max(0, margin - target * (x - y))."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__("margin_ranking_loss", margin=margin, reduction=reduction)


class MultiLabelMarginLoss(_Loss):
    """The margins between classes of an example and all others."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("multilabel_margin_loss", reduction=reduction)


class MultiLabelSoftMarginLoss(_Loss):
    """The cross entropy of each class by itself, over examples."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("multilabel_soft_margin_loss", reduction=reduction)


class MultiMarginLoss(_Loss):
    """The margins between the class of an example and all others."""

    def __init__(self, p: float = 1.0, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__("multi_margin_loss", p=p, margin=margin, reduction=reduction)


class NLLLoss(_Loss):
    """The negative log likelihood of integer labels under log probabilities [..., classes]."""

    def __init__(self, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__("nll_loss", ignore_index=ignore_index, reduction=reduction)


class PoissonNLLLoss(_Loss):
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


class SmoothL1Loss(_Loss):
    """The square below `beta`, the absolute distance beyond (R. Girshick, 2015)."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__("smooth_l1_loss", beta=beta, reduction=reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target * x))."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("soft_margin_loss", reduction=reduction)


class TripletMarginLoss(_Loss):
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
