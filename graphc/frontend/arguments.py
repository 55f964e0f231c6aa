"""Which arguments a function of the registry takes, for errors that a person can act on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import UsageError
from graphc.ir.node import Node
from graphc.ir.op import functions

__all__ = ["is_tensor_first", "name_of", "refuse_other_than_tensors", "usage"]


@functools.cache
def _signature(operation: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(operation)


def usage(operation: Callable[..., Any]) -> str:
    """How a function is called: `softmax(x, axis=-1)`."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in _signature(operation).parameters.values()
    ]
    return f"{name_of(operation)}{inspect.Signature(parameters)}"


def name_of(operation: Callable[..., Any]) -> str:
    """What the registry calls a function, or else what Python does."""
    return next(
        (name for name, candidate in functions.items() if candidate is operation),
        getattr(operation, "__name__", "the function"),
    )


def refuse_other_than_tensors(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Name the argument that should be a tensor: the functions themselves would not.

    Raises:
        UsageError: a parameter annotated with `Node` is given something else.
    """
    parameters = _signature(operation).parameters
    by_name = dict(zip(parameters, given, strict=False)) | dict(named)
    for name, value in by_name.items():
        if isinstance(value, Node) or name not in parameters:
            continue
        parameter = parameters[name]
        if parameter.annotation == "Node" and parameter.kind is not parameter.VAR_POSITIONAL:
            is_number = isinstance(value, bool | int | float | complex)
            raise UsageError(
                f"{name_of(operation)}: {name} is {value!r} ({type(value).__name__}), "
                "expected a tensor",
                code="argument",
                hint="make one: full((), value, dtype)" if is_number else None,
            )


def is_tensor_first(operation: Callable[..., Any]) -> bool:
    """Whether the first argument is a tensor, so that it can be called as a method."""
    first = next(iter(_signature(operation).parameters.values()), None)
    return first is not None and first.annotation in ("Node", "Operand", Node)
