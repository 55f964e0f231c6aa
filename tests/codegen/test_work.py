"""How much work a launch is, and that small ones run on the thread that calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from graphc import config
from graphc.codegen.host import HOST
from graphc.codegen.kernel_library import Library
from graphc.codegen.plan import plan_entry
from graphc.frontend.tracing.control_flow import scan
from graphc.frontend.tracing.tensor import Tensor, function
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir.dtype import DType, bf16, f32, f64
from graphc.ir.graph import Graph
from graphc.ir.kernel import Kernel
from graphc.ir.kernels.work import work_of_step
from graphc.passes import pipeline
from graphc.runtime.cpu import pool
from graphc.runtime.program import Alternative, launches_in
from tests.emitted import emitted

N = dims.variable("N", 0, 1 << 24)
THREADS = 2

tanh, exp, sort, sum_ = function("tanh"), function("exp"), function("sort"), function("sum")


def compiled(step: Any, *types: Any) -> Graph:
    graph, sources = trace(step, *types, name="step")
    return pipeline.run(graph, pipeline.GRAPH_PASSES, sources)


def work(graph: Graph, environment: Mapping[str, int]) -> int:
    """That of all launches of a graph without loops."""
    library = Library()
    entry = plan_entry(graph, HOST, library)
    applied = [
        next(one for one in step.alternatives if one.applies(environment))
        for step in launches_in(entry.steps)
    ]
    return sum(of_launch(library.kernels[one.kernel], one, environment) for one in applied)


def of_launch(kernel: Kernel, launch: Alternative, environment: Mapping[str, int]) -> int:
    total = 0
    for binding in launch.bindings:
        scalars = {
            str(dim): dims.evaluate(value, environment)
            for dim, value in zip(kernel.scalars, binding.scalars, strict=True)
        }
        steps = dims.evaluate(binding.grid, environment)
        total += steps * dims.evaluate(work_of_step(kernel), scalars)
    return total


# -- the estimate ---------------------------------------------------------------------------------

LOAD = STORE = 2
ADD = 1
FUNCTION = 16


@pytest.mark.parametrize("size", [0, 1, 7, 8192, 81920])
def test_elements_cost_what_they_load_compute_and_store(size: int) -> None:
    added = compiled(lambda a, b: a + b, f32[N], f32[N])
    assert work(added, {"N": size}) == size * (2 * LOAD + ADD + STORE)
    exponential = compiled(exp, f32[N])
    assert work(exponential, {"N": size}) == size * (LOAD + FUNCTION + STORE)


@pytest.mark.parametrize("dtype", [f32, f64, bf16])
@pytest.mark.parametrize(("m", "n", "k"), [(480, 512, 256), (960, 256, 1024)])
def test_a_product_costs_its_multiply_adds(dtype: DType, m: int, n: int, k: int) -> None:
    product = compiled(lambda a, b: a @ b, dtype[m, k], dtype[k, n])
    assert m * n * k <= work(product, {}) <= 1.5 * m * n * k


def test_a_product_of_one_row_costs_as_much_as_reading_the_matrix() -> None:
    product = compiled(lambda a, b: a @ b, f32[1, 512], f32[512, 512])
    assert 512 * 512 * 6 <= work(product, {}) <= 512 * 512 * 8


@pytest.mark.parametrize("function", [sum_, lambda x: sort(x, axis=-1), lambda x: x.cumsum(axis=0)])
def test_work_grows_with_the_dims(function: Any) -> None:
    graph = compiled(function, f32[N])
    found = [work(graph, {"N": size}) for size in (1 << 12, 1 << 14, 1 << 16)]
    assert found[0] >= 1 << 12
    assert 3 * found[0] <= found[1] <= 5 * found[0]
    assert 3 * found[1] <= found[2] <= 5 * found[1]


# -- who runs it ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    pool.set_threads(THREADS)
    yield
    pool.set_least_work()
    pool.set_threads(config.settings().threads)


def shared(graph: Graph, *shapes: tuple[int, ...]) -> int:
    """How many launches of a call ran on several threads."""
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    executor = emitted([graph])
    before = pool.shared_loops()
    executor.call(graph.name, arrays)
    return pool.shared_loops() - before


def test_launches_of_little_work_wake_no_thread() -> None:
    graph = compiled(lambda a, b: a + b, f32[N], f32[N])
    # Whole grid steps count, of the host's size.
    few = pool.LEAST_WORK // ((2 * LOAD + ADD + STORE) * HOST.elements) * HOST.elements
    assert shared(graph, (few,), (few,)) == 0
    assert shared(graph, (few + 1,), (few + 1,)) == 1
    assert shared(graph, (0,), (0,)) == 0


def test_a_loop_over_small_matrices_wakes_no_thread() -> None:
    def rnn(h: Tensor, x: Tensor, w: Tensor, u: Tensor) -> Any:
        return scan(lambda c, row: (tanh(c @ w + row @ u), None), h, x)[0]

    batch = dims.variable("B", 1, 4096)
    graph = compiled(rnn, f32[batch, 32], f32[64, batch, 32], f32[32, 32], f32[32, 32])

    def of(rows: int) -> int:
        return shared(graph, (rows, 32), (64, rows, 32), (32, 32), (32, 32))

    assert of(50) == 0
    assert of(1000) >= 64
    pool.set_least_work(0)
    assert of(50) >= 64  # Each step has several grid steps, which threads could take.
