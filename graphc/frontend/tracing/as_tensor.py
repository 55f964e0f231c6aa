"""Arrays, numbers and sizes where a tensor is meant."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import UsageError
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor, apply, call
from graphc.frontend.tracing.trees import map_leaves, named_leaves, rebuilt
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.dlpack import has_dlpack
from graphc.ir.node import Node
from graphc.ir.ops.creation.constants import dim_value

__all__ = ["as_tensor", "as_tensors", "result_tensors"]


_TENSORS = Tensor | Dim | bool | int | float | complex | np.ndarray | np.generic


def as_tensor(value: Any, what: str) -> Tensor:
    """An array, number or dim as a tensor of the graph, a tensor as it is.

    Args:
        what: what the value is called in the error.

    Raises:
        UsageError: `value` is none of these.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.generic):
        value = np.asanyarray(value)
    if has_dlpack(value):
        constant: Tensor = apply(_constant, value)
        return constant
    if isinstance(value, Dim):
        return Tensor(dim_value(dim=value, dtype=dtypes.i64))
    if isinstance(value, bool | int | float | complex):
        number: Tensor = call("full", (), value)
        return number
    raise UsageError(
        f"{what} is {shown(value)}, expected a tensor",
        code="argument-type",
        hint="give tensors, arrays or numbers, or containers and models of them; what is none of "
        "these may be a static field of a dataclass, field(metadata={'static': True})",
    )


def as_tensors(tree: Any, what: str) -> Any:
    """A tree with its arrays, numbers and dims as tensors, see `as_tensor`."""
    return rebuilt(tree, [as_tensor(leaf, name) for name, leaf in named_leaves(tree, what)])


def result_tensors(result: Any) -> Any:
    """What a function returned, with arrays, numbers and dims as tensors, state as its value.

    Raises:
        UsageError: it holds something else.
    """
    for name, leaf in named_leaves(result, "the result"):
        if not isinstance(leaf, _TENSORS) and not has_dlpack(leaf):
            is_function = callable(leaf)
            raise UsageError(
                f"{name} is {'a function' if is_function else shown(leaf)}, expected a tensor",
                code="result",
                hint="call it: x.sum() in place of x.sum"
                if is_function
                else "return tensors, arrays or numbers, or containers of them",
            )
    return map_leaves(lambda one: Tensor(one.node), as_tensors(result, "the result"))


def _constant(x: Node) -> Node:
    return x
