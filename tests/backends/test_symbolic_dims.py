"""Every function of the language on tensors whose sizes a call chooses.

Each call of `surface_calls.py` is traced with a dim for each of its sizes, built once for the CPU,
and run at several sizes; the values are those of the call traced with these numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.tracing import tensor
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import f64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.autodiff import vjp
from graphc.passes.simplify import simplify
from graphc.passes.tables import lift_tables
from tests.emitted import emitted
from tests.surface_calls import DOMAINS, LISTED, NAMES, REFUSED, SurfaceCall, calls_of
from tests.values import random_array

Array = np.ndarray[Any, Any]

RANGES = tuple(itertools.product((1, 2, 4), (0, 1, 2, 3, 4)))
"""The ranges that are tried in turn: multiples of a number, from so many of them on."""

FUNCTIONS_PER_UNIT = 160
"""So many that follow one another are one unit of text: each process compiles a few units."""

KEPT: Mapping[str, tuple[int, ...]] = {
    # axes that are of one size by definition: coordinates, parts of a number, gates
    "affine_grid": (2, 3),
    "cross": (3,),
    "grid_sample": (2,),
    "gru_cell": (2, 6),
    "histogramdd": (2,),
    "leslie": (3, 4),
    "lstm_cell": (2, 8),
    "multi_head_attention_forward": (4, 12),
    "view_as_complex": (2,),
    # sizes that the call of the table names
    "broadcast_in_dim": (3, 4),
    "fold": (8, 12),
    "insert": (2,),
    "istft": (3, 5),
    "masked_select": (3, 4),
    "overlap_add": (4, 3),
    "reshape": (3, 4),
    "split": (3, 4),
    "stft": (3,),
    "sum_to_size": (3,),
    # sizes that fit only where one is proved to be the smaller one, or a quotient of the other
    "conv1d": (3, 6),
    "conv2d": (3,),
    "conv3d": (2,),
    "diagonal_scatter": (3,),
    "dot_product_attention": (2, 4),
    "dynamic_update_slice": (2,),
    "dynamic_update_slice_in_dim": (2,),
    "householder_product": (2, 3),
    "lu": (3,),
    "lu_unpack": (3,),
    "ormqr": (2, 3),
    # what comes out would differ in number, or be a table of another size
    "combinations": (4,),
    "diag_indices_from": (4,),
    "poly": (3,),
    "polyadd": (4,),
    "polyder": (4,),
    "polydiv": (4, 2),
    "polyint": (4,),
    "polymul": (4,),
    "polysub": (4,),
    "roots": (4,),
    "tril_indices_from": (3, 4),
    "triu_indices_from": (3, 4),
    "unstack": (3, 4),
}
"""Sizes that stay numbers."""

OF_ITS_OWN = {
    "squeeze": "an axis that a call may make longer than 1 stays",
}
"""Functions whose results with dims have another shape than with numbers."""


@dataclass(frozen=True)
class Case:
    """A call with dims.

    Attributes:
        call: with numbers.
        graph: with dims.
        least: the smallest value of each dim, by the number that it stands for.
        multiple: what every value is a multiple of.
    """

    call: SurfaceCall
    graph: Graph
    least: Mapping[int, int]
    multiple: int

    def sizes(self) -> Iterator[Mapping[int, int]]:
        """The smallest sizes, sizes of 1 where they are in the range, and different ones."""
        steps = {size: low // self.multiple for size, low in self.least.items()}
        yield self.least
        yield {size: max(step, 1) * self.multiple for size, step in steps.items()}
        several = enumerate(steps.items(), start=2)
        yield {size: (step + number) * self.multiple for number, (size, step) in several}


def _resized(call: SurfaceCall, sizes: Mapping[int, DimLike]) -> SurfaceCall:
    """The call with other sizes of its tensors."""
    types = (one.dtype[tuple(sizes.get(n, n) for n in one.shape)] for one in call.types)
    return SurfaceCall(call.name, tuple(types), call.body)


def _sizes(call: SurfaceCall) -> list[int]:
    # An axis of one element is there to be broadcast.
    return sorted({size for one in call.types for size in one.shape if size != 1})


def _symbolic(call: SurfaceCall, sizes: list[int], name: str) -> Case | GraphcError:
    """The call with a dim for each of some sizes, of the widest range; or why there is none."""
    refusal: GraphcError | None = None
    for multiple, low in RANGES:
        least = low * multiple
        named = {size: dims.variable(f"N{size}", least, 40 * multiple, multiple) for size in sizes}
        try:
            graph = _resized(call, named).graph(name)
        except GraphcError as error:
            refusal = refusal or error
            continue
        return Case(call, graph, dict.fromkeys(sizes, least), multiple)
    assert refusal is not None
    return refusal


@cache
def _cases(name: str) -> list[Case]:
    # The other calls of a signature differ in nothing that a dim could matter to.
    calls = calls_of(name) if name in LISTED else calls_of(name)[:1]
    found = []
    for number, call in enumerate(calls):
        sizes = [size for size in _sizes(call) if size not in KEPT.get(name, ())]
        if sizes:
            case = _symbolic(call, sizes, f"{name}_{number}")
            assert isinstance(case, Case), f"{call} takes no dims, see KEPT: {case}"
            found.append(case)
    return found


CALLED = [name for name in NAMES if name not in REFUSED]


@cache
def _executor(unit: int) -> Any:
    exports: dict[str, Graph] = {}
    first = unit * FUNCTIONS_PER_UNIT
    for name in CALLED[first : first + FUNCTIONS_PER_UNIT]:
        try:
            exports |= {case.graph.name: case.graph for case in _cases(name)}
        except AssertionError:
            # The function's own test says so.
            continue
    lifted = lift_tables(Unit(exports, {}, Graph("initial", (), (), ())))
    state = dict(zip(lifted.state, evaluate(lifted.initial, [])[0], strict=True))
    return emitted(list(lifted.exports.values()), state)


@pytest.mark.parametrize("name", CALLED)
def test_a_call_with_dims_gives_what_it_gives_with_numbers(name: str) -> None:
    for case in _cases(name):
        executor = _executor(CALLED.index(name) // FUNCTIONS_PER_UNIT)
        for sizes in case.sizes():
            call = _resized(case.call, sizes)
            arrays = call.arrays(DOMAINS[1])
            with np.errstate(all="ignore"):
                expected = evaluate(_with_numbers(call, case), arrays)[0]
            found = executor.call(case.graph.name, arrays)
            for a, b in zip(found, expected, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), call
                # Constants that are quotients of sizes are rounded where they are computed.
                precise = a.dtype.itemsize >= (16 if a.dtype.kind == "c" else 8)
                tolerance = 1e-10 if precise else 4e-5
                np.testing.assert_allclose(a, b, tolerance, tolerance / 10, err_msg=str(call))


def _with_numbers(call: SurfaceCall, case: Case) -> Graph:
    if call.name in OF_ITS_OWN:
        return case.graph
    try:
        return call.graph()
    except GraphcError as error:
        # An extreme of nothing is refused where it is certain; else it is that of no element.
        if error.code != "empty-axis":
            raise
        return case.graph


NO_GRADIENT = {
    "lu_factor": "it takes the parts of tall and of wide matrices apart",
    "squeeze": OF_ITS_OWN["squeeze"],
}
"""Functions whose gradients take numbers alone, or have results of another shape."""


def _pullback(graph: Graph) -> Graph:
    """The gradients of a graph's results, by its inputs, for given cotangents."""
    inputs = [one for one in graph.inputs if one.dtype.precision]
    results = [one for one in graph.results if one.dtype.precision]
    given = [graph_input(f"g{i}", one.dtype, one.shape) for i, one in enumerate(results)]
    gradients = tuple(vjp(results, inputs, given))
    return simplify(Graph("pullback", (*graph.inputs, *given), (), gradients), SourceMap())


@pytest.mark.parametrize("name", [name for name in CALLED if name not in NO_GRADIENT])
def test_gradients_with_dims_are_those_with_numbers(name: str) -> None:
    for case in _cases(name):
        *_, sizes = case.sizes()
        one = _resized(case.call, sizes)
        symbolic, fixed = _pullback(case.graph), _pullback(one.graph())
        arrays = one.arrays(DOMAINS[1])
        for node in fixed.inputs[len(arrays) :]:
            type_ = TensorType(node.dtype, node.shape)
            arrays.append(random_array(type_, np.random.default_rng(3), special=False))
        with np.errstate(all="ignore"):
            expected = evaluate(fixed, arrays)[0]
            found = evaluate(symbolic, arrays)[0]
        for a, b in zip(found, expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), one
            tolerance = 1e-9 if a.dtype in (np.float64, np.complex128) else 4e-5
            np.testing.assert_allclose(a, b, tolerance, tolerance, err_msg=str(one))


@pytest.mark.parametrize("name", KEPT)
def test_what_takes_no_dim_says_which_and_what_to_do(name: str) -> None:
    for call, size in itertools.product(calls_of(name), KEPT[name]):
        if size not in _sizes(call):
            continue
        refused = _symbolic(call, [size], "call")
        if isinstance(refused, GraphcError):
            assert f"N{size}" in str(refused) and refused.hint, refused


# -- sizes as arguments ---------------------------------------------------------------------------

T = dims.variable("T", 0, 40, 4)

SIZED: Mapping[str, Callable[[Any, Any], Any]] = {
    "adaptive_avg_pool1d": lambda f, x: f(tensor.call("ones", (1, 7), f64), x.shape[0] + 1),
    "arange": lambda f, x: f(x.shape[0], -3, -2),
    "broadcast_to": lambda f, x: f(tensor.call("ones", (3, 1)), 2, 3, x.shape[0]),
    "chunk": lambda f, x: f(x, 4),
    "dynamic_slice": lambda f, x: f(x, (1,), (x.shape[0] // 4,)),
    "eye": lambda f, x: f(x.shape[0], x.shape[0] + 1, k=1),
    "fft": lambda f, x: f(tensor.call("ones", (5,)), x.shape[0] + 1),
    "fftfreq": lambda f, x: f(x.shape[0] + 1, 0.5, f64),
    "full": lambda f, x: f((2, x.shape[0]), x.shape[0]),
    "geomspace": lambda f, x: f(1.0, 8.0, x.shape[0], f64),
    "hamming": lambda f, x: f(x.shape[0], f64),
    "hann_window": lambda f, x: f(x.shape[0] // 4, dtype=f64),
    "interpolate": lambda f, x: f(
        tensor.call("ones", (1, 1, 5), f64), size=x.shape[0] + 1, mode="linear"
    ),
    "irfft": lambda f, x: f(tensor.call("arange", 7, dtype=f64), x.shape[0] + 1),
    "linspace": lambda f, x: f(0.0, 1.0, x.shape[0], f64),
    "logspace": lambda f, x: f(0.0, 1.0, x.shape[0] // 4, dtype=f64),
    "narrow": lambda f, x: f(x, 0, x.shape[0] // 4, x.shape[0] // 2),
    "one_hot": lambda f, x: f(tensor.call("arange", 3), x.shape[0]),
    "pad": lambda f, x: f(x, (x.shape[0], 1)),
    "repeat": lambda f, x: f(tensor.call("arange", 3), x.shape[0]),
    "reshape": lambda f, x: f(x, 4, -1),
    "rfftfreq": lambda f, x: f(x.shape[0] + 1, 0.5, f64),
    "roll": lambda f, x: f(x, x.shape[0] // 4),
    "split": lambda f, x: f(x, [x.shape[0] // 4, 3 * (x.shape[0] // 4)]),
    "tile": lambda f, x: f(tensor.call("arange", 3), (x.shape[0], 2)),
    "topk": lambda f, x: f(x, x.shape[0] // 2),
    "tri": lambda f, x: f(x.shape[0], 5, 1),
    "unflatten": lambda f, x: f(x, 0, (-1, 4)),
    "unravel_index": lambda f, x: f(tensor.call("arange", 9), (x.shape[0] + 1, 2)),
    "vander": lambda f, x: f(tensor.call("arange", 3, dtype=f64), x.shape[0]),
}
"""Calls with sizes, and parts of sizes that are multiples, of a vector."""


@cache
def _sized_executor() -> Any:
    graphs = [SurfaceCall(name, (f64[(T,)],), body).graph(name) for name, body in SIZED.items()]
    return emitted(graphs)


@pytest.mark.parametrize("name", SIZED)
def test_a_size_may_be_an_argument(name: str) -> None:
    for size in (0, 4, 12):
        call = SurfaceCall(name, (f64[(size,)],), SIZED[name])
        arrays = call.arrays(DOMAINS[1])
        expected = evaluate(call.graph(), arrays)[0]
        for a, b in zip(_sized_executor().call(name, arrays), expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_allclose(a, b, 1e-6, 1e-7)


def test_pieces_of_a_dim_are_refused_by_its_name() -> None:
    """What would divide is said with the declaration that makes it so."""
    some = dims.variable("T", 0, 40)
    for name in ("chunk", "reshape", "unflatten"):
        with pytest.raises(GraphcError, match="T") as refused:
            SurfaceCall(name, (f64[(some,)],), SIZED[name]).graph()
        assert "dim T: 0..40 multiple of" in (refused.value.hint or "")
