"""Scans on every backend: the bits of their reference, for all dtypes and special values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import Cumulative, Op, functions, registry
from graphc.ir.ops.structural import graph_input
from tests.backends.op_samples import sample_graphs
from tests.emitted import emitted
from tests.simulated import simulated
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

SCANS = [op for op in registry.values() if isinstance(op.lowering, Cumulative)]
BACKENDS: dict[str, Callable[[Sequence[Graph]], Any]] = {
    "cpu": emitted,
    "sim": lambda graphs: simulated(graphs, check=True),
}
BY_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


def test_there_are_scans() -> None:
    assert len(SCANS) == 5


@BY_BACKEND
@pytest.mark.parametrize("op", SCANS, ids=lambda op: op.name)
def test_scans_have_the_bits_of_their_reference(op: Op, backend: str) -> None:
    samples = list(sample_graphs(op))
    executor = BACKENDS[backend]([graph for _, _, graph in samples])
    rng = np.random.default_rng(3)
    for name, sample, graph in samples:
        for special in (False, True):
            arrays = [random_array(t, rng, special=special) for t in sample.operands]
            (found,) = executor.call(name, arrays)
            (expected,), _ = evaluate(graph, arrays)
            assert same_bits(found, expected), (sample, arrays)


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
