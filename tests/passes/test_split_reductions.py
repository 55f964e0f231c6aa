"""Reductions of large tensors in stages: their shape, their values, and when they stay whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Reduction, functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.split_reductions import CHUNK, split_reductions
from tests.values import same_bits

F: Any = functions
N = dims.variable("N", 0, 1 << 33)
LARGE = 4 * CHUNK


def split(x: Node, result: Node) -> Graph:
    whole = decompose(Graph("g", (x,), (), (result,)), SourceMap())
    return split_reductions(whole, SourceMap())


def folds(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes() if isinstance(node.op.lowering, Reduction)]


def longest(graph: Graph) -> int:
    """The most elements that one reduction with a single result folds."""
    sizes = [dims.bounds(n.inputs[0].tensor.size)[1] for n in folds(graph) if n.tensor.size == 1]
    return max(sizes, default=0)


@pytest.mark.parametrize(
    "shape",
    [(LARGE,), (LARGE + 1,), (3, 1, LARGE), (N,), (N, 3), (1 << 33,), (LARGE - 1, 2), (N, N, 7)],
    ids=str,
)
def test_no_reduction_of_much_has_one_result(shape: tuple[dims.DimLike, ...]) -> None:
    x = graph_input("x", dtypes.f32, shape)
    graph = split(x, F["sum"](x))
    assert longest(graph) < LARGE
    assert graph.results[0].shape == ()
    assert split_reductions(graph, SourceMap()) is graph


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((LARGE - 1,), (0,)), ((), ()), ((2, LARGE), (1,)), ((LARGE, 2), (0,)), ((0, LARGE), (0, 1))],
)
def test_others_stay_whole(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    x = graph_input("x", dtypes.f32, shape)
    whole = Graph("g", (x,), (), (F["sum"](x, axis=axes),))
    assert split_reductions(whole, SourceMap()) is whole


def test_axes_of_size_one_stay() -> None:
    x = graph_input("x", dtypes.f32, (1, LARGE, 1))
    assert split(x, F["sum"](x, axis=1)).results[0].shape == (1, 1)


@pytest.mark.parametrize("size", [0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 1, LARGE, LARGE + 77])
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f16, dtypes.bf16, dtypes.i32, dtypes.u8])
@pytest.mark.parametrize("name", ["sum", "max", "min"])
def test_values_of_any_size(name: str, dtype: DType, size: int) -> None:
    x = graph_input("x", dtype, (N,))
    numbers = np.random.default_rng(size).integers(0, 9, size)
    given = numbers.astype(dtype.numpy)
    whole = decompose(Graph("g", (x,), (), (F[name](x),)), SourceMap())
    # Sums of small integers are exact in f32: the order of summing changes nothing.
    (expected,), _ = evaluate(whole, [given])
    (found,), _ = evaluate(split_reductions(whole, SourceMap()), [given])
    assert same_bits(found, expected)


@pytest.mark.parametrize(("dtype", "ones"), [(dtypes.f16, 2049), (dtypes.bf16, 257)])
def test_sums_of_halves_are_rounded_at_the_end_alone(dtype: DType, ones: int) -> None:
    """The number of ones in a chunk would be rounded down by one, and that in three is not."""
    x = graph_input("x", dtype, (LARGE,))
    given = np.zeros((LARGE // CHUNK, CHUNK), dtype.numpy)
    given[:3, :ones] = 1
    (found,), _ = evaluate(split(x, F["sum"](x)), [given.reshape(-1)])
    assert float(found) == 3 * ones + 1


def test_special_values_come_through() -> None:
    x = graph_input("x", dtypes.f32, (N,))
    given = np.zeros(LARGE + 3, np.float32)
    for place in (0, CHUNK, LARGE + 2):
        given[place] = np.nan
        for name in ("sum", "max", "min"):
            (found,), _ = evaluate(split(x, F[name](x)), [given])
            assert np.isnan(found)
        given[place] = -np.inf
        (found,), _ = evaluate(split(x, F["min"](x)), [given])
        assert found == -np.inf
        given[place] = 0


@pytest.mark.parametrize("size", [LARGE, 1 << 24, N])
def test_what_is_computed_for_the_reduction_is_computed_in_it(size: dims.DimLike) -> None:
    x = graph_input("x", dtypes.f16, (size,))
    graph = split(x, F["sum"](F["exp"](F["cast"](F["square"](x), dtypes.f32))))
    groups = fuse(graph)
    stored = [node for group in groups for node in group.outputs]
    assert all(isinstance(n.op.lowering, Reduction) or n in graph.results for n in stored)


def test_what_others_read_as_well_is_computed_once() -> None:
    x = graph_input("x", dtypes.f32, (LARGE,))
    y = F["exp"](x)
    graph = split_reductions(Graph("g", (x,), (), (y, F["sum"](y))), SourceMap())
    assert sum(node.op.name == "exp" for node in graph.nodes()) == 1
