"""Loops and branches on every device, with their gradients, against NumPy and the reference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from graphc.codegen.host import HOST
from graphc.codegen.kernel_library import Library
from graphc.codegen.plan import plan_entry
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.control_flow import cond, scan
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.source_map import SourceMap
from graphc.passes import pipeline
from graphc.passes.autodiff import gradients
from graphc.passes.control_flow import tidy_control_flow
from graphc.passes.decompose import decompose
from graphc.runtime.cpu import pool
from graphc.runtime.cpu.executor import CpuExecutor
from graphc.runtime.cuda.executor import CudaExecutor
from graphc.runtime.interpreter import evaluate_entry
from graphc.runtime.program import BranchStep, LoopStep, walk_steps
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.emitted import emitted
from tests.loops import GRAPHS, SIZES
from tests.random_graphs import RandomGraph, graphs
from tests.simulated import cuda_code, simulated
from tests.simulated_gpu import SimulatedGpu
from tests.values import same_bits

Array = np.ndarray[Any, Any]
NAMES = sorted(GRAPHS)


def scalar(graph: Graph) -> Node:
    """A number that depends on every float that the graph gives."""
    parts = [
        functions["sum"](functions["sin"](one), axis=tuple(range(len(one.shape))))
        for one in graph.results
        if one.dtype.kind == "float"
    ]
    total = parts[0]
    for part in parts[1:]:
        total = functions["add"](total, part)
    return total


def with_gradients(graph: Graph, name: str) -> Graph:
    """The scalar of the graph and its gradients by all inputs."""
    loss = scalar(graph)
    return Graph(name, graph.inputs, (), (loss, *gradients(loss, graph.inputs)))


FIRST = {name: with_gradients(graph, f"{name}_1") for name, graph in GRAPHS.items()}
SECOND = {name: with_gradients(graph, f"{name}_2") for name, graph in FIRST.items()}
ALL = {
    f"{name}_{n}": kinds[name] for n, kinds in enumerate((GRAPHS, FIRST, SECOND)) for name in NAMES
}


def arguments(graph: Graph, length: int, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng([seed, length])
    sizes = {"T": length}
    return [
        np.asarray(rng.normal(size=[sizes.get(str(d), d) for d in one.shape]) + 0.3)
        for one in graph.inputs
    ]


def prepared(graph: Graph, unroll: int = 0) -> Graph:
    """The graph as a build has it; loops are written out up to a length."""
    sources = SourceMap()
    tidy = tidy_control_flow(graph, sources, unroll=unroll)
    return pipeline.run(tidy, pipeline.GRAPH_PASSES, sources)


@cache
def cpu() -> CpuExecutor:
    return emitted([prepared(graph) for graph in ALL.values()])


def close(found: list[Array], expected: tuple[Array, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_the_cpu_computes_what_the_reference_does(name: str) -> None:
    graph = ALL[name]
    for length in SIZES:
        arrays = arguments(graph, length)
        close(cpu().call(graph.name, arrays), evaluate(graph, arrays)[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_those_of_finite_differences(name: str, order: int) -> None:
    graph = (FIRST, SECOND)[order - 1][name]
    rng = np.random.default_rng(1)
    for length in SIZES:
        arrays = arguments(graph, length, seed=2)
        found = evaluate(graph, arrays)[0][1:]
        for place, gradient in enumerate(found):
            direction = rng.normal(size=arrays[place].shape)
            values = []
            for step in (1e-6, -1e-6):
                moved = list(arrays)
                moved[place] = arrays[place] + step * direction
                values.append(evaluate(graph, moved)[0][0])
            expected = (values[0] - values[1]) / 2e-6
            np.testing.assert_allclose((gradient * direction).sum(), expected, rtol=2e-5, atol=2e-6)


def test_a_scan_is_a_loop_in_numpy() -> None:
    for length in SIZES:
        h, x, w = arguments(GRAPHS["rnn"], length)
        rows, carry = [], h
        for row in x:
            after = np.tanh(w @ carry + row)
            rows.append(after * carry)
            carry = after
        last, stacked = cpu().call("rnn", [h, x, w])
        np.testing.assert_allclose(last, carry, rtol=1e-12)
        np.testing.assert_allclose(stacked, np.reshape(rows, (length, 3)), rtol=1e-12)


def test_a_loop_stops_where_its_condition_fails_or_at_its_bound() -> None:
    h = np.full(3, 0.1)
    for limit, steps in ((-1.0, 0), (0.4, 1), (1e9, 9)):
        expected = h
        for _ in range(steps):
            expected = expected * 1.5 + 0.25
        (found,) = cpu().call("until", [h, np.asarray(limit)])
        np.testing.assert_array_equal(found, expected)


def test_a_call_allocates_nothing_after_the_first() -> None:
    executor = cpu()
    arrays = arguments(FIRST["nested"], 7)
    first = executor.call("nested_1", arrays)
    allocations = executor.allocations
    for _ in range(3):
        again = executor.call("nested_1", arrays)
        assert all(same_bits(a, b) for a, b in zip(first, again, strict=True))
    assert executor.allocations == allocations


def test_written_out_loops_give_what_loops_give() -> None:
    graph = Graph("short", GRAPHS["nested"].inputs, (), GRAPHS["nested"].results)
    written = prepared(graph, unroll=8)
    looped = cpu()
    executor = emitted([written])
    for length in SIZES:
        arrays = arguments(graph, length)
        found, expected = executor.call("short", arrays), looped.call("nested", arrays)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_the_interpreter_agrees(name: str) -> None:
    library = Library()
    entry = plan_entry(prepared(FIRST[name]), HOST, library)
    for length in (0, 2):
        arrays = arguments(FIRST[name], length)
        close(evaluate_entry(entry, library.kernels, arrays, {}), evaluate(FIRST[name], arrays)[0])


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorExecutor]:
    yield simulated([prepared(FIRST[name]) for name in NAMES], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_simulator_agrees(name: str, simulator: SimulatorExecutor) -> None:
    for length in (0, 3):
        arrays = arguments(FIRST[name], length)
        found = simulator.call(f"{name}_1", arrays)
        for one, other in zip(found, evaluate(FIRST[name], arrays)[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    arrays = arguments(FIRST["until_in_scan"], 7)
    found = []
    for count in (1, 2, 4):
        pool.set_threads(count)
        found.append(cpu().call("until_in_scan_1", arrays))
    for other in found[1:]:
        assert all(same_bits(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_is_launched_by_the_host_where_values_decide(
    name: str, simulator: SimulatorExecutor
) -> None:
    """Counted loops are recorded; branches and conditions are waited for. The bits are the same."""
    code = cuda_code([prepared(FIRST[name])])
    gpu = SimulatedGpu()
    executor = CudaExecutor(code.program, {"sm_90": code.source.encode()}, {}, gpu)
    for length in (0, 3, 3):
        arrays = arguments(FIRST[name], length)
        expected = simulator.call(f"{name}_1", arrays)
        found = executor.call(f"{name}_1", arrays)
        assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))
    waits = any(
        isinstance(step, BranchStep) or (isinstance(step, LoopStep) and step.condition is not None)
        for step in walk_steps(code.program.entries[f"{name}_1"].steps)
    )
    shapes = 2 if any("T" in str(one.type) for one in FIRST[name].inputs) else 1
    assert gpu.recordings == (0 if waits else shapes)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(graphs())
def test_any_graph_computes_in_loops_and_branches_what_it_computes_alone(case: RandomGraph) -> None:
    """To the bit: a body is planned as a graph by itself is."""
    graph = decompose(case.graph, SourceMap())
    count = graph_input("count", dtypes.i32, ())
    body = Graph("body", (count, *graph.inputs), (), (add(count, count), *graph.results))
    begin = graph_input("begin", dtypes.i32, ())
    loop = scan(begin, *graph.inputs, body=body, carries=1, slices=0, length=3)
    nothing = tuple(functions["zeros"](one.shape, one.dtype) for one in graph.results)
    other = Graph("otherwise", graph.inputs, (), nothing)
    choice = cond(functions["equal"](begin, 1), *graph.inputs, then=graph, otherwise=other)
    numbers = range(len(graph.results))
    rows = [project(loop, index=1 + number) for number in numbers]
    chosen = [project(choice, index=number) for number in numbers]
    both = Graph("both", (begin, *graph.inputs), (), (*rows, *chosen))
    entries, library = {}, Library()
    for one in (graph, both):
        entries[one] = plan_entry(one, HOST, library)
    arrays = case.arrays()
    alone = evaluate_entry(entries[graph], library.kernels, arrays, {})
    for first in (1, 2):
        given = [np.asarray(first, np.int32), *arrays]
        found = evaluate_entry(entries[both], library.kernels, given, {})
        for row, one, expected in zip(found[: len(alone)], found[len(alone) :], alone, strict=True):
            assert all(same_bits(part, expected) for part in row)
            assert same_bits(one, expected if first == 1 else np.zeros_like(expected))
