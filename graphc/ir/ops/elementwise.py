"""Elementwise ops: arithmetic, comparison, logic, functions of one variable, casts, selection.

Strict forms take operands of one shape and dtype. The surfaces broadcast, promote, and take
Python numbers. f16 and bf16 are computed in f32 and rounded after every op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    Elementwise,
    GradientRule,
    InferRule,
    Op,
    Refused,
    Sample,
    functions,
)
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.creation import constant_like, zeros_like
from graphc.ir.types import TensorType

FLOAT = frozenset({"float"})
REAL = frozenset({"float", "signed", "unsigned"})
NUMERIC = REAL | {"complex"}
INTEGER = frozenset({"signed", "unsigned"})
BOOLEAN = frozenset({"bool"})
ANY = NUMERIC | BOOLEAN


def _infer(kinds: frozenset[str], result: DType | None) -> InferRule:
    def infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
        first = operands[0].tensor
        for operand in operands:
            if operand.shape != first.shape:
                raise ShapeError(
                    f"{op.name}: shapes differ: {' and '.join(str(o.type) for o in operands)}"
                )
            if operand.dtype is not first.dtype:
                raise DTypeError(
                    f"{op.name}: dtypes differ: {' and '.join(str(o.type) for o in operands)}"
                )
        if first.dtype.kind not in kinds:
            raise DTypeError(
                f"{op.name} takes {', '.join(sorted(kinds))} operands, not {first.dtype.name}",
                code="dtype-unsupported",
                hint="cast the operand first: cast(x, f32)" if "float" in kinds else None,
            )
        return TensorType(result or first.dtype, first.shape)

    return infer


def _samples(
    kinds: frozenset[str], arity: int, domain: tuple[float, float], smooth: bool
) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterable[Sample]:
        for dtype in dtypes.computable():
            if dtype.kind in kinds:
                for shape in ((), (0, 3), (3, 5), (2, 1, 7)):
                    operands = (TensorType(dtype, shape),) * arity
                    yield Sample(operands, domain=domain, smooth=smooth)

    return samples


def _refused(kinds: frozenset[str], arity: int) -> Callable[[], Iterable[Refused]]:
    def refused() -> Iterable[Refused]:
        for dtype in (dtypes.bool_, dtypes.i32, dtypes.f32, dtypes.c64):
            if dtype.kind not in kinds:
                yield Refused((TensorType(dtype, (2,)),) * arity, {}, DTypeError)
        if arity == 2 and "float" in kinds:
            f32, f64 = TensorType(dtypes.f32, (2,)), TensorType(dtypes.f64, (2,))
            yield Refused((f32, TensorType(dtypes.f32, (3,))), {}, ShapeError)
            yield Refused((f32, f64), {}, DTypeError)

    return refused


def elementwise(
    name: str,
    arity: int,
    c: str | Mapping[str, str],
    reference: Callable[..., Any],
    doc: str,
    *,
    gradient: GradientRule | None = None,
    kinds: frozenset[str] = FLOAT,
    result: DType | None = None,
    cheap: bool = True,
    domain: tuple[float, float] = (-2.0, 2.0),
    smooth: bool = True,
) -> Op:
    """Declare an elementwise op and its broadcasting surface of the same name."""

    def evaluate(call: Call, *operands: np.ndarray[Any, Any]) -> Any:
        with np.errstate(all="ignore"):
            return reference(*operands)

    op = Op(
        name,
        arity,
        infer=_infer(kinds, result),
        reference=evaluate,
        lowering=Elementwise(c, cheap),
        gradient=gradient,
        samples=_samples(kinds, arity, domain, smooth),
        refused=_refused(kinds, arity),
        doc=doc,
    )

    def call(*operands: Operand) -> Node:
        return op(*broadcast(*promoted(*operands)))

    call.__name__, call.__doc__ = name, doc
    functions[name] = call
    return op


# -- arithmetic ---------------------------------------------------------------------------------

negative = elementwise(
    "negative", 1, "-{0}", np.negative, "-x.",
    kinds=NUMERIC, gradient=lambda node, g: (negative(g),),
)  # fmt: skip
add = elementwise(
    "add", 2, "{0} + {1}", np.add, "x + y.",
    kinds=NUMERIC, gradient=lambda node, g: (g, g),
)  # fmt: skip
subtract = elementwise(
    "subtract", 2, "{0} - {1}", np.subtract, "x - y.",
    kinds=NUMERIC, gradient=lambda node, g: (g, negative(g)),
)  # fmt: skip
multiply = elementwise(
    "multiply", 2, "{0} * {1}", np.multiply, "x * y.",
    kinds=NUMERIC,
    gradient=lambda node, g: (multiply(g, node.inputs[1]), multiply(g, node.inputs[0])),
)  # fmt: skip
