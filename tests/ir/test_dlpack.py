"""Arrays of other packages by DLPack, whose codes NumPy does not know among them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.errors import UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dlpack import from_dlpack
from graphc.ir.dtype import DType

# DLDataTypeCode of dlpack.h.
CODES = {dtypes.bf16: 4, dtypes.f8e4m3: 10, dtypes.f8e5m2: 12}
OTHER_FLOAT_OF_8_BITS = 7
CODE_AT = 20
"""Where the code lies in a DLTensor: behind a pointer, the device's two numbers and the rank."""

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class Foreign:
    """An array of another package: bits, and the code of what they are."""

    def __init__(self, bits: Any, code: int) -> None:
        self.bits, self.code = bits, code

    def __dlpack_device__(self) -> Any:
        return self.bits.__dlpack_device__()

    def __dlpack__(self, **_: Any) -> Any:
        capsule = self.bits.__dlpack__()
        address = _pointer(capsule, b"dltensor")
        assert address is not None
        ctypes.c_uint8.from_address(address + CODE_AT).value = self.code
        return capsule


def numbers(dtype: DType, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(4).standard_normal(shape).astype(dtype.numpy)


@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)])
@pytest.mark.parametrize("dtype", CODES, ids=str)
def test_bits_are_read_as_what_they_are(dtype: DType, shape: tuple[int, ...]) -> None:
    x = numbers(dtype, shape)
    bits = x.view(f"u{dtype.itemsize}")
    found = from_dlpack(Foreign(bits, CODES[dtype]))
    assert found.dtype == dtype.numpy and found.shape == shape
    assert np.shares_memory(found, x) or not x.size
    assert np.array_equal(found, x)
    assert np.array_equal(from_dlpack(Foreign(bits.T, CODES[dtype])), x.T)


def test_the_memory_lives_as_long_as_the_array() -> None:
    found = from_dlpack(Foreign(numbers(dtypes.f8e4m3, (1000,)).view(np.uint8), 10))
    assert np.array_equal(found, numbers(dtypes.f8e4m3, (1000,)))


def test_what_numpy_knows_is_read_by_numpy() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(from_dlpack(x), x)


def test_a_dtype_without_a_name_here_is_refused() -> None:
    with pytest.raises(UsageError, match="dtype"):
        from_dlpack(Foreign(np.zeros(3, np.uint8), OTHER_FLOAT_OF_8_BITS))


class Withheld:
    """An array that its package does not give: it has a gradient, or lies on another device."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **_: Any) -> Any:
        raise self.error


TAKERS: dict[str, Callable[[Any], Any]] = {
    "from_dlpack": graphc.from_dlpack,
    "asarray": graphc.asarray,
    "function": graphc.function(lambda x: x + 1),
    "function of a tree": lambda x: graphc.function(lambda x: x[0]["a"] + 1)([{"a": x}]),
    "grad": graphc.grad(lambda x: x.sum()),
    "captured": lambda x: graphc.function(lambda y: y + graphc.asarray(x))(np.ones(3)),
    "module": lambda x: graphc.compile(lambda x: x, dtypes.f32[3], device="reference")(x),
}


@pytest.mark.parametrize("error", [BufferError, RuntimeError, TypeError, ValueError])
@pytest.mark.parametrize("name", TAKERS)
def test_what_is_withheld_is_refused_with_the_reason(name: str, error: type[Exception]) -> None:
    with pytest.raises(UsageError) as caught:
        TAKERS[name](Withheld(error("it requires a gradient")))
    told = caught.value
    assert told.code == "argument-type"
    assert told.message == "a Withheld cannot be read as an array: it requires a gradient"
    assert told.hint is not None and "x.detach().cpu()" in told.hint


def test_a_function_takes_what_another_package_holds() -> None:
    widened = graphc.function(lambda x: graphc.cast(x, dtypes.f32), device="reference")
    x = numbers(dtypes.f8e4m3, (3,))
    assert np.array_equal(widened(Foreign(x.view(np.uint8), 10)), x.astype(np.float32))
