"""Index notation: its values against NumPy, the products it becomes, and what it refuses."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.library import library
from graphc.passes.simplify import simplify
from graphc.runtime.cpu.executor import CpuExecutor
from tests.emitted import emitted

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
    "o[i, k: K] = sum[k] a[i, k]": lambda a, **_: np.repeat(a.sum(1, keepdims=True), 5, 1),
    "o[i] = sum[k] a[i, k] * max[k] a[i, k]": lambda a, **_: a.sum(1) * a.max(1),
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
    "o[i, k] = sum([a[i, k] * n for n in range(3)])": lambda a, **_: 3 * a,
    "o[k] = sum([u[k + n] * m for n in range(3) for m in [1, w[n]]])": lambda u, w, **_: sum(
        u[n : n + 3] * (1 + w[n]) for n in range(3)
    ),
    "o[i] = sum([exp(a[i, n]) for n in range(5) if n % 2])": lambda a, **_: np.exp(a)[:, 1::2].sum(
        1
    ),
}


FUNCTIONS = """
def square(x, shift=0.0):
    return x * x + shift

def before(x, i, k):
    return where(k <= i, x, 0)

def normalized(x, axis=-1):
    e = exp(x - max(x, axis=axis, keepdims=True))
    return e / sum(e, axis=axis, keepdims=True)

def total(x, y, dim):
    return sum(x * y, dim=dim)
"""

CALLS: dict[str, Expected] = {
    "o[k, i] = square(a[i, k], shift=1.0)": lambda a, **_: (a * a + 1).T,
    "o[k, i] = before(a[i, k], i, k)": lambda a, **_: np.tril(a).T,
    "o[i, k] = grad(sum)(a[i, k])": lambda a, **_: np.ones_like(a),
    "o[k, i] = normalized(a[i, k], axis=k)": lambda a, **_: softmax(a, 1).T,
    "o[i, k] = normalized(u[k], axis=k) * a[i, k]": lambda a, u, **_: softmax(u, 0) * a,
    "o[i] = total(a[i, k], u[k], dim=k)": lambda a, u, **_: a @ u,
    "o[i] = 2 * total(x=a[i, k], y=u[k], dim=(k,))": lambda a, u, **_: 2 * a @ u,
    "o[i, j] = (a[i, 0] + b[0, j]).exp()": lambda a, b, **_: np.exp(a[:, :1] + b[:1]),
    "o[i, k] = a[i, k].tanh().clip(0, 1) + 1": lambda a, **_: np.clip(np.tanh(a), 0, 1) + 1,
    "o[i, k] = (3 * a[i, k]).long().float()": lambda a, **_: np.trunc(3 * a),
    "o[i, k] = a[i, k].softmax(axis=i)": lambda a, **_: softmax(a, 0),
    "o[i] = max(a[i, k], axis=k) * 2": lambda a, **_: a.max(1) * 2,
    "o[i] = max(a[i, k] + b[k, j], axis=(k, j))": lambda a, b, **_: (a[:, :, None] + b).max((1, 2)),
    "o[i] = a[i, k].exp().sum(dim=k).log()": lambda a, **_: np.log(np.exp(a).sum(1)),
    "o[i] = a[i, cast(3 * a[i, 0].tanh().abs(), i32)]": lambda a, **_: a[
        np.arange(3), (3 * np.abs(np.tanh(a[:, 0]))).astype(int)
    ],
}


@pytest.mark.parametrize("statement", CALLS)
def test_calls_of_functions_and_methods(statement: str):
    given = arrays()
    graph = graph_of(statement, head=DIMS + FUNCTIONS)
    (found,), _ = evaluate(graph, list(given.values()))
    np.testing.assert_allclose(found, CALLS[statement](**given), rtol=1e-5, atol=1e-6)


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


HIDING = {
    "number = 2": ("o[number] = a[number, 0]", "the number 2", "notation.gc:7:5"),
    "for n in range(3):\n        pass": (
        "o[i] = sum[n] a[i, n] * n",
        "the number 2",
        "notation.gc:7:9",
    ),
    "t = [a, b]": ("o[i] = max[t] a[i, t]", "a list of 2", "notation.gc:7:5"),
    "pass": ("o[i] = sum[K] a[i, K]", "the dim K", "notation.gc:3:"),
    "p[i, j] = a[i, j]": ("o = sum[u] p * u[0]", "tensor f32[K]", "notation.gc:6:"),
    "q[i, j] = a[i, j]": ("o[q] = q", "tensor f32[I, K]", "notation.gc:7:5"),
}


@pytest.mark.parametrize("definition", HIDING)
def test_an_index_hides_no_value(definition: str):
    statement, value, place = HIDING[definition]
    with pytest.raises(GraphcError) as caught:
        graph_of(definition, statement)
    assert caught.value.code == "ambiguous-index"
    assert value in caught.value.message
    assert caught.value.notes[0].startswith(f"it is defined at {place}")


def test_names_of_functions_are_free_for_indices():
    graph = graph_of("o[max, f] = sum[sum] q[max, f, sum]")
    (found,), _ = evaluate(graph, [arrays()[name] for name in SHAPES])
    np.testing.assert_allclose(found, arrays()["q"].sum(2), rtol=1e-5, atol=1e-6)


REFUSED = {
    "o[i, j] = a[i, k] + a[i, j]": ("unbound-index", 20, "'k'", "sum[k]"),
    "o[i] = a[i, j] * w[j]": ("unbound-index", 17, "'j'", "sum[j]"),
    "o[i] = (sum[k] a[i, k]) * u[k]": ("unbound-index", 33, "'k'", ""),
    "o[i] = sum[k] -a[i, k]": ("index", 12, "sum has no elements", "sum[k] (-x[k])"),
    "o[i] = w[0] + max[k] - a[i, 0]": ("index", 19, "max has no elements", "max[k] (-x[k])"),
    "o[i] = a[i, i]": ("shape-mismatch", 17, "'i' runs over I and over K", "another index"),
    "o[i, k] = a[i, k] + b[i, k]": ("shape-mismatch", 27, "'i' runs over I and over K", ""),
    "o[i] = a[i]": ("index", 12, "1 indices for f32[I, K]", "every axis"),
    "o[i] = a[i, i + 1]": ("index-range", 17, "reads elements 1 to I", "pad"),
    "o[i] = u": ("index", 12, "without indices", "u[i]"),
    "o[i] = 1.0": ("index-extent", 5, "'i'", "index of an axis"),
    "o[i] = sum[l] a[i, 0]": ("index-extent", 12, "'l'", ""),
    "o[i, k] = softmax(a[i, k])": ("not-supported", 15, "softmax", "whole tensor"),
    "o[i, k] = flip(a[i, k])": ("not-supported", 15, "flip", ""),
    "o[i] = softmax(a[i, k], axis=k)": ("unbound-index", 25, "'k'", "on the left"),
    "o[i] = max(a[i, k], axis=k) * u[k]": ("unbound-index", 37, "'k'", ""),
    "o[i, k] = tril(a[i, k])": ("not-supported", 15, "tril", "whole tensor"),
    "o[i, k] = g(a[i, k])": ("not-supported", 15, "g, which does not compute", "whole tensor"),
    "o[i, k] = h(a[i, k], u)": ("index", 26, "without indices", "u[i]"),
    "o[i, k] = h(a[i, k], b=u[k])": ("argument-unknown", 15, "no argument 'b'", "h(x, y)"),
    "o[i, k] = both(a[i, k])": ("not-supported", 15, "both", ""),
    "o[i, k] = a[i, k].sort()": ("not-supported", 15, "a[i, k].sort", "axis=i"),
    "o[i, k] = a[i, k].T": ("not-supported", 15, "a member or an element", "of its own"),
    "o[i, k] = a[i, k].exp().exp[0]": ("not-supported", 15, "a member or an element", ""),
    "o[k] = x[k - 1, k]": ("index-range", 14, "k - 1 reads elements -1 to K - 2", "pad"),
    "o[k: K] = u[k + 1] - u[k]": ("index-range", 17, "1 to K of an axis of K", "k: K - 1, pad"),
    "o[k] = u[K - k]": ("index-range", 14, "reads elements 0 to K of", "counted from 0"),
    "o[k] = u[7 + k]": ("index-range", 14, "would have K - 7 values", "range"),
    "o[k] = u[k + l]": ("unbound-index", 18, "'l'", "sum[l]"),
    "o[k] = sum[l] u[k + l]": ("index-extent", 21, "how far the index 'k'", ""),
    "o[k] = u[k % 4]": ("index-extent", 14, "how far the index 'k'", ""),
    "o[k] = w[k] * u[k % 9]": ("index-range", 21, "reads elements 0 to 8", ""),
    "o[k] = where(k < K, x[0, k % 9], 0) + u[k]": ("index-range", 30, "reads elements 0 to 8", ""),
    "o[k] = u[w[k]]": ("index", 14, "f32 numbers are no index", "cast"),
    "o[i, k] = sum[k] a[i, k]": ("unread-index", 10, "'k'", "k: 4"),
    "o[k] = sum[k] u[k]": ("unread-index", 7, "'k'", "another name"),
    "o[i, k] = max(a[i, k], axis=k)": ("unread-index", 10, "'k'", "another name"),
    "o[i] = sum[k] a[i, 0] * (max[k] a[i, k])": ("unread-index", 16, "'k'", "another name"),
    "o[k] = sum([u[n] for k in range(2) for n in range(2)])": ("ambiguous-index", 16, "'k'", ""),
    "o[k] = u[k:]": ("index", 14, "a slice mentions an index", ""),
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_refused(statement: str):
    code, column, message, hint = REFUSED[statement]
    head = DIMS + (
        "def g(x):\n    return x + arange(x.shape[1], dtype=f32)\n"
        "def h(x, y):\n    return x + y\n"
        "def both(x):\n    return x, x\n"
    )
    with pytest.raises(GraphcError) as caught:
        graph_of(statement, parameters=PARAMETERS + ", x: f32[K, K]", head=head)
    error = caught.value
    assert (error.code, error.span and error.span.column) == (code, column), error.render()
    assert message in error.message
    assert hint in (error.hint or "")


WINDOWS = """
dim B: 2..4
dim C: 3..4
dim O: 2..4
dim H: 7..8
dim W: 9..12
"""
READS: dict[str, Expected] = {
    "o[b, k, i, j] = sum[c, u, v] x[b, c, i + u, j + v] * w[k, c, u, v]": lambda x, w, **_: (
        convolution(x, w)
    ),
    "o[b, k, i, j] = sum[c, u, v] x[b, c, 2*i + u, 3*j + v] * w[k, c, u, v]": lambda x, w, **_: (
        convolution(x, w)[:, :, ::2, ::3]
    ),
    "o[b, k, i, j] = sum[c, u, v] x[b, c, i + 2*u, j + 3*v] * w[k, c, u, v]": lambda x, w, **_: (
        convolution(x, dilated(w, 2, 3))
    ),
    "o[b, k, i, j] = sum[c, u, v] x[b, c, i - u + 2, j + 2 - v] * w[k, c, u, v]": (
        lambda x, w, **_: convolution(x, w[:, :, ::-1, ::-1])
    ),
    "o[b, c, i] = max[u, v] (x[b, c, 2*i + u, v] + 0 * w[0, 0, u, 0])": lambda x, **_: np.stack(
        [x[:, :, 2 * i : 2 * i + 3].max((2, 3)) for i in range(3)], -1
    ),
    "o[i] = z[i + 1] - r[i]": lambda z, r, **_: z[1:8] - r,
    "o[t] = z[W - 1 - t]": lambda z, **_: z[::-1],
    "o[t] = z[2*t]": lambda z, **_: z[::2],
    "o[t] = z[2*t + 1]": lambda z, **_: z[1::2],
    "o[t] = z[8 - 3*t]": lambda z, **_: z[8::-3],
    "o[i, u] = z[i + u] * w[0, 0, u, 0]": lambda z, w, **_: (
        np.lib.stride_tricks.sliding_window_view(z, 3) * w[0, 0, :, 0]
    ),
    "o[i] = sum[u, v] z[i + u + 2*v] * w[0, 0, u, v]": lambda z, w, **_: np.stack(
        [
            sum(z[i + u + 2 * v] * w[0, 0, u, v] for u in range(3) for v in range(3))
            for i in range(3)
        ]
    ),
    "o[g, c] = z[3*g + c] * w[0, 0, c, 0]": lambda z, w, **_: z.reshape(3, 3) * w[0, 0, :, 0],
    "o[c, g] = z[c + 3*g] * w[0, 0, c, 0]": lambda z, w, **_: (z.reshape(3, 3) * w[0, 0, :, 0]).T,
    "o[g, b: 2, c: 2] = z[1 + 2*b + 4*g + c]": lambda z, **_: z[1:].reshape(2, 2, 2),
    "o[t] = r[t // 2]": lambda r, **_: np.repeat(r, 2),
    "o[t] = z[t] * r[(t + 1) // 2]": lambda z, r, **_: z * r[(np.arange(9) + 1) // 2],
    "o[t] = z[t] * r[(t - 2) % 5]": lambda z, r, **_: z * r[(np.arange(9) - 2) % 5],
    "o[t] = z[t] * r[(5 - t) % 4]": lambda z, r, **_: z * r[(5 - np.arange(9)) % 4],
    "o[t] = z[t * t % 7] * z[t]": lambda z, **_: z * z[np.arange(9) ** 2 % 7],
    "o[t] = z[ids[t]]": lambda z, ids, **_: z[ids],
    "o[b, t] = x[b, 0, ids[t], t]": lambda x, ids, **_: x[:, 0, ids, np.arange(9)],
    "o[t, c] = x[1, c, ids[t], 2]": lambda x, ids, **_: x[1][:, ids, 2].T,
    "o[t, b] = x[b, ids[t] // 4, ids[t], t]": lambda x, ids, **_: (
        x[:, ids // 4, ids, np.arange(9)].T
    ),
    "o[c] = w[0, 2, c, c]": lambda w, **_: np.diagonal(w[0, 2]),
    "o[k] = sum[c, u] w[k, c, u, 2 - u]": lambda w, **_: w[:, :, range(3), [2, 1, 0]].sum((1, 2)),
    "o[t] = x[ids[1], 0, 6, t]": lambda x, **_: x[1, 0, 6],
    "o[t] = x[ids[1], ids[t] // 3, 6, t]": lambda x, ids, **_: x[1, ids // 3, 6, np.arange(9)],
    "o[i] = sum[u] z[i + u] * w[0, 0, u, 0] / 3": lambda z, w, **_: (
        np.lib.stride_tricks.sliding_window_view(z, 3) @ w[0, 0, :, 0] / 3
    ),
}


def convolution(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    seen = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.einsum("bcijuv,ocuv->boij", seen, w)


def dilated(w: np.ndarray, u: int, v: int) -> np.ndarray:
    wide = np.zeros((*w.shape[:2], 2 * u + 1, 2 * v + 1), w.dtype)
    wide[:, :, ::u, ::v] = w
    return wide


def read_graphs() -> dict[str, Graph]:
    parameters = "x: f32[B, C, H, W], w: f32[O, C, 3, 3], z: f32[W], r: f32[H], ids: i32[W]"
    return {
        text: dataclasses.replace(
            graph_of(text, parameters=parameters, head=WINDOWS), name=f"read{number}"
        )
        for number, text in enumerate(READS)
    }


def read_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"x": (2, 3, 7, 9), "w": (2, 3, 3, 3), "z": (9,), "r": (7,)}
    floats = {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    return {**floats, "ids": np.array([3, 1, 4, 1, 5, 6, 2, 6, 5], np.int32)}


@pytest.fixture(scope="module")
def reads() -> tuple[dict[str, Graph], CpuExecutor]:
    graphs = read_graphs()
    return graphs, emitted([simplify(one, SourceMap()) for one in graphs.values()])


@pytest.mark.parametrize("statement", READS)
def test_reads_at_positions_and_at_data(
    statement: str, reads: tuple[dict[str, Graph], CpuExecutor]
):
    graphs, executor = reads
    graph, given = graphs[statement], read_arrays()
    expected = np.asarray(READS[statement](**given))
    (found,), _ = evaluate(graph, list(given.values()))
    (computed,) = executor.call(graph.name, list(given.values()))
    assert found.shape == computed.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(computed, expected, rtol=2e-5, atol=2e-6)
    assert read_graph(graph_text(graph), "printed.gc") is graph


def test_a_convolution_is_one_matrix_product():
    graph = next(iter(read_graphs().values()))
    names = [node.op.name for node in simplify(graph, SourceMap()).nodes()]
    assert names.count("matmul") == 1 and "sum" not in names


def test_indices_that_do_not_overlap_split_an_axis():
    for statement, graph in read_graphs().items():
        if statement.startswith(("o[g,", "o[c, g]")):
            assert "skew" not in {node.op.name for node in graph.nodes()}, statement


def test_two_extents_name_both_accesses():
    with pytest.raises(GraphcError) as caught:
        graph_of("o[i, j] = sum[k] a[i, k] * b[j, k]")
    assert caught.value.notes == (
        "it is axis 1 of a[i, k]: f32[I, K]",
        "it is axis 1 of b[j, k]: f32[K, J]",
    )


# -- names that outlive their statement -----------------------------------------------------------

ATTENTION = (
    "dim B: 1..4\ndim H: 1..4\ndim T: 1..8\ndim D: 1..8\n",
    "q: f32[B, H, T, D], k: f32[B, H, T, D], v: f32[B, H, T, D]",
    "s[b, h, i, j] = sum[d] q[b, h, i, d] * k[b, h, j, d] / sqrt(D)",
)


def attention_arrays() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(7)
    return tuple(rng.standard_normal((2, 3, 5, 4)).astype(np.float32) for _ in range(3))


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def attended(*lines: str) -> tuple[Graph, np.ndarray]:
    head, parameters, scores = ATTENTION
    head += "def g(x: f32[B, H, T, T], axis) -> f32[B, H, T, T]:\n"
    head += "    return x + arange(x.shape[axis], dtype=f32)\n"
    graph = graph_of(scores, *lines, parameters=parameters, head=head)
    (found,), _ = evaluate(graph, list(attention_arrays()))
    return graph, found


STEPS = np.arange(5)
CAUSAL = STEPS[:, None] >= STEPS

NAMED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "o = where(j <= i, s, -inf)": lambda s: np.where(CAUSAL, s, -np.inf),
    "o = softmax(where(j <= i, s, -inf), axis=j)": lambda s: softmax(
        np.where(CAUSAL, s, -np.inf), 3
    ),
    "o = softmax(s, axis=i)": lambda s: softmax(s, 2),
    "o = max(s, axis=j)": lambda s: s.max(3),
    "o = s - max(s, axis=j)": lambda s: s - s.max(3, keepdims=True),
    "o = s / sum(exp(s), dim=(i, j))": lambda s: s / np.exp(s).sum((2, 3), keepdims=True),
    "o = cumulative_sum(s, axis=h)": lambda s: s.cumsum(1),
    "o = argmax(s, axis=j)": lambda s: s.argmax(3),
    "o = flip(s, axis=j)": lambda s: s[..., ::-1],
    "o = sum[j] s": lambda s: s.sum(3),
    "o = sum[b, h] s * (j + 1)": lambda s: (s * (STEPS + 1)).sum((0, 1)),
    "o = s * q[b, h, i, 0]": lambda s: s * attention_arrays()[0][:, :, :, :1],
    "o = exp(s) / (sum[j] exp(s)) + j": lambda s: softmax(s, 3) + STEPS,
    "o = s + 1": lambda s: s + 1,
    "o = g(where(j <= i, s, -inf), axis=j)": lambda s: np.where(CAUSAL, s, -np.inf) + STEPS,
    "o = where(j <= i, s, -inf).softmax(axis=j)": lambda s: softmax(
        np.where(CAUSAL, s, -np.inf), 3
    ),
    "o = where(j < s.shape[3] - 1, s, 0)": lambda s: s * (STEPS < 4),
    "o = s.sum(dim=j)": lambda s: s.sum(3),
    "o = sum[j] s * s": lambda s: (s * s).sum(3),
    "o = sum[j] (s * s) / T": lambda s: (s * s).sum(3) / 5,
    "o = mean[j] 2 * s / exp(s)": lambda s: (2 * s / np.exp(s)).mean(3),
    "o = sum[b, h] s * s * q[b, h, i, 0]": lambda s: np.einsum(
        "bhij,bhij,bhi->ij", s, s, attention_arrays()[0][..., 0]
    ),
    "o = sum([s * n + j for n in range(3)])": lambda s: 3 * (s + STEPS),
    "o = sum([s + i for i in range(3)])": lambda s: 3 * s + 3,
}


@pytest.mark.parametrize("statement", NAMED)
def test_axes_keep_the_names_of_their_indices(statement: str):
    q, k, _ = attention_arrays()
    scores = np.einsum("bhid,bhjd->bhij", q, k) / np.float32(2)
    graph, found = attended(statement)
    expected = NAMED[statement](scores)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert read_graph(graph_text(graph), "printed.gc") is graph


def test_attention_as_it_is_written():
    q, k, v = attention_arrays()
    graph, found = attended(
        "p = softmax(where(j <= i, s, -inf), axis=j)",
        "o[b, h, i, d] = sum[j] p[b, h, i, j] * v[b, h, j, d]",
    )
    scores = np.where(CAUSAL, np.einsum("bhid,bhjd->bhij", q, k) / np.float32(2), -np.inf)
    np.testing.assert_allclose(found, softmax(scores, 3) @ v, rtol=1e-4, atol=1e-5)
    names = [node.op.name for node in simplify(graph, SourceMap()).nodes()]
    assert names.count("matmul") == 2


def test_what_a_statement_with_names_defines_has_names():
    _, found = attended("m = max(s, axis=j)", "o = where(i < 2, m, 0)")
    assert found.shape == (2, 3, 5) and not found[:, :, 2:].any()
    _, aliased = attended("m = max(s, axis=j)", "n = m", "o = where(i < 2, n, 0)")
    np.testing.assert_array_equal(found, aliased)


ALIGNED: dict[tuple[str, ...], Callable[[np.ndarray], np.ndarray] | None] = {
    ("z[b, i] = sum[h, j] s[b, h, i, j]", "o = s / z"): None,
    ("z[b, h, i] = sum[j] s[b, h, i, j]", "o = 2 * s / z"): None,
    ("z[b, h, j, i] = s[b, h, i, j]", "s /= z", "o = s"): None,
    ("z[b, h, j, i] = s[b, h, i, j]", "o = exp(-(2 * s)) + where(s < z, s, 0)"): None,
    ("z[b, h, j, i] = s[b, h, i, j]", "o = s @ z"): lambda s: s @ s.swapaxes(2, 3),
    ("z[i, j] = s[0, 0, i, j]", "o = 2 * s - z"): lambda s: 2 * s - s[0, 0],
    ("z[c, g, l, m] = s[c, g, l, m]", "o = s + z"): lambda s: 2 * s,
    ("z[b, h, i] = sum[j] s[b, h, i, j]", "s -= sum[j] s", "o = s + z[:, :, :, None]"): lambda s: s,
}


@pytest.mark.parametrize("lines", ALIGNED)
def test_axes_meet_no_others_by_their_places(lines: tuple[str, ...]):
    expected = ALIGNED[lines]
    if expected is None:
        with pytest.raises(GraphcError, match="without indices tensors are aligned"):
            attended(*lines)
        return
    q, k, _ = attention_arrays()
    scores = np.einsum("bhid,bhjd->bhij", q, k) / np.float32(2)
    np.testing.assert_allclose(attended(*lines)[1], expected(scores), rtol=1e-4, atol=1e-4)


def test_elements_of_lists_are_computed_by_names():
    _, listed = attended("p = [s, sum[j] s]", "o = stack([p[1], p[1]])")
    _, written = attended("r = sum[j] s", "o = stack([r, r])")
    np.testing.assert_array_equal(listed, written)
    _, found = attended("p = [s + j * n for n in range(3)]", "o = p[2] - p[0]")
    np.testing.assert_allclose(found, np.broadcast_to(2 * STEPS, found.shape), atol=1e-5)


NAMED_REFUSED = {
    ("p = s * 1", "o = where(j <= i, p, 0)"): ("unknown-name", "'j'"),
    ("j = 2", "o = where(j <= i, s, 0)"): ("ambiguous-index", "'j'"),
    ("o = where(j <= i, s, k)",): ("index", "without indices"),
    ("o = softmax(where(j <= i, s, 0))",): ("not-supported", "softmax"),
    ("o = reshape(s, axis=j)",): ("argument-unknown", "axis"),
    ("o = window(s, axis=j, size=1)",): ("not-supported", "window"),
    ("o = s + x[j]",): ("unknown-name", "'x'"),
    ("o = sum[l] s",): ("index", "without indices"),
}


@pytest.mark.parametrize("lines", NAMED_REFUSED)
def test_what_is_refused_of_names(lines: tuple[str, ...]):
    code, message = NAMED_REFUSED[lines]
    with pytest.raises(GraphcError) as caught:
        attended(*lines)
    assert caught.value.code == code, caught.value.render()
    assert message in caught.value.message


def test_names_end_with_their_function():
    head = ATTENTION[0] + "def g(s):\n    return where(j <= i, s, 0)\n"
    with pytest.raises(GraphcError) as caught:
        graph_of(ATTENTION[2], "o = g(s)", parameters=ATTENTION[1], head=head)
    assert caught.value.code == "unknown-name"
