"""Second derivatives of the loss of `examples/digits/mlp.gc`, at its first weights, in f64."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graphc.compiler import initial_state
from graphc.frontend.elaborate import elaborate
from graphc.ir.graph import Unit
from graphc.ir.node import Node
from graphc.library import library
from tests.values import evaluate_nodes

Array = np.ndarray[Any, Any]

FOLDER = Path(__file__).parent.parent.parent / "examples" / "digits"
NAMES = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
SHAPES = ((256, 64), (256,), (10, 256), (10,))

ARGUMENTS = "net: MLP, x: f32[B, 64], y: i32[B]"
DIRECTION = ", ".join(f"d{i}: f32{list(shape)}" for i, shape in enumerate(SHAPES))
ALONG = " + ".join(f'sum(slopes["{name}"] * d{i})' for i, name in enumerate(NAMES))


def parts(tree: str) -> str:
    return ", ".join(f'{tree}["{name}"]' for name in NAMES)


PROGRAM = f"""
from mlp import MLP, loss
dim B: 1..64

def gradient({ARGUMENTS}):
    slopes = grad(loss)(net, x, y)
    return {parts("slopes")}

def along({ARGUMENTS}, {DIRECTION}) -> f32[]:
    slopes = grad(loss)(net, x, y)
    return {ALONG}

def product({ARGUMENTS}, {DIRECTION}):
    second = grad(along)(net, x, y, d0, d1, d2, d3)
    return {parts("second")}

def rows({ARGUMENTS}):
    whole = hessian(loss)(net, x, y)
    return {parts('whole["fc2.bias"]')}

def square({ARGUMENTS}):
    return hessian(loss)(net, x, y)["fc2.weight"]["fc2.weight"]

export gradient = gradient
export product = product
export rows = rows
export square = square
"""

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.uniform(size=(5, 64)), RNG.integers(0, 10, 5).astype(np.int32)
DIRECTIONS = [RNG.normal(size=shape) for shape in SHAPES]
STEP = 1e-5


@cache
def unit() -> Unit:
    return elaborate(
        PROGRAM, "second.gc", library(), lambda path: (FOLDER / path).read_text(encoding="utf-8")
    )


@cache
def weights() -> tuple[Array, ...]:
    state = initial_state(unit(), 0)
    return tuple(state[name].astype(np.float64) for name in NAMES)


def evaluated(name: str, at: tuple[Array, ...], *more: Array) -> list[Array]:
    """The results of an export, all floats in f64, at some weights."""
    graph = unit().exports[name]
    values: dict[Node, Array] = dict(zip(graph.inputs, (IMAGES, LABELS, *more), strict=True))
    by_name = dict(zip(NAMES, at, strict=True))
    values |= {node: by_name[node["name"]] for node in graph.state}
    return evaluate_nodes(graph.results, values, {"B": len(LABELS)}, precise=True)


def slope_of_the_gradient(directions: list[Array]) -> list[Array]:
    """Central differences of all gradients along a direction of all weights."""
    ahead, behind = (
        evaluated(
            "gradient", tuple(w + step * d for w, d in zip(weights(), directions, strict=True))
        )
        for step in (STEP, -STEP)
    )
    return [(a - b) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)]


def only(number: int) -> list[Array]:
    """The direction with all other weights left alone."""
    return [d if i == number else np.zeros_like(d) for i, d in enumerate(DIRECTIONS)]


def test_products_of_the_hessian_with_a_direction_of_all_weights() -> None:
    found = evaluated("product", weights(), *DIRECTIONS)
    for one, expected in zip(found, slope_of_the_gradient(DIRECTIONS), strict=True):
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(one, expected, rtol=1e-6, atol=1e-8)


def test_rows_of_the_hessian_by_every_weight() -> None:
    blocks = evaluated("rows", weights())
    for number, block in enumerate(blocks):
        assert block.shape == (10, *SHAPES[number])
        found = np.tensordot(block, DIRECTIONS[number], block.ndim - 1)
        expected = slope_of_the_gradient(only(number))[3]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_the_square_of_the_last_weight() -> None:
    (found,) = evaluated("square", weights())
    matrix = found.reshape(2560, 2560)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
    product = matrix @ DIRECTIONS[2].reshape(-1)
    expected = slope_of_the_gradient(only(2))[2].reshape(-1)
    np.testing.assert_allclose(product, expected, rtol=1e-6, atol=1e-8)
