"""Data as tensors, and what the array API standard asks besides functions of arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphc as gc
from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from tests.oracles import traced_arrays


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


def test_arrays_of_other_packages_stand_beside_tensors() -> None:
    array = np.arange(3, dtype=np.float32)
    other = OfAnotherPackage(array)
    np.testing.assert_array_equal(gc.square(other), array**2)
    np.testing.assert_array_equal(gc.concat([other, array]), np.concatenate([array, array]))
    np.testing.assert_array_equal(gc.nonzero(other)[0], [1, 2])
    np.testing.assert_array_equal(gc.function(lambda x: x + other)(array), 2 * array)
    np.testing.assert_array_equal(gc.function(lambda x: (x, other))(array)[1], array)


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
    with pytest.raises(DTypeError, match="f32 holds no complex numbers"):
        gc.asarray([1, 2j], gc.f32)


@pytest.mark.parametrize("values", [1e300, [1e300], -1e300])
def test_floats_beyond_a_dtype_are_rounded_to_infinity(values: Any) -> None:
    np.testing.assert_array_equal(gc.asarray(values), np.sign(values) * np.inf)
    np.testing.assert_array_equal(gc.asarray(values, gc.f64), values)


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


@pytest.mark.parametrize("dtype", [gc.u8, gc.u64, gc.i32, gc.f16, gc.c64], ids=str)
def test_truth_counts_where_a_dtype_of_numbers_is_given(dtype: DType) -> None:
    assert gc.asarray([[False, True]], dtype).tolist() == [[0, 1]]
    assert gc.asarray(True, dtype).dtype == dtype and gc.asarray(True, dtype) == 1


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda **given: gc.zeros((2,), **given), gc.f32),
        (lambda **given: gc.ones((2,), **given), gc.f32),
        (lambda **given: gc.empty((2,), **given), gc.f32),
        (lambda **given: gc.full((2,), True, **given), gc.bool),
        (lambda **given: gc.full((2,), 3, **given), gc.i64),
        (lambda **given: gc.full((2,), 3.0, **given), gc.f32),
        (lambda **given: gc.full((2,), fill_value=3j, **given), gc.c64),
        (lambda **given: gc.full_like(np.ones(2, np.int8), 3, **given), gc.i8),
        (lambda **given: gc.zeros_like(np.ones(2, np.int8), **given), gc.i8),
        (lambda **given: gc.arange(4, **given), gc.i64),
        (lambda **given: gc.arange(4.0, **given), gc.f32),
        (lambda **given: gc.linspace(0, 1, 4, **given), gc.f32),
        (lambda **given: gc.linspace(0, 1j, 4, **given), gc.c64),
        (lambda **given: gc.eye(3, **given), gc.f32),
        (lambda **given: gc.fft.fftfreq(4, **given), gc.f32),
        (lambda **given: gc.fft.rfftfreq(4, **given), gc.f32),
        (lambda **given: gc.asarray([1, 2], **given), gc.i64),
    ],
)
def test_new_arrays_have_a_dtype_and_a_device_and_may_be_written_to(
    make: Callable[..., Any], dtype: DType
) -> None:
    made = make()
    assert made.dtype == dtype == make(dtype=None).dtype
    wide = gc.bool if dtype is gc.bool else gc.c128 if dtype is gc.c64 else gc.f64
    assert make(dtype=wide).dtype == wide
    assert make(device="cpu").device == make(device=None).device == "cpu"
    made[...] = 0
    assert not np.any(made)
    with pytest.raises(UsageError, match="no arrays on the device 'moon'"):
        make(device="moon")


def test_spaces_are_open_at_their_end_where_that_is_asked_for() -> None:
    np.testing.assert_array_equal(gc.linspace(0, 1, 4, endpoint=False), [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(gc.linspace(3, 5, 1, endpoint=False), [3])
    np.testing.assert_array_equal(gc.linspace(0, 2j, 3), [0, 1j, 2j])
    assert gc.linspace(0, 1, 0, endpoint=False).shape == (0,)


def test_a_diagonal_beyond_all_sizes_is_empty() -> None:
    assert not gc.eye(3, k=2**70).any() and not gc.eye(3, k=-(2**70)).any()
    np.testing.assert_array_equal(gc.tril(np.ones((2, 3)), k=2**70), np.ones((2, 3)))


def test_shapes_and_axes_may_be_given_by_name() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert gc.reshape(x, shape=(3, 2)).shape == gc.reshape(x, 3, 2).shape == (3, 2)
    assert gc.reshape(np.ones(1), ()).shape == gc.reshape(np.ones(1)).shape == ()
    assert gc.broadcast_to(x, shape=(4, 2, 3)).shape == (4, 2, 3)
    assert gc.permute_dims(x, axes=(1, 0)).shape == gc.permute_dims(x, 1, 0).shape == (3, 2)


def test_memory_is_shared_or_copied_as_asked_for() -> None:
    x = np.arange(6.0)
    assert gc.asarray(x) is x and gc.asarray(x, dtype=gc.f64, copy=False) is x
    assert gc.astype(x, gc.f64, copy=False) is x
    assert np.shares_memory(gc.reshape(x, (2, 3), copy=False), x)
    for copied in (gc.asarray(x, copy=True), gc.astype(x, gc.f64), gc.reshape(x, 6, copy=True)):
        np.testing.assert_array_equal(copied, x)
        assert not np.shares_memory(copied, x)
    assert not np.shares_memory(gc.from_dlpack(x, copy=True), x)
    with pytest.raises(UsageError, match="without a copy"):
        gc.asarray(x, dtype=gc.f32, copy=False)
    with pytest.raises(UsageError, match="no such view"):
        gc.reshape(x.reshape(2, 3).T, 6, copy=False)


def test_scalars_of_numpy_are_arrays_without_axes() -> None:
    one = np.arange(3.0)[1]
    assert gc.exp(one).dtype == gc.stack([one, one]).dtype == gc.asarray(one).dtype == gc.f64
    assert gc.all(np.bool_(True)) and gc.take(np.arange(3), np.int64(1), axis=np.int64(0)) == 1
    assert gc.broadcast_arrays(np.ones(2), one)[1].dtype == gc.f64


@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.0, np.nan, np.inf])), st.booleans())
def test_sets_and_places_of_arrays_are_those_of_numpy(values: list[float], wide: bool) -> None:
    x = np.array([values, values] if wide else values)
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        for found, expected in zip(getattr(gc, name)(x), getattr(np, name)(x), strict=True):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(gc.unique_values(x), np.unique_values(x))
    np.testing.assert_array_equal(gc.nonzero(x), np.nonzero(x))
    np.testing.assert_array_equal(gc.argwhere(x), np.argwhere(x))
    np.testing.assert_array_equal(gc.masked_select(x, x > 0), x[x > 0])


def test_sizes_that_depend_on_data_are_refused_in_a_graph() -> None:
    for name in ("unique_all", "nonzero", "argwhere"):
        with pytest.raises(UsageError, match="the shape of the result depends on data"):
            gc.trace(getattr(gc, name), gc.f32[3])
    with pytest.raises(ShapeError, match="a single number"):
        gc.nonzero(np.float64(3))


def test_elements_are_repeated_as_often_as_an_array_says() -> None:
    x, counts = np.arange(6).reshape(2, 3), np.array([2, 0, 1])
    np.testing.assert_array_equal(gc.repeat(x, counts, axis=1), np.repeat(x, counts, axis=1))
    np.testing.assert_array_equal(gc.repeat(x, np.asarray(2)), np.repeat(x, 2))


def test_shapes_broadcast() -> None:
    assert gc.broadcast_shapes() == ()
    assert gc.broadcast_shapes((3, 1), (4,), ()) == (3, 4)
    assert gc.broadcast_shapes((5, 1), 5, 1) == (5, 5) and gc.broadcast_shapes(3) == (3,)
    with pytest.raises(ValueError, match="do not broadcast"):
        gc.broadcast_shapes((3,), (4,))


def test_the_namespace_says_what_it_offers() -> None:
    info = gc.__array_namespace_info__()
    assert info.capabilities()["data-dependent shapes"] is True
    assert info.default_device() in info.devices()
    assert (
        gc.zeros((1,), device=info.default_device()).dtype == info.default_dtypes()["real floating"]
    )
    everything = info.dtypes(device="cpu")
    assert gc.f16.array_api_name not in everything and everything["uint8"] is gc.u8
    assert info.dtypes(kind=("bool", "complex floating")).keys() == {
        "bool",
        "complex64",
        "complex128",
    }
    with pytest.raises(UsageError, match="no arrays on the device"):
        info.default_dtypes(device="moon")
    assert gc.__array_api_version__ == "2025.12"


def test_values_are_found_and_counted_as_the_standard_says() -> None:
    sequence, order = np.array([3.0, 1.0, 2.0]), np.array([1, 2, 0])
    assert gc.searchsorted(sequence, 2.5, sorter=order) == 2
    assert gc.isin(np.array([1, 2]), 2, invert=True).tolist() == [True, False]
    assert gc.isin(2, np.array([1, 2])) and gc.isin(np.array([1.0, np.nan]), np.nan).sum() == 0
    assert gc.linalg.trace(np.eye(3, dtype=np.int8), offset=0).dtype == gc.i64
    assert gc.linalg.trace(np.eye(3), dtype=gc.f32).dtype == gc.f32


def test_the_summed_axis_of_vecdot_does_not_broadcast() -> None:
    np.testing.assert_array_equal(gc.vecdot(np.ones((2, 3)), np.ones(3)), [3, 3])
    with pytest.raises(ShapeError, match="two sizes"):
        gc.vecdot(np.ones((2, 3)), np.ones((2, 1)))


def test_a_norm_may_have_an_order_whose_inverse_is_beyond_its_dtype() -> None:
    assert gc.linalg.vector_norm(np.zeros((), np.float32), ord=1e-45) == 0
    assert gc.linalg.vector_norm(np.ones(2, np.float32), ord=1e-45) == np.inf
    assert gc.linalg.vector_norm(np.ones(2, np.float32), ord=-1e-45) == 0


def test_the_sign_of_a_complex_zero_is_zero_without_signs() -> None:
    zeros = np.array([complex(a, b) for a in (0.0, -0.0) for b in (0.0, -0.0)])
    found = gc.sign(zeros)
    assert not found.any() and not np.signbit(found.real).any() and not np.signbit(found.imag).any()
    np.testing.assert_allclose(gc.sign(np.array([3 + 4j])), [0.6 + 0.8j])


@pytest.mark.parametrize("error", [IndexError, ValueError, ShapeError])
def test_an_axis_that_there_is_not_is_an_error_of_its_own(error: type[Exception]) -> None:
    with pytest.raises(error, match="there is no axis 2"):
        gc.expand_dims(np.zeros(1), axis=2)


def test_code_for_the_standard_runs_in_a_trace() -> None:
    def centred(x: Any) -> Any:
        xp = x.__array_namespace__()
        weight = xp.ones(x.shape[0], dtype=x.dtype, device=x.device)
        weight = xp.astype(xp.asarray(weight, copy=True), xp.float64, copy=False)
        return x - xp.reshape(weight @ x / xp.sum(weight), shape=(1, -1), copy=False)

    given = np.arange(6.0).reshape(3, 2)
    found = gc.function(centred, device="reference")(given)
    np.testing.assert_array_equal(found, given - given.mean(axis=0))


def test_lists_of_arrays_are_stacked_and_lists_of_scalars_keep_their_dtype() -> None:
    x = np.arange(4.0)
    for rows in ([x[0], x[1]], [np.asarray(x[0]), np.asarray(x[1])], (x[0], np.asarray(x[1]))):
        assert gc.asarray(rows).dtype == gc.f64
        np.testing.assert_array_equal(gc.asarray([rows, rows]), [[0, 1], [0, 1]])
        assert gc.asarray(rows, dtype=gc.f32).dtype == gc.f32
    np.testing.assert_array_equal(gc.asarray([[x[1], 5], [1, x]][0]), [1, 5])
    found = gc.function(lambda x: gc.asarray([[x[1], 2], [3, x[0]]]), device="reference")(x)
    np.testing.assert_array_equal(found, [[1, 2], [3, 0]])
    assert found.dtype == gc.f64
    with pytest.raises(UsageError, match="equally long"):
        gc.asarray([[x[0]], [x[0], x[1]]])
    with pytest.raises(ShapeError):
        gc.asarray([x, x[:2]])


@pytest.mark.parametrize("operation", [operator.add, operator.mod, operator.pow, operator.le])
def test_the_arrays_of_the_conformance_suite_compute_as_tensors(
    operation: Callable[..., Any],
) -> None:
    x = traced_arrays.xp.asarray([3.0, -2.0], dtype=gc.f32)
    found = (operation(x, x[0]), operation(x, 2), operation(2, x))
    plain = np.array([3, -2], np.float32)
    expected = (operation(plain, plain[0]), operation(plain, 2), operation(2, plain))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, traced_arrays.Array) and one.dtype == other.dtype
        np.testing.assert_array_equal(np.asarray(one), other)
    with pytest.raises(DTypeError):
        x << 1


def test_a_place_beyond_an_axis_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="index 3 is outside axis 0"):
        gc.trace(lambda x: x[3], gc.f32[3])


def test_whole_numbers_of_64_bits_are_exact_beside_small_ones() -> None:
    values = [2**63, 0, 2**64 - 1]
    assert gc.asarray(values, dtype=gc.u64).tolist() == values
    assert gc.asarray(values, dtype=gc.f64).tolist() == list(map(float, values))
    with pytest.raises(DTypeError, match="i64 does not hold"):
        gc.asarray(values)
    with pytest.raises(UsageError, match="beyond 64 bits"):
        gc.asarray([2**63, -1])


def test_complex_numbers_are_rounded_by_their_parts() -> None:
    assert gc.round(np.array([1.5 - 2.5j])).tolist() == [2 - 2j]
    assert gc.round(np.array([1.25 - 0.15j]), decimals=1).tolist() == [1.2 - 0.2j]
