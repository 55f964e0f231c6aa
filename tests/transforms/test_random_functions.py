"""Random functions with transforms and loops against the same functions in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes import pipeline
from tests.fuzzing import count
from tests.random_functions import RandomFunction, functions

Array = np.ndarray[Any, Any]

often = settings(
    max_examples=count(8),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


def assert_close(found: Sequence[Array], expected: Sequence[Array], case: object) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7, err_msg=repr(case))


@often
@given(functions(depth=2))
def test_functions_mean_what_they_are_in_plain_python(case: RandomFunction) -> None:
    plain, staged = case.plain(), case.staged()
    verify(staged)
    arrays = case.arrays(plain)
    expected, _ = evaluate(plain, arrays)
    if case.is_well_posed(plain, arrays, expected):
        assert_close(evaluate(staged, case.arrays(staged))[0], expected, case)


@often
@given(functions())
def test_every_pass_keeps_the_values_and_so_does_the_text(case: RandomFunction) -> None:
    graph = case.staged()
    arrays = case.arrays(graph)
    assert read_graph(graph_text(graph), "again.gc") is graph
    expected, _ = evaluate(graph, arrays)
    posed = case.is_well_posed(graph, arrays, expected)
    for made in after_each_pass(graph):
        verify(made)
        found, _ = evaluate(made, arrays)
        assert [one.shape for one in found] == [one.shape for one in expected]
        if posed:
            assert_close(found, expected, case)


def after_each_pass(graph: Graph) -> list[Graph]:
    """What each pass of a build makes of the graph; the distinct ones."""
    steps: list[pipeline.Step] = []
    pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap(), observe=steps.append)
    return list(dict.fromkeys(step.made for step in steps))
