"""How an elementwise op is declared: one call gives the op and its forgiving surface.

Strict forms take operands of one shape and dtype. The surfaces broadcast, promote, and take
Python numbers. f16 and bf16 are computed in f32 and rounded after every op. Integers wrap.

Where plain C has no exact spelling, an op is spelled as a device function `gc_<name>_<dtype>`:
the functions of every dialect compute what the op's reference computes, special values included.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, GradientRule, InferRule, Op, Refused, Sample, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.types import TensorType

__all__ = [
    "ALL_KINDS",
    "BITS",
    "BOOLEAN",
    "FLOAT",
    "INEXACT",
    "INTEGER",
    "NUMERIC",
    "REAL",
    "SHAPES",
    "device_function",
    "elementwise",
    "flat",
    "operate",
    "refused_pairs",
    "require_computable",
    "require_float",
    "require_same",
    "same",
    "to_bool",
    "to_real",
]

FLOAT = frozenset({"float"})
INEXACT = FLOAT | {"complex"}
INTEGER = frozenset({"signed", "unsigned"})
REAL = FLOAT | INTEGER
NUMERIC = REAL | {"complex"}
BOOLEAN = frozenset({"bool"})
BITS = INTEGER | BOOLEAN
ALL_KINDS = NUMERIC | BOOLEAN

SHAPES = ((3, 5), (), (0, 3), (2, 1, 7))
"""Shapes that elementwise ops are tried on."""


def same(x: Node) -> Node:
    """x itself."""
    return x


ResultRule = Callable[[DType], DType]


def to_bool(dtype: DType) -> DType:
    """Result dtype of a predicate."""
    return dtypes.bool_


def to_real(dtype: DType) -> DType:
    """Result dtype of an op that takes complex numbers to real ones."""
    return dtype.real


def device_function(name: str, arity: int) -> str:
    """The C spelling of a call of the device function for `name`.

    >>> device_function("hypot", 2)
    'gc_hypot_{t}({0}, {1})'
    """
    arguments = ", ".join(f"{{{i}}}" for i in range(arity))
    return f"gc_{name}_{{t}}({arguments})"


def require_same(op: Op, operands: tuple[Node, ...]) -> TensorType:
    """The one type of all operands.

    Raises:
        ShapeError, DTypeError: they differ.
    """
    types = [operand.tensor for operand in operands]
    for other in types[1:]:
        if other.shape != types[0].shape:
            raise ShapeError(f"{op.name}: shapes differ: {' and '.join(map(str, types))}")
        if other.dtype is not types[0].dtype:
            raise DTypeError(f"{op.name}: dtypes differ: {' and '.join(map(str, types))}")
    return types[0]


def require_float(name: str, dtype: DType, kinds: frozenset[str] = FLOAT) -> None:
    """Refuse what is no float; where `kinds` is `INEXACT`, complex numbers are taken too."""
    if dtype.kind not in kinds:
        raise DTypeError(
            f"{name} takes floats, not {dtype.name}",
            code="dtype-unsupported",
            hint="cast the operand first: cast(x, f32)",
        )


def require_computable(name: str, dtype: DType) -> None:
    """Refuse the 8-bit floats, in which nothing is computed."""
    if dtype.kind == "storage":
        raise DTypeError(
            f"{name} does not compute in {dtype.name}",
            code="dtype-unsupported",
            hint="cast the operand first: cast(x, f32)",
        )


def _infer(kinds: frozenset[str], result: ResultRule | None) -> InferRule:
    def infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
        type_ = require_same(op, operands)
        if type_.dtype.kind not in kinds:
            raise DTypeError(
                f"{op.name} takes {' or '.join(sorted(kinds))} operands, not {type_.dtype.name}",
                code="dtype-unsupported",
                hint="cast the operand first: cast(x, f32)" if "float" in kinds else None,
            )
        return TensorType(result(type_.dtype) if result else type_.dtype, type_.shape)

    return infer


def _samples(
    kinds: frozenset[str], arity: int, domain: tuple[float, float], smooth: bool
) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterable[Sample]:
        for dtype in dtypes.computable():
            if dtype.kind in kinds:
                for shape in SHAPES:
                    operands = (TensorType(dtype, shape),) * arity
                    yield Sample(operands, domain=domain, smooth=smooth)

    return samples


def _refused(kinds: frozenset[str], arity: int) -> Callable[[], Iterable[Refused]]:
    def refused() -> Iterable[Refused]:
        for dtype in (*dtypes.computable(), dtypes.f8e4m3):
            if dtype.kind not in kinds:
                yield Refused((TensorType(dtype, (2,)),) * arity, {}, DTypeError)
        accepted = [dtype for dtype in dtypes.computable() if dtype.kind in kinds]
        a = TensorType(accepted[0], (2,))
        if arity == 2:
            yield Refused((a, TensorType(accepted[0], (3,))), {}, ShapeError)
            yield Refused((a, TensorType(dtypes.f8e5m2, (2,))), {}, DTypeError)
        yield Refused((a,) * (arity + 1), {}, UsageError)

    return refused


def _evaluate(reference: Callable[..., Any]) -> Callable[..., np.ndarray[Any, Any]]:
    def evaluate(call: Call, *operands: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        compute = dtypes.from_numpy(operands[0].dtype).accumulator.numpy
        operands = tuple(operand.astype(compute, copy=False) for operand in operands)
        with np.errstate(all="ignore"):
            return np.asarray(reference(*operands)).astype(call.dtype.numpy, copy=False)

    return evaluate


def flat(node: Node, g: Node) -> tuple[None, ...]:
    """The gradient of a step function: zero wherever it exists."""
    return (None,) * len(node.inputs)


def refused_pairs() -> Iterable[Refused]:
    """Pairs that are refused where two tensors of f32 or two of f64 are taken."""
    f32, f16 = TensorType(dtypes.f32, (2,)), TensorType(dtypes.f16, (2,))
    yield Refused((f16, f16), {}, DTypeError)
    yield Refused((f32, TensorType(dtypes.f64, (2,))), {}, DTypeError)
    yield Refused((f32, TensorType(dtypes.f32, (3,))), {}, ShapeError)


def operate(
    op: Op, elsewhere: Mapping[str, Callable[..., Node]] | None = None
) -> Callable[..., Node]:
    """The forgiving form of an elementwise op: operands are promoted and broadcast.

    `elsewhere` says what is computed of operands of kinds that the op does not take.
    """
    compositions = elsewhere or {}

    def call(*operands: Operand) -> Node:
        nodes = broadcast(*promoted(*operands))
        compute = compositions.get(nodes[0].dtype.kind, op) if len(nodes) == op.arity else op
        return compute(*nodes)

    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.doc
    call.__signature__ = _signature(op.arity or 0)  # type: ignore[attr-defined]
    return call


def _signature(arity: int) -> inspect.Signature:
    """What a function of so many operands is told to take."""
    names = ("x",) if arity == 1 else [f"x{place + 1}" for place in range(arity)]
    kind = inspect.Parameter.POSITIONAL_ONLY
    return inspect.Signature(
        [inspect.Parameter(name, kind, annotation="Operand") for name in names]
    )


def elementwise(
    name: str,
    arity: int,
    reference: Callable[..., Any],
    doc: str,
    *,
    c: str | Mapping[str, str] | None = None,
    gradient: GradientRule | None = None,
    kinds: frozenset[str] = FLOAT,
    result: ResultRule | None = None,
    cheap: bool = True,
    commutes: bool = False,
    domain: tuple[float, float] = (-2.0, 2.0),
    smooth: bool = True,
    aliases: tuple[str, ...] = (),
    elsewhere: Mapping[str, Callable[..., Node]] | None = None,
    is_offered: bool = True,
) -> Op:
    """Declare an elementwise op, and its surface under the same name and its aliases.

    Args:
        reference: the NumPy function; it is given f32 for f16 and bf16.
        c: the C spelling; by default a call of the device function. Complex operands always
            take the device function, for C++ has no operators on them.
        kinds: kinds of dtypes that it takes.
        result: the result's dtype from the operands', where it differs.
        cheap, commutes: see `Elementwise`.
        elsewhere: what the surface computes of operands of other kinds, by kind.
        is_offered: whether the surface is made here; else the caller declares one.
    """
    function = device_function(name, arity)
    if isinstance(c, str) and "complex" in kinds:
        c = {"*": c}
    if isinstance(c, Mapping):
        c = {"*": function, **c, **({"complex": function} if "complex" in kinds else {})}
    op = Op(
        name,
        arity,
        infer=_infer(kinds, result),
        reference=_evaluate(reference),
        lowering=Elementwise(c or function, cheap, commutes),
        gradient=gradient,
        samples=_samples(kinds, arity, domain, smooth),
        refused=_refused(kinds, arity),
        doc=doc,
    )
    if is_offered:
        surface(name, *aliases)(operate(op, elsewhere))
    return op
