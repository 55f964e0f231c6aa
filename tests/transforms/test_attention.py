"""Rows of attention that see nothing: 0, with gradients that nothing poisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

Array = np.ndarray[Any, Any]

random = np.random.default_rng(5)
Q, K, V, WEIGHTS = (random.normal(size=(4, 3)) for _ in range(4))
SHOWN = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 1]], np.bool_)
ADDED = np.where(SHOWN, random.normal(size=(4, 4)), -np.inf)
SEEING = [0, 2, 3]


def loss(q: Any, k: Any, v: Any, mask: Any, weights: Any) -> Any:
    return gc.sum(gc.attention(q, k, v, mask) ** 2 * weights)


@pytest.mark.parametrize("mask", [SHOWN, ADDED], ids=["bool", "float"])
def test_a_row_that_sees_nothing_is_zero_and_moves_nothing(mask: Array) -> None:
    result = gc.attention(Q, K, V, mask)
    seeing = gc.attention(Q[SEEING], K, V, mask[SEEING])
    np.testing.assert_array_equal(result[1], np.zeros(3))
    np.testing.assert_allclose(result[SEEING], seeing, rtol=1e-12)

    found = gc.grad(loss, argnums=(0, 1, 2))(Q, K, V, mask, WEIGHTS)
    given = (Q[SEEING], K, V, mask[SEEING], WEIGHTS[SEEING])
    expected = gc.grad(loss, argnums=(0, 1, 2))(*given)
    np.testing.assert_array_equal(found[0][1], np.zeros(3))
    np.testing.assert_allclose(found[0][SEEING], expected[0], rtol=1e-10, atol=1e-14)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("mask", [SHOWN, ADDED], ids=["bool", "float"])
def test_second_derivatives_are_numbers_beside_a_row_that_sees_nothing(mask: Array) -> None:
    hessian = gc.hessian(lambda k: loss(Q, k, V, mask, WEIGHTS))(K)
    fewer = gc.hessian(lambda k: loss(Q[SEEING], k, V, mask[SEEING], WEIGHTS[SEEING]))(K)
    np.testing.assert_allclose(hessian, fewer, rtol=1e-9, atol=1e-12)


def test_positions_beyond_a_window_see_nothing() -> None:
    result = gc.attention(Q, K[:1], V[:1], window=2)
    np.testing.assert_allclose(result, [V[0], V[0], [0, 0, 0], [0, 0, 0]], rtol=1e-12)


def heads(q: Any, k: Any, v: Any, hidden: Any, padding: Any, weight: Any) -> Any:
    return gc.multi_head_attention_forward(
        *(gc.unsqueeze(one, 1) for one in (q, k, v)),
        *(6, 2, gc.concat((weight, weight, weight)), None, None, None, False, 0.0, weight, None),
        key_padding_mask=padding,
        attn_mask=hidden,
    )


@pytest.mark.parametrize("is_added", [False, True], ids=["bool", "float"])
def test_a_row_of_several_heads_that_sees_nothing_is_zero_too(is_added: bool) -> None:
    q, k, v, weights, square = (random.normal(size=(n, 6)) for n in (4, 4, 4, 4, 6))
    padding = np.array([[False, True, False, False]])
    # What the padding leaves of the second row's keys, the mask hides.
    hidden = np.array([[0, 0, 1, 0], [1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0]], np.bool_)
    mask = np.where(hidden, -np.inf, 0.5) if is_added else hidden

    def total(q: Any, k: Any, v: Any, mask: Any, weights: Any) -> Any:
        result, shares = heads(q, k, v, mask, padding, square)
        return gc.sum(gc.squeeze(result, 1) ** 2 * weights) + gc.sum(shares**2)

    result, shares = heads(q, k, v, mask, padding, square)
    np.testing.assert_array_equal(result[1], np.zeros((1, 6)))
    np.testing.assert_array_equal(shares[0, 1], np.zeros(4))
    np.testing.assert_allclose(shares[0, SEEING].sum(-1), np.ones(3), rtol=1e-12)
    found = gc.grad(total, argnums=(0, 1, 2))(q, k, v, mask, weights)
    given = (q[SEEING], k, v, mask[SEEING], weights[SEEING])
    expected = gc.grad(total, argnums=(0, 1, 2))(*given)
    np.testing.assert_array_equal(found[0][1], np.zeros(6))
    np.testing.assert_allclose(found[0][SEEING], expected[0], rtol=1e-10, atol=1e-14)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)
