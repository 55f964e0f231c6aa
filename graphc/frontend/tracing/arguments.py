"""Which arguments a function of the registry takes, for errors that a person can act on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from graphc.errors import UsageError, did_you_mean
from graphc.frontend.foreign_names import instead, meant, of_a_pair
from graphc.frontend.tracing.annotations import expected, room
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.shown import shown
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.argument_names import second_names
from graphc.ir.ops.broadcasting import Operand

__all__ = [
    "checked_method",
    "first_names",
    "is_tensor_first",
    "known_arguments",
    "known_parameters",
    "name_of",
    "places_of",
    "refuse_call",
    "refuse_misfits",
    "signature_of",
    "types_of",
    "usage",
    "which_part",
]


_CALLED: Mapping[str, str] = {
    "Axis": "the number of an axis",
    "DimLike": "a size",
    "Operand": "a tensor or a number",
    "Order": "a number",
    "Sequence[Node]": "a list of tensors",
}
"""What is expected, by annotation, where its name says more than its type."""

_KNOWN = "a size is a number or a dim, such as x.shape[0], and never the value of a tensor"


@functools.cache
def signature_of(operation: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function of the library."""
    return inspect.signature(operation)


def usage(name: str, signature: inspect.Signature) -> str:
    """How a function is called: `softmax(x, axis=-1)`."""
    parameters = [
        one.replace(
            annotation=one.empty,
            kind=one.POSITIONAL_OR_KEYWORD if one.kind is one.POSITIONAL_ONLY else one.kind,
        )
        for one in signature.parameters.values()
    ]
    return f"{name}{inspect.Signature(parameters)}"


def name_of(operation: Callable[..., Any]) -> str:
    """What the registry calls a function, or else what Python does."""
    return next(
        (name for name, candidate in functions.items() if candidate is operation),
        getattr(operation, "__name__", "the function"),
    )


def first_names(
    name: str, operation: Callable[..., Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """The named arguments, those under a second name (`dim`) by the first (`axis`).

    Raises:
        UsageError: both are given, or by the second name another function is meant.
    """
    first = second_names(operation)
    result: dict[str, Any] = {}
    for key, value in named.items():
        if (hint := of_a_pair(name, key)) is not None:
            raise UsageError(
                f"{name} with {key}= gives values and their places in PyTorch, and here one tensor",
                code="argument-unknown",
                hint=hint,
            )
        if first.get(key, key) in result:
            raise _given_twice(name, first.get(key, key))
        result[first.get(key, key)] = value
    return result


def refuse_call(
    name: str, signature: inspect.Signature, given: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Refuse arguments that a function has no place for, or that are missing.

    Raises:
        UsageError: there are some.
    """
    parameters = signature.parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    hint = f"it is {usage(name, signature)}"
    if len(given) > len(positional) and not takes_any:
        raise UsageError(
            f"{name} takes {_counted(len(positional), 'argument')}, {len(given)} were given",
            code="argument-count",
            hint=meant(name) or hint,
        )
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in named:
            if key not in signature.parameters:
                raise UsageError(
                    f"{name} has no argument {key!r}",
                    code="argument-unknown",
                    hint=instead(f"{key}=") or did_you_mean(key, signature.parameters) or hint,
                )
    for position, parameter in enumerate(positional):
        is_given = position < len(given)
        if is_given and parameter.name in named:
            raise _given_twice(name, parameter.name, meant(name))
        if not is_given and parameter.name not in named and parameter.default is parameter.empty:
            raise UsageError(
                f"{name} needs the argument {parameter.name!r}", code="argument-missing", hint=hint
            )


def known_arguments(
    name: str, method: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """The named arguments of a method, by their first names.

    Raises:
        UsageError: arguments that the method has no place for, or that are missing.
    """
    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    with at_python_line():
        known = first_names(name, method, named) if named else {}
        refuse_call(name, signature.replace(parameters=parameters), given, known)
    return known


def checked_method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which refuses arguments that it has no place for, at the user's line."""

    @functools.wraps(method)
    def called(receiver: Any, *given: Any, **named: Any) -> Any:
        known = known_arguments(name, method, given, named)
        with at_python_line():
            return method(receiver, *given, **known)

    return called


def _given_twice(name: str, parameter: str, hint: str | None = None) -> UsageError:
    return UsageError(
        f"{name}: the argument {parameter!r} is given twice",
        code="argument-twice",
        hint=hint or f"give it once, by its position or as {parameter}=...",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count or 'no'} {noun}s"


def refuse_misfits(
    name: str, operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Name the argument that is no tensor or number, or a tensor where none can be.

    Raises:
        UsageError: a parameter is given what its annotation has no room for.
    """
    for parameter, value in _by_parameter(operation, given, named):
        annotation = str(parameter.annotation)
        kind = annotation.removesuffix(" | None")
        if value is None and kind != annotation:
            continue
        type_ = types_of(operation).get(parameter.name, Any)
        wanted = _CALLED.get(kind) or expected(type_)
        takes_none = parameter.name in known_parameters(operation)[0]
        if takes_none and (found := _tensor_in(value)) is not None:
            raise _refused_tensor(name, parameter.name, wanted, found)
        if not room(type_)(value):
            raise UsageError(
                f"{name}: {parameter.name} is {_described(value)}, expected {wanted}",
                code="argument",
                hint=_misfit_hint(name, kind, value)
                or f"it is {usage(name, signature_of(operation))}",
            )


def _described(value: Any) -> str:
    if which_part(value, Node) is not None:
        return f"a tuple of {len(value)} tensors"
    if isinstance(value, Node):
        return f"tensor {value.type}"
    return shown(value)


def _misfit_hint(name: str, kind: str, value: Any) -> str | None:
    """What to write in place of an argument that is none of its kind."""
    if isinstance(value, Dim):
        if kind in ("Node", "Operand"):
            return f"as a tensor the dim is asarray({value})"
        return "its value is known when the program runs only: give the axis a fixed size"
    if kind == "Sequence[Node]" and isinstance(value, Node):
        return f"put the tensors into a list: {name}([x, y])"
    return which_part(value, Node) or meant(name)


def which_part(value: Any, tensor: type) -> str | None:
    """Which part of a tuple of tensors is meant, where one tensor is expected.

    Args:
        tensor: the class of its parts.
    """
    if not isinstance(value, tuple) or not value:
        return None
    if not all(isinstance(one, tensor) for one in value):
        return None
    first, last = value[0], value[-1]
    if len(value) == 2 and first.shape == last.shape and last.dtype in (dtypes.i32, dtypes.i64):
        return "these are values and their indices: take the values by [0], the indices by [1]"
    return f"these are {len(value)} tensors: take one of them, by [0] for the first"


def _by_parameter(
    operation: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]
) -> Iterator[tuple[inspect.Parameter, Any]]:
    parameters = signature_of(operation).parameters
    places = places_of(operation)
    rest = [one for one in parameters.values() if one.kind == one.VAR_POSITIONAL]
    yield from ((parameters[name], value) for name, value in zip(places, given, strict=False))
    yield from ((one, value) for one in rest for value in given[len(places) :])
    yield from ((parameters[name], value) for name, value in named.items() if name in parameters)


@functools.cache
def places_of(operation: Callable[..., Any]) -> list[str]:
    """The parameters that arguments are given to one by one, by their position."""
    parameters = signature_of(operation).parameters.values()
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in by_position]


def _tensor_in(value: Any) -> Node | None:
    if isinstance(value, list | tuple):
        return next((one for one in map(_tensor_in, value) if one is not None), None)
    return value if isinstance(value, Node) else None


def _refused_tensor(name: str, parameter: str, wanted: str, value: Node) -> UsageError:
    is_size = "size" in wanted
    return UsageError(
        f"{name}: {parameter} is tensor {value.type}, expected {wanted} known while the "
        "program is built",
        code="argument",
        hint=meant(name) or (_KNOWN if is_size else None),
    )


@functools.cache
def known_parameters(operation: Callable[..., Any]) -> tuple[frozenset[str], str]:
    """The parameters that have no room for a tensor, and which takes all arguments that follow."""
    parameters = signature_of(operation).parameters
    types = types_of(operation)
    known = (one for one in parameters if one in types and not _has_tensors(types[one]))
    rest = (one.name for one in parameters.values() if one.kind is one.VAR_POSITIONAL)
    return frozenset(known), next(rest, "")


@functools.cache
def types_of(operation: Callable[..., Any]) -> Mapping[str, Any]:
    """The types of the parameters, by their names."""
    found = get_type_hints(operation)
    for parameter in signature_of(operation).parameters.values():
        if parameter.annotation == "Operand":
            found[parameter.name] = Operand
    return found


def _has_tensors(annotation: Any) -> bool:
    """Whether an annotation has room for a tensor: a union or a list with one has."""
    return annotation is Node or any(map(_has_tensors, get_args(annotation)))


_TENSORS_FIRST = ("Node", "Operand", "Node | Sequence[Node]", Node)


def is_tensor_first(operation: Callable[..., Any]) -> bool:
    """Whether the first argument is a tensor, so that it can be called as a method."""
    first = next(iter(signature_of(operation).parameters.values()), None)
    return first is not None and first.annotation in _TENSORS_FIRST
