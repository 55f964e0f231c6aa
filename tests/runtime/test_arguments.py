"""Arguments: each wrong one gets the error that names it, each right one the same numbers."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphc.errors import DimensionError, DTypeError, GraphcError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.types import TensorType
from graphc.runtime.arguments import bind_arguments, ordered_arguments
from graphc.runtime.program import Entry, Slot

Array = np.ndarray[Any, Any]
B, C = dims.variable("B", 1, 8), dims.variable("C", 1, 4)


def entry(*types: tuple[DType, tuple[dims.DimLike, ...]]) -> Entry:
    """An export of the arguments x, y, z."""
    slots = tuple(
        Slot(name, "input", TensorType(*type_)) for name, type_ in zip("xyz", types, strict=False)
    )
    named = {n: v for _, shape in types for d in shape for n, v in dims.variables(d).items()}
    return Entry("predict", named, slots, tuple(range(len(slots))), (), (), ())  # type: ignore[arg-type]


def bound(dtype: DType, shape: tuple[dims.DimLike, ...], argument: Any) -> Array:
    (array,), _ = bind_arguments(entry((dtype, shape)), [argument])
    assert array.dtype == dtype.numpy and array.dtype.isnative
    assert array.flags.c_contiguous and array.flags.aligned
    return array


class Lent:
    """Another library's array."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class Guarded(Lent):
    """An array that cannot be lent, as one of a GPU or one that has a gradient."""

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("it requires a gradient")


class Subclass(np.ndarray):  # type: ignore[type-arg]
    pass


GRID = np.arange(6, dtype=np.float32).reshape(2, 3)
FROZEN = GRID.copy()
FROZEN.flags.writeable = False


@pytest.mark.parametrize(
    "argument",
    [
        GRID,
        FROZEN,
        np.asfortranarray(GRID),
        np.repeat(GRID, 2, axis=1)[:, ::2],
        GRID[::-1][::-1],
        GRID.astype(">f4"),
        GRID.view(Subclass),
        Lent(GRID),
        GRID.tolist(),
        tuple(map(tuple, GRID.astype(int).tolist())),
    ],
    ids=lambda a: type(a).__name__,
)
def test_the_same_numbers_in_many_forms(argument: Any) -> None:
    assert np.array_equal(bound(dtypes.f32, (B, 3), argument), GRID)


def test_what_fits_is_not_copied() -> None:
    assert np.shares_memory(bound(dtypes.f32, (B, 3), GRID), GRID)
    assert np.shares_memory(bound(dtypes.f32, (B, 3), FROZEN), FROZEN)


def test_unaligned_memory_is_copied() -> None:
    raw = np.zeros(4 * 6 + 1, np.uint8)[1:].view(np.float32)
    assert not raw.flags.aligned
    assert bound(dtypes.f32, (6,), raw).flags.aligned


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (dtypes.f32, 2),
        (dtypes.f32, True),
        (dtypes.f32, float("inf")),
        (dtypes.f32, float("nan")),
        (dtypes.f64, 1e300),
        (dtypes.bf16, 1.5),
        (dtypes.f16, -0.0),
        (dtypes.u8, 255),
        (dtypes.i8, -128),
        (dtypes.u64, 2**64 - 1),
        (dtypes.bool_, False),
        (dtypes.c64, 1 + 2j),
        (dtypes.f32, np.float32(3)),
        (dtypes.i64, np.int64(-3)),
        (dtypes.f32, np.array(3, np.float32)),
    ],
)
def test_numbers(dtype: DType, value: Any) -> None:
    array = bound(dtype, (), value)
    assert array.shape == ()
    assert np.array_equal(array, np.asarray(value).astype(dtype.numpy), equal_nan=True)
    assert np.signbit(array.real) == np.signbit(np.real(value)) or np.isnan(array)


@pytest.mark.parametrize(
    ("dtype", "shape", "argument", "error", "message"),
    [
        (dtypes.f32, (B,), np.zeros(3), DTypeError, "'x' is f64, expected f32"),
        (dtypes.f32, (), np.float64(1), DTypeError, "'x' is f64, expected f32"),
        (dtypes.bf16, (1,), np.zeros(1, np.float32), DTypeError, "'x' is f32, expected bf16"),
        (dtypes.f8e4m3, (1,), np.zeros(1, np.uint8), DTypeError, "'x' is u8, expected f8e4m3"),
        (dtypes.f32, (1,), np.zeros(1, ml_dtypes.bfloat16), DTypeError, "is bf16, expected f32"),
        (dtypes.i32, (), 2.0, DTypeError, "'x' is f64, expected i32"),
        (dtypes.f32, (), 1j, DTypeError, "'x' is c128, expected f32"),
        (dtypes.bool_, (), 1, DTypeError, "'x' is i64, expected bool"),
        (dtypes.u8, (), 300, DTypeError, "holds 300, which is out of the range of u8"),
        (dtypes.u8, (2,), [1, -1], DTypeError, "holds -1, which is out of the range of u8"),
        (dtypes.i8, (), 300, DTypeError, "holds 300, which is out of the range of i8"),
        (dtypes.f32, (), 1e300, DTypeError, "out of the range of f32"),
        (dtypes.f16, (), 70000, DTypeError, "out of the range of f16"),
        (dtypes.i64, (), 2**70, DTypeError, "too large"),
        (dtypes.f32, (B, 2), [[1, 2], [3]], ShapeError, "'x'"),
        (dtypes.f32, (B,), "abc", UsageError, "'x', a str"),
        (dtypes.f32, (B,), None, UsageError, "'x', a NoneType"),
        (dtypes.f32, (B,), object(), UsageError, "'x', a object"),
        (dtypes.f32, (B,), ["a"], DTypeError, "'x' cannot become f32"),
        (dtypes.f32, (B,), Guarded(GRID), UsageError, "requires a gradient"),
        (dtypes.f32, (B,), np.ma.array([1.0], dtype="f4"), UsageError, "masked"),
        (dtypes.f32, (B, 3), np.zeros(3, "f4"), ShapeError, r"shape \(3,\), expected f32\[B, 3\]"),
        (dtypes.f32, (B, 3), np.zeros((2, 4), "f4"), DimensionError, "axis 1: the size is 4"),
        (dtypes.f32, (B,), np.zeros(9, "f4"), DimensionError, "dimension B is 9, expected 1..8"),
        (dtypes.f32, (B,), [], DimensionError, "dimension B is 0, expected 1..8"),
        (dtypes.f32, (B * 2,), np.zeros(3, "f4"), DimensionError, r"the size is 3, expected B\*2"),
    ],
)
def test_what_does_not_fit(
    dtype: DType, shape: tuple[dims.DimLike, ...], argument: Any,
    error: type[GraphcError], message: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=message) as caught:
        bound(dtype, shape, argument)
    assert "'x'" in str(caught.value) and "predict" in str(caught.value)


def test_a_double_is_told_how_to_become_a_float() -> None:
    with pytest.raises(DTypeError) as caught:
        bound(dtypes.f32, (B,), np.zeros(3))
    assert caught.value.hint == "convert it: x.astype('float32')"


def test_a_missing_batch_axis_is_told() -> None:
    with pytest.raises(ShapeError) as caught:
        bound(dtypes.f32, (B, 3), np.zeros(3, np.float32))
    assert caught.value.hint == "a batch of one still needs its axis: x[None]"


# -- dims -----------------------------------------------------------------------------------------


def zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def test_dims_are_found_in_whatever_order_the_arguments_tell_them() -> None:
    contract = entry((dtypes.f32, (B * C,)), (dtypes.f32, (B + C,)), (dtypes.f32, (B,)))
    _, found = bind_arguments(contract, [zeros(6), zeros(5), zeros(2)])
    assert found == {"B": 2, "C": 3}


def test_dims_of_every_form() -> None:
    even = dims.variable("E", 0, 16, 4)
    contract = entry((dtypes.f32, (even, dims.ceil_div(even, 8))), (dtypes.f32, (even + 1,)))
    _, found = bind_arguments(contract, [zeros(12, 2), zeros(13)])
    assert found == {"E": 12}
    with pytest.raises(DimensionError, match="the size is 6, expected E"):
        bind_arguments(contract, [zeros(6, 1), zeros(7)])


def test_dims_that_disagree() -> None:
    with pytest.raises(DimensionError, match=r"'y'.*expected B, where B is 2"):
        bind_arguments(entry((dtypes.f32, (B,)), (dtypes.f32, (B,))), [zeros(2), zeros(3)])


def test_a_dim_that_nothing_tells() -> None:
    with pytest.raises(DimensionError, match="does not determine"):
        bind_arguments(entry((dtypes.f32, (B * C,))), [zeros(6)])


# -- names ----------------------------------------------------------------------------------------

PAIR = entry((dtypes.f32, (B,)), (dtypes.i32, (B,)))


@pytest.mark.parametrize(
    ("positional", "named"), [((1, 2), {}), ((1,), {"y": 2}), ((), {"y": 2, "x": 1})]
)
def test_arguments_by_position_and_name(positional: Any, named: Any) -> None:
    assert ordered_arguments(PAIR, positional, named) == [1, 2]


@pytest.mark.parametrize(
    ("positional", "named", "message"),
    [
        ((1,), {}, "predict needs 'y' as well"),
        ((1, 2, 3), {}, "takes 2 arguments, 3 were given"),
        ((1,), {"x": 1}, "'x' is given twice"),
        ((1,), {"z": 1}, "has no argument 'z'"),
    ],
)
def test_wrong_names(positional: Any, named: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ordered_arguments(PAIR, positional, named)
    assert "predict(x: f32[B], y: i32[B])" in str(caught.value)


@pytest.mark.parametrize("dtype", ["U1", "S1", "O", "M8[D]", "m8[s]"])
def test_an_array_that_holds_no_numbers_is_refused(dtype: str) -> None:
    with pytest.raises(UsageError, match="does not hold numbers"):
        bound(dtypes.f32, (1,), np.zeros(1, dtype))
