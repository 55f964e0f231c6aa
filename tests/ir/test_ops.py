"""Tests that every declared op brings with it: nothing here names one."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.errors import GraphcError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate, evaluate_node
from graphc.ir.expr import Apply, Buffer, Expr, Index, Load
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import (
    Decomposition,
    Element,
    Elementwise,
    Op,
    Reduction,
    Sample,
    Source,
    View,
    find,
    registry,
)
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.flat_index import ravel
from graphc.ir.types import TensorType, TupleType
from graphc.passes.autodiff import vjp
from tests.backends.op_samples import is_taken, resized
from tests.ir.scalar_interpreter import interpret
from tests.values import evaluate_nodes, random_array, same_bits

Array = np.ndarray[Any, Any]

OPS = [op for op in registry.values() if list(op.samples())]
BY_NAME = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def lowered(*kinds: type) -> list[Op]:
    return [op for op in OPS if isinstance(op.lowering, kinds)]


def operands_of(types: Sequence[TensorType]) -> list[Node]:
    return [graph_input(f"x{i}", one.dtype, one.shape) for i, one in enumerate(types)]


def built(op: Op, sample: Sample) -> Node:
    return op(*operands_of(sample.operands), **sample.attributes)


def generator(op: Op) -> np.random.Generator:
    return np.random.default_rng(crc32(op.name.encode()))


def cases(op: Op, *, special: bool) -> Iterator[tuple[Sample, Node, list[Array]]]:
    rng = generator(op)
    for sample in op.samples():
        arrays = [
            random_array(one, rng, domain=sample.domain, special=special) for one in sample.operands
        ]
        yield sample, built(op, sample), arrays


def test_every_op_that_takes_operands_or_computes_has_samples_and_a_text() -> None:
    # Inputs and projections have no value of their own; loops and branches have several, and
    # tests in test_control_flow.py.
    without = {op.name for op in registry.values() if op not in OPS}
    assert without == {"input", "project", "scan", "while_loop", "cond"}
    assert all(op.doc.endswith(".") for op in registry.values())


def types_of(node: Node) -> tuple[TensorType, ...]:
    return node.type.elements if isinstance(node.type, TupleType) else (node.tensor,)


def parts_of(value: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    return value if isinstance(value, tuple) else (value,)


@BY_NAME
def test_the_type_rule_says_what_the_reference_gives(op: Op) -> None:
    for _, node, arrays in cases(op, special=True):
        # `evaluate_node` compares dtype and shape with the node's type.
        values = parts_of(evaluate_node(node, arrays, {}))
        for value, type_ in zip(values, types_of(node), strict=True):
            assert isinstance(value, np.ndarray)
            assert value.dtype == type_.dtype.numpy and value.shape == type_.shape


def in_8_bits(sample: Sample) -> Sample:
    """The sample with 8-bit floats for all floats among its operands."""
    operands = (
        replace(one, dtype=dtypes.f8e4m3) if one.dtype.kind == "float" else one
        for one in sample.operands
    )
    return replace(sample, operands=tuple(operands))


@BY_NAME
def test_an_op_has_samples_of_8_bit_floats_if_it_takes_them(op: Op) -> None:
    """So that every backend is tried on them, and the table of ops says it."""
    samples = list(op.samples())
    changed = [two for one in samples if (two := in_8_bits(one)).operands != one.operands]
    has_samples = any(type_.dtype.kind == "storage" for one in samples for type_ in one.operands)
    assert has_samples == any(is_taken(op, sample) for sample in changed)


@BY_NAME
def test_operands_are_not_written_to(op: Op) -> None:
    for _, node, arrays in cases(op, special=False):
        before = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        evaluate_node(node, arrays, {})
        assert all(map(same_bits, arrays, before))


@BY_NAME
def test_operands_that_do_not_fit_are_refused(op: Op) -> None:
    for refused in op.refused():
        with pytest.raises(refused.error):
            op(*operands_of(refused.operands), **refused.attributes)


@BY_NAME
def test_equal_calls_are_one_node(op: Op) -> None:
    for sample in op.samples():
        assert built(op, sample) is built(op, sample)


@BY_NAME
def test_every_dtype_agrees_with_the_precise_evaluation(op: Op) -> None:
    for _, node, arrays in cases(op, special=False):
        exact = evaluate_node(node, [_wide(array) for array in arrays], {}, precise=True)
        found = evaluate_node(node, arrays, {})
        for type_, one, wide in zip(types_of(node), parts_of(found), parts_of(exact), strict=True):
            if type_.dtype.kind == "storage" or not type_.dtype.precision:
                # Predicates and integers made from floats see the very same numbers.
                assert same_bits(one, wide.astype(one.dtype))
            else:
                _assert_close(one, wide, 24 * type_.dtype.epsilon)


def _wide(array: Array) -> Array:
    kind = dtypes.from_numpy(array.dtype)
    if not kind.precision:
        return array
    return array.astype(np.complex128 if kind.kind == "complex" else np.float64)


def _assert_close(found: Array, expected: Array, tolerance: float) -> None:
    wide = _wide(found)
    np.testing.assert_allclose(wide, expected, rtol=tolerance, atol=tolerance)


# -- lowering -------------------------------------------------------------------------------------


def _scalar_expression(node: Node, index: Index, buffers: Sequence[Buffer]) -> Expr:
    def read(number: int, at: Index) -> Expr:
        return Load(buffers[number], ravel(at, node.inputs[number].shape))

    lowering = node.op.lowering
    if isinstance(lowering, Elementwise):
        operands = tuple(read(number, index) for number in range(len(node.inputs)))
        return Apply(node.op, operands, node.dtype)
    assert isinstance(lowering, View | Element | Source)
    return lowering.element(node, index, read)


@pytest.mark.parametrize("op", lowered(View, Element, Source, Elementwise), ids=lambda op: op.name)
def test_the_scalar_expression_computes_every_element(op: Op) -> None:
    for sample, node, arrays in cases(op, special=True):
        if 0 in node.shape:
            continue
        buffers = [Buffer(f"a{i}", one.dtype, one.size) for i, one in enumerate(sample.operands)]
        memory = {buffer: array.reshape(-1) for buffer, array in zip(buffers, arrays, strict=True)}
        shape = tuple(int(str(size)) for size in node.shape)
        # One expression over loop variables, as in a kernel; a loop of one step has none.
        index = tuple(
            dims.variable(f"i{axis}", 0, size - 1) if size > 1 else 0
            for axis, size in enumerate(shape)
        )
        expression = _scalar_expression(node, index, buffers)
        result = np.empty(shape, node.dtype.numpy)
        for place in itertools.product(*map(range, shape)):
            environment = {f"i{axis}": i for axis, i in enumerate(place) if shape[axis] > 1}
            result[place] = interpret(expression, memory, environment)
        expected = evaluate_node(node, arrays, {})
        assert isinstance(expected, np.ndarray)
        assert same_bits(result, expected), sample


@pytest.mark.parametrize("op", lowered(Elementwise), ids=lambda op: op.name)
def test_the_c_spelling_names_each_operand_once(op: Op) -> None:
    assert isinstance(op.lowering, Elementwise)
    for sample in op.samples():
        text = op.lowering.spelling(sample.operands[0].dtype)
        places = sorted(re.findall(r"\{(\w+)\}", text))
        numbers = [place for place in places if place.isdigit()]
        assert numbers == [str(i) for i in range(len(sample.operands))]
        assert set(places) - set(numbers) <= {"t"}
        assert text.count("(") == text.count(")")


@pytest.mark.parametrize("op", lowered(Elementwise), ids=lambda op: op.name)
def test_an_op_says_whether_its_operands_may_change_places(op: Op) -> None:
    assert isinstance(op.lowering, Elementwise)
    agrees = op.arity == 2
    for _, node, arrays in cases(op, special=True) if agrees else ():
        turned = op(*node.inputs[::-1])
        one, other = evaluate_node(node, arrays, {}), evaluate_node(turned, arrays[::-1], {})
        agrees &= bool(np.all((one == other) | ((one != one) & (other != other))))
    assert op.lowering.commutes is agrees


@pytest.mark.parametrize("op", lowered(Element), ids=lambda op: op.name)
def test_an_op_says_whether_it_reads_its_operands_in_place(op: Op) -> None:
    assert isinstance(op.lowering, Element)
    places: set[bool] = set()
    for _, node, _ in cases(op, special=False):
        index: Index = tuple(dims.variable(f"i{axis}", 0, 6) for axis in range(len(node.shape)))

        def read(number: int, at: Index, node: Node = node, index: Index = index) -> Expr:
            places.add(at == index and node.inputs[number].shape == node.shape)
            return Load(Buffer("a", node.inputs[number].dtype, 1), 0)

        op.lowering.element(node, index, read)
    assert op.lowering.in_place is (places == {True})
    assert op.is_elementwise is op.lowering.in_place


@pytest.mark.parametrize("op", lowered(Reduction), ids=lambda op: op.name)
def test_a_reduction_folds_with_its_combining_op_from_its_identity(op: Op) -> None:
    assert isinstance(op.lowering, Reduction)
    combine = find(op.lowering.combine)
    for sample, node, arrays in cases(op, special=False):
        x, axes = arrays[0], sample.attributes["axes"]
        dtype = dtypes.from_numpy(x.dtype)
        accumulator = dtype.accumulator
        others = [axis for axis in range(x.ndim) if axis not in axes]
        count = math.prod(x.shape[axis] for axis in axes)
        rows = x.transpose(*others, *axes).reshape(*node.shape, count).astype(accumulator.numpy)
        identity = np.asarray(op.lowering.identity(dtype)).astype(accumulator.numpy)
        total = np.broadcast_to(identity, node.shape)
        for place in range(rows.shape[-1]):
            pair = operands_of([TensorType(accumulator, node.shape)] * 2)
            value = evaluate_node(combine(*pair), [total, rows[..., place]], {})
            assert isinstance(value, np.ndarray)
            total = value
        expected = evaluate_node(node, arrays, {})
        assert isinstance(expected, np.ndarray)
        # Floats are summed in another order.
        tolerance = 24 * dtype.epsilon if dtype.precision else 0.0
        _assert_close(expected, _wide(total), tolerance)


@pytest.mark.parametrize("op", lowered(Decomposition), ids=lambda op: op.name)
def test_a_decomposition_expands_to_the_same_value(op: Op) -> None:
    assert isinstance(op.lowering, Decomposition)
    for special in (False, True):
        for _, node, arrays in cases(op, special=special):
            expanded = op.lowering.expand(node)
            assert expanded.type is node.type
            values = dict(zip(node.inputs, arrays, strict=True))
            (found,) = evaluate_nodes([expanded], values)
            expected = evaluate_node(node, arrays, {})
            assert isinstance(expected, np.ndarray)
            tolerance = 24 * node.dtype.epsilon if node.dtype.precision else 0.0
            _assert_close(found, _wide(expected), tolerance)


# -- gradients ------------------------------------------------------------------------------------


STEP = 2.0**-17
DOUBLES = (dtypes.f64, dtypes.c128)


def _in_doubles(sample: Sample) -> Sample:
    wide: dict[DType, DType] = {dtypes.f32: dtypes.f64, dtypes.c64: dtypes.c128}
    operands = tuple(TensorType(wide.get(t.dtype, t.dtype), t.shape) for t in sample.operands)
    return replace(sample, operands=operands)


def _smooth_samples(op: Op) -> list[Sample]:
    """Samples whose operands and result are doubles, each once."""
    found = {}
    for sample in map(_in_doubles, op.samples()):
        if sample.smooth and any(one.dtype in DOUBLES for one in sample.operands):
            node = built(op, sample)
            if node.dtype in DOUBLES:
                found.setdefault(node, sample)
    return list(found.values())


def _pairing(a: Array, b: Array) -> float:
    return float(np.real(np.sum(a * b)))


class _Derivative:
    """The derivatives of one op on one sample, along random directions."""

    def __init__(self, op: Op, sample: Sample, rng: np.random.Generator) -> None:
        self.node = built(op, sample)
        self.inputs = operands_of(sample.operands)
        self.point = [
            random_array(t, rng, domain=sample.domain, special=False) for t in sample.operands
        ]
        self.active = [i for i, t in enumerate(sample.operands) if t.dtype in DOUBLES]
        weight_type = self.node.tensor
        self.weight = graph_input("weight", weight_type.dtype, weight_type.shape)
        self.weight_value = random_array(weight_type, rng, special=False)
        wrt = [self.inputs[i] for i in self.active]
        self.gradients = vjp([self.node], wrt, [self.weight])
        self.directions = [
            graph_input(f"direction{i}", self.inputs[i].dtype, self.inputs[i].shape)
            for i in self.active
        ]
        self.direction_values = [
            random_array(node.tensor, rng, special=False) for node in self.directions
        ]
        self.second = vjp(self.gradients, wrt, self.directions)

    def at(self, roots: Sequence[Node], offset: float, along: Sequence[Array]) -> tuple[Array, ...]:
        point = list(self.point)
        for i, direction in zip(self.active, along, strict=True):
            point[i] = point[i] + offset * direction
        graph = Graph("g", (*self.inputs, self.weight, *self.directions), (), tuple(roots))
        return evaluate(graph, [*point, self.weight_value, *self.direction_values])[0]

    def slope(
        self, roots: Sequence[Node], weights: Sequence[Array], along: Sequence[Array]
    ) -> float:
        """The central difference of the sum of the roots paired with weights."""
        ends = []
        for offset in (STEP, -STEP):
            values = self.at(roots, offset, along)
            ends.append(sum(_pairing(w, value) for w, value in zip(weights, values, strict=True)))
        return (ends[0] - ends[1]) / (2 * STEP)


@BY_NAME
def test_gradients_of_first_and_second_order_agree_with_differences(op: Op) -> None:
    rng = generator(op)
    for sample in _smooth_samples(op):
        case = _Derivative(op, sample, rng)
        along = case.direction_values
        expected = case.slope([case.node], [case.weight_value], along)
        gradients = case.at(case.gradients, 0.0, along)
        found = sum(map(_pairing, gradients, along))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7), sample

        again = [random_array(node.tensor, rng, special=False) for node in case.directions]
        expected = case.slope(case.gradients, along, again)
        found = sum(map(_pairing, case.at(case.second, 0.0, again), again))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), sample


@BY_NAME
def test_cotangents_have_the_types_of_their_operands(op: Op) -> None:
    for sample in op.samples():
        node = built(op, sample)
        if op.gradient is None or not all(type_.dtype.precision for type_ in types_of(node)):
            continue
        weights = [graph_input("weight", one.dtype, one.shape) for one in types_of(node)]
        try:
            cotangents = op.gradient(node, *weights)
        except GraphcError as error:
            # That of complex matrices, and of bases that are not unique.
            assert error.code == "no-gradient"
            continue
        for operand, cotangent in zip(node.inputs, cotangents, strict=True):
            assert cotangent is None or cotangent.type is operand.type


def _pullback(op: Op, sample: Sample) -> Graph:
    """The op's first and second pullbacks, of weights that its result gives."""
    node, inputs = built(op, sample), operands_of(sample.operands)
    active = [one for one in inputs if one.dtype in DOUBLES]
    first = vjp([node], active, [node])
    return Graph("pullback", tuple(inputs), (), (*first, *vjp(first, active, first)))


def one_for_each(samples: Iterable[Sample]) -> Iterable[Sample]:
    """One sample for each set of shapes and attributes, whatever its dtypes."""
    return {
        (tuple(one.shape for one in sample.operands), repr(sample.attributes)): sample
        for sample in samples
    }.values()


@BY_NAME
def test_derivatives_are_the_same_where_a_size_that_may_be_zero_has_a_name(op: Op) -> None:
    rng = generator(op)
    for sample in one_for_each(_smooth_samples(op)):
        for size in {size for one in sample.operands for size in one.shape if size}:
            name = dims.variable("N", 0, int(str(size)))
            for pair in [
                (resized(sample, size, one), resized(sample, size, name)) for one in (size, 0)
            ]:
                if not all(is_taken(op, one) for one in pair):
                    continue
                arrays = [
                    random_array(type_, rng, domain=sample.domain, special=False)
                    for type_ in pair[0].operands
                ]
                found = [evaluate(_pullback(op, one), arrays)[0] for one in pair]
                assert all(map(same_bits, *found)), pair
