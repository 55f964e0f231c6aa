"""Functions with a gradient of their own: values, gradients to any order, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.frontend.tracing.trace import trace
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.library import library
from graphc.passes.autodiff import gradients
from graphc.transforms import custom_gradient

X = np.array([0.2, -1.4, 2.6], np.float32)
HEAD = "dim N: 1..8\n"


def graph_of(text: str) -> Graph:
    return elaborate(HEAD + text, "gradients.gc", library()).exports["f"]


def derivatives(graph: Graph, order: int = 1) -> np.ndarray:
    """The derivative of the sum of the result by the first input."""
    node = graph.results[0]
    for _ in range(order):
        (node,) = gradients(functions["sum"](node), [graph.inputs[0]])
    return evaluate(Graph("d", graph.inputs, (), (node,)), [X])[0][0]


QUANTIZED = """
@gradient(straight_through)
def quantize(x: f32[..., N]) -> f32[..., N]:
    return round(x * 127) / 127
def f(x: f32[N]) -> f32[N]:
    return quantize(x) * 3
export f = f
"""
CUBED = """
def slope(x, by, value, g):
    return 3 * x * x * g + 0 * value * by
@gradient(slope)
def rounded(x: f32[N], by=2) -> f32[N]:
    return round(x)
def f(x: f32[N]) -> f32[N]:
    return rounded(x, by=4)
export f = f
"""


def test_straight_through():
    graph = graph_of(QUANTIZED)
    (found,), _ = evaluate(graph, [X])
    np.testing.assert_allclose(found, np.round(X * 127) / 127 * 3, rtol=1e-6)
    np.testing.assert_array_equal(derivatives(graph), [3, 3, 3])


def test_a_gradient_is_a_function_and_is_differentiated_itself():
    graph = graph_of(CUBED)
    np.testing.assert_array_equal(evaluate(graph, [X])[0][0], np.round(X))
    np.testing.assert_allclose(derivatives(graph), 3 * X * X, rtol=1e-5)
    np.testing.assert_allclose(derivatives(graph, 2), 6 * X, rtol=1e-5)


@pytest.mark.parametrize("text", [QUANTIZED, CUBED])
def test_it_is_printed_and_read(text: str):
    graph = graph_of(text)
    assert "custom_gradient" in graph_text(graph)
    assert read_graph(graph_text(graph), "printed.gc") is graph


def test_several_arguments_and_integers():
    graph = graph_of("""
def by(x, n, y, value, g):
    return g * cast(n, f32), y * g
@gradient(by)
def product(x: f32[N], n: i32[N], y: f32[N]) -> f32[N]:
    return x * y
def f(x: f32[N]) -> f32[N]:
    return product(x, cast(x * 10, i32), exp(x))
export f = f
""")
    expected = (X * 10).astype(np.int32) + np.exp(X) ** 2
    np.testing.assert_allclose(derivatives(graph), expected, rtol=1e-5)


def test_several_results():
    graph = graph_of("""
def slope(x, y, value, g):
    total, (product, larger) = g
    if larger is None:
        return total + product * y, value[0] * total
    return x, y
@gradient(slope)
def both(x: f32[N], y: f32[N]):
    return x + y, (x * y, x > y)
def f(x: f32[N]) -> f32[N]:
    total, (product, larger) = both(x, exp(x))
    return where(larger, total, total * product)
export f = f
""")
    assert read_graph(graph_text(graph), "printed.gc") is graph
    y = np.exp(X)
    np.testing.assert_allclose(evaluate(graph, [X])[0][0], (X + y) * X * y, rtol=1e-6)
    total, product = X * y, X + y
    expected = total + product * y + (X + y) * total * y
    np.testing.assert_allclose(derivatives(graph), expected, rtol=1e-5)


def test_a_method_and_a_nested_gradient():
    graph = graph_of("""
@gradient(straight_through)
def inner(x):
    return floor(x)
def slope(x, value, g):
    return inner(x) * g
model M():
    @gradient(slope)
    def step(x: f32[N]) -> f32[N]:
        return where(x > 0, 1.0, 0.0)
    def forward(x: f32[N]) -> f32[N]:
        return step(x)
export f = M.forward
""")
    np.testing.assert_array_equal(derivatives(graph), np.floor(X))
    np.testing.assert_array_equal(derivatives(graph, 2), [1, 1, 1])


def test_it_is_the_gradient_that_python_says():
    @custom_gradient(lambda x, value, g: g)
    def rounded(x):
        return x.round()

    graph = graph_of("""
@gradient(straight_through)
def rounded(x):
    return round(x)
def f(x: f32[N]) -> f32[N]:
    return rounded(x)
export f = f
""")
    type_ = graph.inputs[0].type
    traced, _ = trace(lambda x: rounded(x), type_)
    assert traced.results[0] is graph.results[0]


BODY = "def f(x: f32[N]) -> f32[N]:\n    return h(x)\nexport f = f\n"
REFUSED = {
    "@gradients(straight_through)\ndef h(x):\n    return x\n": ("decorator", 2, "no meaning"),
    "@gradient\ndef h(x):\n    return x\n": ("decorator", 2, "no meaning"),
    "@gradient(exp)\ndef h(x):\n    return x\n": ("gradient", 2, "exp is no gradient"),
    "@gradient(s)\ndef h(x):\n    return x\n": ("unknown-name", 2, "'s'"),
    "def s(x):\n    return x\n@gradient(s)\ndef h(x):\n    return x\n": (
        "argument-count",
        4,
        "s takes 1 argument, 3 were given",
    ),
    "def s(x, v, g):\n    return g, g\n@gradient(s)\ndef h(x):\n    return x\n": (
        "gradient",
        4,
        "returns 2 values for 1 float",
    ),
    "def s(x, v, g):\n    return sum(g)\n@gradient(s)\ndef h(x):\n    return x\n": (
        "gradient",
        4,
        "the gradient by a f32[N] is",
    ),
    "@gradient(straight_through)\ndef h(x):\n    return x > 0\n": ("gradient", 2, "no gradient"),
    "@gradient(straight_through)\ndef h(x):\n    return sum(x)\n": ("gradient", 2, "f32[N] is"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text: str):
    code, line, message = REFUSED[text]
    with pytest.raises(GraphcError) as caught:
        graph_of(text + BODY)
    error = caught.value
    assert (error.code, error.span and error.span.line) == (code, line), error.render()
    assert message in error.message


def test_what_a_function_uses_is_an_argument():
    with pytest.raises(GraphcError) as caught:
        graph_of("""
model M():
    param w: f32[N2] = 1.0
    @gradient(straight_through)
    def step(x: f32[4]) -> f32[4]:
        return x * w
    def forward(x: f32[4]) -> f32[4]:
        return step(x)
const N2 = 4
export f = M.forward
""")
    assert caught.value.code == "gradient"
    assert "uses 'w'" in caught.value.message
