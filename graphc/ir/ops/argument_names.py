"""The argument names of PyTorch, NumPy and JAX, accepted beside those of the array API."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from graphc.errors import UsageError
from graphc.ir.op import surface

__all__ = ["also_named", "offer", "second_names"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def also_named(**names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorator: accept each keyword argument under a second name, `second="first"`.

    >>> @also_named(dim="axis")
    ... def f(x, axis=None):
    ...     return axis
    >>> f(0, dim=1)
    1
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for second, first in names.items():
                if second in kwargs:
                    if first in kwargs:
                        name = function.__qualname__.removesuffix(".__init__")
                        raise UsageError(
                            f"{name}: {second} and {first} are the same argument",
                            code="argument-twice",
                            hint=f"give {first} alone",
                        )
                    kwargs[first] = kwargs.pop(second)
            return function(*args, **kwargs)

        call.second_names = {**getattr(function, "second_names", {}), **names}  # type: ignore[attr-defined]
        return call

    return decorate


_EVERYWHERE = {
    "a": ("input", "A"),
    "axis": ("dim", "dims", "dimension", "dimensions"),
    "axes": ("dims", "dim", "dimensions"),
    "b": ("other", "B"),
    "dim": ("axis",),
    "keepdims": ("keepdim",),
    "ids": ("input",),
    "labels": ("target",),
    "length": ("M", "window_length"),
    "logits": ("input",),
    "num": ("steps",),
    "sections": ("indices_or_sections",),
    "size": ("indices_or_sections", "split_size_or_sections"),
    "tensors": ("arrays", "operands", "tup"),
    "x": ("input", "a", "A", "arr", "array", "ary", "m", "operand"),
    "y": ("other", "b"),
}
"""Second names that every function takes whose argument has the first one."""


@functools.cache
def second_names(function: Callable[..., Any]) -> Mapping[str, str]:
    """The second names of a function's arguments, with the first ones.

    >>> dict(second_names(also_named(n="count")(lambda z, keepdims, count: z)))
    {'keepdim': 'keepdims', 'n': 'count'}
    """
    parameters = inspect.signature(function).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return getattr(function, "second_names", {})
    usual = {
        second: first
        for first, others in _EVERYWHERE.items()
        for second in others
        if first in parameters and second not in parameters
    }
    return {**usual, **getattr(function, "second_names", {})}


def offer(function: Callable[..., Any], name: str, doc: str) -> None:
    """Offer a function that was made for one of several ranks or kinds, with its name and text."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    surface(name)(function)
