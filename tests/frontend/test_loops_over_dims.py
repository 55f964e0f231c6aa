"""A loop over a dim is the same loop whether a call says the size of the dim or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.trace import trace
from graphc.ir.dtype import f32
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import topological
from graphc.library import library

HEAD = "dim T: 0..9\ndim S: 1..9\n"
LOOPS = {
    "over the dim": "h = x[0:0].sum()\nfor t in range(T):\n    h = 0.5 * h + x[t]\nreturn h",
    "backwards": "h = 0.0\nfor t in reversed(range(T)):\n    h = 0.5 * h + x[t]\nreturn h",
    "of rows that are stored": "for t in range(T):\n    ys[t] = x[t] * 2\nreturn ys",
    "with its number": "h = 0.0\nfor t in range(T):\n    h += x[t] * t.float()\nreturn h",
    "with a branch on its number": (
        "h = 0.0\nfor t in range(T):\n    if t == 0:\n        h = x[t]\n"
        "    else:\n        h = h * x[t]\nreturn h"
    ),
    "over a size of dims": "h = 0.0\nfor t in range(2 * T + 1):\n    h = 0.5 * h + 1\nreturn h",
    "over a size with a name": "n = T // 2\nh = 0.0\nfor t in range(n):\n    h += x[t]\nreturn h",
    "in a function inside": (
        "def scaled(h):\n    for t in range(T):\n        h = 0.5 * h + x[t]\n    return h\n"
        "return scaled(1.0)"
    ),
}


def scans(graph: Graph) -> int:
    return sum(node.op.name == "scan" for node in topological(graph.results))


def program(body: str, exports: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{HEAD}def f(x: f32[T]):\n{lines}{exports}"


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS)
def test_a_call_that_says_the_size_keeps_the_loop(body: str, size: int, tmp_path: Path) -> None:
    text = program(
        body, f"def fixed(x: f32[{size}]):\n    return f(x)\nexport f = f\nexport fixed = fixed\n"
    )
    exports = elaborate(text, "loops.gc", library()).exports
    path = tmp_path / "loops.gc"
    path.write_text(text)
    source: Any = graphc.source(path)
    graph, _ = trace(lambda x: source.f(x), f32[size])
    x = np.linspace(0.5, 2, size, dtype=np.float32)
    expected, _ = evaluate(exports["f"], [x])
    for one in (exports["fixed"], graph):
        assert scans(one) == scans(exports["f"]) == 1
        found, _ = evaluate(one, [x])
        np.testing.assert_array_equal(found, expected)


UNROLLED = {
    "a number": "for t in range(3):\n    x = x * 2\nreturn x",
    "a number that hides a dim": "T = 3\nfor t in range(T):\n    x = x * 2\nreturn x",
    "a static argument": (
        "def repeated(x, n: int):\n    for t in range(n):\n        x = x * 2\n    return x\n"
        "return repeated(x, 3)"
    ),
}


@pytest.mark.parametrize("body", UNROLLED.values(), ids=UNROLLED)
def test_a_loop_over_a_number_is_unrolled(body: str) -> None:
    graph = elaborate(program(body, "export f = f\n"), "loops.gc", library()).exports["f"]
    assert scans(graph) == 0
    found, _ = evaluate(graph, [np.ones(2, np.float32)])
    np.testing.assert_array_equal(found, [[8, 8]])
