"""Loops and branches are made smaller: what is shared, dropped, hoisted, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.frontend.graph_text import graph_text, read_graph
from graphc.frontend.tracing.control_flow import cond, scan
from graphc.frontend.tracing.tensor import function
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir.dtype import f64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Branch, Loop, functions
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.autodiff import gradients
from graphc.passes.control_flow import tidy_control_flow
from graphc.passes.simplify import simplify
from tests.loops import GRAPHS, SHORT

T = dims.variable("T", 0, 8)
tanh, exp = function("tanh"), function("exp")


def tidied(graph: Graph, unroll: int = 0) -> Graph:
    made = tidy_control_flow(graph, SourceMap(), unroll=unroll)
    verify(made)
    return made


def traced(body: Callable[..., Any], *types: Any) -> Graph:
    return trace(body, *types, name="f")[0]


def inner(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes() if isinstance(node.op.lowering, Loop | Branch)]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(("graphs", "unroll"), [(GRAPHS, 0), (GRAPHS, 8), (SHORT, 8)])
def test_values_stay_to_the_bit(name: str, graphs: dict[str, Graph], unroll: int) -> None:
    graph = graphs[name]
    made = tidied(graph, unroll)
    assert tidied(made, unroll) is made
    rng = np.random.default_rng(0)
    for length in (0, 1, 5):
        given = [
            np.asarray(rng.normal(size=[{"T": length}.get(str(d), d) for d in one.shape]))
            for one in graph.inputs
        ]
        for one, other in zip(evaluate(graph, given)[0], evaluate(made, given)[0], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_text_of_a_graph_with_loops_reads_back(name: str) -> None:
    graph = GRAPHS[name]
    assert read_graph(graph_text(graph), "loops.gc") is graph


def test_a_loop_and_the_loop_of_its_gradient_are_one() -> None:
    def last(h: Any, x: Any) -> Any:
        return scan(lambda c, r: (tanh(c + r), None), h, x)[0].sum()

    graph = traced(last, f64[3], f64[T, 3])
    (loss,) = graph.results
    both = Graph("both", graph.inputs, (), (loss, *gradients(loss, graph.inputs)))
    assert len(inner(both)) == 3
    forward, backward = inner(tidied(both))
    assert (forward["reverse"], backward["reverse"]) == (False, True)


def test_what_nobody_reads_goes() -> None:
    def body(a: Any, b: Any, x: Any, unused: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            one, other = carry
            return (one + row, other * 2 + unused), other + row

        return scan(step, (a, b), x)[0][0]

    (loop,) = inner(tidied(traced(body, f64[3], f64[3], f64[T, 3], f64[3])))
    assert (loop["carries"], loop["slices"], len(loop.inputs)) == (1, 1, 2)
    assert len(loop["body"].results) == 1


def test_what_does_not_change_is_computed_once() -> None:
    def body(h: Any, w: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            changing, same = carry
            return (changing + exp(same @ w), same), None

        return scan(step, (h, w[0]), length=20)[0]

    made = tidied(traced(body, f64[3], f64[3, 3]))
    (loop,) = inner(made)
    assert [node.op.name for node in loop["body"].nodes() if node.inputs] == ["add"]
    assert "exp" in {node.op.name for node in made.nodes()}


def test_a_loop_that_does_not_change_runs_once() -> None:
    def body(h: Any, x: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            return carry + scan(lambda c, row: (tanh(c + row), None), h, x)[0], None

        return scan(step, h, length=20)[0]

    graph = traced(body, f64[3], f64[T, 3])
    made = tidied(graph)
    first, second = inner(made)
    assert not any(
        isinstance(n.op.lowering, Loop) for one in (first, second) for n in one["body"].nodes()
    )


def test_short_scans_are_written_out_and_others_are_not() -> None:
    def body(length: int) -> Graph:
        return traced(lambda h: scan(lambda c, _: (tanh(c), c), h, length=length), f64[3])

    assert inner(tidied(body(3), unroll=3)) == []
    assert inner(tidied(body(0), unroll=3)) == []
    assert len(inner(tidied(body(4), unroll=3))) == 1


def test_rows_that_lie_the_other_way_are_taken_from_the_other_end() -> None:
    def body(h: Any, x: Any) -> Any:
        last, rows = scan(lambda c, row: (tanh(c + row), c), h, x[::-1])
        return last, rows[::-1]

    graph = simplify(tidied(traced(body, f64[3], f64[T, 3])), SourceMap())
    (loop,) = inner(graph)
    assert loop["reverse"]
    assert "flip" not in {node.op.name for node in graph.nodes()}
    # Turning what is larger would be a copy too.
    graph = tidied(traced(lambda h, x: scan(
        lambda c, rows: (c * rows[0] + rows[1], None), h, (x, x[:, :1][::-1])
    )[0], f64[3], f64[T, 3]))  # fmt: skip
    assert not inner(graph)[0]["reverse"]


def test_a_branch_takes_and_gives_what_is_needed() -> None:
    def body(p: Any, x: Any, y: Any) -> Any:
        return cond(p > 0, lambda: (x, y * 2), lambda: (tanh(x), y))[0]

    graph = traced(body, f64[()], f64[3], f64[3])
    (node,) = inner(tidied(graph))
    assert (len(node.inputs), len(node["then"].results)) == (2, 1)


def recurrent(h: Any, x: Any, w: Any, u: Any) -> Any:
    """A weight of the carry, and one of the rows that is used twice."""
    return scan(lambda c, row: (tanh(c @ w + row @ u) + row @ u * 0.5, c), h, x)


def slopes_of(batch: int) -> tuple[Graph, Graph]:
    """A recurrent loop, and the gradients of its weights."""
    types = f64[batch, 3], f64[T, batch, 3], f64[3, 3], f64[3, 3]
    graph = traced(recurrent, *types)
    last, rows = graph.results
    loss = functions["add"](
        functions["sum"](last), functions["sum"](functions["multiply"](rows, rows))
    )
    found = tuple(gradients(loss, graph.inputs[2:]))
    return Graph("loss", graph.inputs, (), (loss,)), Graph("slopes", graph.inputs, (), found)


def test_the_gradient_of_a_weight_is_one_product_after_the_loop() -> None:
    """Where rows are no larger than the weight; else they are not worth their memory."""
    for batch, is_hoisted in ((2, True), (5, False)):
        _, graph = slopes_of(batch)
        made = tidied(graph)
        loops = [node for node in inner(made) if isinstance(node.op.lowering, Loop)]
        reverse = next(node for node in loops if node["reverse"])
        carried = [one.shape for one in reverse["body"].results[: reverse["carries"]]]
        assert ((3, 3) not in carried) is is_hoisted
        after = [n for n in made.nodes() if n.op.name == "matmul" and n.shape == (3, 3)]
        assert len(after) >= 2 * is_hoisted


@pytest.mark.parametrize("batch", [2, 5])
@pytest.mark.parametrize("length", [0, 1, 6])
def test_gradients_of_weights_are_those_of_finite_differences(batch: int, length: int) -> None:
    loss, graph = slopes_of(batch)
    rng = np.random.default_rng(0)
    shapes = (batch, 3), (length, batch, 3), (3, 3), (3, 3)
    arrays = [rng.normal(size=shape) for shape in shapes]
    for place, slope in enumerate(evaluate(graph, arrays)[0], 2):
        direction = rng.normal(size=(3, 3))
        values = []
        for step in (1e-6, -1e-6):
            moved = list(arrays)
            moved[place] = arrays[place] + step * direction
            values.append(evaluate(loss, moved)[0][0])
        expected = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose((slope * direction).sum(), expected, rtol=1e-6, atol=1e-7)
