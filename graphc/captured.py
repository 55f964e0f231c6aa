"""What a Python function takes from around it: values of its closure and of its module."""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

__all__ = ["captured_values"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def captured_values(function: Callable[..., Any]) -> dict[str, Any]:
    """The numbers, texts and arrays that the function reads from around it, by their names.

    What is read by functions that it captures counts too, if they are in a closure or in the same
    module. Names that a function assigns itself, as a counter of its calls, are left out.

    >>> def scaled(rate):
    ...     return lambda x: rate * x
    >>> captured_values(scaled(0.5))
    {'rate': 0.5}
    """
    found: dict[str, Any] = {}
    for name, value in _reads(function, set()):
        if isinstance(value, (*_PLAIN, np.ndarray)) or _is_plain_tuple(value):
            # Two functions may call different things by one name.
            distinct = name
            while distinct in found and found[distinct] is not value:
                distinct += "'"
            found[distinct] = value
    return found


def _is_plain_tuple(value: Any) -> bool:
    return type(value) is tuple and all(
        isinstance(part, _PLAIN) or _is_plain_tuple(part) for part in value
    )


def _reads(value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every name that is read, with its value, by a function and by those that it captures."""
    if isinstance(value, functools.partial):
        value = value.func
    if isinstance(value, MethodType):
        value = value.__func__
    if not isinstance(value, FunctionType) or id(value) in seen:
        return
    seen.add(id(value))
    for name, one in _environment(value):
        yield name, one
        yield from _reads(one, seen)


def _environment(function: FunctionType) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    free, of_module = _names_read(code)
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    for name in free:
        try:
            yield name, cells[name].cell_contents
        except ValueError:  # not assigned yet
            continue
    if (function.__module__ or "").partition(".")[0] == __name__.partition(".")[0]:
        return  # what the library's own functions read does not change
    for name in of_module:
        if name in function.__globals__:
            yield name, function.__globals__[name]


@functools.lru_cache(maxsize=1024)
def _names_read(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of its closure, and of its module, that a code reads and does not assign."""
    operations = [(one.opname, one.argval) for one in _instructions(code)]
    assigned = {name for operation, name in operations if operation.startswith("STORE_")}
    read = dict.fromkeys(name for operation, name in operations if operation == "LOAD_GLOBAL")
    free = tuple(name for name in code.co_freevars if name not in assigned)
    return free, tuple(name for name in read if name not in assigned)


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
