"""Functions composed from ops, compiled for the CPU: the values that the reference has."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.tables import lift_tables
from tests.emitted import emitted
from tests.ir.test_functions import TABLE


def graph_of(number: int) -> Graph:
    name, operands, keywords, _ = TABLE[number]
    nodes = tuple(
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(operands)
    )
    if name == "polygamma":
        given = functions[name](keywords["n"], *nodes)
    else:
        given = functions[name](*nodes, **keywords)
    results = tuple(given) if isinstance(given, tuple | list) else (given,)
    return Graph(f"row_{number}", nodes, (), results)


@cache
def unit() -> Any:
    graphs = {graph.name: graph for graph in map(graph_of, range(len(TABLE)))}
    lifted = lift_tables(Unit(graphs, {}, Graph("initial", (), (), ())))
    tables = dict(zip(lifted.state, evaluate(lifted.initial, ())[0], strict=True))
    return emitted(list(lifted.exports.values()), tables)


@pytest.mark.parametrize("number", range(len(TABLE)), ids=lambda number: TABLE[number][0])
def test_compiled_functions_have_the_values_of_the_reference(number: int) -> None:
    graph, operands = graph_of(number), TABLE[number][1]
    found = unit().call(graph.name, operands)
    for one, expected in zip(found, evaluate(graph, operands)[0], strict=True):
        assert one.dtype == expected.dtype and one.shape == expected.shape
        np.testing.assert_allclose(one, expected, rtol=1e-11, atol=1e-12)
