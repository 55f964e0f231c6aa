"""Each check of the verifier, on a graph that breaks exactly what it guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphc.errors import Span, VerificationError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Op, Structural, registry
from graphc.ir.ops.creation.constants import constant, number
from graphc.ir.ops.elementwise.arithmetic import add, negative
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType
from graphc.ir.verify import CHECKS, verify

F32 = dtypes.f32
X, Y = (graph_input(name, F32, (3,)) for name in "xy")


def forged(op: Op, inputs: tuple[Node, ...], attributes: tuple[Any, ...], type_: Any) -> Node:
    """A node that its op never saw."""
    node = object.__new__(Node)
    fields = {"op": op, "inputs": inputs, "attributes": attributes, "type": type_}
    for name, value in fields.items():
        object.__setattr__(node, name, value)
    return node


def over(*results: Node, state: tuple[Node, ...] = (), updates: Any = ()) -> Graph:
    return Graph("broken", (X, Y), state, results, updates)


def cyclic() -> Graph:
    node = forged(negative, (X,), (), X.type)
    object.__setattr__(node, "inputs", (node,))
    return over(node)


def undeclared() -> Graph:
    op = Op("a_test_of_the_verifier", 1, negative.infer, lambda call, x: x, Structural())
    del registry[op.name]
    return over(forged(op, (X,), (), X.type))


def missing_operand() -> Graph:
    return over(forged(sum_over, (), (("axes", (0,)),), TensorType(F32, ())))


def list_in_attribute() -> Graph:
    return over(forged(sum_over, (X,), (("axes", [0]),), TensorType(F32, ())))


def missing_attribute() -> Graph:
    return over(forged(sum_over, (X,), (), TensorType(F32, ())))


def wrong_type() -> Graph:
    return over(forged(add, (X, Y), (), TensorType(F32, (4,))))


def ill_typed() -> Graph:
    return over(forged(add, (X, number(1, F32)), (), X.type))


def computed_input() -> Graph:
    return Graph("broken", (X, negative(X)), (), (X,))


def computed_update() -> Graph:
    return over(X, updates=((negative(X), X),))


def two_of_one_name() -> Graph:
    return Graph("broken", (X,), (graph_input("x", F32, (4,)),), (X,))


def unlisted() -> Graph:
    return Graph("broken", (X,), (), (add(X, Y),))


def tuple_result() -> Graph:
    pair = Op(
        "a_pair_for_the_verifier",
        1,
        lambda op, operands, attributes: TupleType((operands[0].tensor,) * 2),
        lambda call, x: (x, x),
        Structural(),
    )
    return over(pair(X))


def update_of_input() -> Graph:
    return over(X, updates=((X, Y),))


def updated_twice() -> Graph:
    state = graph_input("w", F32, (3,))
    return over(X, state=(state,), updates=((state, X), (state, Y)))


def update_of_other_type() -> Graph:
    state = graph_input("w", F32, (4,))
    return over(X, state=(state,), updates=((state, X),))


def two_dims_of_one_name() -> Graph:
    a = graph_input("a", F32, (dims.variable("N", 1, 8),))
    b = graph_input("b", F32, (dims.variable("N", 1, 9),))
    return Graph("broken", (a, b), (), (a,))


def holding(*graphs: Graph) -> Graph:
    """A graph with a node that holds others in an attribute."""
    op = registry.get("a_holder_for_the_verifier") or Op(
        "a_holder_for_the_verifier",
        1,
        lambda op, operands, attributes: operands[0].tensor,
        lambda call, x: x,
        Structural(),
        parameters=constant.parameters[:1],
    )
    return over(op(X, value=graphs))


def nested_state() -> Graph:
    return holding(Graph("body", (X,), (Y,), (X,)))


BROKEN: list[tuple[str, Callable[[], Graph]]] = [
    ("acyclic", cyclic),
    ("registered", undeclared),
    ("arity", missing_operand),
    ("attributes", list_in_attribute),
    ("attributes", missing_attribute),
    ("types", wrong_type),
    ("types", ill_typed),
    ("inputs", computed_input),
    ("inputs", computed_update),
    ("names", two_of_one_name),
    ("closed", unlisted),
    ("results", tuple_result),
    ("updates", update_of_input),
    ("updates", updated_twice),
    ("updates", update_of_other_type),
    ("dims", two_dims_of_one_name),
    ("nested", nested_state),
    ("nested", lambda: holding(update_of_input())),
    ("nested", lambda: holding(wrong_type())),
    ("nested", lambda: holding(holding(unlisted()))),
]


@pytest.fixture(autouse=True)
def registry_as_before() -> Any:
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


@pytest.mark.parametrize(
    ("name", "broken"), BROKEN, ids=[f"{n}-{i}" for i, (n, _) in enumerate(BROKEN)]
)
def test_check_fails(name: str, broken: Callable[[], Graph]) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(broken(), after="some pass")
    (guarantee,) = (check.guarantee for check in CHECKS if check.name == name)
    assert caught.value.notes[0] == f"check {name}: {guarantee}"
    assert caught.value.notes[-1] == "after the pass 'some pass'"


def test_every_check_is_tested() -> None:
    assert {check.name for check in CHECKS} == {name for name, _ in BROKEN}
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_sound_graphs_pass() -> None:
    batch = dims.variable("B", 1, 8)
    x, w = graph_input("x", F32, (batch, 4)), graph_input("w", F32, (batch, 4))
    total = sum_over(add(x, w), axes=(1,))
    verify(Graph("sound", (x,), (w,), (total,), ((w, negative(w)),)))
    verify(holding(over(negative(Y)), over(X)))
    verify(Graph("empty", (), (), ()))


def test_error_shows_the_neighbourhood_and_the_source() -> None:
    sources = SourceMap()
    broken = forged(add, (X, Y), (), TensorType(F32, (4,)))
    sources.add(broken, [Span("m.gc", 3, 5, 3, 9)])
    graph = Graph("broken", (X, Y), (), (forged(negative, (broken,), (), broken.type),))
    with pytest.raises(VerificationError) as caught:
        verify(graph, sources=sources)
    assert caught.value.span == Span("m.gc", 3, 5, 3, 9)
    assert caught.value.notes[1:] == (
        "  %0 = input(name='x', dtype=f32, shape=(3,)) : f32[3]",
        "  %1 = input(name='y', dtype=f32, shape=(3,)) : f32[3]",
        "> %2 = add(%0, %1) : f32[4]",
        "  %3 = negative(%2) : f32[4]",
    )


def test_a_deep_graph_is_verified() -> None:
    node = X
    for _ in range(20_000):
        node = add(node, Y)
    verify(over(node))
