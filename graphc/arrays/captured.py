"""What a Python function takes from around it: values of its closure, its module, its models."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from graphc.arrays.names_read import Chain, names_read
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.trees import parts, statics

__all__ = ["MOST_PARTS", "Plain", "Same", "captured_values", "value_key"]

Plain = bool | int | float | complex | str | bytes
"""What is told apart by its text."""

MOST_PARTS = 10_000
"""How many parts of containers are looked at; containers beyond are known by their identity."""

_UNCHANGING = frozenset({"graphc", "numpy", *sys.stdlib_module_names})
"""Packages whose functions read nothing from around them that changes."""

Path = tuple[Any, ...]
"""Names, places and keys, one inside the other."""

_NOTHING = object()


@dataclass(frozen=True)
class _Container:
    """A container whose parts are values of their own, and where they have been met."""

    kind: type[Any]
    path: Path


class Same:
    """A value in a key by its identity, which it keeps alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def value_key(value: Any) -> Hashable:
    """What tells values apart: numbers, texts and arrays by content, all else by identity.

    >>> value_key(np.zeros(2)) == value_key(np.zeros(2)), value_key(0.0) == value_key(-0.0)
    (True, False)
    """
    if isinstance(value, Plain) and not isinstance(value, np.generic):
        # By its text: -0.0 is another constant than 0.0.
        return type(value), repr(value)
    if isinstance(value, _Container | MethodType):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        elements = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return type(value), value.dtype, value.shape, hashlib.sha256(elements.data).digest()
    return Same(value)


def captured_values(
    function: Callable[..., Any], arguments: Mapping[str, Any] | None = None
) -> dict[Path, Any]:
    """What the function reads from around it, by the names on the way to it.

    The values that its functions read in turn are among them: those in its closure, its module
    and its defaults, methods, models, partial functions, and what transforms have made of
    functions. Of containers every part is among them; of objects, classes and modules the
    attributes that the code names, as in `config.rate`. Variables that the code that reads them
    assigns are left out.

    Args:
        arguments: objects among the arguments, whose attributes are looked at in the same way.

    >>> def scaled(rate):
    ...     return lambda x: rate["by"] * x
    >>> captured_values(scaled({"by": 0.5}))["rate", "by"]
    0.5
    """
    given = arguments or {}
    found: dict[Path, Any] = {}
    # What has been met lives until the end, so that no other value has its identity.
    met: dict[Hashable, tuple[Path, Any]] = {}
    ahead: deque[tuple[Path, Any]] = deque([((), function)])
    ahead.extend(((name,), one) for name, one in given.items())
    room = MOST_PARTS
    while ahead:
        path, value = ahead.popleft()
        inside = _parts(value)
        if inside is None:
            inside = dict(_environment(value, given))
        elif len(inside) > room:
            continue
        else:
            found[path] = _Container(type(value), path)
            room -= len(inside)
        for name, one in inside.items():
            here = *path, name
            if not isinstance(one, ModuleType):
                found[here] = one
            if one is None or isinstance(one, Plain | np.ndarray | np.generic | ModuleType):
                continue
            first, _ = met.setdefault(_identity(one), (here, one))
            if first is here:
                ahead.append((here, one))
            elif _parts(one) is not None:
                found[here] = _Container(type(one), first)
    return found


def _identity(value: Any) -> Hashable:
    # Methods are made anew whenever they are read.
    return value if isinstance(value, MethodType) else id(value)


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by places, keys and names; None for all else."""
    if isinstance(value, SimpleNamespace):
        return vars(value)
    inside = parts(value)
    return inside if inside is None else {**inside, **statics(value)}


def _environment(value: Any, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names that a function, or what can be called, reads, with their values."""
    if isinstance(value, functools.partial):
        yield "func", value.func
        yield from ((str(place), one) for place, one in enumerate(value.args))
        yield from value.keywords.items()
    elif isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
        code = value.__func__.__code__
        yield "self", value.__self__
        yield from _of_function(value.__func__, dict.fromkeys(code.co_varnames[:1], value.__self__))
    elif isinstance(value, FunctionType):
        yield from _of_function(value, given)
    elif isinstance(inner := getattr(value, "__wrapped__", None), FunctionType | MethodType):
        yield "wrapped", inner
    elif not isinstance(value, type):
        methods = (_attribute(value, name) for name in ("forward", "__call__"))
        yield from (("call", one) for one in methods if isinstance(one, MethodType))
        if isinstance(value, Module):
            # A model calls those inside it by other names, as Sequential does in a loop.
            yield from (pair for pair in value.named_modules() if pair[1] is not value)


def _of_function(function: FunctionType, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = names_read(function.__code__)
    yield from _along(names.of_closure, _closure(function))
    yield from (pair for pair in _along(names.of_parameters, given) if "." in pair[0])
    if _is_unchanging(function.__module__):
        return
    for place, one in enumerate(function.__defaults__ or ()):
        yield f"default {place}", one
    yield from (function.__kwdefaults__ or {}).items()
    yield from _along(names.of_module, function.__globals__)


def _closure(function: FunctionType) -> dict[str, Any]:
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not assigned yet
            values[name] = cell.cell_contents
    return values


def _is_unchanging(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _UNCHANGING


def _along(chains: Iterable[Chain], names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What stands along each chain of attributes, as far as no code of the user's finds it."""
    for root, *attributes in chains:
        name, value = root, names.get(root, _NOTHING)
        if value is not _NOTHING:
            yield name, value
        for attribute in attributes:
            if isinstance(value, ModuleType) and _is_unchanging(value.__name__):
                break
            value = _attribute(value, attribute)
            if value is _NOTHING:
                break
            name = f"{name}.{attribute}"
            yield name, value


def _attribute(owner: Any, name: str) -> Any:
    """An attribute that an object, a class or a module keeps; of a property its function."""
    if name in (own := getattr(owner, "__dict__", {})) and not isinstance(owner, type):
        return own[name]
    classes = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    found = next((vars(one)[name] for one in classes if name in vars(one)), _NOTHING)
    if isinstance(found, MemberDescriptorType):
        return getattr(owner, name, _NOTHING)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, classmethod | staticmethod):
        return found.__func__
    if isinstance(found, FunctionType):
        return found if isinstance(owner, type) else MethodType(found, owner)
    return _NOTHING if hasattr(type(found), "__get__") else found
