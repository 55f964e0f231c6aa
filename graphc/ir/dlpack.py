"""Arrays of other packages by DLPack, also of dtypes that NumPy has no name for.

NumPy's own reader refuses bf16 and the 8-bit floats. It is told that they are unsigned integers.

Source: DLPack's C interface, https://dmlc.github.io/dlpack/latest/c_api.html (DLTensor and
DLDataTypeCode).
"""

from __future__ import annotations

import ctypes
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.errors import UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["from_dlpack", "has_dlpack"]


def has_dlpack(value: Any) -> bool:
    """Whether a value is an array, of NumPy or of another package, that can be read by DLPack.

    >>> has_dlpack(np.zeros(2)), has_dlpack([0, 0]), has_dlpack(np.ndarray)
    (True, False, False)
    """
    return hasattr(type(value), "__dlpack__")


class _Tensor(ctypes.Structure):
    """The beginning of what a capsule points to, up to the dtype."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    )


_UNSIGNED = 1
_CODES = MappingProxyType({4: dtypes.bf16, 10: dtypes.f8e4m3, 12: dtypes.f8e5m2})

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class _Bits:
    """An array whose elements are given away as unsigned integers.

    Attributes:
        dtype: what they are, if NumPy has no name for it; known once they are given away.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype: DType | None = None

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __dlpack__(self, **_: Any) -> Any:
        capsule = self.array.__dlpack__()
        tensor = _Tensor.from_address(_pointer(capsule, b"dltensor"))
        found = _CODES.get(tensor.code)
        if found is not None and (tensor.bits, tensor.lanes) == (found.bits, 1):
            self.dtype, tensor.code = found, _UNSIGNED
        return capsule


def from_dlpack(array: Any) -> np.ndarray[Any, Any]:
    """The array in the same memory.

    Args:
        array: anything with `__dlpack__` and `__dlpack_device__`.

    Raises:
        UsageError: it does not lie in the memory of the host, or its package does not give it, as
            PyTorch none that has a gradient.
    """
    try:
        try:
            return np.asarray(np.from_dlpack(array))
        except (BufferError, RuntimeError):
            bits = _Bits(array)
            found = np.from_dlpack(bits)
            if bits.dtype is None:
                raise
            return np.asarray(found).view(bits.dtype.numpy)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"a {type(array).__name__} cannot be read as an array: {error}",
            code="argument-type",
            hint="give an array in the memory of the host, detached from any gradient: of PyTorch "
            "x.detach().cpu()",
        ) from error
