"""`x.at[items].set(value)` in Python and in the language: the same graphs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.errors import GraphcError, MemberLookupError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.op import functions as F
from graphc.ir.ops.structural import graph_input
from graphc.library import library


def x(*shape: int, dtype: dtypes.DType = dtypes.f32) -> Tensor:
    return Tensor(graph_input("x", dtype, shape or (3, 4)))


def test_methods_are_the_functions() -> None:
    i = Tensor(graph_input("i", dtypes.i32, (2,)))
    items = (i, slice(1, 3))
    at = (i.node, slice(1, 3))
    for method, name in (
        ("set", "at_set"),
        ("add", "at_add"),
        ("multiply", "at_multiply"),
        ("min", "at_min"),
        ("max", "at_max"),
    ):
        result = getattr(x().at[items], method)(2.0)
        assert result.node is F[name](x().node, at, 2.0)


X = np.array([1.0, 2.0, 3.0, 4.0])
METHODS = {
    "x.at[i].get()": X[[1, 1, 3]],
    "x.at[i].subtract(1.5)": [1.0, -1.0, 3.0, 2.5],
    "x.at[i].divide(2.0)": [1.0, 0.5, 3.0, 2.0],
    "x.at[i].power(2.0)": [1.0, 16.0, 3.0, 16.0],
    "x.at[i].apply(sqrt)": [1.0, math.sqrt(2.0), 3.0, 2.0],
    "x.at[x > 2.5].divide(2.0)": [1.0, 2.0, 1.5, 2.0],
    "x.at[-1].subtract(x[0])": [1.0, 2.0, 3.0, 3.0],
}
"""Elements that occur twice are changed twice, but for those that are set."""


@pytest.mark.parametrize("call", METHODS)
def test_the_methods_that_are_made_of_others(call: str) -> None:
    source = f"def f(x: f64[4], i: i32[3]):\n    return {call}\n\nexport f = f\n"
    graph = elaborate(source, "m.gc", library()).exports["f"]
    index = np.array([1, 1, 3], np.int32)
    np.testing.assert_array_equal(evaluate(graph, [X, index])[0][0], METHODS[call])
    in_python = graphc.function(
        lambda x, i: eval(call, {"x": x, "i": i, "sqrt": graphc.sqrt}), device="reference"
    )
    np.testing.assert_array_equal(in_python(X, index), METHODS[call])


def test_arrays_and_masks_are_places() -> None:
    places = np.array([0, 2])
    assert x().at[places].add(1.0).type is x().type
    assert x().at[x() > 0].set(0.0).node is F["at_set"](x().node, (x() > 0).node, 0.0)


SOURCE = """
def f(x: f32[3, 4], i: i32[2]) -> f32[3, 4]:
    y = x.at[i, 1:3].add(2.0)
    return y.at[y > 1.0].set(0.5) + x[i].sum() + x[0, i].sum()
export g = f
"""


def test_the_language_has_the_same_places() -> None:
    unit = elaborate(SOURCE, "m.gc", library())
    (graph,) = unit.exports.values()
    a, i = (Tensor(node) for node in graph.inputs)
    y = a.at[i, 1:3].add(2.0)
    expected = y.at[y > 1.0].set(0.5) + a[i].sum() + a[0, i].sum()
    assert graph.results == (expected.node,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x.at[0].sett(1.0)", "set"),
        ("x.at[9].set(1.0)", "axis 0"),
        ("x.at[x].set(1.0)", "integers"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(text: str, said: str) -> None:
    source = f"def f(x: f32[3, 4]) -> f32[3, 4]:\n    return {text}\nexport g = f\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(source, "m.gc", library())
    assert caught.value.span is not None and caught.value.span.line == 2
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_place_has_no_other_methods() -> None:
    place: Any = x().at[0]
    with pytest.raises(MemberLookupError):
        place.mean(2.0)
