"""Every function of the language: its derivatives, what it takes, and what it refuses.

Nothing here names a function; calls are made from signatures, or listed in `surface_calls.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.surface_calls import (
    DOMAINS,
    LISTED,
    NAMES,
    REFUSED,
    SurfaceCall,
    calls_of,
    of_one_type,
    operand_count,
)

Array = np.ndarray[Any, Any]

CALLED = [name for name in NAMES if name not in REFUSED]
BY_NAME = pytest.mark.parametrize("name", CALLED)


def test_every_function_has_a_call() -> None:
    """A function that needs more than tensors needs a row in `LISTED`."""
    assert [name for name in CALLED if not calls_of(name)] == []
    assert set(LISTED) <= set(functions)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_tensor_is_good_for_says_what_to_do_instead(name: str) -> None:
    for shape in ((), (3, 4)):
        count = operand_count(name) or 0
        one = SurfaceCall(name, (dtypes.f64[shape],) * count, lambda f, *x: f(*x))
        with pytest.raises(GraphcError) as refused:
            one.graph()
        assert refused.value.hint


# -- derivatives ----------------------------------------------------------------------------------

STEP = 2.0**-17
DOUBLES = (dtypes.f64, dtypes.c128)


CUTS = ("stop_gradient", "nextafter")
"""Functions that are no constants, with a derivative of zero by definition."""


def _operands(one: SurfaceCall, graph: Graph) -> list[Array]:
    """Operands for which all results of the graph are numbers of moderate size."""
    for domain in DOMAINS:
        arrays = one.arrays(domain)
        with np.errstate(all="ignore"):
            results = evaluate(graph, arrays)[0]
        if all(np.all(np.abs(one) < 100) for one in results if one.dtype.kind in "fc"):
            return arrays
    raise AssertionError(f"{one} has no moderate value")


class _Derivatives:
    """Pullbacks of a graph's results by its operands, and those of the pullbacks."""

    def __init__(self, one: SurfaceCall) -> None:
        self.graph = one.graph()
        self.arrays = _operands(one, self.graph)
        self.rng = np.random.default_rng(1)
        self.active = [x for x in self.graph.inputs if x.dtype in DOUBLES]
        self.results = [r for r in self.graph.results if r.dtype in DOUBLES]
        self.weights = self._like("weight", self.results)
        self.directions = self._like("direction", self.active)
        self.given = {x: self._values(x) for x in (*self.weights, *self.directions)}
        self.first = vjp(self.results, self.active, self.weights)
        self.second = vjp(self.first, self.active, self.directions)

    def _like(self, name: str, nodes: Sequence[Node]) -> list[Node]:
        return [graph_input(f"{name}{i}", x.dtype, x.shape) for i, x in enumerate(nodes)]

    def _values(self, node: Node) -> Array:
        values = self.rng.uniform(-1, 1, node.shape)  # type: ignore[arg-type]
        if node.dtype.kind == "complex":
            values = values + 1j * self.rng.uniform(-1, 1, node.shape)  # type: ignore[arg-type]
        return np.asarray(values)

    def at(self, roots: Sequence[Node], offset: float, along: Sequence[Array]) -> list[Array]:
        moved = dict(zip(self.graph.inputs, self.arrays, strict=True)) | self.given
        for x, direction in zip(self.active, along, strict=True):
            moved[x] = moved[x] + offset * direction
        graph = Graph("at", tuple(moved), (), tuple(roots))
        return list(evaluate(graph, list(moved.values()))[0])

    def slope(
        self, roots: Sequence[Node], weights: Sequence[Array], along: Sequence[Array]
    ) -> float:
        """The central difference of the roots paired with weights."""
        ahead, behind = (_pairing(self.at(roots, step, along), weights) for step in (STEP, -STEP))
        return (ahead - behind) / (2 * STEP)


def _pairing(values: Sequence[Array], weights: Sequence[Array]) -> float:
    return float(sum(np.real(np.sum(a * b)) for a, b in zip(values, weights, strict=True)))


@BY_NAME
def test_first_and_second_derivatives_agree_with_differences(name: str) -> None:
    for one in calls_of(name):
        case = _Derivatives(one)
        along = [case.given[x] for x in case.directions]
        weights = [case.given[x] for x in case.weights]
        expected = 0.0 if name in CUTS else case.slope(case.results, weights, along)
        found = _pairing(case.at(case.first, 0.0, along), along)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7), one

        again = [case._values(x) for x in case.active]
        expected = case.slope(case.first, along, again)
        found = _pairing(case.at(case.second, 0.0, again), again)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), one


# -- what is taken --------------------------------------------------------------------------------

PROBED_SHAPES = ((), (0,), (1,), (3,), (0, 3), (3, 0), (1, 1), (4, 4), (2, 0, 4), (1, 1, 1, 1))
PROBED_DTYPES = (dtypes.f64, dtypes.bf16, dtypes.i32, dtypes.u8, dtypes.bool_, dtypes.c64)


@pytest.mark.parametrize("name", [n for n in NAMES if operand_count(n) is not None])
def test_tensors_of_any_type_give_a_graph_with_a_value_or_an_error(name: str) -> None:
    """No other exception; and the reference gives what the type rules say."""
    for dtype in PROBED_DTYPES:
        for shape in PROBED_SHAPES:
            one = of_one_type(name, dtype, shape)
            try:
                graph = one.graph()
            except GraphcError:
                continue
            with np.errstate(all="ignore"):
                # Each value is compared with its node's type.
                evaluate(graph, one.arrays((-1.7, 1.7), special=True))


WRONG: tuple[Any, ...] = (
    *(0, 1, -1, 7, -9, 2**31, -(2**70), True, None, 1.5, -0.25, math.nan, math.inf, 1e300, "none"),
    *("nonsense", (), (0,), (0, 0), (7, -9), (1.5, "x"), [], {}, dtypes.i32, slice(0, 2)),
)


def _takes_other_than_tensors(parameter: inspect.Parameter) -> bool:
    is_one = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return is_one and parameter.default is not parameter.empty


@BY_NAME
def test_any_argument_gives_a_graph_or_an_error(name: str) -> None:
    """Arguments with a default are given what they are not made for."""
    parameters = inspect.signature(functions[name]).parameters.values()
    keywords = [one.name for one in parameters if _takes_other_than_tensors(one)]
    for one in calls_of(name)[:1]:
        for keyword in keywords:
            for value in WRONG:
                try:
                    graph = one.graph(**{keyword: value})
                except GraphcError:
                    continue
                assert isinstance(graph, Graph)
