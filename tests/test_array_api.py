"""Data as tensors, and what the array API standard asks besides functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (True, gc.bool),
        (2, gc.i64),
        (2.5, gc.f32),
        (2j, gc.c64),
        ([1, 2, 3], gc.i64),
        ([[1.5, 2], [3, 4]], gc.f32),
        ([[True, False]], gc.bool),
        ([1, 2j], gc.c64),
        ([], gc.f32),
        ([[], []], gc.f32),
        (np.arange(3, dtype=np.float64), gc.f64),
        (np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::2], gc.u8),
    ],
    ids=str,
)
def test_data_becomes_a_tensor_of_its_dtype(values: Any, dtype: DType) -> None:
    found = gc.asarray(values)
    assert found.dtype == dtype.numpy
    np.testing.assert_array_equal(found, np.asarray(values))
    traced = gc.trace(lambda: gc.tensor(values)).text()
    assert dtype.name in traced


class OfAnotherPackage:
    """An array that is known by DLPack alone."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def test_arrays_of_other_packages_come_through_dlpack() -> None:
    array = np.arange(4, dtype=np.int16)
    np.testing.assert_array_equal(gc.asarray(OfAnotherPackage(array)), array)
    assert gc.asarray(OfAnotherPackage(array)).dtype == np.int16
    assert np.shares_memory(gc.from_dlpack(OfAnotherPackage(array)), array)


def test_a_given_dtype_is_taken() -> None:
    assert gc.asarray([1, 2], dtype=gc.u8).dtype == np.uint8
    assert gc.asarray([1.5], gc.bf16).dtype == gc.bf16.numpy
    assert gc.asarray(np.arange(3.0), gc.f16).dtype == np.float16


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[1, 2], [3]], UsageError, "equally long"),
        (["a"], UsageError, "found 'a'"),
        ("text", UsageError, "not str"),
        ([1, None], UsageError, "found 'None'"),
        ({1: 2}, UsageError, "not dict"),
        ([2**70], UsageError, "beyond 64 bits"),
        ([2**63], DTypeError, "does not hold"),
    ],
)
def test_what_is_no_data_is_refused(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gc.asarray(values)


def test_numbers_beyond_a_dtype_are_refused() -> None:
    with pytest.raises(DTypeError, match="u8 does not hold"):
        gc.asarray([1, 256], gc.u8)
    with pytest.raises(DTypeError, match="i32 does not hold"):
        gc.asarray([1.5], gc.i32)


@pytest.mark.parametrize("dtype", [gc.f16, gc.f32, gc.f64, gc.c64], ids=str)
def test_limits_of_floats_are_those_of_numpy(dtype: DType) -> None:
    found, expected = gc.finfo(dtype), np.finfo(dtype.numpy)
    for name in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(found, name) == float(getattr(expected, name)), name


@pytest.mark.parametrize("dtype", [gc.i8, gc.u8, gc.i32, gc.u64], ids=str)
def test_limits_of_integers_are_those_of_numpy(dtype: DType) -> None:
    found, expected = gc.iinfo(dtype), np.iinfo(dtype.numpy)
    assert (found.bits, found.min, found.max) == (expected.bits, expected.min, expected.max)


def test_dtypes_are_asked_for_their_kind_and_promotion() -> None:
    assert gc.isdtype(gc.u8, "integral") and not gc.isdtype(gc.u8, "signed integer")
    assert gc.isdtype(gc.c64, ("bool", "complex floating"))
    assert gc.result_type(np.zeros(2, np.float32), 2, gc.f64) is gc.f64
    assert gc.can_cast(np.zeros(2, np.int8), gc.i16) and not gc.can_cast(gc.f32, gc.i32)
    with pytest.raises(DTypeError, match="no kind 'text'"):
        gc.isdtype(gc.f32, "text")
    with pytest.raises(DTypeError, match="takes floats"):
        gc.finfo(gc.i8)
    with pytest.raises(DTypeError, match="takes integers"):
        gc.iinfo(gc.f32)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_dtypes_are_those_of_numpy_arrays(dtype: DType) -> None:
    array = np.zeros(2, dtype)
    assert array.dtype == dtype and dtype == array.dtype
    assert [other for other in dtypes.ALL if other == array.dtype] == [dtype]
    assert gc.result_type(array) is gc.result_type(dtype) is dtype
