"""Element types: their facts, their names elsewhere, and how they promote.

Promotion follows the type promotion table of the Python array API standard (2024.12, "Type
Promotion Rules"): it never crosses from integers to floats, and a Python scalar takes the dtype
of the array beside it. The 16-bit floats, which the standard leaves out, join the table by the
same principle: the smallest dtype that holds both, so `f16` with `bf16` gives `f32`.

>>> promote(i8, u8), promote(f16, bf16), promote(f64, c64)
(i16, f32, c128)
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np

from graphc.errors import DTypeError, nearest_name
from graphc.ir.spec import TensorSpec

Kind: TypeAlias = Literal["bool", "signed", "unsigned", "float", "complex", "storage"]
PythonScalar: TypeAlias = bool | int | float | complex


@dataclass(frozen=True, eq=False)
class DType:
    """One element type. Each exists once, as a constant of this module: compare with `is`.

    Attributes:
        name: the name in the language.
        kind: `storage` for the 8-bit floats, which are moved, loaded and cast, never computed in.
        bits: width of an element; `bool` is stored in 8.
        array_api_name: the name in the array API standard or in `ml_dtypes`; NumPy's as well.
        safetensors_name: the name in a safetensors header, None where that format has none.
        precision: bits of the significand of a float (of a component of a complex), the hidden
            one included; 0 for the rest.
        max_exponent: exponent of the largest finite float: it is below `2**(max_exponent + 1)`.
    """

    name: str
    kind: Kind
    bits: int
    array_api_name: str
    safetensors_name: str | None
    precision: int = 0
    max_exponent: int = 0

    def __repr__(self) -> str:
        return self.name

    def __getitem__(self, sizes: object) -> TensorSpec:
        """The type of a tensor as Python annotations write it: `f32["B", 64]`, `f32[()]`."""
        return TensorSpec.of(self, sizes)

    def __call__(self, *values: object) -> NoReturn:
        """Refused: a dtype is a function in the language alone.

        Raises:
            DTypeError: always.
        """
        raise DTypeError(
            f"{self.name} is a dtype, and is called in Python",
            code="dtype-unknown",
            hint=f"cast by x.astype(graphc.{self.name}), or graphc.cast(x, graphc.{self.name})",
        )

    # Python would take indexing alone for a sequence without end.
    __iter__ = None

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return from_name, (self.name,)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.bits // 8

    @property
    def is_integer(self) -> bool:
        """Whether it is a signed or unsigned integer; `bool` is not."""
        return self.kind in ("signed", "unsigned")

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype. `bf16` and the 8-bit floats load `ml_dtypes` at their first use."""
        if self.kind == "storage" or self is bf16:
            # Most programs use neither, and start without the package.
            scalar: type[np.generic]
            scalar = getattr(importlib.import_module("ml_dtypes"), self.array_api_name)
            return np.dtype(scalar)
        return np.dtype(self.array_api_name)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What NumPy looks for: `np.zeros(3, dtype=f32)`, `array.dtype == f32`."""
        return self.numpy

    @property
    def minimum_value(self) -> int | float:
        """Smallest finite value; of a component, for complex dtypes."""
        if self.kind in ("bool", "unsigned"):
            return 0
        return -self.maximum_value if self.precision else -(1 << (self.bits - 1))

    @property
    def maximum_value(self) -> int | float:
        """Largest finite value; of a component, for complex dtypes."""
        if self.kind == "bool":
            return 1
        if self.is_integer:
            return (1 << (self.bits - (self.kind == "signed"))) - 1
        # The all-ones significand of f8e4m3 is its NaN, so the largest number is one step lower.
        last = 2 if self is f8e4m3 else 1
        return math.ldexp(2**self.precision - last, self.max_exponent + 1 - self.precision)

    @property
    def epsilon(self) -> float:
        """Distance from 1 to the next float; of a component, for complex dtypes."""
        self._require_float("epsilon")
        return math.ldexp(1.0, 1 - self.precision)

    @property
    def smallest_normal(self) -> float:
        """Smallest positive float of full precision; of a component, for complex dtypes."""
        self._require_float("smallest_normal")
        # The OCP format f8e4m3 keeps numbers in the exponent that IEEE reserves for infinity.
        return math.ldexp(1.0, (2 if self is f8e4m3 else 1) - self.max_exponent)

    def _require_float(self, what: str) -> None:
        if not self.precision:
            raise DTypeError(
                f"{what} of {self.name}: only floats have one",
                code="dtype-limits",
                hint="use minimum_value and maximum_value for integers",
            )

    @property
    def real(self) -> DType:
        """Dtype of a component: `f32` for `c64`, itself for every real dtype."""
        return {c64: f32, c128: f64}.get(self, self)

    @property
    def accumulator(self) -> DType:
        """Dtype in which sums and matrix products of this dtype are carried out.

        Floats narrower than 32 bits accumulate in `f32` and round once, at the end. Integers
        wrap, so that a wider accumulator would give the same bits.
        """
        return f32 if self.precision and self.bits < 32 else self


bool_ = DType("bool", "bool", 8, "bool", "BOOL")
i8 = DType("i8", "signed", 8, "int8", "I8")
i16 = DType("i16", "signed", 16, "int16", "I16")
i32 = DType("i32", "signed", 32, "int32", "I32")
i64 = DType("i64", "signed", 64, "int64", "I64")
u8 = DType("u8", "unsigned", 8, "uint8", "U8")
u16 = DType("u16", "unsigned", 16, "uint16", "U16")
u32 = DType("u32", "unsigned", 32, "uint32", "U32")
u64 = DType("u64", "unsigned", 64, "uint64", "U64")
f16 = DType("f16", "float", 16, "float16", "F16", 11, 15)
bf16 = DType("bf16", "float", 16, "bfloat16", "BF16", 8, 127)
f32 = DType("f32", "float", 32, "float32", "F32", 24, 127)
f64 = DType("f64", "float", 64, "float64", "F64", 53, 1023)
c64 = DType("c64", "complex", 64, "complex64", "C64", 24, 127)
c128 = DType("c128", "complex", 128, "complex128", None, 53, 1023)
f8e4m3 = DType("f8e4m3", "storage", 8, "float8_e4m3fn", "F8_E4M3", 4, 8)
f8e5m2 = DType("f8e5m2", "storage", 8, "float8_e5m2", "F8_E5M2", 3, 15)

ALL: tuple[DType, ...] = (
    *(bool_, i8, i16, i32, i64, u8, u16, u32, u64),
    *(f16, bf16, f32, f64, c64, c128, f8e4m3, f8e5m2),
)
"""Every dtype, in the order in which they are listed to a person."""

DTYPES: Mapping[str, DType] = {
    **{dtype.name: dtype for dtype in ALL},
    **{dtype.array_api_name: dtype for dtype in ALL},
    "bool_": bool_,
    "half": f16,
    "double": f64,
}
"""Every dtype by its names in the language, the array API standard, NumPy and PyTorch."""

_AMBIGUOUS = {
    "float": "f32 or f64",
    "int": "i32 or i64",
    "uint": "u32 or u64",
    "long": "i32 or i64",
    "complex": "c64 or c128",
}


def computable() -> tuple[DType, ...]:
    """The dtypes that operations compute in: all but the 8-bit floats."""
    return tuple(dtype for dtype in ALL if dtype.kind != "storage")


def as_dtype(value: object) -> DType:
    """The dtype that is meant: one itself, its name, or what Python, NumPy, JAX and PyTorch have.

    >>> as_dtype("float32"), as_dtype(np.int8), as_dtype(np.dtype("bool")), as_dtype(bool)
    (f32, i8, bool, bool)

    Raises:
        DTypeError: it is no dtype, or one of Python's, which say nothing of the width.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return from_numpy(value)
    is_of_torch = (type(value).__module__, type(value).__name__) == ("torch", "dtype")
    name = str(value).removeprefix("torch.") if is_of_torch else getattr(value, "__name__", value)
    if isinstance(name, str) and (isinstance(value, str) or name in DTYPES or name in _AMBIGUOUS):
        return from_name(name)
    raise DTypeError(
        f"{value!r} ({type(value).__name__}) is no dtype",
        code="dtype-unknown",
        hint="the dtypes are " + ", ".join(dtype.name for dtype in ALL),
    )


def from_name(name: str) -> DType:
    """The dtype with this name, in the language, NumPy, or the array API standard.

    >>> from_name("float32"), from_name("bf16")
    (f32, bf16)

    Raises:
        DTypeError: no dtype has the name, or it means different widths in different places.
    """
    if name in DTYPES:
        return DTYPES[name]
    if name in _AMBIGUOUS:
        hint = f"say how wide: {_AMBIGUOUS[name]}"
    else:
        near = nearest_name(name.rpartition(".")[2], DTYPES)
        known = "the dtypes are " + ", ".join(dtype.name for dtype in ALL)
        hint = f"did you mean {near}? {known}" if near else known
    raise DTypeError(f"unknown dtype {name!r}", code="dtype-unknown", hint=hint)


_REFUSED_NUMPY_KINDS = {
    "O": ("an array of Python objects", "convert its elements to numbers"),
    "S": ("an array of bytes strings", "encode the text as integers"),
    "U": ("an array of strings", "encode the text as integers"),
    "T": ("an array of strings", "encode the text as integers"),
    "M": ("an array of dates", "subtract a date and cast the difference to i64"),
    "m": ("an array of time differences", "cast it to i64"),
    "V": ("an array of records or raw bytes", "pass its fields as arrays of their own"),
}


def from_numpy(dtype: np.dtype[Any] | type[np.generic]) -> DType:
    """The dtype of a NumPy array.

    >>> from_numpy(np.dtype("uint8"))
    u8

    Raises:
        DTypeError: the array holds no numbers, or numbers of an unknown width or byte order.
    """
    if not isinstance(dtype, np.dtype) and not (
        isinstance(dtype, type) and issubclass(dtype, np.generic)
    ):
        # NumPy would read None as float64.
        raise DTypeError(
            f"{dtype!r} is no NumPy dtype", code="dtype-numpy", hint="pass the dtype of an array"
        )
    numpy_dtype = np.dtype(dtype)
    found = DTYPES.get(numpy_dtype.name)
    if found is not None and numpy_dtype.isnative:
        return found
    if found is not None:
        what = f"byte order of {numpy_dtype.str} is not that of this machine"
        hint = 'convert the array: x.astype(x.dtype.newbyteorder("="))'
    elif numpy_dtype.kind in _REFUSED_NUMPY_KINDS:
        meaning, hint = _REFUSED_NUMPY_KINDS[numpy_dtype.kind]
        what = f"{numpy_dtype} is no dtype of a tensor: {meaning}"
    else:
        what = f"{numpy_dtype} has no counterpart"
        hint = "convert the array with astype to one of " + ", ".join(
            one.array_api_name for one in ALL
        )
    raise DTypeError(what, code="dtype-numpy", hint=hint)


def promote(a: DType, b: DType) -> DType:
    """The dtype of an operation on two arrays: the smallest that holds the values of both.

    Equal dtypes, the 8-bit floats among them, promote to themselves.

    Raises:
        DTypeError: the standard defines no result (kinds differ, or `u64` meets a signed
            integer), or an 8-bit float meets another dtype.
    """
    if a is b:
        return a
    kinds = {a.kind, b.kind}
    wider, narrower = (a, b) if (a.bits, a.name) > (b.bits, b.name) else (b, a)
    if kinds == {"signed"} or kinds == {"unsigned"}:
        return wider
    if kinds == {"signed", "unsigned"}:
        signed, unsigned = (a, b) if a.kind == "signed" else (b, a)
        if unsigned.bits < 64:
            return DTYPES[f"i{max(signed.bits, 2 * unsigned.bits)}"]
    if kinds == {"float"}:
        return wider if wider.bits > narrower.bits else f32
    if kinds == {"complex"} or kinds == {"float", "complex"}:
        return c128 if f64 in (a.real, b.real) else c64
    raise DTypeError(
        f"{a.name} and {b.name} have no common dtype", code="dtype-promotion", hint=_cast_hint(a, b)
    )


def promote_all(dtypes: Iterable[DType]) -> DType:
    """The dtype of an operation on several arrays; it does not depend on their order.

    Raises:
        DTypeError: two of them do not promote, or there are none.
    """
    ordered = sorted(set(dtypes), key=lambda dtype: ALL.index(dtype))
    if not ordered:
        raise DTypeError("no dtypes to promote", code="dtype-promotion", hint="give one operand")
    result = ordered[0]
    for dtype in ordered[1:]:
        result = promote(result, dtype)
    return result


def _cast_hint(a: DType, b: DType) -> str:
    """Which cast to write, for two dtypes that do not promote."""
    storage = [d for d in (a, b) if d.kind == "storage"]
    if storage:
        other = b if storage[0] is a else a
        target = f32 if other.kind != "float" else other
        names = " and ".join(dict.fromkeys(d.name for d in storage))
        return f"{names} is for storage: cast to a wider float, {target.name}"
    if "bool" in (a.kind, b.kind):
        other = b if a.kind == "bool" else a
        return f"cast the bool operand to {other.name}"
    if a.is_integer and b.is_integer:
        return "no integer holds both: cast one operand to i64 or u64"
    integer, other = (a, b) if a.is_integer else (b, a)
    return f"cast the {integer.name} operand to {other.name}"


def default(scalar: PythonScalar) -> DType:
    """The dtype of a Python number that stands alone.

    >>> default(2), default(2.0)
    (i64, f32)
    """
    if isinstance(scalar, bool):
        return bool_
    if isinstance(scalar, int):
        return i64
    return f32 if isinstance(scalar, float) else c64


def promote_scalar(dtype: DType, scalar: PythonScalar) -> DType:
    """The dtype of an operation on an array and a Python scalar: always that of the array.

    Raises:
        DTypeError: the scalar is of a kind that the dtype does not hold, or out of its range.
    """
    if dtype.kind == "storage":
        raise DTypeError(
            f"{dtype.name} is for storage and does not compute with {_scalar_text(scalar)}",
            code="dtype-scalar",
            hint="cast the array to a wider float: cast(x, f32)",
        )
    accepted: dict[Kind, tuple[type, ...]] = {
        "bool": (bool,),
        "signed": (int,),
        "unsigned": (int,),
        "float": (int, float),
        "complex": (int, float, complex),
    }
    is_misplaced_bool = isinstance(scalar, bool) and dtype.kind != "bool"
    if is_misplaced_bool or not isinstance(scalar, accepted[dtype.kind]):
        raise DTypeError(
            f"{_scalar_text(scalar)} ({type(scalar).__name__}) does not combine with an array of "
            f"{dtype.name}",
            code="dtype-scalar",
            hint=_scalar_hint(dtype, scalar),
        )
    if not holds(dtype, scalar):
        raise DTypeError(
            f"{_scalar_text(scalar)} is outside {dtype.name}, "
            f"{dtype.minimum_value}..{dtype.maximum_value}",
            code="dtype-scalar-range",
            hint="use a smaller number, or cast the array to a wider dtype",
        )
    return dtype


def _scalar_text(scalar: PythonScalar) -> str:
    # Python refuses to print integers of many thousand digits.
    if isinstance(scalar, int) and scalar.bit_length() > 4096:
        return f"an integer of {scalar.bit_length()} bits"
    return repr(scalar)


def _scalar_hint(dtype: DType, scalar: PythonScalar) -> str:
    if isinstance(scalar, bool):
        return f"write {int(scalar)}, or cast the array to bool"
    if isinstance(scalar, int):
        return "write True or False, or cast the array: cast(x, i64)"
    if isinstance(scalar, float):
        return "cast the array to a float: cast(x, f32)"
    if isinstance(scalar, complex):
        return f"cast the array: cast(x, {'c128' if dtype is f64 else 'c64'})"
    return "use a Python bool, int, float or complex, or an array"


def holds(dtype: DType, scalar: PythonScalar) -> bool:
    """Whether a scalar of a kind that `dtype` takes is in its range.

    A finite number that rounds to a finite float is; infinities and NaN are values of every float.
    """
    if isinstance(scalar, complex):
        return holds(dtype, scalar.real) and holds(dtype, scalar.imag)
    if not dtype.precision:
        return dtype.minimum_value <= scalar <= dtype.maximum_value
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return True
    # Rounding to nearest overflows from half a step above the largest number on. Python compares
    # integers with floats exactly.
    step = 1 << (dtype.max_exponent + 1 - dtype.precision)
    return abs(scalar) < int(dtype.maximum_value) + step // 2


def sum_dtype(dtype: DType) -> DType:
    """The default result dtype of `sum` and `prod` in the array API standard.

    Narrow integers widen to 64 bits, `bool` counts; floats and complex numbers keep their dtype.
    """
    if dtype.kind == "unsigned":
        return u64
    return i64 if dtype.kind in ("bool", "signed") else dtype
