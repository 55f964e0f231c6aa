"""Every op of the registry on every backend that runs here, against its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import Cumulative, Decomposition, Op, Reduction, Sample
from tests.accuracy import ULPS, first_inaccurate
from tests.backends.op_samples import (
    COMPOSED,
    COMPUTED,
    CUDA_ULPS,
    EXACT_FOLDS,
    UNITS,
    Call,
    assert_as_promised,
    cases,
    graphs_of,
    sample_graphs,
)
from tests.backends.test_random_graphs import renamed, with_all_results
from tests.emitted import emitted
from tests.simulated import simulated
from tests.values import random_array, same_bits


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
    return run(graphs_of(UNITS[number]))


def call_of(backend: Backend, op: Op) -> Call:
    (number,) = (i for i, ops in enumerate(UNITS) if op in ops)
    call: Call = executor(backend.name, number).call
    return call


on_every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.name)


@on_every_backend
@pytest.mark.parametrize("op", COMPUTED, ids=lambda op: op.name)
def test_ops_are_as_near_to_their_reference_as_promised(op: Op, backend: Backend) -> None:
    for case in cases(op, call_of(backend, op), special=op not in COMPOSED):
        assert_as_promised(op, case, backend.ulps)


OPENED = [op for op in COMPOSED if isinstance(op.lowering, Decomposition)]


@cache
def opened_graphs() -> list[tuple[Sample, Graph]]:
    """A sample of every dtype of the composite ops, opened, with every node among the results."""
    found = {}
    for op in OPENED:
        for name, sample, graph in sample_graphs(op):
            signature = op, tuple(type_.dtype for type_ in sample.operands)
            found.setdefault(signature, (sample, renamed(with_all_results(graph), name)))
    return list(found.values())


@cache
def opened_executor(backend: str) -> Any:
    (run,) = (one.run for one in BACKENDS if one.name == backend)
    return run([graph for _, graph in opened_graphs()])


def special_arrays(sample: Sample) -> list[Any]:
    rng = np.random.default_rng(11)
    return [random_array(one, rng, domain=sample.domain) for one in sample.operands]


@on_every_backend
@pytest.mark.parametrize("op", [op for op in COMPOSED if op not in OPENED], ids=lambda op: op.name)
def test_special_values_are_as_near_as_promised(op: Op, backend: Backend) -> None:
    for name, sample, graph in sample_graphs(op):
        arrays = special_arrays(sample)
        found = call_of(backend, op)(name, arrays)
        assert first_inaccurate(graph, arrays, found, {}, backend.ulps) is None, sample


@on_every_backend
def test_special_values_of_what_composite_ops_are_made_of(backend: Backend) -> None:
    for sample, graph in opened_graphs():
        arrays = special_arrays(sample)
        found = opened_executor(backend.name).call(graph.name, arrays)
        assert first_inaccurate(graph, arrays, found, {}, backend.ulps) is None, sample


# Fixed places exist in no tensor of one element; a seed has no axes; a graph has its types.
NOT_TRIED_ON: dict[str, set[int]] = {"slice": {1}, "random_bits": {0}, "custom_gradient": {0, 1}}


@pytest.mark.parametrize("op", COMPUTED, ids=lambda op: op.name)
def test_every_op_is_tried_on_nothing_and_on_one_element_in_every_dtype(op: Op) -> None:
    sizes: dict[Any, set[Any]] = {}
    for _, sample, _ in sample_graphs(op):
        shapes = [type_.shape for type_ in sample.operands]
        found = sizes.setdefault(tuple(type_.dtype for type_ in sample.operands), set())
        found.update(size for shape in shapes for size in (shape or (1,)))
    wanted = {0, 1} - NOT_TRIED_ON.get(op.name, set())
    for signature, found in sizes.items():
        assert not signature or wanted <= found, signature


def test_scans_and_extremes_are_exact_folds() -> None:
    assert {type(op.lowering) for op in EXACT_FOLDS} == {Cumulative, Reduction}


@on_every_backend
@pytest.mark.parametrize("op", EXACT_FOLDS, ids=lambda op: op.name)
def test_exact_folds_of_special_values_have_every_bit(op: Op, backend: Backend) -> None:
    for case in cases(op, call_of(backend, op), special=True):
        expected, _ = evaluate(case.graph, case.arrays)
        for one, wanted in zip(case.found, expected, strict=True):
            assert same_bits(one, wanted), (case.sample, case.arrays, one, wanted)
