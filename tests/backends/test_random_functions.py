"""Random functions with transforms and loops on every backend, against the reference.

Tables are state, as a build has them. All functions share one unit of text for each backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.compiler import initial_state
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.verify import verify
from graphc.passes.tables import lift_tables
from tests.backends.test_random_graphs import drawn
from tests.backends.test_random_programs import BACKENDS, prepared
from tests.fuzzing import count
from tests.random_functions import functions
from tests.random_programs import with_updates

Array = np.ndarray[Any, Any]

FUNCTIONS = count(6)


@cache
def cases() -> list[tuple[Graph, Sequence[Array], Sequence[Array]]]:
    """Graphs with tables as inputs, what they are given, and what they give."""
    found = []
    for number, function in enumerate(drawn(functions(depth=2), FUNCTIONS)):
        unit = lift_tables(function.unit())
        graph = with_updates(unit.exports["main"], f"function_{number}")
        verify(graph)
        arrays = function.arrays(graph, initial_state(unit, 0))
        expected, _ = evaluate(graph, arrays)
        if function.is_well_posed(graph, arrays, expected):
            found.append((graph, arrays, expected))
    assert len(found) > 0.8 * FUNCTIONS
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_have_the_values_of_the_reference(backend: str) -> None:
    executor = BACKENDS[backend]([prepared(graph) for graph, _, _ in cases()])
    for graph, arrays, expected in cases():
        found = executor.call(graph.name, arrays)
        for one, other in zip(found, expected, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
