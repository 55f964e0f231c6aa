"""Tensors of given data: numbers, nested lists of them, arrays of NumPy and of other packages.

`copy` is an argument here because the array API standard has it: a graph has values and no memory,
so that it matters to arrays alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.dlpack import from_dlpack, has_dlpack
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, promoted
from graphc.ir.ops.conversion import cast_to, converted
from graphc.ir.ops.creation.constants import number, placed, tensor

__all__ = ["asarray", "astype"]

_DEFAULTS = {"b": dtypes.bool_, "i": dtypes.i64, "u": dtypes.i64, "f": dtypes.f32, "c": dtypes.c64}
"""The dtype of Python numbers, by the kind of the array that NumPy makes of them."""


@surface("asarray", "array", "tensor", "as_tensor", "asanyarray")
@placed
def asarray(values: Node | Any, dtype: DType | None = None, *, copy: bool | None = None) -> Node:
    """The numbers of a nested list (or an array, or one number) as a tensor.

    Python numbers alone are `bool`, `i64`, `f32` or `c64` by their kind; arrays keep their dtype.
    A tensor is itself, cast where `dtype` says so; lists of tensors are stacked. Arrays of other
    packages are taken through DLPack.

    Raises:
        UsageError: lists of unequal lengths, or of anything but numbers.
        DTypeError: numbers that the dtype does not hold, or an array of a dtype that is none.

    >>> asarray([[1, 2], [3, 4]]).type
    i64[2, 2]
    """
    if isinstance(values, list | tuple) and any(map(_has_tensors, values)):
        values = functions["stack"](promoted(*map(_operand, values)))
    if isinstance(values, Node):
        return values if dtype is None else cast_to(values, dtype)
    if isinstance(values, Dim):
        return number(values, dtype or dtypes.i64)
    is_array = has_dlpack(values)
    is_number = isinstance(values, bool | int | float | complex)
    if is_number and not _is_beyond(values, dtype or dtypes.default(values)):
        is_truth = isinstance(values, bool) and dtype not in (None, dtypes.bool_)
        return number(int(values) if is_truth else values, dtype or dtypes.default(values))
    if not is_array and not is_number and not isinstance(values, list | tuple):
        raise UsageError(
            f"asarray takes numbers, lists and arrays, not {type(values).__name__}",
            hint="write the numbers as a nested list",
        )
    found = _array(values)
    if is_array:
        wanted = dtype or dtypes.from_numpy(found.dtype)
    else:
        _require_numbers(values, found)
        own = _DEFAULTS.get(found.dtype.kind, dtypes.f32) if found.size else dtypes.f32
        wanted = dtype or own
        _require_held(found, wanted)
    if found.dtype.kind == "c" and wanted.kind not in ("complex", "bool"):
        raise DTypeError(
            f"{wanted.name} holds no complex numbers",
            hint="leave dtype away, or give the real parts",
        )
    data = np.ascontiguousarray(converted(found, wanted))
    return tensor(data=data.tobytes(), dtype=wanted, shape=found.shape)


@surface("astype")
@placed
def astype(x: Node, dtype: DType, *, copy: bool = True) -> Node:
    """`x` in another dtype: `cast` under the name of the array API standard."""
    return cast_to(x, dtype)


def _has_tensors(values: Any) -> bool:
    """Whether it is a tensor, or a list with one at some depth."""
    if isinstance(values, list | tuple):
        return any(map(_has_tensors, values))
    return isinstance(values, Node)


def _operand(value: Any) -> Operand:
    """A row among rows, of which some have tensors; numbers take the dtype of these."""
    return asarray(value) if isinstance(value, list | tuple) else value


def _is_beyond(value: PythonScalar, dtype: DType) -> bool:
    """Whether a number rounds to an infinity, as those of lists may."""
    return bool(dtype.precision) and not dtypes.holds(dtype, value)


def _array(values: Any) -> np.ndarray[Any, Any]:
    if isinstance(values, np.ndarray):
        return values
    try:
        if has_dlpack(values):
            return from_dlpack(values)
        found = np.array(values)
        if found.dtype.kind == "f" and np.any(np.abs(found) >= 2.0**63):
            # NumPy makes floats of whole numbers that i64 and u64 hold only together.
            exact = np.array(values, np.object_)
            numbers = exact.ravel().tolist()
            if all(isinstance(one, int) for one in numbers):
                return exact.astype(np.uint64) if min(numbers) >= 0 else exact
        return found
    except (ValueError, TypeError, BufferError, RuntimeError, OverflowError) as error:
        raise UsageError(
            "these numbers make no array: lists of one level must be equally long",
            hint="every row has as many elements as the first one",
        ) from error


def _require_numbers(values: Any, found: np.ndarray[Any, Any]) -> None:
    if found.dtype.kind not in "biufc":
        raise UsageError(
            f"asarray takes nested lists of numbers, and found {_stranger(values)!r}",
            hint="tensors are put together with stack and concat",
        )


def _stranger(values: Any) -> str:
    """What is no number among nested lists, shortened."""
    pending = [values]
    while pending:
        one = pending.pop()
        if isinstance(one, list | tuple):
            pending.extend(reversed(one))
        elif not isinstance(one, bool | int | float | complex):
            return str(one)[:40]
    return "numbers beyond 64 bits"


def _require_held(found: np.ndarray[Any, Any], dtype: DType) -> None:
    """Refuse numbers that an integer dtype does not hold."""
    if dtype.is_integer and found.size:
        low, high = dtype.minimum_value, dtype.maximum_value
        is_whole = found.dtype.kind in "biu"
        if not is_whole or int(found.min()) < low or int(found.max()) > high:
            raise DTypeError(
                f"{dtype.name} does not hold all of these numbers",
                hint="leave dtype away, or cast the tensor",
            )
