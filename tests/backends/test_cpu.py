"""Every op of the registry on the CPU against its reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST
from graphc.errors import DTypeError
from graphc.ir import dtype as dtypes
from graphc.ir import ops
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import (
    Element,
    Elementwise,
    Op,
    Sample,
    Source,
    Structural,
    View,
    registry,
)
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType, TupleType
from graphc.runtime.cpu.executor import CpuExecutor
from tests.accuracy import ANY_ZERO, NUMPY_ULPS, ULPS, within
from tests.emitted import emitted
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

# Ops of one unit of C: enough to share the fixed cost of compiling, few enough to compile soon.
OPS_PER_UNIT = 24


# -- every op -------------------------------------------------------------------------------------


def computes(dtype: DType) -> bool:
    """Whether the CPU's kernels compute in a dtype."""
    try:
        HOST.compute_type(dtype)
    except DTypeError:
        return False
    return True


def sample_graphs(op: Op) -> Iterator[tuple[str, Sample, Graph]]:
    """A graph of one op for each of its samples in dtypes that the CPU computes in."""
    for number, sample in enumerate(op.samples()):
        inputs = tuple(
            graph_input(f"x{i}", type_.dtype, type_.shape)
            for i, type_ in enumerate(sample.operands)
        )
        node = op(*inputs, **sample.attributes)
        parts = node.type.elements if isinstance(node.type, TupleType) else (node.type,)
        types = [*sample.operands, *(part for part in parts if isinstance(part, TensorType))]
        if all(computes(type_.dtype) for type_ in types):
            results = (
                tuple(ops.project(node, index=i) for i in range(len(parts)))
                if isinstance(node.type, TupleType)
                else (node,)
            )
            name = f"{op.name}_{number}"
            yield name, sample, Graph(name, inputs, (), results)


COMPUTED = [
    op
    for op in registry.values()
    if not isinstance(op.lowering, Structural) and next(sample_graphs(op), None)
]


@cache
def unit_of(number: int) -> CpuExecutor:
    """The executor of the samples of some ops, together in one unit of C."""
    chosen = COMPUTED[number * OPS_PER_UNIT : (number + 1) * OPS_PER_UNIT]
    return emitted([graph for op in chosen for _, _, graph in sample_graphs(op)])


@dataclass(frozen=True)
class Case:
    """One sample of an op, run on the CPU."""

    sample: Sample
    graph: Graph
    arrays: Sequence[Array]
    found: Sequence[Array]


def cases(op: Op, *, special: bool) -> Iterator[Case]:
    executor = unit_of(COMPUTED.index(op) // OPS_PER_UNIT)
    rng = np.random.default_rng(7)
    for name, sample, graph in sample_graphs(op):
        arrays = [
            random_array(type_, rng, domain=sample.domain, special=special)
            for type_ in sample.operands
        ]
        yield Case(sample, graph, arrays, executor.call(name, arrays))


def is_exact(op: Op, dtype: DType) -> bool:
    """Whether the CPU computes the very bits of the reference."""
    if isinstance(op.lowering, Elementwise):
        return op.name not in ULPS or dtype.kind != "float"
    return True


ELEMENTWISE = [op for op in COMPUTED if isinstance(op.lowering, Elementwise)]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_elementwise_ops_agree_with_their_reference(op: Op) -> None:
    for case in cases(op, special=True):
        (expected,), _ = evaluate(case.graph, case.arrays)
        (found,) = case.found
        dtype = case.graph.results[0].dtype
        if is_exact(op, dtype):
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


# -- other ops ------------------------------------------------------------------------------------


def is_close(found: Array, expected: Array, precise: Array, dtype: DType) -> bool:
    """Whether a sum, product or composition of several steps is as near as its dtype allows."""
    if dtype.kind != "float":
        return same_bits(found, expected)
    epsilon = 2.0 ** (1 - dtype.precision)
    with np.errstate(all="ignore"):
        scale = np.max(np.abs(precise), where=np.isfinite(precise), initial=1.0)
        near = np.abs(found.astype(np.float64) - precise) <= 16 * epsilon * scale
    finite = np.isfinite(precise)
    return bool(np.all(np.where(finite, near, same_value(found, precise))))


def same_value(found: Array, precise: Array) -> Array:
    """Where infinities and NaNs are the same."""
    return np.asarray((found == precise) | (np.isnan(found) & np.isnan(precise)))


MOVING = [op for op in COMPUTED if isinstance(op.lowering, View | Element | Source)]
COMPOSED = [op for op in COMPUTED if op not in ELEMENTWISE and op not in MOVING]


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
