"""Derivatives of high order where an operand is 0, which a quotient or a magnitude may lose."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc as gc

Array = np.ndarray[Any, Any]
Function = Callable[[Any], Any]

OTHER = np.array([1.0, 2.0, -2.0, 0.0])
WEIGHTS = np.array([0.5, -1.0, 2.0, 3.0])


def size(x: Any) -> Any:
    return gc.sqrt(gc.sum(x * x))


def along(name: str, **options: Any) -> Function:
    return lambda x: getattr(gc, name)(x, **options)


NORMS: dict[str, tuple[Function, Function]] = {
    "vector_norm": (gc.vector_norm, size),
    "vector_norm of order 4": (
        along("vector_norm", ord=4),
        lambda x: gc.sum(x * x * x * x) ** 0.25,
    ),
    "norm": (gc.norm, size),
    "matrix_norm": (lambda x: gc.matrix_norm(gc.reshape(x, 2, 2)), size),
    "normalize": (
        lambda x: gc.sum(gc.normalize(x, axis=0) * WEIGHTS),
        lambda x: gc.sum(x * WEIGHTS) / size(x),
    ),
    "cosine_similarity": (
        lambda x: gc.cosine_similarity(x, OTHER, axis=0),
        lambda x: gc.sum(x * OTHER) / (size(x) * 3.0),
    ),
    "pairwise_distance": (
        lambda x: gc.pairwise_distance(x + OTHER, OTHER, eps=0.0),
        size,
    ),
    "dist": (lambda x: gc.dist(x + OTHER, OTHER), size),
    "cdist": (
        lambda x: gc.sum(gc.cdist(gc.reshape(x, 1, 4), np.zeros((1, 4)))),
        size,
    ),
}
"""Each with a formula of it that has no magnitude."""


def of_third_order(function: Function) -> Function:
    weights = np.outer(WEIGHTS, WEIGHTS)
    derived: Function = gc.grad(lambda x: gc.sum(gc.hessian(function)(x) * weights))
    return derived


@cache
def derivatives(name: str) -> list[tuple[Function, Function]]:
    """Those of a norm, and those of its formula: compiled once for all places."""
    function, formula = NORMS[name]
    return [(derived(function), derived(formula)) for derived in (gc.hessian, of_third_order)]


@pytest.mark.parametrize("name", NORMS)
@settings(max_examples=8, deadline=None)
@given(x=st.lists(st.integers(-3, 3), min_size=4, max_size=4).filter(any))
def test_norms_have_their_derivatives_where_elements_are_zero(name: str, x: list[int]) -> None:
    place = np.array(x, np.float64)
    for found, expected in derivatives(name):
        np.testing.assert_allclose(found(place), expected(place), rtol=1e-9, atol=1e-9)


def test_the_hessian_of_a_norm_is_that_of_the_formula() -> None:
    x = np.array([3.0, 0.0, 4.0])
    expected = (np.eye(3) - np.outer(x, x) / 25) / 5
    np.testing.assert_allclose(gc.hessian(gc.vector_norm)(x), expected, atol=1e-15)


def sinc_derivative(x: float, order: int) -> float:
    """The integral of cos(pi x s) from s = 0 to 1, its derivative by x under the integral."""
    roots, weights = np.polynomial.legendre.leggauss(60)
    s = (roots + 1) / 2
    values = (np.pi * s) ** order * np.cos(np.pi * s * x + order * np.pi / 2)
    return float((weights * values).sum() / 2)


@cache
def derived_sinc(order: int) -> Function:
    """The derivative of an order: compiled once for all places."""
    return gc.grad(derived_sinc(order - 1)) if order else gc.sinc


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-40, 1e-6, -1e-4, 0.3, -0.63, 0.64, 1.0, 2.5])
def test_sinc_has_its_derivatives_near_zero(x: float, order: int) -> None:
    for dtype, error in ((np.float64, 1e-12), (np.float32, 1e-5)):
        place = np.asarray(x, dtype)
        expected = sinc_derivative(float(place), order)
        np.testing.assert_allclose(derived_sinc(order)(place), expected, rtol=error, atol=error)


def test_a_power_of_zero_changes_its_slope_with_the_exponent() -> None:
    mixed = gc.grad(gc.grad(lambda x, y: x**y, argnums=1), argnums=0)
    other = gc.grad(gc.grad(lambda x, y: x**y, argnums=0), argnums=1)
    for derived in (mixed, other):
        np.testing.assert_allclose(derived(np.array(2.0), np.array(0.0)), 0.5)
