"""CUDA text on the CPU: right kernels give right numbers, wrong kernels are found out."""

import ctypes
import itertools
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphc.codegen.device import device_source
from graphc.codegen.nvrtc import compile_cubin
from graphc.errors import InternalError, SimulatorError, ToolchainError, UsageError
from graphc.runtime.simulator import Finding, SimulatedKernels, build

RIGHT = (
    device_source(["async_copy", "tensor_core"])
    + r"""
#line 1 "right.cu"
__device__ __forceinline__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

extern "C" __global__ void __launch_bounds__(256) sum_blocks(
    const float* __restrict__ x, float* __restrict__ partial, long long n) {
  __shared__ float warp_sums[8];
  float sum = 0.0f;
  for (long long i = blockIdx.x * 256ll + threadIdx.x; i < n; i += gridDim.x * 256ll) sum += x[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = warp_sum(threadIdx.x < 8 ? warp_sums[threadIdx.x] : 0.0f);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
  }
}

extern "C" __global__ void tiled_product(const float* a, const float* b, float* c, int m, int n,
                                         int k) {
  __shared__ float tile_a[16][16], tile_b[16][17];
  int x = threadIdx.x, y = threadIdx.y;
  int row = blockIdx.y * 16 + y, column = blockIdx.x * 16 + x;
  float sum = 0.0f;
  for (int start = 0; start < k; start += 16) {
    tile_a[y][x] = row < m && start + x < k ? a[row * k + start + x] : 0.0f;
    tile_b[y][x] = start + y < k && column < n ? b[(start + y) * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < 16; ++i) sum += tile_a[y][i] * tile_b[i][x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

// C = A B^T for bf16 matrices: 64 x 64 tiles, three stages of copies, four warps of 32 x 32 each.
// Rows beyond M and N, and columns beyond K, are filled with zeros by the copies.
constexpr int stages = 3, tile = 64, depth = 32;

__device__ __forceinline__ int swizzled(int row, int chunk) {
  return row * depth + ((chunk ^ (row >> 1 & 3)) << 3);
}

__device__ __forceinline__ void copy_tile(unsigned short* shared, const unsigned short* matrix,
                                          int first_row, int rows, int first_column, int columns) {
  for (int i = threadIdx.x; i < tile * depth / 8; i += 128) {
    int row = i / 4, chunk = i % 4;
    int column = first_column + chunk * 8, left = 2 * (columns - column);
    bool inside = first_row + row < rows && left > 0;
    const unsigned short* source = matrix + (long long)(first_row + row) * columns + column;
    gc_copy_async_16(shared + swizzled(row, chunk), inside ? source : matrix,
                     inside ? min(left, 16) : 0);
  }
}

extern "C" __global__ void __launch_bounds__(128) tensor_core_product(
    const unsigned short* __restrict__ a, const unsigned short* __restrict__ b,
    float* __restrict__ c, int m, int n, int k) {
  extern __shared__ __align__(128) unsigned short shared[];
  unsigned short* tile_a = shared;
  unsigned short* tile_b = shared + stages * tile * depth;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int warp_row = warp % 2 * 32, warp_column = warp / 2 * 32;
  int row_a = warp_row + lane % 16, row_b = warp_column + lane % 8 + lane / 16 * 8;
  int block_row = blockIdx.y * tile, block_column = blockIdx.x * tile;
  float sums[2][4][4] = {};
  int steps = (k + depth - 1) / depth;
  for (int step = 0; step < stages - 1; ++step) {
    if (step < steps) {
      copy_tile(tile_a + step * tile * depth, a, block_row, m, step * depth, k);
      copy_tile(tile_b + step * tile * depth, b, block_column, n, step * depth, k);
    }
    gc_copy_async_commit();
  }
  for (int step = 0; step < steps; ++step) {
    gc_copy_async_wait<stages - 2>();
    __syncthreads();
    int next = step + stages - 1, slot = next % stages * tile * depth;
    if (next < steps) {
      copy_tile(tile_a + slot, a, block_row, m, next * depth, k);
      copy_tile(tile_b + slot, b, block_column, n, next * depth, k);
    }
    gc_copy_async_commit();
    const unsigned short* stage_a = tile_a + step % stages * tile * depth;
    const unsigned short* stage_b = tile_b + step % stages * tile * depth;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      unsigned left[2][4], right[4][4];
#pragma unroll
      for (int i = 0; i < 2; ++i)
        gc_load_matrices_x4(left[i], stage_a + swizzled(row_a + i * 16, half * 2 + lane / 16));
#pragma unroll
      for (int j = 0; j < 2; ++j)
        gc_load_matrices_x4(right[j], stage_b + swizzled(row_b + j * 16, half * 2 + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          gc_mma_m16n8k16_bf16(sums[i][j], left[i], right[j / 2] + j % 2 * 2);
    }
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      for (int part = 0; part < 4; ++part) {
        int row = block_row + warp_row + i * 16 + lane / 4 + part / 2 * 8;
        int column = block_column + warp_column + j * 8 + lane % 4 * 2 + part % 2;
        if (row < m && column < n) c[(long long)row * n + column] = sums[i][j][part];
      }
}

extern "C" __global__ void histogram(const int* x, int* counts, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(counts + x[i], 1);
}

extern "C" __global__ void indices(int* out) {
  int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  int threads = blockDim.x * blockDim.y * blockDim.z;
  out[block * threads + thread] = block * 10000 + thread;
}

extern "C" __global__ void votes(const int* x, unsigned* out) {
  int i = threadIdx.x;
  out[i] = __ballot_sync(0xffffffffu, x[i] > 0);
  out[i + 64] = __any_sync(0xffffffffu, x[i] > 1) + 2 * __all_sync(0xffffffffu, x[i] > -1);
  out[i + 128] = __reduce_add_sync(0xffffffffu, (unsigned)x[i]);
  out[i + 192] = __shfl_up_sync(0xffffffffu, x[i], 3, 8);
  out[i + 256] = __shfl_down_sync(0xffffffffu, x[i], 3, 8);
  out[i + 320] = __shfl_sync(0xffffffffu, x[i], 5, 8);
  out[i + 384] = __syncthreads_count(x[i] > 0);
  out[i + 448] = __syncthreads_or(x[i] > 1) + 2 * __syncthreads_and(x[i] > -1);
}

// Neighbours within a warp exchange through shared memory with warp barriers alone.
extern "C" __global__ void rotate_in_warp(const int* x, int* out) {
  __shared__ int values[64];
  int i = threadIdx.x, next = i / 32 * 32 + (i + 1) % 32;
  values[i] = x[i];
  __syncwarp();
  int neighbour = values[next];
  __syncwarp();
  values[i] = neighbour;
  __syncwarp();
  out[i] = values[next];
}

extern "C" __global__ void vectors(const float4* x, float4* out, float2 scale) {
  float4 v = x[threadIdx.x];
  out[threadIdx.x] = make_float4(v.x * scale.x, v.y * scale.y, v.z, v.w);
}

extern "C" __global__ void nothing() {}

// The last block adds up what all blocks wrote: a fence and an atomic counter order them.
extern "C" __global__ void sum_in_one_launch(const float* x, float* partial, unsigned* counter,
                                             float* total, int n) {
  __shared__ float values[64];
  __shared__ bool is_last;
  int i = blockIdx.x * 64 + threadIdx.x;
  values[threadIdx.x] = i < n ? x[i] : 0.0f;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (int j = 0; j < 64; ++j) sum += values[j];
    partial[blockIdx.x] = sum;
    __threadfence();
    is_last = atomicAdd(counter, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (is_last && threadIdx.x == 32) {
    float sum = 0.0f;
    for (int j = 0; j < gridDim.x; ++j) sum += ((volatile float*)partial)[j];
    *total = sum;
  }
}

// One half of each warp leaves early; the rest goes on together.
extern "C" __global__ void half_warps(int* out) {
  int lane = threadIdx.x % 32;
  if (lane >= 16) return;
  out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, lane, 8);
}
"""
)


@pytest.fixture(scope="module", params=[False, True], ids=["fast", "checked"])
def right(request: pytest.FixtureRequest) -> SimulatedKernels:
    return SimulatedKernels.compile(RIGHT, check=request.param)


def floats(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


def ints(*values: int) -> list[ctypes.c_int]:
    return [ctypes.c_int(value) for value in values]


def test_the_same_text_compiles_for_a_gpu() -> None:
    assert compile_cubin(RIGHT, "sm_80", name="right", fast=True).log == ""


@pytest.mark.parametrize("n", [0, 1, 31, 255, 256, 257, 5000])
@pytest.mark.parametrize("seed", [0, 1])
def test_reduction(right: SimulatedKernels, n: int, seed: int) -> None:
    x = np.random.default_rng(n).integers(-9, 10, n).astype(np.float32)
    partial = np.full(5, np.nan, np.float32)
    arguments = [x, partial, ctypes.c_longlong(n)]
    right.launch("sum_blocks", (5, 1, 1), (256, 1, 1), 0, arguments, seed)
    assert partial.sum() == x.sum()


@pytest.mark.parametrize(("m", "n", "k"), [(16, 16, 16), (1, 1, 1), (33, 17, 40), (5, 50, 0)])
@pytest.mark.parametrize("seed", [0, 7])
def test_shared_memory_product(right: SimulatedKernels, m: int, n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(m)
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    c = np.full((m, n), np.nan, np.float32)
    grid = (-(-n // 16), -(-m // 16), 1)
    right.launch("tiled_product", grid, (16, 16, 1), 0, [a, b, c, *ints(m, n, k)], seed)
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("m", "n", "k"), [(64, 64, 32), (128, 64, 96), (65, 3, 8), (70, 130, 104)])
def test_tensor_core_product(right: SimulatedKernels, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(k)
    a, b = (rng.standard_normal((rows, k)).astype(ml_dtypes.bfloat16) for rows in (m, n))
    c = np.full((m, n), np.nan, np.float32)
    grid = (-(-n // 64), -(-m // 64), 1)
    shared_bytes = 2 * 3 * 64 * 32 * 2
    arguments = [a, b, c, *ints(m, n, k)]
    right.launch("tensor_core_product", grid, (128, 1, 1), shared_bytes, arguments, seed=3)
    expected = a.astype(np.float64) @ b.astype(np.float64).T
    np.testing.assert_allclose(c, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_fences_and_atomics_order_blocks(right: SimulatedKernels, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-9, 10, 500).astype(np.float32)
    partial, total, counter = floats(8), floats(1), np.zeros(1, np.uint32)
    arguments = [x, partial, counter, total, *ints(500)]
    right.launch("sum_in_one_launch", (8, 1, 1), (64, 1, 1), 0, arguments, seed)
    assert total[0] == x.sum()


def test_atomics_count_every_thread(right: SimulatedKernels) -> None:
    x = np.random.default_rng(0).integers(0, 7, 3001).astype(np.int32)
    counts = np.zeros(7, np.int32)
    right.launch("histogram", (24, 1, 1), (128, 1, 1), 0, [x, counts, *ints(3001)])
    np.testing.assert_array_equal(counts, np.bincount(x, minlength=7))


@pytest.mark.parametrize("block", [(1, 1, 1), (5, 3, 2), (1024, 1, 1), (33, 1, 1), (4, 4, 64)])
@pytest.mark.parametrize("grid", [(1, 1, 1), (3, 2, 4)])
def test_indices(
    right: SimulatedKernels, grid: tuple[int, int, int], block: tuple[int, int, int]
) -> None:
    blocks, threads = int(np.prod(grid)), int(np.prod(block))
    out = np.full((blocks, threads), -1, np.int32)
    right.launch("indices", grid, block, 0, [out], seed=5)
    expected = np.arange(blocks)[:, None] * 10000 + np.arange(threads)
    np.testing.assert_array_equal(out, expected)


def test_votes_and_shuffles(right: SimulatedKernels) -> None:
    x = np.random.default_rng(1).integers(0, 3, 64).astype(np.int32)
    x[32:] = 1
    out = np.zeros((8, 64), np.uint32)
    right.launch("votes", (1, 1, 1), (64, 1, 1), 0, [x, out], seed=2)
    warps, segments = x.reshape(2, 32), x.reshape(8, 8)
    ballots = (warps > 0) @ (np.uint64(1) << np.arange(32, dtype=np.uint64))
    np.testing.assert_array_equal(out[0], np.repeat(ballots, 32))
    np.testing.assert_array_equal(out[1], np.repeat((warps > 1).any(1) + 2, 32))
    np.testing.assert_array_equal(out[2], np.repeat(warps.sum(1), 32))
    position = np.arange(8)
    np.testing.assert_array_equal(
        out[3], segments[:, np.where(position < 3, position, position - 3)].ravel()
    )
    np.testing.assert_array_equal(
        out[4], segments[:, np.where(position > 4, position, position + 3)].ravel()
    )
    np.testing.assert_array_equal(out[5], np.repeat(segments[:, 5], 8))
    np.testing.assert_array_equal(out[6], np.full(64, (x > 0).sum()))
    np.testing.assert_array_equal(out[7], np.full(64, 3))


@pytest.mark.parametrize("seed", range(4))
def test_warp_barriers_order_memory(right: SimulatedKernels, seed: int) -> None:
    x = np.arange(64, dtype=np.int32)
    out = np.zeros(64, np.int32)
    right.launch("rotate_in_warp", (1, 1, 1), (64, 1, 1), 0, [x, out], seed)
    np.testing.assert_array_equal(out.reshape(2, 32), np.roll(x.reshape(2, 32), -2, axis=1))


def test_vectors_and_struct_arguments(right: SimulatedKernels) -> None:
    class Float2(ctypes.Structure):
        _fields_ = (("x", ctypes.c_float), ("y", ctypes.c_float))

    x = np.arange(28, dtype=np.float32).reshape(7, 4)
    out = np.zeros_like(x)
    right.launch("vectors", (1, 1, 1), (7, 1, 1), 0, [x, out, Float2(2, 3)])
    np.testing.assert_array_equal(out, x * [2, 3, 1, 1])


def test_exited_lanes_take_no_part(right: SimulatedKernels) -> None:
    out = np.full(64, -1, np.int32)
    right.launch("half_warps", (1, 1, 1), (64, 1, 1), 0, [out])
    lanes = np.arange(32)
    np.testing.assert_array_equal(out.reshape(2, 32), [np.where(lanes < 16, lanes ^ 8, -1)] * 2)


def test_kernels_without_parameters(right: SimulatedKernels) -> None:
    right.launch("nothing", (3, 1, 1), (1, 1, 1), 0, [])
    assert right.names[0] == "sum_blocks"


def test_arrays_may_share_memory(right: SimulatedKernels) -> None:
    """The output lies in the same arena as the input, and may overlap it."""
    arena = np.arange(300, dtype=np.float32)
    x, partial = arena[:256], arena[255:256]
    total = x.sum()
    right.launch("sum_blocks", (1, 1, 1), (256, 1, 1), 0, [x, partial, ctypes.c_longlong(256)])
    assert partial[0] == arena[255] == total
    np.testing.assert_array_equal(arena[256:], np.arange(256, 300))


def test_several_threads_may_launch_at_once(right: SimulatedKernels) -> None:
    results: list[tuple[float, float]] = []

    def work(seed: int) -> None:
        for i in range(10):
            x = np.random.default_rng(seed * 100 + i).integers(0, 9, 4000).astype(np.float32)
            partial = np.zeros(7, np.float32)
            arguments = [x, partial, ctypes.c_longlong(4000)]
            right.launch("sum_blocks", (7, 1, 1), (256, 1, 1), 0, arguments, seed)
            results.append((float(partial.sum()), float(x.sum())))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 40
    assert all(found == expected for found, expected in results)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    kernels = SimulatedKernels.compile(RIGHT)
    x = np.random.default_rng(0).standard_normal(9999).astype(np.float32)
    results = []
    for count in (1, threads):
        partial = np.zeros(13, np.float32)
        arguments = [x, partial, ctypes.c_longlong(9999)]
        kernels.launch("sum_blocks", (13, 1, 1), (256, 1, 1), 0, arguments, threads=count)
        results.append(partial.tobytes())
    assert results[0] == results[1]


@dataclass(frozen=True)
class Broken:
    """A kernel that breaks one rule; HERE and OTHER in comments mark the lines to be named."""

    check: str
    text: str
    arguments: tuple[Any, ...]
    buffer: str | None = None
    block: tuple[int, int, int] = (64, 1, 1)
    grid: tuple[int, int, int] = (1, 1, 1)
    shared_bytes: int = 0
    words: tuple[str, ...] = field(default=())


BROKEN = {
    "write beyond a buffer": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x, float* y) {
             int i = threadIdx.x;
             x[i + 1] = 1.0f;  // HERE
           }""",
        (floats(64), floats(64)),
        "x",
        words=("write of 4 bytes at x + 256 of 256 bytes", "thread (63, 0, 0)"),
    ),
    "read before a buffer": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(const float* x, float* y) {
             int i = threadIdx.x;
             y[i] = x[i - 1];  // HERE
           }""",
        (floats(64), floats(64)),
        "x",
        words=("x - 4 of 256 bytes",),
    ),
    "read of an array into its neighbour in the arena": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(const float* x, float* y) {
             y[threadIdx.x] = x[threadIdx.x + 32];  // HERE
           }""",
        tuple(np.split(floats(128), 2)),
        "x",
    ),
    "null pointer": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x, long long address) {
             *(float*)address = x[threadIdx.x];  // HERE
           }""",
        (floats(64), ctypes.c_longlong(64)),
        None,
        words=("in no buffer",),
    ),
    "beyond a shared variable": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x, int n) {
             __shared__ float first[64], second[64];
             first[threadIdx.x] = second[threadIdx.x] = 1.0f;
             __syncthreads();
             x[threadIdx.x] = first[threadIdx.x + n] + second[threadIdx.x];  // HERE
           }""",
        (floats(64), ctypes.c_int(1)),
        "first",
    ),
    "beyond dynamic shared memory": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x) {
             extern __shared__ float values[];
             values[threadIdx.x] = x[threadIdx.x];  // HERE
           }""",
        (floats(64),),
        "dynamic shared memory",
        shared_bytes=252,
    ),
    "beyond a buffer by atomics": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x) {
             atomicAdd(x + threadIdx.x, 1.0f);  // HERE
           }""",
        (floats(63),),
        "x",
        words=("atomic update",),
    ),
    "memory of another thread": Broken(
        "out-of-bounds",
        """extern "C" __global__ void k(float* x) {
             __shared__ float* pointer;
             float local[2] = {x[0], x[1]};
             if (threadIdx.x == 0) pointer = local;
             __syncthreads();
             x[threadIdx.x] = pointer[threadIdx.x % 2];  // HERE
             __syncthreads();
             local[threadIdx.x % 2] += 1;
           }""",
        (floats(64),),
        None,
    ),
    "missing barrier": Broken(
        "race-in-block",
        """extern "C" __global__ void k(float* x) {
             __shared__ float values[64];
             values[threadIdx.x] = x[threadIdx.x];  // OTHER
             x[threadIdx.x] = values[63 - threadIdx.x];  // HERE
           }""",
        (floats(64),),
        "values",
    ),
    "missing barrier before the next write": Broken(
        "race-in-block",
        """extern "C" __global__ void k(float* x) {
             __shared__ float values[64];
             for (int i = 0; i < 2; ++i) {
               values[threadIdx.x] = x[threadIdx.x];  // HERE
               __syncthreads();
               x[threadIdx.x] += values[63 - threadIdx.x];  // OTHER
             }
           }""",
        (floats(64),),
        "values",
    ),
    "two threads write the same byte": Broken(
        "race-in-block",
        """extern "C" __global__ void k(unsigned char* x) {
             x[threadIdx.x / 2] = 1;  // HERE OTHER
           }""",
        (np.zeros(64, np.uint8),),
        "x",
        words=("write of 1 bytes",),
    ),
    "missing warp barrier": Broken(
        "race-in-block",
        """extern "C" __global__ void k(int* x) {
             __shared__ int values[64];
             int i = threadIdx.x;
             values[i] = x[i];  // OTHER
             __shfl_sync(0xffffffffu, i, 0);  // shuffles order no memory
             x[i] = values[i ^ 1];  // HERE
           }""",
        (np.zeros(64, np.int32),),
        "values",
    ),
    "warp barrier between warps": Broken(
        "race-in-block",
        """extern "C" __global__ void k(int* x) {
             __shared__ int values[64];
             int i = threadIdx.x;
             values[i] = x[i];  // OTHER
             __syncwarp();
             x[i] = values[i ^ 32];  // HERE
           }""",
        (np.zeros(64, np.int32),),
        "values",
    ),
    "warp barrier of half a warp": Broken(
        "race-in-block",
        """extern "C" __global__ void k(int* x) {
             __shared__ int values[64];
             int i = threadIdx.x;
             values[i] = x[i];  // OTHER
             __syncwarp(i % 32 < 16 ? 0x0000ffffu : 0xffff0000u);
             x[i] = values[i ^ 16];  // HERE
           }""",
        (np.zeros(64, np.int32),),
        "values",
    ),
    "plain write beside atomics": Broken(
        "race-in-block",
        """extern "C" __global__ void k(int* x) {
             if (threadIdx.x == 0) x[0] = 1;  // OTHER
             atomicAdd(x, 1);  // HERE
           }""",
        (np.zeros(1, np.int32),),
        "x",
    ),
    "blocks write the same element": Broken(
        "race-between-blocks",
        """extern "C" __global__ void k(float* x) {
             x[threadIdx.x] = blockIdx.x;  // HERE OTHER
           }""",
        (floats(64),),
        "x",
        grid=(3, 1, 1),
        words=(") of block (0, 0, 0) at",),
    ),
    "a block reads what another writes": Broken(
        "race-between-blocks",
        """extern "C" __global__ void k(float* x, float* y) {
             int i = blockIdx.x * 64 + threadIdx.x;
             x[i] = 1.0f;  // OTHER
             __syncthreads();
             y[i] = i >= 64 ? x[i - 64] : 0.0f;  // HERE
           }""",
        (floats(128), floats(128)),
        "x",
        grid=(2, 1, 1),
    ),
    "missing fence between blocks": Broken(
        "race-between-blocks",
        """extern "C" __global__ void k(float* x, unsigned* counter, float* y) {
             if (threadIdx.x != 0) return;
             x[blockIdx.x] = 1.0f;  // OTHER
             if (atomicAdd(counter, 1u) % 2 == 1)
               *y = ((volatile float*)x)[0];  // HERE
           }""",
        (floats(2), np.zeros(1, np.uint32), floats(1)),
        "x",
        grid=(2, 1, 1),
    ),
    "write after the fence": Broken(
        "race-between-blocks",
        """extern "C" __global__ void k(float* x, unsigned* counter, float* y) {
             if (threadIdx.x != 0) return;
             __threadfence();
             bool last = atomicAdd(counter, 1u) % 2 == 1;
             __syncthreads();
             x[blockIdx.x] = 1.0f;  // OTHER
             if (last) *y = ((volatile float*)x)[0];  // HERE
           }""",
        (floats(2), np.zeros(1, np.uint32), floats(1)),
        "x",
        grid=(2, 1, 1),
        block=(1, 1, 1),
    ),
    "threads at different barriers": Broken(
        "divergent-barrier",
        """extern "C" __global__ void k(float* x) {
             if (threadIdx.x < 32)
               __syncthreads();  // OTHER
             else
               __syncthreads();  // HERE
             x[threadIdx.x] = 1.0f;
           }""",
        (floats(64),),
    ),
    "some threads have ended": Broken(
        "divergent-barrier",
        """extern "C" __global__ void k(float* x) {
             if (threadIdx.x >= 50) return;
             __syncthreads();  // HERE
             x[threadIdx.x] = 1.0f;
           }""",
        (floats(64),),
        words=("thread (50, 0, 0) has ended",),
    ),
    "copy without wait": Broken(
        "pending-copy",
        device_source(["async_copy"])
        + """#line 1 "broken.cu"
extern "C" __global__ void k(float* x) {
             __shared__ __align__(16) float values[64];
             gc_copy_async_4(values + threadIdx.x, x + threadIdx.x);  // OTHER
             gc_copy_async_commit();
             __syncthreads();
             x[threadIdx.x] = values[threadIdx.x];  // HERE
           }""",
        (floats(64),),
        "values",
    ),
    "copy with too weak a wait": Broken(
        "pending-copy",
        device_source(["async_copy"])
        + """#line 1 "broken.cu"
extern "C" __global__ void k(float* x) {
             __shared__ __align__(16) float values[2][64];
             for (int i = 0; i < 2; ++i) {
               gc_copy_async_4(values[i] + threadIdx.x, x + threadIdx.x);  // OTHER
               gc_copy_async_commit();
             }
             gc_copy_async_wait<1>();
             __syncthreads();
             float first = values[0][63 - threadIdx.x];
             x[threadIdx.x] = first + values[1][threadIdx.x];  // HERE
           }""",
        (floats(64),),
        "values",
    ),
    "copy without a barrier": Broken(
        "race-in-block",
        device_source(["async_copy"])
        + """#line 1 "broken.cu"
extern "C" __global__ void k(float* x, float* y) {
             __shared__ __align__(16) float values[64];
             gc_copy_async_4(values + threadIdx.x, x + threadIdx.x);  // OTHER
             gc_copy_async_commit();
             gc_copy_async_wait<0>();
             y[threadIdx.x] = values[threadIdx.x - threadIdx.x % 2];  // HERE
           }""",
        (floats(64), floats(64)),
        "values",
    ),
    "copy to an odd address": Broken(
        "misaligned",
        device_source(["async_copy"])
        + """#line 1 "broken.cu"
extern "C" __global__ void k(float* x) {
             __shared__ __align__(16) float values[128];
             gc_copy_async_8(values + threadIdx.x, x + 2 * threadIdx.x);  // HERE
             gc_copy_async_wait<0>();
           }""",
        (floats(128),),
        "values",
    ),
    "read of unwritten shared memory": Broken(
        "uninitialised-shared",
        """extern "C" __global__ void k(float* x) {
             __shared__ float values[64];
             if (threadIdx.x != 40) values[threadIdx.x] = x[threadIdx.x];
             __syncthreads();
             x[threadIdx.x] = values[63 - threadIdx.x];  // HERE
           }""",
        (floats(64),),
        "values",
        words=("values + 160 of 256 bytes", "thread (23, 0, 0)"),
    ),
    "shared memory of the block before": Broken(
        "uninitialised-shared",
        """extern "C" __global__ void k(float* x) {
             __shared__ float values[64];
             if (blockIdx.x == 0) values[threadIdx.x] = 1.0f;
             __syncthreads();
             x[blockIdx.x * 64 + threadIdx.x] = values[threadIdx.x];  // HERE
           }""",
        (floats(128),),
        "values",
        grid=(2, 1, 1),
        words=("of block (1, 0, 0)",),
    ),
    "ldmatrix of unwritten rows": Broken(
        "uninitialised-shared",
        device_source(["tensor_core"])
        + """#line 1 "broken.cu"
extern "C" __global__ void k(unsigned* x) {
             __shared__ __align__(16) unsigned short values[256];
             unsigned fragment[4];
             if (threadIdx.x < 31)
               for (int i = 0; i < 8; ++i) values[threadIdx.x * 8 + i] = 0;
             __syncthreads();
             gc_load_matrices_x4(fragment, values + threadIdx.x * 8);  // HERE
             x[threadIdx.x] = fragment[0];
           }""",
        (np.zeros(32, np.uint32),),
        "values",
        block=(32, 1, 1),
    ),
    "lanes at different warp operations": Broken(
        "divergent-warp",
        """extern "C" __global__ void k(int* x) {
             if (threadIdx.x % 2)
               x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 2);  // HERE
             else
               x[threadIdx.x] = __ballot_sync(0xffffffffu, 1);  // OTHER
           }""",
        (np.zeros(32, np.int32),),
        block=(32, 1, 1),
    ),
    "a warp operation and a barrier": Broken(
        "divergent-warp",
        """extern "C" __global__ void k(int* x) {
             if (threadIdx.x < 8)
               x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 2);  // HERE
             __syncthreads();  // OTHER
           }""",
        (np.zeros(32, np.int32),),
        block=(32, 1, 1),
    ),
    "mask without the lane itself": Broken(
        "divergent-warp",
        """extern "C" __global__ void k(int* x) {
             x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1, 2);  // HERE
           }""",
        (np.zeros(32, np.int32),),
        block=(32, 1, 1),
    ),
    "value of a lane that has ended": Broken(
        "inactive-lane",
        """extern "C" __global__ void k(int* x) {
             if (threadIdx.x >= 16) return;
             x[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1, 1);  // HERE
           }""",
        (np.zeros(32, np.int32),),
        block=(32, 1, 1),
        words=("thread (15, 0, 0)", "lane 16"),
    ),
    "vector at an odd address": Broken(
        "misaligned",
        """extern "C" __global__ void k(float* x, float4* y) {
             y[threadIdx.x] = *(float4*)(x + threadIdx.x + 1);  // HERE
           }""",
        (floats(80), floats(256)),
        "x",
    ),
}
FOUND_WITHOUT_CHECKING = ("divergent-barrier", "divergent-warp", "inactive-lane")


def findings_of(broken: Broken, check: bool, seed: int = 0) -> tuple[Finding, ...]:
    text = broken.text if "#line" in broken.text else f'#line 1 "broken.cu"\n{broken.text}'
    kernels = SimulatedKernels.compile(text, check=check)
    arguments = broken.arguments
    with pytest.raises(SimulatorError) as error:
        kernels.launch("k", broken.grid, broken.block, broken.shared_bytes, arguments, seed)
    return error.value.findings


def marked_line(broken: Broken, mark: str) -> int:
    body = broken.text.rpartition('#line 1 "broken.cu"\n')[2]
    return next(i for i, line in enumerate(body.splitlines(), 1) if mark in line)


@pytest.mark.parametrize("case", [c for c, b in BROKEN.items() if "race" not in b.check])
def test_broken_kernel_is_found_out(case: str) -> None:
    broken = BROKEN[case]
    found = findings_of(broken, check=True)
    first = found[0]
    assert {f.check for f in found} == {broken.check}
    assert (first.kernel, first.file, first.line) == ("k", "broken.cu", marked_line(broken, "HERE"))
    assert first.buffer == broken.buffer
    assert first.message.startswith(f"broken.cu:{first.line}: {broken.check}: ")
    if "OTHER" in broken.text:
        assert first.message.endswith(f" at broken.cu:{marked_line(broken, 'OTHER')}")
    for words in broken.words:
        assert words in first.message


@pytest.mark.parametrize("case", [c for c, b in BROKEN.items() if "race" in b.check])
@pytest.mark.parametrize("seed", range(4))
def test_races_are_found_in_any_order(case: str, seed: int) -> None:
    """Which of the two accesses comes first depends on the order of the threads. A read that comes
    before the write it should have waited for is one of unwritten memory as well."""
    broken = BROKEN[case]
    found = findings_of(broken, check=True, seed=seed)
    races = [f for f in found if f.check == broken.check]
    assert {f.check for f in found} <= {broken.check, "uninitialised-shared"}
    lines = {f"broken.cu:{marked_line(broken, mark)}" for mark in ("HERE", "OTHER")}
    for race in races:
        assert race.buffer == broken.buffer
        assert any(all(words in r.message for words in broken.words) for r in races)
    both = {race.message.partition(": ")[0] for race in races}
    both |= {race.message.rpartition(" at ")[2] for race in races}
    assert both == lines


@pytest.mark.parametrize(
    "case", [c for c, b in BROKEN.items() if b.check in FOUND_WITHOUT_CHECKING]
)
def test_divergence_is_found_without_checking(case: str) -> None:
    broken = BROKEN[case]
    found = findings_of(broken, check=False)
    assert found[0].check == broken.check
    assert found[0].line == marked_line(broken, "HERE")


def test_error_text_lists_the_findings() -> None:
    broken = BROKEN["missing barrier"]
    kernels = SimulatedKernels.compile(broken.text, check=True)
    with pytest.raises(SimulatorError) as error:
        kernels.launch("k", (1, 1, 1), (64, 1, 1), 0, [floats(64)])
    assert error.value.render().startswith("error[simulator]: kernel k breaks the rules of CUDA")
    assert "kernel.cu:4: race-in-block: read of 4 bytes at values + " in error.value.render()


def test_a_missing_wait_gives_old_values_without_checking() -> None:
    """The copy lands at the wait and not before, so that numbers betray what nobody checked."""
    text = (
        device_source(["async_copy"])
        + r"""
extern "C" __global__ void k(const float* x, float* y, int wait) {
  __shared__ __align__(16) float values[32];
  values[threadIdx.x] = -1.0f;
  gc_copy_async_4(values + threadIdx.x, x + threadIdx.x);
  gc_copy_async_commit();
  if (wait) gc_copy_async_wait<0>();
  y[threadIdx.x] = values[threadIdx.x];
}"""
    )
    kernels = SimulatedKernels.compile(text)
    x, y = np.arange(32, dtype=np.float32), floats(32)
    for wait, expected in ((0, np.full(32, -1, np.float32)), (1, x)):
        kernels.launch("k", (1, 1, 1), (32, 1, 1), 0, [x, y, *ints(wait)])
        np.testing.assert_array_equal(y, expected)


def test_a_finding_leaves_the_kernels_usable(right: SimulatedKernels) -> None:
    broken = SimulatedKernels.compile(BROKEN["some threads have ended"].text, check=True)
    for _ in range(3):
        with pytest.raises(SimulatorError):
            broken.launch("k", (2, 1, 1), (64, 1, 1), 0, [floats(64)])
    broken.launch("k", (1, 1, 1), (50, 1, 1), 0, [floats(50)])


LAUNCHES_THAT_CUDA_REFUSES = [
    ((0, 1, 1), (1, 1, 1), 0),
    ((1, 0, 1), (1, 1, 1), 0),
    ((1, 65536, 1), (1, 1, 1), 0),
    ((2**31, 1, 1), (1, 1, 1), 0),
    ((1, 1, 1), (0, 1, 1), 0),
    ((1, 1, 1), (1025, 1, 1), 0),
    ((1, 1, 1), (32, 33, 1), 0),
    ((1, 1, 1), (1, 1, 65), 0),
    ((1, 1, 1), (1, 1, 1), 227 * 1024 + 1),
    ((1, 1, 1), (1, 1, 1), -1),
]


@pytest.mark.parametrize(("grid", "block", "shared_bytes"), LAUNCHES_THAT_CUDA_REFUSES)
def test_launches_that_cuda_refuses(
    right: SimulatedKernels,
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    shared_bytes: int,
) -> None:
    with pytest.raises(UsageError, match="kernel nothing: "):
        right.launch("nothing", grid, block, shared_bytes, [])


def wrong_arguments() -> list[tuple[list[Any], str]]:
    x, counts, n = np.zeros(4, np.int32), np.zeros(4, np.int32), ctypes.c_int(4)
    frozen = counts.copy()
    frozen.setflags(write=False)
    return [
        ([x, counts], "takes 3 arguments, not 2"),
        ([x, counts, 4], "parameter n: expected an array or a ctypes scalar, got int"),
        ([x, counts, ctypes.c_longlong(4)], "parameter n: expected an integer of 4 bytes"),
        ([x, counts, ctypes.c_float(4)], "parameter n: expected an integer of 4 bytes"),
        ([x, counts, x], "parameter n: expected an integer, got an array"),
        ([n, counts, n], "parameter x: expected a pointer of 8 bytes"),
        ([x[::2], counts, n], "parameter x: the array is not C-contiguous"),
        ([x, frozen, n], "parameter counts: the array is read-only"),
    ]


@pytest.mark.parametrize(("arguments", "message"), wrong_arguments())
def test_wrong_arguments_are_refused(
    right: SimulatedKernels, arguments: list[Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        right.launch("histogram", (1, 1, 1), (4, 1, 1), 0, arguments)


def test_unknown_kernels_are_refused_by_name(right: SimulatedKernels) -> None:
    with pytest.raises(UsageError, match="no kernel is named 'histogramm'"):
        right.launch("histogramm", (1, 1, 1), (4, 1, 1), 0, [])


def test_text_that_does_not_compile_comes_with_the_compilers_words() -> None:
    with pytest.raises(InternalError) as error:
        SimulatedKernels.compile('extern "C" __global__ void k() {\n  nonsense;\n}')
    assert any("kernel.cu:2" in note and "nonsense" in note for note in error.value.notes)


def test_more_local_memory_than_a_stack_holds_is_refused() -> None:
    text = """extern "C" __global__ void k(float* x, int n) {
                volatile float local[100000];
                local[n] = 1.0f;
                x[0] = local[0];
              }"""
    with pytest.raises(InternalError) as error:
        SimulatedKernels.compile(text)
    assert any("frame size" in note for note in error.value.notes)


def test_dynamic_shared_memory_outside_of_kernels_is_refused() -> None:
    with pytest.raises(ToolchainError, match=r"line 2: .*inside kernels only"):
        SimulatedKernels.compile("\nextern __shared__ float values[];\n")


def test_missing_compiler_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    build._compiler.cache_clear()
    try:
        with pytest.raises(ToolchainError, match=r"needs g\+\+") as error:
            SimulatedKernels.compile(RIGHT)
    finally:
        build._compiler.cache_clear()
    assert error.value.hint is not None
    assert "apt install g++" in error.value.hint


def test_the_portable_way_of_switching_stacks_works_too(tmp_path: Path) -> None:
    """The simulator as it is built on processors without a switch of their own."""
    script = (
        "from graphc.runtime.simulator import build\n"
        "build._COMMON_FLAGS += ('-DSIMULATOR_UCONTEXT',)\n"
        "build._RUNTIME_FLAGS += ('-DSIMULATOR_UCONTEXT',)\n"
        "import pytest, sys\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[1],\n"
        "    '-k', 'reduction or votes or exited or ended or missing_barrier']))\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "GRAPHC_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script, __file__]
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout or "[100%]" in result.stdout


def test_kernel_names_are_read_past_comments_attributes_and_macros() -> None:
    text = build.read_kernel_text(
        """
// __global__ void commented(int a) {}
#define MACRO(name) \\
  extern "C" __global__ void name(int a) {}
const char* string = "__global__ void quoted(int a) {}";
extern "C" __global__ void __launch_bounds__(256, 2) first(const float* __restrict__ x, int n) {}
extern "C" __global__ __launch_bounds__(64) void second() {}
"""
    )
    assert text.parameters == {"first": ("x", "n"), "second": ()}


def test_orders_differ_between_seeds() -> None:
    """Threads note in which order they come; the orders are reproducible, and not all the same."""
    kernels = SimulatedKernels.compile(
        """extern "C" __global__ void k(int* turn, int* order) {
             order[atomicAdd(turn, 1)] = threadIdx.x;
           }"""
    )
    orders = []
    for seed in (0, 1, 1, 2):
        turn, order = np.zeros(1, np.int32), np.zeros(96, np.int32)
        kernels.launch("k", (1, 1, 1), (96, 1, 1), 0, [turn, order], seed)
        orders.append(tuple(map(int, order)))
    assert orders[0] == tuple(range(96))
    assert orders[1] == orders[2]
    assert all(a != b for a, b in itertools.combinations([orders[0], orders[1], orders[3]], 2))
