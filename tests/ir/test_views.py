"""Tests of the forgiving views against NumPy, on random shapes and with named dims."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from graphc.errors import DTypeError, GraphcError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.broadcasting import broadcast_shapes, normal_axes
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.flat_index import ravel, regroup, unravel
from tests.own_words import own_words

Array = np.ndarray[Any, Any]

B = dims.variable("B", 1, 4096)
T = dims.variable("T", 2, 64)


def counted(shape: tuple[int, ...]) -> Array:
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


def applied(function: Any, *operands: Array) -> Array:
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(operands)
    ]
    return evaluate(Graph("g", tuple(nodes), (), (function(*nodes),)), operands)[0][0]


def symbolic(*shape: dims.DimLike) -> Node:
    return graph_input("x", dtypes.f32, shape)


def same(found: Array, expected: Any) -> bool:
    return found.shape == np.shape(expected) and bool(np.array_equal(found, expected))


# -- flat indices ---------------------------------------------------------------------------------

sizes = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4]), max_size=4).map(tuple)


@st.composite
def equal_sizes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes made from the same factors in the same order, in other groups."""
    factors = draw(st.lists(st.sampled_from([2, 2, 3, 5]), max_size=5))

    def grouped() -> tuple[int, ...]:
        shape = [1] * draw(st.integers(0, 1))
        for factor in factors:
            if shape and draw(st.booleans()):
                shape[-1] *= factor
            else:
                shape.append(factor)
            shape += [1] * draw(st.integers(0, 1))
        return tuple(shape)

    return grouped(), grouped()


@given(sizes)
def test_ravel_and_unravel_are_inverse_and_numpys(shape: tuple[int, ...]) -> None:
    for flat in range(math.prod(shape)):
        place = unravel(flat, shape)
        assert place == tuple(map(int, np.unravel_index(flat, shape)))
        assert ravel(place, shape) == flat


@given(equal_sizes())
def test_regroup_keeps_the_flat_position(pair: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    shape, target = pair
    loops = [dims.variable(f"i{a}", 0, size - 1) if size > 1 else 0 for a, size in enumerate(shape)]
    found = regroup(loops, shape, target)
    for place in np.ndindex(shape):
        values = {f"i{axis}": i for axis, i in enumerate(place)}
        moved = tuple(dims.evaluate(one, values) for one in found)
        assert all(0 <= i < size for i, size in zip(moved, target, strict=True))
        assert ravel(moved, target) == ravel(place, shape)


def test_reshapes_of_whole_axes_need_no_division() -> None:
    b, t, h, d = (dims.variable(n, 0, 1) for n in ("b", "t", "h", "d"))
    cases = [
        ((b, t), (B, T), (B, 1, T), (b, 0, t)),
        ((b, 0, t), (B, 1, T), (B, T), (b, t)),
        ((b, t, h, d), (B, T, 8, 64), (B, T, 512), (b, t, h * 64 + d)),
        ((b, t, h, d), (B, T, 8, 64), (B * T, 512), (b * T + t, h * 64 + d)),
    ]
    for place, shape, target, expected in cases:
        assert regroup(place, shape, target) == expected
    flat = dims.variable("flat", 0, 511)
    assert regroup((b, t, flat), (B, T, 512), (B, T, 8, 64)) == (b, t, flat // 64, flat % 64)


# -- views against NumPy --------------------------------------------------------------------------

small = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(st.data())
def test_indexing_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(small)
    items = data.draw(arrays.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    array = counted(shape)
    assert same(applied(lambda x: index(x, items), array), array[items])


@given(small, st.data())
def test_slices_with_any_bounds_are_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    bound = st.none() | st.integers(-7, 7)
    step = st.none() | st.integers(1, 5) | st.integers(-5, -1)
    items = tuple(slice(data.draw(bound), data.draw(bound), data.draw(step)) for _ in shape)
    array = counted(shape)
    assert same(applied(lambda x: index(x, items), array), array[items])


@given(small, st.data())
def test_transposes_are_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = counted(shape)
    order = data.draw(st.permutations(range(len(shape))))
    assert same(applied(lambda x: functions["permute"](x, *order), array), array.transpose(order))
    assert same(applied(functions["transpose"], array), array.T)
    if shape:
        axis = st.integers(-len(shape), len(shape) - 1)
        a, b = data.draw(axis), data.draw(axis)
        swapped = applied(lambda x: functions["transpose"](x, a, b), array)
        assert same(swapped, np.swapaxes(array, a, b))
        moved = applied(lambda x: functions["moveaxis"](x, a, b), array)
        assert same(moved, np.moveaxis(array, a, b))


@given(small, st.integers(0, 3), st.data())
def test_new_and_dropped_axes_are_numpys(
    shape: tuple[int, ...], axis: int, data: st.DataObject
) -> None:
    array = counted(shape)
    place = min(axis, len(shape))
    wide = np.expand_dims(array, place)
    assert same(applied(lambda x: functions["unsqueeze"](x, axis=place), array), wide)
    assert same(applied(lambda x: functions["squeeze"](x, place), wide), array)
    assert same(applied(functions["squeeze"], wide), np.squeeze(wide))
    assert same(applied(functions["flatten"], array), array.reshape(-1))
    if 0 not in shape and shape:
        first = data.draw(st.integers(0, len(shape) - 1))
        found = applied(lambda x: functions["flatten"](x, start_dim=first), array)
        assert same(found, array.reshape(*shape[:first], -1))
        assert same(applied(lambda x: functions["view"](x, -1), array), array.reshape(-1))


@given(small, st.data())
def test_joining_and_repeating_are_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = counted(shape)
    counts = tuple(data.draw(st.lists(st.integers(0, 3), max_size=5)))
    assert same(applied(lambda x: functions["tile"](x, counts), array), np.tile(array, counts))
    assert same(applied(lambda x: functions["flip"](x), array), np.flip(array))
    axis = data.draw(st.integers(0, len(shape)))
    both = applied(lambda x, y: functions["stack"]([x, y], axis), array, array + 1)
    assert same(both, np.stack([array, array + 1], axis))
    if shape:
        axis = data.draw(st.integers(-len(shape), len(shape) - 1))
        joined = applied(lambda x, y: functions["cat"]([x, y], axis=axis), array, array + 1)
        assert same(joined, np.concatenate([array, array + 1], axis))
        shift, times = data.draw(st.integers(-9, 9)), data.draw(st.integers(0, 3))
        rolled = applied(lambda x: functions["roll"](x, shift, axis), array)
        assert same(rolled, np.roll(array, shift, axis))
        again = applied(lambda x: functions["repeat"](x, times, axis), array)
        assert same(again, np.repeat(array, times, axis))
        widths = data.draw(
            st.lists(
                st.tuples(st.integers(0, 3), st.integers(0, 3)),
                min_size=len(shape),
                max_size=len(shape),
            )
        )
        padded = applied(lambda x: functions["pad"](x, widths, 7), array)
        assert same(padded, np.pad(array, widths, constant_values=7))


@given(arrays.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=3))
def test_broadcasting_is_numpys(drawn: Any) -> None:
    assert broadcast_shapes(*drawn.input_shapes) == drawn.result_shape
    x, y, z = (counted(shape) for shape in drawn.input_shapes)
    found = applied(lambda a, b, c: functions["where"](functions["less"](a, b), b, c), x, y, z)
    assert same(found, np.where(x < y, y, z))


@given(st.data())
def test_split_takes_an_axis_apart(data: st.DataObject) -> None:
    array = counted((7, 3))
    size = data.draw(st.integers(1, 9))
    pieces = [
        applied(lambda x, i=i: functions["split"](x, size)[i], array) for i in range(-(-7 // size))
    ]
    assert same(np.concatenate(pieces), array)
    assert all(len(piece) == size for piece in pieces[:-1])


# -- sequences ------------------------------------------------------------------------------------


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-4, 4).filter(bool))
def test_arange_is_numpys(start: int, stop: int, step: int) -> None:
    found = applied(lambda: functions["arange"](start, stop, step))
    assert found.dtype == np.int64
    assert same(found, np.arange(start, stop, step))


@pytest.mark.parametrize("k", range(-3, 5))
def test_matrices_from_counters_are_numpys(k: int) -> None:
    array = counted((2, 3, 4))
    assert same(applied(lambda: functions["eye"](3, 4, k)), np.eye(3, 4, k))
    assert same(applied(lambda x: functions["tril"](x, k), array), np.tril(array, k))
    assert same(applied(lambda x: functions["triu"](x, diagonal=k), array), np.triu(array, k))


def test_ranges_of_floats_are_numpys() -> None:
    spaced = applied(lambda: functions["linspace"](0.1, 0.7, 7, dtypes.f64))
    np.testing.assert_allclose(spaced, np.linspace(0.1, 0.7, 7), rtol=1e-15)
    assert spaced[-1] == 0.7
    assert same(applied(lambda: functions["arange"](0.0, 1.0, 0.25)), np.arange(0, 1, 0.25))


def test_one_hot_counts_beyond_the_range_of_its_labels() -> None:
    labels = np.array([[0, -1], [44, 127]], np.int8)
    found = applied(lambda x: functions["one_hot"](x, num_classes=300), labels)
    expected = (np.arange(300) == labels[..., None]).astype(np.float32)
    assert same(found, expected)
    moved = applied(lambda x: functions["one_hot"](x, 300, axis=0), labels)
    assert same(moved, np.moveaxis(expected, -1, 0))


# -- named dims -----------------------------------------------------------------------------------


def test_named_dims_go_through_views() -> None:
    x = symbolic(B, T, 64)
    assert functions["reshape"](x, B, T, 8, -1).shape == (B, T, 8, 8)
    assert functions["reshape"](x, -1, 64).shape == (B * T, 64)
    assert functions["flatten"](x, 1).shape == (B, T * 64)
    assert functions["unflatten"](x, -1, (-1, 16)).shape == (B, T, 4, 16)
    assert index(x, (slice(None), slice(1, None))).shape == (B, T - 1, 64)
    assert index(x, (slice(None), slice(None, -1))).shape == (B, T - 1, 64)
    assert index(x, (slice(None), -1)).shape == (B, 64)
    assert index(x, (0, T - 1)).shape == (64,)
    assert index(x, (..., slice(None, None, -2))).shape == (B, T, 32)
    assert functions["cat"]([x, x], 1).shape == (B, T * 2, 64)
    assert functions["add"](x, symbolic(T, 1)).shape == (B, T, 64)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: functions["add"](symbolic(B, 3), symbolic(T, 3)), ShapeError, "[B, 3] and [T, 3]"),
        (lambda: functions["reshape"](symbolic(B, 3), 7), ShapeError, "B*3 elements"),
        (lambda: functions["reshape"](symbolic(B, 3), -1, 2), ShapeError, "do not split by 2"),
        (lambda: functions["reshape"](symbolic(0, 3), 0, -1), ShapeError, "write out the dim"),
        (lambda: functions["reshape"](symbolic(B, 3), 2**70, -1), ShapeError, "write out the dim"),
        (lambda: functions["reshape"](symbolic(B + 1), 8, -1), ShapeError, "write out the dim"),
        (lambda: functions["reshape"](symbolic(4), -1, -1), ShapeError, "one dim at most"),
        (lambda: index(symbolic(B), 1), ShapeError, "not proved to be inside axis 0"),
        (lambda: index(symbolic(3), 3), ShapeError, "axis 0 has 3 elements"),
        (lambda: index(symbolic(3), (0, 0)), ShapeError, "2 indices"),
        (lambda: index(symbolic(3), (..., ...)), ShapeError, "one ... at most"),
        (lambda: index(symbolic(3), True), UsageError, "no index"),
        (lambda: index(symbolic(3), 1.5), UsageError, "no index"),  # type: ignore[arg-type]
        (lambda: index(symbolic(3), slice(0, 1.5)), UsageError, "no bound of a slice"),
        (lambda: index(symbolic(3), slice(None, None, 0)), ShapeError, "step 0"),
        (lambda: functions["squeeze"](symbolic(3), 0), ShapeError, "is 3, not 1"),
        (lambda: functions["sum"](symbolic(3), axis=1), ShapeError, "no axis 1"),
        (lambda: functions["sum"](symbolic(3), axis=(0, -1)), ShapeError, "occurs twice"),
        (lambda: functions["add"](symbolic(3), "a"), UsageError, "'a' (str)"),
        (lambda: functions["add"](symbolic(3), True), DTypeError, "True (bool)"),
        (lambda: functions["cat"]([]), UsageError, "one tensor at least"),
        (lambda: functions["arange"](0, 3, 0), UsageError, "the step is 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GraphcError)
    assert words in own_words(caught.value)


def test_axes_are_counted_from_both_ends() -> None:
    assert normal_axes((-1, 0), 3, "f") == (0, 2)
    assert normal_axes(None, 2, "f") == (0, 1)
    assert normal_axes((), 2, "f") == ()


MULTIPLE = re.compile(r"dim T: (\d+)\.\.(\d+) multiple of (\d+)")


@settings(deadline=None)
@given(
    low=st.integers(0, 9),
    more=st.integers(0, 60),
    unit=st.integers(1, 6),
    sizes=st.lists(st.integers(1, 12), max_size=2),
    power=st.integers(1, 2),
    added=st.sampled_from([0, 0, 1, 4]),
    factor=st.integers(1, 64),
)
def test_the_least_multiple_that_lets_a_shape_be_split_is_told(
    low: int, more: int, unit: int, sizes: list[int], power: int, added: int, factor: int
) -> None:
    high = low + more
    first, last = -(-low // unit) * unit, high // unit * unit
    assume(max(first, 1) <= last)

    def refusal(hi: int, multiple: int) -> ShapeError | None:
        one = dims.variable("T", low, hi, multiple)
        x = symbolic(*sizes, *[one] * (power - 1), one + added)
        try:
            assert functions["reshape"](x, factor, -1).shape[0] == factor
        except ShapeError as error:
            return error
        return None

    refused = refusal(high, unit)
    assume(refused is not None)
    # For all multiples, and not by chance for the few in the range.
    enough = (n for n in range(unit, factor * unit + 1, unit) if not refusal(high + 9 * n, n))
    least = next((n for n in enough if max(low, 1) <= high // n * n), None)
    found = MULTIPLE.search((refused and refused.hint) or "")
    if found is None:
        assert least is None
        return
    assert (int(found[1]), int(found[2])) == (first, last)
    multiple = int(found[3])
    assert refusal(high, multiple) is None
    assert least is None or multiple <= least


@pytest.mark.parametrize(
    ("shape", "to", "multiple"),
    [
        ((dims.variable("T", 1, 8), 4), (2, -1, 4), 2),
        ((dims.variable("T", 1, 8), 6), (-1, 4), 2),
        ((dims.variable("T", 3, 12, 3), 4), (-1, 8), 6),
        ((dims.variable("T", 1, 2**50),), (2**40, -1), 2**40),
        ((dims.variable("T", 1, 2**50), 2**31 - 1), (2 * (2**31 - 1), -1), 2),
    ],
)
def test_the_multiple_that_is_told(shape: Any, to: tuple[int, ...], multiple: int) -> None:
    with pytest.raises(ShapeError) as caught:
        functions["reshape"](symbolic(*shape), *to)
    assert f"multiple={multiple})" in (caught.value.hint or "")
