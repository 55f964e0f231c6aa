"""Groups that compute alike are scheduled once, and stand for their own nodes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from graphc.codegen import kernel_library, plan
from graphc.codegen.cuda import CUDA
from graphc.codegen.host import HOST
from graphc.codegen.schedules import alike, schedule_group
from graphc.ir.dims import variable
from graphc.ir.dtype import f32
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import GroupKind
from tests.random_graphs import RandomGraph, graphs

B = variable("B", 1, 64)


def layers(count: int) -> Graph:
    x = value = graph_input("x", f32, (B, 8))
    weights = [graph_input(f"w{number}", f32, (8, 8)) for number in range(count)]
    for weight in weights:
        value = functions["gelu"](functions["matmul"](value, weight))
    return decompose(Graph("layers", (x, *weights), (), (value,)), SourceMap())


def test_equal_layers_are_scheduled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled: list[object] = []

    def counted(group: object, dialect: object) -> object:
        scheduled.append(group)
        return schedule_group(group, dialect)  # type: ignore[arg-type]

    monkeypatch.setattr(alike, "schedule_group", counted)
    library = kernel_library.Library()
    entry = plan.plan_entry(layers(6), HOST, library)
    assert len(entry.steps) == 6
    assert len(scheduled) == 1


def test_every_group_binds_its_own_nodes() -> None:
    groups = fuse(layers(3))
    schedules = alike.Schedules()
    for group in groups:
        for found, expected in zip(
            schedules.of(group, HOST), schedule_group(group, HOST), strict=True
        ):
            assert found == expected


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_groups_of_random_graphs_get_the_kernels_of_their_own_schedule(case: RandomGraph) -> None:
    for group in fuse(decompose(case.graph, SourceMap())):
        if group.kind is not GroupKind.APART:
            for dialect in (HOST, CUDA):
                found = alike.Schedules().of(group, dialect)
                assert found == schedule_group(group, dialect)


def test_groups_that_read_one_tensor_twice_are_apart() -> None:
    x, y = (graph_input(name, f32, (8,)) for name in "xy")

    def parameters(node: Node) -> int:
        (group,) = fuse(Graph("f", (x, y), (), (node,)))
        (variant,) = schedules.of(group, HOST)
        return len(variant.scheduled.kernel.parameters)

    schedules = alike.Schedules()
    add = functions["add"]
    assert parameters(functions["exp"](add(x, y))) == 3
    assert parameters(functions["exp"](add(x, x))) == 2
