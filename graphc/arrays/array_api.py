"""What the Python array API standard asks of a namespace besides functions of arrays.

Inspection of dtypes and of the namespace, shapes, and arrays of other packages. The standard's own
text says what each does: sections "Data type functions", "Inspection", "Manipulation functions"
and "Creation functions" of version 2025.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import DTypeError, UsageError
from graphc.ir import dlpack
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.ops import broadcasting

__all__ = [
    "FloatInfo",
    "IntegerInfo",
    "NamespaceInfo",
    "__array_namespace_info__",
    "broadcast_shapes",
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
    return dtypes.as_dtype(value if isinstance(value, type) else getattr(value, "dtype", value))


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


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is one, or of a kind: "bool", "integral", "real floating", "numeric", ...

    >>> isdtype(dtypes.f32, "real floating"), isdtype(dtypes.i8, ("bool", dtypes.i8))
    (True, True)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if not isinstance(kind, str):
        return _dtype_of(dtype) is _dtype_of(kind)
    if kind not in _KINDS:
        raise DTypeError(f"there is no kind {kind!r} of dtypes", hint=f"one of {', '.join(_KINDS)}")
    return _dtype_of(dtype).kind in _KINDS[kind]


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


def can_cast(from_: Any, to: Any) -> bool:
    """Whether promotion takes one dtype (or that of an array) to another.

    >>> can_cast(dtypes.i32, dtypes.i64), can_cast(dtypes.i64, dtypes.i32)
    (True, False)
    """
    try:
        return dtypes.promote(_dtype_of(from_), _dtype_of(to)) is _dtype_of(to)
    except DTypeError:
        return False


def broadcast_shapes(*shapes: DimLike | Sequence[DimLike]) -> tuple[DimLike, ...]:
    """The shape that all of `shapes` broadcast to; their dims may be named, one alone is a shape.

    Raises:
        ShapeError: two dims differ, and neither is 1.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    return broadcasting.broadcast_shapes(
        *(one if isinstance(one, Sequence) else (one,) for one in shapes)
    )


def from_dlpack(
    x: Any, *, device: str | None = None, copy: bool | None = None
) -> np.ndarray[Any, Any]:
    """An array of another package on the host as one of NumPy, without a copy unless asked for.

    >>> from_dlpack(np.arange(3)).tolist()
    [0, 1, 2]
    """
    _require_host(device)
    array = dlpack.from_dlpack(x)
    return array.copy() if copy else array


# -- the namespace --------------------------------------------------------------------------------

_STANDARD = tuple(one for one in dtypes.ALL if not one.precision or one.bits >= 32)
"""The dtypes that the standard names: it has no narrow floats."""


def _require_host(device: str | None) -> None:
    if device not in (None, "cpu"):
        raise UsageError(
            f"there are no arrays on the device {device!r}",
            code="argument",
            hint='arrays are those of NumPy, on the "cpu"; a graph runs where it is compiled for',
        )


class NamespaceInfo:
    """What there is: of arrays, which are NumPy's. A graph has no size that depends on data.

    >>> NamespaceInfo().default_dtypes()["integral"]
    i64
    """

    def capabilities(self) -> dict[str, bool | int]:
        """What arrays can do."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def devices(self) -> tuple[str, ...]:
        """Where arrays are."""
        return ("cpu",)

    def default_device(self) -> str:
        """Where new arrays are."""
        return "cpu"

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The dtypes of Python numbers, and of indices in results."""
        _require_host(device)
        return {
            "real floating": dtypes.f32,
            "complex floating": dtypes.c64,
            "integral": dtypes.i64,
            "indexing": dtypes.i64,
        }

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The standard's dtypes by name, all or those of a kind (see `isdtype`)."""
        _require_host(device)
        chosen = tuple(_KINDS) if kind is None else kind
        return {one.array_api_name: one for one in _STANDARD if isdtype(one, chosen)}


def __array_namespace_info__() -> NamespaceInfo:
    """What the namespace offers, as the standard asks for it."""
    return NamespaceInfo()
