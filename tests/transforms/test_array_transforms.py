"""Transforms and loops that are given arrays and numbers, outside of a trace and inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from graphc.errors import DTypeError, OutOfRangeError, ShapeError, UsageError
from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.trace import trace
from graphc.frontend.tracing.trees import map_leaves
from graphc.ir.dtype import bool_, c64, f16, f32, f64, i64
from graphc.transforms import vmap

X = np.array([1.0, 2.0, 3.0])


def add_row(total: Any, row: Any) -> tuple[Any, Any]:
    return total + row, total * 2


def test_products_with_the_jacobian_of_arrays_are_arrays() -> None:
    value, pushed = graphc.jvp(graphc.sin, (X,), (2 * X,))
    np.testing.assert_allclose((value, pushed), (np.sin(X), 2 * X * np.cos(X)))
    value, pull = graphc.vjp(graphc.sin, X)
    (pulled,) = pull(X)
    np.testing.assert_allclose((value, pulled), (np.sin(X), X * np.cos(X)))
    number, slope = graphc.jvp(graphc.sin, (1.0,), (1.0,))
    np.testing.assert_allclose((number, slope), (np.sin(1), np.cos(1)), rtol=1e-6)


def test_a_product_with_the_jacobian_of_a_product_with_it() -> None:
    def pulled(x: Any) -> Any:
        return graphc.vjp(graphc.sin, x)[1](X)[0]

    value, pushed = graphc.jvp(pulled, (X,), (X,))
    np.testing.assert_allclose((value, pushed), (X * np.cos(X), -X * X * np.sin(X)))


def test_loops_over_arrays_give_arrays() -> None:
    last, rows = graphc.scan(add_row, 0.0, X)
    np.testing.assert_array_equal(last, np.array(6.0), strict=True)
    np.testing.assert_array_equal(rows, np.array([0.0, 2.0, 6.0]), strict=True)
    last, rows = graphc.scan(add_row, np.array(3), np.arange(0))
    assert last == 3 and rows.shape == (0,) and rows.dtype == np.int64
    found = graphc.while_loop(lambda c: c < 10, lambda c: c + 3, 0, max_steps=20)
    assert isinstance(found, np.ndarray) and found == 12


@pytest.mark.parametrize(
    ("init", "rows", "expected"),
    [
        (0.0, f64[3], f64),
        (0.0, f32[3], f32),
        (0, i64[3], i64),
        (True, bool_[3], bool_),
        (np.float64(0), f64[3], f64),
        (0, f32[3], f32),
        (0, f64[3], f64),
        (0, f16[3], f16),
        (0, c64[3], c64),
    ],
)
def test_a_number_is_carried_in_the_dtype_that_the_body_gives_it(
    init: Any, rows: Any, expected: Any
) -> None:
    operation = (lambda c, r: (c & r, None)) if expected is bool_ else add_row
    graph, _ = trace(lambda x: scan(operation, init, x)[0], rows)
    assert str(graph.results[0].type) == f"{expected.name}[]"


def test_a_dtype_passes_from_one_carried_number_to_the_next() -> None:
    def swap(carry: Any, row: Any) -> Any:
        return (carry[1] + row, carry[0]), None

    graph, _ = trace(lambda x: scan(swap, (0.0, 0.0), x)[0], f64[4])
    assert [str(one.type) for one in graph.results] == ["f64[]", "f64[]"]


def test_a_whole_number_stays_one_beside_another_that_is_a_float() -> None:
    def count_and_sum(carry: Any, row: Any) -> Any:
        return (carry[0] + 1, carry[1] + row), carry[0]

    (count, total), counts = graphc.scan(count_and_sum, (0, 0), X)
    assert count == 3 and total == 6.0 and count.dtype == counts.dtype == np.int64
    (one, other), _ = graphc.scan(lambda c, r: ((c[0] + r, c[1] - r), None), (0, 0), X)
    assert (one, other) == (6.0, -6.0)


def test_tensors_of_integers_and_floats_have_no_common_dtype_in_a_loop() -> None:
    with pytest.raises(DTypeError, match="i32 and f64 have no common dtype"):
        graphc.scan(add_row, np.int32(0), X)


def test_what_gradients_need_is_no_part_of_a_value() -> None:
    np.testing.assert_array_equal(graphc.checkpoint(lambda x: x.abs() + 1)(-X), X + 1)
    rounded = graphc.custom_gradient(lambda x, value, g: 2 * g)(lambda x: x.round())
    np.testing.assert_array_equal(rounded(X + 0.25), X)
    np.testing.assert_array_equal(graphc.grad(lambda x: rounded(x).sum())(X), [2.0, 2.0, 2.0])
    both = graphc.vmap(graphc.checkpoint(rounded))(np.stack([X, -X]))
    np.testing.assert_array_equal(both, np.stack([X, -X]))


@pytest.mark.parametrize("predicate", [True, np.True_, np.array(True), X[0] > 0])
def test_a_branch_on_arrays(predicate: Any) -> None:
    branches = (lambda x: x.square(), lambda x: -x)
    if isinstance(predicate, bool):
        branches = (lambda x: x * x, lambda x: -x)
    np.testing.assert_array_equal(graphc.cond(predicate, *branches, X), X * X)
    opposite = not predicate if isinstance(predicate, bool) else ~predicate
    np.testing.assert_array_equal(graphc.cond(opposite, *branches, X), -X)


def test_a_branch_needs_one_bool() -> None:
    with pytest.raises(DTypeError, match=r"bool\[3\], expected bool\[\]"):
        graphc.cond(X > 0, lambda x: x, lambda x: -x, X)


def test_branches_give_numbers() -> None:
    graph, _ = trace(lambda p: cond(p, lambda: 1.0, lambda: 2.0), bool_[()])
    assert str(graph.results[0].type) == "f32[]"


@pytest.mark.parametrize("loop", [while_loop, graphc.while_loop])
def test_a_loop_without_a_bound_says_how_to_bound_it(loop: Any) -> None:
    with pytest.raises(UsageError) as caught:
        loop(lambda c: c < 1, lambda c: c + 1, 0)
    assert caught.value.code == "loop-bound" and "max_steps" in str(caught.value.hint)


def test_a_transform_names_the_argument_that_it_does_not_take() -> None:
    with pytest.raises(UsageError, match="in_axes") as caught:
        graphc.jacobian(graphc.sin, in_axes=0)
    assert "jacobian(" in str(caught.value.hint)


def test_what_jax_has_is_written_as_the_tour_says() -> None:
    counted = graphc.scan(lambda x, i: (x + i, None), 0, graphc.arange(4))[0]
    assert counted == 6
    chosen = graphc.cond(
        np.False_, lambda: 1.0, lambda: graphc.cond(np.True_, lambda: 2.0, lambda: 3.0)
    )
    assert chosen == 2
    np.testing.assert_array_equal(graphc.at_add(X, 0, 5.0), [6.0, 2.0, 3.0])
    far = np.array([7])
    read = graphc.function(lambda x, i: x[i], device="reference")
    written = graphc.function(lambda x, i: x.at[i].set(5.0), device="reference")
    np.testing.assert_array_equal(read(X, far), [0.0])
    np.testing.assert_array_equal(written(X, far), X)
    for known in (lambda: graphc.index(X, far), lambda: graphc.at_set(X, far, 5.0)):
        with pytest.raises(OutOfRangeError):
            known()
    np.testing.assert_array_equal(graphc.dynamic_slice(X, (-1,), (2,)), X[:2])
    np.testing.assert_array_equal(graphc.dynamic_slice(X, (2,), (2,)), X[1:])
    starts = np.array([2])
    np.testing.assert_array_equal(graphc.dynamic_slice(X, starts, (2,)), X[1:])
    updated = graphc.dynamic_update_slice(X, 2 * X[:2], starts)
    np.testing.assert_array_equal(updated, [X[0], *(2 * X[:2])])
    slope = graphc.grad(
        lambda x: graphc.while_loop(lambda c: c < 9, lambda c: c * 2, x, max_steps=5)
    )
    assert slope(1.0) == 16
    for wrong in (lambda i: i + X, lambda i: i / 2):
        with pytest.raises(DTypeError):
            graphc.function(wrong, device="reference")(np.arange(3))


W = np.arange(12.0).reshape(3, 4)
NESTED: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "a dict": (lambda p, x: p["w"] * x, ({"w": 0}, None), ({"w": W}, W[0])),
    "a dict beside None": (
        lambda p, x: p["w"] * p["b"] * x,
        ({"w": 1, "b": None}, None),
        ({"w": W.T, "b": W[0]}, 2.0),
    ),
    "a prefix": (
        lambda p: p["w"][0] + p["w"][1]["c"],
        ({"w": 0},),
        ({"w": (W, {"c": W})},),
    ),
    "lists and tuples": (
        lambda p, x: p[0] + p[1][0] * x,
        [(0, [None]), -1],
        ((W, [W[0]]), W[0:1, :3]),
    ),
    "nothing in a place": (lambda p: p["w"], ({"w": 0, "b": None},), ({"w": W, "b": None},)),
    "a text that is given whole": (
        lambda p: p["w"] + len(p["n"]),
        ({"w": 0, "n": None},),
        ({"w": W, "n": "ab"},),
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_axes_are_nested_as_arguments_are(name: str) -> None:
    function, axes, arguments = NESTED[name]

    def part(place: int, axes: Any, tree: Any) -> Any:
        if axes is None:
            return tree
        if isinstance(axes, dict):
            return {key: part(place, axes[key], tree[key]) for key in tree}
        if isinstance(axes, list | tuple):
            return [part(place, *pair) for pair in zip(axes, tree, strict=True)]
        return map_leaves(lambda leaf: np.take(leaf, place, axes), tree)

    expected = [function(*part(place, list(axes), list(arguments))) for place in range(3)]
    np.testing.assert_array_equal(graphc.vmap(function, in_axes=axes)(*arguments), expected)


def test_types_of_parts_are_no_types_of_all_of_them() -> None:
    def total(x: f64[4]) -> Any:
        return (x * x).sum()

    np.testing.assert_array_equal(graphc.vmap(total)(W), (W * W).sum(1))
    np.testing.assert_array_equal(graphc.vmap(graphc.grad(total))(W), 2 * W)


def test_results_have_their_axes_where_out_axes_says() -> None:
    def several(x: Any) -> Any:
        return {"a": x, "b": (2 * x, graphc.asarray(7.0))}

    found = graphc.vmap(several, out_axes={"a": 1, "b": (-1, None)})(W)
    np.testing.assert_array_equal(found["a"], W.T)
    np.testing.assert_array_equal(found["b"][0], 2 * W.T)
    assert found["b"][1].shape == ()
    np.testing.assert_array_equal(graphc.vmap(several)(W)["b"][1], [7, 7, 7])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"in_axes": ({"v": 0},)}, r"in_axes\[0\] is \{'v': 0\} for \{'w': <tensor f64\[3, 4\]>\}"),
        ({"in_axes": ([0],)}, r"in_axes\[0\] is \[0\] for"),
        ({"in_axes": ({"w": "a"},)}, r"in_axes\[0\]\['w'\] is 'a' \(str\)"),
        ({"in_axes": {"w": 0}}, "in_axes is {'w': 0}"),
        ({"in_axes": True}, "in_axes is True"),
        ({"out_axes": None}, "has no axis, and each part has one of its own"),
        ({"out_axes": (0, 0)}, r"out_axes is \(0, 0\) for"),
    ],
)
def test_axes_of_other_containers_are_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trace(lambda p: vmap(lambda p: p["w"], **given)(p), {"w": f64[3, 4]})


@pytest.mark.parametrize(
    "transform", ["checkpoint", "grad", "hessian", "jacfwd", "jacobian", "value_and_grad", "vmap"]
)
def test_what_is_no_function_is_refused(transform: str) -> None:
    with pytest.raises(UsageError, match=f"{transform} takes a function, and is given a ndarray"):
        getattr(graphc, transform)(np.ones(3))


def test_a_carry_may_be_none_or_hold_it() -> None:
    nothing, doubled = graphc.scan(lambda carry, row: (carry, 2 * row), None, X)
    assert nothing is None
    np.testing.assert_array_equal(doubled, 2 * X)
    last = graphc.scan(lambda c, rows: ((c[0] + rows[0], None), rows), (0.0, None), (X, None))[0]
    assert last[0] == 6 and last[1] is None
    assert (
        graphc.while_loop(
            lambda c: c["i"] < 3,
            lambda c: {"i": c["i"] + 1, "n": c["n"]},
            {"i": 0, "n": None},
            max_steps=9,
        )["n"]
        is None
    )
    with pytest.raises(UsageError, match="expected the form of None"):
        graphc.scan(lambda carry, row: (row, row), None, X)


def test_parts_are_counted_where_no_argument_says_how_many() -> None:
    ones = graphc.vmap(lambda: graphc.ones(2), axis_size=3)()
    np.testing.assert_array_equal(ones, np.ones((3, 2)))
    found = graphc.vmap(lambda w: w, in_axes=None, out_axes=1, axis_size=2)(W)
    np.testing.assert_array_equal(found, np.stack([W, W], 1))
    np.testing.assert_array_equal(graphc.vmap(lambda w: w, axis_size=len(W))(W), W)
    with pytest.raises(ShapeError, match=r"axis_size has 7 parts, and arguments\[0\] has"):
        graphc.vmap(lambda w: w, axis_size=7)(W)
