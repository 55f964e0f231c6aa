"""Sorting on every backend: the positions that NumPy gives, for all dtypes, lengths and orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from tests.backends.test_cumulative import BACKENDS, BY_BACKEND
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

SORTED = [dtype for dtype in dtypes.computable() if dtype.kind != "complex"]


def graph_of(name: str, dtype: DType, shape: tuple[Any, ...], **keywords: Any) -> Graph:
    x = graph_input("x", dtype, shape)
    results = (functions["sort"](x, **keywords), functions["argsort"](x, **keywords))
    return Graph(name, (x,), (), results)


@BY_BACKEND
def test_every_dtype_is_sorted_stably_with_nan_as_the_largest(backend: str) -> None:
    graphs = [
        graph_of(f"{dtype.name}_{descending}", dtype, (3, 75), descending=descending)
        for dtype in SORTED
        for descending in (False, True)
    ]
    executor = BACKENDS[backend](graphs)
    rng = np.random.default_rng(1)
    for graph in graphs:
        array = random_array(graph.inputs[0].tensor, rng)
        values, positions = executor.call(graph.name, [array])
        expected = evaluate(graph, [array])[0]
        assert np.array_equal(positions, expected[1]), graph.name
        assert same_bits(values, expected[0]), graph.name
        wide = array.astype(np.float64) if graph.inputs[0].dtype.precision else array
        if graph.name.endswith("False"):
            assert np.array_equal(positions, np.argsort(wide, -1, kind="stable")), graph.name


@BY_BACKEND
@pytest.mark.parametrize("descending", [False, True])
def test_a_row_of_any_length_is_sorted(backend: str, descending: bool) -> None:
    rows, length = dims.variable("R", 0, 4), dims.variable("T", 0, 20000)
    executor = BACKENDS[backend](
        [graph_of("g", dtypes.i16, (rows, length), axis=1, descending=descending)]
    )
    rng = np.random.default_rng(2)
    lengths = (0, 1, 2, 15, 16, 17, 31, 32, 33, 100, 4096, 9000)
    for shape in ((0, 3), *((2, n) for n in lengths), (1, 20000 if backend == "cpu" else 5000)):
        array = rng.integers(-50, 50, shape).astype(np.int16)
        values, positions = executor.call("g", [array])
        order = np.argsort(-array if descending else array, 1, kind="stable")
        assert np.array_equal(positions, order), shape
        assert np.array_equal(values, np.take_along_axis(array, order, 1)), shape


@BY_BACKEND
def test_what_is_sorted_may_be_computed_and_turned(backend: str) -> None:
    x = graph_input("x", dtypes.f32, (40, 3))
    squares = functions["transpose"](functions["square"](x))
    order = functions["argsort"](squares)
    values, places = functions["topk"](x, 5, axis=0)
    graph = Graph("g", (x,), (), (squares, order, values, places))
    array = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
    found = BACKENDS[backend]([graph]).call("g", [array])
    for one, expected in zip(found, evaluate(graph, [array])[0], strict=True):
        assert np.array_equal(one, expected)
