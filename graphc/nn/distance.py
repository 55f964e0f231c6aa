"""How near vectors are to each other, as modules; each is the function of its name."""

from __future__ import annotations

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.ops.spelling import also_named

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along an axis; norms below `eps` count as `eps`."""

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        self._axis, self._eps = axis, eps

    @also_named(x1="x", x2="y")
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The cosines of vectors of `x` and `y`."""
        result: Tensor = call("cosine_similarity", x, y, axis=self._axis, eps=self._eps)
        return result


class PairwiseDistance(Module):
    """The p-norm of x - y + eps along the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> None:
        self._p, self._eps, self._keepdims = p, eps, keepdims

    @also_named(x1="x", x2="y")
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distances of vectors of `x` from those of `y`."""
        result: Tensor = call("pairwise_distance", x, y, self._p, self._eps, self._keepdims)
        return result
