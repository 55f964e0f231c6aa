"""How far indices run: values and derivatives on every device, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.formatting.formatter import format_source
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir.graph import Graph, Unit
from graphc.library import library
from graphc.passes import pipeline
from graphc.passes.fusion.fuse import fuse

HEAD = "dim H: 3..9\ndim W: 3..9\ndim K: 1..3\ndim N: 0..9\n"
PARAMETERS = "x: f64[H], q: f64[H, W], w: f64[K], c: f64[5], ids: i32[H], n: f64[N]"
NAMES = ("x", "q", "w", "c", "ids", "n")
Sizes = Callable[..., tuple[int, ...]]
Element = Callable[..., float]

STATEMENTS: dict[str, tuple[Sizes, Element]] = {
    "o[i] = x[i + 1] - x[i]": (lambda H, **_: (H - 1,), lambda a, i: a.x[i + 1] - a.x[i]),
    "o[i] = x[i] * x[i + 1] * x[i + 2]": (
        lambda H, **_: (H - 2,),
        lambda a, i: a.x[i] * a.x[i + 1] * a.x[i + 2],
    ),
    "o[i] = x[H - 1 - i] - x[i]": (lambda H, **_: (H,), lambda a, i: a.x[-1 - i] - a.x[i]),
    "o[i, j] = q[i, j + 1] + q[i + 2, j + 1] + q[i + 1, j] + q[i + 1, j + 2] "
    "- 4 * q[i + 1, j + 1]": (
        lambda H, W, **_: (H - 2, W - 2),
        lambda a, i, j: (
            a.q[i, j + 1]
            + a.q[i + 2, j + 1]
            + a.q[i + 1, j]
            + a.q[i + 1, j + 2]
            - 4 * a.q[i + 1, j + 1]
        ),
    ),
    "p = pad(q, ((1, 1), (1, 1)))\n"
    "o[i: H, j: W] = p[i, j + 1] + p[i + 2, j + 1] - p[i + 1, j] * q[i, j]": (
        lambda H, W, **_: (H, W),
        lambda a, i, j: (
            at(a.q, i - 1, j) + at(a.q, i + 1, j) - at(a.q, i, j - 1) * a.q[i, j]
        ),
    ),
    "o[i: H] = x[(i + 1) % H]": (lambda H, **_: (H,), lambda a, i: a.x[(i + 1) % len(a.x)]),
    "o[i] = x[(i + 1) % H] - 2 * x[i] + x[(i - 1) % H]": (
        lambda H, **_: (H,),
        lambda a, i: a.x[(i + 1) % len(a.x)] - 2 * a.x[i] + a.x[i - 1],
    ),
    "o[i: 2 * H + 1] = x[i % H] * c[i % 5]": (
        lambda H, **_: (2 * H + 1,),
        lambda a, i: a.x[i % len(a.x)] * a.c[i % 5],
    ),
    "o[i] = x[i // 2]": (lambda H, **_: (2 * H,), lambda a, i: a.x[i // 2]),
    "o[i: H] = x[i // K]": (lambda H, **_: (H,), lambda a, i: a.x[i // len(a.w)]),
    "o[i] = x[2 * i + 1]": (lambda H, **_: (H // 2,), lambda a, i: a.x[2 * i + 1]),
    "o[i: H - 2] = x[i] * q[i + 1, 0]": (
        lambda H, **_: (H - 2,),
        lambda a, i: a.x[i] * a.q[i + 1, 0],
    ),
    "o[i] = sum[k] x[i + k] * w[k]": (
        lambda H, K, **_: (H - K + 1,),
        lambda a, i: sum(a.x[i + k] * a.w[k] for k in range(len(a.w))),
    ),
    "o[i] = sum[k] c[2 * i + k] * w[k]": (
        lambda K, **_: ((5 - K) // 2 + 1,),
        lambda a, i: sum(a.c[2 * i + k] * a.w[k] for k in range(len(a.w))),
    ),
    "o[i] = max[k: 3] x[i + k]": (lambda H, **_: (H - 2,), lambda a, i: max(a.x[i : i + 3])),
    "o[i] = x[i] + sum[k: 2] x[i + k]": (
        lambda H, **_: (H - 1,),
        lambda a, i: 2 * a.x[i] + a.x[i + 1],
    ),
    "o[i: H] = sum[j] where(j <= i, x[j], 0)": (
        lambda H, **_: (H,),
        lambda a, i: a.x[: i + 1].sum(),
    ),
    "o[i: H] = max[j] where(j <= i, x[j], -inf)": (
        lambda H, **_: (H,),
        lambda a, i: a.x[: i + 1].max(),
    ),
    "o[i: 3, j: W] = x[i] * j + w[0]": (
        lambda W, **_: (3, W),
        lambda a, i, j: a.x[i] * j + a.w[0],
    ),
    "o[i: 4] = x[0] * i": (lambda **_: (4,), lambda a, i: a.x[0] * i),
    "o[i, j] = q[ids[i], j] - q[i, j]": (
        lambda H, W, **_: (H, W),
        lambda a, i, j: a.q[a.ids[i], j] - a.q[i, j],
    ),
    "o[i: 5] = c[i * i % 5] * x[i // 2]": (
        lambda **_: (5,),
        lambda a, i: a.c[i * i % 5] * a.x[i // 2],
    ),
    "o[i: H] = x[i ** 3 // H // H]": (
        lambda H, **_: (H,),
        lambda a, i: a.x[i**3 // len(a.x) // len(a.x)],
    ),
    "o[i: H] = x[i * i % H]": (lambda H, **_: (H,), lambda a, i: a.x[i * i % len(a.x)]),
    "o[i: H // K, k: K] = x[i * K + k]": (
        lambda H, K, **_: (H // K, K),
        lambda a, i, k: a.x[i * len(a.w) + k],
    ),
    "o[i: H] = x[maximum(i - 1, 0)] * x[clip(i + 2, 0, H - 1)]": (
        lambda H, **_: (H,),
        lambda a, i: a.x[max(i - 1, 0)] * a.x[min(i + 2, len(a.x) - 1)],
    ),
    "o[i: 5] = c[abs(i - 3)] + c[where(i > 0, i - 1, 0)] + c[(4 - i) ** 2 % 3]": (
        lambda **_: (5,),
        lambda a, i: a.c[abs(i - 3)] + a.c[max(i - 1, 0)] + a.c[(4 - i) ** 2 % 3],
    ),
    "o[i] = x[i] - where(i > 0, x[i - 1], 0)": (
        lambda H, **_: (H,),
        lambda a, i: a.x[i] - at(a.x, i - 1),
    ),
    "o[i] = x[i] + where(i == 0, 0, x[i - 1]) + where(i == H - 1, 0, x[i + 1])": (
        lambda H, **_: (H,),
        lambda a, i: at(a.x, i - 1) + a.x[i] + at(a.x, i + 1),
    ),
    "o[i] = where((0 < i) & (i < H - 1), x[i + 1] * x[i - 1], x[i])": (
        lambda H, **_: (H,),
        lambda a, i: a.x[i + 1] * a.x[i - 1] if 0 < i < len(a.x) - 1 else a.x[i],
    ),
    "o[i, j] = q[i, j] + where((i == 0) | ~(j < W - 1), 1.0, q[i - 1, j + 1])": (
        lambda H, W, **_: (H, W),
        lambda a, i, j: a.q[i, j] + (1 if i == 0 or j == a.q.shape[1] - 1 else a.q[i - 1, j + 1]),
    ),
    "o[i: H + K - 1] = sum[k] where((0 <= i - k) & (i - k < H), x[i - k], 0) * w[k]": (
        lambda H, K, **_: (H + K - 1,),
        lambda a, i: float(np.convolve(a.x, a.w)[i]),
    ),
    "o[i] = where(0 < i, x[i] / exp(x[i - 1]), x[i])": (
        lambda H, **_: (H,),
        lambda a, i: a.x[i] / np.exp(a.x[i - 1]) if i else a.x[i],
    ),
    "o[i: 3] = where(i > 0, q[i, i - 1], q[i, i]) * q[0, i]": (
        lambda **_: (3,),
        lambda a, i: a.q[i, max(i - 1, 0)] * a.q[0, i],
    ),
    "o[i] = n[i // 2] * n[N - 1 - i // 2]": (
        lambda N, **_: (2 * N,),
        lambda a, i: a.n[i // 2] * a.n[len(a.n) - 1 - i // 2],
    ),
    "o[i: N] = x[i % H] * (i + 1)": (
        lambda N, **_: (N,),
        lambda a, i: a.x[i % len(a.x)] * (i + 1),
    ),
    "o[i: N // 2] = n[2 * i + 1]": (lambda N, **_: (N // 2,), lambda a, i: a.n[2 * i + 1]),
}  # fmt: skip


def at(x: np.ndarray, *place: int) -> float:
    """An element, and 0 outside."""
    inside = all(0 <= i < size for i, size in zip(place, x.shape, strict=True))
    return float(x[place]) if inside else 0.0


SIZES = (
    {"H": 5, "W": 4, "K": 2, "N": 3},
    {"H": 3, "W": 3, "K": 1, "N": 0},
    {"H": 4, "W": 3, "K": 3, "N": 1},
)
DEVICES = ("reference", "cpu", "sim")


def given_arrays(sizes: dict[str, int], seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    h, w, k, n = sizes.values()
    shapes = {"x": (h,), "q": (h, w), "w": (k,), "c": (5,), "n": (n,)}
    floats = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return [floats.get(name, rng.integers(0, h, h, np.int32)) for name in NAMES]


def expected_of(statement: str, sizes: dict[str, int], arrays: list[np.ndarray]) -> np.ndarray:
    shape, element = STATEMENTS[statement]
    a = SimpleNamespace(**dict(zip(NAMES, arrays, strict=True)))
    found = np.empty(shape(**sizes))
    for place in np.ndindex(found.shape):
        found[place] = element(a, *place)
    return found


def source() -> str:
    """A program that exports the value of each statement, and its first and second derivative."""
    parts = [HEAD]
    names = ", ".join(NAMES)
    for number, statement in enumerate(STATEMENTS):
        body = "".join(f"    {line}\n" for line in statement.split("\n"))
        parts += [
            f"def value{number}({PARAMETERS}):\n{body}    return o\n",
            f"def energy{number}({names}):\n    return sum(sin(value{number}({names})))\n",
            f"def slopes{number}({names}):\n"
            f"    return grad(energy{number}, (0, 1, 2, 3, 5))({names})\n",
            f"def bends{number}({names}):\n"
            f"    return sum(stack([sum(sin(3 * s)) for s in slopes{number}({names})]))\n",
            f"def f{number}({PARAMETERS}):\n"
            f"    return value{number}({names}), slopes{number}({names}), "
            f"grad(bends{number}, (0, 1, 2, 3, 5))({names})\n",
            f"export f{number} = f{number}\n",
        ]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def unit() -> Unit:
    return elaborate(source(), "extents.gc", library())


@pytest.fixture(scope="module")
def modules(unit: Unit) -> dict[str, Any]:
    file = graphc.build(unit).file
    return {device: graphc.load_file(file, device) for device in DEVICES}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_values_and_derivatives(statement: str, modules: dict[str, Any]) -> None:
    name = f"f{list(STATEMENTS).index(statement)}"
    for sizes in SIZES:
        arrays = given_arrays(sizes)
        expected = expected_of(statement, sizes, arrays)
        results = {device: modules[device].exports[name](*arrays) for device in DEVICES}
        value, slopes, bends = split(results["reference"])
        assert value.shape == expected.shape
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)

        def energy(moved: list[np.ndarray], sizes: dict[str, int] = sizes) -> float:
            return float(np.sin(expected_of(statement, sizes, moved)).sum())

        def bend(moved: list[np.ndarray]) -> float:
            _, found, _ = split(modules["reference"].exports[name](*moved))
            return float(sum(np.sin(3 * one).sum() for one in found))

        for function, derivatives in ((energy, slopes), (bend, bends)):
            for place, derivative in zip((0, 1, 2, 3, 5), derivatives, strict=True):
                along = along_axis(function, arrays, place)
                np.testing.assert_allclose(
                    (derivative * direction(arrays[place])).sum(), along, rtol=1e-6, atol=1e-7
                )
        for device in DEVICES:
            for one, other in zip(results[device], results["reference"], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def split(results: Any) -> tuple[np.ndarray, Any, Any]:
    """The value, and the first and second derivatives by each float argument."""
    return results[0], results[1:6], results[6:]


def direction(x: np.ndarray) -> np.ndarray:
    return np.cos(np.arange(x.size)).reshape(x.shape)


def along_axis(
    function: Callable[[list[np.ndarray]], float], arrays: list[np.ndarray], place: int
) -> float:
    """The derivative of a function along a direction of one of its arrays, by differences."""
    values = []
    for step in (1e-5, -1e-5):
        moved = list(arrays)
        moved[place] = arrays[place] + step * direction(arrays[place])
        values.append(function(moved))
    return (values[0] - values[1]) / 2e-5


def test_graphs_are_printed_and_read(unit: Unit) -> None:
    for graph in unit.exports.values():
        assert read_graph(graph_text(graph), "printed.gc") is graph


def test_programs_mean_the_same_when_they_are_formatted(unit: Unit) -> None:
    formatted = elaborate(format_source(source()), "formatted.gc", library())
    assert all(formatted.exports[name] is graph for name, graph in unit.exports.items())


ONE_KERNEL = (
    "o[i] = x[i + 1] - x[i]",
    "o[i] = x[(i + 1) % H] - 2 * x[i] + x[(i - 1) % H]",
    "o[i: H] = sum[j] where(j <= i, x[j], 0)",
    "o[i] = sum[k] c[2 * i + k] * w[k]",
    "o[i] = x[i] + where(i == 0, 0, x[i - 1]) + where(i == H - 1, 0, x[i + 1])",
    "o[i, j] = q[i, j] + where((i == 0) | ~(j < W - 1), 1.0, q[i - 1, j + 1])",
)


@pytest.mark.parametrize("statement", ONE_KERNEL)
def test_sums_of_indices_are_read_in_place(statement: str, unit: Unit) -> None:
    number = list(STATEMENTS).index(statement)
    graph = unit.exports[f"f{number}"]
    value = Graph("value", graph.inputs, (), graph.results[:1])
    assert len(fuse(pipeline.run(value, pipeline.GRAPH_PASSES, unit.sources))) == 1
    assert not {"gather", "scatter"} & {node.op.name for node in graph.nodes()}


# -- what is refused -------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, int, str, str]] = {
    "o[i: H] = x[i + 1] - x[i]": ("index-range", 17, "elements 1 to H of an axis of H", "i: H - 1"),
    "o[i] = x[i + 1] - x[i - 1]": ("index-range", 25, "elements -1 to H - 3", "i - 1 >= 0"),
    "o[i: H + 1] = x[i]": ("index-range", 21, "elements 0 to H of an axis of H", "i: H,"),
    "o[i: 4] = x[i]": ("index-range", 17, "elements 0 to 3 of an axis of H", "where(i < H"),
    "o[i] = x[i] * q[0, i + 1]": ("index-range", 24, "1 to H of an axis of W", "i: W - 1"),
    "o[i] = x[i] * q[0, i]": ("shape-mismatch", 24, "over H and over W", "another index"),
    "o[i] = c[i + 6]": ("index-range", 14, "would have -1 values", "pad"),
    "o[i] = n[i + 1]": ("index-range", 14, "would have N - 1 values", "dim's range"),
    "o[i] = x[i] + sum[k] x[i + k] * w[k]": ("index-range", 28, "0 to H + K - 2", "i: H - K + 1"),
    "o[i: 2] = sum[k: N // 9] c[i + k]": ("index-range", 32, "over N//9, which may be 0", "at 1"),
    "o[i: 3] = x[i % 4]": ("index-range", 17, "0 to 3 of an axis of H", "remainder by H"),
    "o[i: 3] = n[i % N]": ("index-range", 17, "may leave an axis of N", "remainder"),
    "o[i: 3] = c[i * i + 1]": ("index-range", 17, "reads elements 1 to 5", "clip(..., 0, 4)"),
    "o[i: 200] = c[i ** 9 % 5]": ("index-range", 19, "may be as large as 48941", "64 bits"),
    "o[i: 3] = where(i > 0, n[i - 1], 0)": ("index-range", 30, "-1 to 1 of", "begin at 1"),
    "o[i: H] = x[i * i]": ("index-range", 17, "reads elements 0 to H*H - H*2 + 1", "clip"),
    "o[i: H] = x[where(i > 0, i - 1, 0)]": ("index-range", 17, "may leave an axis of H", "clip"),
    "o[i] = x[i] + where(i > 0, x[i - 2], 0)": ("index-range", 34, "elements -2 to H - 3", "pad"),
    "o[i] = x[i] + where(i < 3, 0, x[i - 1]) + where(i < 3, x[i - 1], 0)": (
        "index-range",
        62,
        "elements -1 to H - 2",
        "pad",
    ),
    "o[i: H] = x[(i + 1) // 2] + c[i // K]": ("index-range", 35, "of an axis of 5", "pad"),
    "o[i: H] = c[i % 5] * k": ("unknown-name", 26, "'k'", ""),
    "o[i: 2.5] = x[i]": ("index-extent", 10, "the number 2.5", "whole number"),
    "o[i: True] = x[i]": ("index-extent", 10, "the truth value True", "whole number"),
    "o[i: x] = 1.0": ("index-extent", 10, "tensor f64[H]", "known while the program is built"),
    "o[i: 3 - H] = x[i]": ("index-extent", 10, "3 - H, which may be negative", "dim's range"),
    "o[i] = x[i] * sum[j: i] x[j]": ("index-extent", 26, "depends on an index", "where"),
    "o[i: j, j: 3] = x[i] * j": ("index-extent", 10, "depends on an index", "where"),
    "o[i: 3] = sum[j: 3] x[j] + sum[j: 2] x[j]": ("shape-mismatch", 39, "3 and over 2", "another"),
    "s[i] = x[i]\no = sum[i: 2] s": ("shape-mismatch", 9, "over 2 and over H", "another"),
    "o[i: 3, i: 3] = x[i]": ("syntax", 13, "stands twice", ""),
    "o[i:] = x[i]": ("syntax", 7, "the names of indices", ""),
    "o[i: 3: 1] = x[i]": ("syntax", 7, "the names of indices", ""),
    "o[i]: f64[H - 1] = x[i]": ("syntax", 5, "only a single name", "y[i: 3]"),
    "o[:3] = x[i]": ("syntax", 7, "the names of indices", "x.at[0]"),
    "for t in range(H):\n    o[t: 3] = x[t]": ("row", 14, "the loop says how far 't' runs", "o[t]"),
    "for t in range(H):\n    o[i: 3] = c[i + t]": ("index", 21, "0 to H + 1 leave axis 0", "clip"),
    "for t in arange(6):\n    o = c[t]": ("index", 15, "0 to 5 leave axis 0 of f64[5]", "clip"),
    "for t in range(H):\n    o = c[t % 5] + c[t + 5]": (
        "index",
        26,
        "5 to H + 4 leave axis 0",
        "5 elem",
    ),
    "o = c[[0, 5]]": ("index", 11, "0 to 5 leave axis 0 of f64[5]", "-1 at its end"),
    "o[i] = x[i: 3]": ("index", 14, "a slice mentions an index", ""),
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_refused(statement: str) -> None:
    code, column, message, hint = REFUSED[statement]
    body = "".join(f"    {line}\n" for line in statement.split("\n"))
    with pytest.raises(GraphcError) as caught:
        text = f"{HEAD}def f({PARAMETERS}):\n{body}    return o\nexport f = f\n"
        elaborate(text, "refused.gc", library())
    error = caught.value
    assert (error.code, error.span and error.span.column) == (code, column), error.render()
    assert message in error.message and hint in (error.hint or ""), error.render()


@pytest.mark.parametrize(
    "statement",
    [
        "r[i] = c[i] + c[(i + t) % 5]",
        "r[i] = c[i] + c[i - t - 1]",
        "r[i] = c[i] + where(i + t < 5, c[i + t], 0.0)",
        "r[i] = c[i] + c[clip(i + t, 0, 4)]",
        "if t < 4:\n            r = r + c[t + 1]",
        "r = r + c[minimum(t + 1, 4)] + c[t - 5]",
    ],
)
def test_the_number_of_an_iteration_may_be_kept_inside(statement: str) -> None:
    body = f"    r = c\n    for t in range(L):\n        {statement}\n    return r\n"
    text = f"dim L: 0..5\ndef f(c: f64[5], l: f64[L]) -> f64[5]:\n{body}export f = f\n"
    graph = elaborate(text, "kept.gc", library()).exports["f"]
    assert any(node.op.name == "scan" for node in graph.nodes())


# -- where statements stand ------------------------------------------------------------------------

PLACES = """
dim H: 2..9
dim B: 1..4
dim T: 0..4

def slope(x):
    d[i] = x[i + 1] - x[i]
    return d

def bend(x: f64[H]) -> f64[H - 2]:
    return slope(slope(x))

def energy(x: f64[H]) -> f64[]:
    return sum(slope(x) ** 2)

def rows(x: f64[B, H]) -> (f64[B, H - 1], f64[B, H]):
    return vmap(slope)(x), vmap(grad(energy))(x)

def heat(x: f64[H], rate: f64[T]) -> (f64[H], f64[T, H - 1]):
    for t in range(T):
        d[i: H] = x[(i + 1) % H] - 2 * x[i] + x[(i - 1) % H]
        x = x + rate[t] * d
        e[t, i] = x[i + 1] - x[i]
    return x, e

def spread(x: f64[H]) -> f64[H]:
    for k in range(1, 3):
        x[i] = x[i] + where(i >= k, x[i - k], 0) / k
    return x

export bend = bend
export rows = rows
export heat = heat
export spread = spread
"""


def test_statements_in_functions_loops_and_transforms() -> None:
    file = graphc.build(elaborate(PLACES, "places.gc", library())).file
    rng = np.random.default_rng(1)
    x, rate = rng.standard_normal((3, 6)), rng.standard_normal(4)
    for device in DEVICES:
        module = graphc.load_file(file, device)
        np.testing.assert_allclose(module.bend(x[0]), np.diff(x[0], 2))
        assert module.bend(x[0, :2]).shape == (0,)
        slopes, gradients = module.rows(x)
        np.testing.assert_allclose(slopes, np.diff(x))
        np.testing.assert_allclose(gradients, 2 * -np.diff(np.diff(x), prepend=0, append=0))
        y, differences = x[0], []
        for one in rate:
            y = y + one * (np.roll(y, -1) - 2 * y + np.roll(y, 1))
            differences.append(np.diff(y))
        found, stacked = module.heat(x[0], rate)
        np.testing.assert_allclose(found, y)
        np.testing.assert_allclose(stacked, differences)
        z = x[0] + np.concatenate([[0], x[0, :-1]])
        np.testing.assert_allclose(module.spread(x[0]), z + np.concatenate([[0, 0], z[:-2]]) / 2)
