"""What a Python function takes from around it: values of its closure and of its module."""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["captured_values"]


def captured_values(function: Callable[..., Any]) -> dict[tuple[str, ...], Any]:
    """What the function reads from around it, by the names on the way to it.

    The values that its functions read in turn are among them: those in its closure, its module
    and its defaults, partial functions, and what transforms have made of functions. Modules are
    left out, and so are variables that the code that reads them assigns, as a counter of calls.

    >>> def scaled(rate):
    ...     return lambda x: rate * x
    >>> captured_values(scaled(0.5))
    {('rate',): 0.5}
    """
    return dict(_reads(function, (), set()))


def _reads(
    value: Any, path: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is read by a function, and by those that it reads."""
    if id(value) in seen:
        return
    seen.add(id(value))
    for name, one in _environment(value):
        if isinstance(one, ModuleType):
            continue
        yield (*path, name), one
        yield from _reads(one, (*path, name), seen)


def _environment(value: Any) -> Iterator[tuple[str, Any]]:
    """The names that a function reads, with their values."""
    if isinstance(value, functools.partial):
        yield "func", value.func
        yield from ((str(place), one) for place, one in enumerate(value.args))
        yield from value.keywords.items()
    elif isinstance(value, MethodType):
        yield "method", value.__func__
        yield "self", value.__self__
    elif isinstance(value, FunctionType):
        yield from _environment_of_function(value)
    elif callable(value) and isinstance(inner := getattr(value, "__wrapped__", None), FunctionType):
        yield "wrapped", inner


def _environment_of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    free, of_module = _names_read(function.__code__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for name in free:
        try:
            yield name, cells[name].cell_contents
        except ValueError:  # not assigned yet
            continue
    if (function.__module__ or "").partition(".")[0] == __name__.partition(".")[0]:
        return  # what the library's own functions read does not change
    for place, one in enumerate(function.__defaults__ or ()):
        yield f"default {place}", one
    yield from (function.__kwdefaults__ or {}).items()
    for name in of_module:
        if name in function.__globals__:
            yield name, function.__globals__[name]


@functools.lru_cache(maxsize=1024)
def _names_read(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of its closure, and of its module, that a code reads and nothing in it assigns."""
    of_module: dict[str, None] = {}
    assigned: set[str] = set()
    assigned_of_module: set[str] = set()
    for one in _codes(code):
        for operation in dis.get_instructions(one):
            match operation.opname:
                case "LOAD_GLOBAL":
                    of_module.setdefault(operation.argval)
                case "STORE_GLOBAL":
                    assigned_of_module.add(operation.argval)
                case "STORE_DEREF" if operation.argval in one.co_freevars:
                    assigned.add(operation.argval)
    return (
        tuple(name for name in code.co_freevars if name not in assigned),
        tuple(name for name in of_module if name not in assigned_of_module),
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code and those of the functions that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
