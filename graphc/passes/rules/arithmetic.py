"""Identities of elementwise ops, exact for every value, and folding of constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from graphc.ir import dtype as dtypes
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node, build
from graphc.ir.op import Call, Structural
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import constant, full_like, number
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to
from graphc.ir.types import TensorType
from graphc.passes.rules.rule import Rule, filled_value, identity, scalar_below

__all__ = ["RULES"]

FLOAT = ("float",)
INTEGER = ("signed", "unsigned")
REAL = (*FLOAT, *INTEGER)
NUMERIC = (*REAL, "complex")
SIGNED = ("signed", "float")

# Complex numbers are left out where an infinity in one component makes a NaN in the other:
# (inf + 0j) * 1 is inf + NaN*j.
_ARITHMETIC = (
    identity("x + 0 => x", INTEGER),
    identity("x + -0.0 => x", FLOAT),
    identity("x + -y => x - y", NUMERIC),
    identity("x - 0 => x", INTEGER),
    identity("x - 0.0 => x", FLOAT),
    identity("x - x => 0", INTEGER),
    identity("0 - x => -x", INTEGER),
    identity("-0.0 - x => -x", FLOAT),
    identity("x - -y => x + y", NUMERIC),
    identity("x * 1 => x", REAL),
    identity("x * 0 => 0", INTEGER),
    identity("x * -1 => -x", SIGNED),
    identity("-x * -y => x * y", REAL),
    identity("x / 1 => x", FLOAT),
    identity("x / -1 => -x", FLOAT),
    identity("-x / -y => x / y", FLOAT),
    identity("-(-x) => x", NUMERIC),
    identity("-(x - y) => y - x", INTEGER),
    identity("x // 1 => x", INTEGER),
    identity("x % 1 => 0", INTEGER),
    identity("x ** 1 => x", REAL),
    identity("x ** 0 => 1", REAL),
    identity("abs(-x) => abs(x)", SIGNED),
    identity("abs(abs(x)) => abs(x)", REAL),
    identity("conj(conj(x)) => x", ("complex",)),
    identity("maximum(x, x) => x", REAL),
    identity("minimum(x, x) => x", REAL),
    identity("relu(relu(x)) => relu(x)", REAL),
    identity("relu(x) => x", ("unsigned",)),
    identity("sign(sign(x)) => sign(x)", REAL),
)

_ROUNDINGS = ("floor", "ceil", "trunc", "round")
_ROUNDING = tuple(
    identity(f"{outer}({inner}(x)) => {inner}(x)", FLOAT)
    for outer in _ROUNDINGS
    for inner in _ROUNDINGS
)

_LOGIC = (
    identity("logical_not(logical_not(p)) => p"),
    identity("logical_and(p, True) => p"),
    identity("logical_and(p, False) => False"),
    identity("logical_and(p, p) => p"),
    identity("logical_or(p, False) => p"),
    identity("logical_or(p, True) => True"),
    identity("logical_or(p, p) => p"),
    identity("logical_xor(p, False) => p"),
    identity("logical_xor(p, True) => logical_not(p)"),
    identity("logical_xor(p, p) => False"),
    identity("logical_not(x == y) => x != y", NUMERIC),
    identity("logical_not(x != y) => x == y", NUMERIC),
    identity("logical_not(x < y) => x >= y", INTEGER),
    identity("logical_not(x <= y) => x > y", INTEGER),
    identity("logical_not(x > y) => x <= y", INTEGER),
    identity("logical_not(x >= y) => x < y", INTEGER),
    identity("x == x => True", INTEGER),
    identity("x <= x => True", INTEGER),
    identity("x >= x => True", INTEGER),
    identity("x < x => False", REAL),
    identity("x > x => False", REAL),
    identity("x != x => False", INTEGER),
    identity("x != x => isnan(x)", FLOAT),
)

_SELECTION = (
    identity("where(p, x, x) => x"),
    identity("where(True, x, y) => x"),
    identity("where(False, x, y) => y"),
    identity("where(p, True, False) => p"),
    identity("where(p, False, True) => logical_not(p)"),
    identity("where(logical_not(p), x, y) => where(p, y, x)"),
    identity("where(p, where(p, x, y), z) => where(p, x, z)"),
    identity("where(p, x, where(p, y, z)) => where(p, x, z)"),
)

_BITS = (
    identity("x & x => x", INTEGER),
    identity("x & 0 => 0", INTEGER),
    identity("x | x => x", INTEGER),
    identity("x | 0 => x", INTEGER),
    identity("x ^ x => 0", INTEGER),
    identity("x ^ 0 => x", INTEGER),
    identity("~~x => x", INTEGER),
    identity("x << 0 => x", INTEGER),
    identity("x >> 0 => x", INTEGER),
)


# -- rules that compute ---------------------------------------------------------------------------


def _multiply_by_inverse(node: Node) -> Node | None:
    """Both are the correctly rounded value of the same real number when 1/c is exact."""
    x, divisor = node.inputs
    value = filled_value(divisor)
    if not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return None
    if abs(math.frexp(value)[0]) != 0.5 or abs(value) == 1:
        return None
    inverse = 1 / value
    if not node.dtype.smallest_normal <= abs(inverse) <= node.dtype.maximum_value:
        return None
    return multiply(x, full_like(divisor, inverse))


def _inverse_examples() -> Iterator[Node]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            x = graph_input("x", dtype, (9,))
            for value in (8.0, -0.5, 2.0**-14):
                yield divide(x, full_like(x, value))


def _fold(node: Node) -> Node | None:
    """An op of constants is the constant that its reference gives, in its dtype."""
    if not node.inputs or any(operand.op is not constant for operand in node.inputs):
        return None
    if not isinstance(node.type, TensorType) or node.shape:
        return None
    if isinstance(node.op.lowering, Structural):
        return None
    operands = [operand.op.reference(_call(operand)) for operand in node.inputs]
    result = np.asarray(node.op.reference(_call(node), *operands))
    return constant(value=_python_scalar(result, node.type), dtype=node.dtype)


def _call(node: Node) -> Call:
    return Call(dict(node.attributes), node.type, tuple(operand.type for operand in node.inputs))


def _python_scalar(array: np.ndarray[Any, Any], type_: TensorType) -> PythonScalar:
    if type_.dtype.precision and type_.dtype.kind != "complex":
        return float(array[()])
    value: PythonScalar = array.item()
    return value


def _fold_examples() -> Iterator[Node]:
    for dtype in dtypes.computable():
        if dtype.kind != "bool":
            yield add(number(3, dtype), number(4, dtype))
            yield cast(number(3, dtype), dtype=dtypes.bool_)
    yield add(number(float("inf"), dtypes.f32), number(float("-inf"), dtypes.f32))
    yield multiply(number(0.1, dtypes.bf16), number(0.3, dtypes.bf16))
    yield negative(number(0.0, dtypes.f64))
    yield cast(number(0.1, dtypes.f32), dtype=dtypes.f8e5m2)


def _scalars_first(node: Node) -> Node | None:
    """An elementwise op of filled tensors is computed once and then repeated."""
    if not node.shape or not node.inputs or not node.op.is_elementwise:
        return None
    scalars = [scalar_below(operand) for operand in node.inputs]
    if any(scalar is None for scalar in scalars):
        return None
    once = build(node.op, tuple(s for s in scalars if s is not None), node.attributes)
    return broadcast_to(once, shape=node.shape)


def _scalars_first_examples() -> Iterable[Node]:
    x, y = (graph_input(name, dtypes.f32, ()) for name in "xy")
    for shape in ((3,), (0, 2), (1, 4)):
        repeated = broadcast_to(x, shape=shape)
        yield multiply(repeated, broadcast_to(y, shape=shape))
        yield add(repeated, full_like(repeated, -0.0))
        yield cast(repeated, dtype=dtypes.i32)


_COMPUTING = (
    Rule("x / 2**n => x * 2**-n", (divide,), _multiply_by_inverse, _inverse_examples),
    Rule("op(constants) => constant", (), _fold, _fold_examples),
    Rule("op(filled) => filled", (), _scalars_first, _scalars_first_examples),
)

RULES: tuple[Rule, ...] = (
    *_ARITHMETIC,
    *_ROUNDING,
    *_LOGIC,
    *_SELECTION,
    *_BITS,
    *_COMPUTING,
)
