"""How near vectors are to each other, as modules; each is the function of its name."""

from __future__ import annotations

from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.ops.argument_names import also_named
from graphc.nn.function_layer import FunctionLayer

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(FunctionLayer):
    """The cosine of the angle between vectors along an axis; norms below `eps` count as `eps`."""

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        super().__init__("cosine_similarity", axis=axis, eps=eps)

    @also_named(x1="x", x2="y")
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The cosines of vectors of `x` and `y`."""
        return self._of(x, y)


class PairwiseDistance(FunctionLayer):
    """The p-norm of x - y + eps along the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> None:
        super().__init__("pairwise_distance", p, eps, keepdims)

    @also_named(x1="x", x2="y")
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distances of vectors of `x` from those of `y`."""
        return self._of(x, y)
