"""Histograms against NumPy: counts, weights, densities, edges; samples that count nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphcError

RNG = np.random.default_rng(5)
X, W = RNG.normal(size=(6, 7)), RNG.uniform(size=(6, 7))
POINTS = RNG.normal(size=(40, 3))

LINES: list[tuple[Any, Any]] = [
    (10, None),
    (1, None),
    (7, (-1.0, 1.5)),
    (3, (2.0, 2.0)),
    ([-1.0, 0.0, 0.25, 3.0], None),
]


@pytest.mark.parametrize(("bins", "line"), LINES, ids=str)
@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("weights", [None, W], ids=["counts", "weights"])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_histograms_are_those_of_numpy(bins: Any, line: Any, density: bool, weights: Any) -> None:
    found = gc.histogram(X, bins, line, weights, density)
    expected = np.histogram(X, bins, line, density, weights)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_allclose(gc.histogram_bin_edges(X, bins, line), expected[1], rtol=1e-14)


def test_edges_belong_to_the_interval_above_but_the_last() -> None:
    x = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 3.0, np.nan, -1e-9, 3.0000001, np.inf, -np.inf])
    found = gc.histogram(x, 3, (0.0, 3.0)).hist
    np.testing.assert_array_equal(found, [1, 2, 3])
    np.testing.assert_array_equal(gc.histogram(np.array([1, 2, 2, 9]), np.array([1, 2, 3])).hist,
                                  [1, 2])  # fmt: skip


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize(
    ("bins", "lines"),
    [
        (4, None),
        ((2, 3, 4), ((-1.0, 1.0), None, (0.0, 2.0))),
        (([-1.0, 0.0, 2.0], 3, [0.0, 0.5, 1.0]), None),
    ],
)
def test_histograms_of_points_are_those_of_numpy(bins: Any, lines: Any, density: bool) -> None:
    weights = RNG.uniform(size=40)
    found, edges = gc.histogramdd(POINTS, bins, lines, weights, density)
    expected, lines_of = np.histogramdd(POINTS, bins, lines, density, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for one, other in zip(edges, lines_of, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_range_may_list_what_is_in_its_pairs() -> None:
    flat, pairs = [-1.0, 1.0, 0.0, 2.0], [(-1.0, 1.0), (0.0, 2.0)]
    x, y = POINTS[:, 0], POINTS[:, 1]
    found, *edges = gc.histogram2d(x, y, (2, 3), flat)
    expected, *lines = np.histogram2d(x, y, (2, 3), pairs)
    np.testing.assert_array_equal(found, expected)
    for one, other in zip(edges, lines, strict=True):
        np.testing.assert_allclose(one, other)


def test_parts_of_a_single_value_lie_around_it() -> None:
    np.testing.assert_array_equal(gc.histc(np.full(5, 2.0), 4), [0, 0, 5, 0])
    np.testing.assert_array_equal(gc.histc(np.array([0.0, 1.0, 4.0]), 2), [2, 1])


@pytest.mark.parametrize(
    "refused",
    [
        lambda: gc.histogram(X, 0),
        lambda: gc.histogram(X, 1 << 30),
        lambda: gc.histogram(X, 4, (1.0, 0.0)),
        lambda: gc.histogram(X, 4, (0.0, np.inf)),
        lambda: gc.histogram(X, 4, (0.0,)),
        lambda: gc.histogram(X, [1.0]),
        lambda: gc.histogram(X.astype(int), 4),
        lambda: gc.histogram(X, 4, weights=W[0]),
        lambda: gc.histogram(np.zeros((0,)), 4),
        lambda: gc.histogramdd(POINTS, (3, 3)),
        lambda: gc.histogramdd(POINTS, 3, ((0.0, 1.0),)),
        lambda: gc.histogramdd(POINTS, 1 << 10),
        lambda: gc.histogram2d(X, W[0], 3),
        lambda: gc.histc(X, 4, 2.0, 1.0),
    ],
)
def test_what_makes_no_sense_is_refused(refused: Any) -> None:
    with pytest.raises(GraphcError):
        refused()
