"""Dropout: noise in training, nothing otherwise."""

from __future__ import annotations

from graphc.errors import UsageError
from graphc.frontend.module import Module
from graphc.frontend.state import is_training, tracing
from graphc.frontend.tensor import Tensor, apply
from graphc.ir.ops.dropouts import dropout

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, sets elements to 0 with probability `p` and scales the others by 1 / (1 - p).

    The mask is new at each call: it follows the unit's random counter, which is state. Outside
    `train_step` (and `trace(..., training=True)`) the layer is the identity.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting" (2014).
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise UsageError(f"Dropout({p}): expected a probability, 0 to 1")
        self._p = p

    def forward(self, x: Tensor) -> Tensor:
        """`x` with elements dropped, in training."""
        if not is_training() or self._p == 0:
            return x
        key = tracing().random_key(self)
        result: Tensor = apply(dropout, x, self._p, seed=key.seed, stream=key.stream)
        return result
