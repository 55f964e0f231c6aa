"""Branches of the language that a dim decides, and what they choose from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.ir.dtype import DTYPES
from graphc.ir.evaluate import evaluate
from graphc.library import library

OF_DIMS = """
dim B: 1..8

def returned(x: f32[B]) -> f32[B]:
    if B > 2.5:
        return x
    else:
        return x * 2

def chained(x: f32[B]) -> f32[B]:
    if B >= 4:
        y = x
    elif 1 < B < 3:
        y = x * 5
    else:
        y = x * 2
    return where(B == 8, y + 1, y)

def known(x: f32[B]) -> f32[B]:
    return x if B < 9 else x * 2

def chosen(x: f32[B]) -> f32[B]:
    y = x + 1 if B > 3 and B % 2 == 0 else x - 1 if not (B == 1 or B >= 7) else x
    return y if B < 9 or x[0] > 0 else 0 * y

def early(x: f32[B]) -> f32[B]:
    if B == 1:
        return x
    y = x * 2
    if B == 4:
        return y
    elif B == 5 and sum(y) > 0:
        y = y + 1
    else:
        return y * 3
    return y * 5

export returned = returned
export chained = chained
export known = known
export chosen = chosen
export early = early
"""


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_dim_decides_a_branch(tmp_path: Path, device: str) -> None:
    path = tmp_path / "dims.gc"
    path.write_text(OF_DIMS)
    module = graphc.load_file(graphc.build(path).file, device)
    for size in range(1, 9):
        x = np.arange(size, dtype=np.float32)
        assert np.array_equal(module.returned(x), x if size > 2.5 else 2 * x)
        factor = 1 if size >= 4 else 5 if size == 2 else 2
        assert np.array_equal(module.chained(x), factor * x + (size == 8))
        assert np.array_equal(module.known(x), x)
        step = 1 if size > 3 and size % 2 == 0 else 0 if size == 1 or size >= 7 else -1
        assert np.array_equal(module.chosen(x), x + step)
        ends = {1: x, 4: 2 * x, 5: 10 * x + 5}
        assert np.array_equal(module.early(x), ends.get(size, 6 * x))
    graph = graphc.trace(graphc.source(path).known).text()
    assert "multiply" not in graph and "less" not in graph


FLOATS = ("f16", "bf16", "f32", "f64", "c64")
WHOLE = ("u8", "i32", "i64")
TUPLE = "(k, m), y = ((1, 2), x) if B > 3 else ((3.5, 2), x * 2)\nreturn y * k * m"
CHAIN = """if B > 6:
    k, m = 1, 2
elif B > 3:
    k, m = 0.5, 3
else:
    k, m = 3, B
return x * k, m * x"""
INNER = """def of(n):
    if n > 3:
        return 2
    return 0.5
return x * of(B)"""
ROWS = """for t in range(2):
    k = t if B > 3 else 0.5
    ys[t] = k * x
return ys"""
NUMBERS: dict[str, tuple[str, ...]] = {
    "k = 2 if B > 3 else 3\nreturn x * k, -k, k": (*FLOATS, *WHOLE),
    "k = 2 if B > 3 else 0.1\nreturn x * k + k": FLOATS,
    "k = -0.0 if B > 3 else 0.0\nreturn x * k, k": FLOATS,
    "k = 3 if B > 3 else 3.0\nreturn x // k, 7 / k": ("f32",),
    "k = B if B > 3 else 7\nreturn x * (k / 2), max(k, 5), -k % 3, sqrt(k)": ("f16", "f32"),
    "k = 250 if B > 3 else 2\nreturn x + k": ("u8", "i32", "f16"),
    "k = 0 if B > 3 else 1\nreturn x[k], stack([k, 2]), stack([x[0], k, 0])": ("f32", "i32"),
    "k = 0 if B > 3 else 1\nreturn x if k > 0 else x * 2": ("f32",),
    "k = 0 if B > 3 else 1\ny[i] = x[i] * k + x[(i + k) % B]\nreturn y": ("f32",),
    TUPLE: ("f16",),
    CHAIN: ("f16", "f32"),
    INNER: ("f16",),
    ROWS: ("f32",),
}
CASES = [(body, dtype) for body, dtypes in NUMBERS.items() for dtype in dtypes]


@pytest.mark.parametrize(("body", "dtype"), CASES)
def test_a_number_that_is_chosen_is_the_number_that_the_block_gives(body: str, dtype: str) -> None:
    """Values and dtypes are those of the same program where the size is known."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    text = f"def f(x: {dtype}[B]):\n{lines}\nexport f = f\n"
    open_ = elaborate(f"dim B: 2..8\n{text}", "open.gc", library()).exports["f"]
    for size in (2, 5, 8):
        known = elaborate(f"const B = {size}\n{text}", "known.gc", library()).exports["f"]
        x = np.arange(1, size + 1).astype(DTYPES[dtype].numpy)
        found, expected = (evaluate(graph, [x])[0] for graph in (open_, known))
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()


def test_what_a_loop_carries_and_a_branch_chooses_is_an_index() -> None:
    text = """
def f(x: f32[4], i: i32[2]) -> (f32[], f32[]):
    k, found = i[0], 0
    while x[found] < 3, at most 4:
        found = found + 1
    if x[k] < 0:
        k = i[1]
    return x[k], x[found]
export f = f
"""
    graph = elaborate(text, "found.gc", library()).exports["f"]
    x = np.array([-1, 2, 3, 4], np.float32)
    (found, _) = evaluate(graph, [x, np.array([0, 3], np.int32)])
    assert [float(one) for one in found] == [4, 3]


@pytest.mark.parametrize(
    ("condition", "is_told"), [("B > 3 and B % 2 == 0", True), ("x[0] > 0", False)]
)
def test_that_a_condition_narrows_no_dim_is_said(condition: str, is_told: bool) -> None:
    text = f"dim B: 1..8\ndef f(x: f32[B]):\n    return x[3] if {condition} else x[0]\n"
    with pytest.raises(GraphcError, match="index 3 is not proved") as caught:
        elaborate(f"{text}export f = f\n", "sizes.gc", library())
    assert ("narrows no dim" in " ".join(caught.value.notes)) is is_told


def test_an_argument_that_is_left_out_is_known_to_be_none() -> None:
    text = """
def g(x, mask=None, scale=None):
    if mask != None:
        x = x * mask
    return x if scale == None or None == x else x * scale + 1

def h(x, mask: f32[2] = None, scale: f32[] = None):
    if mask is not None and not (None is mask):
        x = x * mask
    if scale is None and not scale:
        return x
    y[i] = x[i] if scale is None else x[i] * scale
    z[i] = where(scale is None, 0, y[i]) + where((mask is not None) | (i < 2), 1.0, 0.0)
    return z if x is not None else x

def f(x: f32[2], m: f32[2]):
    return g(x), g(x, m), g(x, m, m), g(x, scale=2)
export f = f
def k(x: f32[2], m: f32[2]):
    return h(x), h(x, m), h(x, None), h(x, scale=2)
export k = k
"""
    exports = elaborate(text, "none.gc", library()).exports
    x, m = np.array([1, 2], np.float32), np.array([3, 0], np.float32)
    for one, expected in zip(
        (*evaluate(exports["f"], [x, m])[0], *evaluate(exports["k"], [x, m])[0]),
        (x, x * m, x * m * m + 1, x * 2 + 1, x, x * m, x, x * 2 + 1),
        strict=True,
    ):
        assert one.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        ("z = y * 2\n        w = z + i32(x[0]) * x[1]", False),
        ("z = y + 1\n        w = z * x\n        y = i32(x[0]) + w[0]", True),
        ("w = i64(t) * x\n        y = y + 1", False),
        ("x = f64(x)\n        y = y + 1", False),
        ("y = y + sum(u8(x) + x)", False),
    ],
)
def test_that_a_number_is_carried_is_said_where_that_is_what_is_wrong(
    body: str, is_told: bool
) -> None:
    text = f"def f(x: f32[4], t: i32[4]):\n    y = 0\n    for k in arange(3):\n        {body}\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(f"{text}    return y\nexport f = f\n", "carried.gc", library())
    assert ("which the loop carries" in " ".join(caught.value.notes)) is is_told
