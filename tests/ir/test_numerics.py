"""Tests of what ops compute, against NumPy, SciPy and exact arithmetic, special values included."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, functions
from graphc.ir.ops.conversion import converted
from graphc.ir.ops.random.generator import philox_words, random_bits
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.values import random_array, special_values

Array = np.ndarray[Any, Any]

INTEGERS = [dtype for dtype in dtypes.ALL if dtype.is_integer]
FLOATS = [dtype for dtype in dtypes.computable() if dtype.kind == "float"]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e30, 3.5, -88.0, 710.0])


def applied(function: Any, *operands: Array, precise: bool = False) -> Array:
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(operands)
    ]
    graph = Graph("g", tuple(nodes), (), (function(*nodes),))
    return evaluate(graph, operands, precise=precise)[0][0]


def close(found: Array, expected: Array, tolerance: float = 1e-14) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# -- casts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", FLOATS, ids=str)
@pytest.mark.parametrize("target", INTEGERS, ids=str)
def test_floats_become_integers_by_truncation_and_saturation(source: DType, target: DType) -> None:
    low, high = int(target.minimum_value), int(target.maximum_value)
    points = [
        *special_values(source),
        0.99,
        -0.99,
        2.5,
        -2.5,
        low,
        high,
        high / 2,
        2.0**63,
        2.0**64,
    ]
    with np.errstate(all="ignore"):
        x = np.array(points, np.float64).astype(source.numpy)
    expected = []
    for value in x.astype(np.float64):
        if math.isnan(value):
            expected.append(0)
        elif math.isinf(value):
            expected.append(high if value > 0 else low)
        else:
            expected.append(min(high, max(low, int(value))))
    assert converted(x, target).tolist() == expected


def _nearest(exact: Fraction, dtype: DType) -> float:
    """The nearest float, ties to even, in exact arithmetic."""
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = max(math.frexp(float(size))[1] - 1, 1 - dtype.max_exponent)
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    step = Fraction(2) ** (exponent - dtype.precision + 1)
    rounded = round(size / step) * step  # `round` of a fraction takes ties to even
    is_over = rounded > Fraction(dtype.maximum_value)
    return math.copysign(math.inf if is_over else float(rounded), exact)


@pytest.mark.parametrize("target", [dtypes.f16, dtypes.bf16, dtypes.f32], ids=str)
@given(st.data())
def test_casts_round_once(target: DType, data: st.DataObject) -> None:
    """Values beside the midpoint of two neighbours, where rounding twice goes wrong."""
    base = data.draw(st.integers(2 ** (target.precision - 1), 2**target.precision - 1))
    scale = data.draw(st.integers(-12, 3))
    nudge = data.draw(st.sampled_from([0.0, 2.0**-40, -(2.0**-40), 2.0**-30, -(2.0**-30)]))
    value = math.ldexp(base + 0.5 + nudge, scale)
    found = converted(np.array([value, -value]), target).astype(np.float64)
    assert list(found) == [_nearest(Fraction(v), target) for v in (value, -value)]


@pytest.mark.parametrize("target", FLOATS, ids=str)
@pytest.mark.parametrize("source", [dtypes.i64, dtypes.u64, dtypes.i32], ids=str)
@given(data=st.data())
def test_integers_become_floats_by_one_rounding(
    source: DType, target: DType, data: st.DataObject
) -> None:
    low, high = int(source.minimum_value), int(source.maximum_value)
    midpoint = st.builds(
        lambda base, shift, nudge: min(high, (2 * base + 1) * 2**shift + nudge),
        st.integers(2 ** (target.precision - 1), 2**target.precision - 1),
        st.integers(0, 62),
        st.integers(-1, 1),
    )
    value = data.draw(st.integers(low, high) | midpoint)
    found = converted(np.array([value], source.numpy), target).astype(np.float64)
    assert found[0] == _nearest(Fraction(value), target)


@pytest.mark.parametrize("source", dtypes.ALL, ids=str)
def test_everything_but_zero_becomes_true(source: DType) -> None:
    x = np.asarray(special_values(source), source.numpy)
    with np.errstate(all="ignore"):
        expected = [bool(value) for value in x]
    assert converted(x, dtypes.bool_).tolist() == expected


def test_integers_wrap_between_integers() -> None:
    x = np.array([-1, 300, 2**40 + 7], np.int64)
    assert converted(x, dtypes.u8).tolist() == [255, 44, 7]
    assert converted(x, dtypes.i8).tolist() == [-1, 44, 7]


# -- integers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_arithmetic_wraps_and_never_traps(dtype: DType) -> None:
    values = [int(v) for v in special_values(dtype)] + [2, 3, 7]
    pairs = [(a, b) for a in values for b in values]
    x, y = (np.array(side, dtype.numpy) for side in zip(*pairs, strict=True))

    def wrapped(value: int) -> int:
        return int(np.array([value & (2**64 - 1)], np.uint64).astype(dtype.numpy)[0])

    def power(a: int, b: int) -> int:
        if b < 0:
            return {1: 1, -1: 1 if b % 2 == 0 else -1}.get(a, 0)
        return pow(a, b, 2**64)

    exact = {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "floor_divide": lambda a, b: a // b if b else 0,
        "remainder": lambda a, b: a % b if b else 0,
        "power": power,
        "bitwise_left_shift": lambda a, b: a << b if 0 <= b < dtype.bits else 0,
        "bitwise_right_shift": lambda a, b: a >> b if 0 <= b < dtype.bits else -(a < 0),
    }
    for name, function in exact.items():
        found = applied(functions[name], x, y)
        assert found.tolist() == [wrapped(function(a, b)) for a, b in pairs], name
    assert applied(functions["abs"], x).tolist() == [wrapped(abs(a)) for a, _ in pairs]
    assert applied(functions["negative"], x).tolist() == [wrapped(-a) for a, _ in pairs]


# -- functions of floats --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("erf", scipy.special.erf),
        ("sigmoid", scipy.special.expit),
        ("softplus", lambda x: np.logaddexp(x, 0)),
        ("silu", lambda x: x * scipy.special.expit(x)),
        ("gelu", lambda x: 0.5 * x * (1 + scipy.special.erf(x / np.sqrt(2)))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("rsqrt", lambda x: 1 / np.sqrt(x)),
        ("round", np.round),
        ("sign", np.sign),
        ("exp2", np.exp2),
        ("log10", np.log10),
    ],
)
def test_functions_agree_with_scipy_at_special_values(name: str, expected: Any) -> None:
    x = np.concatenate([SPECIAL, np.linspace(-9, 9, 41)])
    with np.errstate(all="ignore"):
        close(applied(functions[name], x), expected(x))


def test_extremes_hand_on_nan() -> None:
    x, y = (side.reshape(-1) for side in np.meshgrid(SPECIAL, SPECIAL))
    for name in ("maximum", "minimum"):
        found = applied(functions[name], x, y)
        assert np.array_equal(np.isnan(found), np.isnan(x) | np.isnan(y))


def test_halves_are_rounded_after_every_op() -> None:
    for dtype in (dtypes.f16, dtypes.bf16):
        one = np.array(1, dtype.numpy)
        tiny = np.array(dtype.epsilon / 2, dtype.numpy)
        total = applied(lambda x, y: functions["add"](functions["add"](x, y), y), one, tiny)
        assert total == 1 and total.dtype == dtype.numpy


# -- reductions -----------------------------------------------------------------------------------


def test_halves_accumulate_in_f32() -> None:
    for dtype in (dtypes.f16, dtypes.bf16):
        x = np.full(4096, 1, dtype.numpy)
        assert applied(functions["sum"], x) == 4096
        assert applied(functions["mean"], x) == 1
        row, column = x.reshape(1, -1), x.reshape(-1, 1)
        assert applied(functions["matmul"], row, column) == 4096
    large = np.full(8, 60000, np.float16)
    assert applied(functions["mean"], large) == 60000


def test_narrow_integers_are_summed_in_64_bits() -> None:
    x = np.full((4, 100), 100, np.int8)
    total = applied(functions["sum"], x)
    assert total == 40000 and total.dtype == np.int64
    assert applied(functions["sum"], x.astype(np.uint8)).dtype == np.uint64
    assert applied(functions["sum"], x > 0) == 400
    kept = applied(lambda x: functions["sum"](x, dtype=dtypes.i8), x)
    assert kept.dtype == np.int8 and kept == np.int64(40000).astype(np.int8)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_numpys(name: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    found = applied(lambda n: functions[name](n, axis=axis, keepdims=keepdims), x)
    expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    assert found.shape == expected.shape
    close(found, expected)


@pytest.mark.parametrize("name", ["max", "min", "amax", "aminmax", "nanmax", "nanmin"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((0,), None), ((0,), 0), ((2, 0), -1), ((2, 0, 3), (0, 1)), ((0, 0), 1)]
)
def test_extremes_of_nothing_are_refused(name: str, shape: tuple[int, ...], axis: Any) -> None:
    x = graph_input("x", dtypes.f32, shape)
    with pytest.raises(ShapeError, match=r"axis \d of .* is empty") as caught:
        functions[name](x, axis=axis)
    assert caught.value.code == "empty-axis" and caught.value.hint


@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.i8])
def test_extremes_over_a_dim_that_may_be_0_begin_with_the_farthest_number(dtype: DType) -> None:
    x = graph_input("x", dtype, (dims.variable("N", 0, 4), 2))
    graph = Graph("f", (x,), (), tuple(functions[name](x, axis=0) for name in ("max", "min")))
    least, most = (-np.inf, np.inf) if dtype.kind == "float" else (-128, 127)
    found, _ = evaluate(graph, [np.zeros((0, 2), dtype.numpy)])
    assert [list(one) for one in found] == [[least] * 2, [most] * 2]
    assert functions["max"](x, axis=1).shape == x.shape[:1]


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extremes_are_numpys(name: str) -> None:
    x = np.array([[1, 3, 3, 0], [np.nan, 5, np.nan, 9], [-np.inf, np.inf, np.inf, -np.inf]])
    for axis in (None, 0, 1, -1):
        found = applied(lambda n, axis=axis: functions[name](n, axis), x)
        assert np.array_equal(found, getattr(np, name)(x, axis))
    kept = applied(lambda n: functions[name](n, 1, keepdims=True), x)
    assert kept.shape == (3, 1)


def test_the_gradient_of_a_product_with_zeros_is_exact() -> None:
    x = graph_input("x", dtypes.f64, (4,))
    product = functions["prod"](x)
    (first,) = vjp([product], [x], [functions["ones"]((), dtypes.f64)])
    weights = functions["arange"](1.0, 5.0, dtype=dtypes.f64)
    (second,) = vjp([first], [x], [weights])
    graph = Graph("g", (x,), (), (first, second))
    for values in ([0, 2, 3, 4], [0, 0, 3, 4], [0, 0, 0, 4], [1, 2, 3, 4]):
        (one, two), _ = evaluate(graph, [np.array(values, np.float64)])
        others = [math.prod(values[:i] + values[i + 1 :]) for i in range(4)]
        assert one.tolist() == others
        pairs = [
            sum(
                w * math.prod(v for k, v in enumerate(values) if k not in (i, j))
                for j, w in enumerate([1, 2, 3, 4])
                if j != i
            )
            for i in range(4)
        ]
        assert two.tolist() == pairs


def test_equal_extremes_share_their_gradient() -> None:
    x = graph_input("x", dtypes.f64, (4,))
    one = functions["ones"]((), dtypes.f64)
    (slope,) = vjp([functions["max"](x)], [x], [one])
    (values,), _ = evaluate(Graph("g", (x,), (), (slope,)), [np.array([1.0, 3, 3, 0])])
    assert values.tolist() == [0, 0.5, 0.5, 0]


# -- matrix products ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((6, 1, 2, 3), (5, 3, 4)),
        ((0, 2, 3), (3, 4)),
        ((5, 2, 0), (0, 4)),
    ],
)
def test_matrix_products_are_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=a), rng.normal(size=b)
    found = applied(functions["matmul"], x, y)
    assert found.shape == np.matmul(x, y).shape
    close(found, np.matmul(x, y))


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("bhid,bhjd->bhij", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("bhij,bhjd->bihd", ((2, 3, 4, 6), (2, 3, 6, 5))),
        ("i,j->ji", ((3,), (4,))),
        ("i,i", ((3,), (3,))),
        ("ij->ji", ((2, 3),)),
        ("ij->", ((2, 3),)),
        ("ii->i", ((3, 3),)),
        ("ij,j", ((2, 3), (3,))),
        ("ik,jkl,il->ij", ((2, 3), (4, 3, 5), (2, 5))),
        ("aij,bjk->ik", ((2, 3, 4), (5, 4, 6))),
        ("...ij,...jk->...ik", ((7, 1, 2, 3), (5, 3, 4))),
        ("...i->...", ((2, 3, 4),)),
        ("ij,jk", ((2, 3), (1, 4))),
        ("ij,ij->ij", ((2, 1), (1, 3))),
        ("i,i,i->", ((1,), (3,), (1,))),
        ("ii,i->i", ((3, 3), (1,))),
        ("...a,...a->...", ((1, 1), (1, 1))),
    ],
)
def test_einsum_is_numpys(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(2)
    operands = [rng.normal(size=shape) for shape in shapes]
    found = applied(lambda *nodes: functions["einsum"](equation, *nodes), *operands)
    expected = np.einsum(equation, *operands)
    assert found.shape == expected.shape
    close(found, expected)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [("ij,jk", ((2, 3), (2, 4))), ("ii", ((3, 1),)), ("ii,i", ((1, 3), (3,)))],
)
def test_axes_of_one_letter_that_differ_in_size_are_refused(
    equation: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    with pytest.raises(ShapeError, match=r"axis '[ij]' is"):
        applied(lambda *nodes: functions["einsum"](equation, *nodes), *map(np.ones, shapes))


@pytest.mark.parametrize(
    "numbers",
    [([0, 1], [1, 2], [0, 2]), ([0, 1], [1, 2]), ([30, 1], [1, 2]), ([..., 7], [7, 0], [0, ...])],
)
def test_einsum_takes_numbers_for_axes_as_numpy_does(numbers: tuple[list[Any], ...]) -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)

    def listed(a: Any, b: Any) -> tuple[Any, ...]:
        return (a, numbers[0], b, *numbers[1:])

    found = applied(lambda *nodes: functions["einsum"](*listed(*nodes)), x, y)
    np.testing.assert_array_equal(found, np.einsum(*listed(x, y)))


def test_linear_takes_its_weight_as_out_by_in() -> None:
    rng = np.random.default_rng(3)
    x, w, b = rng.normal(size=(2, 5, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)
    close(applied(functions["linear"], x, w, b), x @ w.T + b)
    close(applied(functions["linear"], x[0, 0], w), x[0, 0] @ w.T)


def test_products_of_narrow_floats_and_their_gradients_read_narrow_floats() -> None:
    """So that they run on tensor cores, and those of the iterations of a loop are one."""
    shapes = {"x": (5, 3), "w": (4, 3), "b": (4,)}
    x, w, b = (graph_input(name, dtypes.bf16, shape) for name, shape in shapes.items())
    result = functions["linear"](x, w, b)
    slopes = vjp([result], [x, w, b], [functions["ones"]((5, 4), dtypes.bf16)])
    nodes = Graph("g", (x, w, b), (), (result, *slopes)).nodes()
    products = [node for node in nodes if isinstance(node.op.lowering, Contraction)]
    assert len(products) == 3
    assert all(one.dtype is dtypes.bf16 for node in products for one in node.inputs)


# -- rows -----------------------------------------------------------------------------------------

ROWS = np.array(
    [
        [1.0, 2.0, 3.0],
        [1e300, 1e300, -1e300],
        [-1e4, -1e4, -1e4],
        [-np.inf, 0.0, 0.0],
        [np.inf, 0.0, 1.0],
        [np.nan, 0.0, 1.0],
        [-np.inf, -np.inf, -np.inf],
    ]
)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_agree_with_scipy(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(scipy.special, name)(ROWS, axis=1)
    if name == "log_softmax":
        # Rows without a finite maximum have no softmax; SciPy gives part of its logarithm.
        expected[~np.isfinite(ROWS.max(1))] = np.nan
    close(applied(lambda x: functions[name](x, axis=1), ROWS), expected)


def test_norms_have_mean_zero_and_square_one() -> None:
    x = np.random.default_rng(4).normal(3, 2, size=(5, 4, 6))
    w, b = np.arange(6.0), np.ones(6)
    centred = x - x.mean(-1, keepdims=True)
    normal = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    close(applied(functions["layer_norm"], x, w, b), normal * w + b, 1e-13)
    close(applied(partial(functions["layer_norm"], normalized_shape=6), x), normal, 1e-13)
    for eps, added in ((None, np.finfo(x.dtype).eps), (0.5, 0.5)):
        root = np.sqrt((x * x).mean((-2, -1), keepdims=True) + added)
        found = applied(partial(functions["rms_norm"], eps=eps), x, np.ones((4, 6)))
        close(found, x / root, 1e-13)
    with pytest.raises(ShapeError, match="does not end in"):
        applied(functions["layer_norm"], x, np.ones(5))


def test_cross_entropy_leaves_out_labels_that_are_no_class() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(6, 4))
    labels = np.array([0, 3, -100, 2, 4, 1])
    rows = [0, 1, 3, 5]
    logs = scipy.special.log_softmax(logits, axis=1)
    losses = np.zeros(6)
    losses[rows] = -logs[rows, labels[rows]]
    found = applied(lambda x, y: functions["cross_entropy"](x, y, reduction="none"), logits, labels)
    close(found, losses)
    close(applied(functions["cross_entropy"], logits, labels), losses[rows].mean())
    total = applied(lambda x, y: functions["cross_entropy"](x, y, reduction="sum"), logits, labels)
    close(total, losses.sum())

    x, y = graph_input("x", dtypes.f64, (6, 4)), graph_input("y", dtypes.i64, (6,))
    loss = functions["cross_entropy"](x, y)
    (slope,) = vjp([loss], [x], [functions["ones"]((), dtypes.f64)])
    (gradient,), _ = evaluate(Graph("g", (x, y), (), (slope,)), [logits, labels])
    expected = np.zeros((6, 4))
    expected[rows] = np.exp(logs[rows]) - np.eye(4)[labels[rows]]
    close(gradient, expected / 4)


def test_losses_reduce_as_they_are_told() -> None:
    x, y = np.array([1.0, 2, 4]), np.array([1.0, 0, 0])
    close(applied(functions["mse_loss"], x, y), np.mean((x - y) ** 2))
    close(applied(lambda a, b: functions["l1_loss"](a, b, "sum"), x, y), np.array(6.0))
    found = applied(functions["binary_cross_entropy_with_logits"], x, y)
    p = scipy.special.expit(x)
    close(found, np.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p))))


# -- random numbers -------------------------------------------------------------------------------


def test_philox_gives_the_known_answers() -> None:
    """The vectors `philox4x32 10` of kat_vectors, published with the authors' Random123."""
    ones, pi = 2**64 - 1, 0x85A308D3_243F6A88
    cases = [
        ((0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ones, ones, ones), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x299F31D0_A4093822, 0x03707344_13198A2E, pi),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for numbers, words in cases:
        with np.errstate(over="ignore"):
            found = philox_words(*(np.array(number, np.uint64) for number in numbers))
        assert tuple(map(int, found)) == words


SEED = np.array(0xDEADBEEF_12345678, np.uint64)


def drawn(name: str, *arguments: Any, **keywords: Any) -> Array:
    return applied(lambda s: functions[name](*arguments, seed=s, stream=5, **keywords), SEED)


def test_an_element_does_not_depend_on_the_shape_around_it() -> None:
    flat = applied(lambda s: random_bits(s, stream=1, shape=(24,)), SEED)
    cube = applied(lambda s: random_bits(s, stream=1, shape=(2, 3, 4)), SEED)
    other = applied(lambda s: random_bits(s, stream=2, shape=(24,)), SEED)
    assert np.array_equal(flat, cube.reshape(-1))
    assert not np.any(flat == other)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_uniform_numbers_are_in_range_and_uniform(dtype: DType) -> None:
    x = drawn("uniform", (20000,), 2.0, 6.0, dtype)
    assert x.dtype == dtype.numpy
    wide = x.astype(np.float64)
    assert wide.min() >= 2 and wide.max() <= 6
    unit = drawn("rand", 20000, dtype=dtype).astype(np.float64)
    assert unit.max() < 1
    # bf16 has 256 values only: the distance of its steps is allowed for.
    assert scipy.stats.kstest(unit, "uniform").statistic < 0.012 + dtype.epsilon


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_normal_numbers_are_normal(dtype: DType) -> None:
    x = drawn("randn", 20000, dtype=dtype)
    assert x.dtype == dtype.numpy
    wide = x.astype(np.float64)
    assert np.all(np.isfinite(wide))
    assert scipy.stats.kstest(wide, "norm").statistic < 0.012 + dtype.epsilon


def test_bernoulli_and_dropout_keep_their_share() -> None:
    hits = drawn("bernoulli", (20000,), 0.3)
    assert hits.dtype == np.bool_ and abs(hits.mean() - 0.3) < 0.01
    x = np.ones(20000, np.float32)
    found = applied(lambda x, s: functions["dropout"](x, 0.25, seed=s, stream=0), x, SEED)
    assert set(np.unique(found)) == {0, np.float32(1) / np.float32(0.75)}
    assert abs((found == 0).mean() - 0.25) < 0.01


def test_numbers_promote_by_the_standard_and_never_silently() -> None:
    x = np.ones(2, np.float16)
    doubled = applied(lambda n: functions["multiply"](n, 2), x)
    assert doubled.dtype == np.float16
    mixed = applied(functions["add"], np.ones(2, np.int8), np.ones(2, np.uint8))
    assert mixed.dtype == np.int16
    with pytest.raises(DTypeError, match="no common dtype"):
        applied(functions["add"], np.ones(2, np.int32), np.ones(2, np.float32))
    with pytest.raises(DTypeError, match="does not combine"):
        applied(lambda n: functions["add"](n, 0.5), np.ones(2, np.int32))


@pytest.mark.parametrize("dtype", [dtypes.c64, dtypes.c128], ids=str)
def test_complex_parts_are_numpys(dtype: DType) -> None:
    from_type = graph_input("z", dtype, (50,)).tensor
    z = random_array(from_type, np.random.default_rng(6))
    for name, expected in (("real", z.real), ("imag", z.imag), ("conj", z.conj())):
        assert np.array_equal(applied(functions[name], z), expected, equal_nan=True)
    again = applied(functions["complex"], z.real.copy(), z.imag.copy())
    assert np.array_equal(again, z, equal_nan=True)


def test_whole_numbers_are_spread_evenly_over_their_range() -> None:
    x = drawn("randint", -3, 4, (21000,), dtypes.i32)
    assert x.dtype == np.int32
    values, counts = np.unique(x, return_counts=True)
    assert list(values) == list(range(-3, 4))
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert drawn("randint", -(2**63), 2**63, (100,)).min() < 0
    assert drawn("randint", 2**63, 2**64, (100,), dtypes.u64).min() >= 2**63
    with pytest.raises(UsageError, match="no number"):
        drawn("randint", 3, 3, (2,))
    with pytest.raises(UsageError, match="does not hold"):
        drawn("randint", 0, 300, (2,), dtypes.u8)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_random_order_has_every_number_once(size: int) -> None:
    found = drawn("randperm", size)
    assert sorted(found) == list(range(size))
    assert size < 2 or list(found) != sorted(found)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("name", "distribution"), [("exponential", "expon"), ("gumbel", "gumbel_r")]
)
def test_continuous_distributions(name: str, distribution: str, dtype: DType) -> None:
    x = drawn(name, (20000,), dtype=dtype)
    assert x.dtype == dtype.numpy
    wide = x.astype(np.float64)
    assert np.all(np.isfinite(wide))
    assert scipy.stats.kstest(wide, distribution).statistic < 0.012 + dtype.epsilon


def test_classes_are_drawn_with_their_probabilities() -> None:
    weights = np.array([0.1, 0.0, 0.6, 0.3], np.float32)

    def share(x: Array) -> Array:
        return np.bincount(x.ravel(), minlength=4) / x.size

    with np.errstate(divide="ignore"):
        logits = np.log(weights)
    found = applied(
        lambda x, s: functions["categorical"](x, shape=(20000,), seed=s, stream=1), logits, SEED
    )
    assert found.dtype == np.int64
    np.testing.assert_allclose(share(found), weights, atol=0.012)
    again = applied(
        lambda x, s: functions["multinomial"](x, 20000, True, seed=s, stream=1), weights, SEED
    )
    np.testing.assert_allclose(share(again), weights, atol=0.012)
    rows = np.tile(weights, (500, 1))
    apart = applied(lambda x, s: functions["multinomial"](x, 3, seed=s, stream=1), rows, SEED)
    assert all(sorted(row) == [0, 2, 3] for row in apart)


def test_a_hard_draw_is_one_hot_with_the_gradient_of_the_soft_one() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4))

    def sampled(x: Node, s: Node, hard: bool) -> Node:
        result: Node = functions["gumbel_softmax"](x, 0.5, hard, seed=s, stream=2)
        return result

    soft = applied(lambda x, s: sampled(x, s, False), logits, SEED)
    hard = applied(lambda x, s: sampled(x, s, True), logits, SEED)
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(hard, np.eye(4)[soft.argmax(-1)], atol=1e-12)


@pytest.mark.parametrize(("rank", "shape"), [(1, (40, 50, 3)), (2, (40, 50, 2, 3))])
def test_channels_drop_out_whole(rank: int, shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    found = applied(lambda x, s: functions[f"dropout{rank}d"](x, 0.5, seed=s, stream=0), x, SEED)
    channels = found.reshape(2000, -1)
    assert np.all(channels == channels[:, :1]) and set(np.unique(channels)) == {0, 2}
    assert abs((channels[:, 0] == 0).mean() - 0.5) < 0.05


def test_attention_leaves_positions_out() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(3, 5, 4)) for _ in range(3))
    v = np.broadcast_to(np.eye(5, dtype=v.dtype), (3, 5, 5)).copy()

    def shares(dropout_p: float) -> Array:
        return applied(
            lambda *x: functions["attention"](*x[:3], dropout_p=dropout_p, seed=x[3]), q, k, v, SEED
        )

    whole, some = shares(0.0), shares(0.4)
    left = some != 0
    np.testing.assert_allclose(some[left], whole[left] / 0.6, rtol=1e-12)
    assert 0 < left.sum() < left.size


def test_alpha_dropout_drops_whole_channels() -> None:
    x = np.ones((40, 50, 3))
    found = applied(
        lambda x, s: functions["feature_alpha_dropout"](x, 0.5, seed=s, stream=0), x, SEED
    )
    assert np.all(found == found[..., :1]) and len(np.unique(found)) == 2


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(size=200000)
    found = applied(lambda x, s: functions["alpha_dropout"](x, 0.3, seed=s, stream=0), x, SEED)
    assert abs(found.mean()) < 0.01 and abs(found.std() - 1) < 0.01
