"""What functions do with arrays that they cannot do in a graph.

A graph has sizes before it runs, and values without memory. An array has elements that may be
counted, and memory that may be shared: "Data-dependent output shapes" and "Copy-view behavior" of
the array API standard. Each function here gives `NotImplemented` for arguments with which it does
what the function of a graph does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from graphc.errors import UsageError
from graphc.ir import dtype as dtypes

__all__ = ["BY_NAME"]

Array = np.ndarray[Any, Any]


# -- as many elements as the data says ------------------------------------------------------------


def _nonzero(x: Any, size: int | None = None, fill_value: int = -1) -> Any:
    if size is not None or np.ndim(x) == 0:
        return NotImplemented
    return np.nonzero(x)


def _argwhere(x: Any, size: int | None = None, fill_value: int = -1) -> Any:
    return NotImplemented if size is not None else np.argwhere(x)


def _masked_select(x: Any, mask: Any) -> Array:
    elements, chosen = np.broadcast_arrays(x, mask)
    return np.asarray(elements[chosen])


def _repeat(x: Any, repeats: Any, axis: int | None = None, **keywords: Any) -> Any:
    if keywords or not isinstance(repeats, np.ndarray):
        return NotImplemented
    return np.repeat(x, repeats, axis)


def _unique(x: Any, size: int | None = None, *arguments: Any, **named: Any) -> Any:
    wanted = {"with_index", "with_inverse", "with_counts"}
    if size is not None or arguments or not wanted.issuperset(named):
        return NotImplemented
    parts: dict[str, Any] = {name.replace("with", "return"): value for name, value in named.items()}
    return np.unique(x, **parts, equal_nan=False)


def _unique_consecutive(x: Any, size: int | None = None, *arguments: Any, **named: Any) -> Any:
    wanted = {"with_inverse", "with_counts"}
    if size is not None or arguments or not wanted.issuperset(named):
        return NotImplemented
    flat = np.ravel(x)
    begins = np.concatenate((np.ones(min(flat.size, 1), bool), flat[1:] != flat[:-1]))
    results = [flat[begins]]
    if named.get("with_inverse"):
        results.append((np.cumsum(begins) - 1).reshape(np.shape(x)))
    if named.get("with_counts"):
        results.append(np.diff(np.flatnonzero(begins), append=flat.size))
    return results[0] if len(results) == 1 else tuple(results)


def _two_sets(keep: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of two sets; `keep` says by which of them a value is in whether it is kept."""

    def values_of(x: Any, y: Any, size: int | None = None, **keywords: Any) -> Any:
        if size is not None or keywords:
            return NotImplemented
        values = np.unique(np.concatenate((np.ravel(x), np.ravel(y))), equal_nan=False)
        return values[keep(np.isin(values, x), np.isin(values, y))]

    return values_of


def _bincount(x: Any, length: Any = None, weights: Any = None, minlength: int = 0) -> Any:
    if length is not None:
        return NotImplemented
    flat = None if weights is None else np.ravel(weights)
    return np.bincount(np.ravel(x), flat, minlength)


# -- memory ---------------------------------------------------------------------------------------


def _asarray(
    values: Any, dtype: Any = None, *, copy: bool | None = None, device: str | None = None
) -> Any:
    if device not in (None, "cpu"):
        return NotImplemented
    if _has_dtype(values, dtype):
        return values.copy() if copy else values
    if copy is False:
        raise UsageError(
            "asarray: these values make no array without a copy",
            code="argument",
            hint="leave copy away",
        )
    if dtype is None and _are_scalars(values):
        # Numbers of Python would have the default dtype. Rows of several lengths are refused there.
        with suppress(ValueError):
            return np.asarray(values)
    return NotImplemented


def _astype(x: Any, dtype: Any, *, copy: bool = True, device: str | None = None) -> Any:
    if copy or device not in (None, "cpu") or not _has_dtype(x, dtype):
        return NotImplemented
    return x


def _reshape(x: Any, shape: Any = (), *sizes: Any, copy: bool | None = None) -> Any:
    if copy is not False or not isinstance(x, np.ndarray):
        return NotImplemented
    view = np.reshape(x, (shape, *sizes) if sizes else shape)
    if x.size and not np.shares_memory(view, x):
        raise UsageError(
            f"reshape: an array with strides {x.strides} has no such view",
            code="argument",
            hint="leave copy away",
        )
    return view


def _are_scalars(values: Any) -> bool:
    """Whether values are nested lists of NumPy's scalars, all of one dtype."""
    found = _kinds(values)
    return len(found) == 1 and issubclass(next(iter(found)), np.generic)


def _kinds(values: Any) -> set[type]:
    """The types of the elements of nested lists."""
    if not isinstance(values, list | tuple):
        return {type(values)}
    return set().union(*map(_kinds, values))


def _has_dtype(value: Any, dtype: Any) -> bool:
    """Whether it is an array of that dtype; any that a tensor may have, for None."""
    if not isinstance(value, np.ndarray):
        return False
    own = dtypes.from_numpy(value.dtype)
    if isinstance(dtype, str):
        dtype = dtypes.from_name(dtype)
    return dtype is None or own == dtype


BY_NAME: Mapping[str, Callable[..., Any]] = {
    "argwhere": _argwhere,
    "array": _asarray,
    "as_tensor": _asarray,
    "asanyarray": _asarray,
    "asarray": _asarray,
    "astype": _astype,
    "bincount": _bincount,
    "intersect1d": _two_sets(np.logical_and),
    "masked_select": _masked_select,
    "nonzero": _nonzero,
    "repeat": _repeat,
    "repeat_interleave": _repeat,
    "reshape": _reshape,
    "setdiff1d": _two_sets(np.greater),
    "setxor1d": _two_sets(np.not_equal),
    "tensor": _asarray,
    "union1d": _two_sets(lambda in_x, in_y: slice(None)),
    "unique": _unique,
    "unique_all": np.unique_all,
    "unique_consecutive": _unique_consecutive,
    "unique_counts": np.unique_counts,
    "unique_inverse": np.unique_inverse,
    "unique_values": _unique,
}
"""By the function's name in the registry."""
