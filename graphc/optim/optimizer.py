"""What every optimizer shares: its state beside each parameter, and how a step is applied."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.initializers import zeros
from graphc.frontend.tracing.state import Buffer, Parameter, State
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes

__all__ = ["Optimizer", "Rate", "Scalar", "is_at_least_0", "require", "sqrt"]

Scalar = float | Tensor
"""A number known while the graph is built, or a tensor without axes."""

Rate = float | Callable[[Tensor], Any]
"""A learning rate: a number, or a function of the number of steps taken (f64[]) that gives one."""


def require(holds: bool, optimizer: str, name: str, value: object, expected: str) -> None:
    """Refuse an argument of an optimizer.

    Raises:
        UsageError: `holds` is false.
    """
    if not holds:
        raise UsageError(
            f"{optimizer}: {name} is {value!r}, expected {expected}", code="optimizer-argument"
        )


def is_at_least_0(value: object) -> bool:
    """Whether a value is a number, and not negative."""
    return isinstance(value, Real) and float(value) >= 0


class Optimizer:
    """Base of optimizers: `update` says how one parameter changes.

    Every element of every parameter is computed by the same expression: what does not differ
    between elements (bias corrections, a scheduled learning rate) is computed once, in f64, as a
    tensor without axes. Parameters narrower than f32 are updated in f32, and their slots are f32.

    Args:
        lr: the learning rate, or a schedule: a function of the number of steps already taken.
        weight_decay: how strongly parameters are pulled to 0.
        name: what the optimizer's state is called: `optimizer.step`, `optimizer.m.fc1.weight`.

    Raises:
        UsageError: a learning rate or weight decay that is negative, or a name that is none.
    """

    slots: tuple[str, ...] = ()
    """What is kept beside each parameter, in order of declaration; at first 0."""

    counts_steps = False
    """Whether the number of the step is needed even with a fixed learning rate."""

    def __init__(self, lr: Rate, weight_decay: float, name: str) -> None:
        kind = type(self).__name__
        is_rate = callable(lr) or is_at_least_0(lr)
        require(is_rate, kind, "lr", lr, "a number of 0 or more, or a schedule")
        require(is_at_least_0(weight_decay), kind, "weight_decay", weight_decay, "0 or more")
        is_name = isinstance(name, str) and name.isidentifier()
        require(is_name, kind, "name", name, "an identifier")
        self.lr = lr
        self.weight_decay = weight_decay
        self.name = name

    def apply(self, parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
        """Update every parameter by its gradient, in the active trace."""
        # By identity, for == of parameters would build a graph.
        owner = (id(self), *map(id, parameters))
        step = self._counted(owner) if self.counts_steps or callable(self.lr) else None
        # Slot by slot, so that one slot of all parameters lies together in memory.
        slots = [[self._slot(slot, one, owner) for one in parameters] for slot in self.slots]
        scalars = self.scalars(self._rate(step), step)
        rows = zip(parameters, gradients, *slots, strict=True)
        for parameter, gradient, *own in rows:
            self._apply_to(parameter, gradient, own, scalars)

    def _apply_to(
        self,
        parameter: State,
        gradient: Tensor,
        own: Sequence[State],
        scalars: Mapping[str, Scalar],
    ) -> None:
        wide = parameter.dtype.accumulator
        local = {
            name: value.astype(wide) if isinstance(value, Tensor) else value
            for name, value in scalars.items()
        }
        new, *kept = self.update(parameter.astype(wide), gradient.astype(wide), own, local)
        parameter.update(new.astype(parameter.dtype))
        for state, value in zip(own, kept, strict=True):
            state.update(value)

    def _slot(self, slot: str, parameter: Parameter, owner: Hashable) -> State:
        table = tracing().table
        path = f"{self.name}.{slot}.{table.path(parameter)}"
        wide = parameter.dtype.accumulator
        return table.own(path, owner, lambda: Buffer(parameter.sizes, wide, zeros()))

    def _counted(self, owner: Hashable) -> Tensor:
        """The number of this step, 1 at the first: f64[], from a counter that is state."""
        counter = tracing().table.own(
            f"{self.name}.step", owner, lambda: Buffer((), dtypes.i64, zeros())
        )
        counter.update(counter + 1)
        return Tensor(counter.node).astype(dtypes.f64)  # type: ignore[no-any-return]

    def _rate(self, step: Tensor | None) -> Scalar:
        if not callable(self.lr) or step is None:
            return self.lr  # type: ignore[return-value]
        rate = self.lr(step - 1)
        if not isinstance(rate, Tensor):
            return float(rate)
        if rate.shape:
            raise ShapeError(f"the schedule of {self.name} gives {rate.type}, expected f64[]")
        return rate.astype(dtypes.f64)  # type: ignore[no-any-return]

    def scalars(self, rate: Scalar, step: Tensor | None) -> Mapping[str, Scalar]:
        """What is the same for all elements, by name.

        Args:
            rate: the learning rate of this step.
            step: its number (f64[]), where `counts_steps`.
        """
        raise NotImplementedError

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Sequence[Tensor],
        scalars: Mapping[str, Scalar],
    ) -> tuple[Tensor, ...]:
        """The new values of a parameter and of its slots; all of one dtype."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<optimizer {type(self).__name__} {self.name!r}>"


def sqrt(value: Tensor) -> Tensor:
    """The square root."""
    root: Tensor = call("sqrt", value)
    return root
