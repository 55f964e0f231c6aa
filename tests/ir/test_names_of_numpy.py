"""Functions that have the name, the arguments and the values of NumPy's."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphcError
from graphc.ir.ops.reductions.quantiles import Interpolation
from tests.own_words import own_words

RNG = np.random.default_rng(7)
X, Y, LINE = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=6)
WHOLE = RNG.integers(-3, 4, (3, 4))
BYTES = RNG.integers(0, 256, (3, 5)).astype(np.uint8)
P, Q = np.array([2.0, -3.0, 0.5, 1.0]), np.array([1.0, -2.0])
ANGLES = np.cumsum(RNG.normal(size=(2, 9)) * 3, axis=1)

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("polyadd", (P, Q), {}),
    ("polysub", (Q, P), {}),
    ("polymul", (P, Q), {}),
    ("polydiv", (P, Q), {}),
    ("polydiv", (Q, P), {}),
    ("polydiv", (P, Q[:1]), {}),
    *(("polyder", (P, m), {}) for m in range(5)),
    *(("polyint", (P, m), {}) for m in range(3)),
    ("polyint", (P, 2), {"k": 1.5}),
    ("polyval", (P, X), {}),
    ("polyval", (np.full(1100, 0.5), X / 4), {}),
    ("interp", (X, Q[::-1], Q), {"left": -7.0, "right": 9}),
    ("interp", (5 * X, np.array([5.0, -3, 0.5, 9]), P), {"period": 3.5}),
    ("interp", (5 * X, np.array([5.0, -3, 0.5, 9]), P), {"period": -4, "left": 1.0}),
    ("select", ([X < 0, Y < 0], [X, Y]), {}),
    ("select", ([X < 0, Y < 0], [X, 2.0], 7.0), {}),
    ("select", ((X < 0, Y < 0), (WHOLE, 2 * WHOLE)), {"default": 7}),
    ("select", ([WHOLE < 0], [WHOLE[0]]), {"default": -1}),
    ("bincount", (abs(WHOLE[0]),), {}),
    ("bincount", (abs(WHOLE[0]),), {"minlength": 9}),
    ("bincount", (abs(WHOLE[0]),), {"weights": X[0]}),
    ("bincount", (WHOLE[0, :0],), {}),
    ("unique", (WHOLE,), {"return_counts": True}),
    ("unique", (WHOLE,), {"return_inverse": True}),
    ("unique", (WHOLE,), {"return_inverse": True, "return_counts": True}),
    ("unique", (WHOLE,), {"return_index": True}),
    ("unique", (np.array([3.0, -0.0, 0.0, 3.0]),), {"return_index": True, "return_counts": True}),
    *(
        (name, (LINE[:a] * 1j, LINE[-b:] + 2j), {"mode": mode})
        for name in ("correlate", "convolve")
        for mode in ("full", "same", "valid")
        for a, b in ((1, 2), (2, 5), (3, 4), (4, 4), (6, 3))
    ),
    *(
        (name, (X, [0, 0.03, 0.25, 0.5, 0.7, 1]), {"axis": axis, "method": method})
        for name in ("quantile", "nanquantile")
        for axis in (0, 1, None)
        for method in get_args(Interpolation)
    ),
    ("compress", (WHOLE[0] > 0, X), {}),
    ("poly", (LINE,), {}),
    ("poly", (X[:, :3],), {}),
    ("polyfit", (LINE, RNG.normal(size=6), 3), {}),
    ("polyfit", (LINE, RNG.normal(size=(6, 2)), 2), {"w": abs(LINE)}),
    ("insert", (X, 1, 9.0), {}),
    ("insert", (X, -1, Y[:, 0], 1), {}),
    ("insert", (X, 2, Y[:2], 0), {}),
    ("insert", (X, [0, 3, 3], 7.0, 0), {}),
    ("insert", (X, [2], Y, 1), {}),
    ("insert", (X, slice(0, 4, 2), Y[:, :2], 1), {}),
    ("insert", (X, [], 1.0, 0), {}),
    ("delete", (X, 1), {}),
    ("delete", (X, [0, -1, 0], 1), {}),
    ("delete", (X, slice(1, None, 2), 1), {}),
    ("delete", (X, [], 0), {}),
    ("resize", (X, (5, 4)), {}),
    ("resize", (X, 7), {}),
    ("resize", (X, (0, 2)), {}),
    ("resize", (X[:0], (2, 2)), {}),
    ("block", ([[X, Y], [Y, X]],), {}),
    ("block", ([LINE, X[0]],), {}),
    ("block", ([[X], [X[0]]],), {}),
    ("block", (X,), {}),
    ("lexsort", ((WHOLE, X),), {}),
    ("lexsort", ((X, WHOLE),), {"axis": 0}),
    ("lexsort", (WHOLE,), {}),
    ("packbits", (WHOLE > 0,), {}),
    ("packbits", (WHOLE,), {"axis": 0}),
    ("packbits", (BYTES,), {"axis": -1, "bitorder": "little"}),
    ("packbits", (BYTES[:, :0],), {"axis": 1}),
    ("unpackbits", (BYTES,), {}),
    *(("unpackbits", (BYTES,), {"axis": 1, "count": n}) for n in (0, 7, 40, 50, -3)),
    ("unpackbits", (BYTES,), {"axis": 0, "bitorder": "little"}),
    *(("bitwise_count", (np.array([0, 1, -1, np.iinfo(d).min, np.iinfo(d).max], d),), {})
      for d in (np.int8, np.int16, np.int32, np.int64)),
    *(("bitwise_count", (np.array([0, 1, np.iinfo(d).max], d),), {})
      for d in (np.uint8, np.uint64)),
    ("indices", ((2, 3),), {}),
    ("indices", ((2, 3),), {"sparse": True}),
    ("ix_", (np.array([2, 0]), np.array([1, 3, 3])), {}),
    ("diag_indices", (3,), {}),
    ("diag_indices", (2, 3), {}),
    ("diag_indices_from", (X[:, :3],), {}),
    ("tril_indices_from", (X,), {"k": 1}),
    ("triu_indices_from", (X,), {}),
    ("unwrap", (ANGLES,), {}),
    ("unwrap", (ANGLES,), {"axis": 0, "period": 4.0}),
    ("unwrap", (ANGLES, 5.0), {}),
    ("unwrap", (np.array([0.0, np.pi, 2 * np.pi, 0.0]),), {}),
    ("ediff1d", (X,), {}),
    ("ediff1d", (X,), {"to_begin": 2.0, "to_end": np.array([1.0, 3.0])}),
]  # fmt: skip


def name_of(call: Any) -> str:
    return call if isinstance(call, str) else ""


@pytest.mark.parametrize(("name", "arguments", "keywords"), CALLS, ids=name_of)
def test_values_are_those_of_numpy(name: str, arguments: Any, keywords: dict[str, Any]) -> None:
    found = getattr(gc, name)(*arguments, **keywords)
    expected = getattr(np, name)(*arguments, **keywords)
    if not isinstance(expected, tuple):
        found, expected = (found,), (expected,)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and one.dtype.kind == other.dtype.kind
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_roots_are_those_of_numpy_in_any_order() -> None:
    for p in (P, Q, P[:1], np.array([1.0, 0.0, 1.0])):
        found = np.sort_complex(gc.roots(p))
        np.testing.assert_allclose(found, np.sort_complex(np.roots(p)), atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (9, 3), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("value", [2.0, np.arange(1.0, 3.0), np.arange(1.0, 5.0).reshape(2, 2)])
def test_diagonals_are_filled_as_by_numpy(
    shape: tuple[int, ...], wrap: bool, value: float | np.ndarray[Any, Any]
) -> None:
    expected = np.zeros(shape)
    np.fill_diagonal(expected, value, wrap)
    np.testing.assert_array_equal(gc.fill_diagonal(np.zeros(shape), value, wrap), expected)


@pytest.mark.parametrize("kth", [0, 3, -1])
def test_a_partition_has_the_lesser_before_and_the_greater_after(kth: int) -> None:
    found = gc.partition(X, kth)
    np.testing.assert_array_equal(found[:, kth], np.partition(X, kth)[:, kth])
    places = gc.argpartition(X, kth, 0 if kth < 3 else -1)
    np.testing.assert_array_equal(np.sort(places), np.sort(np.argpartition(
        X, kth, 0 if kth < 3 else -1)))  # fmt: skip


# -- as many as a size says ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["intersect1d", "setdiff1d", "setxor1d", "union1d"])
@pytest.mark.parametrize("size", [0, 3, 12])
def test_sets_are_those_of_numpy_filled_up(name: str, size: int) -> None:
    for x, y in ((WHOLE, WHOLE[0] + 2), (LINE, np.array([LINE[2], 0.5])), (WHOLE, WHOLE)):
        expected = getattr(np, name)(x, y)
        found = getattr(gc, name)(x, y, size=size, fill_value=9)
        count = min(size, len(expected))
        np.testing.assert_array_equal(found[:count], expected[:count])
        assert (found[count:] == 9).all() and found.shape == (size,)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_slices_are_chosen_by_a_condition(axis: int | None) -> None:
    condition = np.array([True, False, True])
    expected = np.compress(condition, X, axis)
    found = gc.compress(condition, X, axis, size=3, fill_value=-1.0)
    rest, last = np.split(found, [2], 0 if axis is None else axis)
    np.testing.assert_array_equal(rest, expected)
    assert (last == -1).all()
    chosen = gc.extract(WHOLE > 0, X, size=12)
    wanted = np.extract(WHOLE > 0, X)
    np.testing.assert_array_equal(chosen[: len(wanted)], wanted)
    assert not chosen[len(wanted) :].any()


@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_elements_are_chosen_by_number(mode: Any) -> None:
    choices = [X, Y[0], np.float64(3.0)]
    expected = np.choose(WHOLE, choices, mode=mode)
    np.testing.assert_array_equal(gc.choose(WHOLE, choices, mode), expected)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: gc.polyval(X, X),
        lambda: gc.polyder(P, -1),
        lambda: gc.polyfit(LINE, X, 2),
        lambda: gc.roots(P[:0]),
        lambda: gc.insert(X, 9, 1.0, 0),
        lambda: gc.insert(X, [0, 1], Y[:, :3], 1),
        lambda: gc.insert(X, 1.5, 1.0),
        lambda: gc.delete(X, 12),
        lambda: gc.resize(X, (-1, 2)),
        lambda: gc.block([[X], X]),
        lambda: gc.block([]),
        lambda: gc.fill_diagonal(LINE, 1.0),
        lambda: gc.fill_diagonal(np.zeros((2, 3, 2)), 1.0),
        lambda: gc.lexsort(()),
        lambda: gc.lexsort((X, LINE)),
        lambda: gc.partition(X, 4),
        lambda: gc.packbits(X),
        lambda: gc.packbits(WHOLE, bitorder="middle"),
        lambda: gc.unpackbits(WHOLE),
        lambda: gc.bitwise_count(X),
        lambda: gc.indices((2, -1)),
        lambda: gc.ix_(WHOLE),
        lambda: gc.diag_indices(-1),
        lambda: gc.diag_indices_from(X),
        lambda: gc.tril_indices_from(LINE),
        lambda: gc.unwrap(WHOLE),
        lambda: gc.compress(WHOLE > 0, X, size=2),
        lambda: gc.choose(WHOLE, []),
        lambda: gc.choose(X, [X]),
        lambda: gc.union1d(X, Y, size=-1),
    ],
)
def test_what_makes_no_sense_is_refused(refused: Any) -> None:
    with pytest.raises(GraphcError):
        refused()


def test_a_position_of_an_axis_is_the_select_of_pytorch() -> None:
    found = gc.function(lambda x: (x.select(1, 2), x.select(dim=-2, index=0)))(X)
    for one, expected in zip(found, (X[:, 2], X[0]), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("given", [(X, 1), (X, [X], 2), ([], []), ([X > 0], [X, X]), ([X > 0], X)])
def test_selections_of_neither_kind_are_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(GraphcError) as caught:
        gc.select(*given)
    assert own_words(caught.value).startswith("select")


SQUARE = np.array([[4.0, 1.0], [2.0, 3.0]])
ARGUMENTS = {
    "eye": (lambda xp: xp.eye(N=2, M=3)),
    "tri": (lambda xp: xp.tri(N=2, M=3)),
    "vander": (lambda xp: xp.vander(SQUARE[0], N=3)),
    "pinv": (lambda xp: xp.linalg.pinv(SQUARE, rcond=0.5)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_may_have_the_names_of_numpy(name: str) -> None:
    np.testing.assert_allclose(ARGUMENTS[name](gc), ARGUMENTS[name](np), rtol=1e-12)


@pytest.mark.parametrize(("given", "meant"), [(True, "tanh"), (False, "none")])
def test_gelu_is_told_as_by_jax_whether_to_approximate(given: bool, meant: Any) -> None:
    x = np.linspace(-3, 3, 13)
    np.testing.assert_array_equal(gc.gelu(x, given), gc.gelu(x, meant))
