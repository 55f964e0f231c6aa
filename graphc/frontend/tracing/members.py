"""Members under PyTorch's names, and what to write for those that tensors and modules have not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphc.errors import UsageError, did_you_mean
from graphc.frontend.tracing.location import at_python_line
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.op import functions

__all__ = ["CASTS", "METHODS", "instead", "no_member"]

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
                raise UsageError(f"a tensor of a graph is moved to {value!r}", hint=_DEVICE)
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

_DEVICES = ("auto", "cpu", "cuda", "meta", "mps", "sim", "xpu")
_NO_VALUE = "a tensor has no value while the program is built; return it from an export"
_DEVICE = "a program has no devices: the one that it runs on is chosen where the module is loaded"
_GRADIENT = "use grad(f) for the gradient of a function, or train_step(...) for a training step"
_AT_THE_TOP = "functions are at the top: graphc.exp(x), graphc.softmax(x)"
_VALUE = "tensors are values: x = x + y, x = x.at[i].set(y)"

_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("item", "numpy", "tolist", "data", "__dlpack__"), _NO_VALUE),
    **dict.fromkeys(("cpu", "cuda", "device", "to_device", "block_until_ready"), _DEVICE),
    **dict.fromkeys(("backward", "grad", "requires_grad", "requires_grad_"), _GRADIENT),
    **dict.fromkeys(("copy_", "fill_", "zero_", "index_add_", "scatter_", "scatter_add_"), _VALUE),
    "append": "a list is a value: items = items + [x]; concat and stack join tensors",
    "norm": "write vector_norm(x, axis=...) or matrix_norm(x)",
    "new_zeros": "write zeros((2, 3), x.dtype), or zeros_like(x)",
    "new_ones": "write ones((2, 3), x.dtype), or ones_like(x)",
    "type": "write x.dtype for the dtype, x.to(f16) for a cast",
    "type_as": "write x.to(y)",
    **dict.fromkeys(("graphc.numpy", "graphc.lax", "graphc.nn.functional"), _AT_THE_TOP),
    "graphc.jit": "write graphc.function(f)",
    "graphc.jacrev": "write graphc.jacobian(f)",
    "graphc.manual_seed": "give the seed to graphc.compile(..., seed=1), or to rand(3, seed=1)",
    "graphc.no_grad": "there are gradients where grad(f) asks for them; stop_gradient(x) has none",
}
"""What to write in place of a member that a tensor of a graph, or the package, has not."""


def instead(name: str) -> str | None:
    """What to write in place of a member, those that PyTorch changes a tensor by among them."""
    plain = name.removesuffix("_")
    if name in _INSTEAD or plain == name or plain not in functions:
        return _INSTEAD.get(name)
    return f"tensors are values: x = x.{plain}(...) in place of x.{name}(...)"


def no_member(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that a module of the package has not."""
    hint = None
    if not name.startswith("_"):
        hint = instead(f"{module}.{name}") or did_you_mean(name, known)
    text = f"module {module!r} has no attribute {name!r}"
    return AttributeError(f"{text}: {hint}" if hint else text)
