"""Pointwise kernels: their loops, what they share, and their values at the edges of a stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.codegen.schedules import pointwise
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.kernel import Kernel, Loop, LoopKind, statements
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from tests.values import same_bits

F: Any = functions
Array = np.ndarray[Any, Any]
B, N = dims.variable("B", 0, 300), dims.variable("N", 1, 300)


def i32(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.i32, shape)


def graph_of(result: Node) -> Graph:
    nodes = [n for n in Graph("", (), (), (result,)).nodes() if n.op.name == "input"]
    return decompose(Graph("test", tuple(nodes), (), (result,)), SourceMap())


def kernel_of(result: Node) -> Kernel:
    library = Library()
    plan_entry(graph_of(result), HOST, library)
    (kernel,) = library.kernels.values()
    return kernel


def loops_of(kernel: Kernel) -> list[LoopKind]:
    return [s.kind for s in statements(kernel.body) if isinstance(s, Loop)]


@pytest.mark.parametrize("shape", [(5,), (3, 4), (B, 3), (B, N), (2, B, 1, N), (1, 1), ()])
def test_axes_that_memory_cannot_tell_apart_are_one_loop(shape: tuple[dims.DimLike, ...]) -> None:
    kernel = kernel_of(F["add"](i32("x", *shape), 1))
    assert loops_of(kernel) == [LoopKind.LANE]
    assert [str(dim) for dim in kernel.scalars] == (["_n"] if dims.product(shape) != 1 else [])


def test_tensors_of_any_shape_share_a_kernel() -> None:
    shapes: list[tuple[dims.DimLike, ...]] = [(5,), (3, 4), (B, 7), (B, N)]
    assert len({kernel_of(F["add"](i32("x", *shape), 1)) for shape in shapes}) == 1


def test_broadcasting_keeps_its_axes() -> None:
    kernel = kernel_of(F["add"](i32("x", B, 8), i32("b", 8)))
    assert loops_of(kernel) == [LoopKind.SERIAL, LoopKind.LANE]


def test_names_of_the_model_are_not_in_a_kernel() -> None:
    one = kernel_of(F["add"](i32("x", B, 8), i32("b", 8)))
    other = kernel_of(F["add"](i32("images", B, 8), i32("offset", 8)))
    assert one == other


# -- values ---------------------------------------------------------------------------------------


def evaluated(result: Node, arrays: list[Array], sizes: dict[str, int], elements: int) -> Array:
    """The result by a kernel whose steps take `elements`."""
    graph = graph_of(result)
    (group,) = fuse(graph)
    scheduled = pointwise.schedule(group, HOST, elements)
    given = dict(zip(graph.inputs, arrays, strict=True))
    shape = tuple(dims.evaluate(d, sizes) for d in result.shape)
    out = np.full(shape, -77, result.dtype.numpy)
    bound: dict[Any, Array] = {b: given[n].ravel() for b, n in scheduled.inputs.items()}
    bound |= {buffer: out.reshape(-1) for buffer in scheduled.outputs}
    scalars = [dims.evaluate(scheduled.scalars[d], sizes) for d in scheduled.kernel.scalars]
    evaluate_kernel(scheduled.kernel, [bound[p] for p in scheduled.kernel.parameters], scalars)
    return out


@pytest.mark.parametrize("elements", [1, 2, 7, 64])
@pytest.mark.parametrize(("rows", "length"), [(0, 1), (1, 1), (3, 5), (2, 63), (5, 64), (1, 300)])
def test_stretches_of_any_size_cover_everything_once(rows: int, length: int, elements: int) -> None:
    x, bias = i32("x", B, N), i32("bias", N)
    rng = np.random.default_rng(rows * length)
    grid = rng.integers(-99, 99, (rows, length)).astype(np.int32)
    line = rng.integers(-99, 99, length).astype(np.int32)
    sizes = {"B": rows, "N": length}
    for result, arrays in (
        (F["multiply"](x, 3), [grid]),
        (F["add"](x, bias), [grid, line]),
        (F["add"](F["permute"](x, (1, 0)), 1), [grid]),
        (F["add"](F["flip"](x, 1), F["flip"](x, 0)), [grid]),
        (F["concat"]([x, F["add"](x, bias)], 1), [grid, line]),
    ):
        graph = graph_of(result)
        if len(fuse(graph)) != 1:
            continue
        by_name = dict(zip(["x", "bias"], [grid, line], strict=True))
        given = [by_name[node["name"]] for node in graph.inputs]
        assert len(given) == len(arrays)
        (expected,), _ = evaluate(graph, given)
        assert same_bits(evaluated(result, given, sizes, elements), expected)
