"""Runs scalar expressions of the kernel IR, with the references of elementwise ops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import InternalError
from graphc.ir import dims, expr
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    WithIndex,
)
from graphc.ir.op import Call
from graphc.ir.ops.conversion import converted
from graphc.ir.types import TensorType

Array = np.ndarray[Any, Any]


def interpret(root: Expr, buffers: Mapping[Buffer, Array], environment: Mapping[str, int]) -> Array:
    """The value of an expression; the side of a `Guard` that is not taken is not computed.

    Args:
        root: the expression.
        buffers: flat arrays; an index outside one is an error.
        environment: values of loop variables and named dims.
    """
    known: dict[Expr, Array] = {}

    def at(index: dims.DimLike) -> int:
        return dims.evaluate(index, environment)

    def value(node: Expr) -> Array:
        if node not in known:
            known[node] = np.asarray(compute(node))
            assert known[node].dtype == node.dtype.numpy, node
        return known[node]

    def compute(node: Expr) -> Any:
        match node:
            case Constant(number, dtype):
                return np.asarray(number).astype(dtype.numpy)
            case IndexValue(index, dtype):
                return np.asarray(at(index), np.int64).astype(dtype.numpy)
            case Inside(index, low, high):
                return at(low) <= at(index) < at(high)
            case Load(buffer, index):
                place = at(index)
                assert 0 <= place < len(buffers[buffer]), f"{place} is outside {buffer}"
                return buffers[buffer][place]
            case Convert(operand, dtype):
                return converted(value(operand), dtype)
            case Guard(condition, inside, outside):
                return value(inside if value(condition) else outside)
            case WithIndex(variable, operand, body):
                place = int(value(operand))
                low, high = dims.bounds(variable)
                assert low <= place <= high, f"{variable} is {place}"
                return interpret(body, buffers, {**environment, str(variable): place})
            case Apply(op, arguments, dtype):
                types = tuple(TensorType(argument.dtype, ()) for argument in arguments)
                call = Call({}, TensorType(dtype, ()), types)
                return op.reference(call, *(value(argument) for argument in arguments))
        raise InternalError(f"{node!r} is not interpreted")

    for node in expr.walk(root, operands=expr.computed_first):
        # Operands first keeps the recursion shallow; guarded ones are left to the guard.
        if isinstance(node, Constant | IndexValue | Inside):
            value(node)
    return value(root)
