"""Calls of ops with other operands and attributes than theirs: nothing here names an op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from graphc.errors import UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate_node
from graphc.ir.op import REQUIRED, Op, Sample
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType
from tests.backends.op_samples import is_taken
from tests.ir.test_ops import BY_NAME, OPS, built, generator, one_for_each, operands_of
from tests.values import random_array


def test_operand_counts_and_names_of_attributes_are_checked() -> None:
    for op in OPS:
        sample = next(iter(op.samples()))
        operands = operands_of(sample.operands)
        with pytest.raises(UsageError, match="nonsense"):
            op(*operands, **sample.attributes, nonsense=1)
        if op.arity is not None:
            extra = graph_input("extra", dtypes.f32, ())
            with pytest.raises(UsageError, match="takes"):
                op(*operands, extra, **sample.attributes)
        for parameter in op.parameters:
            if parameter.default is REQUIRED:
                fewer = {k: v for k, v in sample.attributes.items() if k != parameter.name}
                with pytest.raises(UsageError, match=parameter.name):
                    op(*operands, **fewer)


def _with_another_operand(sample: Sample) -> Iterator[Sample]:
    """The sample with one operand of another type."""
    for place, operand in enumerate(sample.operands):
        shape = operand.shape
        shapes = {(), (0,), (1, *shape), shape[1:], (*shape[:-1], 7), (0,) * len(shape)} - {shape}
        others = [TensorType(operand.dtype, one) for one in sorted(shapes)]
        others += [TensorType(dtype, shape) for dtype in dtypes.ALL]
        for other in others:
            operands = (*sample.operands[:place], other, *sample.operands[place + 1 :])
            yield replace(sample, operands=operands)


@BY_NAME
def test_operands_of_any_type_are_refused_or_have_a_value_of_the_type(op: Op) -> None:
    """No other exception, and the reference gives what the type rule says."""
    rng = generator(op)
    for sample in one_for_each(op.samples()):
        for other in _with_another_operand(sample):
            if is_taken(op, other):
                arrays = [random_array(one, rng, domain=other.domain) for one in other.operands]
                evaluate_node(built(op, other), arrays, {})
