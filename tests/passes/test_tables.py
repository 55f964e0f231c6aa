"""Dense data in a graph is state of the module."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.control_flow import cond, scan, while_loop
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.verify import verify
from graphc.passes.tables import lift_tables

TABLE = np.array([1.0, -2.0, np.nan], np.float32)


def scaled(x: dtypes.f32[3]) -> Any:
    return x * TABLE


def shifted(x: dtypes.f32[2, 3]) -> Any:
    return x + TABLE


def unit() -> Unit:
    return build_unit({"scaled": Export(scaled), "shifted": Export(shifted)})


def test_equal_tables_are_one_state_and_are_never_updated() -> None:
    lifted = lift_tables(unit())
    (name,) = lifted.state
    assert name.startswith("table.")
    for graph in lifted.exports.values():
        assert [node["name"] for node in graph.state] == [name]
        assert not graph.updates
        assert all(node.op.name != "tensor" for node in graph.nodes())
    assert lift_tables(lifted) is lifted


@pytest.mark.parametrize("device", ["cpu", "reference", "sim"])
def test_a_module_keeps_its_tables(device: str) -> None:
    module = graphc.load_file(graphc.build(unit()).file, device)
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(module.scaled(x), x * TABLE)
    np.testing.assert_array_equal(module.shifted(np.stack([x, x])), np.stack([x, x]) + TABLE)


# -- in bodies ------------------------------------------------------------------------------------

f64 = dtypes.f64


def table(*values: float) -> Node:
    return functions["asarray"](np.array(values, np.float64))


def written_by_hand() -> Graph:
    """A branch in a loop with a condition in a scan; all of them hold tables."""
    add, multiply, less, total = (functions[name] for name in ("add", "multiply", "less", "sum"))
    c, row = graph_input("c", f64, (3,)), graph_input("row", f64, (3,))
    chosen = cond(
        less(total(c), total(table(2, 1))),
        c,
        then=Graph("then", (c,), (), (multiply(c, table(0.5, -1, 2)),)),
        otherwise=Graph("otherwise", (c,), (), (add(c, table(1, 2, 3)),)),
    )
    until = while_loop(
        c,
        condition=Graph("condition", (c,), (), (less(total(c), total(table(4, 5))),)),
        body=Graph("body", (c,), (), (add(project(chosen, index=0), table(1, 2, 3)),)),
        carries=1,
        max_steps=4,
    )
    after = add(project(until, index=0), multiply(row, table(1, 2, 3)))
    body = Graph("row", (c, row), (), (after, multiply(after, table(3, 2, 1))))
    x = graph_input("x", f64, (5, 3))
    loop = scan(table(-1, 0, 1), x, body=body, carries=1, slices=1, length=5)
    return Graph("by_hand", (x,), (), (project(loop, index=0), project(loop, index=1)))


def test_tables_in_bodies_are_state_too() -> None:
    lifted = lift_tables(Unit({"by_hand": written_by_hand()}, {}, unit().initial))
    assert len(lifted.state) == 6
    (made,) = lifted.exports.values()
    inside = [node for part in made.with_nested() for node in part.nodes()]
    assert all(node.op.name != "tensor" for node in inside)
    verify(made)
    assert lift_tables(lifted) is lifted


@pytest.mark.parametrize("device", ["cpu", "reference", "sim"])
def test_a_module_keeps_the_tables_of_bodies(device: str) -> None:
    graph = written_by_hand()
    module = graphc.load_file(
        graphc.build(Unit({"by_hand": graph}, {}, unit().initial)).file, device
    )
    x = np.random.default_rng(0).normal(size=(5, 3))
    for found, expected in zip(module.by_hand(x), evaluate(graph, [x])[0], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


# -- under gradients that are said by a graph -----------------------------------------------------


def indexed(x: Any) -> Any:
    return graphc.sin(x[np.array([2, 0, 0])] * TABLE64)


TABLE64 = np.array([1.0, -2.0, 0.5])
TWICE = graphc.custom_gradient(lambda x, value, g: 2 * g * TABLE64)(lambda x: x * TABLE64)
INNER: dict[str, Any] = {
    "checkpoint": graphc.checkpoint(lambda x: graphc.sin(x * TABLE64)),
    "checkpoint of an index": graphc.checkpoint(indexed),
    "checkpoint of a gradient": graphc.checkpoint(
        graphc.grad(lambda x: graphc.sum(x * x * TABLE64))
    ),
    "custom_gradient": TWICE,
    "custom_gradient in a checkpoint": graphc.checkpoint(lambda x: graphc.sin(TWICE(x))),
}


def looped(f: Any, x: Any) -> Any:
    return graphc.scan(lambda carry, row: (f(carry) * row, carry), x, length_three(x))[0]


def length_three(x: Any) -> Any:
    return graphc.stack([x, x + 1, x + 2])


OUTER: dict[str, Any] = {
    "nothing": lambda f: f,
    "value_and_grad": lambda f: lambda x: graphc.value_and_grad(lambda x: graphc.sum(f(x)))(x)[1],
    "hessian": lambda f: graphc.hessian(lambda x: graphc.sum(f(x))),
    "vmap": lambda f: lambda x: graphc.vmap(f)(length_three(x)),
    "scan": lambda f: lambda x: looped(f, x),
    "gradient of scan": lambda f: graphc.grad(lambda x: graphc.sum(looped(f, x))),
    "cond": lambda f: lambda x: graphc.cond(graphc.sum(x) > 0, f, lambda x: x, x),
}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
def test_data_under_gradients_of_its_own_is_data_of_the_module(inner: str, outer: str) -> None:
    function = OUTER[outer](INNER[inner])
    x = np.array([0.3, -0.2, 0.9])
    expected = graphc.function(function, device="reference")(x)
    np.testing.assert_allclose(graphc.function(function)(x), expected, rtol=1e-12, atol=1e-14)
