"""What depends on how floats are represented: signs of zeros, neighbours, mantissas, exponents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, Op, Sample, functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    floor,
    multiply,
    negative,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import (
    FLOAT,
    SHAPES,
    device_function,
    elementwise,
    flat,
    refused_pairs,
    require_float,
    require_same,
    to_bool,
)
from graphc.ir.ops.elementwise.logic import equal, isnan, logical_or, where
from graphc.ir.ops.elementwise.transcendental import exp2
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.types import TensorType

__all__ = ["nextafter", "signbit"]

F = functions

signbit = elementwise(
    "signbit",
    1,
    np.signbit,
    "Whether the sign is negative, of zeros as well.",
    kinds=FLOAT,
    result=to_bool,
)


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_same(op, operands)
    if type_.dtype not in (dtypes.f32, dtypes.f64):
        # f16 and bf16 are computed in f32, whose neighbours are nearer: see `_narrow_neighbour`.
        raise DTypeError(
            f"{op.name} takes f32 or f64, not {type_.dtype.name}", code="dtype-unsupported"
        )
    return type_


def _reference(
    call: Call, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    # In a precise evaluation the operands are f64, and the neighbours are still those of f32.
    own = call.operands[0]
    assert isinstance(own, TensorType)
    narrow = own.dtype.numpy
    with np.errstate(all="ignore"):
        moved = np.nextafter(x.astype(narrow), y.astype(narrow))
    return np.asarray(moved).astype(call.dtype.numpy, copy=False)


def _samples() -> Iterable[Sample]:
    for dtype in (dtypes.f32, dtypes.f64):
        for shape in SHAPES:
            yield Sample((TensorType(dtype, shape),) * 2, smooth=False)


nextafter = Op(
    "nextafter",
    2,
    infer=_infer,
    reference=_reference,
    lowering=Elementwise(device_function("nextafter", 2)),
    gradient=flat,
    samples=_samples,
    refused=refused_pairs,
    doc="The float next to x in the direction of y.",
)


@surface("nextafter")
def _neighbour(x1: Operand, x2: Operand, /) -> Node:
    """The float next to x in the direction of y."""
    x, y = broadcast(*promoted(x1, x2))
    return _narrow_neighbour(x, y) if x.dtype in (dtypes.f16, dtypes.bf16) else nextafter(x, y)


def _narrow_neighbour(x: Node, y: Node) -> Node:
    """The neighbour in f16 or bf16, found by one rounding of a number of f32.

    It is half an epsilon of x to one epsilon of x away, half of that below a power of two, and as
    far as the least number where x is subnormal. 0.7 epsilons are always nearest to it.
    """
    x, y = stop_gradient(x), stop_gradient(y)
    wide, limit = cast_to(x, dtypes.f32), cast_to(y, dtypes.f32)
    size = F["maximum"](F["abs"](wide), x.dtype.smallest_normal)
    step = F["copysign"](scaled(size, 0.7 * x.dtype.epsilon), subtract(limit, wide))
    found = cast_to(add(wide, step), x.dtype)
    largest = F["copysign"](constant_like(x.dtype.maximum_value, x), x)
    found = where(F["isinf"](x), largest, found)
    return where(logical_or(equal(x, y), isnan(y)), y, found)


def _mantissa_gradient(node: Node, g: Node) -> tuple[Node]:
    exponent = cast_to(frexp_exponent(node.inputs[0]), g.dtype)
    return (ldexp_whole(g, negative(exponent)),)


frexp_mantissa = elementwise(
    "frexp_mantissa",
    1,
    lambda x: np.frexp(x)[0],
    "The number m with 0.5 <= |m| < 1 and x = m * 2**e, or x where there is none.",
    gradient=_mantissa_gradient,
    domain=(0.3, 0.45),
    is_offered=False,
)
frexp_exponent = elementwise(
    "frexp_exponent",
    1,
    lambda x: np.where(np.isfinite(x), np.frexp(x)[1], 0),
    "The whole number e with x = m * 2**e and 0.5 <= |m| < 1; 0 of 0, NaN and the infinities.",
    result=lambda dtype: dtypes.i32,
    gradient=flat,
    is_offered=False,
)


# Powers of two from which on every float is 0 or infinite.
_MOST = 5000.0


def _scaled_by_power(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    is_number = ~np.isnan(y)
    whole = np.floor(np.where(is_number, np.clip(y, -_MOST, _MOST), 0)).astype(np.int32)
    return np.where(is_number, np.ldexp(x, whole), y)


ldexp_whole: Op = elementwise(
    "ldexp",
    2,
    _scaled_by_power,
    "x times 2 to the power of the whole part of y, rounded once where that is subnormal.",
    gradient=lambda node, g: (ldexp_whole(g, node.inputs[1]), None),
    is_offered=False,
)


@surface("ldexp")
def ldexp(x: Operand, exponent: Operand) -> Node:
    """x times 2 to the power of a number: exact for whole ones, or rounded once if subnormal."""
    value, power = promoted(x)[0], promoted(exponent)[0]
    require_float("ldexp", value.dtype)
    wide = value.dtype.accumulator
    a, b = broadcast(cast_to(value, wide), cast_to(power, wide))
    whole = floor(b)
    result = ldexp_whole(a, whole)
    if power.dtype.kind == "float":
        # A factor from 1 to 2, which overflows only where the result does.
        rest = where(F["isinf"](b), zeros_like(b), subtract(b, whole))
        result = multiply(result, exp2(rest))
    return cast_to(result, value.dtype)


@surface("frexp")
def frexp(x: Node) -> tuple[Node, Node]:
    """The numbers m and e, as i32, with x = m * 2**e and 0.5 <= |m| < 1.

    0, NaN and the infinities are their own m, with e = 0.
    """
    return frexp_mantissa(x), frexp_exponent(x)
