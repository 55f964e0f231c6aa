"""Derivatives of high order where an operand is 0, which a quotient or a magnitude may lose."""

from __future__ import annotations

from collections.abc import Callable
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
    return gc.grad(lambda x: gc.sum(gc.hessian(function)(x) * np.outer(WEIGHTS, WEIGHTS)))


@pytest.mark.parametrize("name", NORMS)
@settings(max_examples=8, deadline=None)
@given(x=st.lists(st.integers(-3, 3), min_size=4, max_size=4).filter(any))
def test_norms_have_their_derivatives_where_elements_are_zero(name: str, x: list[int]) -> None:
    function, formula = NORMS[name]
    place = np.array(x, np.float64)
    for derived in (gc.hessian, of_third_order):
        np.testing.assert_allclose(
            derived(function)(place), derived(formula)(place), rtol=1e-9, atol=1e-9
        )


def test_the_hessian_of_a_norm_is_that_of_the_formula() -> None:
    x = np.array([3.0, 0.0, 4.0])
    expected = (np.eye(3) - np.outer(x, x) / 25) / 5
    np.testing.assert_allclose(gc.hessian(gc.vector_norm)(x), expected, atol=1e-15)
