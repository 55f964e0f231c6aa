"""The arguments of a launch against the parameters that the compiler saw."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphc.errors import UsageError
from graphc.runtime.simulator.buffers import CheckedBuffers

__all__ = [
    "Argument",
    "Dimensions",
    "Kernel",
    "KernelRecord",
    "PointerTable",
    "Scalar",
    "as_ctypes",
]

Array: TypeAlias = npt.NDArray[Any]
Scalar: TypeAlias = "ctypes._SimpleCData[Any] | ctypes.Structure"
Argument: TypeAlias = "Array | Scalar | PointerTable"
Dimensions: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class PointerTable:
    """A struct with pointers in it.

    Attributes:
        table: the struct, with anything in place of the pointers.
        pointers: the offset of each pointer, and the array that it is to point to.
    """

    table: ctypes.Structure
    pointers: tuple[tuple[int, Array], ...]


class ParameterRecord(ctypes.Structure):
    """`Parameter` of interface.hpp."""

    _fields_ = (("kind", ctypes.c_uint), ("bytes", ctypes.c_uint), ("writable", ctypes.c_uint))


class KernelRecord(ctypes.Structure):
    """`Kernel` of interface.hpp."""

    _fields_ = (
        ("invoke", ctypes.c_void_p),
        ("parameters", ctypes.POINTER(ParameterRecord)),
        ("parameter_count", ctypes.c_uint),
    )


# `enum class ParameterKind` of interface.hpp.
_INTEGER, _FLOATING, _POINTER, _OTHER = range(4)
_KIND_NAMES = ("an integer", "a floating-point number", "a pointer", "a struct")


@dataclass(frozen=True)
class Kernel:
    """A kernel with its parameters as the compiler saw them."""

    name: str
    parameters: tuple[str, ...]
    record: KernelRecord

    def check_arguments(self, arguments: Sequence[Argument]) -> None:
        """Refuse arguments that are not of the kernel's parameter types."""
        if len(arguments) != self.record.parameter_count:
            raise UsageError(
                f"kernel {self.name} takes {self.record.parameter_count} arguments, "
                f"not {len(arguments)}"
            )
        for name, parameter, argument in self._pairs(arguments):
            problem = _mismatch(parameter, argument)
            if problem:
                raise UsageError(f"kernel {self.name}, parameter {name}: {problem}")

    def named_arrays(self, arguments: Sequence[Argument]) -> list[tuple[str, Array]]:
        """The arrays among the arguments, with the names of their parameters."""
        found: list[tuple[str, Array]] = []
        for name, _, argument in self._pairs(arguments):
            if isinstance(argument, np.ndarray):
                found.append((name, argument))
            elif isinstance(argument, PointerTable):
                found += [(name, array) for _, array in argument.pointers]
        return found

    def _pairs(self, arguments: Sequence[Argument]) -> list[tuple[str, ParameterRecord, Argument]]:
        records = self.record.parameters[: self.record.parameter_count]
        return list(zip(self.parameters, records, arguments, strict=True))


def _mismatch(parameter: ParameterRecord, argument: Argument) -> str | None:
    """What is wrong with an argument, or None."""
    if isinstance(argument, np.ndarray):
        if parameter.kind != _POINTER:
            return f"expected {_KIND_NAMES[parameter.kind]}, got an array"
        if not argument.flags.c_contiguous:
            return "the array is not C-contiguous"
        if parameter.writable and not argument.flags.writeable:
            return "the array is read-only, and the kernel may write to it"
        return None
    if isinstance(argument, PointerTable):
        return _mismatch(parameter, argument.table)
    kind = _kind_of(argument)
    if kind is None:
        return f"expected an array or a ctypes scalar, got {type(argument).__name__}"
    if kind != parameter.kind or ctypes.sizeof(argument) != parameter.bytes:
        expected = f"{_KIND_NAMES[parameter.kind]} of {parameter.bytes} bytes"
        return f"expected {expected}, got {type(argument).__name__}"
    return None


def _kind_of(argument: Any) -> int | None:
    if isinstance(argument, (ctypes.c_float, ctypes.c_double)):
        return _FLOATING
    if isinstance(argument, (ctypes.Structure, ctypes.Array)):
        return _OTHER
    is_number = isinstance(argument, ctypes._SimpleCData) and isinstance(
        argument.value, (int, bool)
    )
    return _INTEGER if is_number else None


def as_ctypes(argument: Argument, buffers: CheckedBuffers | None) -> Any:
    """The argument as the kernel is to see it: arrays by the address of them or of their copies."""
    if isinstance(argument, PointerTable):
        table = type(argument.table).from_buffer_copy(argument.table)
        for offset, array in argument.pointers:
            ctypes.c_void_p.from_buffer(table, offset).value = _address(array, buffers)
        return table
    if not isinstance(argument, np.ndarray):
        return argument
    return ctypes.c_void_p(_address(argument, buffers))


def _address(array: Array, buffers: CheckedBuffers | None) -> int:
    return int(array.ctypes.data) if buffers is None else buffers.address_of(array)
