"""`checkpoint`: compute again for the gradient what would otherwise be kept until then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, map_leaves, rebuilt
from graphc.passes.recompute import recomputed
from graphc.transforms.variables import apply_to_variables

__all__ = ["checkpoint"]


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a gradient keeps the tensors that the function is given, and nothing inside it.

    What it needs of the inside is computed again, once the gradient of what follows is known. The
    bits are the same; memory is traded for time. What the function computes of captured tensors
    and parameters alone is kept. A function with several results is computed again for each.

    Source: T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory
    cost" (2016).

    Raises (when the function is called):
        UsageError: a result is no tensor.

    >>> import graphc as gc
    >>> block = gc.checkpoint(lambda x: gc.tanh(gc.exp(x)))
    >>> round(float(gc.grad(block)(0.0)), 4)
    0.42
    """
    require_function(function, "checkpoint")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            given = (arguments, keywords)
            tensors = list(filter(_is_tensor, leaves(given)))

            def of_tensors(*tensors: Tensor) -> Any:
                values = iter(tensors)
                positional, named = map_leaves(
                    lambda leaf: next(values) if _is_tensor(leaf) else leaf, given
                )
                return function(*positional, **named)

            applied = apply_to_variables(
                of_tensors, tensors, {}, range(len(tensors)), differentiated=False
            )
            made = recomputed(applied.outputs, applied.variables, applied.values, applied.sources)
            return rebuilt(applied.result, map(Tensor, made))

    return derived


def _is_tensor(leaf: Any) -> bool:
    """Whether a leaf is a tensor: numbers stay what they are, models keep their parameters."""
    return isinstance(leaf, Tensor | np.ndarray | np.generic)
