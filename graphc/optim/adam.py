"""Adam, and AdamW, whose weight decay is apart from the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.frontend.tracing.tensor import Tensor
from graphc.optim.optimizer import Optimizer, Rate, Scalar, is_at_least_0, require, sqrt

__all__ = ["Adam", "adam", "adamw"]


class Adam(Optimizer):
    """See `adam` and `adamw`; `decoupled` tells them apart."""

    slots = ("m", "v")
    counts_steps = True

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        name: str = "optimizer",
    ) -> None:
        super().__init__(lr, weight_decay, name)
        is_pair = isinstance(betas, tuple | list) and len(betas) == 2
        require(is_pair, "adam", "betas", betas, "two numbers, (0.9, 0.999)")
        for place, beta in enumerate(betas):
            is_share = is_at_least_0(beta) and beta < 1
            require(is_share, "adam", f"betas[{place}]", beta, "0 or more and below 1")
        require(is_at_least_0(eps), "adam", "eps", eps, "0 or more")
        self.betas = betas
        self.eps = eps
        self.decoupled = decoupled

    def scalars(self, rate: Scalar, step: Tensor | None) -> Mapping[str, Scalar]:
        """The step size and the divisor of sqrt(v), corrected for the zeros they started from."""
        assert step is not None
        first, second = self.betas
        return {
            "step_size": rate / (1.0 - first**step),
            "root_correction": sqrt(1.0 - second**step),
            "decay": 1.0 - rate * self.weight_decay,
        }

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Sequence[Tensor],
        scalars: Mapping[str, Scalar],
    ) -> tuple[Tensor, ...]:
        """The new parameter, and the new means of the gradient and of its square."""
        first, second = self.betas
        m, v = slots
        if self.weight_decay and self.decoupled:
            parameter = scalars["decay"] * parameter
        elif self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        m = _between(m, gradient, 1.0 - first)
        v = second * v + (1.0 - second) * gradient * gradient
        divisor = sqrt(v) / scalars["root_correction"] + self.eps
        return parameter - scalars["step_size"] * m / divisor, m, v


def _between(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """The point at `weight` on the way from start to end, exact at the end that it is nearer to."""
    if weight < 0.5:
        return start + weight * (end - start)
    return end - (1.0 - weight) * (end - start)


def adam(
    lr: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    name: str = "optimizer",
) -> Adam:
    """Adam, by the formulas of `torch.optim.Adam`.

        g = gradient + weight_decay * p
        m = m + (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    State: `<name>.step` (i64[]), `<name>.m.<parameter>`, `<name>.v.<parameter>`.

    Source: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization" (2015).

    Args:
        lr: the learning rate, or a function of the number of steps taken.
        betas: how much of the means of the gradient and of its square is kept at each step.
        eps: keeps the division finite.
        weight_decay: the factor of the L2 penalty.
        name: what its state is called.

    Raises:
        UsageError: an argument out of its range.
    """
    return Adam(lr, betas, eps, weight_decay, False, name)


def adamw(
    lr: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    name: str = "optimizer",
) -> Adam:
    """AdamW, by the formulas of `torch.optim.AdamW`: `adam` of p * (1 - lr * weight_decay).

    State and arguments as for `adam`; the weight decay does not pass through the means.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2019).

    Raises:
        UsageError: an argument out of its range.
    """
    return Adam(lr, betas, eps, weight_decay, True, name)
