"""What functions that take indices do with each: inside, from the end, and outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.errors import OutOfRangeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.emitted import emitted
from tests.simulated import simulated

F: Any = functions
Array = np.ndarray[Any, Any]

SIZE = 5
X = graph_input("x", dtypes.f64, (SIZE,))

READS: dict[str, Callable[[Node], Node]] = {
    "take": lambda i: F["take"](X, i),
    "index": lambda i: F["index"](X, i),
    "index_select": lambda i: F["index_select"](X, 0, i),
    "take_along_axis": lambda i: F["take_along_axis"](X, i),
    "gather": lambda i: F["gather"](X, 0, i),
    "embedding": lambda i: F["flatten"](F["embedding"](i, F["reshape"](X, (SIZE, 1)))),
}
WRITES: dict[str, tuple[str, Callable[[Node, Node], Node]]] = {
    "at_set": ("set", lambda i, u: F["at_set"](X, i, u)),
    "at_add": ("add", lambda i, u: F["at_add"](X, i, u)),
    "at_multiply": ("multiply", lambda i, u: F["at_multiply"](X, i, u)),
    "scatter": ("set", lambda i, u: F["scatter"](X, 0, i, u)),
    "put_along_axis": ("set", lambda i, u: F["put_along_axis"](X, i, u)),
    "scatter_add": ("add", lambda i, u: F["scatter_add"](X, 0, i, u)),
    "scatter_reduce": ("multiply", lambda i, u: F["scatter_reduce"](X, 0, i, u, "prod")),
    "index_add": ("add", lambda i, u: F["index_add"](X, 0, i, u)),
    "index_copy": ("set", lambda i, u: F["index_copy"](X, 0, i, u)),
}
INTEGERS = [one for one in dtypes.computable() if one.is_integer]
BACKENDS: dict[str, Any] = {"cpu": emitted, "sim": lambda graphs: simulated(graphs, check=True)}


def indices(dtype: DType) -> list[int]:
    """Numbers of the dtype in range, at both its ends and beyond."""
    least, most = int(dtype.minimum_value), int(dtype.maximum_value)
    wanted = [1, 0, SIZE - 1, SIZE, -1, -SIZE, -SIZE - 1, -SIZE - 3, least, most, most - 2, 1]
    return [one for one in wanted if least <= one <= most]


def place(index: int) -> int | None:
    """Where an index is: a negative one counts from the end, once."""
    found = index + SIZE if index < 0 else index
    return found if 0 <= found < SIZE else None


@cache
def graph_of(dtype: DType) -> Graph:
    """All functions and the gradients of each, for indices of a dtype."""
    count = len(indices(dtype))
    i, u = (graph_input(name, one, (count,)) for name, one in (("i", dtype), ("u", dtypes.f64)))
    w = graph_input("w", dtypes.f64, (SIZE,))
    results: list[Node] = []
    for read in READS.values():
        found = read(i)
        results += [found, *vjp([found], [X], [u])]
    for _, write in WRITES.values():
        found = write(i, u)
        results += [found, *vjp([found], [X, u], [w])]
    return Graph(f"indices_{dtype.name}", (X, i, u, w), (), tuple(results))


def expected(dtype: DType, x: Array, u: Array, w: Array) -> list[Array]:
    """The results, one index after the other."""
    places = [place(one) for one in indices(dtype)]
    met = [(n, at) for n, at in enumerate(places) if at is not None]
    results = []
    for _ in READS:
        read, slope = np.zeros_like(u), np.zeros_like(x)
        for n, at in met:
            read[n] = x[at]
            slope[at] += u[n]
        results += [read, slope]
    for combine, _ in WRITES.values():
        written = x.copy()
        of_x, of_u = w.copy(), np.zeros_like(u)
        for n, at in met:
            written[at] = {"set": u[n], "add": written[at] + u[n], "multiply": written[at] * u[n]}[
                combine
            ]
        for at in {at for _, at in met}:
            here = [n for n, one in met if one == at]
            if combine == "set":
                of_x[at] = 0
                of_u[here[-1]] = w[at]
            elif combine == "add":
                of_u[here] = w[at]
            else:
                of_x[at] *= np.prod(u[here])
                of_u[here] = [w[at] * x[at] * np.prod([u[m] for m in here if m != n]) for n in here]
        results += [written, of_x, of_u]
    return results


def arrays(dtype: DType) -> list[Array]:
    rng = np.random.default_rng(0)
    given = np.array(indices(dtype), dtype.numpy)
    return [rng.normal(size=SIZE), given, rng.normal(size=given.shape), rng.normal(size=SIZE)]


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_every_function_reads_and_writes_what_the_index_names(backend: str) -> None:
    graphs = [graph_of(dtype) for dtype in INTEGERS]
    executor = None if backend == "reference" else BACKENDS[backend](graphs)
    for dtype, graph in zip(INTEGERS, graphs, strict=True):
        x, _, u, w = given = arrays(dtype)
        found = executor.call(graph.name, given) if executor else evaluate(graph, given)[0]
        for one, other in zip(found, expected(dtype, x, u, w), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)


# -- indices that are known while the graph is built -----------------------------------------------

KNOWN: Sequence[tuple[str, Callable[[], Node], bool]] = [
    ("a list", lambda: F["asarray"]([0, SIZE]), False),
    ("a list from the end", lambda: F["asarray"]([-SIZE, SIZE - 1]), True),
    ("a list beyond the end", lambda: F["asarray"]([0, -SIZE - 1]), False),
    ("no indices", lambda: F["arange"](SIZE, SIZE), True),
    ("a counter", lambda: F["arange"](SIZE), True),
    ("a longer counter", lambda: F["arange"](SIZE + 1), False),
    ("a counter from the end", lambda: F["subtract"](F["arange"](SIZE), SIZE), True),
    ("a named counter", lambda: F["arange"](dims.variable("L", 0, SIZE)), True),
    ("a longer named counter", lambda: F["arange"](dims.variable("M", 0, SIZE + 1)), False),
    ("steps", lambda: F["arange"](0, SIZE, 2), True),
    ("longer steps", lambda: F["multiply"](F["arange"](3), 3), False),
    ("quotients", lambda: F["floor_divide"](F["arange"](2 * SIZE), 2), True),
    ("remainders", lambda: F["remainder"](F["arange"](99), SIZE), True),
    ("a limit", lambda: F["clip"](F["arange"](99), 0, SIZE - 1), True),
    ("a longer limit", lambda: F["clip"](F["arange"](99), 0, SIZE), False),
    ("data", lambda: DATA, True),
    ("data that may be inside", lambda: F["clip"](DATA, 0, 2 * SIZE), True),
    ("data that is outside", lambda: F["clip"](DATA, SIZE, 2 * SIZE), False),
    ("one counter twice", lambda: F["subtract"](F["arange"](9), F["arange"](9)), True),
    ("numbers that wrap", lambda: F["astype"](F["arange"](256, 256 + SIZE), dtypes.u8), True),
]
DATA = graph_input("data", dtypes.i32, (3,))
TAKERS: dict[str, Callable[[Node], Node]] = {
    **READS,
    **{name: lambda i, write=write: write(i, _updates(i)) for name, (_, write) in WRITES.items()},
}


def _updates(index: Node) -> Node:
    return graph_input("updates", dtypes.f64, index.shape)


@pytest.mark.parametrize(
    ("index", "is_taken"), [one[1:] for one in KNOWN], ids=[k[0] for k in KNOWN]
)
def test_what_leaves_the_axis_for_certain_is_refused(
    index: Callable[[], Node], is_taken: bool
) -> None:
    for take in TAKERS.values():
        if is_taken:
            take(index())
        else:
            with pytest.raises(OutOfRangeError, match=r"leave axis 0 of f64\[5") as caught:
                take(index())
            assert "clip" in str(caught.value.hint)
