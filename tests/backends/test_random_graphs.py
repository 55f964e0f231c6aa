"""Random graphs through every backend: kernels run in NumPy, host C, and CUDA text.

Each graph is run with all its nodes as results, so that every value is compared with the reference
of its op on the operands that the backend itself computed (see `tests/accuracy.py`), and once as it
is: what a backend computes does not depend on what is fused. Graphs of a batch share one unit of
generated text, which keeps the compiler's fixed cost small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from graphc.codegen.cuda import CUDA
from graphc.ir import dims
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.listing import listing
from graphc.ir.node import Node
from graphc.ir.op import Decomposition, Op
from graphc.ir.ops.structural import graph_input, input_
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes import pipeline
from graphc.passes.autodiff import gradients
from graphc.passes.decompose import decompose
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.accuracy import IN_NUMPY, ULPS, first_inaccurate
from tests.backends.op_samples import CUDA_ULPS
from tests.emitted import emitted
from tests.fuzzing import count
from tests.interpreted import interpreted
from tests.passes.test_random_graphs import has_derivative, scalar_of
from tests.random_graphs import RandomGraph, graphs
from tests.simulated import simulated
from tests.values import same_bits

Array = np.ndarray[Any, Any]

GRAPHS_IN_A_BATCH = 20
BATCHES = max(count(80) // GRAPHS_IN_A_BATCH, 1)


class Executor(Protocol):
    state: dict[str, Array]

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]: ...


State = Mapping[str, Array] | None


def interpreted_cuda(graphs: Sequence[Graph], state: State = None) -> Interpreter:
    """The graphs' kernels for CUDA, run in NumPy."""
    return interpreted(graphs, state, CUDA)


def simulated_and_checked(graphs: Sequence[Graph], state: State = None) -> SimulatorExecutor:
    """The graphs' CUDA text on the simulator, with races and bounds checked."""
    return simulated(graphs, state, check=True)


@dataclass(frozen=True, eq=False, repr=False)
class Backend:
    """How graphs are made runnable, and how accurate their elementwise functions are."""

    name: str
    executor: Callable[[Sequence[Graph], State], Executor]
    ulps: Mapping[str, tuple[float, float]]

    def __str__(self) -> str:
        return self.name


INTERPRETER = Backend("interpreter", interpreted, IN_NUMPY)
INTERPRETER_OF_CUDA = Backend("interpreter of CUDA", interpreted_cuda, IN_NUMPY)
CPU = Backend("cpu", emitted, ULPS)
SIMULATOR = Backend("simulator", simulated_and_checked, CUDA_ULPS)

COMPILED = [CPU, SIMULATOR]
BACKENDS = [INTERPRETER, *COMPILED]

on_every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=str)
on_compiled_backends = pytest.mark.parametrize("backend", COMPILED, ids=str)
in_batches = pytest.mark.parametrize("number", range(BATCHES))


def renamed(graph: Graph, name: str) -> Graph:
    return Graph(name, graph.inputs, graph.state, graph.results, graph.updates)


def with_all_results(graph: Graph) -> Graph:
    """The decomposed graph, with each of its nodes among the results."""
    plain = decompose(graph, SourceMap())
    nodes = [n for n in plain.nodes() if n.op is not input_ and isinstance(n.type, TensorType)]
    return Graph("every_node", graph.inputs, (), (*plain.results, *nodes))


def inaccurate(
    graph: Graph, case: RandomGraph, found: Sequence[Array], backend: Backend
) -> str | None:
    """What a backend computes of a case that its ops do not promise."""
    where = first_inaccurate(graph, case.arrays(), found, case.sizes, backend.ulps)
    return where and f"{where}\nin {case!r}"


# -- drawing --------------------------------------------------------------------------------------


def drawn(strategy: SearchStrategy[RandomGraph], count: int) -> list[RandomGraph]:
    """Random graphs, the same ones at every run."""
    cases: list[RandomGraph] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: RandomGraph) -> None:
        cases.append(case)

    collect()
    return cases


@cache
def batch(number: int) -> list[RandomGraph]:
    cases = drawn(graphs(), BATCHES * GRAPHS_IN_A_BATCH)
    return cases[number * GRAPHS_IN_A_BATCH : (number + 1) * GRAPHS_IN_A_BATCH]


@cache
def every_node(number: int) -> list[Graph]:
    """The graphs of a batch with all nodes as results."""
    return [
        renamed(with_all_results(case.graph), f"every{i}") for i, case in enumerate(batch(number))
    ]


@cache
def own_results(number: int) -> list[Graph]:
    """The graphs of a batch as they are."""
    return [renamed(case.graph, f"own{i}") for i, case in enumerate(batch(number))]


@cache
def executor_of(backend: Backend, number: int) -> Executor:
    """Both kinds of graphs of a batch, in one unit."""
    return backend.executor([*every_node(number), *own_results(number)], None)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [INTERPRETER, INTERPRETER_OF_CUDA], ids=str)
@settings(max_examples=count(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(case=graphs())
def test_kernels_mean_what_the_graph_says(backend: Backend, case: RandomGraph) -> None:
    every = with_all_results(case.graph)
    found = backend.executor([every], None).call(every.name, case.arrays())
    assert inaccurate(every, case, found, backend) is None


@on_compiled_backends
@in_batches
def test_compiled_kernels_compute_what_the_graph_says(backend: Backend, number: int) -> None:
    executor = executor_of(backend, number)
    for case, graph in zip(batch(number), every_node(number), strict=True):
        found = executor.call(graph.name, case.arrays())
        assert inaccurate(graph, case, found, backend) is None


@on_every_backend
@in_batches
def test_fusion_changes_no_bit(backend: Backend, number: int) -> None:
    executor = executor_of(backend, number)
    for case, every, own in zip(
        batch(number), every_node(number), own_results(number), strict=True
    ):
        alone = executor.call(own.name, case.arrays())
        among_all = executor.call(every.name, case.arrays())[: len(alone)]
        for a, b in zip(alone, among_all, strict=True):
            assert same_bits(a, b), case


def has_one_result(graph: Graph) -> bool:
    """Whether each op gives the same bits wherever it is computed: sums and products do."""
    names = {node.op.name for node in decompose(graph, SourceMap()).nodes()}
    return not names & ULPS.keys()


@pytest.mark.parametrize(
    ("compiled", "meant"), [(CPU, INTERPRETER), (SIMULATOR, INTERPRETER_OF_CUDA)], ids=str
)
@in_batches
def test_compiled_kernels_give_the_bits_that_kernels_mean(
    compiled: Backend, meant: Backend, number: int
) -> None:
    executors = [executor_of(backend, number) for backend in (compiled, meant)]
    pairs = list(zip(batch(number), own_results(number), strict=True))
    chosen = [(case, graph) for case, graph in pairs if has_one_result(graph)]
    assert chosen
    for case, graph in chosen:
        results = (executor.call(graph.name, case.arrays()) for executor in executors)
        for a, b in zip(*results, strict=True):
            assert same_bits(a, b), case


# -- passes ---------------------------------------------------------------------------------------


def stages(graph: Graph) -> list[Graph]:
    """What the graph is after each pass."""
    steps: list[pipeline.Step] = []
    pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap(), observe=steps.append)
    return list(dict.fromkeys(step.made for step in steps))


@on_compiled_backends
@in_batches
def test_graphs_after_each_pass_compute_what_they_say(backend: Backend, number: int) -> None:
    cases = [(case, stage) for case in batch(number) for stage in stages(case.graph)]
    every = [with_all_results(stage) for _, stage in cases]
    distinct = {graph: f"every{i}" for i, graph in enumerate(dict.fromkeys(every))}
    executor = backend.executor([renamed(graph, name) for graph, name in distinct.items()], None)
    for (case, _), graph in zip(cases, every, strict=True):
        found = executor.call(distinct[graph], case.arrays())
        assert inaccurate(graph, case, found, backend) is None


@on_every_backend
@in_batches
def test_simplify_changes_no_bit(backend: Backend, number: int) -> None:
    cases = batch(number)
    before, after = [], []
    for i, case in enumerate(cases):
        made = stages(case.graph)
        before.append(renamed(decompose(case.graph, SourceMap()), f"before{i}"))
        after.append(renamed(made[-1], f"after{i}"))
    executor = backend.executor([*before, *after], None)
    for i, case in enumerate(cases):
        found = [executor.call(f"{when}{i}", case.arrays()) for when in ("before", "after")]
        for a, b in zip(*found, strict=True):
            assert same_bits(a, b), case


# -- gradients ------------------------------------------------------------------------------------


@cache
def gradient_cases() -> list[tuple[RandomGraph, Graph]]:
    smooth = graphs(smooth=True, accept=_has_derivative, steps=5)
    cases = drawn(smooth, GRAPHS_IN_A_BATCH)
    return [
        (case, Graph("gradient", case.graph.inputs, (), tuple(slopes)))
        for case in cases
        if (slopes := gradients(scalar_of(case), case.graph.inputs))
    ]


def _has_derivative(op: Op) -> bool:
    return has_derivative(op) and not isinstance(op.lowering, Decomposition)


@on_every_backend
def test_gradients_compute_what_they_say(backend: Backend) -> None:
    cases = gradient_cases()
    every = [with_all_results(stages(graph)[-1]) for _, graph in cases]
    executor = backend.executor(
        [renamed(graph, f"every{i}") for i, graph in enumerate(every)], None
    )
    for i, ((case, _), graph) in enumerate(zip(cases, every, strict=True)):
        found = executor.call(f"every{i}", case.arrays())
        assert inaccurate(graph, case, found, backend) is None


# -- state ----------------------------------------------------------------------------------------


def with_names(graph: Graph, suffix: str) -> Graph:
    """The graph with other names of its inputs, so that graphs of a batch share no state."""
    made: dict[Node, Node] = {
        node: graph_input(f"{node['name']}{suffix}", node.dtype, node.shape)
        for node in graph.inputs
    }
    for node in graph.nodes():
        if node not in made:
            made[node] = Node(node.op, tuple(made[i] for i in node.inputs), node.attributes)
    inputs, results = ([made[node] for node in nodes] for nodes in (graph.inputs, graph.results))
    return Graph(graph.name, tuple(inputs), (), tuple(results))


def with_state(graph: Graph, seed: int) -> Graph:
    """The graph with some of its inputs as state, updated with values of their types.

    Among the values are other states, so that states are swapped as well. The shapes of inputs
    alone bind the named dims of a call, so that state has none.
    """
    rng = np.random.default_rng(seed)
    fixed = [node for node in graph.inputs if not any(map(dims.variables, node.shape))]
    chosen = [node for node in fixed if rng.random() < 0.7] or fixed
    updates: list[tuple[Node, Node]] = []
    for old in chosen:
        alike = [n for n in (*graph.inputs, *graph.nodes()) if n.type is old.type and n is not old]
        if alike:
            updates.append((old, alike[rng.integers(len(alike))]))
    left = tuple(node for node in graph.inputs if node not in chosen)
    return Graph(graph.name, left, tuple(chosen), graph.results, tuple(updates))


@cache
def updating_cases() -> list[tuple[RandomGraph, Graph]]:
    """Cases that update state, with graphs whose names are apart."""
    found = []
    for i, case in enumerate(drawn(graphs(), 12 * GRAPHS_IN_A_BATCH)):
        apart = with_names(renamed(case.graph, f"updating{i}"), str(i))
        graph = with_state(apart, case.seed)
        if graph.updates:
            found.append((case, graph))
    assert len(found) >= 2 * GRAPHS_IN_A_BATCH
    return found[: 2 * GRAPHS_IN_A_BATCH]


@on_every_backend
def test_updates_in_place_change_no_bit(backend: Backend) -> None:
    """A graph that writes its state computes what it does where new values are results."""
    plain, values = [], {}
    for i, (case, graph) in enumerate(updating_cases()):
        inputs = with_names(case.graph, graph.name.removeprefix("updating")).inputs
        names = (node["name"] for node in inputs)
        values |= dict(zip(names, case.arrays(), strict=True))
        new = tuple(dict(graph.updates).get(node, node) for node in graph.state)
        plain.append(Graph(f"plain{i}", inputs, (), (*graph.results, *new)))
    updating = [graph for _, graph in updating_cases()]
    states = {node["name"]: values[node["name"]] for graph in updating for node in graph.state}
    executor = backend.executor([*updating, *plain], states)
    for graph, other in zip(updating, plain, strict=True):
        expected = executor.call(other.name, [values[node["name"]] for node in other.inputs])
        results = executor.call(graph.name, [values[node["name"]] for node in graph.inputs])
        after = [executor.state[node["name"]] for node in graph.state]
        for a, b in zip([*results, *after], expected, strict=True):
            assert same_bits(a, b), (graph.updates, listing(graph))


# -- the reference --------------------------------------------------------------------------------


@on_compiled_backends
@in_batches
def test_whole_numbers_are_those_of_the_reference(backend: Backend, number: int) -> None:
    """Where no float decides, the results are the reference's, without a tolerance."""
    executor = executor_of(backend, number)
    for case, graph in zip(batch(number), own_results(number), strict=True):
        if _is_of_whole_numbers(graph):
            expected, _ = evaluate(graph, case.arrays())
            for a, b in zip(executor.call(graph.name, case.arrays()), expected, strict=True):
                assert same_bits(a, b), case


def _is_of_whole_numbers(graph: Graph) -> bool:
    nodes = [*graph.inputs, *graph.nodes()]
    return all(isinstance(n.type, TensorType) and not n.dtype.precision for n in nodes)
