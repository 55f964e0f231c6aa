"""`checkpoint`: compute again for the gradient what would otherwise be kept until then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, rebuilt
from graphc.passes.recompute import recomputed
from graphc.transforms.variables import apply_to_variables, result_nodes

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
            chosen = [place for place, one in enumerate(arguments) if _holds_tensors(one)]
            applied = apply_to_variables(function, arguments, keywords, chosen)
            results = result_nodes(applied.result)
            made = recomputed(results, applied.variables, applied.values, applied.sources)
            return rebuilt(applied.result, map(Tensor, made))

    return derived


def _holds_tensors(argument: Any) -> bool:
    """Whether the argument is a tensor or a tree of them; models keep their parameters."""
    found = list(leaves(argument))
    return bool(found) and all(isinstance(one, Tensor | np.ndarray | np.generic) for one in found)
