"""Reduction kernels: rows and columns, stages, kept rows, and axes of every kind."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.codegen.schedules import reduction
from graphc.codegen.schedules.reduction import ReductionConfig
from graphc.codegen.schedules.schedule import Scheduled
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.expr import Space
from graphc.ir.graph import Graph
from graphc.ir.kernel import Declare, Fold, Kernel, statements
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import GroupKind

F: Any = functions
Array = np.ndarray[Any, Any]
B, N = dims.variable("B", 0, 300), dims.variable("N", 0, 300)
CONFIGS = [
    reduction.default_config(HOST),
    ReductionConfig(elements=1, columns=1, scratch=0),
    ReductionConfig(elements=50, columns=3, scratch=100),
]


def f64(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.f64, shape)


def graph_of(*results: Node) -> Graph:
    nodes = [n for n in Graph("", (), (), results).nodes() if n.op.name == "input"]
    return decompose(Graph("test", tuple(nodes), (), results), SourceMap())


def scheduled(graph: Graph, config: ReductionConfig | None = None) -> Scheduled:
    (group,) = fuse(graph)
    assert group.kind is GroupKind.REDUCTION
    return reduction.schedule(group, HOST, config)


def kernel_of(*results: Node) -> Kernel:
    return scheduled(graph_of(*results)).kernel


def assert_agrees(
    results: tuple[Node, ...], sizes: dict[str, int], config: ReductionConfig
) -> None:
    """The results of the one kernel that computes them are those of the reference."""
    graph = graph_of(*results)
    one = scheduled(graph, config)
    rng = np.random.default_rng(3)
    given = {
        node: rng.uniform(-2, 2, [dims.evaluate(d, sizes) for d in node.shape])
        for node in graph.inputs
    }
    bound: dict[Any, Array] = {buffer: given[node].ravel() for buffer, node in one.inputs.items()}
    for buffer, node in one.outputs.items():
        size = dims.evaluate(node.tensor.size, sizes)
        bound[buffer] = np.full(size, -77, node.dtype.numpy)
    scalars = [dims.evaluate(one.scalars[d], sizes) for d in one.kernel.scalars]
    evaluate_kernel(one.kernel, [bound[p] for p in one.kernel.parameters], scalars)
    found = {node: bound[buffer] for buffer, node in one.outputs.items()}
    expected, _ = evaluate(graph, list(given.values()))
    for node, value in zip(graph.results, expected, strict=True):
        assert np.allclose(found[node].reshape(value.shape), value, rtol=1e-12, atol=1e-12)


# -- axes -----------------------------------------------------------------------------------------

SHAPES: list[tuple[dims.DimLike, ...]] = [
    (5,), (1,), (0,), (3, 4), (3, 0), (0, 3), (1, 7), (7, 1), (2, 3, 4), (2, 1, 70), (B, 4),
    (4, B), (B, N), (2, B, 3, N),
]  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS, ids=["default", "smallest", "odd"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_over_every_set_of_axes(
    shape: tuple[dims.DimLike, ...], config: ReductionConfig
) -> None:
    x = f64("x", *shape)
    for count in range(len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for rows, length in ((1, 1), (3, 66), (0, 2), (2, 0)):
                total = sum_over(x, axes=axes)
                size = dims.evaluate(total.tensor.size, {"B": rows, "N": length})
                if size:
                    assert_agrees((total,), {"B": rows, "N": length}, config)


def test_lanes_run_along_the_innermost_axis_whichever_it_is() -> None:
    rows = kernel_of(sum_over(f64("x", B, N), axes=(1,)))
    columns = kernel_of(sum_over(f64("x", B, N), axes=(0,)))
    assert any(isinstance(s, Fold) for s in statements(rows.body))
    assert not any(isinstance(s, Fold) for s in statements(columns.body))


# -- stages ---------------------------------------------------------------------------------------


def over(x: Node, name: str, axis: int) -> Node:
    """A reduction along an axis, which keeps it with extent 1."""
    return F["expand_dims"](F[name](x, axis=axis), axis)


def stages(x: Node, axis: int) -> tuple[Node, ...]:
    """Three reductions, each of what the one before made; stored inside and outside."""
    shifted = F["exp"](F["subtract"](x, over(x, "max", axis)))
    scaled = F["divide"](shifted, F["add"](over(shifted, "sum", axis), 1.0))
    spread = F["sum"](F["multiply"](scaled, scaled), axis=axis)
    return F["multiply"](scaled, F["expand_dims"](spread, axis)), spread


@pytest.mark.parametrize("config", CONFIGS, ids=["default", "smallest", "odd"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (3, 65), (130, 2)])
def test_stages_that_need_each_other(
    axis: int, rows: int, length: int, config: ReductionConfig
) -> None:
    assert_agrees(stages(f64("x", B, N), axis), {"B": rows, "N": length}, config)


def test_the_stages_of_a_softmax_are_two_folds() -> None:
    kernel = kernel_of(F["softmax"](f64("x", B, 64)))
    assert sum(isinstance(s, Fold) for s in statements(kernel.body)) == 2


# -- kept rows ------------------------------------------------------------------------------------


def kept_rows(kernel: Kernel) -> int:
    return sum(
        isinstance(s, Declare) and s.buffer.space is Space.SHARED for s in statements(kernel.body)
    )


def test_costly_values_of_a_row_are_computed_once() -> None:
    assert kept_rows(kernel_of(F["softmax"](f64("x", B, 64)))) == 1


def test_cheap_values_are_computed_again() -> None:
    x = f64("x", B, 64)
    assert kept_rows(kernel_of(F["sum"](F["multiply"](x, x), 1))) == 0


def test_a_value_that_is_the_same_along_the_row_is_not_kept() -> None:
    """Its name would be unknown where what is left of the row is stored."""
    row = F["exp"](f64("b", B))
    spread = F["broadcast_to"](F["expand_dims"](row, 1), (B, 64))
    total = F["sum"](F["multiply"](spread, f64("x", B, 64)), 1)
    result = F["add"](F["add"](F["sum"](spread, 1), total), row)
    assert kept_rows(kernel_of(result)) == 0
    assert_agrees((result,), {"B": 3}, CONFIGS[0])


def test_rows_are_kept_as_far_as_memory_reaches() -> None:
    x = f64("x", B, 64)
    total = F["sum"](F["exp"](x), 1)
    for function in ("sin", "log", "tanh"):
        total = F["add"](total, F["sum"](F[function](F["abs"](x)), 1))
    graph = graph_of(total)
    row = 64 * 8
    for rows in range(5):
        config = ReductionConfig(elements=64, columns=64, scratch=rows * row)
        assert kept_rows(scheduled(graph, config).kernel) == min(rows, 4)


def test_rows_longer_than_the_memory_are_not_kept() -> None:
    library = Library()
    plan_entry(graph_of(F["softmax"](f64("x", 2, 10**6))), HOST, library)
    assert all(kept_rows(kernel) == 0 for kernel in library.kernels.values())
