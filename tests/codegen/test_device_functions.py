"""What each device function computes, run by the simulator, against NumPy and ml_dtypes."""

import ctypes
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen.device import FAMILIES, device_source
from graphc.runtime.simulator import SimulatedKernels

UNARY = {
    "bf16_to_f32": ("unsigned short", "float"),
    "f16_to_f32": ("unsigned short", "float"),
    "f32_to_bf16": ("float", "unsigned short"),
    "f32_to_f16": ("float", "unsigned short"),
    "f64_to_f16": ("double", "unsigned short"),
}
BINARY = {
    "nan_minimum_f32": "float",
    "nan_maximum_f32": "float",
    "nan_minimum_f64": "double",
    "nan_maximum_f64": "double",
}
COPIES = {16: "uint4", 8: "uint2", 4: "unsigned"}
COPY = r"""
extern "C" __global__ void copy_BYTES(const TYPE* in, TYPE* out, int valid) {
  __shared__ __align__(16) TYPE tile[32];
  int i = threadIdx.x, whole = valid / BYTES;
  gc_copy_async_BYTES(tile + i, in + i, i < whole ? BYTES : i == whole ? valid % BYTES : 0);
  gc_copy_async_commit();
  gc_copy_async_wait<0>();
  out[i] = tile[i];
}
"""
# B is 16 x 8 by rows, or its transpose 8 x 16 by rows.
TILES_OF_B = {
    "": "gc_load_matrices_x2_transposed(right, tile_b + lane % 16 * 8);",
    "_transposed": "gc_load_matrices_x2(right, tile_b + lane % 8 * 16 + lane / 8 % 2 * 8);",
}
TILE_PRODUCT = r"""
extern "C" __global__ void NAME(const unsigned short* a, const unsigned short* b, float* c) {
  __shared__ __align__(16) unsigned short tile_a[256], tile_b[128];
  int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) tile_a[i] = a[i];
  for (int i = lane; i < 128; i += 32) tile_b[i] = b[i];
  __syncthreads();
  unsigned left[4], right[2];
  int row = lane / 4, column = lane % 4 * 2;
  float* upper = c + row * 8 + column;
  float* lower = upper + 64;
  float sums[4] = {upper[0], upper[1], lower[0], lower[1]};
  gc_load_matrices_x4(left, tile_a + lane % 16 * 16 + lane / 16 * 8);
  TILE_B
  gc_mma_m16n8k16_TYPE(sums, left, right);
  upper[0] = sums[0];
  upper[1] = sums[1];
  lower[0] = sums[2];
  lower[1] = sums[3];
}
"""
INDEX = "int i = blockIdx.x * blockDim.x + threadIdx.x; if (i >= n) return;"
TEXT = (
    device_source(FAMILIES)
    + '#line 1 "device_functions.cu"\n'
    + "".join(
        f'extern "C" __global__ void {name}(const {source}* x, {result}* out, int n) '
        f"{{ {INDEX} out[i] = gc_{name}(x[i]); }}\n"
        for name, (source, result) in UNARY.items()
    )
    + "".join(
        f'extern "C" __global__ void {name}(const {t}* a, const {t}* b, {t}* out, int n) '
        f"{{ {INDEX} out[i] = gc_{name}(a[i], b[i]); }}\n"
        for name, t in BINARY.items()
    )
    + r"""
extern "C" __global__ void philox(unsigned* words, unsigned long long key,
                                  unsigned long long stream, unsigned long long first, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) words[i] = gc_philox(key, stream, first + i);
}

extern "C" __global__ void load_x4(const unsigned short* in, unsigned* plain,
                                   unsigned* transposed) {
  __shared__ __align__(16) unsigned short tile[256];
  int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) tile[i] = in[i];
  __syncthreads();
  gc_load_matrices_x4(plain + 4 * lane, tile + 8 * lane);
  gc_load_matrices_x4_transposed(transposed + 4 * lane, tile + 8 * lane);
}
"""
    + "".join(COPY.replace("BYTES", str(size)).replace("TYPE", t) for size, t in COPIES.items())
    + "".join(
        TILE_PRODUCT.replace("NAME", f"product_{t}{suffix}")
        .replace("TYPE", t)
        .replace("TILE_B", tile)
        for t in ("bf16", "f16")
        for suffix, tile in TILES_OF_B.items()
    )
)


@pytest.fixture(scope="module", params=[False, True], ids=["fast", "checked"])
def kernels(request: pytest.FixtureRequest) -> SimulatedKernels:
    return SimulatedKernels.compile(TEXT, check=request.param)


@pytest.fixture(scope="module")
def fast() -> SimulatedKernels:
    return SimulatedKernels.compile(TEXT)


def apply(kernels: SimulatedKernels, name: str, *inputs: np.ndarray, dtype: Any) -> np.ndarray:
    n = inputs[0].size
    out = np.zeros(n, dtype)
    arguments = [*inputs, out, ctypes.c_int(n)]
    kernels.launch(name, (-(-n // 256), 1, 1), (256, 1, 1), 0, arguments)
    return out


def assert_same_bits_or_both_nan(found: np.ndarray, expected: np.ndarray) -> None:
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    unsigned = np.dtype(f"u{found.itemsize}")
    np.testing.assert_array_equal(found.view(unsigned)[~nan], expected.view(unsigned)[~nan])


@pytest.mark.parametrize(
    ("name", "dtype"), [("bf16_to_f32", ml_dtypes.bfloat16), ("f16_to_f32", np.float16)]
)
def test_every_16_bit_pattern_becomes_its_float(
    kernels: SimulatedKernels, name: str, dtype: Any
) -> None:
    patterns = np.arange(65536, dtype=np.uint16)
    found = apply(kernels, name, patterns, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        expected = patterns.view(dtype).astype(np.float32)
    assert_same_bits_or_both_nan(found, expected)


ROUNDINGS: dict[str, tuple[Any, Any]] = {
    "f32_to_bf16": (np.float32, ml_dtypes.bfloat16),
    "f32_to_f16": (np.float32, np.float16),
    "f64_to_f16": (np.float64, np.float16),
}


def assert_rounds_as_numpy(kernels: SimulatedKernels, name: str, values: np.ndarray) -> None:
    source, target = ROUNDINGS[name]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        values = values.astype(source)
        expected = values.astype(target)
    found = apply(kernels, name, values, dtype=np.uint16).view(target)
    assert_same_bits_or_both_nan(found, expected)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding_of_every_value_and_every_tie(fast: SimulatedKernels, name: str) -> None:
    """Each representable value, the midpoints between neighbours, and both sides of these."""
    source, target = ROUNDINGS[name]
    patterns = np.arange(65536, dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        exact = patterns.view(target).astype(np.float64)
    finite = np.sort(exact[np.isfinite(exact)])
    with np.errstate(over="ignore"):
        ties = ((finite[1:] + finite[:-1]) / 2).astype(source)
        above = np.nextafter(ties, np.inf, dtype=source)
        below = np.nextafter(ties, -np.inf, dtype=source)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-320, 3.4e38, -3.4e38])
    values = np.concatenate([exact, ties, above, below, special])
    assert_rounds_as_numpy(fast, name, values)


@given(st.lists(st.floats(width=32), min_size=1, max_size=64), st.sampled_from(sorted(ROUNDINGS)))
def test_rounding_of_any_float(values: list[float], name: str) -> None:
    assert_rounds_as_numpy(SimulatedKernels.compile(TEXT), name, np.array(values))


def test_double_to_half_rounds_once(fast: SimulatedKernels) -> None:
    just_above_a_tie = np.array([1 + 2.0**-11 + 2.0**-40])
    once = apply(fast, "f64_to_f16", just_above_a_tie, dtype=np.uint16)
    twice = apply(fast, "f32_to_f16", just_above_a_tie.astype(np.float32), dtype=np.uint16)
    assert (once[0], twice[0]) == (0x3C01, 0x3C00)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_nan_is_canonical(fast: SimulatedKernels, name: str) -> None:
    nans = np.array([np.nan, -np.nan], ROUNDINGS[name][0])
    np.testing.assert_array_equal(apply(fast, name, nans, dtype=np.uint16), [0x7FFF, 0x7FFF])


@pytest.mark.parametrize("name", BINARY)
def test_extrema_keep_nan_and_order_zeros(kernels: SimulatedKernels, name: str) -> None:
    dtype = np.float64 if name.endswith("f64") else np.float32
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 1e-40], dtype)
    a, b = (m.ravel().copy() for m in np.meshgrid(values, values))
    reference: Callable[..., np.ndarray] = np.minimum if "minimum" in name else np.maximum
    expected = reference(a, b)
    zeros = (a == 0) & (b == 0)
    negative = np.signbit(a) | np.signbit(b) if "minimum" in name else np.signbit(a) & np.signbit(b)
    expected[zeros] = np.where(negative, -0.0, 0.0)[zeros]
    assert_same_bits_or_both_nan(apply(kernels, name, a, b, dtype=dtype), expected)


def philox_reference(key: int, stream: int, counters: np.ndarray) -> np.ndarray:
    """The first word of Philox-4x32-10 as the paper states it, in Python's integers."""
    results = []
    for counter in map(int, counters):
        words = [counter & 0xFFFFFFFF, counter >> 32, stream & 0xFFFFFFFF, stream >> 32]
        keys = [key & 0xFFFFFFFF, key >> 32]
        for _ in range(10):
            first, second = 0xD2511F53 * words[0], 0xCD9E8D57 * words[2]
            words = [
                (second >> 32) ^ words[1] ^ keys[0],
                second & 0xFFFFFFFF,
                (first >> 32) ^ words[3] ^ keys[1],
                first & 0xFFFFFFFF,
            ]
            keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
        results.append(words[0])
    return np.array(results, np.uint32)


def philox(kernels: SimulatedKernels, key: int, stream: int, first: int, n: int) -> np.ndarray:
    words = np.zeros(n, np.uint32)
    scalars = [*map(ctypes.c_ulonglong, (key, stream, first)), ctypes.c_int(n)]
    kernels.launch("philox", (-(-n // 128), 1, 1), (128, 1, 1), 0, [words, *scalars])
    return words


def test_philox_is_the_papers(kernels: SimulatedKernels) -> None:
    n, key, stream = 777, 0x0123456789ABCDEF, 0xFEDCBA9876543210
    expected = philox_reference(key, stream, np.arange(n))
    np.testing.assert_array_equal(philox(kernels, key, stream, 0, n), expected)


# The first words of the known answers of the Random123 library (kat_vectors, philox4x32 10).
ALL_ONES = 2**64 - 1
KNOWN_ANSWERS = [
    (0, 0, 0, 0x6627E8D5),
    (ALL_ONES, ALL_ONES, ALL_ONES, 0x408F276D),
    (0x299F31D0A4093822, 0x0370734413198A2E, 0x85A308D3243F6A88, 0xD16CFE09),
]


@pytest.mark.parametrize(("key", "stream", "counter", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(
    fast: SimulatedKernels, key: int, stream: int, counter: int, expected: int
) -> None:
    assert philox(fast, key, stream, counter, 1) == expected


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("name", "dtype"), [("product_bf16", ml_dtypes.bfloat16), ("product_f16", np.float16)]
)
def test_tile_product(kernels: SimulatedKernels, name: str, dtype: Any, transposed: bool) -> None:
    """Small integers, so that sums are exact and the layout alone decides."""
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-8, 9, shape).astype(dtype) for shape in ((16, 16), (16, 8)))
    c = rng.integers(-8, 9, (16, 8)).astype(np.float32)
    expected = c + a.astype(np.float32) @ b.astype(np.float32)
    right = np.ascontiguousarray(b.T if transposed else b)
    name += "_transposed" if transposed else ""
    kernels.launch(name, (1, 1, 1), (32, 1, 1), 0, [a, right, c])
    np.testing.assert_array_equal(c, expected)


def test_matrix_loads_follow_the_manual(kernels: SimulatedKernels) -> None:
    matrices = np.random.default_rng(4).integers(0, 65536, (4, 8, 8)).astype(np.uint16)
    plain, transposed = np.zeros((32, 4), np.uint32), np.zeros((32, 4), np.uint32)
    kernels.launch("load_x4", (1, 1, 1), (32, 1, 1), 0, [matrices, plain, transposed])
    for lane in range(32):
        pair = slice(lane % 4 * 2, lane % 4 * 2 + 2)
        for i, matrix in enumerate(matrices):
            assert tuple(plain[lane, i : i + 1].view(np.uint16)) == tuple(matrix[lane // 4, pair])
            column = tuple(matrix[pair, lane // 4])
            assert tuple(transposed[lane, i : i + 1].view(np.uint16)) == column


@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.61, 1.0])
def test_copies_fill_the_rest_with_zeros(kernels: SimulatedKernels, size: int, part: float) -> None:
    valid = int(32 * size * part)
    source = np.random.default_rng(5).integers(1, 256, 32 * size).astype(np.uint8)
    out = np.full(32 * size, 0xAA, np.uint8)
    # The source ends where the valid bytes end: reading beyond them would be out of bounds.
    arguments = [source[:valid].copy(), out, ctypes.c_int(valid)]
    kernels.launch(f"copy_{size}", (1, 1, 1), (32, 1, 1), 0, arguments)
    np.testing.assert_array_equal(out[:valid], source[:valid])
    assert not out[valid:].any()
