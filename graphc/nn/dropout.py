"""Dropout: noise in training, nothing otherwise; each layer is the function of its name."""

from __future__ import annotations

from graphc.errors import UsageError
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import is_training
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class Dropout(Module):
    """In training, sets elements to 0 with probability `p` and scales the others by 1 / (1 - p).

    The mask is new at each call: it follows the unit's random counter, which is state. Outside
    `train_step` (and `trace(..., training=True)`) the layer is the identity.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting" (2014).
    """

    _function = "dropout"

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise UsageError(f"{type(self).__name__}({p}): expected a probability, 0 to 1")
        self._p = p

    def forward(self, x: Tensor) -> Tensor:
        """`x` with elements dropped, in training."""
        if not is_training() or self._p == 0:
            return x
        key = tracing().random_key(self)
        result: Tensor = call(self._function, x, self._p, seed=key.seed, stream=key.stream)
        return result


class Dropout1d(Dropout):
    """In training, `dropout` of whole channels [N, C, L]."""

    _function = "dropout1d"


class Dropout2d(Dropout):
    """In training, `dropout` of whole channels [N, C, H, W]."""

    _function = "dropout2d"


class Dropout3d(Dropout):
    """In training, `dropout` of whole channels [N, C, D, H, W]."""

    _function = "dropout3d"


class AlphaDropout(Dropout):
    """In training, dropout that keeps mean 0 and variance 1 of what `SELU` gives."""

    _function = "alpha_dropout"


class FeatureAlphaDropout(Dropout):
    """In training, `AlphaDropout` of whole channels [N, C, ...]."""

    _function = "feature_alpha_dropout"
