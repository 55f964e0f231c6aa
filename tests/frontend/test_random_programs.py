"""Random programs of the language: text, tree, graph and the values of every pass."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings

from graphc.frontend.elaborate import elaborate
from graphc.frontend.formatter import format_source
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.frontend.parser import parse
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.library import library
from graphc.passes import pipeline
from tests.random_programs import Program, programs

often = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def unit_of(text: str) -> Unit:
    return elaborate(text, "program.gc", library())


def stateless(graph: Graph, name: str) -> Graph:
    """The graph with its state as inputs."""
    return Graph(name, (*graph.inputs, *graph.state), (), graph.results)


@often
@given(programs())
def test_formatting_keeps_the_tree_and_the_graphs(program: Program) -> None:
    formatted = format_source(program.text)
    assert format_source(formatted) == formatted
    assert parse(formatted) == parse(program.text)
    before, after = unit_of(program.text), unit_of(formatted)
    assert before.exports == after.exports
    assert before.initial is after.initial


@often
@given(programs())
def test_graphs_are_printed_and_read_back(program: Program) -> None:
    for graph in unit_of(program.text).exports.values():
        verify(graph)
        assert read_graph(graph_text(graph), "again.gc") is graph


@often
@given(programs(dtypes=("f64",)))
def test_every_pass_keeps_the_values(program: Program) -> None:
    graph = stateless(unit_of(program.text).exports["main"], "main")
    arrays = program.arrays(graph)
    expected, _ = evaluate(graph, arrays)
    steps: list[pipeline.Step] = []
    pipeline.run(graph, pipeline.standard_passes(), SourceMap(), observe=steps.append)
    for made in dict.fromkeys(step.made for step in steps):
        verify(made)
        for one, other in zip(evaluate(made, arrays)[0], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
