"""Windows and their adjoint, against NumPy's sliding windows, on every device with a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.window import window_count
from graphc.ir.source_map import SourceMap
from graphc.passes.autodiff import vjp
from graphc.passes.simplify import simplify
from tests.emitted import emitted

Array = np.ndarray[Any, Any]


def graph(name: str, x: Array, **arguments: Any) -> Graph:
    node = graph_input("x", dtypes.from_numpy(x.dtype), x.shape)
    return Graph("g", (node,), (), (functions[name](node, **arguments),))


def on_cpu(graph: Graph, x: Array) -> Array:
    return emitted([graph]).call("g", [x])[0]


def applied(name: str, x: Array, **arguments: Any) -> Array:
    return evaluate(graph(name, x, **arguments), [x])[0][0]


def simplified(result: Node) -> Node:
    inputs = tuple(one for one in topological([result]) if not one.inputs)
    return simplify(Graph("g", inputs, (), (result,)), SourceMap()).results[0]


@st.composite
def slidings(draw: st.DrawFn) -> tuple[Array, dict[str, int]]:
    """A tensor and windows that fit into one of its axes."""
    size, dilation, stride = (draw(st.integers(1, 4)) for _ in range(3))
    length = (size - 1) * dilation + 1 + draw(st.integers(0, 6))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    axis = draw(st.integers(0, len(shape)))
    shape.insert(axis, length)
    x = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return x, {"axis": axis, "size": size, "stride": stride, "dilation": dilation}


def expected_windows(x: Array, axis: int, size: int, stride: int, dilation: int) -> Array:
    span = (size - 1) * dilation + 1
    seen = np.lib.stride_tricks.sliding_window_view(x, span, axis)
    seen = np.moveaxis(seen[..., ::dilation], -1, axis + 1)
    return seen[(slice(None),) * axis + (slice(None, None, stride),)]


@given(slidings())
def test_windows_are_those_of_numpy(sliding: tuple[Array, dict[str, int]]):
    x, how = sliding
    found, expected = applied("window", x, **how), expected_windows(x, **how)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@given(slidings())
def test_overlap_add_counts_how_often_windows_have_an_element(
    sliding: tuple[Array, dict[str, int]],
):
    x, how = sliding
    axis, size = how["axis"], how.pop("size")
    seen = expected_windows(x, size=size, **how)
    length = x.shape[axis]
    folded = applied("overlap_add", np.ascontiguousarray(seen), length=length, **how)
    places = expected_windows(np.arange(length), 0, size, how["stride"], how["dilation"])
    times = np.bincount(places.ravel(), minlength=length)
    shape = [length if i == axis else 1 for i in range(x.ndim)]
    np.testing.assert_array_equal(folded, x * times.reshape(shape))


def test_windows_of_an_axis_counted_from_the_end():
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(
        applied("window", x, axis=-1, size=3), applied("window", x, axis=1, size=3)
    )
    y = np.ones((2, 4, 3), np.float32)
    np.testing.assert_array_equal(
        applied("overlap_add", y, axis=-1, length=6), applied("overlap_add", y, axis=1, length=6)
    )


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_each_is_the_gradient_of_the_other(stride: int, dilation: int):
    how = {"axis": 1, "stride": stride, "dilation": dilation}
    x = graph_input("x", dtypes.f32, (2, 9))
    seen = functions["window"](x, size=3, **how)
    g = graph_input("g", dtypes.f32, seen.shape)
    assert simplified(vjp([seen], [x], [g])[0]) is functions["overlap_add"](g, length=9, **how)
    folded = functions["overlap_add"](g, length=9, **how)
    y = graph_input("y", dtypes.f32, folded.shape)
    assert simplified(vjp([folded], [g], [y])[0]) is functions["window"](y, size=3, **how)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_cpu_computes_what_the_reference_does(stride: int):
    x = np.random.default_rng(0).standard_normal((3, 17)).astype(np.float32)
    seen = graph("window", x, axis=1, size=4, stride=stride, dilation=2)
    np.testing.assert_array_equal(on_cpu(seen, x), evaluate(seen, [x])[0][0])
    y = evaluate(seen, [x])[0][0]
    folded = graph("overlap_add", y, axis=1, length=17, stride=stride, dilation=2)
    np.testing.assert_allclose(on_cpu(folded, y), evaluate(folded, [y])[0][0], rtol=1e-6)


def test_named_dims():
    T, K = dims.variable("T", 16, 64), dims.variable("K", 1, 16)
    x = graph_input("x", dtypes.f32, (T,))
    assert functions["window"](x, axis=0, size=K).shape == (T - K + 1, K)
    assert window_count(T, K, stride=2) == (T - K) // 2 + 1
    seen = functions["window"](x, axis=0, size=5, stride=2)
    assert functions["overlap_add"](seen, axis=0, length=T, stride=2).shape == (T,)


def test_a_window_that_may_not_fit_is_refused():
    x = graph_input("x", dtypes.f32, (dims.variable("N", 1, 64),))
    with pytest.raises(ShapeError, match="not proved to fit") as caught:
        functions["window"](x, axis=0, size=3)
    assert "range" in (caught.value.hint or "")
    with pytest.raises(ShapeError, match="3 windows along axis 0"):
        functions["overlap_add"](graph_input("y", dtypes.f32, (3, 3)), axis=0, length=9)
    with pytest.raises(ShapeError, match="no axis of windows"):
        functions["overlap_add"](x, axis=0, length=9)


def test_booleans_move_but_have_no_sum():
    x = np.array([True, False, True, True])
    assert applied("window", x, axis=0, size=2).tolist() == [[1, 0], [0, 1], [1, 1]]
