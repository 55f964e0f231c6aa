"""Scans in graphs, on every backend; test_every_op.py has each alone, in all dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from tests.emitted import emitted
from tests.simulated import simulated
from tests.values import same_bits

Array = np.ndarray[Any, Any]

BACKENDS: dict[str, Callable[[Sequence[Graph]], Any]] = {
    "cpu": emitted,
    "sim": lambda graphs: simulated(graphs, check=True),
}
BY_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


@BY_BACKEND
@pytest.mark.parametrize(("shape", "axis"), [((70, 3), 1), ((3, 5, 130), 1), ((4, 3, 2, 5), 2)])
def test_many_rows_take_several_steps_and_what_surrounds_a_scan_joins_it(
    backend: str, shape: tuple[int, ...], axis: int
) -> None:
    x = graph_input("x", dtypes.f32, shape)
    total = functions["cumsum"](functions["square"](x), axis)
    graph = Graph("g", (x,), (), (total, functions["sqrt"](total)))
    array = np.random.default_rng(4).normal(size=shape).astype(np.float32)
    found = BACKENDS[backend]([graph]).call("g", [array])
    for one, expected in zip(found, evaluate(graph, [array])[0], strict=True):
        assert same_bits(one, expected)


@BY_BACKEND
def test_a_named_dim_is_scanned_at_every_size(backend: str) -> None:
    rows, length = dims.variable("R", 0, 40), dims.variable("T", 0, 90)
    x = graph_input("x", dtypes.i32, (rows, length))
    graph = Graph("g", (x,), (), functions["cummax"](x, 1))
    executor = BACKENDS[backend]([graph])
    for shape in ((0, 4), (4, 0), (1, 1), (1, 90), (40, 2), (33, 7)):
        array = np.random.default_rng(5).integers(-9, 9, shape).astype(np.int32)
        values, places = executor.call("g", [array])
        assert np.array_equal(values, np.maximum.accumulate(array, 1))
        assert np.array_equal(np.take_along_axis(array, places, 1), values)
