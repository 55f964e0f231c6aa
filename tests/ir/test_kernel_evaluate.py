"""What kernels mean: statement by statement, and what is an error in any target."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    Scalar,
    Space,
)
from graphc.ir.kernel import (
    Address,
    Call,
    Declare,
    Fold,
    FoldTerm,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    LoopKind,
    Statement,
    Store,
)
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.ir.kernels.functions import multiply_add
from graphc.ir.kernels.index_values import index_value
from graphc.ir.kernels.verify import verify_kernel
from graphc.ir.op import Op, registry
from graphc.ir.ops.elementwise.arithmetic import add, floor_divide, subtract
from tests.values import special_values

Array = np.ndarray[Any, Any]

F32, I64 = dtypes.f32, dtypes.i64
X, Y = Buffer("x", F32, 0), Buffer("y", F32, 0)
LANES = 8
LONGEST = 40


def counter(name: str, extent: int) -> Dim:
    return dims.variable(name, 0, max(extent - 1, 1))


STEP, LANE, K = counter("_step", 4), counter("_lane", LONGEST), counter("_k", LONGEST)
N = dims.variable("_n", 0, LONGEST)


def run(
    *body: Statement,
    x: Sequence[float] = (),
    size: int = LONGEST,
    grid: DimLike = 1,
    n: int | None = None,
    lanes: int = LANES,
) -> Array:
    """What a kernel leaves in y, which begins as NaN."""
    scalars = () if n is None else (N,)
    kernel = Kernel("kernel", (X, Y), frozenset({Y}), scalars, STEP, grid, lanes, body)
    verify_kernel(kernel)
    result = np.full(size, np.nan, np.float32)
    evaluate_kernel(kernel, [np.array(x, np.float32), result], () if n is None else (n,))
    return result


def lane_loop(*body: Statement, extent: DimLike = LANES) -> Loop:
    return Loop(LANE, extent, LoopKind.LANE, body)


def serial(*body: Statement, extent: DimLike = LANES) -> Loop:
    return Loop(K, extent, LoopKind.SERIAL, body)


def number(index: DimLike) -> Expr:
    return IndexValue(index, F32)


# -- statements -----------------------------------------------------------------------------------


def test_steps_and_lanes() -> None:
    found = run(lane_loop(Store(Y, STEP * 8 + LANE, number(STEP * 100 + LANE))), grid=4, size=32)
    assert found.reshape(4, 8).tolist() == [[100 * s + i for i in range(8)] for s in range(4)]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, LONGEST])
def test_a_loop_over_lanes_has_any_extent(n: int) -> None:
    found = run(lane_loop(Store(Y, LANE, number(LANE)), extent=N), n=n)
    assert found[:n].tolist() == list(range(n))
    assert np.isnan(found[n:]).all()


def test_a_grid_without_steps_does_nothing() -> None:
    body = lane_loop(Store(Y, LANE, number(LANE)))
    assert np.isnan(run(body, n=0, grid=dims.minimum(4, N))).all()


def test_serial_loops_run_in_order_with_storage_of_each_lane() -> None:
    own = Buffer("own", F32, 2, Space.LANE)
    total = Load(own, 1)
    doubled = Apply(add, (total, total), F32)
    found = run(
        Declare(own),
        lane_loop(Store(own, 1, number(0))),
        serial(lane_loop(Store(own, 1, Apply(add, (doubled, number(LANE)), F32)))),
        lane_loop(Store(Y, LANE, total)),
        size=LANES,
    )  # fmt: skip
    assert found.tolist() == [255 * i for i in range(LANES)]


def test_a_serial_loop_may_run_differently_long_in_each_lane() -> None:
    own = Buffer("own", F32, 1, Space.LANE)
    one_more = Store(own, 0, Apply(add, (Load(own, 0), number(1)), F32))
    found = run(
        Declare(own),
        lane_loop(Store(own, 0, number(0)), serial(one_more, extent=LANE)),
        lane_loop(Store(Y, LANE, Load(own, 0))),
        size=LANES,
    )  # fmt: skip
    assert found.tolist() == list(range(LANES))


def test_if_runs_for_the_lanes_where_it_holds() -> None:
    j = counter("_j", 2 * LONGEST)
    scalar = Scalar("s", F32)
    found = run(
        lane_loop(
            LetIndex(j, LANE * 2),
            Let(scalar, number(j)),
            If(Inside(LANE, 2, 5), (Store(Y, LANE, Apply(add, (scalar, number(j)), F32)),)),
        ),
        If(Inside(STEP, 1, 2), (lane_loop(Store(Y, LANE, number(0))),)),
        size=LANES,
    )
    np.testing.assert_array_equal(found, [np.nan, np.nan, 8, 12, 16, np.nan, np.nan, np.nan])


def test_values_of_neighbouring_stores_are_computed_first() -> None:
    kernel = Kernel(
        "swap", (X, Y), frozenset({X, Y}), (), STEP, 1, LANES,
        (lane_loop(Store(X, LANE, Load(Y, LANE)), Store(Y, LANE, Load(X, LANE))),),
    )  # fmt: skip
    x, y = np.arange(8, dtype=np.float32), np.arange(8, 16, dtype=np.float32)
    evaluate_kernel(kernel, [x, y], [])
    assert x.tolist() == list(range(8, 16))
    assert y.tolist() == list(range(8))


def test_names_last_for_their_block() -> None:
    scalar = Scalar("s", F32)
    body = serial(Let(scalar, number(K)), lane_loop(Store(Y, LANE, scalar)))
    assert (
        run(body, serial(Let(scalar, number(7)), lane_loop(Store(Y, LANE, scalar))), size=8)[0] == 7
    )


def test_storage_begins_with_nothing_of_use() -> None:
    shared = Buffer("shared", F32, 8, Space.SHARED)
    assert np.isnan(run(Declare(shared), lane_loop(Store(Y, LANE, Load(shared, LANE))))).all()


# -- expressions ----------------------------------------------------------------------------------


def test_the_side_of_a_guard_that_is_not_taken_is_not_computed() -> None:
    shifted = Guard(Inside(LANE, 1, 5), Load(X, LANE - 1), Load(X, LANE + 8))
    found = run(
        lane_loop(Store(Y, LANE, shifted)), x=[*range(4), *[-1] * 4, *range(10, 18)], size=8
    )
    assert found.tolist() == [10, 0, 1, 2, 3, 15, 16, 17]
    nothing = Guard(Inside(0, 1, 2), Load(X, 999), number(3))
    assert run(lane_loop(Store(Y, LANE, nothing)), size=8).tolist() == [3] * 8


def test_guards_nest() -> None:
    inner = Guard(Inside(LANE, 0, 2), Load(X, LANE), number(9))
    outer = Guard(Inside(LANE, 1, 4), inner, number(7))
    found = run(lane_loop(Store(Y, LANE, outer)), x=[5, 6], size=8)
    assert found.tolist() == [7, 6, 9, 9, 7, 7, 7, 7]


def test_a_long_chain_of_values() -> None:
    value: Expr = number(LANE)
    for _ in range(3_000):
        value = Apply(add, (value, number(1)), F32)
    assert run(lane_loop(Store(Y, LANE, value)), size=8).tolist() == [3_000 + i for i in range(8)]


def test_conversions_and_narrow_floats_round_as_cast_does() -> None:
    half = Convert(Constant(2049.0, F32), dtypes.f16)
    assert run(lane_loop(Store(Y, LANE, Convert(half, F32))), size=8)[0] == 2048
    index = Convert(IndexValue(LANE + 2049, dtypes.f16), F32)
    assert run(lane_loop(Store(Y, LANE, index)), size=8)[:2].tolist() == [2048, 2050]
    nan = Convert(Convert(Constant(float("nan"), F32), dtypes.i8), F32)
    assert run(lane_loop(Store(Y, LANE, nan)), size=8)[0] == 0


A, B = dims.variable("a", -20, 20), dims.variable("b", 1, 9, 3)


@given(st.integers(-20, 20), st.sampled_from([3, 6, 9]))
def test_indices_of_single_numbers_and_of_lanes_agree(a: int, b: int) -> None:
    for index in (
        A // B,
        A % B,
        dims.maximum(A, B, 2),
        dims.minimum(A * B, 5),
        A * B - A // 4 + B % 5,
    ):
        values = {"a": a, "b": b}
        expected = dims.evaluate(index, values)
        assert index_value(index, values) == expected
        found = index_value(index, {"a": np.array([a, 0]), "b": np.array([b, 3])})
        assert np.broadcast_to(found, 2)[0] == expected


# -- folds ----------------------------------------------------------------------------------------


def folded(values: Array, lanes: int, op: Op, identity: float) -> np.float32:
    """The documented order, one number at a time."""

    def combine(a: Any, b: Any) -> Any:
        return {add: np.add, subtract: np.subtract}[op](np.float32(a), np.float32(b))

    parts = [np.float32(identity)] * lanes
    for row in np.atleast_2d(values):
        for i, value in enumerate(row):
            parts[i % lanes] = combine(parts[i % lanes], value)
    width = lanes // 2
    while width:
        parts = [combine(parts[i], parts[i + width]) for i in range(width)]
        width //= 2
    return parts[0]


@pytest.mark.parametrize("op", [add, subtract], ids=str)
@pytest.mark.parametrize("lanes", [1, 2, 8, 64])
@pytest.mark.parametrize("shape", [(1, 0), (1, 1), (1, 7), (1, 8), (1, 33), (3, 5), (5, 9), (0, 4)])
def test_folds_combine_in_the_order_that_is_their_meaning(
    op: Op, lanes: int, shape: tuple[int, int]
) -> None:
    # Neither op is associative in floats, and one does not commute.
    values = np.random.default_rng(5).normal(size=shape).astype(np.float32) * 1e3
    rows, columns = shape
    result = Scalar("total", F32)
    term = FoldTerm(result, op, 0.5, Load(X, K * columns + LANE))
    fold = Fold(((K, rows), (LANE, columns)), (term,))
    once = Loop(counter("_once", 1), 1, LoopKind.LANE, (Store(Y, 0, result),))
    found = run(fold, once, x=values.reshape(-1).tolist(), lanes=lanes)
    assert found[0] == folded(values, lanes, op, 0.5)


def test_a_fold_without_loops_folds_one_value() -> None:
    result = Scalar("total", F32)
    fold = Fold((), (FoldTerm(result, add, 0.0, Constant(3.0, F32)),))
    once = Loop(counter("_once", 1), 1, LoopKind.LANE, (Store(Y, 0, result),))
    assert run(fold, once)[0] == 3


def test_terms_of_a_fold_are_computed_together() -> None:
    largest, total = Scalar("largest", F32), Scalar("total", F32)
    terms = (
        FoldTerm(largest, registry["maximum"], float("-inf"), Load(X, LANE)),
        FoldTerm(total, add, 0, Load(X, LANE)),
    )
    once = Loop(counter("_once", 1), 1, LoopKind.LANE, (Store(Y, 0, largest), Store(Y, 1, total)))
    found = run(Fold(((LANE, 3),), terms), once, x=[1, np.nan, 2])
    assert np.isnan(found[:2]).all()
    assert run(Fold(((LANE, 3),), terms), once, x=[1, 4, 2])[:2].tolist() == [4, 7]


# -- device functions -----------------------------------------------------------------------------


def exactly(a: float, b: float, c: float) -> Fraction:
    return Fraction(a) * Fraction(b) + Fraction(c)


def nearest(exact: Fraction, dtype: DType) -> Any:
    """The correctly rounded number: integers and fractions convert so in Python, for f64."""
    if dtype is dtypes.f64:
        return float(exact)
    # Round to odd in f64 first: the second rounding is then correct.
    near = float(exact)
    if Fraction(near) != exact and not np.float64(near).view(np.int64) & 1:
        near = float(np.nextafter(near, np.inf if Fraction(near) < exact else -np.inf))
    return np.float32(near)


finite = st.floats(-1e6, 1e6, width=32)


@given(finite, finite, finite)
def test_multiply_add_rounds_once(a: float, b: float, c: float) -> None:
    for dtype in (F32, dtypes.f64):
        x, y, z = (np.array([value]).astype(dtype.numpy) for value in (a, b, c))
        if dtype is dtypes.f64:
            x, y = x / 3, y / 7
        found = multiply_add(x, y, z)[0]
        assert found == nearest(exactly(float(x[0]), float(y[0]), float(z[0])), dtype)


def test_multiply_add_of_special_values() -> None:
    for dtype in (F32, dtypes.f64):
        values = np.array(special_values(dtype))
        a, b, c = np.meshgrid(values, values, values, indexing="ij")
        found = multiply_add(a, b, c)
        with np.errstate(all="ignore"):
            product = a * b
            plain = product + c
        # Where the product overflows alone, the fused sum may be finite.
        fits = np.isfinite(product) | np.isinf(a) | np.isinf(b) | np.isnan(product)
        assert np.array_equal(np.isnan(found[fits]), np.isnan(plain[fits]))
        exact = fits & ((a == 0) | (b == 0) | np.isinf(plain))
        assert np.array_equal(found[exact], plain[exact], equal_nan=True)


def test_multiply_add_of_integers_wraps() -> None:
    a = np.array([100, -128], np.int8)
    assert multiply_add(a, a, a).tolist() == [(100 * 100 + 100 + 128) % 256 - 128, -128]


def test_products_of_packed_operands() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(5, 12)), rng.normal(size=(12, 9))
    packed_left, packed_right, tile = (
        Buffer(name, dtypes.f64, size, Space.SHARED)
        for name, size in (("left", 80), ("right", 120), ("tile", 80))
    )
    a, b, c = (Buffer(name, dtypes.f64, 0) for name in "abc")
    block, row = counter("_k", 3), counter("_row", 5)
    to_left, to_right = Address(packed_left, 0), Address(packed_right, 0)
    calls = (
        Call("gc_pack_left_f64", (to_left, 16, Address(a, block * 4), 12, 1, 5, 4)),
        Call("gc_pack_right_f64", (to_right, Address(b, block * 36), 1, 9, 9, 4)),
        Call(
            "gc_multiply_packed_f64",
            (Address(tile, 3), 12, to_left, 16, to_right, 5, 9, 4, Inside(block, 0, 1)),
        ),
    )
    copy = lane_loop(Store(c, row * 9 + LANE, Load(tile, 3 + row * 12 + LANE)), extent=9)
    body = (
        *map(Declare, (packed_left, packed_right, tile)),
        Loop(block, 3, LoopKind.SERIAL, calls),
        Loop(row, 5, LoopKind.SERIAL, (copy,)),
    )
    kernel = Kernel("product", (a, b, c), frozenset({c}), (), STEP, 1, 64, body)
    verify_kernel(kernel)
    out = np.zeros(45)
    evaluate_kernel(kernel, [left.reshape(-1), right.reshape(-1), out], [])
    np.testing.assert_allclose(out.reshape(5, 9), left @ right, rtol=1e-13)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lane_loop(Store(Y, LANE + 33, number(0))), "y[40] of 40 elements"),
        (lane_loop(Store(Y, LANE - 1, number(0))), "y[-1] of 40 elements"),
        (lane_loop(Store(Y, LANE, Load(X, LANE))), "x[3] of 3 elements"),
        (lane_loop(Store(Y, LANE // 2, number(0))), "several lanes store to one element"),
        (Call("gc_unheard_of_f32", (Address(Y, 0),)), "gc_unheard_of_f32, which has no meaning"),
        (
            lane_loop(Call("gc_multiply_add_f32", (Address(Y, LANE + 36), number(0), number(0)))),
            "y[40] does not exist",
        ),
        (
            Call("gc_multiply_add_f32", (Address(Y, 0), number(0), number(0))),
            "called outside of its lanes",
        ),
    ],
)
def test_what_no_target_defines_is_an_error(body: Statement, message: str) -> None:
    with pytest.raises(InternalError) as caught:
        run(body, x=[1, 2, 3])
    assert message in caught.value.message
    assert "kernel kernel" in caught.value.message


def test_an_array_of_another_dtype_is_refused() -> None:
    kernel = Kernel("kernel", (X,), frozenset(), (), STEP, 1, 8, ())
    with pytest.raises(InternalError, match="x of kernel is given a float64 array"):
        evaluate_kernel(kernel, [np.zeros(3)], [])


def test_integers_divide_as_their_reference() -> None:
    a, b = Buffer("a", I64, 0), Buffer("b", I64, 0)
    value = Apply(floor_divide, (Load(a, LANE), Load(b, LANE)), I64)
    kernel = Kernel(
        "divide",
        (a, b),
        frozenset({b}),
        (),
        STEP,
        1,
        8,
        (lane_loop(Store(b, LANE, value), extent=3),),
    )
    out = np.array([2, 0, -2])
    evaluate_kernel(kernel, [np.array([7, 7, 7]), out], [])
    assert out.tolist() == [3, 0, -4]
