"""Comparison, logic, bits and selection, element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, Op, Refused, Sample, find, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.creation.constants import number, zeros_like
from graphc.ir.ops.elementwise.declaration import (
    ALL_KINDS,
    BITS,
    BOOLEAN,
    INEXACT,
    INTEGER,
    NUMERIC,
    REAL,
    SHAPES,
    elementwise,
    require_same,
    to_bool,
)
from graphc.ir.types import TensorType

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "where",
]

# -- comparison: False where an operand is NaN, but for not_equal ---------------------------------

equal = elementwise(
    "equal",
    2,
    np.equal,
    "Whether x == y.",
    c="{0} == {1}",
    kinds=ALL_KINDS,
    result=to_bool,
    aliases=("eq",),
    commutes=True,
)
not_equal = elementwise(
    "not_equal",
    2,
    np.not_equal,
    "Whether x != y; True where one is NaN.",
    c="{0} != {1}",
    kinds=ALL_KINDS,
    result=to_bool,
    aliases=("ne",),
    commutes=True,
)
less = elementwise(
    "less",
    2,
    np.less,
    "Whether x < y.",
    c="{0} < {1}",
    kinds=REAL,
    result=to_bool,
    aliases=("lt",),
)
less_equal = elementwise(
    "less_equal",
    2,
    np.less_equal,
    "Whether x <= y.",
    c="{0} <= {1}",
    kinds=REAL,
    result=to_bool,
    aliases=("le",),
)
greater = elementwise(
    "greater",
    2,
    np.greater,
    "Whether x > y.",
    c="{0} > {1}",
    kinds=REAL,
    result=to_bool,
    aliases=("gt",),
)
greater_equal = elementwise(
    "greater_equal",
    2,
    np.greater_equal,
    "Whether x >= y.",
    c="{0} >= {1}",
    kinds=REAL,
    result=to_bool,
    aliases=("ge",),
)
_NEVER = dict.fromkeys(BITS, lambda x: not_equal(x, x))
_ALWAYS = dict.fromkeys(BITS, lambda x: equal(x, x))

isnan = elementwise(
    "isnan",
    1,
    np.isnan,
    "Whether x is NaN; of complex numbers, whether a part is.",
    kinds=INEXACT,
    result=to_bool,
    elsewhere=_NEVER,
)
isinf = elementwise(
    "isinf",
    1,
    np.isinf,
    "Whether x is infinite; of complex numbers, whether a part is.",
    kinds=INEXACT,
    result=to_bool,
    elsewhere=_NEVER,
)
isfinite = elementwise(
    "isfinite",
    1,
    np.isfinite,
    "Whether x is not infinite and not NaN.",
    kinds=INEXACT,
    result=to_bool,
    elsewhere=_ALWAYS,
)

# -- logic ----------------------------------------------------------------------------------------


def _of_numbers(name: str) -> dict[str, Callable[..., Node]]:
    """What a function of truth values is for numbers, which are true unless they are 0."""

    def call(*operands: Node) -> Node:
        return find(name)(*(not_equal(x, zeros_like(x)) for x in operands))

    return dict.fromkeys(NUMERIC, call)


def _connective(name: str, arity: int, reference: Callable[..., Any], doc: str, c: str) -> Op:
    doc = f"{doc} Numbers are true unless they are 0."
    return elementwise(
        name,
        arity,
        reference,
        doc,
        c=c,
        kinds=BOOLEAN,
        elsewhere=_of_numbers(name),
        commutes=arity == 2,
    )


logical_and = _connective("logical_and", 2, np.logical_and, "x and y.", "{0} & {1}")
logical_or = _connective("logical_or", 2, np.logical_or, "x or y.", "{0} | {1}")
logical_xor = _connective("logical_xor", 2, np.logical_xor, "Either x or y, not both.", "{0} ^ {1}")
logical_not = _connective("logical_not", 1, np.logical_not, "not x.", "!{0}")

# -- bits -----------------------------------------------------------------------------------------

bitwise_and = elementwise(
    "bitwise_and",
    2,
    np.bitwise_and,
    "Bits set in x and in y.",
    c="{0} & {1}",
    kinds=BITS,
    commutes=True,
)
bitwise_or = elementwise(
    "bitwise_or",
    2,
    np.bitwise_or,
    "Bits set in x or in y.",
    c="{0} | {1}",
    kinds=BITS,
    commutes=True,
)
bitwise_xor = elementwise(
    "bitwise_xor",
    2,
    np.bitwise_xor,
    "Bits that differ in x and y.",
    c="{0} ^ {1}",
    kinds=BITS,
    commutes=True,
)
bitwise_invert = elementwise(
    "bitwise_invert",
    1,
    np.bitwise_not,
    "Every bit turned.",
    c={"bool": "!{0}", "*": "~{0}"},
    kinds=BITS,
    aliases=("bitwise_not",),
)
left_shift = elementwise(
    "bitwise_left_shift",
    2,
    np.left_shift,
    "The bits of x moved up by y; 0 where y is negative or not below the width.",
    kinds=INTEGER,
    aliases=("left_shift",),
)
right_shift = elementwise(
    "bitwise_right_shift",
    2,
    np.right_shift,
    "The bits of x moved down by y, the sign repeated; all of them its sign (0 or -1) where y is "
    "negative or not below the width.",
    kinds=INTEGER,
    aliases=("right_shift",),
)

# -- selection ------------------------------------------------------------------------------------


def _infer_where(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    condition = operands[0].tensor
    type_ = require_same(op, operands[1:])
    if condition.dtype is not dtypes.bool_:
        raise DTypeError(
            f"where: the condition is {condition}, expected bool",
            hint="compare: where(x != 0, ...)",
        )
    if condition.shape != type_.shape:
        raise ShapeError(f"where: shapes differ: {condition} and {type_}")
    return type_


def _where_reference(call: Call, *operands: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(*operands)


def _where_gradient(node: Node, g: Node) -> tuple[Node | None, ...]:
    condition, zero = node.inputs[0], zeros_like(g)
    return None, where(condition, g, zero), where(condition, zero, g)


def _where_samples() -> Iterable[Sample]:
    for dtype in dtypes.ALL:
        for shape in SHAPES:
            operand = TensorType(dtype, shape)
            yield Sample((TensorType(dtypes.bool_, shape), operand, operand))


def _where_refused() -> Iterable[Refused]:
    b, f, i = (TensorType(d, (2,)) for d in (dtypes.bool_, dtypes.f32, dtypes.i32))
    yield Refused((i, f, f), {}, DTypeError)
    yield Refused((b, f, i), {}, DTypeError)
    yield Refused((b, f, TensorType(dtypes.f32, (3,))), {}, ShapeError)
    yield Refused((TensorType(dtypes.bool_, ()), f, f), {}, ShapeError)


where = Op(
    "where",
    3,
    infer=_infer_where,
    reference=_where_reference,
    lowering=Elementwise("{0} ? {1} : {2}"),
    gradient=_where_gradient,
    samples=_where_samples,
    refused=_where_refused,
    doc="x where the condition holds, else y. What is not selected leaves no trace, NaN included.",
)


@surface("where")
def select(condition: Operand, x: Operand, y: Operand) -> Node:
    """`x` where `condition` holds, else `y`; all three are broadcast, `x` and `y` promoted."""
    if isinstance(condition, bool):
        condition = number(condition, dtypes.bool_)
    return where(*broadcast(*promoted(condition), *promoted(x, y)))


@surface("masked_fill")
@also_named(fill_value="value")
def masked_fill(x: Node, mask: Node, value: Operand) -> Node:
    """`x` with a number where the mask holds; the mask broadcasts."""
    return select(mask, value, x)
