"""Which arguments a function of the registry takes, for errors that a person can act on."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import UsageError
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType, from_name
from graphc.ir.node import Node
from graphc.ir.op import functions

__all__ = ["is_tensor_first", "name_of", "refuse_misfits", "usage", "with_dtypes"]


_NO_NUMBERS = (str, list, tuple, dict, slice, DType, Node)

_MISFITS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "Node": ("a tensor", lambda value: not isinstance(value, Node)),
    "DType": ("a dtype", lambda value: not isinstance(value, DType)),
    "int": ("a whole number", lambda value: isinstance(value, (*_NO_NUMBERS, float, complex))),
    "float": ("a number", lambda value: isinstance(value, _NO_NUMBERS)),
    "Order": ("a number", lambda value: isinstance(value, _NO_NUMBERS)),
    "DimLike": (
        "a size",
        lambda value: isinstance(value, bool) or not isinstance(value, int | Dim),
    ),
    "Sequence[Node]": ("a list of tensors", lambda value: not isinstance(value, list | tuple)),
}
"""By annotation: what is expected, and which values certainly are something else."""


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


def refuse_misfits(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Name the argument that is no tensor, dtype or number: the functions themselves would not.

    Raises:
        UsageError: a parameter is given what its annotation has no room for.
    """
    parameters = _signature(operation).parameters
    by_place = itertools.takewhile(lambda one: one.kind != one.VAR_POSITIONAL, parameters.values())
    places = [one.name for one in by_place]
    rest = next((one.name for one in parameters.values() if one.kind == one.VAR_POSITIONAL), None)
    by_name = [
        *zip(places, given, strict=False),
        *((rest, value) for value in given[len(places) :]),
        *named.items(),
    ]
    for name, value in by_name:
        if name is None or name not in parameters:
            continue
        parameter = parameters[name]
        annotation = str(parameter.annotation)
        is_left_out = value is None and annotation.endswith(" | None")
        kind = annotation.removesuffix(" | None")
        if is_left_out or kind not in _MISFITS:
            continue
        expected, is_misfit = _MISFITS[kind]
        if is_misfit(value):
            is_number = kind == "Node" and isinstance(value, bool | int | float | complex)
            raise UsageError(
                f"{name_of(operation)}: {name} is {value!r} ({type(value).__name__}), "
                f"expected {expected}",
                code="argument",
                hint="make one: full((), value, dtype)" if is_number else None,
            )


def with_dtypes(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with names of dtypes as dtypes: `x.astype("i32")`.

    Raises:
        DTypeError: a text that is the name of no dtype, where one is expected.
    """
    places = _dtype_parameters(operation)

    def read(name: str | None, value: Any) -> Any:
        return from_name(value) if isinstance(value, str) and name in places else value

    names = [*_signature(operation).parameters, *(None for _ in given)]
    return (
        [read(name, value) for name, value in zip(names, given, strict=False)],
        {name: read(name, value) for name, value in named.items()},
    )


@functools.cache
def _dtype_parameters(operation: Callable[..., Any]) -> frozenset[str]:
    return frozenset(
        one.name
        for one in _signature(operation).parameters.values()
        if str(one.annotation).removesuffix(" | None") == "DType"
    )


def is_tensor_first(operation: Callable[..., Any]) -> bool:
    """Whether the first argument is a tensor, so that it can be called as a method."""
    first = next(iter(_signature(operation).parameters.values()), None)
    return first is not None and first.annotation in ("Node", "Operand", Node)
