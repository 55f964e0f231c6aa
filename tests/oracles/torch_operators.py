"""How the operators of PyTorch's own tests are called here.

PyTorch's names come first. A name in none of the tables is called with the arguments as they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from graphc import linalg
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes

__all__ = ["ARGUMENTS", "CALLS", "NAMES"]

NAMES: Mapping[str, str] = {"norm": "vector_norm"}
"""Operators under another name than their own, or than the last part of it."""

ARGUMENTS: Mapping[str, str] = {
    "diff": "x n axis prepend append",
    "diagonal": "x offset axis1 axis2",
    "gradient": "x",
    "linalg.diagonal": "x offset axis1 axis2",
    "polygamma": "x n",
    "special.polygamma": "x n",
    "where": "x condition y",
    "nn.functional.embedding": "weight ids",
    "nn.functional.embedding_bag": "weight ids",
}
"""The order of arguments in the samples, by their names here, where it is another one."""


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: operation(y, x)


def _moments(name: str) -> Callable[..., Any]:
    """PyTorch corrects by 1 unless told otherwise."""

    def moments(x: Tensor, dim: Any = None, **keywords: Any) -> Any:
        if isinstance(dim, bool):
            keywords["unbiased"], dim = dim, None
        if keywords.get("correction") is None and "unbiased" not in keywords:
            keywords["correction"] = 1
        return call(name, x, dim, **keywords)

    return moments


def _pad(x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    given = [tuple(pad[i : i + 2]) for i in range(0, len(pad), 2)]
    pairs = [(0, 0)] * (x.ndim - len(given)) + given[::-1]
    result: Tensor = call("pad", x, pairs, mode=mode, value=value or 0)
    return result


def _windowed(name: str, *parameters: str) -> Callable[..., Any]:
    def window(length: int, *, sym: bool = True, dtype: Any = None, **keywords: Any) -> Any:
        given = {key: value for key, value in keywords.items() if key in parameters}
        weights = (keywords["a"],) if "a" in keywords else ()
        return call(name, length, *weights, not sym, dtype=dtype or dtypes.f32, **given)

    return window


def _new(name: str) -> Callable[..., Any]:
    def new(x: Tensor, *shape: Any, dtype: Any = None, **keywords: Any) -> Any:
        sizes = shape[0] if shape and isinstance(shape[0], list | tuple) else shape
        return call(name, tuple(sizes), dtype=dtype or x.dtype)

    return new


def _along_classes(name: str) -> Callable[..., Any]:
    """PyTorch has the classes on axis 1, where there are several axes."""
    return lambda x, y, **keywords: call(name, x, y, axis=min(1, x.ndim - 1), **keywords)


def _median(x: Tensor, *axis: Any, **keywords: Any) -> Any:
    """The lower of two in the middle, and along an axis its position."""
    if not axis and not keywords:
        return call("quantile", x, 0.5, method="lower")
    place = axis[0] if axis else keywords["dim"]
    if not x.ndim:
        return call("median", x, place)
    return call("kthvalue", x, (x.shape[place] + 1) // 2, *axis, **keywords)


def _nanmedian(x: Tensor, *axis: Any, **keywords: Any) -> Any:
    found = call("nanquantile", x, 0.5, *axis, **keywords, method="lower")
    return (found,) if axis or keywords else found


def _batch_norm(
    x: Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    return call("batch_norm", x, running_mean, running_var, weight, bias, training, eps=eps)


def _instance_norm(
    x: Tensor, weight: Any = None, bias: Any = None, eps: float = 1e-5, **_: Any
) -> Any:
    return call("instance_norm", x, weight=weight, bias=bias, eps=eps)


def _corrcoef(x: Tensor) -> Any:
    found = call("corrcoef", x)
    return call("squeeze", found) if x.shape[0] == 1 else found


def _unfold(x: Tensor, dim: int, size: int, step: int) -> Any:
    windows = call("window", x, dim, size, stride=step)
    return call("moveaxis", windows, dim % x.ndim + 1, -1)


def _equal(x: Tensor, y: Tensor) -> Any:
    return call("array_equal", x, y) if x.shape == y.shape else call("full", (), False)


def _svd(x: Tensor, some: bool = True) -> Any:
    u, s, vh = call("svd", x, full_matrices=not some)
    return u, s, call("conj", vh.mT)


def _filled(value: Any, dtype: Any = None, shape: Any = ()) -> Any:
    return call("full", shape, value, dtype or dtypes.f32)


def _spaced(name: str) -> Callable[..., Any]:
    def spaced(start: Any, stop: Any, count: int, *base: Any, dtype: Any = None, **_: Any) -> Any:
        bounds = (x.astype(dtypes.f64) if isinstance(x, Tensor) else x for x in (start, stop))
        return call(name, *bounds, count, *base, dtype=dtype or dtypes.f32)

    return spaced


def _triangle(name: str) -> Callable[..., Any]:
    return lambda rows, columns, offset=0, **_: call("stack", call(name, rows, offset, columns))


CALLS: Mapping[str, Callable[..., Any]] = {
    **{
        f"__r{name}__": _reflected(operation)
        for name, operation in {
            "add": operator.add,
            "and": operator.and_,
            "div": operator.truediv,
            "matmul": operator.matmul,
            "mod": operator.mod,
            "mul": operator.mul,
            "or": operator.or_,
            "pow": operator.pow,
            "sub": operator.sub,
            "xor": operator.xor,
        }.items()
    },
    **{name: _moments(name) for name in ("std", "std_mean", "var", "var_mean")},
    **{
        f"signal.windows.{name}": _windowed(
            f"{name}_window", "alpha", "beta", "center", "std", "tau"
        )
        for name in (
            "bartlett",
            "blackman",
            "cosine",
            "exponential",
            "gaussian",
            "general_cosine",
            "general_hamming",
            "hamming",
            "hann",
            "kaiser",
            "nuttall",
        )
    },
    "__getitem__": lambda x, items: x[items],
    "H": lambda x: call("conj", x.T),
    "T": lambda x: x.T,
    "bincount": lambda x, weights=None, minlength=0: call("bincount", x, minlength, weights),
    "einsum": lambda operands, equation: call("einsum", equation, *operands),
    "corrcoef": _corrcoef,
    "equal": _equal,
    "full": lambda shape, value, dtype=None, **_: _filled(value, dtype, shape),
    "linalg.lstsq": lambda a, b, driver=None: (call("lstsq", a, b),),
    "linalg.tensorsolve": lambda a, b, dims=None: call("tensorsolve", a, b, dims),
    **{name: lambda x, *_, **__: call("lu_factor", x) for name in ("lu", "linalg.lu_factor")},
    "linalg.lu": lambda x, pivot=True: call("lu", x),
    "lu_solve": lambda b, *factors: call("lu_solve", *factors, b),
    "linalg.vander": lambda x, N=None: linalg.vander(x, N=N),
    **dict.fromkeys(("linspace", "linspace.tensor_overload"), _spaced("linspace")),
    "logspace": _spaced("logspace"),
    "mH": lambda x: call("conj", x.mT),
    "mT": lambda x: x.mT,
    "median": _median,
    "mode": lambda x, *axis, **given: (call("mode", x, *axis, **given)[0],),
    "nanmedian": _nanmedian,
    "norm.fro": lambda x, p="fro", *axis, **given: call("norm", x, None, *axis, **given),
    "norm.nuc": lambda x, p, *axis, **given: call("matrix_norm", x, p, *axis, **given),
    "new_full": lambda x, shape, value, dtype=None, **_: _filled(value, dtype or x.dtype, shape),
    "new_ones": _new("ones"),
    "new_zeros": _new("zeros"),
    "nn.functional.batch_norm": _batch_norm,
    "nn.functional.cross_entropy": _along_classes("cross_entropy"),
    "nn.functional.instance_norm": _instance_norm,
    "nn.functional.linear_cross_entropy": lambda *given, options=None, **named: call(
        "linear_cross_entropy", *given, **named
    ),
    "nn.functional.nll_loss": _along_classes("nll_loss"),
    "nn.functional.one_hot": lambda x, num_classes: call("one_hot", x, num_classes, dtypes.i64),
    "nn.functional.pad": _pad,
    "nonzero_static": lambda x, size, fill_value=-1: call("argwhere", x, size, fill_value),
    "repeat": lambda x, *counts: call("tile", x, *counts),
    "scalar_tensor": lambda value, dtype=None, **_: _filled(value, dtype),
    "searchsorted": lambda line, x, out_int32=False, **given: call(
        "searchsorted", line, x, **given
    ),
    "sort": lambda x, *axis, stable=False, **given: (
        call("sort", x, *axis, **given),
        call("argsort", x, *axis, **given),
    ),
    "svd": _svd,
    "t": lambda x: x.T,
    "tril_indices": _triangle("tril_indices"),
    "triu_indices": _triangle("triu_indices"),
    "unfold": _unfold,
}
"""Operators that are several calls here, or a call with other arguments."""
