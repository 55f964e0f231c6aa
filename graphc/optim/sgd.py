"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.frontend.tracing.tensor import Tensor
from graphc.optim.optimizer import Optimizer, Rate, Scalar, is_at_least_0, require

__all__ = ["SGD", "sgd"]


class SGD(Optimizer):
    """See `sgd`."""

    def __init__(
        self,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        name: str = "optimizer",
    ) -> None:
        super().__init__(lr, weight_decay, name)
        require(is_at_least_0(momentum), "sgd", "momentum", momentum, "0 or more")
        require(not nesterov or momentum > 0, "sgd", "nesterov", nesterov, "a momentum beside it")
        self.momentum = momentum
        self.nesterov = nesterov
        self.slots = ("momentum",) if momentum else ()

    def scalars(self, rate: Scalar, step: Tensor | None) -> Mapping[str, Scalar]:
        """The learning rate."""
        return {"rate": rate}

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Sequence[Tensor],
        scalars: Mapping[str, Scalar],
    ) -> tuple[Tensor, ...]:
        """The parameter moved against its gradient, and the new momentum."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if not self.momentum:
            return (parameter - scalars["rate"] * gradient,)
        velocity = self.momentum * slots[0] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return parameter - scalars["rate"] * direction, velocity


def sgd(
    lr: Rate = 1e-3,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    name: str = "optimizer",
) -> SGD:
    """Stochastic gradient descent, by the formulas of `torch.optim.SGD`.

        g = gradient + weight_decay * p
        v = momentum * v + g
        p = p - lr * (g + momentum * v if nesterov else v)

    State: `<name>.momentum.<parameter>` if there is momentum.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep
    learning" (2013), with the learning rate outside of the velocity.

    Args:
        lr: the learning rate, or a function of the number of steps taken.
        momentum: how much of the velocity is kept.
        nesterov: look ahead along the velocity.
        weight_decay: the factor of the L2 penalty.
        name: what its state is called.

    Raises:
        UsageError: an argument out of its range.
    """
    return SGD(lr, momentum, nesterov, weight_decay, name)
