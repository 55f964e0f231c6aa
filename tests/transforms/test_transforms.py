"""Transforms of functions: derivatives against finite differences, batching, nesting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc import transforms as gc
from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.control_flow import scan
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate

Array = np.ndarray[Any, Any]
X = np.linspace(0.1, 1.0, 5)
A = np.random.default_rng(0).standard_normal((3, 5))
ROWS = np.random.default_rng(1).standard_normal((12, 5))

SMOOTH = {
    "sin": np.sin,
    "tanh": np.tanh,
    "exp": np.exp,
    "softmax": None,
    "layer_norm": None,
    "logsumexp": None,
}


def run(function: Any, *arrays: Array) -> Array:
    graph, _ = trace(function, *arrays)
    return evaluate(graph, list(arrays))[0][0]


def total(name: str) -> Any:
    return lambda x: (call(name, x) * call(name, x * x)).sum()


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_three_orders_agree_with_finite_differences(name: str, order: int) -> None:
    function = total(name)
    for _ in range(order - 1):
        inner = gc.grad(function)
        function = lambda x, inner=inner: (inner(x) * (1.0 + x)).sum()  # noqa: E731
    direction, step = np.cos(np.arange(5.0)), 1e-5
    difference = (run(function, X + step * direction) - run(function, X - step * direction)) / (
        2 * step
    )
    assert np.allclose(run(gc.grad(function), X) @ direction, difference, rtol=1e-6, atol=1e-7)


def test_jacobians_of_both_modes_and_products_agree() -> None:
    def f(x: Any) -> Any:
        return call("tanh", A @ x)

    expected = (1 - np.tanh(A @ X) ** 2)[:, None] * A
    assert np.allclose(run(gc.jacobian(f), X), expected)
    assert np.allclose(run(gc.jacfwd(f), X), expected)
    assert np.allclose(run(lambda x: gc.jvp(f, (x,), (x,))[1], X), expected @ X)
    assert np.allclose(run(lambda x: gc.vjp(f, x)[1](np.ones(3))[0], X), np.ones(3) @ expected)


def test_the_hessian_of_a_cube_is_diagonal() -> None:
    assert np.allclose(run(gc.hessian(lambda x: (x * x * x).sum()), X), np.diag(6 * X))


def test_matrices_of_derivatives_go_through_loops() -> None:
    """The network's matrix is the product of those of its steps."""
    weights = np.random.default_rng(2).standard_normal((5, 5)) / 3

    def steps(x: Any) -> Any:
        return scan(lambda h, row: (call("tanh", weights @ h + row), None), x, ROWS + 0 * x)[0]

    h, expected = X, np.eye(5)
    for row in ROWS:
        h = np.tanh(weights @ h + row)
        expected = (1 - h**2)[:, None] * weights @ expected
    assert np.allclose(run(gc.jacobian(steps), X), expected)
    assert np.allclose(run(gc.jacfwd(steps), X), expected)
    hessian = run(gc.hessian(lambda x: (steps(x) ** 2).sum()), X)
    assert np.allclose(hessian, hessian.T) and np.any(hessian)


@pytest.mark.parametrize("name", SMOOTH)
def test_vmap_of_grad_is_a_loop(name: str) -> None:
    rows = np.random.default_rng(1).uniform(0.1, 1, (4, 5))
    loop = np.stack([run(gc.grad(total(name)), row) for row in rows])
    assert np.allclose(run(gc.vmap(gc.grad(total(name))), rows), loop)
    # Along another axis, and put there again.
    other = gc.vmap(gc.grad(total(name)), in_axes=1, out_axes=1)
    assert np.allclose(run(other, rows.T.copy()), loop.T)


def test_nested_gradients_keep_their_variables_apart() -> None:
    def f(x: Any) -> Any:
        return (x * gc.grad(lambda y: (x * y).sum())(x)).sum()

    assert np.allclose(run(gc.grad(f), X), 2 * X)


def test_a_gradient_of_ones_own_is_used_and_may_capture() -> None:
    def f(x: Any, scale: Any) -> Any:
        own = gc.custom_gradient(lambda x, value, g: 3 * g * x * scale)(lambda x: x * x)
        return own(x).sum()

    assert np.allclose(run(gc.grad(f), X, X), 3 * X * X)
    assert np.allclose(run(gc.grad(lambda x, s: gc.grad(f)(x, s).sum()), X, X), 3 * X)


def test_a_gradient_of_ones_own_is_of_several_results() -> None:
    """The value and its gradient have the containers of the result, None where there is none."""
    seen: list[Any] = []

    def slope(x: Any, y: Any, value: Any, g: Any) -> Any:
        seen.append((value, g))
        ahead = g["sum"] + g["parts"][0] * y
        return ahead, 5 * value["sum"] * g["sum"]

    @gc.custom_gradient(slope)
    def both(x: Any, y: Any) -> Any:
        return {"sum": x + y, "parts": (x * y, (x > y).astype(np.int32))}

    def f(x: Any, y: Any) -> Any:
        found = both(x, y)
        assert found["parts"][1].dtype is dtypes.i32
        return (found["sum"] * found["parts"][0]).sum()

    y = X[::-1].copy()
    by_x, by_y = (run(gc.grad(f, argnums=place), X, y) for place in (0, 1))
    assert np.allclose(by_x, X * y + (X + y) * y) and np.allclose(by_y, 5 * (X + y) * X * y)
    value, g = seen[0]
    assert value["parts"][1].dtype is dtypes.i32
    assert list(g) == ["sum", "parts"] and g["parts"][1] is None
    # Of what is not used the gradient is zero.
    one = lambda x, y: (both(x, y)["parts"][0] ** 2).sum()  # noqa: E731
    assert np.allclose(run(gc.grad(one), X, y), 2 * X * y * y)
    # What is said is differentiated itself, and batched.
    second = run(gc.grad(lambda x, y: gc.grad(one)(x, y).sum()), X, y)
    assert np.allclose(second, 2 * y**2)
    pushed = run(lambda x, y: gc.jvp(lambda x: both(x, y), (x,), (x,))[1]["parts"][0], X, y)
    assert np.allclose(pushed, X * y)
    assert np.allclose(run(gc.vmap(gc.grad(one)), X, y), 2 * X * y * y)
    same = run(gc.vmap(gc.grad(one), in_axes=(0, None)), X, np.asarray(2.0))
    assert np.allclose(same, 8 * X)


def test_gradients_have_the_containers_of_the_argument() -> None:
    found: list[Any] = []

    def f(x: Any) -> Any:
        tree = {"a": x, "b": [x, (x,)]}
        found.append(gc.grad(lambda t: (t["a"] * t["b"][0] * t["b"][1][0]).sum())(tree))
        return found[0]["b"][1][0]

    assert np.allclose(run(f, X), X * X)
    assert list(found[0]) == ["a", "b"] and isinstance(found[0]["b"][1], tuple)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda x: gc.grad(lambda y: y)(x), ShapeError),
        (lambda x: gc.grad(lambda y: y.sum())(x.astype(np.dtype("int32"))), DTypeError),
        (lambda x: gc.grad(lambda y: y.sum(), argnums=1)(x), UsageError),
        (lambda x: gc.grad(lambda y: (y.sum(), 1.0))(x), UsageError),
        (lambda x: gc.vmap(lambda y: y, in_axes=None)(x), UsageError),
        (lambda x: gc.vmap(lambda y: y, in_axes=2)(x), ShapeError),
        (lambda x: gc.vmap(lambda y, z: y, in_axes=(0, 0))(x, A), ShapeError),
    ],
)
def test_what_cannot_be_transformed_is_refused(function: Any, error: Any) -> None:
    with pytest.raises(error):
        trace(function, X)


@pytest.mark.parametrize("places", [([X], X), (X, [X]), (None, None)])
def test_what_a_jvp_is_given_is_a_list(places: tuple[Any, Any]) -> None:
    with pytest.raises(UsageError, match="give a list"):
        run(lambda x: gc.jvp(abs, *places)[1], X)
