"""Members under PyTorch's names, and the error for one that a module has not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphc.errors import UsageError, did_you_mean
from graphc.frontend.foreign_names import instead
from graphc.frontend.left_out import LEFT_OUT
from graphc.frontend.tracing.location import at_python_line
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["CASTS", "METHODS", "no_member"]

_DEVICES = ("auto", "cpu", "cuda", "meta", "mps", "sim", "xpu")

CASTS: Mapping[str, DType] = {
    "bfloat16": dtypes.bf16,
    "bool": dtypes.bool_,
    "double": dtypes.f64,
    "float": dtypes.f32,
    "half": dtypes.f16,
    "int": dtypes.i32,
    "long": dtypes.i64,
    "short": dtypes.i16,
}
"""The methods that cast: `x.float()`."""


def _to(x: Any, *given: Any, **named: Any) -> Any:
    """PyTorch's `x.to`: a dtype, or a tensor whose dtype is meant; no device."""
    for value in (*given, named.get("device")):
        if isinstance(value, str) and value.partition(":")[0] in _DEVICES:
            with at_python_line():
                raise UsageError(
                    f"a tensor of a graph is moved to {value!r}", hint=instead(".device")
                )
    return x.astype(*map(_dtype_of, given), **named)


def _dtype_of(value: Any) -> Any:
    """The dtype of a tensor or array; what is none, as it is."""
    is_array = hasattr(value, "__array__") and not isinstance(value, type)
    return value.dtype if is_array else value


def _repeat(x: Any, *repeats: Any, **named: Any) -> Any:
    """PyTorch's `x.repeat(2, 3)` repeats the whole; with `axis=` each element, as NumPy does."""
    counts = repeats[0] if len(repeats) == 1 else repeats
    if named or not repeats or hasattr(counts, "dtype"):
        return x.repeat_interleave(*repeats, **named)
    given = len(counts) if isinstance(counts, tuple | list) else 1
    if given < x.ndim:
        with at_python_line():
            raise UsageError(
                f"x.repeat takes a number for each axis of a {x.type}, and has {given}",
                code="argument",
                hint="tile(x, n) repeats the whole along the last axis, repeat(x, n) each element",
            )
    return x.tile(*repeats)


def _unfold(x: Any, dimension: int, size: int, step: int) -> Any:
    """PyTorch's `x.unfold`: windows of one axis, with their elements along a new last axis."""
    windows = x.window(dimension, size, step)
    return windows.moveaxis(dimension + 1 if dimension >= 0 else dimension, -1)


METHODS: Mapping[str, Callable[..., Any]] = {
    "dim": lambda x: x.ndim,
    "numel": lambda x: math.prod(x.shape),
    "repeat": _repeat,
    "t": lambda x: x.T,
    "to": _to,
    "unfold": _unfold,
}
"""Methods that no function of the library has the meaning of; each takes the tensor first."""


def no_member(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that a module of the package has not."""
    hint = None
    if not name.startswith("_"):
        hint = instead(f"{module}.{name}") or LEFT_OUT.get(name) or instead(name)
        hint = hint or did_you_mean(name, known)
    text = f"module {module!r} has no attribute {name!r}"
    return AttributeError(f"{text}: {hint}" if hint else text)
