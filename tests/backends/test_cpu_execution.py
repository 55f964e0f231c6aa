"""Running on the CPU: how many steps a graph becomes, threads, state, and memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.errors import UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes import pipeline
from graphc.runtime.cpu import pool
from tests.emitted import emitted, planned
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

# -- structure ------------------------------------------------------------------------------------

f32 = dtypes.f32


def mlp(batch: dims.DimLike) -> Graph:
    """Two layers with their weights as state; the second after a softmax."""
    x, state = graph_input("x", f32, (batch, 48)), []
    h = x
    for number, (wide, deep) in enumerate([(70, 48), (10, 70)]):
        weight = graph_input(f"weight{number}", f32, (wide, deep))
        bias = graph_input(f"bias{number}", f32, (wide,))
        state += [weight, bias]
        h = functions["linear"](h, weight, bias)
        h = functions["relu"](h) if number == 0 else h
    return Graph("mlp", (x,), tuple(state), (functions["softmax"](h, axis=-1),))


def random_state(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {node["name"]: random_array(node.tensor, rng, special=False) for node in graph.state}


def steps(graph: Graph) -> int:
    return len(planned(graph).steps)


def test_a_layer_is_one_step_and_a_softmax_is_one() -> None:
    assert steps(mlp(dims.variable("B", 1, 64))) == 3


def test_a_normalisation_is_one_step() -> None:
    x = graph_input("x", f32, (8, 32))
    weight, bias = graph_input("weight", f32, (32,)), graph_input("bias", f32, (32,))
    normal = functions["layer_norm"](x, weight, bias)
    assert steps(Graph("norm", (x, weight, bias), (), (normal,))) == 1


def test_an_optimizer_is_one_step_for_all_parameters() -> None:
    shapes = [(4, 3), (5,), (2, 2, 2)]
    state = tuple(graph_input(f"p{i}", f32, shape) for i, shape in enumerate(shapes))
    gradients = tuple(graph_input(f"g{i}", f32, shape) for i, shape in enumerate(shapes))
    updates = tuple(
        (p, functions["subtract"](p, functions["multiply"](g, 0.5)))
        for p, g in zip(state, gradients, strict=True)
    )
    graph = Graph("sgd", gradients, state, (), updates)
    assert steps(graph) == 1
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    executor = emitted([graph], {f"p{i}": array for i, array in enumerate(arrays)})
    memory = {name: array.ctypes.data for name, array in executor.state.items()}
    executor.call("sgd", arrays)
    for number, array in enumerate(arrays):
        assert same_bits(executor.state[f"p{number}"], array - array * np.float32(0.5))
        assert executor.state[f"p{number}"].ctypes.data == memory[f"p{number}"]


def test_state_that_its_own_update_reads_elsewhere_is_not_overwritten_early() -> None:
    w, x = graph_input("w", f32, (40, 40)), graph_input("x", f32, (40, 40))
    product = functions["matmul"](w, x)
    graph = Graph("step", (x,), (w,), (functions["sum"](w),), ((w, product),))
    rng = np.random.default_rng(0)
    first, by = (rng.integers(-4, 5, (40, 40)).astype(np.float32) for _ in range(2))
    executor = emitted([graph], {"w": first})
    (total,) = executor.call("step", [by])
    assert total == first.sum()
    assert same_bits(executor.state["w"], first @ by)


# -- threads and memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, -1, 1025, 2.0, True, "2"])
def test_a_number_of_threads_that_cannot_be_is_refused(count: object) -> None:
    with pytest.raises(UsageError, match="from 1 to 1024"):
        graphc.set_threads(count)


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    graph = mlp(dims.variable("B", 1, 4096))
    executor = emitted([graph], random_state(graph))
    rng = np.random.default_rng(1)
    for batch in (1, 3, 5, 700):
        x = rng.standard_normal((batch, 48)).astype(np.float32)
        found = []
        for count in (1, 2, 4):
            pool.set_threads(count)
            found.append(executor.call("mlp", [x])[0])
        assert all(same_bits(found[0], other) for other in found[1:])


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f16, dtypes.bf16, dtypes.f64])
def test_a_large_reduction_has_the_same_bits_with_any_number_of_threads(
    name: str, dtype: DType
) -> None:
    x = graph_input("x", dtype, (dims.variable("N", 0, 1 << 24),))
    graph = Graph("fold", (x,), (), (functions[name](x),))
    executor = emitted([pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())])
    rng = np.random.default_rng(3)
    for size in (1, 777, 1 << 16, 300_001):
        given = (rng.standard_normal(size) * 8).astype(dtype.numpy)
        found = []
        for count in (1, 2, 4):
            pool.set_threads(count)
            found.append(executor.call("fold", [given])[0])
        assert all(same_bits(found[0], other) for other in found[1:])
        (precise,), _ = evaluate(graph, [given], precise=True)
        scale = np.abs(given.astype(np.float64)).sum() if name == "sum" else 8.0
        assert abs(float(found[0]) - float(precise)) <= dtype.epsilon * scale


def test_a_row_has_the_same_bits_in_any_batch() -> None:
    graph = mlp(dims.variable("B", 1, 4096))
    executor = emitted([graph], random_state(graph))
    x = np.random.default_rng(1).standard_normal((250, 48)).astype(np.float32)
    (whole,) = executor.call("mlp", [x])
    for batch in (1, 2, 4, 5, 6, 48, 49, 193):
        assert same_bits(executor.call("mlp", [x[:batch]])[0], whole[:batch])


def test_threads_may_share_an_executor() -> None:
    graph = mlp(dims.variable("B", 1, 64))
    executor = emitted([graph], random_state(graph))
    rng = np.random.default_rng(2)
    inputs = [rng.standard_normal((1 + i % 7, 48)).astype(np.float32) for i in range(40)]
    expected = [executor.call("mlp", [x])[0] for x in inputs]
    failures: list[int] = []

    def run(first: int) -> None:
        for number in range(first, len(inputs), 4):
            for _ in range(10):
                if not same_bits(executor.call("mlp", [inputs[number]])[0], expected[number]):
                    failures.append(number)

    workers = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_a_thread_with_a_small_stack_may_call() -> None:
    graph = mlp(dims.variable("B", 1, 64))
    executor = emitted([graph], random_state(graph))
    x = np.ones((20, 48), np.float32)
    (expected,) = executor.call("mlp", [x])
    found: list[Array] = []
    before = threading.stack_size(256 * 1024)
    try:
        worker = threading.Thread(target=lambda: found.extend(executor.call("mlp", [x])))
        worker.start()
    finally:
        threading.stack_size(before)
    worker.join()
    assert same_bits(found[0], expected)


def test_the_arena_grows_to_the_largest_call_and_stays() -> None:
    graph = mlp(dims.variable("B", 1, 64))
    executor = emitted([graph], random_state(graph))
    for batch in (4, 64, 1, 64, 30):
        executor.call("mlp", [np.ones((batch, 48), np.float32)])
    assert executor.allocations == 2


def test_large_results_are_not_written_while_somebody_holds_them() -> None:
    x = graph_input("x", f32, (1024, 512))
    executor = emitted([Graph("double", (x,), (), (functions["add"](x, x),))])
    held = []
    for number in range(5):
        held.append(executor.call("double", [np.full((1024, 512), number, np.float32)])[0])
        # A view keeps the memory of its array.
        held[-1] = held[-1][1:, ::2]
    for number, result in enumerate(held):
        assert np.all(result == 2 * number)


def test_the_memory_of_a_dropped_result_is_used_again() -> None:
    x = graph_input("x", f32, (1024, 512))
    executor = emitted([Graph("double", (x,), (), (functions["add"](x, x),))])
    argument = np.ones((1024, 512), np.float32)
    addresses = set()
    for _ in range(6):
        result = executor.call("double", [argument])[0]
        addresses.add(result.ctypes.data)
    assert len(addresses) <= 2
