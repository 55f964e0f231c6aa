"""The library of the language: what programs can name without an import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphc import nn, optim, transforms

__all__ = ["library"]

_TRANSFORMS: tuple[Callable[..., Any], ...] = (
    transforms.checkpoint,
    transforms.grad,
    transforms.hessian,
    transforms.jacfwd,
    transforms.jacobian,
    transforms.jvp,
    transforms.value_and_grad,
    transforms.vjp,
    transforms.vmap,
)


def library() -> Mapping[str, object]:
    """Layers, optimizers, `train_step` and transforms, by the names that programs call them.

    >>> sorted(set(library()) & {"Linear", "adamw", "train_step", "vmap"})
    ['Linear', 'adamw', 'train_step', 'vmap']
    """
    functions = {one.__name__: one for one in _TRANSFORMS}
    return {**nn.LIBRARY, **optim.LIBRARY, **functions}
