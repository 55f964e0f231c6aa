"""Arrays whose operators, indexing and views are those of tensors, for the array API test suite.

Arrays of graphc are NumPy's, whose operators the suite would test. Here each builds a graph of
constants, which is evaluated; elements are assigned, and masks read, by NumPy.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import graphc
from graphc.arrays.functions import on_arrays
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trees import leaves, map_leaves
from graphc.ir.dtype import DType

__all__ = ["Array", "xp"]


class Array(np.ndarray[Any, Any]):
    """An array of NumPy that computes as a tensor does."""

    __array_priority__ = 1.0

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        return xp

    def __getitem__(self, items: Any) -> Any:
        items = map_leaves(_without_arrays, items)
        if any(isinstance(one, np.ndarray) and one.dtype == bool for one in leaves(items)):
            return _wrapped(_plain(self)[_plain(items)])
        return _computed(lambda x: x[_plain(items)], self)

    def __setitem__(self, items: Any, value: Any) -> None:
        # NumPy's own would assign to what `__getitem__` gives.
        np.asarray(self)[_plain(items)] = _plain(value)

    @property
    def T(self) -> Any:
        return _computed(lambda x: x.T, self)

    @property
    def mT(self) -> Any:
        return _computed(lambda x: x.mT, self)


def _wrapped(value: Any) -> Any:
    """Arrays among the leaves as those of this file."""
    return map_leaves(
        lambda one: (
            np.asarray(one).view(Array) if isinstance(one, np.ndarray | np.generic) else one
        ),
        value,
    )


def _without_arrays(item: Any) -> Any:
    """Bounds of slices as numbers, which a graph has to know."""
    if not isinstance(item, slice):
        return item
    bounds = (item.start, item.stop, item.step)
    return slice(*(one if one is None else operator.index(one) for one in bounds))


def _plain(value: Any) -> Any:
    return map_leaves(lambda one: np.asarray(one) if isinstance(one, Array) else one, value)


def _computed(function: Callable[..., Any], *operands: Any) -> Any:
    """The function of operands that are tensors where they are arrays."""

    def of_tensors(*given: Any) -> Any:
        return function(
            *(call("asarray", one) if isinstance(one, np.ndarray) else one for one in given)
        )

    return _wrapped(on_arrays(of_tensors)(*_plain(operands)))


def _binary(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """An operator's method, the reflected one, and the one that assigns."""

    def method(self: Array, other: Any) -> Any:
        return _computed(function, self, other)

    def reflected(self: Array, other: Any) -> Any:
        return _computed(function, other, self)

    def assigning(self: Array, other: Any) -> Array:
        result = _computed(function, self, other)
        if (result.shape, result.dtype) != (self.shape, self.dtype):
            raise TypeError(f"{self.dtype}{self.shape} would become {result.dtype}{result.shape}")
        np.asarray(self)[...] = result
        return self

    return method, reflected, assigning


def _unary(function: Callable[..., Any]) -> Callable[[Array], Any]:
    return lambda self: _computed(function, self)


_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_BITS = ("and", "or", "xor", "lshift", "rshift")
for _name in (*_ARITHMETIC, *_BITS):
    _methods = _binary(getattr(operator, f"__{_name}__"))
    for _prefix, _method in zip(("", "r", "i"), _methods, strict=True):
        setattr(Array, f"__{_prefix}{_name}__", _method)
for _name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    setattr(Array, f"__{_name}__", _binary(getattr(operator, f"__{_name}__"))[0])
for _name in ["neg", "pos", "invert", "abs"]:
    setattr(Array, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))


class _Namespace(ModuleType):
    """A module whose functions give arrays of this file."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if isinstance(value, ModuleType):
            return _Namespace(value)
        if not callable(value) or isinstance(value, type | DType):
            return value

        @functools.wraps(value)
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            return _wrapped(value(*_plain(arguments), **_plain(keywords)))

        return wrapped


xp = _Namespace(graphc)
"""The namespace that the suite is given."""
