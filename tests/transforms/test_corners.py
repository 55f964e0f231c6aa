"""Derivatives at kinks, ties, poles and zeros, by the table of `tests/corners.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.corners import CORNERS, Corner

Array = np.ndarray[Any, Any]


def operands_of(corner: Corner) -> list[Array]:
    return [np.asarray(one, np.float64) for one in corner.operands]


def slopes_of(corner: Corner) -> Callable[..., tuple[Array, ...]]:
    places = tuple(range(len(corner.operands)))
    derived: Callable[..., tuple[Array, ...]] = gc.grad(
        lambda *x: corner.call(gc, *x), argnums=places
    )
    return derived


@pytest.mark.parametrize("corner", CORNERS.values(), ids=list(CORNERS))
def test_first_derivatives_are_those_of_the_table(corner: Corner) -> None:
    found = slopes_of(corner)(*operands_of(corner))
    for one, expected in zip(found, corner.slopes, strict=True):
        np.testing.assert_allclose(one, np.asarray(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("corner", CORNERS.values(), ids=list(CORNERS))
def test_second_derivatives_are_numbers_where_they_are_said_to_be(corner: Corner) -> None:
    operands = operands_of(corner)
    places = tuple(range(len(operands)))

    def total(*x: Any) -> Any:
        return sum(gc.sum(one) for one in slopes_of(corner)(*x))

    second = gc.grad(total, argnums=places)(*operands)
    assert all(np.isfinite(one).all() for one in second) == corner.second, second


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_every_device_has_the_derivatives_of_the_table(device: str) -> None:
    corners = list(CORNERS.values())
    flat = [one for corner in corners for one in operands_of(corner)]

    def slopes(*x: Any) -> Any:
        left, found = list(x), []
        for corner in corners:
            mine, left = left[: len(corner.operands)], left[len(corner.operands) :]
            found.extend(slopes_of(corner)(*mine))
        return tuple(found)

    found = gc.function(slopes, device=device)(*flat)
    expected = [one for corner in corners for one in corner.slopes]
    for one, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, np.asarray(exact), rtol=1e-9, atol=1e-12)
