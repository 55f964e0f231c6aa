"""Random programs of the language: text, tree, graph and the values of every pass."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings

from graphc.compiler import initial_state
from graphc.frontend.formatting.formatter import format_source
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.frontend.parsing.parser import parse
from graphc.ir.evaluate import evaluate
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes import pipeline
from tests.fuzzing import count
from tests.random_programs import Program, is_well_posed, programs, with_updates

often = settings(
    max_examples=count(30),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@often
@given(programs())
def test_formatting_keeps_the_tree_and_the_graphs(program: Program) -> None:
    for text in (program.text, *program.files.values()):
        formatted = format_source(text)
        assert format_source(formatted) == formatted
        assert parse(formatted) == parse(text)
    before, after = program.unit(), program.unit(format_source)
    assert before.exports == after.exports
    assert before.initial is after.initial


@often
@given(programs())
def test_graphs_are_printed_and_read_back(program: Program) -> None:
    unit = program.unit()
    for graph in (*unit.exports.values(), unit.initial):
        verify(graph)
        assert read_graph(graph_text(graph), "again.gc") is graph


@often
@given(programs(dtypes=("f64",)))
def test_every_pass_keeps_the_values(program: Program) -> None:
    unit = program.unit()
    state = initial_state(unit, 0)
    for name, export in unit.exports.items():
        graph = with_updates(export, name)
        arrays = program.arrays(graph, state)
        expected, _ = evaluate(graph, arrays)
        posed = name == "narrow" or is_well_posed(graph, arrays, expected)
        steps: list[pipeline.Step] = []
        pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap(), observe=steps.append)
        for made in dict.fromkeys(step.made for step in steps):
            verify(made)
            for one, other in zip(evaluate(made, arrays)[0], expected, strict=True):
                assert (one.dtype, one.shape) == (other.dtype, other.shape)
                if posed:
                    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
