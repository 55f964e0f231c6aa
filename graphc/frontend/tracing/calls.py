"""Calls of functions of the registry, with arguments as their parameters take them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np

from graphc.errors import DTypeError, GraphcError, UsageError
from graphc.frontend.tracing.annotations import room
from graphc.frontend.tracing.arguments import (
    known_parameters,
    places_of,
    refuse_call,
    refuse_misfits,
    signature_of,
    types_of,
    usage,
)
from graphc.frontend.tracing.trees import leaves
from graphc.ir.dtype import as_dtype
from graphc.ir.node import Node
from graphc.ir.ops.broadcasting import promoted

__all__ = ["called", "with_lists"]

Arguments = tuple[list[Any], dict[str, Any]]


def called(
    name: str, operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    """What a function gives for nodes, numbers and other plain values.

    Numbers are tensors where nothing else has a place, and what means a dtype is one. A whole
    number is a float where the function takes nothing else: `sqrt(64)`.

    Raises:
        UsageError: arguments that the function does not take.
        GraphcError: whatever the function refuses.
    """
    refuse_call(name, signature_of(operation), given, named)
    try:
        return _called(name, operation, given, named)
    except DTypeError as error:
        # Beside numbers alone, a constant of the function's own may ask for a float.
        are_numbers = not _tensors(given, named)
        if error.code == "dtype-unsupported" or (
            are_numbers and error.code != "dtype-scalar-range"
        ):
            with suppress(GraphcError):
                return _called(name, operation, *_with_floats(operation, given, named))
        raise


def _called(
    name: str, operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    given, named = _with_tensors(operation, given, named)
    refuse_misfits(name, operation, given, named)
    given, named = _with_dtypes(operation, given, named)
    try:
        return operation(*given, **named)
    except TypeError as error:
        if isinstance(error, UsageError):
            raise
        hint = f"it is {usage(name, signature_of(operation))}"
        raise UsageError(f"{name}: {error}", code="argument", hint=hint) from error


def _converted(
    operation: Callable[..., Any],
    given: Sequence[Any],
    named: Mapping[str, Any],
    convert: Callable[[str, Any], Any],
) -> Arguments:
    """What becomes of each argument, by the name of its parameter and its value."""
    places = itertools.chain(places_of(operation), itertools.repeat(known_parameters(operation)[1]))
    return (
        [convert(name, value) for name, value in zip(places, given, strict=False)],
        {name: convert(name, value) for name, value in named.items()},
    )


def with_lists(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Arguments:
    """The arguments with arrays as nested lists, where what is known has a place, and no tensor.

    An axis is a number: an array in its place is refused, as the second operand that it is.
    """
    known, _ = known_parameters(operation)

    def read(name: str, value: Any) -> Any:
        is_operand = name == "axis" and isinstance(value, np.ndarray) and value.ndim > 0
        return _listed(value) if name in known and not is_operand else value

    return _converted(operation, given, named, read)


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return type(value)(map(_listed, value)) if type(value) in (list, tuple) else value


def _with_dtypes(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Arguments:
    """The arguments with what stands for a dtype as one: `x.astype("i32")`, `np.float32`.

    Raises:
        DTypeError: what means no dtype, where one is expected.
    """
    places = _dtype_parameters(operation)

    def read(name: str, value: Any) -> Any:
        if name not in places or (value is None and places[name]):
            return value
        return as_dtype(value)

    return _converted(operation, given, named, read)


@functools.cache
def _dtype_parameters(operation: Callable[..., Any]) -> Mapping[str, bool]:
    """The parameters that are dtypes, and whether they may be left out."""
    parameters = signature_of(operation).parameters.values()
    annotations = {one.name: str(one.annotation) for one in parameters}
    return {
        name: text != "DType"
        for name, text in annotations.items()
        if text.removesuffix(" | None") == "DType"
    }


def _with_tensors(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Arguments:
    """The arguments with numbers as tensors, where there is place for a tensor and no number.

    As beside an operator, a number has the dtype of the first tensor that has room for it.
    """
    types = types_of(operation)

    def lifted(name: str, value: Any) -> Any:
        kinds = _tensor_kinds(types.get(name))
        if not kinds or room(types[name])(value):
            return value
        if isinstance(value, _NUMBER) and Node in kinds:
            return _as_nodes([value], _tensors(given, named))[0]
        if type(value) in (list, tuple) and list in kinds:
            numbers = [one for one in value if isinstance(one, _NUMBER)]
            nodes = iter(_as_nodes(numbers, _tensors(given, named)) if numbers else ())
            return [next(nodes) if isinstance(one, _NUMBER) else one for one in value]
        return value

    return _converted(operation, given, named, lifted)


_NUMBER = bool | int | float | complex


@functools.cache
def _tensor_kinds(annotation: Any) -> frozenset[type]:
    """Whether there is place for a tensor, `Node`, and for a `list` of tensors."""
    if annotation is Node:
        return frozenset({Node})
    if get_origin(annotation) in (Union, UnionType):
        return frozenset().union(*map(_tensor_kinds, get_args(annotation)))
    if get_args(annotation)[:1] == (Node,):
        return frozenset({list})
    return frozenset()


def _tensors(given: Sequence[Any], named: Mapping[str, Any]) -> list[Node]:
    return [one for one in leaves((given, named)) if isinstance(one, Node)]


def _as_nodes(numbers: Sequence[Any], tensors: Sequence[Node]) -> Sequence[Node]:
    for one in tensors:
        with suppress(DTypeError):
            return promoted(one, *numbers)[1:]
    return promoted(*numbers)


def _with_floats(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Arguments:
    """The arguments with whole numbers as floats, where there is place for a tensor."""
    types = types_of(operation)
    return _converted(
        operation,
        given,
        named,
        lambda name, value: (
            float(value) if type(value) is int and _tensor_kinds(types.get(name)) else value
        ),
    )
