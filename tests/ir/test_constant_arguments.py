"""Arrays and lists that are known while the program is built: masks, places, sizes, shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphcError, ShapeError, UsageError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(8)
CUBE = RNG.normal(size=(3, 4, 5))
LINE = RNG.normal(size=6)
FIRST, SECOND, LAST = (
    np.array(one, np.bool_) for one in ([1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1, 1])
)
PLANE, WHOLE = RNG.uniform(size=(3, 4)) < 0.5, RNG.uniform(size=CUBE.shape) < 0.4
ALL = slice(None)

ITEMS: list[Any] = [
    *(FIRST, PLANE, WHOLE, (FIRST,), (ALL, SECOND), (..., LAST), (FIRST, ..., slice(2))),
    *((ALL, ALL, LAST), (PLANE, slice(None, None, -1)), (None, FIRST), (FIRST, None)),
    *((0, SECOND), (FIRST, ALL, 0), (FIRST, ALL, np.array([0, 1])), (FIRST, np.array([1, 2]))),
    *((np.array([[0], [1]]), SECOND, 1), (ALL, WHOLE[0]), (FIRST, SECOND)),
    *(FIRST.tolist(), PLANE.tolist(), (ALL, SECOND.tolist(), slice(2))),
    *(np.zeros(3, np.bool_), np.zeros_like(WHOLE), np.ones((3, 4), np.bool_)),
]


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
@pytest.mark.parametrize("items", ITEMS, ids=str)
def test_constant_masks_are_those_of_numpy(items: Any, device: str) -> None:
    wanted = CUBE[items]
    new = RNG.normal(size=wanted.shape)
    read = gc.function(lambda x: x[items], device=device)
    write = gc.function(lambda x, new: (x.at[items].set(new), x.at[items].add(2.0)), device=device)
    np.testing.assert_array_equal(read(CUBE), wanted, strict=True)
    exact, more = CUBE.copy(), CUBE.copy()
    exact[items] = new
    more[items] += 2
    found, increased = write(CUBE, new)
    np.testing.assert_array_equal(found, exact)
    np.testing.assert_allclose(increased, more, rtol=1e-15)


@pytest.mark.parametrize("items", [FIRST, (ALL, SECOND), PLANE, (FIRST, ALL, 0)], ids=str)
def test_gradients_pass_constant_masks(items: Any) -> None:
    slope = gc.grad(lambda x: (x[items] ** 2).sum())(CUBE)
    exact = np.zeros_like(CUBE)
    exact[items] = 2 * CUBE[items]
    np.testing.assert_allclose(slope, exact)


@pytest.mark.parametrize(
    "items",
    [SECOND, FIRST[:2], PLANE.T, (FIRST, FIRST), np.array(True), [True, [False]], [True, 1, 0]],
    ids=str,
)
def test_masks_of_other_shapes_are_refused(items: Any) -> None:
    with pytest.raises((ShapeError, UsageError)):
        gc.function(lambda x: x[items])(CUBE)


def test_a_mask_that_is_data_chooses_no_shape() -> None:
    for function in (lambda x, y: x[y], lambda x, y: x.at[y].set(x), gc.compress):
        with pytest.raises(GraphcError):
            gc.function(function)(LINE, LINE > 0)


def test_masks_in_the_language(tmp_path: Path) -> None:
    path = tmp_path / "mask.gc"
    path.write_text(
        "def f(x: f64[4]):\n"
        "    kept = [True, False, True, False]\n"
        "    return x[kept], x.at[kept].set(0.0)\n"
    )
    found, new = gc.source(path).f(LINE[:4])
    assert found.tolist() == LINE[:4:2].tolist()
    assert new.tolist() == [0, LINE[1], 0, LINE[3]]


MASK = np.array([1, 0, 1, 1, 0, 0], np.bool_)
BOARD = LINE.reshape(2, 3)
CALLS: dict[str, tuple[Callable[[Any, Any], Any], Array]] = {
    "delete at a mask": (lambda lib, x: lib.delete(x, MASK), LINE),
    "delete at a list": (lambda lib, x: lib.delete(x, MASK.tolist()), LINE),
    "delete along an axis": (lambda lib, x: lib.delete(x, MASK[:3], axis=1), BOARD),
    "delete at places": (lambda lib, x: lib.delete(x, np.array([1, -1])), LINE),
    "insert at places": (lambda lib, x: lib.insert(x, np.array([1, 2]), 0.0, axis=0), LINE),
    "insert a list": (lambda lib, x: lib.insert(x, [1, 2], [7, 8]), LINE),
    "insert a list into integers": (lambda lib, x: lib.insert(x, [1], [7]), np.arange(3)),
    "compress": (lambda lib, x: lib.compress(MASK, x), LINE),
    "compress nothing": (lambda lib, x: lib.compress(MASK & False, x), LINE),
    "compress fewer": (lambda lib, x: lib.compress(MASK[:2], x, axis=1), BOARD),
    "extract": (lambda lib, x: lib.extract(MASK.reshape(2, 3), x), BOARD),
    "quantile": (lambda lib, x: lib.quantile(x, np.array([0.5]), axis=0), CUBE),
    "quantile of a plane": (lambda lib, x: lib.quantile(x, np.array([[0.5, 0.1]]), axis=1), CUBE),
    "quantile of lists": (lambda lib, x: lib.quantile(x, [[0.5, 0.1], [1, 0]], axis=1), CUBE),
    "quantile of none": (lambda lib, x: lib.quantile(x, []), CUBE),
    "nanquantile": (lambda lib, x: lib.nanquantile(x, np.array([0.2, 1]), axis=(0, 2)), CUBE),
    "percentile": (lambda lib, x: lib.percentile(x, np.array([7, 50]), method="lower"), CUBE),
    "reshape": (lambda lib, x: lib.reshape(x, np.array([3, 2])), LINE),
    "reshape as a method": (lambda lib, x: x.reshape(np.array([3, 2])), LINE),
    "pad": (lambda lib, x: lib.pad(x, np.array([[1, 1], [0, 2]])), BOARD),
    "pad by rows": (lambda lib, x: lib.pad(x, [np.array([1, 1]), (0, 2)]), BOARD),
    "polyint": (lambda lib, x: lib.polyint(x, m=2, k=[1.0, 2.0]), LINE),
    "polyint of an array": (lambda lib, x: lib.polyint(x, 3, np.array([3.0])), LINE),
    "sum": (lambda lib, x: lib.sum(x, axis=np.array(1)), BOARD),
}


@pytest.mark.parametrize("name", CALLS)
def test_known_arrays_are_arguments_as_in_numpy(name: str) -> None:
    call, x = CALLS[name]
    wanted = call(np, x)
    traced = gc.function(lambda x: call(gc, x), device="cpu")
    for found in (call(gc, x), traced(x)):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, strict=True)


def test_shares_may_be_data() -> None:
    shares = np.array([[0.5, 1.0], [0.0, 1.5]])
    found = gc.function(lambda x, q: gc.quantile(x, q, axis=0))(CUBE, shares)
    exact = np.quantile(CUBE, np.minimum(shares, 1), axis=0)
    exact[1, 1] = np.nan
    np.testing.assert_allclose(found, exact)


@pytest.mark.parametrize(
    "call",
    [
        lambda: gc.delete(LINE, MASK[:3]),
        lambda: gc.insert(LINE, MASK[:3], 0.0),
        lambda: gc.compress(MASK, BOARD, 1),
        lambda: gc.insert(np.arange(3), [1], [7.5]),
        lambda: gc.polyint(LINE, 3, [1.0, 2.0]),
    ],
)
def test_known_arguments_that_do_not_fit_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(GraphcError):
        call()
