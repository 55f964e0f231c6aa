"""Every function of the language on every backend: the values that the reference has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import f8e4m3
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.passes.tables import lift_tables
from tests.emitted import emitted
from tests.simulated import simulated
from tests.surface_calls import DOMAINS, NAMES, SurfaceCall, calls_of, of_one_type, operand_count

Array = np.ndarray[Any, Any]

FUNCTIONS_PER_UNIT = 80
"""So many that follow one another are one unit of text: each process compiles a few units."""

EDGES = ((), (0,), (1,), (0, 3), (1, 1), (2, 0, 4))


def _edges(name: str) -> list[SurfaceCall]:
    """Calls with tensors that hold nothing, or one number."""
    if operand_count(name) is None:
        return []
    return [of_one_type(name, dtypes.f64, shape) for shape in EDGES]


def _stored(one: SurfaceCall) -> SurfaceCall:
    """The call with 8-bit floats for the others."""
    types = (f8e4m3[type_.shape] if type_.dtype.kind == "float" else type_ for type_ in one.types)
    return replace(one, types=tuple(types))


@cache
def _cases(name: str) -> list[tuple[SurfaceCall, Graph]]:
    found = []
    calls = [*calls_of(name), *_edges(name)]
    stored = [two for one in calls if (two := _stored(one)).types != one.types]
    for one in (*calls, *stored):
        try:
            found.append((one, one.graph(f"{name}_{len(found)}")))
        except GraphcError:
            # That the calls of `calls_of` are taken is tested with their derivatives.
            continue
    return found


BACKENDS: dict[str, Callable[..., Any]] = {"cpu": emitted, "sim": simulated}


@cache
def _executor(backend: str, unit: int) -> Any:
    first = unit * FUNCTIONS_PER_UNIT
    names = NAMES[first : first + FUNCTIONS_PER_UNIT]
    graphs = [graph for name in names for _, graph in _cases(name)]
    exports = {graph.name: graph for graph in graphs}
    # Tensors among a graph's own nodes become state, as in a build.
    lifted = lift_tables(Unit(exports, {}, Graph("initial", (), (), ())))
    state = dict(zip(lifted.state, evaluate(lifted.initial, [])[0], strict=True))
    return BACKENDS[backend](list(lifted.exports.values()), state)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_compiled_functions_have_the_values_of_the_reference(name: str, backend: str) -> None:
    executor = _executor(backend, NAMES.index(name) // FUNCTIONS_PER_UNIT)
    for one, graph in _cases(name):
        arrays = one.arrays(DOMAINS[1])
        with np.errstate(all="ignore"):
            expected = evaluate(graph, arrays)[0]
        _assert_close(one, executor.call(graph.name, arrays), expected)


def _assert_close(one: SurfaceCall, found: Sequence[Array], expected: Sequence[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), one
        if a.dtype == np.float32:
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=str(one))
        elif a.dtype.kind in "fc":
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, err_msg=str(one))
        else:
            np.testing.assert_array_equal(a, b, err_msg=str(one))


# What adds overlapping windows is the gradient of taking them apart, for stored tensors too.
ADDING_WINDOWS = {"fold", "overlap_add"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_computed_in_8_bit_floats(name: str) -> None:
    """What comes of 8-bit floats alone, in their dtype, was moved or is refused."""
    for one, graph in _cases(name):
        if f8e4m3 not in {type_.dtype for type_ in one.types} or name in ADDING_WINDOWS:
            continue
        made = [node for node in graph.nodes() if node.op.name == "cast"]
        assert all(node.dtype is not f8e4m3 for node in made), one
