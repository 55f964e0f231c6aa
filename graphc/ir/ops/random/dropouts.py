"""Dropout: elements, channels, or what `selu` gives, left out at random.

Each takes the `seed` and the `stream` of its draw, as all random functions do.
"""

from __future__ import annotations

from graphc.errors import ShapeError, UsageError
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.creation.constants import constant_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, scaled
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.random.distributions import bernoulli
from graphc.ir.ops.views.shape import broadcast_to

__all__ = ["dropout"]


def _require_probability(name: str, probability: float) -> None:
    if not 0 <= probability <= 1:
        raise UsageError(f"{name}: the probability is {probability}, expected 0 to 1")


@surface("dropout")
@also_named(p="probability")
def dropout(
    x: Node, probability: float = 0.5, training: bool = True, *, seed: Node, stream: int
) -> Node:
    """`x` with elements set to 0 with `probability`, the others scaled so that the mean stays.

    `x` itself where it is not `training`, and so for all kinds of dropout.
    """
    return _dropped("dropout", x, x.shape, probability, training, seed, stream)


def _dropped(
    name: str,
    x: Node,
    shape: tuple[DimLike, ...],
    probability: float,
    training: bool,
    seed: Node,
    stream: int,
) -> Node:
    """`x` with what one draw of `shape` drops at 0, and the rest scaled up."""
    _require_probability(name, probability)
    if probability == 0 or not training:
        return x
    if probability == 1:
        return zeros_like(x)
    keep, _ = broadcast(bernoulli(shape, 1 - probability, seed=seed, stream=stream), x)
    return where(keep, divide(x, constant_like(1 - probability, x)), zeros_like(x))


_CHANNEL_DROPOUTS = (1, 2, 3)


def _declare_channel_dropout(rank: int) -> None:
    name = f"dropout{rank}d"

    @also_named(p="probability")
    def drop(
        x: Node, probability: float = 0.5, training: bool = True, *, seed: Node, stream: int
    ) -> Node:
        if len(x.shape) not in (rank + 1, rank + 2):
            raise ShapeError(f"{name}: the operand is {x.type}, expected {rank + 2} axes")
        kept = (*x.shape[:-rank], *(1,) * rank)
        return _dropped(name, x, kept, probability, training, seed, stream)

    drop.__name__ = drop.__qualname__ = name
    drop.__doc__ = "`dropout` of whole channels: all of [N, C, ...] at one N and C, or none."
    surface(name)(drop)


for _rank in _CHANNEL_DROPOUTS:
    _declare_channel_dropout(_rank)


@surface("alpha_dropout")
@also_named(p="probability")
def alpha_dropout(
    x: Node, probability: float = 0.5, training: bool = True, *, seed: Node, stream: int
) -> Node:
    """Dropout that keeps mean 0 and variance 1 of what `selu` gives.

    Dropped elements take the value that `selu` saturates at (G. Klambauer et al.,
    "Self-normalizing neural networks", 2017).
    """
    return _alpha_dropped("alpha_dropout", x, x.shape, probability if training else 0, seed, stream)


@surface("feature_alpha_dropout")
@also_named(p="probability")
def feature_alpha_dropout(
    x: Node, probability: float = 0.5, training: bool = True, *, seed: Node, stream: int
) -> Node:
    """`alpha_dropout` of whole channels: all of [N, C, ...] at one N and C, or none."""
    if len(x.shape) < 2:
        raise ShapeError(f"feature_alpha_dropout: the operand is {x.type}, expected [N, C, ...]")
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
    share = probability if training else 0
    return _alpha_dropped("feature_alpha_dropout", x, shape, share, seed, stream)


@rounded_once
def _alpha_dropped(
    name: str,
    x: Node,
    shape: tuple[DimLike, ...],
    probability: float,
    seed: Node,
    stream: int,
) -> Node:
    """`x` with what one draw of `shape` drops at the value that `selu` saturates at."""
    _require_probability(name, probability)
    if probability in (0, 1):
        return x if probability == 0 else zeros_like(x)
    keep = broadcast_to(bernoulli(shape, 1 - probability, seed=seed, stream=stream), shape=x.shape)
    low = -1.0507009873554805 * 1.6732632423543772
    share = 1 - probability
    slope = (share + low**2 * share * probability) ** -0.5
    offset = -slope * low * probability
    mixed = where(keep, x, constant_like(low, x))
    return add(scaled(mixed, slope), constant_like(offset, x))
