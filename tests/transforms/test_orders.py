"""Derivatives of high order against formulas, and whole Hessians against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import transforms as gc
from graphc.frontend.tracing.control_flow import scan, while_loop
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir.evaluate import evaluate

Array = np.ndarray[Any, Any]


def run(function: Callable[..., Any], *arrays: Any) -> Array:
    given = [np.asarray(one) for one in arrays]
    graph, _ = trace(function, *given)
    return np.asarray(evaluate(graph, given)[0][0])


def derivative(function: Callable[..., Any], order: int) -> Callable[..., Any]:
    for _ in range(order):
        function = gc.grad(function)
    return function


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def powered(x: Any) -> Any:
    """x**5, by a loop of four steps."""
    return scan(lambda c, _: (c * x, None), x, length=4)[0]


def doubled(x: Any) -> Any:
    """x * x * 2**k for the first k with x * 2**k >= 10, which is 4 at 0.7."""
    return while_loop(lambda c: c < 10, lambda c: c * 2, x, max_steps=20) * x


X = 0.7
S = sigmoid(X)
T = np.tanh(X)

THIRD: dict[str, tuple[Callable[[Any], Any], float]] = {
    "exp": (lambda x: call("exp", x), np.exp(X)),
    "sin": (lambda x: call("sin", x), -np.cos(X)),
    "log": (lambda x: call("log", x), 2 / X**3),
    "tanh": (lambda x: call("tanh", x), -2 * (1 - T**2) * (1 - 3 * T**2)),
    "sigmoid": (lambda x: call("sigmoid", x), S * (1 - S) * (1 - 6 * S + 6 * S**2)),
    "reciprocal": (lambda x: 1 / x, -6 / X**4),
    "sqrt": (lambda x: call("sqrt", x), 3 / 8 * X**-2.5),
    "erf": (lambda x: call("erf", x), 4 * (2 * X**2 - 1) * np.exp(-(X**2)) / np.sqrt(np.pi)),
    "power": (lambda x: x**4, 24 * X),
    "loop": (powered, 60 * X**2),
    "loop that stops early": (lambda x: doubled(x) * x, 6 * 16),
}


@pytest.mark.parametrize("name", THIRD)
def test_third_derivatives_are_those_of_the_formula(name: str) -> None:
    function, expected = THIRD[name]
    assert float(run(derivative(function, 3), X)) == pytest.approx(expected, rel=1e-11)


def test_fourth_derivatives_pass_through_jacobians_of_both_modes() -> None:
    def function(x: Any) -> Any:
        return gc.hessian(gc.hessian(lambda y: call("exp", y * 2)))(x)

    assert float(run(function, X)) == pytest.approx(16 * np.exp(2 * X), rel=1e-12)


# -- a classifier's loss --------------------------------------------------------------------------

INPUTS, HIDDEN, CLASSES = 5, 4, 3
SIZES = (INPUTS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES)
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(6, INPUTS)), RNG.integers(0, CLASSES, 6)
WEIGHTS = RNG.normal(size=sum(SIZES)) * 0.5


def loss(weights: Any) -> Any:
    """Cross entropy of two linear layers with gelu between them, as in examples/digits."""
    w1, b1, w2, b2 = call("split", weights, SIZES)
    hidden = call("gelu", IMAGES @ call("reshape", w1, INPUTS, HIDDEN) + b1)
    return call("cross_entropy", hidden @ call("reshape", w2, HIDDEN, CLASSES) + b2, LABELS)


def test_the_hessian_of_a_classifier_is_that_of_differences_of_gradients() -> None:
    found = run(gc.hessian(loss), WEIGHTS)
    step = 1e-5
    graph, _ = trace(gc.grad(loss), WEIGHTS)
    columns = []
    for direction in np.eye(WEIGHTS.size) * step:
        ahead, behind = (
            evaluate(graph, [at])[0][0] for at in (WEIGHTS + direction, WEIGHTS - direction)
        )
        columns.append((ahead - behind) / (2 * step))
    np.testing.assert_allclose(found, np.stack(columns, axis=1), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found, found.T, rtol=1e-12, atol=1e-14)


def test_vmap_of_gradients_is_a_loop_through_loops_and_losses() -> None:
    many = RNG.normal(size=(3, WEIGHTS.size))
    expected = np.stack([run(gc.grad(loss), one) for one in many])
    np.testing.assert_allclose(run(gc.vmap(gc.grad(loss)), many), expected, rtol=1e-11, atol=1e-13)


def test_vmap_of_the_hessian_is_a_loop() -> None:
    def small(x: Any) -> Any:
        return (call("softmax", x) * call("tanh", x)).sum()

    many = RNG.normal(size=(3, 4))
    expected = np.stack([run(gc.hessian(small), one) for one in many])
    np.testing.assert_allclose(run(gc.vmap(gc.hessian(small)), many), expected, atol=1e-13)
