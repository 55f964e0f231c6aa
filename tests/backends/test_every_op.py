"""Every op of the registry on every backend that runs here, against its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.op import Op
from tests.accuracy import ULPS
from tests.backends.op_samples import (
    COMPOSED,
    COMPUTED,
    CUDA_ULPS,
    EXTREMES,
    OPS_PER_UNIT,
    Call,
    assert_as_promised,
    cases,
    sample_graphs,
)
from tests.emitted import emitted
from tests.simulated import simulated
from tests.values import same_bits


@dataclass(frozen=True)
class Backend:
    """A way to run graphs, and how near its elementwise functions come."""

    name: str
    run: Any
    ulps: Mapping[str, tuple[float, float]]


BACKENDS = [Backend("cpu", emitted, ULPS), Backend("sim", simulated, CUDA_ULPS)]


@cache
def executor(backend: str, number: int) -> Any:
    """The executor of the samples of some ops, together in one unit of text."""
    (run,) = (one.run for one in BACKENDS if one.name == backend)
    chosen = COMPUTED[number * OPS_PER_UNIT : (number + 1) * OPS_PER_UNIT]
    return run([graph for op in chosen for _, _, graph in sample_graphs(op)])


def call_of(backend: Backend, op: Op) -> Call:
    call: Call = executor(backend.name, COMPUTED.index(op) // OPS_PER_UNIT).call
    return call


on_every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.name)


@on_every_backend
@pytest.mark.parametrize("op", COMPUTED, ids=lambda op: op.name)
def test_ops_are_as_near_to_their_reference_as_promised(op: Op, backend: Backend) -> None:
    for case in cases(op, call_of(backend, op), special=op not in COMPOSED):
        assert_as_promised(op, case, backend.ulps)


@on_every_backend
@pytest.mark.parametrize("op", EXTREMES, ids=lambda op: op.name)
def test_extremes_of_special_values_are_those_of_their_reference(op: Op, backend: Backend) -> None:
    for case in cases(op, call_of(backend, op), special=True):
        (expected,), _ = evaluate(case.graph, case.arrays)
        (found,) = case.found
        # Which of 0.0 and -0.0 is the larger is not said.
        zero = found.dtype.type(0)
        assert same_bits(found + zero, expected + zero), (case.sample, case.arrays, found, expected)
