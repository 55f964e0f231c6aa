"""Derivatives: values of every order, what is zero, what is refused, and the graphs they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from graphc.errors import DTypeError, GraphcError, ShapeError, Span, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.op import Decomposition, Elementwise, Op, Structural, registry
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import full_like, number, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, floor, multiply, negative
from graphc.ir.ops.elementwise.logic import greater, where
from graphc.ir.ops.elementwise.transcendental import exp, log, sin
from graphc.ir.ops.reductions.reduction import prod_over, sum_over
from graphc.ir.ops.structural import graph_input, input_, project
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TupleType
from graphc.passes.autodiff import gradients, jvp, vjp
from graphc.passes.decompose import decompose
from tests.values import evaluate_nodes

F64 = dtypes.f64
X, Y = (graph_input(name, F64, ()) for name in "xy")
V, W = (graph_input(name, F64, (3,)) for name in "vw")


def value(node: Node, **inputs: Any) -> Any:
    arrays = {
        one: np.asarray(inputs[one["name"]], one.dtype.numpy)
        for one in topological([node])
        if one.op is input_
    }
    return evaluate_nodes([node], arrays)[0]


def cube(x: Node) -> Node:
    return multiply(multiply(x, x), x)


def test_every_order() -> None:
    derivative, expected = cube(X), (27.0, 27.0, 18.0, 6.0, 0.0)
    for order, wanted in enumerate(expected):
        assert value(derivative, x=3.0) == wanted, order
        (derivative,) = gradients(derivative, [X])


def test_several_variables_and_shared_nodes() -> None:
    product = multiply(X, Y)
    output = add(multiply(product, product), exp(product))
    dx, dy = gradients(output, [X, Y])
    slope = 2 * 6 + np.exp(6.0)
    assert value(dx, x=2.0, y=3.0) == pytest.approx(3 * slope, rel=1e-15)
    assert value(dy, x=2.0, y=3.0) == pytest.approx(2 * slope, rel=1e-15)


def test_a_node_in_the_middle() -> None:
    middle = exp(X)
    output = multiply(middle, middle)
    at_middle, at_x = gradients(output, [middle, X])
    assert value(at_middle, x=0.5) == pytest.approx(2 * np.exp(0.5))
    assert value(at_x, x=0.5) == pytest.approx(2 * np.exp(1.0))
    assert gradients(output, [output]) == [ones_like(output)]


def test_two_paths_meet_in_one_operand() -> None:
    assert value(gradients(add(X, X), [X])[0], x=1.0) == 2
    assert value(gradients(add(X, negative(X)), [X])[0], x=1.0) == 0


def test_what_is_not_connected_is_zero() -> None:
    n = graph_input("n", dtypes.i32, (2,))
    assert gradients(cube(X), [Y, W, n]) == [zeros_like(Y), zeros_like(W), zeros_like(n)]


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: cast(cast(x, dtype=dtypes.i32), dtype=F64),
        lambda x: cast(greater(x, number(0, F64)), dtype=F64),
        lambda x: where(greater(x, number(0, F64)), number(1, F64), number(2, F64)),
        floor,
    ],
)
def test_paths_without_a_derivative_are_zero(cut: Any) -> None:
    assert value(gradients(cut(X), [X])[0], x=1.5) == 0
    # A path beside it still counts.
    assert value(gradients(multiply(X, cut(X)), [X])[0], x=1.5) == value(cut(X), x=1.5)


def test_casts_round_the_cotangent() -> None:
    x = graph_input("x", dtypes.bf16, ())
    (slope,) = gradients(multiply(cast(x, dtype=F64), number(1.001, F64)), [x])
    assert slope.dtype is dtypes.bf16 and value(slope, x=1.0) == 1.0


def test_storage_dtypes_add_up_in_a_wider_one() -> None:
    x = graph_input("x", dtypes.f8e4m3, ())
    wide = cast(x, dtype=dtypes.f32)
    other = multiply(cast(x, dtype=dtypes.f64), number(2, F64))
    (slope,) = gradients(add(cast(wide, dtype=F64), other), [x])
    assert slope.dtype is dtypes.f8e4m3 and value(slope, x=1.0) == 3.0


def test_symbolic_shapes() -> None:
    batch = dims.variable("B", 0, 8)
    x = graph_input("x", F64, (batch, 3))
    (slope,) = gradients(sum_over(cube(x), axes=(0, 1)), [x])
    assert slope.type is x.type
    array = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(evaluate_nodes([slope], {x: array}, {"B": 2})[0], 3 * array**2)


# -- what is refused ------------------------------------------------------------------------------


def test_output_and_cotangent_are_checked() -> None:
    with pytest.raises(ShapeError, match="expected a scalar"):
        gradients(V, [V])
    with pytest.raises(DTypeError):
        gradients(number(1, dtypes.i32), [X])
    with pytest.raises(ShapeError):
        gradients(V, [V], X)
    with pytest.raises(DTypeError):
        gradients(X, [X], number(1, dtypes.f32))
    with pytest.raises(UsageError):
        vjp([X, Y], [X], [X])
    with pytest.raises(UsageError):
        jvp([X], [X, Y], [X])


@pytest.fixture
def declared() -> Iterator[Any]:
    """Declares ops that live as long as one test."""
    before = dict(registry)

    def declare(name: str, arity: int, infer: Any = None, **facts: Any) -> Op:
        def same(op: Op, operands: tuple[Node, ...], attributes: Any) -> Any:
            return operands[0].tensor

        facts = {"lowering": Structural(), "reference": lambda call, *xs: xs[0], **facts}
        return Op(name, arity, infer=infer or same, **facts)

    yield declare
    for name in set(registry) - set(before):
        del registry[name]


def test_an_op_without_a_gradient_is_named_with_its_place(declared: Any) -> None:
    opaque = declared("opaque_for_autodiff", 1, lowering=Elementwise("{0}"))
    sources, span = SourceMap(), Span("m.gc", 7, 3, 7, 9)
    with sources.at(span):
        node = opaque(X)
    with pytest.raises(GraphcError, match="opaque_for_autodiff has no gradient") as caught:
        gradients(exp(node), [X], sources=sources)
    assert caught.value.code == "no-gradient" and caught.value.span == span
    # It is no obstacle where no derivative has to pass.
    assert value(gradients(multiply(node, Y), [Y])[0], x=2.0, y=1.0) == 2.0


# -- composite ops and ops with several results ---------------------------------------------------


def test_composite_ops_go_through_their_expansion(declared: Any) -> None:
    def expand(node: Node) -> Node:
        a, b = node.inputs
        return multiply(a, exp(b))

    composite = declared("composite_for_autodiff", 2, lowering=Decomposition(expand))
    dx, dy = gradients(sin(expand(composite(X, Y))), [X, Y])
    assert gradients(sin(composite(X, Y)), [X, Y])[0].type is dx.type
    found = [expanded(one) for one in gradients(sin(composite(X, Y)), [X, Y])]
    for one, expected in zip(found, (dx, dy), strict=True):
        assert value(one, x=0.3, y=0.2) == pytest.approx(value(expected, x=0.3, y=0.2))
    # One operand depends on the other: its own path is counted once.
    (slope,) = gradients(composite(X, sin(X)), [X])
    wanted = np.exp(np.sin(0.3)) * (1 + 0.3 * np.cos(0.3))
    assert value(expanded(slope), x=0.3) == pytest.approx(wanted)
    # The same operand twice.
    (slope,) = gradients(composite(X, X), [X])
    assert value(expanded(slope), x=0.3) == pytest.approx(1.3 * np.exp(0.3))


def expanded(node: Node) -> Node:
    inputs = tuple(one for one in topological([node]) if one.op is input_)
    return decompose(Graph("g", inputs, (), (node,)), SourceMap()).results[0]


def test_ops_with_several_results(declared: Any) -> None:
    seen: list[tuple[Node | None, ...]] = []

    def gradient(node: Node, *cotangents: Node | None) -> tuple[Node | None, ...]:
        seen.append(cotangents)
        first, second, _ = cotangents
        assert first is not None and second is not None
        return (add(first, multiply(second, number(2, F64))),)

    triple = declared(
        "triple_for_autodiff",
        1,
        infer=lambda op, operands, attributes: TupleType(
            (X.tensor, X.tensor, number(1, dtypes.i32).tensor)
        ),
        gradient=gradient,
    )
    node = triple(X)
    first, second, counter = (project(node, index=index) for index in range(3))
    both = add(multiply(first, number(3, F64)), multiply(second, second))
    (slope,) = gradients(add(both, cast(counter, dtype=F64)), [X])
    assert len(seen) == 1 and seen[0][2] is None
    assert slope.type is X.type
    # A result that is not used has the cotangent zero.
    gradients(second, [X])
    assert seen[1][0] is zeros_like(first)
    assert seen[1][1] is ones_like(second)


# -- the graphs that are made ---------------------------------------------------------------------


def test_gradients_are_deterministic() -> None:
    output = add(cube(X), add(sin(X), multiply(X, exp(X))))
    assert gradients(output, [X]) == gradients(output, [X])


def test_gradients_inherit_spans() -> None:
    sources, span = SourceMap(), Span("m.gc", 2, 5, 2, 12)
    with sources.at(span):
        node = multiply(X, Y)
    (slope,) = gradients(exp(node), [X], sources=sources)
    assert sources.spans(slope) == (span,)


def test_deep_and_dense_graphs() -> None:
    node = X
    for _ in range(10_000):
        node = negative(node)
    assert value(gradients(node, [X])[0], x=1.0) == 1
    node = X
    for _ in range(60):
        node = add(node, node)  # 2**60 paths
    assert value(gradients(node, [X])[0], x=1.0) == 2.0**60


# -- forward mode ---------------------------------------------------------------------------------


def test_jvp() -> None:
    outputs = [multiply(V, W), sum_over(log(V), axes=(0,)), W]
    t, u = (graph_input(name, F64, (3,)) for name in "tu")
    pushed = jvp(outputs, [V, W], [t, u])
    v, w, dv, dw = np.array([[1.0, 2, 3], [4, 5, 6], [0.5, -1, 2], [1, 0, -3]])
    given = {"v": v, "w": w, "t": dv, "u": dw}
    assert np.allclose(value(pushed[0], **given), dv * w + v * dw)
    assert np.allclose(value(pushed[1], **given), np.sum(dv / v))
    assert pushed[2] is u
    assert all("cotangent" not in str(n.attributes) for p in pushed for n in topological([p]))


def test_hessian_vector_product() -> None:
    t = graph_input("t", F64, (3,))
    (slope,) = gradients(sum_over(cube(V), axes=(0,)), [V])
    (product,) = jvp([slope], [V], [t])
    v, dv = np.array([1.0, -2.0, 3.0]), np.array([1.0, 0.5, -1.0])
    assert np.allclose(value(product, v=v, t=dv), 6 * v * dv)


def test_jvp_of_what_does_not_depend() -> None:
    assert jvp([X], [Y], [full_like(Y, 1)]) == [zeros_like(X)]


def test_derivatives_of_a_product_of_many_need_no_pairs() -> None:
    x = graph_input("x", F64, (50,))
    (first,) = gradients(prod_over(x, axes=(0,)), [x])
    (second,) = gradients(sum_over(multiply(first, first), axes=(0,)), [x])
    assert max(one.tensor.size for one in topological([second])) <= 51
