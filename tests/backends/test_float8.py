"""The 8-bit floats on every backend: each code, and the nearest code of everything, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import api
from graphc.compiler import Built
from graphc.ir import dtype as dtypes
from graphc.ir import ops
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from tests.emitted import emitted
from tests.interpreted import interpreted
from tests.simulated import simulated
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow):RuntimeWarning")

FLOATS8 = (dtypes.f8e4m3, dtypes.f8e5m2)
REAL = [dtype for dtype in dtypes.ALL if dtype.kind != "complex"]
BACKENDS: dict[str, Callable[..., Any]] = {
    "cpu": emitted,
    "sim": simulated,
    "interpreter": interpreted,
}

# The first code that is no finite number, and that of NaN.
OVERFLOW = {dtypes.f8e4m3: 0x7F, dtypes.f8e5m2: 0x7C}
NAN = {dtypes.f8e4m3: 0x7F, dtypes.f8e5m2: 0x7E}


def codes(dtype: DType) -> Array:
    return np.arange(256, dtype=np.uint8).view(dtype.numpy)


@cache
def steps(dtype: DType) -> Array:
    """The numbers >= 0 in order, and the one that would follow them: where halfway is overflow."""
    numbers = [decoded(code, dtype) for code in range(OVERFLOW[dtype])]
    return np.array([*numbers, 2 * numbers[-1] - numbers[-2]])


def decoded(code: int, dtype: DType) -> float:
    """The value of a code as the specification of the formats gives it."""
    fraction_bits = dtype.precision - 1
    bias = {dtypes.f8e4m3: 7, dtypes.f8e5m2: 15}[dtype]
    exponent, fraction = code >> fraction_bits, code % 2**fraction_bits
    significand = fraction / 2**fraction_bits + (exponent > 0)
    return float(significand * 2.0 ** (max(exponent, 1) - bias))


def nearest_codes(x: Array, dtype: DType) -> Array:
    """The codes of numbers by looking for them between the halfway points, ties to even."""
    wide = x.astype(np.float64)
    halfway = (steps(dtype)[:-1] + steps(dtype)[1:]) / 2
    code = np.searchsorted(halfway, np.abs(wide))
    is_tie = np.isin(np.abs(wide), halfway)
    code = np.where(is_tie & (code % 2 == 1), code + 1, code)
    code = np.where(np.isnan(wide), NAN[dtype], code)
    return (code | np.where(np.signbit(wide), 0x80, 0)).astype(np.uint8)


def numbers(source: DType) -> Array:
    """What rounding to 8 bits may get wrong, or every number where there are few."""
    if source.kind == "bool":
        return np.array([False, True])
    if source.bits == 8:
        return np.arange(256, dtype=np.uint8).view(source.numpy)
    if source.bits == 16:
        return np.arange(2**16, dtype=np.uint16).view(source.numpy)
    if source.is_integer:
        return whole_numbers(source)
    marks = np.concatenate([steps(dtype) for dtype in FLOATS8])
    marks = np.concatenate([marks, *((s[1:] + s[:-1]) / 2 for s in map(steps, FLOATS8))])
    # Double rounding: f32 has no place for these distances from a tie, f64 has.
    beside = [
        marks * (1 + sign * distance) for distance in (2.0**-23, 2.0**-40) for sign in (1, -1)
    ]
    marks = np.concatenate([marks, *beside]).astype(source.numpy)
    next_ones = [np.nextafter(marks, source.numpy.type(end)) for end in (np.inf, -np.inf)]
    spread = 2.0 ** np.random.default_rng(3).uniform(-20, 18, 20_000)
    ends = [0.0, np.inf, np.nan, source.smallest_normal, source.maximum_value, 1e-45, 5e-324]
    positive = np.concatenate([marks, *next_ones, spread, ends]).astype(source.numpy)
    return np.concatenate([positive, -positive])


def whole_numbers(source: DType) -> Array:
    low, high = int(source.minimum_value), int(source.maximum_value)
    powers = [2**k + nudge for k in range(64) for nudge in (-1, 0, 1)]
    wanted = [*range(600), *range(600, 70_000, 7), *powers, low, high, high - 1]
    signed = [sign * one for one in wanted for sign in (1, -1)]
    return np.array([one for one in signed if low <= one <= high], source.numpy)


@cache
def cast_executor(backend: str, target: DType) -> Any:
    """Casts of all dtypes to one, in one unit of text."""
    return BACKENDS[backend]([cast_graph(source, target) for source in REAL])


def cast_graph(source: DType, target: DType) -> Graph:
    x = graph_input("x", source, (len(numbers(source)),))
    return Graph(f"{source.name}_to_{target.name}", (x,), (), (ops.cast(x, dtype=target),))


def cast_on(backend: str, x: Array, target: DType) -> Array:
    source = dtypes.from_numpy(x.dtype)
    (found,) = cast_executor(backend, target).call(f"{source.name}_to_{target.name}", [x])
    return np.asarray(found)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", REAL, ids=str)
@pytest.mark.parametrize("target", FLOATS8, ids=str)
def test_everything_becomes_its_nearest_code(target: DType, source: DType, backend: str) -> None:
    x = numbers(source)
    found = cast_on(backend, x, target).view(np.uint8)
    # What is no conversion keeps every NaN as it is.
    expected = x.view(np.uint8) if source is target else nearest_codes(x, target)
    # A NaN of 16 bits becomes the canonical one on GPUs, which has no sign.
    loses_sign = np.isnan(x.astype(np.float64)) & (source.bits == 16)
    ignored = np.where(loses_sign, 0x80, 0)
    np.testing.assert_array_equal(found | ignored, expected | ignored)
    if source.kind == "float" and source.bits < 64:
        theirs = x.astype(target.numpy).view(np.uint8)
        np.testing.assert_array_equal(found | ignored, theirs | ignored)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", [one for one in REAL if one.kind == "float"], ids=str)
@pytest.mark.parametrize("source", FLOATS8, ids=str)
def test_every_code_has_its_value(source: DType, target: DType, backend: str) -> None:
    found = cast_on(backend, codes(source), target)
    theirs = codes(source).astype(target.numpy)
    assert same_bits(found, theirs)
    finite = slice(0, OVERFLOW[source])
    np.testing.assert_array_equal(found[finite].astype(np.float64), steps(source)[:-1])
    if target.bits > 16:
        width = np.dtype(f"u{target.itemsize}")
        np.testing.assert_array_equal(found.view(width), theirs.view(width))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", [d for d in REAL if d.is_integer or d.kind == "bool"], ids=str)
@pytest.mark.parametrize("source", FLOATS8, ids=str)
def test_codes_become_whole_numbers(source: DType, target: DType, backend: str) -> None:
    found = cast_on(backend, codes(source), target)
    value = codes(source).astype(np.float64)
    if target.kind == "bool":
        np.testing.assert_array_equal(found, value != 0)
        return
    low, high = int(target.minimum_value), int(target.maximum_value)
    bounded = np.clip(np.nan_to_num(value, nan=0.0), float(low), float(high))
    assert found.tolist() == [min(max(int(one), low), high) for one in bounded]


# -- what moves ------------------------------------------------------------------------------------


def moved(dtype: DType) -> Graph:
    """Ops of every kind of lowering that move 256 elements and look at none."""
    x, y = (graph_input(name, dtype, (256,)) for name in "xy")
    index = graph_input("index", dtypes.i64, (256,))
    mask = graph_input("mask", dtypes.bool_, (256,))
    f = functions
    results = (
        f["permute_dims"](f["reshape"](x, (4, 64)), (1, 0)),
        f["concat"]([f["flip"](x, 0), y], 0),
        f["where"](mask, x, y),
        f["pad"](x, (2, 3)),
        f["take"](x, index),
        f["put_along_axis"](x, index, y, 0),
        f["tile"](f["roll"](x, 5), (3,)),
    )
    return Graph(f"moved_{dtype.name}", (x, y, index, mask), (), results)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", FLOATS8, ids=str)
def test_what_moves_codes_changes_no_bit(dtype: DType, backend: str) -> None:
    """Every NaN keeps its bits, as a byte does."""
    rng = np.random.default_rng(5)
    x, y = (rng.permutation(256).astype(np.uint8) for _ in "xy")
    index, mask = rng.integers(-300, 300, 256), rng.random(256) < 0.5
    executor = BACKENDS[backend]([moved(dtype)])
    arrays = (x.view(dtype.numpy), y.view(dtype.numpy), index, mask)
    found = executor.call(f"moved_{dtype.name}", arrays)
    expected, _ = evaluate(moved(dtypes.u8), (x, y, index, mask))
    for one, codes_moved in zip(found, expected, strict=True):
        assert one.dtype == dtype.numpy
        np.testing.assert_array_equal(one.view(np.uint8), codes_moved)


# -- a layer ---------------------------------------------------------------------------------------

LAYER = """
dim B: 1..64

model Quantized(n=96, m=80):
    state weight: f8e4m3[n, m] = zeros()
    state scale: f32[m] = ones()

    def forward(x: f32[B, n]) -> f32[B, m]:
        return x @ (weight.astype(f32) * scale)

    def quantize(w: f32[n, m]):
        top = max(abs(w), axis=0) / 448
        update scale = top
        update weight = cast(w / top, f8e4m3)

export forward = Quantized.forward
export quantize = Quantized.quantize
"""

ROWS = (1, 3, 64)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A linear layer whose weight takes 8 bits an element, and what quantizes a weight for it."""
    source = tmp_path_factory.mktemp("layer") / "layer.gc"
    source.write_text(LAYER)
    return api.build(source, targets=("cpu", "sm_90a"))


def weights() -> Array:
    return np.random.default_rng(9).standard_normal((96, 80)).astype(np.float32)


def test_no_wide_weight_is_stored(built: Built) -> None:
    """The product widens and scales what it reads, and each element counts as one byte."""
    reports = [report for report in built.reports if report.name == "forward"]
    assert [report.target for report in reports] == ["cpu", "cuda"]
    for report in reports:
        assert (report.steps, report.kernels, report.arena_bytes) == (1, 1, 0)
        assert report.state_bytes == 96 * 80 + 4 * 80
    assert built.file.weights["weight"].nbytes == 96 * 80


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_a_quantized_layer_is_that_of_the_reference(built: Built, device: str) -> None:
    module, reference = (api.load_file(built.file, one) for one in (device, "reference"))
    for one in (module, reference):
        one.quantize(weights())
    state = module.state_dict()
    scale = np.abs(weights()).max(axis=0) / np.float32(448)
    stored = (weights() / scale).astype(dtypes.f8e4m3.numpy)
    for name, expected in (("scale", scale), ("weight", stored)):
        assert same_bits(state[name], expected)
        assert same_bits(reference.state_dict()[name], expected)
    for rows in ROWS:
        x = np.random.default_rng(rows).standard_normal((rows, 96)).astype(np.float32)
        wide = stored.astype(np.float32) * scale
        bound = 97 * 2.0**-24 * (np.abs(x) @ np.abs(wide))
        for one in (module, reference):
            exact = x.astype(np.float64) @ wide.astype(np.float64)
            assert np.all(np.abs(one.forward(x) - exact) <= bound)


def test_a_saved_layer_has_the_codes_that_it_had(built: Built, tmp_path: Path) -> None:
    module = api.load_file(built.file, "cpu")
    module.quantize(weights())
    module.save(tmp_path / "quantized.gcm")
    again = graphc.load(tmp_path / "quantized.gcm", "cpu")
    assert same_bits(again.state_dict()["weight"], module.state_dict()["weight"])
    x = np.ones((2, 96), np.float32)
    assert same_bits(again.forward(x), module.forward(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("dtype", FLOATS8, ids=str)
def test_products_of_codes_are_those_of_their_values(
    dtype: DType, is_transposed: bool, backend: str
) -> None:
    """On both sides, along rows and columns; to the bit, for both are chains in one order."""
    shapes = ((70, 33), (33, 67))
    inputs = [
        graph_input(f"{name}{width}", kind, shape[::-1] if is_transposed else shape)
        for width, kind in (("narrow", dtype), ("wide", dtypes.f32))
        for name, shape in zip("ab", shapes, strict=True)
    ]
    results = []
    for a, b in (inputs[:2], inputs[2:]):
        wide = [ops.cast(one, dtype=dtypes.f32) if one.dtype is dtype else one for one in (a, b)]
        left, right = (functions["matrix_transpose"](x) if is_transposed else x for x in wide)
        results.append(ops.matmul(left, right))
    rng = np.random.default_rng(2)
    narrow = [random_array(one.tensor, rng, special=False) for one in inputs[:2]]
    arrays = [*narrow, *(one.astype(np.float32) for one in narrow)]
    executor = BACKENDS[backend]([Graph("products", tuple(inputs), (), tuple(results))])
    found, expected = executor.call("products", arrays)
    assert same_bits(found, expected)
