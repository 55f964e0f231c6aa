"""Every op of the registry as CUDA text, run by the simulator, against its reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import pytest

from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.op import Op
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.accuracy import ANY_ZERO, NUMPY_ULPS, within
from tests.backends.test_cpu import (
    COMPOSED,
    COMPUTED,
    ELEMENTWISE,
    MOVING,
    Case,
    is_close,
    sample_graphs,
)
from tests.simulated import simulated
from tests.values import random_array, same_bits

# What CUDA's own functions promise, in f32 and in f64 (CUDA C++ Programming Guide, "Mathematical
# Functions"); those of the simulator's C library are as good. Every other elementwise op is exact.
ULPS: Mapping[str, tuple[float, float]] = {
    "exp": (1, 1),
    "expm1": (1, 1),
    "exp2": (2, 1),
    "log": (1, 1),
    "log1p": (1, 1),
    "log2": (1, 1),
    "log10": (2, 1),
    "rsqrt": (1.5, 1.5),
    "sin": (2, 2),
    "cos": (2, 2),
    "tan": (4, 2),
    "asin": (2, 2),
    "acos": (2, 2),
    "atan": (2, 2),
    "atan2": (3, 2),
    "hypot": (3, 2),
    "sinh": (3, 2),
    "cosh": (2, 1),
    "tanh": (2, 2),
    "asinh": (3, 3),
    "acosh": (4, 3),
    "atanh": (3, 2),
    "erf": (2, 2),
    "sigmoid": (2.5, 2.5),
    "power": (4, 2),
}

OPS_PER_UNIT = 24


@cache
def unit_of(number: int, check: bool) -> SimulatorExecutor:
    """The executor of the samples of some ops, together in one unit of CUDA."""
    chosen = COMPUTED[number * OPS_PER_UNIT : (number + 1) * OPS_PER_UNIT]
    graphs = [graph for op in chosen for _, _, graph in sample_graphs(op)]
    return simulated(graphs, check=check)


def cases(op: Op, *, special: bool, check: bool = False) -> Iterator[Case]:
    executor = unit_of(COMPUTED.index(op) // OPS_PER_UNIT, check)
    rng = np.random.default_rng(7)
    for name, sample, graph in sample_graphs(op):
        arrays = [
            random_array(type_, rng, domain=sample.domain, special=special)
            for type_ in sample.operands
        ]
        yield Case(sample, graph, arrays, executor.call(name, arrays))


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_elementwise_ops_agree_with_their_reference(op: Op) -> None:
    for case in cases(op, special=True):
        (expected,), _ = evaluate(case.graph, case.arrays)
        (found,) = case.found
        dtype = case.graph.results[0].dtype
        if op.name not in ULPS or dtype.kind != "float":
            if op.name in ANY_ZERO:
                found, expected = found + found.dtype.type(0), expected + expected.dtype.type(0)
            assert same_bits(found, expected), (case.sample, case.arrays, found, expected)
            continue
        (precise,), _ = evaluate(case.graph, case.arrays, precise=True)
        in_f32, in_f64 = ULPS[op.name]
        ulps = in_f64 + NUMPY_ULPS if dtype is dtypes.f64 else in_f32
        if dtype.bits < 32:
            # The function's own error in f32, and one rounding.
            ulps = 0.51
        assert within(found, precise, ulps, dtype), (case.sample, case.arrays, found, precise)


@pytest.mark.parametrize("op", MOVING, ids=lambda op: op.name)
def test_ops_that_move_elements_give_the_bits_of_their_reference(op: Op) -> None:
    for case in cases(op, special=True):
        expected, _ = evaluate(case.graph, case.arrays)
        for found, reference in zip(case.found, expected, strict=True):
            assert same_bits(found, reference), (case.sample, case.arrays, found, reference)


@pytest.mark.parametrize("op", COMPOSED, ids=lambda op: op.name)
def test_sums_products_and_compositions_are_near_their_reference(op: Op) -> None:
    for case in cases(op, special=False):
        expected, _ = evaluate(case.graph, case.arrays)
        precise, _ = evaluate(case.graph, case.arrays, precise=True)
        for found, same, exact in zip(case.found, expected, precise, strict=True):
            dtype = dtypes.from_numpy(found.dtype)
            assert is_close(found, same, exact, dtype), (case.sample, case.arrays, found, exact)
