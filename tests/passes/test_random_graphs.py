"""Passes and derivatives on random graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings

from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Decomposition, Op
from graphc.ir.ops.creation.constants import number
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.elementwise.transcendental import sin
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.autodiff import gradients, jvp
from graphc.passes.decompose import decompose
from graphc.passes.simplify import apply_rules, simplify
from tests.fuzzing import count
from tests.random_graphs import RandomGraph, graphs
from tests.values import evaluate_nodes, same_bits

often = settings(
    max_examples=count(150),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
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


# -- composite ops --------------------------------------------------------------------------------


@often
@given(graphs(smooth=True))
def test_decompose_keeps_values(case: RandomGraph) -> None:
    plain = decompose(case.graph, SourceMap())
    verify(plain)
    assert not any(isinstance(node.op.lowering, Decomposition) for node in plain.nodes())
    expected, _ = evaluate(case.graph, case.arrays())
    found, _ = evaluate(plain, case.arrays())
    for a, b in zip(expected, found, strict=True):
        # Composite references round in their own way; the steps after may amplify that.
        assert np.allclose(a, b, rtol=1e-8, atol=1e-8, equal_nan=True)


# -- derivatives ----------------------------------------------------------------------------------


def has_derivative(op: Op) -> bool:
    """Differences see through stop_gradient, which derivatives must not."""
    is_composite = isinstance(op.lowering, Decomposition)
    return op.name != "stop_gradient" and (op.gradient is not None or is_composite)


differentiable = graphs(smooth=True, accept=has_derivative, steps=5)


def scalar_of(case: RandomGraph) -> Node:
    """One number that all results of a graph contribute to."""
    total = number(0, dtypes.f64)
    for result in case.graph.results:
        total = add(total, sum_over(sin(result), axes=tuple(range(len(result.shape)))))
    return total


def directions(case: RandomGraph) -> list[Node]:
    return [
        graph_input(f"direction of {node['name']}", node.dtype, node.shape)
        for node in case.graph.inputs
    ]


def along(case: RandomGraph, slopes: Sequence[Node], along_: Sequence[Node]) -> Node:
    """The product of gradients with directions, as one number."""
    total = number(0, dtypes.f64)
    for slope, direction in zip(slopes, along_, strict=True):
        product = multiply(slope, direction)
        total = add(total, sum_over(product, axes=tuple(range(len(product.shape)))))
    return total


def evaluated(case: RandomGraph, nodes: Sequence[Node], step: float = 0.0) -> list[Any]:
    """Values of nodes over the inputs of the case, moved by `step` along random directions."""
    rng = np.random.default_rng(case.seed + 1)
    arrays = case.arrays()
    moves = [np.asarray(rng.choice([-1.0, 1.0], array.shape)) for array in arrays]
    moved = [array + step * move for array, move in zip(arrays, moves, strict=True)]
    values = dict(zip(case.graph.inputs, moved, strict=True))
    values |= dict(zip(directions(case), moves, strict=True))
    return [float(one) for one in evaluate_nodes(nodes, values, case.sizes)]


def assert_derivative(case: RandomGraph, node: Node, derivative: Node) -> None:
    """Compare with central differences of two widths, where these agree with each other."""
    (exact,) = evaluated(case, [derivative])
    estimates = []
    for width in (1e-4, 5e-5):
        ahead, behind = (evaluated(case, [node], step)[0] for step in (width, -width))
        estimates.append((ahead - behind) / (2 * width))
    # Richardson's extrapolation; the difference of the two says how far it can be trusted.
    estimate = estimates[1] + (estimates[1] - estimates[0]) / 3
    scale = max(1.0, abs(estimate))
    assume(abs(estimates[1] - estimates[0]) < 1e-4 * scale)
    assert abs(exact - estimate) < 1e-3 * scale, (exact, estimates)


@often
@given(differentiable)
def test_gradients_against_differences(case: RandomGraph) -> None:
    output = scalar_of(case)
    slopes = gradients(output, case.graph.inputs)
    assert [s.type for s in slopes] == [one.type for one in case.graph.inputs]
    assert_derivative(case, output, along(case, slopes, directions(case)))


@often
@given(differentiable)
def test_second_derivatives_against_differences(case: RandomGraph) -> None:
    output = scalar_of(case)
    first = along(case, gradients(output, case.graph.inputs), directions(case))
    second = along(case, gradients(first, case.graph.inputs), directions(case))
    assert_derivative(case, first, second)


@often
@given(differentiable)
def test_forward_mode_agrees_with_reverse_mode(case: RandomGraph) -> None:
    output = scalar_of(case)
    reverse = along(case, gradients(output, case.graph.inputs), directions(case))
    (forward,) = jvp([output], case.graph.inputs, directions(case))
    a, b, at = evaluated(case, [reverse, forward, output])
    # The maximum of nothing is -inf, and what follows from it has no derivative.
    assume(np.isfinite(at))
    assert np.allclose(a, b, rtol=1e-9, atol=1e-9)


@often
@given(differentiable)
def test_simplified_gradients_keep_every_bit(case: RandomGraph) -> None:
    slopes = tuple(gradients(scalar_of(case), case.graph.inputs))
    graph = Graph("gradient", case.graph.inputs, (), slopes)
    verify(graph)
    simple = simplify(graph, SourceMap())
    expected, found = (evaluate(one, case.arrays())[0] for one in (graph, simple))
    for a, b in zip(expected, found, strict=True):
        assert same_bits(a, b)
