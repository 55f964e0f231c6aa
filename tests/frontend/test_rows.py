"""Rows that loops store: what they are stacked to, unrolled or not, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.library import library


def graph_of(body: str) -> Graph:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    text = f"dim B: 4..8\ndef f(x: f32[4], b: f32[B]):\n{lines}    return z\nexport f = f\n"
    return elaborate(text, "rows.gc", library()).exports["f"]


X = np.array([3, 1, 4, 1.5], np.float32)
B = np.array([2, 7, 1, 8, 2], np.float32)

# What comes before the loop, its variable in brackets, and what is stored of `given`.
BODIES: dict[str, Callable[[np.ndarray], object]] = {
    "c = 1.0\nfor t in {}:\n    z[t] = given[t] * c\n    c = c + 1.0": lambda v: (
        v * np.arange(1, len(v) + 1)
    ),
    "for t in reversed({}):\n    z[t] = given[t] * f32(t)": lambda v: v * np.arange(len(v)),
    "last = 0.0\nfor t in {}:\n    last = last + given[t]\n    z[t] = last": np.cumsum,
    "z = zeros(size)\nfor t in {}:\n    z[t] = given[t] + 1": lambda v: v + 1,
    "for t in {}:\n    z[t, i] = given[t] * x[i]": lambda v: np.outer(v, X),
    "for t in {}:\n    z[t] = 2.0": lambda v: np.full(len(v), 2),
    "for t in {}:\n    z[t] = given[t]\n    z[t] = 2 * given[t]": lambda v: 2 * v,
    "for t in {}:\n    for k in range(2):\n        r[k] = given[t] * k\n    z[t] = r": lambda v: (
        np.outer(v, [0, 1])
    ),
    "for k in range(2):\n    for t in {}:\n        z[t] = given[t] * k": lambda v: v,
    "for t in {}:\n    if 2 > 1:\n        z[t] = x": lambda v: np.tile(X, (len(v), 1)),
    "for k in range(2):\n    for t in {}:\n        z[k, t] = given[t] * k": lambda v: np.outer(
        [0, 1], v
    ),
    "for t in {}:\n    for k in range(2):\n        z[t, k] = given[t] * k": lambda v: np.outer(
        v, [0, 1]
    ),
    "for t in {}:\n    for s in {}:\n        z[t, s, i] = given[t] * given[s] * x[i]": lambda v: (
        np.einsum("t,s,i->tsi", v, v, X)
    ),
    "for t in {}:\n    for k in range(2):\n        for s in {}:\n"
    "            z[t, k, s] = given[t] + k * given[s]": lambda v: (
        v[:, None, None] + np.array([0, 1])[:, None] * v
    ),
    "z = 0.0\nfor v in reversed(given):\n    z = 0.5 * z + v": lambda v: (
        v @ 0.5 ** np.arange(len(v))
    ),
    "z = 0.0\nfor i, v in enumerate(given, 1):\n    z = z + f32(i) * v": lambda v: (
        v @ np.arange(1, len(v) + 1)
    ),
}
LOOPS = {
    "unrolled": ("range(4)", "x", "4", X),
    "graph": ("range(B)", "b", "B", B),
    "counted": ("arange(4)", "x", "4", X),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("body", BODIES)
def test_rows_are_stacked_whether_a_loop_is_unrolled_or_not(body: str, loop: str):
    over, given, size, values = LOOPS[loop]
    text = body.replace("{}", over).replace("given", given).replace("size", size)
    (found,), _ = evaluate(graph_of(text), [X, B])
    np.testing.assert_allclose(found, np.asarray(BODIES[body](values)), rtol=1e-6)


UNROLLED: dict[str, object] = {
    "z = x\nfor t, k in enumerate([3, 1], start=2):\n    z = z * t + k": (X * 2 + 3) * 3 + 1,
    "for t, k in enumerate([3, 1]):\n    z[t] = x * k": np.outer([3, 1], X),
    "for t in [2, 0, 1]:\n    z[t] = x[t]": X[:3],
    "for t in range(2):\n    if t == 0:\n        z[t] = 7\n    else:\n        z[t] = x[t]": [
        7,
        X[1],
    ],
    "z = x\nfor t in range(3):\n    if 1 > 2:\n        z[t] = 1": X,
    "z = x\nfor t in range(0):\n    z[t] = 1": X,
    "for i in range(2):\n    for j in range(3):\n        r[j] = x[i + j]\n    z[i] = r": [
        X[:3],
        X[1:],
    ],
}


@pytest.mark.parametrize("body", UNROLLED)
def test_rows_of_unrolled_loops_are_in_the_order_of_their_numbers(body: str):
    (found,), _ = evaluate(graph_of(body), [X, B])
    np.testing.assert_array_equal(found, np.asarray(UNROLLED[body], np.float32))


LOOP = "for t in range(B):\n    "
NUMBERS = "for t in range(4):\n    "
REFUSED = {
    f"{NUMBERS}z[t] = x[t] if t == 0 else z[t - 1]": (
        "unknown-name",
        "the loop that stores",
        "last",
    ),
    f"z = zeros(B)\n{LOOP}z[t] = b[t] + z[t - 1]": ("unknown-name", "the loop that stores", "last"),
    f"{LOOP}z[t] = b[t]\n    y = z[t] * 2": ("unknown-name", "the loop that stores", "last"),
    f"z = zeros(4)\n{LOOP}z[t] = b[t]": ("row", "f32[4] before the loop", "another name"),
    f"z = zeros(5)\n{NUMBERS}z[t] = x[t]": ("row", "rows of a f32[4]", "another name"),
    f"z = 0\n{NUMBERS}z[t] = x[t]": ("row", "the number 0", "leave the first value out"),
    f"z = []\n{LOOP}z[t] = b[t]": ("row", "a list of 0", "leave the first value out"),
    "for t in range(1, 4):\n    z[t] = x[t]": ("row", "no row 0", "z.at[i].set"),
    "for t in range(0, 4, 2):\n    z[t] = x[t]": ("row", "no row 1", "from 0 to 1"),
    f"{NUMBERS}if t < 3:\n        z[t] = 1": ("row", "no row 3", "from 0 to 3"),
    f"{NUMBERS}z[t] = x[: t + 1]": ("shape-mismatch", "row 1 is f32[2]", "broadcast"),
    f"{NUMBERS}z[t] = x[t] if t else i32(t)": ("dtype-mismatch", "row 0 of 'z' is", "cast"),
    f'{NUMBERS}z[t] = "row"': ("row", "expected a tensor", ""),
    f"{NUMBERS}z[t: 4] = x[t]": ("row", "the loop says", "write z[t]"),
    f"{NUMBERS}if x[t] > 0:\n        z[t] = x[t]": ("not-supported", "inside its loop", "after"),
    f"{LOOP}if b[t] > 0:\n        z[t] = b[t]": ("not-supported", "inside its loop", "after"),
    "for k in range(2):\n    for t in range(B):\n        z[k] = b[t]": (
        "not-supported",
        "loop",
        "",
    ),
    "i = 3\nz[i] = x[i]": ("ambiguous-index", "the number 3", "z.at[i].set"),
    f"{NUMBERS}t = t + 1\n    z[t] = x[0]": ("ambiguous-index", "the number 1", "z.at[t].set"),
    f"{NUMBERS}z[t] = x[t]\nz[t] = 2": ("ambiguous-index", "the number 3", "z.at[t].set"),
    f"{LOOP}i = t\n    z[i] = b[t]": ("ambiguous-index", "tensor i32[]", "z.at[i].set"),
    "for s in range(2):\n    for t in range(3):\n        z[t, s] = x": (
        "row",
        "z[t, s] names the numbers of loops in another order",
        "the loop of the first number stands outside",
    ),
    "for s in range(2):\n    for t in range(1):\n        z[s, t] = x\n        s = 4": (
        "row",
        "z[s]",
        "",
    ),
    "for s in range(2):\n    if x[s] > 0:\n        for t in range(3):\n            z[s, t] = x": (
        "not-supported",
        "in a block inside its loop",
        "after the block",
    ),
    "for s in range(2):\n    for t in range(s + 1):\n        z[s, t] = x": (
        "shape-mismatch",
        "row 1 is f32[2, 4]",
        "broadcast",
    ),
    f"{LOOP}z[i, t] = x[i]": ("ambiguous-index", "'t'", ""),
    "for i, v in enumerate(b, 0.5):\n    z = i": ("argument", "the number 0.5", "computed"),
    "for i, v in enumerate(b, 1):\n    z[i] = v": ("ambiguous-index", "tensor i32[]", ""),
    "for row in b:\n    z[row] = row": ("ambiguous-index", "'row'", ""),
}


# What reads a row at the number of the outer loop, of a tensor that the inner body computes.
ROWS_READ: dict[str, Callable[[np.ndarray], object]] = {
    "z = 0.0\nfor s in range(B):\n    for u in range(3):\n        w = b * f32(u)\n"
    "        z = z + w[s]": lambda v: 3 * v.sum(),
    "z = 0.0\nfor s in range(B):\n    t = b * 2\n    for u in range(2):\n        t = t + t[s]\n"
    "    z = z + t[s]": lambda v: 8 * v.sum(),
    "z = 0.0\nfor s in range(B):\n    w = b\n    while sum(w) < 50, at most 20:\n"
    "        w = w + w[s]\n    z = z + w[s]": lambda v: sum(grown(v, s) for s in range(len(v))),
    "z = b * 0\nfor s in range(B):\n    def row(y):\n        return sum((y * y)[s])\n"
    "    z = z + grad(row)(b)": lambda v: 2 * v,
    "z = 0.0\nfor s in range(B):\n    def row(y):\n        return (y * b)[s]\n"
    "    z = z + sum(vmap(row)(x))": lambda v: v.sum() * X.sum(),
}


def grown(v: np.ndarray, s: int) -> np.float32:
    for _ in range(20):
        if v.sum() >= 50:
            break
        v = v + v[s]
    return v[s]


@pytest.mark.parametrize("body", ROWS_READ)
def test_rows_are_read_of_what_an_inner_body_computes(body: str):
    (found,), _ = evaluate(graph_of(body), [X, B])
    np.testing.assert_allclose(found, ROWS_READ[body](B), rtol=1e-6)


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_refused(body: str):
    code, message, hint = REFUSED[body]
    with pytest.raises(GraphcError) as caught:
        graph_of(body)
    error = caught.value
    assert error.code == code, error.render()
    assert message in error.message
    assert hint in (error.hint or "")


def test_state_is_not_hidden_by_rows():
    text = (
        "model M(n=3):\n    state h: f32[n] = zeros()\n"
        "    def forward(x: f32[n]):\n        for t in range(n):\n            h[t] = x[t]\n"
        "        return h\nexport f = M.forward\n"
    )
    with pytest.raises(GraphcError) as caught:
        elaborate(text, "rows.gc", library())
    assert caught.value.code == "row"
