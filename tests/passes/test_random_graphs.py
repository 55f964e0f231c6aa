"""Passes and derivatives on random graphs."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from graphc.ir.evaluate import evaluate
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.simplify import apply_rules, simplify
from tests.random_graphs import RandomGraph, graphs
from tests.values import same_bits

often = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@often
@given(graphs())
def test_simplify_keeps_every_bit(case: RandomGraph) -> None:
    verify(case.graph)
    simple = simplify(case.graph, SourceMap())
    verify(simple)
    expected, _ = evaluate(case.graph, case.arrays())
    found, _ = evaluate(simple, case.arrays())
    for a, b in zip(expected, found, strict=True):
        assert same_bits(a, b)


@often
@given(graphs())
def test_simplify_is_idempotent(case: RandomGraph) -> None:
    simple = simplify(case.graph, SourceMap())
    assert simplify(simple, SourceMap()) is simple
    for node in simple.nodes():
        assert apply_rules(node) is None
