"""What the Python array API standard asks of a namespace besides functions of arrays.

Inspection of dtypes, and arrays of other packages. The standard's own text says what each does:
sections "Data type functions" and "Creation functions" of version 2024.12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = [
    "FloatInfo",
    "IntegerInfo",
    "can_cast",
    "finfo",
    "from_dlpack",
    "iinfo",
    "isdtype",
    "result_type",
]

_KINDS: dict[str, frozenset[str]] = {
    "bool": frozenset({"bool"}),
    "signed integer": frozenset({"signed"}),
    "unsigned integer": frozenset({"unsigned"}),
    "integral": frozenset({"signed", "unsigned"}),
    "real floating": frozenset({"float"}),
    "complex floating": frozenset({"complex"}),
    "numeric": frozenset({"signed", "unsigned", "float", "complex"}),
}


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a float dtype; of a component, for a complex one."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """The limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype_of(value: Any) -> DType:
    found = value if isinstance(value, DType) else getattr(value, "dtype", value)
    if isinstance(found, DType):
        return found
    return dtypes.from_numpy(np.dtype(found))


def finfo(type: Any) -> FloatInfo:
    """The limits of a float or complex dtype, or of that of an array.

    >>> finfo(dtypes.f32).eps == 2.0**-23
    True
    """
    dtype = _dtype_of(type).real if _dtype_of(type).kind == "complex" else _dtype_of(type)
    if dtype.kind not in ("float", "storage"):
        raise DTypeError(f"finfo takes floats, not {dtype.name}", hint="use iinfo for integers")
    largest = float(dtype.maximum_value)
    return FloatInfo(
        dtype.bits, float(dtype.epsilon), largest, -largest, float(dtype.smallest_normal), dtype
    )


def iinfo(type: Any) -> IntegerInfo:
    """The limits of an integer dtype, or of that of an array.

    >>> iinfo(dtypes.u8).max
    255
    """
    dtype = _dtype_of(type)
    if not dtype.is_integer:
        raise DTypeError(f"iinfo takes integers, not {dtype.name}", hint="use finfo for floats")
    return IntegerInfo(dtype.bits, int(dtype.maximum_value), int(dtype.minimum_value), dtype)


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a dtype is one, or of a kind: "bool", "integral", "real floating", "numeric", ...

    >>> isdtype(dtypes.f32, "real floating"), isdtype(dtypes.i8, ("bool", dtypes.i8))
    (True, True)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, DType):
        return dtype is kind
    if kind not in _KINDS:
        raise DTypeError(f"there is no kind {kind!r} of dtypes", hint=f"one of {', '.join(_KINDS)}")
    return dtype.kind in _KINDS[kind]


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that operands are promoted to; Python numbers follow the others.

    >>> result_type(dtypes.i32, dtypes.i64, 1).name
    'i64'
    """
    numbers = [one for one in arrays_and_dtypes if isinstance(one, bool | int | float | complex)]
    others = [one for one in arrays_and_dtypes if not isinstance(one, bool | int | float | complex)]
    result = dtypes.promote_all(map(_dtype_of, others))
    for value in numbers:
        dtypes.promote_scalar(result, value)
    return result


def can_cast(from_: Any, to: DType) -> bool:
    """Whether promotion takes one dtype (or that of an array) to another.

    >>> can_cast(dtypes.i32, dtypes.i64), can_cast(dtypes.i64, dtypes.i32)
    (True, False)
    """
    try:
        return dtypes.promote(_dtype_of(from_), to) is to
    except DTypeError:
        return False


def from_dlpack(x: Any) -> np.ndarray[Any, Any]:
    """An array of another package on the host as one of NumPy, without a copy.

    >>> from_dlpack(np.arange(3)).tolist()
    [0, 1, 2]
    """
    return np.from_dlpack(x)
