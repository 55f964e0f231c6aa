"""Batching is a loop over the parts: every op, loops and branches, and their gradients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from graphc import transforms
from graphc.errors import GraphcError
from graphc.frontend.tracing.control_flow import while_loop
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Op, Sample, registry
from graphc.ir.ops.creation.constants import ones_like
from graphc.ir.ops.random.generator import random_bits
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.types import TensorType
from graphc.passes import autodiff
from graphc.passes.batch import batched
from tests.loops import GRAPHS
from tests.surface_calls import DOMAINS, NAMES, calls_of
from tests.values import random_array

Array = np.ndarray[Any, Any]
SIZE = len(DOMAINS)

# Tried by themselves, or as a part of others.
WITHOUT_SAMPLES = {"input", "project", "scan", "while_loop", "cond"}
OPS = [op for op in registry.values() if op.name not in WITHOUT_SAMPLES]


def require_a_loop(
    inputs: Sequence[Node], roots: Sequence[Node], moving: Sequence[Node], arrays: Sequence[Array]
) -> None:
    """Whether the batched roots are what a loop over the parts of the `moving` inputs gives."""
    stands = {
        one: graph_input(f"batched {one['name']}", one.dtype, (SIZE, *one.shape)) for one in moving
    }
    found = batched(roots, stands, SIZE)
    graph = Graph("batched", tuple(stands.get(one, one) for one in inputs), (), found)
    results, _ = evaluate(graph, arrays)
    plain = Graph("plain", tuple(inputs), (), tuple(roots))
    for part in range(SIZE):
        given = [
            array[part] if one in stands else array
            for one, array in zip(inputs, arrays, strict=True)
        ]
        expected, _ = evaluate(plain, given)
        for whole, one in zip(results, expected, strict=True):
            require_close(np.asarray(whole)[part], np.asarray(one))


def require_close(found: Array, expected: Array) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    dtype = dtypes.from_numpy(expected.dtype)
    if not dtype.precision:
        assert np.array_equal(found, expected)
        return
    wide = np.complex128 if dtype.kind == "complex" else np.float64
    near = 32 * dtype.epsilon
    np.testing.assert_allclose(found.astype(wide), expected.astype(wide), rtol=near, atol=near)


def choices(count: int) -> list[tuple[int, ...]]:
    """All operands with the axis, and each alone."""
    alone = [(number,) for number in range(count)]
    return [tuple(range(count)), *(alone if count > 1 else ())]


def samples_of(op: Op) -> list[Sample]:
    """One sample of each kind of dtype for each shape and attributes."""
    found: dict[Any, Sample] = {}
    for sample in op.samples():
        shapes = tuple(one.shape for one in sample.operands)
        kinds = tuple(one.dtype.kind for one in sample.operands)
        texts = sorted((name, repr(value)) for name, value in sample.attributes.items())
        found.setdefault((shapes, kinds, tuple(texts)), sample)
    return list(found.values())


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op(op: Op) -> None:
    rng = np.random.default_rng(0)
    samples = samples_of(op)
    assert samples
    for sample in samples:
        inputs = [
            graph_input(f"x{number}", one.dtype, one.shape)
            for number, one in enumerate(sample.operands)
        ]
        roots = projections(op(*inputs, **sample.attributes))
        for moving in choices(len(inputs)) if inputs else ():
            arrays = [
                random_array(
                    TensorType(one.dtype, (SIZE, *one.shape) if number in moving else one.shape),
                    rng,
                    domain=sample.domain,
                    special=False,
                )
                for number, one in enumerate(inputs)
            ]
            require_a_loop(inputs, roots, [inputs[number] for number in moving], arrays)


def loop_case(name: str) -> tuple[list[Node], list[Node]]:
    """The inputs and results of a graph with loops, five long, and gradients of some."""
    graph = GRAPHS[name]
    return list(graph.inputs), [*graph.results, *slopes(graph)]


def slopes(graph: Graph) -> list[Node]:
    """The gradients of the sum of all results, of those that have derivatives."""
    floats = [one for one in graph.inputs if one.dtype.precision]
    outputs = [one for one in graph.results if one.dtype.precision]
    try:
        return autodiff.vjp(outputs, floats, [ones_like(one) for one in outputs])
    except GraphcError as error:
        assert error.code == "no-gradient"
        return []


@pytest.mark.parametrize("name", GRAPHS)
def test_loops_branches_and_their_gradients(name: str) -> None:
    inputs, roots = loop_case(name)
    rng = np.random.default_rng(1)
    for count in range(1, len(inputs) + 1):
        for moving in itertools.combinations(inputs, count):
            arrays = []
            for one in inputs:
                shape = tuple(5 if isinstance(size, dims.Dim) else size for size in one.shape)
                whole = (SIZE, *shape) if one in moving else shape
                arrays.append(random_array(TensorType(one.dtype, whole), rng, special=False))
            require_a_loop(inputs, roots, moving, arrays)


@pytest.mark.parametrize("name", NAMES)
def test_every_function(name: str) -> None:
    for one in calls_of(name):
        graph = one.graph()
        parts = [one.arrays(domain) for domain in DOMAINS]
        arrays = [np.stack(values) for values in zip(*parts, strict=True)]
        if arrays:
            with np.errstate(all="ignore"):
                roots = [*graph.results, *slopes(graph)]
                require_a_loop(graph.inputs, roots, graph.inputs, arrays)


def run(function: Any, *arrays: Array) -> Any:
    graph, _ = trace(function, *arrays)
    return evaluate(graph, list(arrays))[0][0]


def test_a_product_with_one_matrix_stays_one_product() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 5))
    rows = np.random.default_rng(1).standard_normal((6, 3, 4))
    for function, expected in (
        (lambda x: x @ weights, rows @ weights),
        (lambda x: weights.T @ call("matrix_transpose", x), weights.T @ rows.swapaxes(1, 2)),
        (lambda x: x[0] @ weights, rows[:, 0] @ weights),
        (lambda x: weights.T @ x[0], rows[:, 0] @ weights),
    ):
        graph, _ = trace(transforms.vmap(function), rows)
        (product,) = [node for node in graph.nodes() if node.op.name == "matmul"]
        assert len(product.shape) == 2
        assert np.allclose(evaluate(graph, [rows])[0][0], expected)


def test_each_seed_draws_what_it_draws_alone() -> None:
    seeds = np.array([3, 2**63, 3], np.uint64)
    draw = lambda seed: Tensor(random_bits(seed.node, stream=5, shape=(2, 3)))  # noqa: E731
    found = run(transforms.vmap(draw), seeds)
    assert np.array_equal(found, [run(draw, np.asarray(seed)) for seed in seeds])
    assert not np.array_equal(found[0], found[1])


def test_gradients_of_ones_own_stay_when_batches_are_differentiated() -> None:
    own = transforms.custom_gradient(lambda x, y, value, g: (g * y, 7 * g))(lambda x, y: x * y)
    x, y = np.arange(4.0), np.asarray(3.0)
    total = lambda x, y: transforms.vmap(own, in_axes=(0, None))(x, y).sum()  # noqa: E731
    assert np.array_equal(run(transforms.grad(total), x, y), np.full(4, 3.0))
    assert run(transforms.grad(total, argnums=1), x, y) == 28.0


@pytest.mark.parametrize("order", ["vmap of grad", "grad of vmap"])
def test_loops_inside_both_transforms(order: str) -> None:
    def power(x: Any, n: Any) -> Any:
        """x to the power n, by a loop whose number of steps differs between the parts."""
        start = (call("ones_like", x), n * 0)
        return while_loop(
            lambda carry: carry[1] < n,
            lambda carry: (carry[0] * x, carry[1] + 1),
            start,
            max_steps=8,
        )[0]

    x, n = np.array([0.5, 2.0, -1.5, 3.0]), np.array([0, 3, 5, 2], np.int32)
    if order == "vmap of grad":
        found = run(transforms.vmap(transforms.grad(power)), x, n)
    else:
        found = run(transforms.grad(lambda x, n: transforms.vmap(power)(x, n).sum()), x, n)
    assert np.allclose(found, n * x ** np.maximum(n - 1, 0))
