"""Elements at indices that are data, against NumPy: taken, replaced and combined."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import DTypeError, GraphcError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions as F
from graphc.ir.ops.structural import graph_input

Array = np.ndarray[Any, Any]

B = dims.variable("B", 1, 64)


def applied(function: Any, *operands: Array) -> Array:
    """A function of nodes on arrays, by the references of the ops."""
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(operands)
    ]
    return evaluate(Graph("g", tuple(nodes), (), (function(*nodes),)), operands)[0][0]


def same(found: Array, expected: Any) -> bool:
    return found.shape == np.shape(expected) and bool(np.array_equal(found, expected))


def counted(*shape: int) -> Array:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.int32).reshape(shape)


def ints(shape: tuple[int, ...], size: int, seed: int = 0) -> Array:
    """Indices in range, of both signs."""
    return np.random.default_rng(seed).integers(-size, size, shape)


# -- indices as NumPy reads them ------------------------------------------------------------------


@st.composite
def indexings(draw: st.DrawFn) -> tuple[Array, tuple[Any, ...]]:
    """A tensor and an index of it with one tensor of integers or more."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    lead = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    items: list[Any] = []
    for size in shape:
        kind = draw(st.sampled_from(["tensor", "slice", "number", "all"]))
        if kind == "tensor":
            # Tensors of one index broadcast: leading axes may be left out, or be of size 1.
            cut = lead[draw(st.integers(0, len(lead))) :]
            wide = tuple(1 if draw(st.booleans()) and n else n for n in cut)
            items.append(rng.integers(-size, size, wide))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-size, size))
            items.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1]))))
        else:
            items.append(draw(st.integers(-size, size - 1)) if kind == "number" else slice(None))
        if draw(st.integers(0, 5)) == 0:
            items.append(None)
    if not any(isinstance(item, np.ndarray) for item in items):
        items[0] = rng.integers(-shape[0], shape[0], lead)
    return counted(*shape), tuple(items)


def with_tensors(function: Any, x: Array, items: tuple[Any, ...], *others: Array) -> Array:
    """`function(x, items, others)` with the arrays among the items as tensors of the graph."""
    arrays = [item for item in items if isinstance(item, np.ndarray)]

    def build(node: Node, *nodes: Node) -> Node:
        given = iter(nodes)
        found = tuple(next(given) if isinstance(item, np.ndarray) else item for item in items)
        return function(node, found, *given)  # type: ignore[no-any-return]

    return applied(build, x, *arrays, *others)


@given(indexings())
def test_an_index_of_tensors_is_numpys(case: tuple[Array, tuple[Any, ...]]) -> None:
    x, items = case
    assert same(with_tensors(F["index"], x, items), x[items])


@given(indexings(), st.sampled_from(["at_set", "at_add", "at_multiply", "at_min", "at_max"]))
def test_updates_are_numpys(case: tuple[Array, tuple[Any, ...]], name: str) -> None:
    x, items = case
    values = np.random.default_rng(1).integers(-5, 5, x[items].shape).astype(np.int32)
    expected = x.copy()
    meets = {"at_add": np.add, "at_multiply": np.multiply, "at_min": np.minimum}
    if name == "at_set":
        expected[items] = values
    else:
        meets.get(name, np.maximum).at(expected, items, values)
    assert same(with_tensors(F[name], x, items, values), expected)


def test_what_is_out_of_range_reads_zero_and_is_dropped() -> None:
    x, i = counted(3), np.array([-4, -3, 2, 3, 2**40, -(2**63)])
    assert same(applied(F["take"], x, i), [0, 1, 3, 0, 0, 0])
    found = applied(lambda a, b: F["at_set"](a, b, 9), x, i)
    assert same(found, [9, 2, 9])


def test_indices_of_every_integer_dtype() -> None:
    x = counted(200)
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
        top = min(int(np.iinfo(dtype).max), 2**62)
        i = np.array([0, 100, top], dtype)
        assert same(applied(F["take"], x, i), [1, 101, top + 1 if top < 200 else 0])
    high = np.array([2**64 - 1, 2**63, 5], np.uint64)
    assert same(applied(F["take"], x, high), [0, 0, 6])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_modes_of_take_hold_for_every_integer(dtype: Any) -> None:
    x, limits = counted(6), np.iinfo(dtype)
    i = np.array([0, 5, 6, 100, limits.max, limits.min], dtype)
    places = [int(one) for one in i]
    expected = {
        "clip": [x[min(max(one, 0), 5)] for one in places],
        "wrap": [x[one % 6] for one in places],
        "fill": [x[one] if -6 <= one < 6 else -1 for one in places],
    }
    for mode, values in expected.items():
        keywords = {"fill_value": -1} if mode == "fill" else {}
        found = applied(lambda a, b, m=mode, k=keywords: F["take"](a, b, mode=m, **k), x, i)
        assert same(found, values), mode


def test_slices_and_masks_are_replaced_without_a_scatter() -> None:
    x = graph_input("x", dtypes.f32, (4, 6))
    mask = graph_input("mask", dtypes.bool_, (4, 6))
    for items in (
        (slice(1, 3), slice(None, None, 2)),
        (2, ...),
        (..., None, slice(None, None, -1)),
    ):
        result = F["at_set"](x, items, 1.0)
        assert "scatter" not in {n.op.name for n in Graph("g", (x,), (), (result,)).nodes()}
    result = F["at_add"](x, mask, 1.0)
    assert "scatter" not in {n.op.name for n in Graph("g", (x, mask), (), (result,)).nodes()}


def test_updates_of_slices_and_masks_are_numpys() -> None:
    x = counted(4, 6)
    for items in ((slice(3, 0, -2), slice(1, 6, 3)), (2,), (slice(None), None, -1), (...,)):
        expected = x.copy()
        expected[items] += 10
        assert same(applied(lambda a, items=items: F["at_add"](a, items, 10), x), expected)
    mask = x % 3 == 0
    expected = x.copy()
    expected[mask] = -1
    assert same(applied(lambda a, m: F["at_set"](a, m, -1), x, mask), expected)
    rows = np.array([True, False, True, False])
    expected = x.copy()
    expected[rows] = np.arange(6)
    line = np.arange(6, dtype=np.int32)
    assert same(applied(lambda a, m, v: F["at_set"](a, m, v), x, rows, line), expected)


# -- the names of NumPy and PyTorch ---------------------------------------------------------------


def test_take_is_numpys() -> None:
    x, i = counted(3, 4, 5), ints((2, 2), 3)
    for axis in (0, 1, 2, -1, None):
        expected = np.take(x, i, axis=axis)
        assert same(applied(lambda a, b, axis=axis: F["take"](a, b, axis), x, i), expected)
    assert same(applied(lambda a: F["take"](a, [2, -1], 0), x), x[[2, -1]])
    assert same(applied(lambda a: F["index_select"](a, 1, [0, 0]), x), x[:, [0, 0]])


def test_take_and_put_along_an_axis_are_numpys() -> None:
    x = counted(3, 4, 5)
    for axis in (0, 1, 2):
        shape = list(x.shape)
        shape[axis] = 2
        i = ints(tuple(shape), x.shape[axis])
        take = applied(lambda a, b, axis=axis: F["take_along_axis"](a, b, axis), x, i)
        assert same(take, np.take_along_axis(x, i, axis))
        values = counted(*shape) * 100
        expected = x.copy()
        np.put_along_axis(expected, i, values, axis)
        found = applied(lambda a, b, v, axis=axis: F["put_along_axis"](a, b, v, axis), x, i, values)
        assert same(found, expected)
    narrow = ints((1, 2, 1), 4)
    found = applied(lambda a, b: F["take_along_axis"](a, b, 1), x, narrow)
    assert same(found, np.take_along_axis(x, np.broadcast_to(narrow, (3, 2, 5)), 1))


def _torch_scatter(x: Array, axis: int, i: Array, source: Array, combine: Any) -> Array:
    """PyTorch's definition, element after element."""
    result = x.copy()
    for place in itertools.product(*map(range, i.shape)):
        at = list(place)
        at[axis] = i[place]
        result[tuple(at)] = combine(result[tuple(at)], source[place])
    return result


def test_scatters_along_an_axis_are_pytorchs() -> None:
    x = counted(4, 5).astype(np.float32)
    i, source = ints((2, 3), 4) % 4, counted(3, 3).astype(np.float32) / 2
    for axis in (0, 1):
        found = applied(lambda a, b, s, axis=axis: F["scatter"](a, axis, b, s), x, i, source)
        assert same(found, _torch_scatter(x, axis, i, source, lambda old, new: new))
        found = applied(lambda a, b, s, axis=axis: F["scatter_add"](a, axis, b, s), x, i, source)
        assert same(found, _torch_scatter(x, axis, i, source, np.add))
        gathered = applied(lambda a, b, axis=axis: F["gather"](a, axis, b), x, i)
        short = x[:, : i.shape[1]] if axis == 0 else x[: i.shape[0]]
        assert same(gathered, np.take_along_axis(short, i, axis))


def test_reducing_scatters_are_pytorchs() -> None:
    x = np.full((4,), 2.0, np.float32)
    i, source = np.array([0, 0, 1, 0]), np.array([3, 5, 7, 1], np.float32)
    expected = {
        ("sum", True): [11, 9, 2, 2], ("sum", False): [9, 7, 2, 2],
        ("prod", True): [30, 14, 2, 2], ("prod", False): [15, 7, 2, 2],
        ("amax", True): [5, 7, 2, 2], ("amin", True): [1, 2, 2, 2],
        ("amin", False): [1, 7, 2, 2], ("mean", True): [11 / 4, 9 / 2, 2, 2],
        ("mean", False): [3, 7, 2, 2],
    }  # fmt: skip
    for (name, whole), values in expected.items():
        found = applied(
            lambda a, b, s, name=name, whole=whole: F["scatter_reduce"](a, 0, b, s, name, whole),
            x, i, source,
        )  # fmt: skip
        assert same(found, np.array(values, np.float32)), (name, whole)


def test_slices_at_indices_are_combined() -> None:
    x, i, source = counted(3, 4), np.array([1, 1, -1]), counted(3, 3)
    added = x.copy()
    np.add.at(added.T, i, 2 * source.T)
    found = applied(lambda a, b, s: F["index_add"](a, 1, b, s, alpha=2), x, i, source)
    assert same(found, added)
    copied = x.copy()
    copied[:, i] = source
    assert same(applied(lambda a, b, s: F["index_copy"](a, 1, b, s), x, i, source), copied)
    filled = x.copy()
    filled[[0, 2]] = 7
    assert same(applied(lambda a: F["index_fill"](a, 0, [0, 2], 7), x), filled)


def test_counting_is_numpys() -> None:
    x = np.array([[0, 3], [3, 9]])
    assert same(applied(lambda a: F["bincount"](a, 5), x), [1, 0, 0, 2, 0])
    weights = np.array([[0.5, 1], [2, 4]])
    found = applied(lambda a, w: F["bincount"](a, 5, w), x, weights)
    assert same(found, np.array([0.5, 0, 0, 3, 0]))
    assert same(applied(lambda a: F["bincount"](a, 3), np.array([-1, 2])), [0, 0, 1])


def test_diagonals_are_numpys() -> None:
    x = counted(2, 3, 4)
    for offset, (a, b) in itertools.product((-3, -2, 0, 1, 5), ((0, 1), (1, 2), (2, 0))):
        expected = np.diagonal(x, offset, a, b)
        found = applied(lambda n, o=offset, a=a, b=b: F["diagonal"](n, o, a, b), x)
        assert same(found, expected)
    for offset in (-2, 0, 1):
        for one in (counted(3), counted(3, 4)):
            assert same(applied(lambda n, o=offset: F["diag"](n, o), one), np.diag(one, offset))


@given(st.integers(0, 9), st.integers(0, 2**16), st.booleans(), st.booleans())
def test_searching_is_numpys(size: int, seed: int, after: bool, special: bool) -> None:
    rng = np.random.default_rng(seed)
    line = rng.integers(-3, 4, size).astype(np.float32)
    values = rng.integers(-4, 5, (2, 5)).astype(np.float32)
    if special:
        line = np.where(rng.random(size) < 0.3, np.float32("nan"), line)
        values[0, :2] = np.nan, np.inf
    line = np.sort(line)
    found = applied(lambda a, v: F["searchsorted"](a, v, right=after), line, values)
    assert same(found, np.searchsorted(line, values, "right" if after else "left"))


def test_searching_goes_along_rows() -> None:
    lines, values = np.sort(ints((3, 7), 9), axis=1), ints((3, 4), 9, seed=1)
    found = applied(lambda a, v: F["searchsorted"](a, v, right=True), lines, values)
    expected = [np.searchsorted(a, v, "right") for a, v in zip(lines, values, strict=True)]
    assert same(found, np.stack(expected))


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**16))
def test_places_that_are_not_zero_are_numpys(rows: int, columns: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, 3, (rows, columns)) % 2
    expected = np.argwhere(x)
    for size in (0, 2, 20):
        found = applied(lambda a, n=size: F["argwhere"](a, size=n, fill_value=-7), x)
        count = min(size, len(expected))
        assert found.shape == (size, 2)
        assert np.array_equal(found[:count], expected[:count])
        assert (found[count:] == -7).all()


# -- named dims, types, refusals ------------------------------------------------------------------


def node(dtype: dtypes.DType, *shape: dims.DimLike) -> Node:
    return graph_input("x", dtype, shape)


def test_shapes_with_named_dims() -> None:
    x, i = node(dtypes.f32, 3, B, 5), graph_input("i", dtypes.i32, (B, 2))
    assert F["take"](x, i, 1).shape == (3, B, 2, 5)
    assert F["index"](x, (0, slice(None), i)).shape == (B, 2, B)
    assert F["index"](x, (slice(None), slice(None), i)).shape == (3, B, B, 2)
    assert F["embedding"](i, node(dtypes.f32, 100, 8)).shape == (B, 2, 8)
    assert F["at_set"](x, (slice(None), i), 0.0).type is x.type
    assert F["diagonal"](x).shape == (3, dims.minimum(B, 5))
    assert F["searchsorted"](node(dtypes.f32, B), x).type.shape == x.shape


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F["index"](node(dtypes.f32, 3), node(dtypes.bool_, 3)), UsageError, "mask"),
        (lambda: F["index"](node(dtypes.f32, 3), node(dtypes.f32, 3)), DTypeError, "integers"),
        (lambda: F["index"](node(dtypes.f32, 3), (node(dtypes.i32, 3),) * 2), ShapeError, "2 ind"),
        (lambda: F["take"](node(dtypes.f32, 3), 0.5), UsageError, "0.5"),
        (lambda: F["take"](node(dtypes.f32, 3), node(dtypes.i32, 1), 1), ShapeError, "axis 1"),
        (lambda: F["nonzero"](node(dtypes.f32, 3)), UsageError, "depends on data"),
        (lambda: F["unique"](node(dtypes.f32, 3)), UsageError, "depends on data"),
        (
            lambda: F["scatter"](node(dtypes.f32, 3), 0, node(dtypes.i32, 2), 1.0, "mean"),
            UsageError,
            "mean",
        ),
        (
            lambda: F["gather"](node(dtypes.f32, 3, 2), 0, node(dtypes.i32, 1, 4)),
            ShapeError,
            "no longer",
        ),
        (
            lambda: F["at_set"](node(dtypes.f32, 3), node(dtypes.i32, 2), node(dtypes.f32, 5)),
            ShapeError,
            "5",
        ),
        (lambda: F["embedding"](node(dtypes.i32, 2), node(dtypes.f32, 5)), ShapeError, "weight"),
        (lambda: F["bincount"](node(dtypes.f32, 3), 4), DTypeError, "expected integers"),
        *(
            (lambda call=call, dtype=dtype: call(node(dtype, 3)), DTypeError, "expected integers")
            for dtype in (dtypes.f32, dtypes.bool_)
            for call in (
                lambda i: F["scatter_add"](node(dtypes.f32, 3), 0, i, 1.0),
                lambda i: F["scatter_add"](node(dtypes.f32, 4), 0, i, 1.0),
                lambda i: F["scatter_reduce"](node(dtypes.f32, 4), 0, i, 1.0, "mean"),
                lambda i: F["put_along_axis"](node(dtypes.f32, 4), i, 1.0),
                lambda i: F["repeat"](node(dtypes.f32, 3), i, 0, 5),
                lambda i: F["unravel_index"](i, (2, 3)),
                lambda i: F["ravel_multi_index"]((i, i), (2, 3)),
                lambda i: F["dynamic_slice"](node(dtypes.f32, 5, 5, 5), i, (1, 1, 1)),
            )
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[GraphcError], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in f"{caught.value.message} {caught.value.hint}"


def test_equal_lookups_are_one_node() -> None:
    x, i = node(dtypes.f32, 5, 2), graph_input("i", dtypes.i32, (3,))
    assert F["take"](x, i, 0) is F["index"](x, i) is F["embedding"](i, x)
