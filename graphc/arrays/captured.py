"""What a Python function takes from around it: values of its closure, its module, its models."""

from __future__ import annotations

import argparse
import functools
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from types import (
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from graphc.arrays.names_read import names_read
from graphc.arrays.origins import is_installed
from graphc.arrays.value_keys import BUFFERS, Container, Path, Plain, Structure
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import parts, statics
from graphc.ir.dlpack import has_dlpack

__all__ = ["MOST_PARTS", "captured_values"]

MOST_PARTS = 10_000
"""How many parts of containers, and objects, are looked at; those beyond are known by identity."""

_CLOSED: tuple[Any, ...] = (Plain, np.ndarray, np.generic, Tensor, range, *BUFFERS)
"""What nothing is looked into of."""

_DESCRIPTORS = GetSetDescriptorType | MemberDescriptorType

_READING = frozenset({"__getitem__", "__iter__"})

# Special methods that no value depends on.
_ASIDE = frozenset({"__repr__", "__str__", "__del__", "__dir__", "__getstate__", "__reduce__"})


def captured_values(
    function: Callable[..., Any], arguments: Mapping[str, Any] | None = None
) -> dict[Path, Any]:
    """What the function reads from around it, by the names on the way to it.

    The values that its functions read in turn are among them: those in its closure, its module
    and its defaults, methods, models, partial functions, and what transforms have made of
    functions. Of containers every part is among them; of objects, classes and modules the
    attributes that one of these functions names, whatever it names them of: what a variable
    stands for is not known before the function runs. Variables that the code that reads them
    assigns are left out, and so is what functions of installed packages read.

    Args:
        arguments: objects among the arguments, whose attributes are looked at in the same way.

    Returns:
        Values by their paths; a `Structure` in place of what its parts tell apart.

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
        inside = _parts(value)
        has_parts = inside is not None
        if inside is None:
            inside = dict(self._read_by(value))
        elif len(inside) > self._room:
            return
        else:
            self._room -= len(inside)
        is_object = _has_attributes(value) and self._room > 0
        if is_object:
            self._objects.append((path, value))
            self._room -= 1
        if has_parts or _is_structure(value, is_object):
            self.found[path] = (Container if has_parts else Structure)(type(value), path)
        for name, one in inside.items():
            self._meet((*path, name), one)
        if has_parts and isinstance(value, Mapping):
            for place, key in enumerate(inside):
                if not isinstance(key, Plain):
                    self._meet((*path, "key", place), key)

    def _meet(self, path: Path, value: Any) -> None:
        if path in self.found:
            return
        self.found[path] = value
        if value is None or isinstance(value, _CLOSED) or has_dlpack(value):
            return
        # Methods are made anew whenever they are read.
        identity = value if isinstance(value, MethodType) else id(value)
        first, _ = self._met.setdefault(identity, (path, value))
        if first == path:
            self._ahead.append((path, value))
        else:
            # What it holds is told at the first path.
            self.found[path] = Structure(type(value), first)

    def _read_by(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What a function, or what stands for one, reads by names, with the values."""
        if isinstance(value, functools.partial):
            yield "func", value.func
            yield from ((str(place), one) for place, one in enumerate(value.args))
            yield from value.keywords.items()
        elif isinstance(value, MethodType):
            yield "self", value.__self__
            yield "func", value.__func__
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
        if is_installed(function.__module__):
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
            met: set[str] = set()
            for owner in value.__mro__:
                for name, one in self._of_class(owner):
                    # What is overridden may be called by super().
                    yield (f"{owner.__name__}.{name}" if name in met else name), one
                    met.add(name)
            return
        any_name = self._any_name and _is_users(type(value))
        for name, one in _own(value):
            # A model calls those inside it by other names, as Sequential does in a loop.
            if any_name or name in self._names or isinstance(one, Module):
                yield name, one
        yield "__class__", type(value)

    def _of_class(self, owner: type[Any]) -> Iterator[tuple[str, Any]]:
        """Attributes of one class, and the special methods, which are called without a name."""
        if not _is_users(owner):
            return
        special = not is_installed(owner.__module__)
        for name, attribute in list(vars(owner).items()):
            one = _function_of(attribute)
            is_special = special and name.startswith("__") and isinstance(one, FunctionType)
            if (is_special and name not in _ASIDE) or (
                name in self._names and not isinstance(one, _DESCRIPTORS)
            ):
                yield name, one


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by places, keys and names; None for all else."""
    if isinstance(value, SimpleNamespace | argparse.Namespace):
        return vars(value)
    inside = parts(value)
    if inside is not None:
        return {**inside, **statics(value)}
    if isinstance(value, Mapping | Sequence | Set | deque) and _is_read_by_package(type(value)):
        with suppress(Exception):
            return dict(value if isinstance(value, Mapping) else enumerate(value))
    return None


def _is_read_by_package(kind: type[Any]) -> bool:
    """Whether what a container holds is found by functions of Python or of an installed package.

    The functions of a container of the user's name the attributes that hold it.
    """
    own = (one for one in kind.__mro__ if not vars(one).keys().isdisjoint(_READING))
    return is_installed(next(own, object).__module__)


def _own(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that an object keeps itself, in its dict and its slots."""
    yield from list(_dict(value).items())
    for name, slot in _slots(type(value)):
        with suppress(AttributeError):  # not assigned yet
            yield name, slot.__get__(value)


_slots_of: WeakKeyDictionary[type[Any], list[tuple[str, MemberDescriptorType]]] = (
    WeakKeyDictionary()
)


def _slots(kind: type[Any]) -> list[tuple[str, MemberDescriptorType]]:
    found = _slots_of.get(kind)
    if found is None:
        found = _slots_of[kind] = [
            (name, slot)
            for owner in kind.__mro__
            for name, slot in vars(owner).items()
            if isinstance(slot, MemberDescriptorType)
        ]
    return found


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
    if isinstance(attribute, functools.cached_property):
        return attribute.func
    if isinstance(attribute, functools.partialmethod):
        return functools.partial(attribute.func, *attribute.args, **attribute.keywords)
    return attribute


def _has_attributes(value: Any) -> bool:
    """Whether attributes of an object, a class or a module are looked at."""
    if isinstance(value, ModuleType):
        return not is_installed(value.__name__)
    if isinstance(value, FunctionType):
        return bool(vars(value)) and not is_installed(value.__module__)
    if isinstance(value, type):
        return _is_users(value)
    return _is_users(type(value)) or not _is_of(type(value), "graphc", "numpy", "builtins")


def _is_structure(value: Any, is_object: bool) -> bool:
    """Whether a value is told apart by what is found of it, and not by its identity as well."""
    if isinstance(value, MethodType | functools.partial):
        return True
    if isinstance(value, type | ModuleType | FunctionType):
        return False
    # What a class of a package keeps is not looked at.
    kinds = type(value).__mro__
    return is_object and all(one in (Module, object) or _is_users(one) for one in kinds)


def _is_users(kind: type[Any]) -> bool:
    """Whether a class is the user's own, or one of layers, which are written as the user's are."""
    return (issubclass(kind, Module) and kind is not Module) or not is_installed(kind.__module__)


def _is_of(kind: type[Any], *packages: str) -> bool:
    return kind.__module__.partition(".")[0] in packages
