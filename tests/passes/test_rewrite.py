"""The rewriting engine: normal forms, spans, nested graphs, depth, and rules that misbehave."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.errors import InternalError, Span
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Op, Parameter, Structural, registry
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.elementwise.arithmetic import absolute, add, multiply, negative
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.rewrite import rewrite, substitute

X, Y = (graph_input(name, dtypes.f32, (3,)) for name in "xy")


def graph_of(*results: Node) -> Graph:
    return Graph("g", (X, Y), (), results)


def double_negative(node: Node) -> Node | None:
    is_double = node.op is negative and node.inputs[0].op is negative
    return node.inputs[0].inputs[0] if is_double else None


def test_reaches_the_normal_form_through_what_replaces() -> None:
    node = X
    for _ in range(5):
        node = negative(node)
    assert rewrite(graph_of(add(node, Y)), double_negative, SourceMap()) is graph_of(
        add(negative(X), Y)
    )


def test_an_unchanged_graph_is_the_same_object() -> None:
    graph = graph_of(add(X, Y), negative(X))
    assert rewrite(graph, lambda node: None, SourceMap()) is graph


def test_replacements_are_rewritten_too() -> None:
    # abs(x) -> -(-(x)) -> x: the second rule sees what the first one built.
    def rule(node: Node) -> Node | None:
        if node.op is absolute:
            return negative(negative(node.inputs[0]))
        return double_negative(node)

    assert rewrite(graph_of(absolute(X)), rule, SourceMap()) is graph_of(X)


def test_each_shared_node_is_visited_once() -> None:
    seen: list[Node] = []
    node = X
    for _ in range(40):
        node = add(node, node)  # 2**40 paths
    rewrite(graph_of(node), lambda one: seen.append(one), SourceMap())
    assert len(seen) == len(set(seen)) == 41


def test_deep_graphs() -> None:
    node = X
    for _ in range(50_001):
        node = negative(node)
    assert rewrite(graph_of(node), double_negative, SourceMap()) is graph_of(negative(X))


def test_updates_and_state_are_kept() -> None:
    graph = Graph("g", (X,), (Y,), (X,), ((Y, negative(negative(Y))),))
    assert rewrite(graph, double_negative, SourceMap()) is Graph("g", (X,), (Y,), (X,), ((Y, Y),))


def test_spans_are_inherited() -> None:
    first, second = Span("m.gc", 1, 1, 1, 5), Span("m.gc", 2, 1, 2, 5)
    sources = SourceMap()
    with sources.at(first):
        inner = add(X, Y)
    with sources.at(second):
        outer = absolute(inner)

    def rule(node: Node) -> Node | None:
        return multiply(node.inputs[0], negative(node.inputs[0])) if node.op is absolute else None

    made = rewrite(graph_of(outer), rule, sources).results[0]
    assert sources.spans(made) == sources.spans(made.inputs[1]) == (second,)
    assert sources.spans(inner) == (first,)


def test_a_merged_node_gathers_both_spans() -> None:
    first, second = Span("m.gc", 1, 1, 1, 5), Span("m.gc", 2, 1, 2, 5)
    sources = SourceMap()
    with sources.at(first):
        inner = add(X, Y)
    with sources.at(second):
        outer = negative(negative(inner))
    assert rewrite(graph_of(outer), double_negative, sources).results == (inner,)
    assert sources.spans(inner) == (first, second)


@pytest.fixture
def holder() -> Any:
    """An op that holds graphs."""
    yield Op(
        "a_holder_of_graphs",
        1,
        lambda op, operands, attributes: operands[0].tensor,
        lambda call, x: x,
        Structural(),
        parameters=(Parameter("bodies"),),
    )
    del registry["a_holder_of_graphs"]


def test_nested_graphs_are_rewritten(holder: Op) -> None:
    def nested(result: Node) -> Graph:
        return graph_of(holder(X, bodies=(graph_of(holder(X, bodies=graph_of(result))), 7)))

    before, after = nested(negative(negative(Y))), nested(Y)
    assert rewrite(before, double_negative, SourceMap()) is after


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda node: cast(node, dtype=dtypes.f64) if node.op is add else None, "changed its type"),
        (lambda node: negative(node) if node.op is add else None, "needs itself"),
        (
            lambda node: (
                multiply(*node.inputs)
                if node.op is add
                else add(*node.inputs[::-1])
                if node.op is multiply
                else None
            ),
            "needs itself",
        ),
        (lambda node: add(*node.inputs[:1], negative(node.inputs[1])), "come to an end"),
    ],
)
def test_rules_that_misbehave(rule: Any, text: str) -> None:
    def only_add(node: Node) -> Node | None:
        return rule(node) if node.op in (add, multiply) else None

    with pytest.raises(InternalError, match=text):
        rewrite(graph_of(add(X, Y)), only_add, SourceMap())


def test_substitute_replaces_all_at_once() -> None:
    swapped = substitute([add(X, negative(Y)), X], {X: Y, Y: X})
    assert swapped == (add(Y, negative(X)), Y)
    assert substitute([X], {}) == (X,)
    # What replaces a node is not looked into.
    assert substitute([negative(X)], {X: negative(X)}) == (negative(negative(X)),)
