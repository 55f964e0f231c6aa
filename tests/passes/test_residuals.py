"""What loops keep for their gradients: no product, fold or function is computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import transforms
from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.tensor import call, function
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir.dtype import f64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Loop
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes import pipeline
from graphc.passes.autodiff import gradients
from graphc.passes.control_flow import tidy_control_flow
from tests.values import same_bits

Array = np.ndarray[Any, Any]

T = dims.variable("T", 0, 64)
BATCH, FEATURES, HIDDEN = 4, 8, 16
ROW = BATCH * HIDDEN * f64.itemsize
FUNCTIONS = ("tanh", "sigmoid", "exp")

tanh, exp, sin, relu = (function(name) for name in ("tanh", "exp", "sin", "relu"))


def slopes(body: Callable[..., Any], *types: Any) -> Graph:
    """The scalar that a function computes, and its gradient by each argument."""
    graph, sources = trace(body, *types, name="slopes")
    (loss,) = graph.results
    found = tuple(gradients(loss, graph.inputs, sources=sources))
    return Graph("slopes", graph.inputs, (), (loss, *found))


def compiled(graph: Graph) -> Graph:
    return pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())


def loops(graph: Graph) -> list[Node]:
    """The loops, first that of the values, then that of the gradient."""
    return [node for node in compiled(graph).nodes() if isinstance(node.op.lowering, Loop)]


def stacked(loop: Node) -> list[tuple[Any, ...]]:
    return [row.shape for row in loop["body"].results[loop["carries"] :]]


def nbytes(loop: Node) -> int:
    rows = loop["body"].results[loop["carries"] :]
    return sum(dims.evaluate(row.tensor.nbytes, {}) for row in rows)


def counted(loop: Node, *names: str) -> int:
    return sum(node.op.name in names for node in loop["body"].nodes())


# -- what is kept ---------------------------------------------------------------------------------


CELLS = {"rnn_tanh_cell": (1, 1), "gru_cell": (3, 1), "lstm_cell": (4, 2)}
"""Of each its gates, and the tensors of its state."""


class Recurrence:
    """A cell along time, as a loop or written out, and the sum of the squares of its states."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        gates, states = CELLS[cell]
        rows = gates * HIDDEN
        self.types = (
            f64[rows, FEATURES], f64[rows, HIDDEN], f64[rows], f64[rows],
            *[f64[BATCH, HIDDEN]] * states,
        )  # fmt: skip

    def step(self, row: Any, state: Any, weights: Any) -> Any:
        after = call(self.cell, row, state if len(state) > 1 else state[0], *weights)
        return after if len(state) > 1 else (after,)

    def looped(self, x: Any, *given: Any) -> Any:
        def body(state: Any, row: Any) -> Any:
            after = self.step(row, state, given[:4])
            return after, after[0]

        rows = scan(body, given[4:], x)[1]
        return (rows * rows).sum()

    def written_out(self, x: Any, *given: Any) -> Any:
        state = given[4:]
        total = call("zeros", (), f64)
        for number in range(x.shape[0]):
            state = self.step(x[number], state, given[:4])
            total = total + (state[0] * state[0]).sum()
        return total


KEPT = {
    # The state before, and what is after tanh, which is the row that is asked for.
    "rnn_tanh_cell": 2,
    # The state, three gates, the product of the state in the third, and the row.
    "gru_cell": 6,
    # Both states, four gates, tanh of the new one, and the row.
    "lstm_cell": 8,
}
"""Tensors as large as the state that an iteration keeps."""


@pytest.mark.parametrize("name", KEPT)
def test_the_gradient_of_a_recurrence_computes_no_product_and_no_function_again(name: str) -> None:
    recurrence = Recurrence(name)
    graph = slopes(recurrence.looped, f64[T, BATCH, FEATURES], *recurrence.types)
    forward, backward = loops(graph)
    assert counted(forward, "matmul") == 2
    # Of the state and of the row; those of weights are made after the loop.
    assert counted(backward, "matmul") == 2
    assert counted(backward, *FUNCTIONS) == 0
    assert nbytes(forward) == KEPT[name] * ROW


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("length", [0, 1, 5])
def test_gradients_of_recurrences_are_those_of_the_steps_written_out(
    name: str, length: int
) -> None:
    recurrence = Recurrence(name)
    loop = slopes(recurrence.looped, f64[T, BATCH, FEATURES], *recurrence.types)
    steps = slopes(recurrence.written_out, f64[length, BATCH, FEATURES], *recurrence.types)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(length, BATCH, FEATURES))]
    arrays += [rng.normal(size=[int(str(d)) for d in one.shape]) for one in steps.inputs[1:]]
    expected, _ = evaluate(steps, arrays)
    for graph in (loop, compiled(loop)):
        for one, other in zip(evaluate(graph, arrays)[0], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_what_is_kept_is_as_little_as_possible() -> None:
    """One sum of two products, not both; before a broadcast, not after it."""

    def added(h: Any, x: Any, w: Any, u: Any) -> Any:
        return scan(lambda c, row: (relu(c @ w + row @ u), None), h, x)[0].sum()

    forward, _ = loops(slopes(added, f64[2, 3], f64[T, 2, 3], f64[3, 3], f64[3, 3]))
    assert stacked(forward) == [(2, 3), (2, 3)]  # the sum, and the state for the weight

    def wide(h: Any, x: Any) -> Any:
        return scan(lambda c, row: (c + exp(row.sum()) * row * c, None), h, x)[0].sum()

    forward, _ = loops(slopes(wide, f64[5], f64[T, 5]))
    assert sorted(stacked(forward)) == [(), (5,)]


def test_what_is_the_same_in_all_iterations_is_not_stacked() -> None:
    def scaled(h: Any, x: Any, w: Any) -> Any:
        return scan(lambda c, row: (c * exp(w).sum() + row, None), h, x)[0].sum()

    graph = compiled(slopes(scaled, f64[3], f64[T, 3], f64[7, 7]))
    assert sum(node.op.name == "exp" for node in graph.nodes()) == 1
    for loop in loops(graph):
        assert counted(loop, "exp", "sum") <= 1
        assert all(shape in [(), (3,)] for shape in stacked(loop))


def test_carries_that_no_result_depends_on_have_no_cotangents() -> None:
    def mean(h: Any, x: Any, w: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            state, moment = c
            after = tanh(state * w + row)
            return (after, exp(moment) * 0.9 + after * 0.1), None

        return scan(step, (h, h), x)[0][0].sum()

    forward, backward = loops(slopes(mean, f64[3], f64[T, 3], f64[3]))
    assert (forward["carries"], backward["carries"]) == (1, 2)  # the state; that, and the weight
    assert counted(forward, "exp") == 0


def test_what_is_in_a_checkpoint_is_computed_again() -> None:
    def step(c: Any, row: Any, w: Any) -> Any:
        return tanh(tanh(tanh(c @ w + row)) @ w)

    def last(part: Callable[..., Any]) -> Callable[..., Any]:
        return lambda h, x, w: scan(lambda c, row: (part(c, row, w), None), h, x)[0].sum()

    types = f64[4, 3], f64[T, 4, 3], f64[3, 3]
    plain, again = (
        loops(slopes(last(part), *types)) for part in (step, transforms.checkpoint(step))
    )
    assert len(stacked(plain[0])) == 4
    assert stacked(again[0]) == [(4, 3)]
    assert counted(plain[-1], "tanh") == 0
    assert counted(again[-1], "tanh") == 3


def test_loops_in_loops_keep_what_theirs_keep() -> None:
    def nested(h: Any, x: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            return scan(lambda d, r: (tanh(d * r + row.sum()), None), c, x)[0], None

        return scan(outer, h, x)[0].sum()

    made = compiled(slopes(nested, f64[5], f64[T, 5]))
    for loop in (node for node in made.nodes() if isinstance(node.op.lowering, Loop)):
        inside = [n for n in loop["body"].nodes() if isinstance(n.op.lowering, Loop)]
        backwards = [one for one in inside if one["reverse"]]
        assert len(inside) == 1
        assert all(counted(one, "tanh") == 0 for one in backwards)
        assert bool(backwards) is loop["reverse"]


def test_a_loop_with_a_condition_keeps_what_its_gradient_reads() -> None:
    def until(h: Any, w: Any) -> Any:
        return while_loop(
            lambda c: c.sum() < 40, lambda c: exp(tanh(c @ w)) + c, h, max_steps=20
        ).sum()

    graph = slopes(until, f64[2, 3], f64[3, 3])
    forward, backward = loops(graph)
    (chosen,) = (node for node in backward["body"].nodes() if node.op.name == "cond")
    inner = [node.op.name for node in chosen["then"].nodes()]
    assert inner.count("exp") == inner.count("tanh") == 0
    assert inner.count("matmul") == 2
    assert len(stacked(forward)) == 4  # the carry, both functions, and whether it ran

    def steps(h: Any, w: Any, count: int) -> Any:
        for _ in range(count):
            h = exp(tanh(h @ w)) + h
        return h.sum()

    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=(3, 3))]
    total, count = arrays[0], 0
    while total.sum() < 40 and count < 20:
        total, count = np.exp(np.tanh(total @ arrays[1])) + total, count + 1
    assert 3 < count < 20
    expected, _ = evaluate(slopes(lambda h, w: steps(h, w, count), f64[2, 3], f64[3, 3]), arrays)
    for one, other in zip(evaluate(compiled(graph), arrays)[0], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


# -- branches -------------------------------------------------------------------------------------


def chosen(p: Any, x: Any, w: Any) -> Any:
    """Two products and a function, or a function of one product; both of a row too."""
    return cond(
        p > 0,
        lambda: (tanh(tanh(x @ w) @ w), x * 2),
        lambda: (exp(x @ w) * 0.1, sin(x)),
    )


def chosen_sum(p: Any, x: Any, w: Any) -> Any:
    one, other = chosen(p, x, w)
    return (one * one).sum() + other.sum()


def branches(graph: Graph) -> list[Node]:
    return [n for one in graph.with_nested() for n in one.nodes() if n.op.name == "cond"]


def test_the_gradient_of_a_branch_computes_no_product_and_no_function_again() -> None:
    graph = compiled(slopes(chosen_sum, f64[()], f64[4, 3], f64[3, 3]))
    forward, backward = branches(graph)
    names = [
        [[node.op.name for node in branch[graph].nodes()] for graph in ("then", "otherwise")]
        for branch in (forward, backward)
    ]
    assert [one.count("matmul") for one in names[0]] == [2, 1]
    # By the rows and by the weight: two for each product.
    assert [one.count("matmul") for one in names[1]] == [4, 2]
    assert not {*FUNCTIONS, "sin"} & {name for one in names[1] for name in one}
    # Both results, and both functions of tanh, which share a place with exp and cos.
    assert len(forward["then"].results) == 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_of_branches_are_those_of_what_runs(sign: float) -> None:
    def taken(p: Any, x: Any, w: Any) -> Any:
        if sign > 0:
            return (tanh(tanh(x @ w) @ w) ** 2).sum() + (x * 2).sum() + p * 0
        return ((exp(x @ w) * 0.1) ** 2).sum() + sin(x).sum() + p * 0

    types = f64[()], f64[4, 3], f64[3, 3]
    rng = np.random.default_rng(3)
    arrays = [np.asarray(sign), rng.normal(size=(4, 3)), rng.normal(size=(3, 3))]
    expected, _ = evaluate(slopes(taken, *types), arrays)
    graph = slopes(chosen_sum, *types)
    for made in (graph, compiled(graph)):
        for one, other in zip(evaluate(made, arrays)[0], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_branch_in_a_loop_keeps_what_its_gradient_reads() -> None:
    def last(h: Any, x: Any, w: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            one, other = chosen(row.sum(), c, w)
            return one + other + row, None

        return scan(step, h, x)[0].sum()

    graph = compiled(slopes(last, f64[4, 3], f64[T, 4, 3], f64[3, 3]))
    forward, backward = (node for node in graph.nodes() if isinstance(node.op.lowering, Loop))
    (kept,), (read,) = (
        [node for node in loop["body"].nodes() if node.op.name == "cond"]
        for loop in (forward, backward)
    )
    for name in ("then", "otherwise"):
        inside = [node.op.name for node in read[name].nodes()]
        assert not {*FUNCTIONS, "sin"} & set(inside)
    assert len(kept["then"].results) == len(kept["otherwise"].results)


# -- further orders -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 4])
def test_second_and_third_derivatives_are_those_of_the_steps_written_out(length: int) -> None:
    def looped(h: Any, x: Any, w: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            after = tanh(c @ w) * sin(row)
            return after, exp(after.sum())

        last, rows = scan(step, h, x)
        return (last * last).sum() + rows.sum()

    def steps(h: Any, x: Any, w: Any) -> Any:
        total = call("zeros", (), f64)
        for number in range(length):
            h = tanh(h @ w) * sin(x[number])
            total = total + exp(h.sum())
        return (h * h).sum() + total

    def third(f: Callable[..., Any]) -> Callable[..., Any]:
        def along(f: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *given: sum(
                (one * one).sum() for one in transforms.grad(f, argnums=(0, 1, 2))(*given)
            )

        return transforms.grad(along(along(f)), argnums=(0, 1, 2))

    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=shape) * 0.5 for shape in ((3,), (length, 3), (3, 3))]
    loop, _ = trace(third(looped), f64[3], f64[T, 3], f64[3, 3], name="third")
    out, _ = trace(third(steps), f64[3], f64[length, 3], f64[3, 3], name="third")
    tidied = tidy_control_flow(loop, SourceMap(), unroll=0)
    verify(tidied)
    expected = evaluate(out, arrays)[0]
    found = evaluate(loop, arrays)[0]
    assert all(same_bits(a, b) for a, b in zip(found, evaluate(tidied, arrays)[0], strict=True))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
