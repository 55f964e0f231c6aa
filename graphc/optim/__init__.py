"""Optimizers, and the training step that they are part of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphc.frontend.tracing.members import no_member
from graphc.optim.adam import Adam, adam, adamw
from graphc.optim.optimizer import Optimizer
from graphc.optim.sgd import SGD, sgd
from graphc.optim.train_step import train_step

__all__ = ["LIBRARY", "SGD", "Adam", "Optimizer", "adam", "adamw", "sgd", "train_step"]

LIBRARY: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (adam, adamw, sgd, train_step)
}
"""What the language calls each optimizer; calling the value makes one."""


def __getattr__(name: str) -> NoReturn:
    raise no_member(__name__, name, __all__)
