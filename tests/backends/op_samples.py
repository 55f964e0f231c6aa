"""Every op of the registry with its samples: what a backend is tried on, and what it must give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import (
    Cumulative,
    Element,
    Elementwise,
    Op,
    Reduction,
    Sample,
    Source,
    Structural,
    View,
    registry,
)
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.types import TensorType
from tests.accuracy import (
    COMPLEX_FUNCTIONS,
    NUMPY_ULPS,
    SPECIAL_ULPS,
    is_near_complex,
    least_of,
    within,
)
from tests.values import random_array, same_bits

__all__ = [
    "COMPOSED",
    "COMPUTED",
    "CUDA_ULPS",
    "ELEMENTWISE",
    "EXACT_FOLDS",
    "MOVING",
    "UNITS",
    "Call",
    "Case",
    "assert_as_promised",
    "cases",
    "graphs_of",
    "is_close",
    "is_taken",
    "resized",
    "sample_graphs",
]

Array = np.ndarray[Any, Any]

SHAPES: Sequence[tuple[int, ...]] = ((), (0,), (1, 1), (2, 0, 3), (67, 5))


# What CUDA's own functions promise, in f32 and in f64 (CUDA C++ Programming Guide, "Mathematical
# Functions"); those of the simulator's C library are as good. Every other elementwise op is exact.
CUDA_ULPS: Mapping[str, tuple[float, float]] = {
    **SPECIAL_ULPS,
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
    "erfc": (0.6, 5),
    "erfinv": (0.6, 8),
    "lgamma": (0.6, 8),
    "digamma": (0.6, 8),
    "logaddexp": (0.6, 2),
    "sigmoid": (2.5, 2.5),
    "power": (4, 2),
}


def samples_of(op: Op) -> Iterator[Sample]:
    """The op's own samples, and for each of their signatures of dtypes tensors of other sizes.

    For an elementwise op nothing, one number, no axes, and more than the vectors or threads that a
    step has; for another op nothing and one where it takes them, along this axis and that.
    """
    seen: set[tuple[DType, ...]] = set()
    for sample in op.samples():
        yield sample
        signature = tuple(type_.dtype for type_ in sample.operands)
        if signature in seen:
            continue
        alike = len({type_.shape for type_ in sample.operands}) == 1
        if isinstance(op.lowering, Elementwise) and alike:
            seen.add(signature)
            for shape in SHAPES:
                operands = tuple(replace(type_, shape=shape) for type_ in sample.operands)
                yield replace(sample, operands=operands)
        elif sample.operands:
            seen.add(signature)
            for size in (0, 1):
                yield from islice(_with_size(op, sample, size, turn=len(seen)), 1)


def _with_size(op: Op, sample: Sample, size: int, turn: int) -> Iterator[Sample]:
    """Samples like this one with a size in them, which another axis has at every turn."""
    sizes = sorted(
        {one for type_ in sample.operands for one in type_.shape if one != size}, key=str
    )
    changed = [resized(sample, old, size) for old in (sizes * 2)[turn % max(len(sizes), 1) :]]
    others = [one for one in op.samples() if any(size in type_.shape for type_ in one.operands)]
    retyped = (
        _with_dtypes(one, sample) for one in others if len(one.operands) == len(sample.operands)
    )
    for one in (*changed, *retyped):
        if any(size in type_.shape for type_ in one.operands) and is_taken(op, one):
            yield one


def _with_dtypes(sample: Sample, other: Sample) -> Sample:
    """A sample with the dtypes of another one."""
    pairs = zip(sample.operands, other.operands, strict=True)
    return replace(sample, operands=tuple(replace(a, dtype=b.dtype) for a, b in pairs))


def resized(sample: Sample, old: DimLike, new: DimLike) -> Sample:
    """The sample with another size in place of one, wherever that stands."""

    def changed(shape: Sequence[DimLike]) -> tuple[DimLike, ...]:
        return tuple(new if size == old else size for size in shape)

    attributes = {
        name: changed(value) if name in ("shape", "stop") else value
        for name, value in sample.attributes.items()
    }
    operands = tuple(TensorType(one.dtype, changed(one.shape)) for one in sample.operands)
    return replace(sample, operands=operands, attributes=attributes)


def is_taken(op: Op, sample: Sample) -> bool:
    """Whether the op takes the operands of the sample."""
    try:
        op(*inputs_of(sample), **sample.attributes)
    except GraphcError:
        return False
    return True


def inputs_of(sample: Sample) -> tuple[Node, ...]:
    """Nodes for the operands of a sample."""
    return tuple(
        graph_input(f"x{i}", type_.dtype, type_.shape) for i, type_ in enumerate(sample.operands)
    )


def sample_graphs(op: Op) -> Iterator[tuple[str, Sample, Graph]]:
    """A graph of one op for each of its samples."""
    for number, sample in enumerate(samples_of(op)):
        inputs = inputs_of(sample)
        node = op(*inputs, **sample.attributes)
        name = f"{op.name}_{number}"
        yield name, sample, Graph(name, inputs, (), projections(node))


def graphs_of(ops: Iterable[Op]) -> list[Graph]:
    """The graphs of all samples of the ops, for one unit."""
    return [graph for op in ops for _, _, graph in sample_graphs(op)]


COMPUTED = [
    op
    for op in registry.values()
    if not isinstance(op.lowering, Structural) and next(sample_graphs(op), None)
]
_OPS_PER_UNIT = 24
UNITS = [COMPUTED[i : i + _OPS_PER_UNIT] for i in range(0, len(COMPUTED), _OPS_PER_UNIT)]
"""The ops in units of text: enough to share the cost of compiling, few enough to compile soon."""
ELEMENTWISE = [op for op in COMPUTED if isinstance(op.lowering, Elementwise)]
MOVING = [op for op in COMPUTED if isinstance(op.lowering, View | Element | Source)]
COMPOSED = [op for op in COMPUTED if op not in ELEMENTWISE and op not in MOVING]
EXACT_FOLDS = [
    op
    for op in COMPUTED
    if isinstance(op.lowering, Cumulative)
    or (isinstance(op.lowering, Reduction) and op.lowering.combine not in ("add", "multiply"))
]
"""Scans, which go in order, and folds whose order changes nothing: exact for special values too."""

Call = Callable[[str, Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True)
class Case:
    """One sample of an op, run on a backend."""

    sample: Sample
    graph: Graph
    arrays: Sequence[Array]
    found: Sequence[Array]


def cases(op: Op, call: Call, *, special: bool) -> Iterator[Case]:
    """The op's samples with random numbers, run by `call`."""
    rng = np.random.default_rng(7)
    for name, sample, graph in sample_graphs(op):
        arrays = [
            random_array(type_, rng, domain=sample.domain, special=special)
            for type_ in sample.operands
        ]
        yield Case(sample, graph, arrays, call(name, arrays))


def assert_near_function(op: Op, case: Case, ulps: Mapping[str, tuple[float, float]]) -> None:
    """An elementwise op gives every bit, but for the functions of `ulps`."""
    (expected,), _ = evaluate(case.graph, case.arrays)
    (found,) = case.found
    dtype = case.graph.results[0].dtype
    if case.arrays[-1].dtype.kind == "c" and op.name in COMPLEX_FUNCTIONS:
        (precise,), _ = evaluate(case.graph, case.arrays, precise=True)
        near = is_near_complex(op.name, case.arrays, found, precise)
        assert near, (case.sample, case.arrays, found, precise)
        return
    if op.name not in ulps or dtype.kind != "float":
        assert same_bits(found, expected), (case.sample, case.arrays, found, expected)
        return
    (precise,), _ = evaluate(case.graph, case.arrays, precise=True)
    in_f32, in_f64 = ulps[op.name]
    allowed = in_f64 + NUMPY_ULPS if dtype is dtypes.f64 else in_f32
    if dtype.bits < 32:
        # The function's own error in f32, and one rounding.
        allowed = 0.51
    near = within(found, precise, allowed, dtype, least_of(op.name, dtype))
    assert near, (case.sample, case.arrays, found, precise)


def assert_as_promised(op: Op, case: Case, ulps: Mapping[str, tuple[float, float]]) -> None:
    """A backend's values are as near to the reference as it promises for the op.

    Functions of `ulps` are that near, and compositions as near as rounding at each step lets them
    be; everything else gives every bit.
    """
    if op in ELEMENTWISE:
        assert_near_function(op, case, ulps)
        return
    expected, _ = evaluate(case.graph, case.arrays)
    precise, _ = evaluate(case.graph, case.arrays, precise=True)
    for found, same, exact in zip(case.found, expected, precise, strict=True):
        dtype = dtypes.from_numpy(found.dtype)
        is_rounded = op in COMPOSED and op not in EXACT_FOLDS
        near = is_close(found, same, exact, dtype) if is_rounded else same_bits(found, same)
        assert near, (case.sample, case.arrays, found, exact)


def is_close(found: Array, expected: Array, precise: Array, dtype: DType) -> bool:
    """Whether a sum, product or composition of several steps is as near as its dtype allows."""
    if dtype.kind not in ("float", "complex"):
        return same_bits(found, expected)
    epsilon = 2.0 ** (1 - dtype.precision)
    with np.errstate(all="ignore"):
        scale = np.max(np.abs(precise), where=np.isfinite(precise), initial=1.0)
        near = np.abs(found.astype(precise.dtype) - precise) <= 16 * epsilon * scale
    finite = np.isfinite(precise)
    return bool(np.all(np.where(finite, near, same_value(found, precise))))


def same_value(found: Array, precise: Array) -> Array:
    """Where infinities and NaNs are the same."""
    return np.asarray((found == precise) | (np.isnan(found) & np.isnan(precise)))
