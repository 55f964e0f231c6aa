"""Random well-typed graphs for property tests, drawn from the registry of ops by hypothesis.

No op is named as an operand of chance: each step takes an op of the registry and one of its own
samples, and applies it to nodes drawn so far. Where those do not fit as they are, they are first
brought to the types of the sample. So an op that is declared tomorrow is drawn tomorrow.

    @given(graphs())
    def test(case: RandomGraph) -> None:
        results, state = evaluate(case.graph, case.arrays())
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphc.ir.ops  # noqa: F401  (declares the ops)
from graphc.errors import GraphcError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.graph import Graph
from graphc.ir.listing import listing
from graphc.ir.node import Node
from graphc.ir.op import Op, Sample, Structural, registry
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full_like, iota
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.elementwise.complex_numbers import real
from graphc.ir.ops.elementwise.transcendental import sin
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.ops.views.shape import reshape
from graphc.ir.ops.views.slicing import pad, slice_
from graphc.ir.types import TensorType, TupleType
from tests.values import random_array

__all__ = ["RandomGraph", "graphs"]

Array = np.ndarray[Any, Any]

BATCH = dims.variable("B", 1, 4)
LENGTH = dims.variable("N", 0, 3)

SHAPES: tuple[tuple[DimLike, ...], ...] = (
    *((), (3,), (1,), (0,), (2, 3), (3, 1), (1, 1), (2, 0), (2, 3, 1), (4, 4)),
    *((BATCH,), (BATCH, 3), (2, LENGTH), (BATCH, LENGTH), (BATCH, 1, BATCH * 2)),
)


@dataclass(frozen=True, repr=False)
class RandomGraph:
    """A graph, values for its named dims, and a seed for the values of its inputs.

    Attributes:
        sizes: values of the named dims, whether the graph has them or not.
        seed: of the random values.
        special: whether infinities, NaN, negative zeros and the like are among them.
    """

    graph: Graph
    sizes: dict[str, int]
    seed: int
    special: bool

    def __repr__(self) -> str:
        return f"{self.sizes}, seed {self.seed}, special {self.special}\n{listing(self.graph)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis prints."""
        printer.text(repr(self))

    def arrays(self) -> list[Array]:
        """Values for the inputs of the graph; the same ones at every call."""
        rng = np.random.default_rng(self.seed)
        return [
            random_array(_sized(node.tensor, self.sizes), rng, special=self.special)
            for node in self.graph.inputs
        ]


def _sized(type_: TensorType, sizes: dict[str, int]) -> TensorType:
    """The type with numbers for its dims."""
    return TensorType(type_.dtype, tuple(dims.evaluate(extent, sizes) for extent in type_.shape))


@st.composite
def graphs(
    draw: st.DrawFn,
    *,
    smooth: bool = False,
    accept: Callable[[Op], bool] | None = None,
    steps: int = 8,
) -> RandomGraph:
    """Random graphs with several inputs and results, and shared subexpressions.

    Args:
        draw: hypothesis's.
        smooth: only ops that have a derivative all over, on float64 operands in their domain,
            and no special values: what gradients can be tested on.
        accept: which ops may be drawn.
        steps: ops drawn at most.
    """
    choices = [op for op in _drawable(smooth) if accept is None or accept(op)]
    # Few types to a graph, so that nodes are often of one type and meet without being fitted.
    of_any = st.just(dtypes.f64) if smooth else st.sampled_from(dtypes.ALL)
    of_few = st.sampled_from(draw(st.lists(of_any, min_size=1, max_size=2)))
    in_few = st.sampled_from(draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2)))
    inputs = [
        graph_input(name, draw(of_few), draw(in_few)) for name in "xyz"[: draw(st.integers(1, 3))]
    ]
    nodes = list(inputs)
    for _ in range(draw(st.integers(1, steps))):
        op = draw(st.sampled_from(choices))
        sample = draw(st.sampled_from(_samples(op, smooth)))
        nodes += _apply(op, sample, _operands(draw, nodes, len(sample.operands)), smooth)
    results = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
    results.append(nodes[-1])
    sizes = {"B": draw(st.integers(1, 4)), "N": draw(st.integers(0, 3))}
    graph = Graph("random", tuple(inputs), (), tuple(results))
    return RandomGraph(graph, sizes, draw(st.integers(0, 2**32 - 1)), special=not smooth)


def _operands(draw: st.DrawFn, nodes: list[Node], count: int) -> list[Node]:
    """Operands among the nodes, mostly of one type, and now and then a tensor of one number."""
    operands = [draw(st.sampled_from(nodes)) for _ in range(min(count, 1))]
    while len(operands) < count:
        first = operands[0]
        alike = [node for node in nodes if node.type is first.type]
        choice = draw(st.integers(0, 7))
        if choice == 0:
            operands.append(draw(st.sampled_from(nodes)))
        elif choice == 1:
            operands.append(full_like(first, draw(st.sampled_from(_numbers(first.dtype)))))
        else:
            operands.append(draw(st.sampled_from(alike)))
    return operands if draw(st.booleans()) else operands[::-1]


def _numbers(dtype: DType) -> tuple[PythonScalar, ...]:
    if dtype.kind == "bool":
        return (False, True)
    if dtype.is_integer:
        return (0, 1, 2, int(dtype.maximum_value))
    return (0.0, -0.0, 1.0, -1.0, 2.0, 0.1)


# -- ops and samples ------------------------------------------------------------------------------


@cache
def _drawable(smooth: bool) -> tuple[Op, ...]:
    """The ops that are computed and that have a sample to draw."""
    return tuple(
        op
        for op in registry.values()
        if not isinstance(op.lowering, Structural) and _samples(op, smooth)
    )


@cache
def _samples(op: Op, smooth: bool) -> tuple[Sample, ...]:
    if not smooth:
        return tuple(op.samples())
    widened = (_in_float64(sample) for sample in op.samples() if sample.smooth and sample.operands)
    return tuple(sample for sample in widened if sample is not None)


def _in_float64(sample: Sample) -> Sample | None:
    """The sample with float64 for float32; None if another float is left, or no float at all."""

    def wide(dtype: DType) -> DType:
        return dtypes.f64 if dtype is dtypes.f32 else dtype

    operands = tuple(TensorType(wide(type_.dtype), type_.shape) for type_ in sample.operands)
    attributes = {
        name: wide(value) if isinstance(value, DType) else value
        for name, value in sample.attributes.items()
    }
    found = {one.dtype for one in operands} | {
        value for value in attributes.values() if isinstance(value, DType)
    }
    if dtypes.f64 not in found or any(d.precision and d is not dtypes.f64 for d in found):
        return None
    return replace(sample, operands=operands, attributes=attributes)


def _apply(op: Op, sample: Sample, operands: Sequence[Node], smooth: bool) -> list[Node]:
    """The results of an op on the operands, as they are or brought to the sample's types."""
    try:
        if smooth:
            if any(operand.dtype is not dtypes.f64 for operand in operands):
                raise GraphcError("an operand without a derivative")
            operands_ = [_into(operand, sample.domain) for operand in operands]
        else:
            operands_ = list(operands)
        node = op(*operands_, **sample.attributes)
    except GraphcError:
        fitted = [
            _fitted(operand, type_, sample.domain, smooth)
            for operand, type_ in zip(operands, sample.operands, strict=True)
        ]
        node = op(*fitted, **sample.attributes)
    if isinstance(node.type, TupleType):
        return list(projections(node))
    # Only what has a derivative is of use to the steps that follow.
    return [node] if not smooth or node.dtype is dtypes.f64 else []


# -- fitting --------------------------------------------------------------------------------------


def _fitted(node: Node, type_: TensorType, domain: tuple[float, float], smooth: bool) -> Node:
    """A tensor of the type that depends on `node` as much as it can."""
    if smooth and not type_.dtype.precision:
        return _counter(type_, domain)
    flat = _flat(node)
    count = int(str(type_.size))
    have = int(str(flat.shape[0]))
    if have > count:
        flat = slice_(flat, start=(0,), stop=(count,), step=(1,))
    elif have < count:
        value = False if flat.dtype.kind == "bool" else 1
        flat = pad(flat, before=(0,), after=(count - have,), value=value)
    shaped = reshape(flat, shape=type_.shape)
    if shaped.dtype.kind == "complex" and type_.dtype.kind not in ("complex", "bool"):
        shaped = real(shaped)
    result = cast_to(shaped, type_.dtype)
    return _into(result, domain) if smooth else result


def _flat(node: Node) -> Node:
    """The elements that are there for all values of named dims, as a vector."""
    least = tuple(dims.bounds(size)[0] for size in node.shape)
    if least != node.shape:
        ones, zeros = (1,) * len(least), (0,) * len(least)
        node = slice_(node, start=zeros, stop=least, step=ones)
    return reshape(node, shape=(dims.product(least),))


def _counter(type_: TensorType, domain: tuple[float, float]) -> Node:
    """Whole numbers that repeat 0, 1, ... below the end of the domain."""
    count = int(str(type_.size))
    line = iota(shape=(max(count, 1),), axis=0, dtype=dtypes.i64)
    limited = registry["remainder"](line, constant_like(max(int(domain[1]), 1), line))
    flat = slice_(cast_to(limited, type_.dtype), start=(0,), stop=(count,), step=(1,))
    return reshape(flat, shape=type_.shape)


def _into(node: Node, domain: tuple[float, float]) -> Node:
    """A smooth map of all numbers into the inside of the domain."""
    low, high = domain
    low, high = max(low, -4.0), min(high, 4.0)
    middle, radius = (low + high) / 2, 0.45 * (high - low)
    swung = multiply(sin(node), constant_like(radius, node))
    return add(swung, constant_like(middle, node))
