"""Integrals, interpolation, histograms, distances, bags and grids against NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.ndimage
import scipy.spatial.distance

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input

F: Any = functions
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(9)
Y, X = RNG.normal(size=(4, 7)), np.cumsum(RNG.uniform(0.1, 1, 7))
MIXED = np.array([0.0, -0.0, 2.5, -2.5, 7.25, -7.25, np.inf, -np.inf, np.nan, 1e300])


def applied(function: Callable[..., Any], *arrays: Array) -> Array:
    inputs = tuple(
        graph_input(f"x{i}", dtypes.from_numpy(array.dtype), array.shape)
        for i, array in enumerate(arrays)
    )
    (result,), _ = evaluate(Graph("f", inputs, (), (function(*inputs),)), arrays)
    return result


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Array, ...]]] = {
    "trapezoid": (lambda y: F["trapezoid"](y, dx=0.3), lambda y: np.trapezoid(y, dx=0.3), (Y,)),
    "trapezoid of places": (F["trapezoid"], np.trapezoid, (Y, X)),
    "trapezoid along an axis": (
        lambda y, x: F["trapezoid"](y, x, axis=0),
        lambda y, x: np.trapezoid(y, x, axis=0),
        (Y, X[:4]),
    ),
    "trapezoid of one": (F["trapezoid"], np.trapezoid, (Y[:, :1],)),
    "cumulative_trapezoid": (
        F["cumulative_trapezoid"],
        lambda y, x: scipy.integrate.cumulative_trapezoid(y, x),
        (Y, X),
    ),
    "interp": (F["interp"], np.interp, (np.linspace(-1, 6, 30), X, Y[0])),
    "interp at the points": (F["interp"], np.interp, (X, X, Y[0])),
    "interp of one point": (F["interp"], np.interp, (Y, X[:1], Y[0, :1])),
    "polyval": (F["polyval"], np.polyval, (Y[0], Y)),
    "polyval of nothing": (F["polyval"], np.polyval, (Y[0, :0], Y)),
    "pdist": (F["pdist"], scipy.spatial.distance.pdist, (Y,)),
    "pdist of one norm": (
        lambda x: F["pdist"](x, 1.0),
        lambda x: scipy.spatial.distance.pdist(x, "cityblock"),
        (Y,),
    ),
    "pdist of one row": (F["pdist"], lambda x: np.zeros(0), (Y[:1],)),
    "dist": (F["dist"], lambda x, y: np.linalg.norm(x - y), (Y, Y[0])),
    "corrcoef": (F["corrcoef"], np.corrcoef, (Y,)),
    "isin": (F["isin"], np.isin, (RNG.integers(0, 9, (3, 4)), np.array([1, 7, 7]))),
    "isin nothing": (F["isin"], np.isin, (Y, np.zeros(0))),
    "fmod": (F["fmod"], np.fmod, (MIXED[:, None], MIXED)),
    "ldexp": (F["ldexp"], np.ldexp, (MIXED, np.array([3, -2, 0, 5, -9, 1, 2, 3, 4, -2000]))),
    "cbrt": (F["cbrt"], np.cbrt, (MIXED,)),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    function, expected, arrays = CASES[name]
    with np.errstate(all="ignore"):
        exact = expected(*arrays)
    np.testing.assert_allclose(applied(function, *arrays), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_fmod_of_whole_numbers(dtype: Any) -> None:
    ends = np.iinfo(dtype)
    x = np.array([ends.min, ends.max, 0, 1, 7, 100], dtype)[:, None]
    with np.errstate(all="ignore"):
        expected = np.fmod(x, x[:, 0])
    assert np.array_equal(applied(F["fmod"], x, x[:, 0].copy()), expected)


def test_counts_of_equal_parts() -> None:
    x = np.concatenate([RNG.normal(size=200), [-1.0, 1.5, 1.5000001, np.nan, np.inf, -np.inf]])
    expected, _ = np.histogram(x[np.isfinite(x)], 5, (-1.0, 1.5))
    assert np.array_equal(applied(lambda n: F["histc"](n, 5, -1.0, 1.5), x), expected)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_rows(mode: str) -> None:
    ids = RNG.integers(0, 4, (3, 5))
    found = applied(lambda i, w: F["embedding_bag"](i, w, mode=mode), ids, Y)
    np.testing.assert_allclose(found, getattr(np, mode)(Y[ids], axis=1))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_a_grid_of_the_elements_is_the_image(padding: str) -> None:
    image, theta = RNG.normal(size=(2, 3, 4, 5)), np.tile(np.eye(2, 3), (2, 1, 1))
    for aligned in (False, True):
        found = applied(
            lambda x, t, aligned=aligned: F["grid_sample"](
                x, F["affine_grid"](t, x.shape, aligned), "bilinear", padding, aligned
            ),
            image,
            theta,
        )
        np.testing.assert_allclose(found, image, rtol=1e-12, atol=1e-12)


def test_between_elements_lie_lines() -> None:
    image = RNG.normal(size=(1, 1, 4, 5))
    places = RNG.uniform(-1, 1, (1, 6, 1, 2))
    found = applied(lambda x, g: F["grid_sample"](x, g, align_corners=True), image, places)
    across, down = (places[0, :, 0, 0] + 1) * 2, (places[0, :, 0, 1] + 1) * 1.5
    expected = scipy.ndimage.map_coordinates(image[0, 0], [down, across], order=1)
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-12)


def test_unpooling_puts_maxima_back() -> None:
    image = RNG.normal(size=(2, 3, 6, 5))
    found = applied(
        lambda x: F["max_unpool2d"](
            *F["max_pool2d"](x, 2, return_indices=True), 2, output_size=x.shape
        ),
        image,
    )
    kept = found != 0
    assert kept.sum() == 2 * 3 * 3 * 2
    assert np.array_equal(found[kept], image[kept])


REFUSED: dict[str, Callable[[Any], Any]] = {
    "an empty integral": lambda x: F["trapezoid"](F["narrow"](x, 1, 0, 0)),
    "an empty range": lambda x: F["histc"](x, 3, 1.0, 0.5),
    "points of two lengths": lambda x: F["interp"](
        x, F["index"](x, 0), F["index"](x, (0, slice(3)))
    ),
    "places of another rank": lambda x: F["grid_sample"](x, x),
    "maps of another rank": lambda x: F["affine_grid"](x, (1, 2, 3, 4)),
    "a bag of floats": lambda x: F["embedding_bag"](x, x),
    "maxima without places": lambda x: F["max_unpool1d"](x, F["index"](x, 0), 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(GraphcError):
        REFUSED[name](graph_input("x", dtypes.f64, Y.shape))
