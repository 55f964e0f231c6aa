"""Fusion: what every drafts must keep, and how many kernels well-known models become."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc.passes.fusion.drafts as drafts
from graphc.codegen.emit import emit_kernel
from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.expr import Index
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Structural, functions
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.slicing import slice_
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes import pipeline
from graphc.passes.autodiff import gradients
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import Group, GroupKind, aligned, is_transparent, kept
from graphc.passes.fusion.reads import indices_read, operands_read, reads_memory
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.program import Program
from tests.random_graphs import RandomGraph, graphs

often = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
F: Any = functions
B = dims.variable("B", 1, 4096)


def groups_of(*results: Node, inputs: Sequence[Node] = ()) -> list[Group]:
    """The groups of a graph after the passes of every build."""
    graph = Graph("test", tuple(inputs) or inputs_of(results), (), results)
    return fuse(pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap()))


def inputs_of(results: Sequence[Node]) -> tuple[Node, ...]:
    nodes = Graph("", (), (), tuple(results)).nodes()
    return tuple(node for node in nodes if node.op.name == "input")


def f32(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.f32, shape)


# -- what every drafts keeps ---------------------------------------------------------------------


def loads(group: Group) -> Iterator[Node]:
    """What the group reads from memory."""
    for member in group.members:
        for operand in operands_read(member, group.stored_views):
            if operand not in group.members:
                yield operand


def can_store(group: Group, node: Node) -> bool:
    if group.kind is GroupKind.APART:
        return isinstance(node.type, TensorType)
    if group.kind is GroupKind.SCATTER:
        return node is group.anchor
    shape = node.shape
    rows = kept(group.shape, group.axes)
    is_row = group.kind is GroupKind.REDUCTION and aligned(rows, rows, shape) is not None
    return shape == group.shape or is_row


def check(graph: Graph, groups: Sequence[Group]) -> None:
    stored: set[Node] = {*graph.inputs, *graph.state}
    for group in groups:
        # In an order that runs: what a group loads has been stored by one before.
        assert stored.issuperset(loads(group))
        assert set(group.outputs) <= set(group.members)
        assert stored.isdisjoint(group.outputs), "stored twice"
        stored.update(group.outputs)
        assert all(can_store(group, node) for node in group.outputs)
        contractions = [n for n in group.members if isinstance(n.op.lowering, Contraction)]
        assert len(contractions) == (group.kind is GroupKind.CONTRACTION)
    # What is given to a row function, a loop or a branch is read from memory.
    given = (operand for node in graph.nodes() if reads_memory(node) for operand in node.inputs)
    roots = {n for n in (*graph.roots, *given) if not isinstance(n.op.lowering, Structural)}
    assert roots <= stored
    needed = [n for n in graph.nodes() if not isinstance(n.op.lowering, Structural)]
    members = {node for group in groups for node in group.members}
    computed = {node for node in members if not isinstance(node.op.lowering, Structural)}
    views = groups[0].stored_views if groups else frozenset()
    assert {n for n in needed if not is_transparent(n) or n in roots or n in views} == computed


@often
@given(graphs(steps=14))
def test_groups_of_random_graphs(case: RandomGraph) -> None:
    graph = decompose(case.graph, SourceMap())
    check(graph, fuse(graph))


@often
@given(graphs(steps=14))
def test_groups_of_simplified_random_graphs(case: RandomGraph) -> None:
    graph = pipeline.run(case.graph, pipeline.GRAPH_PASSES, SourceMap())
    check(graph, fuse(graph))


@often
@given(graphs(steps=14))
def test_groups_are_convex(case: RandomGraph) -> None:
    graph = decompose(case.graph, SourceMap())
    groups = fuse(graph)
    producer = {node: i for i, group in enumerate(groups) for node in group.outputs}
    dependencies: nx.DiGraph[int] = nx.DiGraph()
    for number, group in enumerate(groups):
        for node in loads(group):
            if node in producer:
                dependencies.add_edge(producer[node], number)
    assert nx.is_directed_acyclic_graph(dependencies)


def test_a_gather_from_a_tensor_without_elements_reads_nothing() -> None:
    empty = F["add"](f32("x", 0, 3), f32("y", 0, 3))
    index = graph_input("i", dtypes.i64, (5,))
    rows = gather(empty, index, axes=(0,))
    graph = Graph("test", inputs_of([rows]), (), (F["add"](rows, rows),))
    groups = fuse(decompose(graph, SourceMap()))
    check(graph, groups)
    assert [group.shape for group in groups] == [(0, 3), (5, 3)]


# -- nodes that a group may compute but not store --------------------------------------------------


def test_a_node_read_through_a_view_is_not_stored_by_its_reader() -> None:
    total = F["add"](f32("x", 4), f32("y", 4))
    part = F["add"](head(total, 2), 1.0)
    graph = Graph("test", inputs_of([part]), (), (part, F["multiply"](total, total)))
    check(graph, fuse(graph))


def head(node: Node, count: int) -> Node:
    """The first rows."""
    rank = len(node.shape)
    return slice_(node, start=(0,) * rank, stop=(count, *node.shape[1:]), step=(1,) * rank)


def test_a_reduction_of_which_one_row_is_read_keeps_its_rows() -> None:
    row = F["multiply"](head(F["sum"](f32("x", 5, 3, 7), 2), 1), 2.0)
    graph = decompose(Graph("test", inputs_of([row]), (), (row,)), SourceMap())
    groups = fuse(graph)
    check(graph, groups)
    assert [group.shape for group in groups] == [(5, 3, 7), (1, 3)]


def test_a_result_of_which_another_kernel_reads_a_part_is_stored_whole() -> None:
    x = f32("x", 5, 3)
    doubled = F["exp"](F["add"](x, x))
    spread = F["sum"](F["multiply"](f32("y", 1, 3, 7), F["expand_dims"](head(doubled, 1), 2)), 2)
    graph = decompose(Graph("test", inputs_of([spread]), (), (doubled, spread)), SourceMap())
    check(graph, fuse(graph))
    partly = F["multiply"](F["expand_dims"](head(F["add"](x, 1.0), 1), 2), f32("y", 1, 3, 7))
    rows = F["add"](F["sum"](partly, 2), head(F["add"](x, 1.0), 1))
    graph = decompose(Graph("test", inputs_of([rows]), (), (F["add"](x, 1.0), rows)), SourceMap())
    check(graph, fuse(graph))


def test_groups_that_read_each_other_transposed_stay_apart() -> None:
    x = f32("x", 4, 4)
    y = F["divide"](F["exp"](x), F["add"](x, f32("z", 4, 4)))
    turned = F["add"](F["permute"](y, (1, 0)), x)
    graph = decompose(Graph("test", inputs_of([turned]), (), (y, turned)), SourceMap())
    groups = fuse(graph)
    check(graph, groups)
    assert len(groups) == 2


# -- how many kernels ------------------------------------------------------------------------------


def test_a_chain_of_elementwise_ops_is_one_kernel() -> None:
    x = f32("x", B, 64)
    (group,) = groups_of(F["add"](F["multiply"](F["gelu"](x), 0.7), x))
    assert group.kind is GroupKind.POINTWISE and len(group.outputs) == 1


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "layer_norm"])
def test_normalisations_are_one_kernel(name: str) -> None:
    affine = (f32("w", 64), f32("b", 64)) if name == "layer_norm" else ()
    (group,) = groups_of(F[name](f32("x", B, 64), *affine))
    assert group.kind is GroupKind.REDUCTION and group.axes == (1,)


@pytest.mark.parametrize("name", ["linear", "layer_norm", "rms_norm"])
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.bf16])
def test_parameters_are_widened_where_they_are_read(name: str, dtype: dtypes.DType) -> None:
    shapes = {"linear": [(16, 32), (16,)], "layer_norm": [(32,), (32,)], "rms_norm": [(32,)]}
    operands = [graph_input(f"p{i}", dtype, shape) for i, shape in enumerate(shapes[name])]
    (_,) = groups_of(F["gelu"](F[name](graph_input("x", dtype, (B, 32)), *operands)))


def test_a_product_is_rounded_in_its_own_kernel_whoever_reads_it() -> None:
    x, w, bias = (
        graph_input(n, dtypes.bf16, s) for n, s in (("x", (B, 32)), ("w", (16, 32)), ("b", (16,)))
    )
    product, _ = groups_of(F["permute_dims"](F["linear"](x, w, bias), (1, 0)))
    assert product.kind is GroupKind.CONTRACTION
    assert [node.dtype for node in product.outputs] == [dtypes.bf16]


def test_a_product_in_f32_reads_narrow_numbers_where_they_lie() -> None:
    (_,) = groups_of(
        F["matmul"](f32("x", B, 32), F["cast"](graph_input("w", dtypes.bf16, (32, 16)), dtypes.f32))
    )


def test_what_a_reduction_also_returns_is_stored_by_its_kernel() -> None:
    x = f32("x", B, 64)
    top = F["max"](x, axis=1)
    below = F["subtract"](x, F["reshape"](top, (B, 1)))
    (group,) = groups_of(top, below)
    assert [node.shape for node in group.outputs] == [(B,), (B, 64)]


def test_what_follows_a_reduction_over_the_same_rows_is_in_its_kernel() -> None:
    x = f32("x", B, 64)
    total = F["sum"](F["exp"](x), axis=1)
    scaled = F["divide"](x, F["add"](F["reshape"](total, (B, 1)), 1e-5))
    (group,) = groups_of(scaled, F["log"](total))
    assert group.kind is GroupKind.REDUCTION
    assert {node.shape for node in group.outputs} == {(B,), (B, 64)}


def test_a_causal_mask_is_computed_where_it_is_read() -> None:
    length = dims.variable("T", 1, 512)
    q, k, v = (f32(name, B, 4, length, 64) for name in "qkv")
    result = F["attention"](q, k, v, is_causal=True)
    slopes = gradients(F["sum"](F["multiply"](result, result)), [q, k, v])
    assert len(groups_of(result)) == 3
    for group in groups_of(result, *slopes):
        assert not any(node.dtype is dtypes.bool_ for node in group.outputs)


def test_a_reduction_of_a_whole_tensor_does_not_run_the_rest_in_one_step() -> None:
    x = f32("x", 1000, 1000)
    groups = groups_of(F["divide"](x, F["sum"](x)))
    kinds = [GroupKind.REDUCTION, GroupKind.REDUCTION, GroupKind.POINTWISE]
    assert [group.kind for group in groups] == kinds


def test_cross_entropy_is_one_kernel_for_rows_and_one_for_their_mean() -> None:
    loss = F["cross_entropy"](f32("x", B, 10), graph_input("y", dtypes.i32, (B,)))
    groups = groups_of(loss)
    assert [group.kind for group in groups] == [GroupKind.REDUCTION, GroupKind.REDUCTION]


def layers(*sizes: int) -> tuple[list[Node], list[Node]]:
    pairs = list(itertools.pairwise(sizes))
    weights = [f32(f"w{i}", after, before) for i, (before, after) in enumerate(pairs)]
    return weights, [f32(f"b{i}", after) for i, (_, after) in enumerate(pairs)]


def mlp(x: Node, weights: Sequence[Node], biases: Sequence[Node]) -> Node:
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = F["linear"](x, weight, bias)
        x = F["gelu"](x) if number < len(weights) - 1 else x
    return x


def test_each_layer_of_a_perceptron_is_one_kernel() -> None:
    groups = groups_of(mlp(f32("x", B, 784), *layers(784, 1024, 512, 10)))
    assert [group.kind for group in groups] == [GroupKind.CONTRACTION] * 3


def trained(depth: int, width: int) -> Graph:
    """The training step of a perceptron by Adam, its weight matrices all of one shape."""
    x, y = f32("x", B, width), graph_input("y", dtypes.i32, (B,))
    weights, biases = layers(*[width] * (depth + 1))
    parameters = weights + biases
    loss = F["cross_entropy"](mlp(x, weights, biases), y)
    step = graph_input("step", dtypes.i32, ())
    now = F["cast"](F["add"](step, 1), dtypes.f32)
    state, updates = [step, *parameters], [(step, F["add"](step, 1))]
    for p, g in zip(parameters, gradients(loss, parameters), strict=True):
        m, v = (f32(f"{slot}.{p['name']}", *p.shape) for slot in "mv")
        m1 = F["add"](F["multiply"](m, 0.9), F["multiply"](g, 0.1))
        v1 = F["add"](F["multiply"](v, 0.99), F["multiply"](F["multiply"](g, g), 0.01))
        scaled = F["divide"](m1, F["subtract"](1.0, F["power"](0.9, now)))
        change = F["divide"](F["multiply"](scaled, 1e-3), F["add"](F["sqrt"](v1), 1e-8))
        state += [m, v]
        updates += [(m, m1), (v, v1), (p, F["subtract"](p, change))]
    return Graph("train", (x, y), tuple(state), (loss,), tuple(updates))


def test_updates_of_state_are_pointwise_groups_one_for_each_parameter() -> None:
    graph = trained(3, 32)
    simple = pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())
    groups = fuse(simple)
    check(simple, groups)
    new = {value for _, value in simple.updates}
    updating = [group for group in groups if new & set(group.outputs)]
    assert all(group.kind is GroupKind.POINTWISE for group in updating)
    # Six parameters with their two slots each, and the number of steps.
    assert sorted(len(group.outputs) for group in updating) == [1, *[3] * 6]


# -- views ----------------------------------------------------------------------------------------


def scaled_codes(wide: dtypes.DType) -> Node:
    """A stored weight, as its readers see it."""
    codes = graph_input("codes", dtypes.f8e4m3, (8, 16))
    return F["multiply"](F["cast"](codes, wide), graph_input("scale", wide, (16,)))


def test_8_bit_floats_are_widened_and_scaled_where_they_are_read() -> None:
    weight = scaled_codes(dtypes.f32)
    x, g = f32("x", 4, 8), f32("g", 4, 16)
    groups = groups_of(F["matmul"](x, weight), F["matmul"](g, F["matrix_transpose"](weight)))
    assert [group.kind for group in groups] == [GroupKind.CONTRACTION] * 2
    (alone,) = groups_of(weight)
    assert [node.op.name for node in alone.outputs] == ["multiply"]


def test_8_bit_floats_are_stored_for_tensor_cores_and_behind_long_chains() -> None:
    """A tensor core takes 16-bit floats from memory."""
    x = graph_input("x", dtypes.bf16, (4, 8))
    kinds = [group.kind for group in groups_of(F["matmul"](x, scaled_codes(dtypes.bf16)))]
    assert kinds == [GroupKind.POINTWISE, GroupKind.CONTRACTION]
    long = scaled_codes(dtypes.f32)
    for _ in range(3):
        long = F["sqrt"](long)
    kinds = [group.kind for group in groups_of(F["matmul"](f32("x", 4, 8), long))]
    assert kinds == [GroupKind.POINTWISE, GroupKind.CONTRACTION]


def test_views_are_part_of_their_readers() -> None:
    x = f32("x", 4, 6)
    y = F["permute"](F["reshape"](F["permute"](x, (1, 0)), (8, 3)), (1, 0))
    (group,) = groups_of(F["exp"](y))
    assert not group.stored_views


def shuffled(count: int) -> Node:
    """Reshapes and permutations that do not cancel."""
    y = f32("x", 12)
    for _ in range(count):
        y = F["reshape"](F["permute"](F["reshape"](y, (3, 4)), (1, 0)), (12,))
    return y


def rolled(count: int) -> Node:
    """Each element comes from one of 2**count places."""
    y = f32("x", 8, 8)
    for _ in range(count):
        y = F["permute"](F["roll"](y, 1, 0), (1, 0))
    return y


def padded(count: int) -> Node:
    y = f32("x", 3)
    for _ in range(count):
        y = F["pad"](y, ((1, 0),))
    return y


@pytest.mark.parametrize(("make", "count"), [(shuffled, 60), (rolled, 30), (padded, 300)])
def test_deep_views_are_stored_now_and_then(make: Callable[[int], Node], count: int) -> None:
    y = F["exp"](make(count))
    graph = decompose(Graph("deep", inputs_of([y]), (), (y,)), SourceMap())
    groups = fuse(graph)
    check(graph, groups)
    assert 1 < len(groups) <= count
    library = Library()
    entry = plan_entry(graph, HOST, library)
    assert sum(len(emit_kernel(k, HOST)) for k in library.kernels.values()) < 10_000 * len(groups)
    (x,) = graph.inputs
    value = np.arange(x.tensor.size, dtype=np.float32).reshape(x.shape) / 100  # type: ignore[arg-type]
    program = Program("cpu", {"deep": entry})
    (found,) = Interpreter(program, library.kernels, {}).call("deep", [value])
    (expected,), _ = evaluate(graph, [value])
    assert np.allclose(found, expected)


# -- size -----------------------------------------------------------------------------------------


def test_long_chains_need_no_recursion() -> None:
    x = y = f32("x", 64)
    for _ in range(5000):
        y = F["add"](F["sin"](y), 0.5)
    groups = fuse(decompose(Graph("chain", (x,), (), (y,)), SourceMap()))
    assert sum(len(group.members) for group in groups) >= 10_000
    assert all(len(group.members) <= 1500 for group in groups)


def test_work_grows_with_the_graph_and_not_with_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced: list[Node] = []

    def counted(user: Node, index: Index, stored: Container[Node]) -> dict[Node, set[Index]]:
        traced.append(user)
        return indices_read(user, index, stored)

    monkeypatch.setattr(drafts, "indices_read", counted)

    def work(depth: int) -> float:
        graph = pipeline.run(trained(depth, 16), pipeline.GRAPH_PASSES, SourceMap())
        traced.clear()
        fuse(graph)
        return len(traced) / len(list(graph.nodes()))

    assert work(32) < 1.5 * work(4)
