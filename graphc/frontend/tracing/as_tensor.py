"""Arrays, numbers and sizes where a tensor is meant."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import UsageError
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor, apply, call
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.ir.ops.creation import dim_value

__all__ = ["as_tensor"]


def as_tensor(value: Any, what: str) -> Tensor:
    """An array, number or dim as a tensor of the graph, a tensor as it is.

    Args:
        what: what the value is called in the error.

    Raises:
        UsageError: `value` is none of these.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray | np.generic):
        constant: Tensor = apply(_constant, np.asanyarray(value))
        return constant
    if isinstance(value, Dim):
        return Tensor(dim_value(dim=value, dtype=dtypes.i64))
    if isinstance(value, bool | int | float | complex):
        number: Tensor = call("full", (), value)
        return number
    raise UsageError(
        f"{what} is {shown(value)}, expected a tensor",
        code="argument-type",
        hint="give tensors, arrays or numbers, or lists, tuples, dicts and models of them",
    )


def _constant(x: Node) -> Node:
    return x
