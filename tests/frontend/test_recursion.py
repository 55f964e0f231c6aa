"""Functions that call themselves, which numbers end that are known while a program is built."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.frontend.elaborate import elaborate
from graphc.ir.evaluate import evaluate
from graphc.library import library

PROGRAMS: dict[str, tuple[str, float]] = {
    "by a condition": (
        "def g(x, n: int):\n    if n == 0:\n        return x\n    return g(2 * x, n - 1)\n"
        "def f(x: f32[4]):\n    return g(x, 3)\n",
        8,
    ),
    "by an expression": (
        "def g(x, n: int):\n    return x if n < 2 else g(x, n - 1) + g(x, n - 2)\n"
        "def f(x: f32[4]):\n    return g(x, 7)\n",
        21,
    ),
    "by a size": (
        "def g(x):\n    n = len(x)\n    if n == 1:\n        return x\n"
        "    return 2 * concat((g(x[: n // 2]), g(x[n // 2 :])))\n"
        "def f(x: f32[4]):\n    return g(x)\n",
        4,
    ),
    "as often as may be": (
        "def g(x, n: int):\n    return x if n == 1 else g(1 + x, n - 1)\n"
        "def f(x: f32[4]):\n    return g(x, 32)\n",
        32,
    ),
    "by each other": (
        "def even(x, n: int):\n    return x if n == 0 else odd(x + 1, n - 1)\n"
        "def odd(x, n: int):\n    return 10 * even(x, n - 1)\n"
        "def f(x: f32[4]):\n    return even(x, 4)\n",
        300,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_function_that_ends_calls_itself(name: str) -> None:
    text, expected = PROGRAMS[name]
    graph = elaborate(f"{text}export f = f\n", "recursion.gc", library()).exports["f"]
    (found,), _ = evaluate(graph, [np.ones(4, np.float32)])
    np.testing.assert_array_equal(found, np.full(4, expected, np.float32))
