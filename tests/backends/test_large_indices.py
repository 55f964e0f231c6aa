"""Indices beyond 2**31 and 2**32: views of tensors that are never stored whole.

Each tensor has more elements than 32 bits count, and exists only as a broadcast or a range. What
is read from it tells whether its index was computed in full.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir.dtype import i64
from graphc.ir.graph import Graph
from graphc.passes import pipeline
from tests.emitted import emitted
from tests.simulated import simulated

Array = np.ndarray[Any, Any]

WIDTH = 1009
ROWS = 2**33 // WIDTH
COUNT = ROWS * WIDTH
ROW = np.arange(WIDTH) * 3 + 1


def flat(x: Any) -> Any:
    """A row repeated to more than 2**32 elements, as a vector."""
    return call("reshape", call("broadcast_to", x, ROWS, WIDTH), COUNT)


def at(places: Any) -> Array:
    """What such a vector holds at places."""
    return np.asarray(ROW[np.asarray(places) % WIDTH])


SOME = np.arange(7)
FAR = np.array([0, 2**31 - 1, 2**31, 2**32 - 1, 2**32 + 5, COUNT - 1, -1, -COUNT])

Case = tuple[Callable[..., Any], list[Array], Array]

CASES: dict[str, Case] = {
    "slice past 31 bits": (lambda x: flat(x)[2**31 + 3 : 2**31 + 10], [ROW], at(2**31 + 3 + SOME)),
    "slice past 32 bits": (lambda x: flat(x)[2**32 - 2 : 2**32 + 5], [ROW], at(2**32 - 2 + SOME)),
    "last elements": (lambda x: flat(x)[-7:], [ROW], at(COUNT - 7 + SOME)),
    "from the end": (lambda x: flat(x)[::-1][:7], [ROW], at(COUNT - 1 - SOME)),
    "wide steps": (lambda x: flat(x)[:: 2**30][:7], [ROW], at(SOME * 2**30)),
    "indices that are data": (lambda x, i: flat(x)[i], [ROW, FAR], at(FAR % COUNT)),
    "out of range": (
        lambda x, i: call("take", flat(x), i),
        [ROW, np.array([COUNT, COUNT + 2**32, -COUNT - 1])],
        np.zeros(3, np.int64),
    ),
    "range": (lambda x: call("arange", 2**33)[x], [FAR[:5]], FAR[:5]),
    "two far axes": (
        lambda x: call("reshape", flat(x), WIDTH, ROWS)[-1, -7:],
        [ROW],
        at(COUNT - 7 + SOME),
    ),
    "a window of it": (
        lambda x: (flat(x)[1:] - flat(x)[:-1])[2**32 : 2**32 + 7],
        [ROW],
        at(2**32 + 1 + SOME) - at(2**32 + SOME),
    ),
}  # fmt: skip


@cache
def graphs() -> dict[str, Graph]:
    found = {}
    for number, (name, (function, arrays, _)) in enumerate(CASES.items()):
        graph, sources = trace(function, *(i64[one.shape] for one in arrays), name=f"far_{number}")
        found[name] = pipeline.run(graph, pipeline.GRAPH_PASSES, sources)
    return found


BACKENDS: dict[str, Any] = {"cpu": emitted, "sim": lambda graphs: simulated(graphs, check=True)}


@cache
def executor(backend: str) -> Any:
    return BACKENDS[backend](list(graphs().values()))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_indices_are_computed_in_full(name: str, backend: str) -> None:
    _, arrays, expected = CASES[name]
    (found,) = executor(backend).call(graphs()[name].name, arrays)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_a_range_beyond_32_bits_is_summed_in_full() -> None:
    count = 2**32 + 12_345
    graph, sources = trace(
        lambda x: ((y := call("arange", count) + x).sum(), y.max()), i64[()], name="folded"
    )
    ready = pipeline.run(graph, pipeline.GRAPH_PASSES, sources)
    total, largest = emitted([ready]).call("folded", [np.asarray(1)])
    assert int(largest) == count
    assert int(total) == (count * (count + 1) // 2 + 2**63) % 2**64 - 2**63
