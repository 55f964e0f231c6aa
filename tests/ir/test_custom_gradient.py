"""Gradients that a graph says: what they are, to any order, and that values do not change."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.errors import UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.custom_gradient import custom_gradient, inlined
from graphc.ir.ops.structural import graph_input, projections, tuple_
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.autodiff import gradients, jvp
from graphc.passes.decompose import decompose

B = dims.variable("B", 1, 8)


def rounded(x: Node) -> Node:
    """x rounded, whose gradient is that of x cubed."""
    y = graph_input("y", x.dtype, x.shape)
    g = graph_input("g", x.dtype, x.shape)
    inner = graph_input("x", x.dtype, x.shape)
    slope = functions["multiply"](functions["multiply"](inner, inner), 3.0)
    gradient = Graph("gradient", (inner, y, g), (), (functions["multiply"](slope, g),))
    return custom_gradient(functions["round"](x), x, gradient=gradient)


def values(x: Node, *results: Node) -> list[list[float]]:
    graph = Graph("g", (x,), (), results)
    verify(graph, after="the test")
    given = np.array([0.4, -1.0, 2.6], np.float32)
    found = evaluate(graph, [given])[0]
    plain = evaluate(decompose(graph, SourceMap()), [given])[0]
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    return [np.round(one, 4).tolist() for one in found]


def test_the_value_is_kept_and_the_gradient_is_the_one_that_is_said():
    x = graph_input("x", dtypes.f32, (B,))
    y = rounded(x)
    (first,) = gradients(functions["sum"](y), [x])
    (second,) = gradients(functions["sum"](first), [x])
    (tangent,) = jvp([y], [x], [functions["multiply"](x, 2.0)])
    found = values(x, y, first, second, tangent)
    np.testing.assert_allclose(found[0], [0, -1, 3])
    np.testing.assert_allclose(found[1], [0.48, 3, 20.28], rtol=1e-4)
    np.testing.assert_allclose(found[2], [2.4, -6, 15.6], rtol=1e-4)
    np.testing.assert_allclose(found[3], [0.384, -6, 105.456], rtol=1e-4)


def test_it_is_gone_after_decomposition():
    x = graph_input("x", dtypes.f32, (B,))
    graph = decompose(Graph("g", (x,), (), (rounded(x),)), SourceMap())
    assert graph.results[0] is functions["round"](x)


def test_a_gradient_that_asks_for_the_value_and_for_integers():
    x, n = graph_input("x", dtypes.f32, (3,)), graph_input("n", dtypes.i32, (3,))
    y, g = (graph_input(name, dtypes.f32, (3,)) for name in "yg")
    said = functions["multiply"](functions["multiply"](y, g), functions["cast"](n, dtypes.f32))
    gradient = Graph("gradient", (x, n, y, g), (), (said,))
    value = custom_gradient(functions["exp"](x), x, n, gradient=gradient)
    (found,) = gradients(functions["sum"](value), [x])
    arrays = [np.array([0, 1, 2], np.float32), np.array([1, 2, 3], np.int32)]
    (result,), _ = evaluate(Graph("g", (x, n), (), (found,)), arrays)
    np.testing.assert_allclose(result, np.exp(arrays[0]) * arrays[1], rtol=1e-6)


def test_several_values_have_one_gradient():
    x = graph_input("x", dtypes.f32, (3,))
    made = rows_of_a_rule(x)
    graph = decompose(Graph("g", (x,), (), made), SourceMap())
    assert graph.results == (functions["exp"](x), functions["floor"](x))
    # The rule is there once, whichever of the results are used.
    (found,) = gradients(functions["sum"](functions["multiply"](*made)), [x])
    sines = [node for node in topological([found]) if node.op.name == "sin"]
    assert len(sines) == 1
    ((result,), _) = evaluate(Graph("g", (x,), (), (found,)), [np.array([0.5, 1, 2], np.float32)])
    given = np.array([0.5, 1, 2])
    np.testing.assert_allclose(result, np.floor(given) * np.sin(given) + np.exp(given), rtol=1e-6)


def rows_of_a_rule(x: Node) -> tuple[Node, ...]:
    """exp(x) and floor(x), with the gradient g * sin(x) + h."""
    inner, y, z, g, h = (graph_input(name, x.dtype, x.shape) for name in "xyzgh")
    said = functions["add"](functions["multiply"](g, functions["sin"](inner)), h)
    gradient = Graph("gradient", (inner, y, z, g, h), (), (said,))
    values = tuple_(functions["exp"](x), functions["floor"](x))
    return projections(custom_gradient(values, x, gradient=gradient))


def test_a_graph_is_inlined_with_arguments_of_its_types_only():
    x = graph_input("x", dtypes.f32, (3,))
    graph = Graph("double", (x,), (), (functions["add"](x, x),))
    z = graph_input("z", dtypes.f32, (3,))
    assert inlined(graph, [z]) == (functions["add"](z, z),)
    with pytest.raises(UsageError, match="takes 1 tensors"):
        inlined(graph, [z, z])
