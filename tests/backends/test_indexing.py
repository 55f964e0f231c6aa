"""Functions that index by data, on the CPU and on the simulator: the same bits as the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import find, functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.slicing import slice_
from graphc.passes.autodiff import gradients
from tests.emitted import emitted
from tests.simulated import simulated
from tests.values import same_bits

F: Any = functions
Array = np.ndarray[Any, Any]
B = dims.variable("B", 0, 40)

X = graph_input("x", dtypes.f32, (6, 5, 4))
IDS = graph_input("i", dtypes.i32, (B, 3))
J = graph_input("j", dtypes.u8, (3,))
V = graph_input("v", dtypes.f32, (B, 3, 4))


def slope() -> Node:
    """The gradient of what is read at data and written at data."""
    table = F["at_multiply"](X, (slice(None), J), 1.5)
    loss = F["sum"](F["square"](F["multiply"](F["index"](table, (IDS, J)), V)))
    (result,) = gradients(loss, [X])
    return result


CASES: dict[str, Callable[[], Node]] = {
    "take": lambda: F["take"](X, IDS, axis=1),
    "index": lambda: F["index"](X, (IDS, slice(None, None, 2), J)),
    "a lookup in a lookup": lambda: F["take"](X, F["take"](J, IDS), axis=0),
    "a lookup that is summed": lambda: F["sum"](F["take"](X, IDS, axis=0), axis=(0, 1)),
    "a lookup that is multiplied": lambda: F["matmul"](
        F["index"](X, (IDS, J)), F["index"](X, (0, slice(0, 4)))
    ),
    "take_along_axis": lambda: F["take_along_axis"](V, F["reshape"](IDS, (B, 3, 1))),
    "set": lambda: F["at_set"](X, (IDS, J), V),
    "add to a part": lambda: F["at_add"](X, (slice(1, 6, 2), J), 2.5),
    "maximum": lambda: F["at_max"](X, (IDS, J), V),
    "scatter_reduce": lambda: F["scatter_reduce"](
        V, 2, F["reshape"](IDS, (B, 3, 1)), F["negative"](V), "amax", False
    ),
    "bincount": lambda: F["bincount"](IDS, 9),
    "diagonal": lambda: F["diagonal"](X, 1),
    "searchsorted": lambda: F["searchsorted"](J, IDS),
    "a gradient": slope,
}


def arrays(graph: Graph, count: int) -> list[Array]:
    rng = np.random.default_rng(count)
    known: dict[str, Array] = {
        "x": rng.normal(size=(6, 5, 4)).astype(np.float32),
        "i": rng.integers(-8, 8, (count, 3)).astype(np.int32),
        "j": np.array([0, 3, 3], np.uint8),
        "v": rng.normal(size=(count, 3, 4)).astype(np.float32),
    }
    return [known[node["name"]] for node in graph.inputs]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("run", [emitted, simulated], ids=["cpu", "sim"])
def test_the_same_bits_as_the_reference(run: Any, name: str) -> None:
    result = CASES[name]()
    nodes = Graph("", (), (), (result,)).nodes()
    graph = Graph("case", tuple(n for n in nodes if n.op.name == "input"), (), (result,))
    executor = run([graph])
    for count in (0, 1, 17):
        given = arrays(graph, count)
        (expected,), _ = evaluate(graph, given)
        (found,) = executor.call("case", given)
        if "sum" in name or "multiplied" in name:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        else:
            assert same_bits(np.asarray(found), expected)


@pytest.mark.parametrize(
    "values", [[2, 3, 0.5, 1.5, 4], [0, 3, 0.5, 1.5, 4], [0, 0, 0.5, 0, 4], [0, 0, 0, 0, 4]]
)
@pytest.mark.parametrize("start", [1.5, 0.0])
def test_second_derivatives_of_products_are_exact_where_factors_are_zero(
    values: list[float], start: float
) -> None:
    base, updates = graph_input("base", dtypes.f64, (2,)), graph_input("updates", dtypes.f64, (5,))
    places, direction = (
        graph_input("places", dtypes.i64, (5,)),
        graph_input("direction", dtypes.f64, (5,)),
    )

    def slopes(result: Node) -> list[Node]:
        loss = F["sum"](F["multiply"](result, F["add"](result, 1.0)))
        (slope,) = gradients(loss, [updates])
        along = F["sum"](F["multiply"](slope, direction))
        return [slope, *gradients(along, [base, updates])]

    scattered = find("scatter")(base, updates, places, axes=(0,), batch=0, combine="multiply")
    # The same product, written out: the last update is out of range.
    one = [slice_(updates, start=(n,), stop=(n + 1,), step=(1,)) for n in range(5)]
    of_base = [slice_(base, start=(n,), stop=(n + 1,), step=(1,)) for n in range(2)]
    first = F["multiply"](F["multiply"](F["multiply"](of_base[0], one[0]), one[1]), one[2])
    product = F["concat"]([first, F["multiply"](of_base[1], one[3])])
    inputs = (base, updates, places, direction)
    arrays = [np.array([start, -2]), np.array(values, float), np.array([0, 0, 0, 1, 9])]
    for column in np.eye(5):
        given = [*arrays, column]
        found = evaluate(Graph("", inputs, (), tuple(slopes(scattered))), given)[0]
        expected = evaluate(Graph("", inputs, (), tuple(slopes(product))), given)[0]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)
