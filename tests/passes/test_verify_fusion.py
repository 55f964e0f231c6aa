"""Each check of the groups' verifier refuses a grouping that is broken by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from graphc.errors import VerificationError
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import Group, GroupKind
from graphc.passes.fusion.verify import CHECKS, GroupedGraph, verify_groups
from tests.random_graphs import RandomGraph, graphs

F: Any = functions


def f32(name: str, *shape: int) -> Node:
    return graph_input(name, dtypes.f32, shape)


X, W = f32("x", 4, 6), f32("w", 6, 6)
PRODUCT = F["matmul"](X, W)
SCALED = F["exp"](F["multiply"](PRODUCT, 2.0))
TOTALS = F["sum"](F["sin"](SCALED), axis=1)
TURNED = F["cos"](F["permute"](SCALED, (1, 0)))
GRAPH = decompose(Graph("g", (X, W), (), (TOTALS, TURNED)), SourceMap())
PRODUCTS, SUMS, COSINES = fuse(GRAPH)
Broken = Callable[[], Sequence[Group]]


def changed(number: int, **parts: Any) -> list[Group]:
    groups = [PRODUCTS, SUMS, COSINES]
    groups[number] = replace(groups[number], **parts)
    return groups


BROKEN: dict[str, list[Broken]] = {
    "members": [
        lambda: changed(0, members=PRODUCTS.members[::-1]),
        lambda: changed(2, outputs=(*COSINES.outputs, SCALED)),
    ],
    "kinds": [
        lambda: changed(0, kind=GroupKind.POINTWISE),
        lambda: changed(2, kind=GroupKind.REDUCTION),
        lambda: changed(2, kind=GroupKind.APART),
        lambda: changed(1, kind=GroupKind.CONTRACTION),
        lambda: changed(0, members=(*PRODUCTS.members, F["matmul"](W, W))),
    ],
    "domains": [
        lambda: changed(1, axes=(0,)),
        lambda: changed(1, shape=(4, 5)),
        lambda: changed(2, shape=(2, 12)),
    ],
    "once": [lambda: [PRODUCTS, SUMS, COSINES, COSINES]],
    "order": [
        lambda: [SUMS, PRODUCTS, COSINES],
        lambda: changed(0, outputs=()),
        lambda: [SUMS, COSINES],
    ],
    "roots": [lambda: [PRODUCTS, SUMS]],
    "read": [
        lambda: [replace(PRODUCTS, members=(*PRODUCTS.members, F["log"](SCALED))), SUMS, COSINES]
    ],
}


def test_the_groups_are_sound() -> None:
    kinds = [group.kind for group in (PRODUCTS, SUMS, COSINES)]
    assert kinds == [GroupKind.CONTRACTION, GroupKind.REDUCTION, GroupKind.POINTWISE]
    verify_groups(GroupedGraph(GRAPH, (PRODUCTS, SUMS, COSINES)), "g")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_refuses_what_breaks_it(check: Any) -> None:
    for broken in BROKEN[check.name]:
        with pytest.raises(VerificationError, match="the groups of 'g'") as caught:
            verify_groups(GroupedGraph(GRAPH, broken()), "g")
        assert caught.value.notes[0] == f"check {check.name}: {check.guarantee}"


def test_a_fold_over_the_other_axis_of_a_square_is_refused() -> None:
    graph = decompose(Graph("g", (W,), (), (F["sum"](W, axis=1),)), SourceMap())
    (group,) = fuse(graph)
    with pytest.raises(VerificationError, match="folds other axes than sum"):
        verify_groups(GroupedGraph(graph, [replace(group, axes=(0,))]), "g")


def test_what_must_be_stored_is() -> None:
    stored = frozenset([next(node for node in PRODUCTS.members if node not in PRODUCTS.outputs)])
    with pytest.raises(VerificationError, match="is to be stored") as caught:
        verify_groups(GroupedGraph(GRAPH, (PRODUCTS, SUMS, COSINES), stored), "g")
    assert caught.value.notes[0].startswith("check roots")


def test_what_a_row_function_reads_is_read_whole() -> None:
    order = F["argsort"](F["reshape"](X, (24,)))
    graph = decompose(Graph("g", (X,), (), (order,)), SourceMap())
    groups = fuse(graph)
    verify_groups(GroupedGraph(graph, groups), "g")
    with pytest.raises(VerificationError):
        verify_groups(GroupedGraph(graph, groups[1:]), "g")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(graphs(steps=12))
def test_no_group_of_random_graphs_can_be_left_out_or_run_before_what_it_loads(
    case: RandomGraph,
) -> None:
    graph = decompose(case.graph, SourceMap())
    groups = fuse(graph)
    verify_groups(GroupedGraph(graph, groups), "g")
    for number in range(len(groups)):
        with pytest.raises(VerificationError):
            verify_groups(GroupedGraph(graph, groups[:number] + groups[number + 1 :]), "g")
