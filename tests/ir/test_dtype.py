"""Dtypes against NumPy 2 and ml_dtypes, and against the tables of the array API standard."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import DTypeError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import ALL, DType, from_name, from_numpy, promote

SIGNED = ("i8", "i16", "i32", "i64")
UNSIGNED = ("u8", "u16", "u32", "u64")
FLOATS = ("f16", "bf16", "f32", "f64", "f8e4m3", "f8e5m2")

# Array API standard 2024.12, "Type Promotion Rules": rows i8..i64, columns u8..u64.
MIXED_INTEGERS = {
    "i8": ("i16", "i32", "i64", None),
    "i16": ("i16", "i32", "i64", None),
    "i32": ("i32", "i32", "i64", None),
    "i64": ("i64", "i64", "i64", None),
}
# The same page, floating-point dtypes: rows and columns f32, f64, c64, c128.
FLOATING_NAMES = ("f32", "f64", "c64", "c128")
FLOATING = {
    "f32": ("f32", "f64", "c64", "c128"),
    "f64": ("f64", "f64", "c128", "c128"),
    "c64": ("c64", "c128", "c64", "c128"),
    "c128": ("c128", "c128", "c128", "c128"),
}
# The 16-bit floats, which the standard leaves out.
HALVES = {
    ("f16", "f16"): "f16",
    ("bf16", "bf16"): "bf16",
    ("f16", "bf16"): "f32",
    **{(half, other): other for half in ("f16", "bf16") for other in FLOATING_NAMES},
}


def expected_promotion(a: str, b: str) -> str | None:
    """The standard's table, written out."""
    if a == b:
        return a
    for family in (SIGNED, UNSIGNED):
        if a in family and b in family:
            return max(a, b, key=family.index)
    if a in MIXED_INTEGERS and b in UNSIGNED:
        return MIXED_INTEGERS[a][UNSIGNED.index(b)]
    if b in MIXED_INTEGERS and a in UNSIGNED:
        return MIXED_INTEGERS[b][UNSIGNED.index(a)]
    if a in FLOATING and b in FLOATING:
        return FLOATING[a][FLOATING_NAMES.index(b)]
    return HALVES.get((a, b)) or HALVES.get((b, a))


PAIRS = list(itertools.product(ALL, repeat=2))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda d: d.name)
def test_promotion_is_the_table_of_the_standard(a: DType, b: DType) -> None:
    expected = expected_promotion(a.name, b.name)
    if expected is not None:
        assert promote(a, b) is from_name(expected)
        return
    with pytest.raises(DTypeError, match=f"{a.name} and {b.name}") as refused:
        promote(a, b)
    assert refused.value.hint is not None
    assert "cast" in refused.value.hint


def test_promotion_agrees_with_numpy_where_both_define_it() -> None:
    compared = 0
    for a, b in PAIRS:
        in_numpy = not any(d.kind == "storage" or d is dtypes.bf16 for d in (a, b))
        if in_numpy and expected_promotion(a.name, b.name) is not None:
            assert promote(a, b).numpy == np.promote_types(a.numpy, b.numpy)
            compared += 1
    assert compared == 14 + 12 + 12 + 24 + 20


def test_promotion_is_symmetric_and_associative_where_defined() -> None:
    def result(a: DType | None, b: DType | None) -> DType | None:
        try:
            return None if a is None or b is None else promote(a, b)
        except DTypeError:
            return None

    for a, b, c in itertools.product(dtypes.computable(), repeat=3):
        assert result(a, b) is result(b, a)
        left, right = result(result(a, b), c), result(a, result(b, c))
        # u64 joins no signed integer, and a narrow one may widen to it first: only there it fails.
        assert left is right or None in (left, right)


@given(st.permutations([dtypes.f16, dtypes.bf16, dtypes.f32, dtypes.c64]))
def test_promotion_of_several_does_not_depend_on_order(order: list[DType]) -> None:
    assert dtypes.promote_all(order) is dtypes.c64
    assert dtypes.promote_all(reversed(order[:1])) is order[0]


def test_promotion_of_several_refuses_none() -> None:
    with pytest.raises(DTypeError, match="no dtypes"):
        dtypes.promote_all([])


@pytest.mark.parametrize(
    ("a", "b", "hint"),
    [
        ("i32", "f32", "cast the i32 operand to f32"),
        ("f64", "u8", "cast the u8 operand to f64"),
        ("bool", "f32", "cast the bool operand to f32"),
        ("u64", "i8", "no integer holds both: cast one operand to i64 or u64"),
        ("f8e4m3", "f16", "f8e4m3 is for storage: cast to a wider float, f16"),
        ("i32", "f8e5m2", "f8e5m2 is for storage: cast to a wider float, f32"),
        (
            "f8e4m3",
            "f8e5m2",
            "f8e4m3 and f8e5m2 is for storage: cast to a wider float, f32",
        ),
    ],
)
def test_refused_promotion_says_which_cast_to_write(a: str, b: str, hint: str) -> None:
    with pytest.raises(DTypeError) as refused:
        promote(from_name(a), from_name(b))
    assert refused.value.hint == hint


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
def test_names_lead_back_to_the_one_dtype(dtype: DType) -> None:
    assert from_name(dtype.name) is dtype
    assert from_name(dtype.array_api_name) is dtype
    assert from_numpy(dtype.numpy) is dtype
    assert from_numpy(dtype.numpy.type) is dtype
    assert dtype.numpy.itemsize == dtype.itemsize
    assert dtype.numpy.name == dtype.array_api_name
    assert copy.deepcopy(dtype) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    with pytest.raises(AttributeError):
        dtype.bits = 4  # type: ignore[misc]


def test_every_constant_is_listed_once() -> None:
    constants = {value for value in vars(dtypes).values() if isinstance(value, DType)}
    assert constants == set(ALL)
    assert len(ALL) == 17
    assert set(ALL) - set(dtypes.computable()) == {dtypes.f8e4m3, dtypes.f8e5m2}


def test_numpy_spellings_of_one_dtype_are_one() -> None:
    for code in "?bBhHiIlLqQefdFD":
        numpy_dtype = np.dtype(code)
        assert from_numpy(numpy_dtype).numpy == numpy_dtype


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("floot32", "did you mean float32?"),
        ("f33", "did you mean f32?"),
        ("float", "f32 or f64"),
        ("int", "i32 or i64"),
        ("", "the dtypes are bool, i8"),
        ("object", "the dtypes are"),
    ],
)
def test_unknown_name_is_refused_with_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(DTypeError, match=f"unknown dtype '{name}'") as refused:
        from_name(name)
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("numpy_dtype", "found"),
    [
        (np.dtype(object), "Python objects"),
        (np.dtype("S4"), "bytes strings"),
        (np.dtype("U4"), "strings"),
        (np.dtypes.StringDType(), "strings"),
        (np.dtype("M8[ns]"), "dates"),
        (np.dtype("m8[s]"), "time differences"),
        (np.dtype([("a", "f4")]), "records"),
        (np.dtype("V8"), "raw bytes"),
        (np.dtype("f4").newbyteorder("S"), "byte order"),
        (np.dtype("longdouble"), "no counterpart"),
        (np.dtype(ml_dtypes.int4), "int4"),
        (np.dtype(ml_dtypes.float8_e4m3b11fnuz), "float8_e4m3b11fnuz"),
        (None, "None is no NumPy dtype"),
        (float, "no NumPy dtype"),
    ],
    ids=str,
)
def test_array_without_numbers_is_refused_with_a_way_out(
    numpy_dtype: np.dtype[np.generic], found: str
) -> None:
    with pytest.raises(DTypeError, match=found) as refused:
        from_numpy(numpy_dtype)
    assert refused.value.hint


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
def test_limits_are_those_of_numpy(dtype: DType) -> None:
    if dtype.kind == "bool":
        assert (dtype.minimum_value, dtype.maximum_value) == (0, 1)
    elif dtype.is_integer:
        integers = np.iinfo(dtype.numpy)
        assert (dtype.minimum_value, dtype.maximum_value) == (integers.min, integers.max)
        assert isinstance(dtype.maximum_value, int)
    else:
        in_numpy = dtype.kind != "storage" and dtype is not dtypes.bf16
        floats = (np if in_numpy else ml_dtypes).finfo(dtype.numpy)
        assert dtype.minimum_value == float(floats.min)
        assert dtype.maximum_value == float(floats.max)
        assert dtype.epsilon == float(floats.eps)
        assert dtype.smallest_normal == float(floats.smallest_normal)
        return
    for limit in ("epsilon", "smallest_normal"):
        with pytest.raises(DTypeError, match=limit):
            getattr(dtype, limit)


def test_components_accumulators_and_sums() -> None:
    narrow = {dtypes.f16, dtypes.bf16, dtypes.f8e4m3, dtypes.f8e5m2}
    for dtype in ALL:
        assert dtype.accumulator is (dtypes.f32 if dtype in narrow else dtype)
        if dtype.kind == "complex":
            assert dtype.real.numpy == np.zeros((), dtype.numpy).real.dtype
        else:
            assert dtype.real is dtype
        if dtype.kind != "storage" and dtype is not dtypes.bf16:
            assert dtypes.sum_dtype(dtype).numpy == np.sum(np.ones(2, dtype.numpy)).dtype
    assert dtypes.sum_dtype(dtypes.bf16) is dtypes.bf16


SCALARS: list[complex] = [True, 3, 1.5, 2j]
HELD: dict[str, set[str]] = {
    # Array API standard, "Mixing arrays with Python scalars".
    "bool": {"bool"},
    "signed": {"int"},
    "unsigned": {"int"},
    "float": {"int", "float"},
    "complex": {"int", "float", "complex"},
    "storage": set(),
}


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_python_scalars_are_weak(dtype: DType, scalar: complex) -> None:
    if type(scalar).__name__ in HELD[dtype.kind]:
        assert dtypes.promote_scalar(dtype, scalar) is dtype
        return
    with pytest.raises(DTypeError, match=dtype.name) as refused:
        dtypes.promote_scalar(dtype, scalar)
    assert repr(scalar) in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("scalar", ["1", None, np.int8(1), np.bool_(True), [1]], ids=repr)
def test_other_objects_are_no_scalars(scalar: object) -> None:
    with pytest.raises(DTypeError, match="does not combine"):
        dtypes.promote_scalar(dtypes.f32, scalar)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [d for d in ALL if d.is_integer], ids=lambda d: d.name)
def test_integers_out_of_range_are_refused_by_name(dtype: DType) -> None:
    limits = np.iinfo(dtype.numpy)
    for held in (int(limits.min), int(limits.max)):
        assert dtypes.promote_scalar(dtype, held) is dtype
    for beyond in (int(limits.min) - 1, int(limits.max) + 1, 10**400):
        with pytest.raises(DTypeError, match=dtype.name) as refused:
            dtypes.promote_scalar(dtype, beyond)
        assert str(beyond) in refused.value.message


WITH_NUMBERS = [d for d in dtypes.computable() if d.kind in ("float", "complex")]


@given(st.sampled_from(WITH_NUMBERS), st.floats())
def test_a_float_is_held_unless_rounding_overflows(dtype: DType, scalar: float) -> None:
    with np.errstate(over="ignore"):
        rounded = np.array(scalar).astype(dtype.real.numpy)
    overflows = math.isfinite(scalar) and not np.isfinite(rounded)
    assert dtypes.holds(dtype, scalar) is not bool(overflows)


@pytest.mark.parametrize("dtype", WITH_NUMBERS, ids=lambda d: d.name)
def test_overflow_starts_half_a_step_above_the_largest_float(dtype: DType) -> None:
    largest = int(dtype.maximum_value)
    bits = np.array([dtype.maximum_value], dtype.real.numpy).view(f"u{dtype.real.itemsize}")
    step = largest - int(float((bits - 1).view(dtype.real.numpy)[0]))
    for sign in (1, -1):
        assert dtypes.promote_scalar(dtype, sign * (largest + step // 2 - 1)) is dtype
        with pytest.raises(DTypeError, match="outside"):
            dtypes.promote_scalar(dtype, sign * (largest + step // 2))
    for special in (math.inf, -math.inf, math.nan, -0.0, 5e-324):
        assert dtypes.promote_scalar(dtype, special) is dtype
    with pytest.raises(DTypeError, match="an integer of 33220 bits is outside"):
        dtypes.promote_scalar(dtype, 10**10_000)


def test_complex_scalars_are_checked_by_component() -> None:
    assert dtypes.promote_scalar(dtypes.c64, complex(1, math.inf)) is dtypes.c64
    with pytest.raises(DTypeError, match="outside c64"):
        dtypes.promote_scalar(dtypes.c64, complex(0, 1e300))
    assert dtypes.promote_scalar(dtypes.c128, complex(0, 1e300)) is dtypes.c128


def test_ml_dtypes_loads_only_when_it_is_needed() -> None:
    program = (
        "import sys; from graphc.ir import dtype as d;"
        "d.from_name('bfloat16').bits, [x.numpy for x in d.ALL if x.kind not in ('storage',)"
        " and x is not d.bf16], d.promote(d.f16, d.bf16), d.bf16.maximum_value;"
        "print('ml_dtypes' in sys.modules); d.bf16.numpy; print('ml_dtypes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_a_dtype_is_no_function_in_python(dtype: DType) -> None:
    with pytest.raises(DTypeError, match=f"{dtype} is a dtype") as caught:
        dtype(np.ones(2))
    assert f"x.astype(graphc.{dtype})" in str(caught.value.hint)
