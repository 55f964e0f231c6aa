"""What a Python function takes from around it: values of its closure, its module, its models."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import (
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import numpy as np

from graphc.arrays.names_read import names_read
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import parts, statics

__all__ = [
    "MOST_PARTS",
    "Plain",
    "Same",
    "captured_keys",
    "captured_values",
    "changes",
    "value_key",
]

Plain = bool | int | float | complex | str | bytes
"""What is told apart by its text."""

MOST_PARTS = 10_000
"""How many parts of containers, and objects, are looked at; those beyond are known by identity."""

_CLOSED = Plain | np.ndarray | np.generic | Tensor
"""What nothing is looked into of."""

_DESCRIPTORS = GetSetDescriptorType | MemberDescriptorType

_UNCHANGING = frozenset({"graphc", "numpy", *sys.stdlib_module_names})
"""Packages whose functions read nothing from around them that changes."""

Path = tuple[Any, ...]
"""Names, places and keys, one inside the other."""


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
    attributes that one of these functions names, whatever it names them of: what a variable
    stands for is not known before the function runs. Variables that the code that reads them
    assigns are left out.

    Args:
        arguments: objects among the arguments, whose attributes are looked at in the same way.

    >>> def scaled(rate):
    ...     return lambda x: rate["by"] * x
    >>> captured_values(scaled({"by": 0.5}))["rate", "by"]
    0.5
    """
    walk = _Walk()
    walk.look_into((), function)
    for name, one in (arguments or {}).items():
        walk.look_into((name,), one)
    walk.finish()
    return walk.found


def captured_keys(captured: Mapping[Path, Any]) -> dict[Path, Hashable]:
    """The key of each value, as it is now.

    >>> captured_keys({("rate",): 0.5})
    {('rate',): (<class 'float'>, '0.5')}
    """
    return {path: value_key(value) for path, value in captured.items()}


def changes(before: Mapping[Path, Hashable], after: Mapping[Path, Hashable]) -> set[Path]:
    """What has another key, and containers that have other parts: they may have more each time.

    >>> changes({("a",): 1, ("b",): 2}, {("a",): 3, ("b",): 2, ("c",): 4})
    {('a',)}
    """
    changed = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    owners = {path[:-1] for path in before.keys() ^ after.keys()}
    return changed | {
        path for path in owners if isinstance(before.get(path, after.get(path)), _Container)
    }


class _Walk:
    """What has been found so far, and where to look next.

    Attributes:
        found: every value by its path.
    """

    def __init__(self) -> None:
        self.found: dict[Path, Any] = {}
        self._ahead: deque[tuple[Path, Any]] = deque()
        self._objects: list[tuple[Path, Any]] = []
        # What has been met lives until the end, so that no other value has its identity.
        self._met: dict[Hashable, tuple[Path, Any]] = {}
        # The attributes that the functions name which have been met.
        self._names: set[str] = {"forward"}
        self._any_name = False
        self._room = MOST_PARTS

    def finish(self) -> None:
        """Look into all that is ahead, and into objects anew when more names have been met."""
        looked_for: tuple[int, bool, int] | None = None
        while self._ahead or looked_for != (len(self._names), self._any_name, len(self._objects)):
            while self._ahead:
                self.look_into(*self._ahead.popleft())
            looked_for = len(self._names), self._any_name, len(self._objects)
            for path, value in self._objects:
                for name, one in self._attributes(value):
                    self._meet((*path, name), one)

    def look_into(self, path: Path, value: Any) -> None:
        """Meet what a container holds or a function reads; attributes come when all is read."""
        if (inside := _parts(value)) is None:
            inside = dict(self._read_by(value))
        elif len(inside) <= self._room:
            self.found[path] = _Container(type(value), path)
            self._room -= len(inside)
        else:
            return
        if _is_open(value) and self._room:
            self._objects.append((path, value))
            self._room -= 1
        for name, one in inside.items():
            self._meet((*path, name), one)

    def _meet(self, path: Path, value: Any) -> None:
        if path in self.found:
            return
        self.found[path] = value
        if value is None or isinstance(value, _CLOSED):
            return
        # Methods are made anew whenever they are read.
        identity = value if isinstance(value, MethodType) else id(value)
        first, _ = self._met.setdefault(identity, (path, value))
        if first == path:
            self._ahead.append((path, value))
        elif _parts(value) is not None:
            self.found[path] = _Container(type(value), first)

    def _read_by(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What a function, or what stands for one, reads by names, with the values."""
        if isinstance(value, functools.partial):
            yield "func", value.func
            yield from ((str(place), one) for place, one in enumerate(value.args))
            yield from value.keywords.items()
        elif isinstance(value, MethodType):
            yield "self", value.__self__
            yield from self._read_by(value.__func__)
        elif isinstance(value, FunctionType):
            yield from self._read_by_function(value)
        elif "__wrapped__" in (own := _dict(value)):
            yield "wrapped", own["__wrapped__"]

    def _read_by_function(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        names = names_read(function.__code__)
        self._names |= names.attributes
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        for name in names.of_closure:
            with suppress(ValueError):  # not assigned yet
                yield name, cells[name].cell_contents
        if _is_unchanging(function.__module__):
            return
        self._any_name |= names.any_attribute
        for place, one in enumerate(function.__defaults__ or ()):
            yield f"default {place}", one
        yield from (function.__kwdefaults__ or {}).items()
        for name in names.of_module:
            if name in function.__globals__:
                yield name, function.__globals__[name]
        for name in names.imported:
            if name in sys.modules:
                yield name, sys.modules[name]

    def _attributes(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What an object, a class or a module keeps by the names that have been met."""
        if isinstance(value, type):
            for owner in value.__mro__:
                yield from self._of_class(owner)
            return
        any_name = self._any_name and not isinstance(value, ModuleType | FunctionType)
        for name, one in _own(value):
            # A model calls those inside it by other names, as Sequential does in a loop.
            if any_name or name in self._names or isinstance(one, Module):
                yield name, one
        yield "__class__", type(value)

    def _of_class(self, owner: type[Any]) -> Iterator[tuple[str, Any]]:
        """Attributes of one class, and the special methods, which are called without a name."""
        if not _is_open_class(owner):
            return
        special = not _is_unchanging(owner.__module__)
        for name, attribute in list(vars(owner).items()):
            one = _function_of(attribute)
            is_special = special and name.startswith("__") and isinstance(one, FunctionType)
            if is_special or (name in self._names and not isinstance(one, _DESCRIPTORS)):
                yield name, one


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by places, keys and names; None for all else."""
    if isinstance(value, SimpleNamespace):
        return vars(value)
    if isinstance(value, deque | set | frozenset):
        return dict(enumerate(value))
    inside = parts(value)
    return inside if inside is None else {**inside, **statics(value)}


def _own(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that an object keeps itself, in its dict and its slots."""
    yield from list(_dict(value).items())
    for owner in type(value).__mro__:
        for name, slot in vars(owner).items():
            if isinstance(slot, MemberDescriptorType):
                with suppress(AttributeError):  # not assigned yet
                    yield name, slot.__get__(value)


def _dict(value: Any) -> Mapping[str, Any]:
    # Not by getattr, which may be the object's own.
    with suppress(AttributeError):
        found: Mapping[str, Any] = object.__getattribute__(value, "__dict__")
        return found
    return {}


def _function_of(attribute: Any) -> Any:
    """The function behind a property, a class method and their kin; all else as it is."""
    if isinstance(attribute, property):
        return attribute.fget
    if isinstance(attribute, classmethod | staticmethod):
        return attribute.__func__
    if isinstance(attribute, functools.cached_property | functools.partialmethod):
        return attribute.func
    return attribute


def _is_open(value: Any) -> bool:
    """Whether attributes of an object, a class or a module are looked at."""
    if isinstance(value, ModuleType):
        return not _is_unchanging(value.__name__)
    if isinstance(value, FunctionType):
        return bool(vars(value)) and not _is_unchanging(value.__module__)
    return _is_open_class(value if isinstance(value, type) else type(value))


def _is_open_class(kind: type[Any]) -> bool:
    is_layer = issubclass(kind, Module) and kind is not Module
    return is_layer or not _is_unchanging(kind.__module__)


def _is_unchanging(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _UNCHANGING
