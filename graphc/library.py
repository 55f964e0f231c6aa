"""The library of the language: what programs can name without an import."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from graphc import nn, optim, transforms
from graphc.errors import UsageError
from graphc.frontend.tracing.tensor import Tensor

__all__ = ["library"]

_TRANSFORMS = (
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
    functions = {one.__name__: _of_function(one) for one in _TRANSFORMS}
    return {**nn.LIBRARY, **optim.LIBRARY, **functions}


def _of_function(transform: Callable[..., Any]) -> Callable[..., Any]:
    """The transform, which says so where it is given something else than a function."""

    @functools.wraps(transform)
    def checked(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        if not callable(function) or isinstance(function, type | Tensor):
            raise UsageError(
                f"{transform.__name__} takes a function, and was given {function!r}",
                code="argument",
                hint=f"name a function: {transform.__name__}(f)",
            )
        return transform(function, *arguments, **keywords)

    return checked
