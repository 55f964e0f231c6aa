"""Different and commonest values, what is not NaN, and other functions of NumPy, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(4)
WHOLE = RNG.integers(-3, 4, (4, 6))
HOLES = np.where(RNG.uniform(size=(5, 7)) < 0.3, np.nan, RNG.normal(size=(5, 7)))
ROWS = RNG.normal(size=(4, 7))
BLOCKS = np.arange(1.0, 25.0).reshape(2, 3, 4)
PLACES = np.cumsum(RNG.uniform(0.1, 1, 7))


@pytest.mark.parametrize("size", [1, 7, 12])
def test_unique_is_that_of_numpy_up_to_a_size(size: int) -> None:
    values, places, inverse, counts = gc.unique(
        WHOLE, size=size, fill_value=99, with_inverse=True, with_counts=True, with_index=True
    )
    exact, first, back, often = np.unique(
        WHOLE, return_index=True, return_inverse=True, return_counts=True
    )
    taken = min(size, len(exact))
    np.testing.assert_array_equal(values, np.pad(exact, (0, size), constant_values=99)[:size])
    np.testing.assert_array_equal(counts, np.pad(often, (0, size))[:size])
    np.testing.assert_array_equal(places, np.pad(first, (0, size), constant_values=-1)[:size])
    np.testing.assert_array_equal(inverse, back.reshape(WHOLE.shape))
    assert np.all(values[:taken] == exact[:taken])


def test_runs_of_an_array_need_no_size() -> None:
    x = np.array([[2.0, 2.0, np.nan], [np.nan, 2.0, 2.0]])
    values, inverse, counts = gc.unique_consecutive(x, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values, [2, np.nan, np.nan, 2])
    np.testing.assert_array_equal(inverse, [[0, 0, 1], [2, 3, 3]])
    np.testing.assert_array_equal(counts, [2, 1, 1, 2])
    values, counts = gc.unique_consecutive(x[:0], with_counts=True)
    assert values.shape == counts.shape == (0,)


def test_unique_needs_a_size() -> None:
    with pytest.raises(GraphcError, match="data"):
        functions["unique"](graph_input("x", dtypes.i64, (3,)))


CONSTANT = np.array([[0.0, 2.0, np.nan], [-0.0, 1.0, 0.0]])


@pytest.mark.parametrize("name", ["nonzero", "argwhere", "flatnonzero"])
def test_places_of_a_constant_need_no_size(name: str) -> None:
    found = gc.function(lambda x: (getattr(gc, name)(CONSTANT), x))(WHOLE)[0]
    expected = getattr(np, name)(CONSTANT)
    np.testing.assert_array_equal(np.stack(found), np.stack(expected))


@pytest.mark.parametrize("mask", [CONSTANT[0] > 0, CONSTANT == 0, np.zeros(3, bool)])
def test_a_constant_mask_chooses_elements(mask: Array) -> None:
    x = RNG.normal(size=(2, 3))
    found = gc.function(lambda x: gc.masked_select(x, mask))(x)
    np.testing.assert_array_equal(found, x[np.broadcast_to(mask, x.shape)])


def test_a_mask_that_is_data_is_refused() -> None:
    with pytest.raises(GraphcError, match="depends on data"):
        gc.function(lambda x: gc.masked_select(x, x > 0))(ROWS)


def test_equal_neighbours_are_one() -> None:
    line = np.array([2, 2, 1, 1, 1, 2, 3])
    values, counts = gc.unique_consecutive(line, 6, -1, with_counts=True)
    assert values.tolist() == [2, 1, 2, 3, -1, -1]
    assert counts.tolist() == [2, 3, 1, 1, 0, 0]


@pytest.mark.parametrize("axis", [0, 1])
def test_the_mode_is_the_smallest_of_the_commonest(axis: int) -> None:
    values, places = gc.mode(WHOLE, axis)
    for line, value, place in zip(np.moveaxis(WHOLE, axis, -1), values, places, strict=True):
        kinds, counts = np.unique(line, return_counts=True)
        assert value == kinds[np.argmax(counts)]
        assert place == np.flatnonzero(line == value)[-1]


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    **{
        f"{name} {axis}": (
            lambda name=name, axis=axis: getattr(gc, name)(HOLES, axis=axis),
            lambda name=name, axis=axis: getattr(np, name)(HOLES, axis=axis),
        )
        for name in ("nanvar", "nanstd", "nanmedian", "nanargmax", "nanargmin", "nancumsum")
        for axis in (None, 0, 1)
    },
    **{
        f"{name} among {sorted(more)}": (
            lambda name=name, more=more: getattr(gc, name)(
                HOLES, axis=1, where=HOLES < 0.9, **more
            ),
            lambda name=name, more=more: getattr(np, name)(
                HOLES, axis=1, where=HOLES < 0.9, **more
            ),
        )
        for name, more in (
            ("nanmean", {}),
            ("nanvar", {}),
            ("nanstd", {"mean": np.full((5, 1), 0.25)}),
            ("nansum", {"initial": 2.0}),
            ("nanmax", {"initial": -9.0}),
        )
    },
    **{
        f"nanquantile {method}": (
            lambda method=method: gc.nanquantile(HOLES, 0.3, 1, method=method),
            lambda method=method: np.nanquantile(HOLES, 0.3, 1, method=method),
        )
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "percentile": (lambda: gc.percentile(ROWS, 30, 1), lambda: np.percentile(ROWS, 30, 1)),
    "gradient": (lambda: gc.gradient(ROWS)[1], lambda: np.gradient(ROWS)[1]),
    "gradient of places": (
        lambda: gc.gradient(ROWS, PLACES, 1, edge_order=2)[0],
        lambda: np.gradient(ROWS, PLACES, axis=1, edge_order=2),
    ),
    "digitize": (lambda: gc.digitize(ROWS, PLACES), lambda: np.digitize(ROWS, PLACES)),
    "digitize right": (
        lambda: gc.digitize(PLACES, PLACES, right=True),
        lambda: np.digitize(PLACES, PLACES, right=True),
    ),
    "cov": (
        lambda: gc.cov(ROWS, ddof=1, fweights=np.arange(1, 8), aweights=PLACES),
        lambda: np.cov(ROWS, ddof=1, fweights=np.arange(1, 8), aweights=PLACES),
    ),
    "average": (
        lambda: gc.average(ROWS, 1, PLACES),
        lambda: np.average(ROWS, 1, PLACES),
    ),
    "average along axes in another order": (
        lambda: gc.average(BLOCKS, (2, 0), BLOCKS[:, 0].T),
        lambda: np.average(BLOCKS, (2, 0), BLOCKS[:, 0].T),
    ),
    "average along all axes in another order": (
        lambda: gc.average(BLOCKS, (2, 0, 1), BLOCKS.transpose(2, 0, 1)),
        lambda: np.average(BLOCKS, (2, 0, 1), BLOCKS.transpose(2, 0, 1)),
    ),
    "repeat": (
        lambda: gc.repeat(PLACES, np.array([0, 2, 1, 0, 3, 1, 0]), output_size=7),
        lambda: np.repeat(PLACES, [0, 2, 1, 0, 3, 1, 0]),
    ),
    "round": (lambda: gc.round(ROWS * 100, -1), lambda: np.round(ROWS * 100, -1)),
    "unravel_index": (
        lambda: np.stack(gc.unravel_index(np.array([0, 5, 23]), (2, 3, 4))),
        lambda: np.stack(np.unravel_index([0, 5, 23], (2, 3, 4))),
    ),
    "ravel_multi_index": (
        lambda: gc.ravel_multi_index((np.array([0, 1]), np.array([2, 1])), (2, 3)),
        lambda: np.ravel_multi_index(([0, 1], [2, 1]), (2, 3)),
    ),
    "tril_indices": (
        lambda: np.stack(gc.tril_indices(4, 1, 3)),
        lambda: np.stack(np.tril_indices(4, 1, 3)),
    ),
    "geomspace": (lambda: gc.geomspace(-1.0, -8.0, 4, gc.f64), lambda: np.geomspace(-1, -8, 4)),
    "logspace": (lambda: gc.logspace(0, 3, 4, dtype=gc.f64), lambda: np.logspace(0, 3, 4)),
    **{
        name: (
            lambda name=name: getattr(gc, name)(9, dtype=gc.f64),
            lambda name=name: getattr(np, name)(9),
        )
        for name in ("bartlett", "blackman", "hamming", "hanning")
    },
    "kaiser": (lambda: gc.kaiser(9, 5.0, gc.f64), lambda: np.kaiser(9, 5.0)),
    **{
        f"{name} {mode} {len(taps)}": (
            lambda name=name, mode=mode, taps=taps: getattr(gc, name)(PLACES, taps, mode),
            lambda name=name, mode=mode, taps=taps: getattr(np, name)(PLACES, taps, mode),
        )
        for name in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
        for taps in (ROWS[0, :3], ROWS[1, :4], ROWS[2])
    },
    "append": (lambda: gc.append(ROWS, ROWS, 0), lambda: np.append(ROWS, ROWS, 0)),
    "tri": (lambda: gc.tri(3, 4, 1), lambda: np.tri(3, 4, 1)),
    "norm": (lambda: gc.norm(ROWS, "nuc"), lambda: np.linalg.norm(ROWS, "nuc")),
}


@pytest.mark.parametrize("name", CASES)
def test_functions_are_those_of_numpy(name: str) -> None:
    ours, theirs = CASES[name]
    np.testing.assert_allclose(ours(), theirs(), rtol=1e-12, atol=1e-13)


BINS: list[list[float]] = [
    *([3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [3.0, 3.0, 1.0, 1.0], [1.0, 1.0, 3.0, 3.0]),
    *([], [1.0], [2.0, 2.0], [np.nan, 2.0, 1.0], [1.0, 2.0, np.nan], [np.inf, 0.0, -np.inf]),
]


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("bins", BINS, ids=str)
@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_bins_ascend_or_descend(bins: list[float], right: bool, device: str) -> None:
    x = np.array([-1, 0, 0.5, 1, 1.5, 2, 3, 4, np.nan, np.inf, -np.inf])
    compiled = gc.function(lambda x, bins: gc.digitize(x, bins, right), device=device)
    for found in (compiled(x, np.array(bins)), gc.digitize(x, np.array(bins), right)):
        np.testing.assert_array_equal(found, np.digitize(x, np.array(bins), right), strict=True)


def test_windows_at_data_stay_inside() -> None:
    found = gc.dynamic_slice(ROWS, (np.array(3), 6), (2, 3))
    np.testing.assert_array_equal(found, ROWS[2:4, 4:7])
    new = gc.dynamic_update_slice(ROWS, np.zeros((2, 3)), (np.array(-5), 1))
    exact = ROWS.copy()
    exact[0:2, 1:4] = 0
    np.testing.assert_array_equal(new, exact)
