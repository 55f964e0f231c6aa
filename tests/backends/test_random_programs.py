"""Random programs of the language on every backend, against the reference.

All programs share one unit of text for each backend. They are computed in f64, where what decides
a branch or the end of a loop is far from where rounding could turn it, and compared at 1e-9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST
from graphc.codegen.kernel_library import Library
from graphc.codegen.plan import plan_entry
from graphc.frontend.elaborate import elaborate
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.library import library
from graphc.passes import pipeline
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.program import Program as CompiledProgram
from tests.backends.test_random_graphs import drawn
from tests.emitted import emitted
from tests.random_programs import Program, programs
from tests.simulated import simulated

PROGRAMS = 24


@cache
def cases() -> list[tuple[Program, Graph]]:
    """Programs and their graphs, with state as inputs."""
    found = []
    for number, program in enumerate(drawn(programs(dtypes=("f64",)), PROGRAMS)):
        graph = elaborate(program.text, "program.gc", library()).exports["main"]
        inputs = (*graph.inputs, *graph.state)
        found.append((program, Graph(f"program_{number}", inputs, (), graph.results)))
    return found


def prepared(graph: Graph) -> Graph:
    """The graph as a build has it."""
    return pipeline.run(graph, pipeline.standard_passes(), SourceMap())


def interpreted(graphs: Sequence[Graph]) -> Interpreter:
    """The graphs' kernels for the CPU, run in NumPy."""
    kernels = Library()
    entries = {graph.name: plan_entry(graph, HOST, kernels) for graph in graphs}
    return Interpreter(CompiledProgram(HOST.name, entries), kernels.kernels, {})


BACKENDS: dict[str, Callable[[Sequence[Graph]], Any]] = {
    "interpreter": interpreted,
    "cpu": emitted,
    "sim": lambda graphs: simulated(graphs, check=True),
}


@cache
def executor(backend: str) -> Any:
    return BACKENDS[backend]([prepared(graph) for _, graph in cases()])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", range(PROGRAMS))
def test_programs_have_the_values_of_the_reference(backend: str, number: int) -> None:
    program, graph = cases()[number]
    arrays = program.arrays(graph)
    expected, _ = evaluate(graph, arrays)
    for one, other in zip(executor(backend).call(graph.name, arrays), expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=repr(program))
