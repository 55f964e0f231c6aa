"""`checkpoint`: less memory, the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import transforms
from graphc.compiler import compile_for
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.graph import Unit
from graphc.passes.tables import lift_tables

DEPTH, ROWS, WIDTH = 12, 256, 16


def block(x: Any, *weights: Any) -> Any:
    for weight in weights:
        x = gc.tanh(gc.gelu(x @ weight))
    return x


def chain(part: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients of a chain of twelve layers, in parts of three."""

    def loss(x: Any, weights: Any) -> Any:
        for first in range(0, DEPTH, 3):
            x = part(x, *weights[first : first + 3])
        return (x * x).sum()

    return transforms.grad(loss, argnums=(0, 1))


def unit_of(function: Callable[..., Any], rows: Any = ROWS) -> Unit:
    types = gc.f32[rows, WIDTH], [gc.f32[WIDTH, WIDTH]] * DEPTH
    return build_unit({"main": gc.Export(function, types)})


def arena(unit: Unit, target: str) -> int:
    program = compile_for(lift_tables(unit), target).program
    return program.memory("main", {})["arena"]


@pytest.mark.parametrize("rows", [ROWS, gc.dim("B", 0, ROWS), gc.dim("C", 1, ROWS)], ids=str)
@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_deep_chain_needs_less_memory(target: str, rows: Any) -> None:
    plain = arena(unit_of(chain(block), rows), target)
    less = arena(unit_of(chain(gc.checkpoint(block)), rows), target)
    kept = ROWS * WIDTH * 4
    assert plain >= DEPTH * kept
    assert less <= plain - DEPTH // 2 * kept


class Deep(gc.nn.Module):
    """Twelve layers, of which three at a time may be computed again."""

    def __init__(self, transform: Callable[..., Any]) -> None:
        self.layers = [gc.nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)]
        self.transform = transform

    def forward(self, x: gc.f32["B", WIDTH]) -> Any:
        for first in range(0, DEPTH, 3):
            x = self.transform(lambda h, first=first: self.part(h, first))(x)
        return x

    def part(self, x: Any, first: int) -> Any:
        for layer in self.layers[first : first + 3]:
            x = gc.gelu(layer(x))
        return x


def test_a_training_step_of_a_model_needs_less_memory_for_the_same_weights() -> None:
    def loss(net: Deep, x: gc.f32["B", WIDTH]) -> Any:
        return (net(x) ** 2).mean()

    plain, less = (
        gc.compile({"train": gc.train_step(Deep(one), loss, gc.optim.adamw())}, device="cpu")
        for one in (lambda part: part, gc.checkpoint)
    )
    x = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
    for _ in range(2):
        assert plain.train(x) == less.train(x)
    for name, value in plain.state_dict().items():
        assert np.array_equal(value, less.state_dict()[name])
    memory = [one.memory("train", B=ROWS)["arena"] for one in (plain, less)]
    assert memory[1] < 0.45 * memory[0]


@pytest.mark.parametrize("device", ["cpu", "reference", "sim"])
def test_gradients_have_the_same_bits(device: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, WIDTH)).astype(np.float32)
    weights = [rng.standard_normal((WIDTH, WIDTH)).astype(np.float32) for _ in range(DEPTH)]
    plain, less = (
        gc.load_file(gc.build(unit_of(chain(one), 7)).file, device).main(x, *weights)
        for one in (block, gc.checkpoint(block))
    )
    assert len(plain) == DEPTH + 1
    for one, other in zip(plain, less, strict=True):
        assert np.array_equal(one, other) and np.any(one)


def evaluated(function: Any, *arrays: Any) -> Any:
    return gc.function(function, device="reference")(*arrays)


X = np.linspace(-1, 1, 5)


def test_captured_tensors_and_several_results_have_gradients() -> None:
    def f(part: Any) -> Any:
        def total(x: Any, scale: Any) -> Any:
            hidden = gc.exp(scale)
            one, tree = part(lambda y: (gc.sin(y * hidden), {"b": y * y}))(x)
            return (one * tree["b"] + hidden).sum()

        return transforms.grad(total, argnums=(0, 1))

    plain = evaluated(f(lambda g: g), X, X[::-1].copy())
    less = evaluated(f(gc.checkpoint), X, X[::-1].copy())
    for one, other in zip(plain, less, strict=True):
        assert np.array_equal(one, other)


def test_higher_derivatives_nesting_and_batches() -> None:
    plain = lambda x: gc.sin(gc.exp(x)).sum()  # noqa: E731
    nested = gc.checkpoint(lambda x: gc.checkpoint(lambda y: gc.sin(gc.exp(y)))(x).sum())
    for transform in (gc.hessian, gc.jacfwd, lambda f: gc.vmap(gc.grad(f), in_axes=0)):
        given = np.stack([X, 2 * X]) if transform not in (gc.hessian, gc.jacfwd) else X
        assert np.allclose(transform(plain)(given), transform(nested)(given), rtol=1e-12)


def test_what_depends_on_no_argument_keeps_its_gradient() -> None:
    found = evaluated(transforms.grad(lambda x: gc.checkpoint(lambda: gc.exp(x))().sum()), X)
    assert np.array_equal(found, np.exp(X))


def test_whole_numbers_pass_and_state_is_updated() -> None:
    class Counting(gc.nn.Module):
        def __init__(self) -> None:
            self.weight = Parameter(5, gc.f64)
            self.dropout = gc.nn.Dropout(0.5)

        def forward(self, x):
            hidden, places = gc.checkpoint(
                lambda y: (self.dropout(gc.exp(y * self.weight)), gc.argsort(y))
            )(x)
            return gc.take(hidden, places).sum()

    net = Counting()
    step = gc.train_step(net, lambda n, x: n(x), gc.optim.sgd(0.1), gc.f64[5])
    module = gc.compile({"train": step}, device="reference")
    values = {float(module.train(X)) for _ in range(8)}
    assert len(values) > 1
    assert np.any(module.state_dict()["weight"] != 0)
