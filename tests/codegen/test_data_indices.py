"""Kernels whose indices are data: gathers wherever elements are read, and scatters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from graphc.codegen.cuda import CUDA
from graphc.codegen.dialect import Dialect
from graphc.codegen.emit import emit_kernel
from graphc.codegen.host import HOST
from graphc.codegen.schedules import scatter, schedule_group
from graphc.codegen.schedules.scatter import ScatterConfig
from graphc.codegen.schedules.schedule import Scheduled
from graphc.errors import InternalError, VerificationError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import bind_dims, evaluate
from graphc.ir.expr import Apply, Buffer, Constant, Guard, Load, WithIndex, walk, with_index
from graphc.ir.graph import Graph
from graphc.ir.kernel import (
    Kernel,
    Loop,
    LoopKind,
    ReadIndex,
    Statement,
    Store,
    expressions,
    statements,
)
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.ir.kernels.listing import kernel_listing
from graphc.ir.kernels.verify import verify_kernel
from graphc.ir.node import Node
from graphc.ir.op import find, functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes import pipeline
from graphc.passes.autodiff import gradients
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import Group, GroupKind
from tests.values import same_bits

F: Any = functions
Array = np.ndarray[Any, Any]
B, V = dims.variable("B", 0, 300), dims.variable("V", 0, 300)

CONFIGS = [
    scatter.default_config(HOST),
    scatter.default_config(CUDA),
    ScatterConfig(columns=2, owners=3, lanes=4),
    ScatterConfig(columns=64, owners=5, lanes=1),
]


def inputs(**types: tuple[dtypes.DType, tuple[dims.DimLike, ...]]) -> list[Node]:
    return [graph_input(name, dtype, shape) for name, (dtype, shape) in types.items()]


def graph_of(*results: Node) -> Graph:
    nodes = [n for n in Graph("", (), (), results).nodes() if n.op.name == "input"]
    return pipeline.run(
        Graph("test", tuple(nodes), (), results), pipeline.GRAPH_PASSES, SourceMap()
    )


def only_group(*results: Node) -> tuple[Graph, Group]:
    graph = graph_of(*results)
    (group,) = fuse(graph)
    return graph, group


def bound(kernel: Kernel) -> list[WithIndex]:
    found = [
        expr
        for statement in statements(kernel.body)
        for expr in walk(*expressions(statement))
        if isinstance(expr, WithIndex)
    ]
    return list(dict.fromkeys(found))


def run(scheduled: Scheduled, arrays: Mapping[Node, Array], sizes: Mapping[str, int]) -> Array:
    """What the kernel stores, by the evaluator of kernels."""
    verify_kernel(scheduled.kernel)
    (out,) = scheduled.outputs.values()
    shape = tuple(dims.evaluate(size, sizes) for size in out.shape)
    result = np.full(int(np.prod(shape)), 99).astype(out.dtype.numpy)
    memory = {buffer: arrays[node].reshape(-1) for buffer, node in scheduled.inputs.items()}
    memory |= dict.fromkeys(scheduled.outputs, result)
    scalars = [dims.evaluate(scheduled.scalars[dim], sizes) for dim in scheduled.kernel.scalars]
    evaluate_kernel(scheduled.kernel, [memory[p] for p in scheduled.kernel.parameters], scalars)
    return result.reshape(shape)


def assert_agrees(graph: Graph, scheduled: Scheduled, arrays: list[Array]) -> None:
    given = dict(zip(graph.inputs, arrays, strict=True))
    (expected,), _ = evaluate(graph, arrays)
    assert same_bits(run(scheduled, given, bind_dims(given)), expected)


# -- gather ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [HOST, CUDA], ids=lambda d: d.name)
def test_a_gather_and_what_surrounds_it_are_one_kernel(dialect: Dialect) -> None:
    x, i = inputs(x=(dtypes.f32, (500, 6)), i=(dtypes.i32, (B,)))
    row = F["take"](F["negative"](x), i, axis=0)
    graph, group = only_group(F["add"](F["multiply"](row, 2.0), row))
    (variant,) = schedule_group(group, dialect)
    # The table has rows for certain, so that reading needs no branch.
    kernel = variant.scheduled.kernel
    assert len(bound(kernel)) == 1
    assert not any(
        isinstance(expr, Guard) for s in statements(kernel.body) for expr in walk(*expressions(s))
    )
    rng = np.random.default_rng(0)
    for count in (0, 1, 70):
        places = rng.integers(-600, 600, count).astype(np.int32)
        table = rng.normal(size=(500, 6)).astype(np.float32)
        assert_agrees(graph, variant.scheduled, [table, places])


def test_a_table_that_may_be_empty_is_guarded() -> None:
    x, i = inputs(x=(dtypes.f32, (V,)), i=(dtypes.i64, (B,)))
    graph, group = only_group(F["take"](x, i))
    (variant,) = schedule_group(group, HOST)
    for size in (0, 1, 9):
        table = np.arange(size, dtype=np.float32)
        assert_agrees(graph, variant.scheduled, [table, np.arange(-9, 12)])


def test_reductions_and_products_read_at_data() -> None:
    x, i = inputs(x=(dtypes.f32, (20, 8)), i=(dtypes.i64, (5, 3)))
    _, group = only_group(F["sum"](F["take"](x, i, axis=0), axis=1))
    assert group.kind is GroupKind.REDUCTION
    logits = F["log_softmax"](F["take"](x, i, axis=0), axis=-1)
    _, group = only_group(logits)
    (variant,) = schedule_group(group, CUDA)
    verify_kernel(variant.scheduled.kernel)


def test_lookups_in_lookups_are_one_kernel() -> None:
    x, i, j = inputs(x=(dtypes.f32, (9,)), i=(dtypes.i64, (7,)), j=(dtypes.u8, (B,)))
    graph, group = only_group(F["take"](x, F["take"](i, j)))
    (variant,) = schedule_group(group, HOST)
    assert len(bound(variant.scheduled.kernel)) == 2
    rng = np.random.default_rng(0)
    table, first = rng.normal(size=9).astype(np.float32), rng.integers(-12, 12, 7)
    second = np.arange(10, dtype=np.uint8)
    assert_agrees(graph, variant.scheduled, [table, first, second])


def test_counters_as_indices_need_no_data() -> None:
    (x,) = inputs(x=(dtypes.f32, (6, 6)))
    _, group = only_group(F["diagonal"](x))
    (variant,) = schedule_group(group, HOST)
    (store,) = (s for s in statements(variant.scheduled.kernel.body) if isinstance(s, Store))
    assert isinstance(store.value, Load)


def test_kernels_of_models_that_compute_alike_are_equal() -> None:
    def made(names: tuple[str, str, str], width: int) -> Kernel:
        a, b, c = names
        x = graph_input(a, dtypes.f32, (50, width * 2))
        i, j = (graph_input(name, dtypes.i32, (8,)) for name in (b, c))
        part = F["reshape"](x, (50, 2, width))
        _, group = only_group(F["add"](F["take"](part, i, axis=0), F["take"](part, j, axis=0)))
        return schedule_group(group, HOST)[0].scheduled.kernel

    kernel = made(("x", "i", "j"), 4)
    assert kernel == made(("p", "q", "r"), 4)
    assert kernel_listing(kernel) == kernel_listing(made(("a", "b", "c"), 4))
    assert sorted(str(one.variable) for one in bound(kernel)) == ["_at0", "_at1"]


def test_an_index_is_a_constant_of_its_row() -> None:
    x, i = inputs(x=(dtypes.f32, (50, 640)), i=(dtypes.i64, (B,)))
    _, group = only_group(F["take"](x, i, axis=0))
    text = emit_kernel(schedule_group(group, HOST)[0].scheduled.kernel, HOST)
    row, lane = text.index("for (int64_t row"), text.index("for (int64_t lane")
    assert row < text.index("const int64_t at0 = ") < lane < text.index("[at0 * 640 + lane]")


# -- scatter --------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("combine", ["set", "add"])
def test_scatters_of_any_sizes(combine: str, config: ScatterConfig) -> None:
    rng = np.random.default_rng(0)
    for kept in ((), (5,)):
        x, u, i = inputs(
            x=(dtypes.f32, (V, *kept)), u=(dtypes.f32, (B, *kept)), i=(dtypes.i32, (B,))
        )
        graph, group = only_group(find("scatter")(x, u, i, axes=(0,), batch=0, combine=combine))
        made = scatter.schedule(group, HOST if config.lanes == 1 else CUDA, config)
        for size, count in ((0, 3), (7, 0), (9, 12)):
            base, updates = (rng.normal(size=(n, *kept)).astype(np.float32) for n in (size, count))
            places = rng.integers(-size - 2, size + 2, count).astype(np.int32)
            assert_agrees(graph, made, [base, updates, places])


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_scatters_with_aligned_and_several_axes(config: ScatterConfig) -> None:
    rng = np.random.default_rng(0)
    cases: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = [
        ((4, 6), (4, 3), (1,), 1),
        ((3, 5, 4), (3, 2), (1,), 1),
        ((3, 5, 4), (6,), (1,), 0),
        ((3, 5, 4), (2, 3), (0, 2), 0),
        ((3, 5), (8,), (0, 1), 0),
        ((2, 3, 5), (2, 4), (1, 2), 1),
    ]
    for shape, places, axes, batch in cases:
        kept = [n for axis, n in enumerate(shape) if axis >= batch and axis not in axes]
        x, u, *indices = inputs(
            x=(dtypes.i32, shape),
            u=(dtypes.i32, (*places, *kept)),
            **{f"i{axis}": (dtypes.i64, places) for axis in axes},
        )
        node = find("scatter")(x, u, *indices, axes=axes, batch=batch, combine="add")
        graph, group = only_group(node)
        made = scatter.schedule(group, HOST if config.lanes == 1 else CUDA, config)
        arrays: list[Array] = [
            rng.integers(-9, 9, size).astype(np.int32) for size in (shape, (*places, *kept))
        ]
        arrays += [rng.integers(-7, 7, places) for _ in axes]
        assert_agrees(graph, made, arrays)


def test_a_scatter_takes_what_its_updates_are_computed_from() -> None:
    x, u, i = inputs(x=(dtypes.f32, (50, 4)), u=(dtypes.f32, (9, 4)), i=(dtypes.i64, (9,)))
    start = F["zeros_like"](x)
    node = find("scatter")(start, F["exp"](u), i, axes=(0,), batch=0, combine="add")
    _, group = only_group(node)
    assert [n.op.name for n in group.members] == ["exp", "scatter"]
    # Nothing is read for the zeros that it begins with.
    scheduled = schedule_group(group, HOST)[0].scheduled
    assert set(scheduled.inputs.values()) == {u, i}


def test_what_a_scatter_does_not_take_is_stored() -> None:
    x, u, i = inputs(x=(dtypes.f32, (50, 4)), u=(dtypes.f32, (9, 4)), i=(dtypes.i32, (9,)))
    grown, places = F["exp"](u), F["add"](i, 1)
    node = find("scatter")(F["exp"](x), grown, places, axes=(0,), batch=0, combine="set")
    groups = fuse(graph_of(node, grown))
    (last,) = (group for group in groups if group.kind is GroupKind.SCATTER)
    assert last.members == last.outputs
    assert groups[-1] is last


def test_a_gradient_of_a_lookup_is_one_scatter() -> None:
    x, i = inputs(x=(dtypes.f16, (50, 4)), i=(dtypes.i64, (9,)))
    loss = F["sum"](F["square"](F["cast"](F["take"](x, i, axis=0), dtypes.f32)))
    (slope,) = gradients(loss, [x])
    found = [n for n in graph_of(slope).nodes() if n.op.name == "scatter"]
    # Summed in f32, and rounded once.
    assert [n.dtype for n in found] == [dtypes.f32] and slope.type is x.type


# -- what the kernel IR guarantees ----------------------------------------------------------------

X, PLACES, Y = Buffer("x", dtypes.f32, 0), Buffer("i", dtypes.i64, 0), Buffer("y", dtypes.f32, 0)
STEP, LANE = dims.variable("_step", 0, 1), dims.variable("_lane", 0, 7)
assert isinstance(STEP, dims.Dim) and isinstance(LANE, dims.Dim)


def kernel(*body: Statement) -> Kernel:
    loop = Loop(LANE, 8, LoopKind.LANE, body)
    return Kernel("kernel", (X, PLACES, Y), frozenset({Y}), (), STEP, 1, 8, (loop,))


def read(index: dims.DimLike) -> WithIndex:
    found = with_index(Load(PLACES, index), 5, lambda at: Load(X, at))
    assert isinstance(found, WithIndex)
    return found


def test_equal_lookups_are_one_expression() -> None:
    assert read(LANE) is read(LANE)
    assert read(LANE).variable is not read(LANE + 1).variable
    assert read(LANE) is not with_index(Load(PLACES, LANE), 6, lambda at: Load(X, at))


def test_an_index_outside_of_its_range_is_an_error_of_the_evaluator() -> None:
    lookup = kernel(Store(Y, LANE, read(LANE)))
    verify_kernel(lookup)
    x, y = np.arange(5, dtype=np.float32), np.zeros(8, np.float32)
    evaluate_kernel(lookup, [x, np.arange(8) % 5, y], [])
    assert list(y) == [0, 1, 2, 3, 4, 0, 1, 2]
    with pytest.raises(InternalError, match=r"is 5, outside of 0\.\.4"):
        evaluate_kernel(lookup, [x, np.arange(8), y], [])


def test_data_may_name_an_index_for_statements() -> None:
    at = dims.variable("_at", 0, 4)
    assert isinstance(at, dims.Dim)
    stored = kernel(ReadIndex(at, Load(PLACES, LANE)), Store(Y, at + LANE * 5, Load(X, at)))
    verify_kernel(stored)
    y = np.zeros(40, np.float32)
    evaluate_kernel(stored, [np.arange(1, 6, dtype=np.float32), np.arange(8) % 5, y], [])
    assert [int(v) for v in y.reshape(8, 5).sum(1)] == [1, 2, 3, 4, 5, 1, 2, 3]
    assert "_at = i[_lane]" in kernel_listing(stored)


def test_what_breaks_the_rules_of_indices_is_found() -> None:
    lookup, other = read(LANE), read(LANE + 1)
    clash = WithIndex(lookup.variable, other.value, lookup.body)
    floats = WithIndex(lookup.variable, Load(X, LANE), lookup.body)
    at = lookup.variable
    broken: dict[str, list[Statement]] = {
        "stands for two values": [Store(Y, LANE, Apply(find("add"), (lookup, clash), dtypes.f32))],
        "is a f32": [Store(Y, LANE, floats)],
        "used and not defined": [Store(Y, at + LANE, lookup)],
        "every lane stores to one element": [
            ReadIndex(at, Load(PLACES, LANE)),
            Store(Y, at, Constant(0.0, dtypes.f32)),
        ],
        "defined twice": [ReadIndex(at, Load(PLACES, LANE)), Store(Y, LANE + at * 0, lookup)],
    }
    for text, body in broken.items():
        with pytest.raises(VerificationError, match=text):
            verify_kernel(kernel(*body))
