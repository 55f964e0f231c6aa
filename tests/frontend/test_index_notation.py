"""Index notation: its values against NumPy, the products it becomes, and what it refuses."""

from collections.abc import Callable

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.library import library
from graphc.passes.simplify import simplify

SIZES = {"I": 3, "J": 4, "K": 5, "Z": 0, "E": 1}
SHAPES = {
    "a": "I, K",
    "b": "K, J",
    "q": "I, J, K",
    "u": "K",
    "w": "K",
    "s": "",
    "z": "I, Z",
    "e": "I, E",
}
DIMS = "".join(f"dim {name}: {size}..9\n" for name, size in SIZES.items())
PARAMETERS = ", ".join(f"{name}: f32[{shape}]" for name, shape in SHAPES.items())


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        name: rng.standard_normal([SIZES[d] for d in shape.split(", ") if d]).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def graph_of(*lines: str, parameters: str = PARAMETERS, head: str = DIMS) -> Graph:
    body = "".join(f"    {line}\n" for line in lines)
    text = f"{head}def f({parameters}):\n{body}    return o\nexport f = f\n"
    return elaborate(text, "notation.gc", library()).exports["f"]


Expected = Callable[..., object]
ROWS, COLUMNS = np.arange(3)[:, None], np.arange(4)[None, :]

STATEMENTS: dict[str, Expected] = {
    "o[i, j] = sum[k] a[i, k] * b[k, j]": lambda a, b, **_: a @ b,
    "o[j, i] = sum[k] a[i, k] * b[k, j]": lambda a, b, **_: (a @ b).T,
    "o[i, j] = sum[k] q[i, j, k] * u[k] / K": lambda q, u, **_: q @ u / 5,
    "o[i, j] = sum[k] s * q[i, j, k]": lambda q, s, **_: s * q.sum(-1),
    "o[i, j] = mean[k] 2.0 * q[i, j, k] * 3": lambda q, **_: 6 * q.mean(-1),
    "o[k, i, j] = q[i, j, k]": lambda q, **_: q.transpose(2, 0, 1),
    "o[i] = a[i, 2] + a[i, -1]": lambda a, **_: a[:, 2] + a[:, -1],
    "o[i, k] = a[i, k] * u[k] + w[k]": lambda a, u, w, **_: a * u + w,
    "o[k, l] = u[k] * w[l]": lambda u, w, **_: np.outer(u, w),
    "o[i, j] = max[k] q[i, j, k]": lambda q, **_: q.max(-1),
    "o[i] = min[j, k] q[i, j, k]": lambda q, **_: q.min((1, 2)),
    "o[k] = prod[i] a[i, k]": lambda a, **_: a.prod(0),
    "o[i] = any[k] (a[i, k] > 1)": lambda a, **_: (a > 1).any(1),
    "o[i] = all[k] (a[i, k] > -1)": lambda a, **_: (a > -1).all(1),
    "o[i, k] = exp(a[i, k]) / sum[k] exp(a[i, k])": lambda a, **_: (
        np.exp(a) / np.exp(a).sum(1, keepdims=True)
    ),
    "o[i] = sum[k] a[i, k] * sum[l] w[l]": lambda a, w, **_: a.sum(1) * w.sum(),
    "o[i, k] = where(k <= i, a[i, k], -inf)": lambda a, **_: np.where(
        np.arange(5) <= ROWS, a, -np.inf
    ),
    "o[i, k] = a[i, k] * (i + 2 * k) / 2": lambda a, **_: a * (ROWS + 2 * np.arange(5)) / 2,
    "o[i, k] = where((i + k) % 2 == 0, a[i, k], s)": lambda a, s, **_: np.where(
        (ROWS + np.arange(5)) % 2 == 0, a, s
    ),
    "o[i] = sum[k] a[i, k] ** 2": lambda a, **_: (a**2).sum(1),
    "o[i] = -sum[k] a[i, k]": lambda a, **_: -a.sum(1),
    "o[i] = sum[n] z[i, n]": lambda z, **_: z.sum(1),
    "o[i, k] = e[i, k] + sum[k] e[i, k]": lambda e, **_: 2 * e,
    "o[i, k] = cast(a[i, k], i32) + i32(i)": lambda a, **_: a.astype(np.int32) + ROWS,
    "o[i, k] = u[k] + 0 * a[i, 0]": lambda u, **_: np.broadcast_to(u, (3, 5)),
    "o = sum[k] u[k] * w[k]": lambda u, w, **_: u @ w,
    "o = sqrt(sum[i, k] a[i, k] * a[i, k]) + 1": lambda a, **_: np.sqrt((a * a).sum()) + 1,
    "o[i, k] = clip(a[i, k], 0.0, u[k] * u[k])": lambda a, u, **_: np.clip(a, 0, u * u),
    "o[i, j] = (a @ b)[i, j] + relu(a @ b)[i, j]": lambda a, b, **_: a @ b + np.maximum(a @ b, 0),
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_values(statement: str):
    graph = graph_of(statement)
    given = arrays()
    (found,), _ = evaluate(graph, [given[name] for name in SHAPES])
    expected = np.asarray(STATEMENTS[statement](**given))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_compositions_of_the_library_are_elementwise():
    graph = graph_of("o[i, k] = gelu(a[i, k]) + softplus(u[k])")
    whole = graph_of("o = gelu(a) + softplus(u)")
    given = [arrays()[name] for name in SHAPES]
    (found,), _ = evaluate(graph, given)
    (expected,), _ = evaluate(whole, given)
    np.testing.assert_array_equal(found, expected)


PRODUCTS = {
    "o[i, j] = sum[k] a[i, k] * b[k, j]": 1,
    "o[i, j] = sum[k] a[i, k] * b[k, j] / sqrt(K)": 1,
    "o[i, j] = sum[k] s * a[i, k] * b[k, j]": 1,
    "o[i, j, l] = sum[k] q[i, j, k] * q[i, l, k]": 1,
    "o[i, k] = a[i, k] * u[k]": 0,
}


@pytest.mark.parametrize("statement", PRODUCTS)
def test_sums_of_products_become_matrix_products(statement: str):
    simplified = simplify(graph_of(statement), SourceMap())
    names = [node.op.name for node in simplified.nodes()]
    assert names.count("matmul") == PRODUCTS[statement]
    assert "sum" not in names


def test_an_index_is_a_number_of_the_dtype_beside_it():
    graph = graph_of("o[k] = x[k] * k", parameters="x: f16[K]")
    assert str(graph.results[0].type) == "f16[K]"
    graph = graph_of("o[k] = x[k] + k // 2", parameters="x: u8[K]")
    (found,), _ = evaluate(graph, [np.full(6, 250, np.uint8)])
    assert found.tolist() == [250, 250, 251, 251, 252, 252]


def test_integers_are_summed_as_by_the_function():
    graph = graph_of("o[i] = sum[k] x[i, k]", parameters="x: i8[I, K]")
    assert str(graph.results[0].type) == "i64[I]"


def test_inner_names_hide_outer_ones():
    graph = graph_of("i = 2", "o[i] = a[i, 0] + i", "p = i")
    (found,), _ = evaluate(graph, [arrays()[name] for name in SHAPES])
    np.testing.assert_allclose(found, arrays()["a"][:, 0] + np.arange(3), rtol=1e-6)


REFUSED = {
    "o[i, j] = a[i, k] + a[i, j]": ("unbound-index", 20, "'k'", "sum[k]"),
    "o[i] = a[i, j] * w[j]": ("unbound-index", 17, "'j'", "sum[j]"),
    "o[i] = (sum[k] a[i, k]) * u[k]": ("unbound-index", 33, "'k'", ""),
    "o[i] = a[i, i]": ("shape-mismatch", 17, "'i' runs over I and over K", "another index"),
    "o[i, k] = a[i, k] + b[i, k]": ("shape-mismatch", 27, "'i' runs over I and over K", ""),
    "o[i] = a[i]": ("index", 12, "1 indices for f32[I, K]", "every axis"),
    "o[i] = a[i, i + 1]": ("not-supported", 17, "arithmetic with indices", "slice"),
    "o[i] = u": ("index", 12, "without indices", "u[i]"),
    "o[i] = 1.0": ("index-extent", 5, "'i'", "index of an axis"),
    "o[i] = sum[l] a[i, 0]": ("index-extent", 12, "'l'", ""),
    "o[i, k] = softmax(a[i, k])": ("not-supported", 15, "softmax", "whole tensor"),
    "o[i, k] = flip(a[i, k])": ("not-supported", 15, "flip", ""),
    "o[i, k] = g(a[i, k])": ("not-supported", 15, "the function g", "whole tensors"),
    "o[k] = x[k, k]": ("not-supported", 12, "one index on two axes", "where"),
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_refused(statement: str):
    code, column, message, hint = REFUSED[statement]
    head = DIMS + "def g(x):\n    return x\n"
    with pytest.raises(GraphcError) as caught:
        graph_of(statement, parameters=PARAMETERS + ", x: f32[K, K]", head=head)
    error = caught.value
    assert (error.code, error.span and error.span.column) == (code, column), error.render()
    assert message in error.message
    assert hint in (error.hint or "")


def test_two_extents_name_both_accesses():
    with pytest.raises(GraphcError) as caught:
        graph_of("o[i, j] = sum[k] a[i, k] * b[j, k]")
    assert caught.value.notes == (
        "it is axis 1 of a[i, k]: f32[I, K]",
        "it is axis 1 of b[j, k]: f32[K, J]",
    )
