"""Complex numbers: parts, conjugate, construction.

Cotangents pair without conjugation: the derivative of a real function f along v is the real part
of sum(cotangent * v). Every gradient below and in the other files is linear in that sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, Op, Sample, functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.elementwise.arithmetic import multiply, negative
from graphc.ir.ops.elementwise.declaration import (
    BOOLEAN,
    REAL,
    SHAPES,
    elementwise,
    refused_pairs,
    require_same,
    same,
    to_real,
)
from graphc.ir.ops.elementwise.logic import equal, not_equal
from graphc.ir.ops.elementwise.transcendental import atan2, cos, sin
from graphc.ir.types import TensorType

__all__ = ["complex_of", "conjugate", "imaginary", "real"]

_COMPLEX = frozenset({"complex"})
_OF_REALS = dict.fromkeys(REAL | BOOLEAN, same)

conjugate: Op = elementwise(
    "conj",
    1,
    np.conj,
    "The complex conjugate.",
    kinds=_COMPLEX,
    gradient=lambda node, g: (conjugate(g),),
    elsewhere=_OF_REALS,
    aliases=("conjugate", "conj_physical"),
)
real: Op = elementwise(
    "real",
    1,
    np.real,
    "The real part.",
    kinds=_COMPLEX,
    result=to_real,
    gradient=lambda node, g: (complex_of(g, zeros_like(g)),),
    elsewhere=_OF_REALS,
)
imaginary = elementwise(
    "imag",
    1,
    np.imag,
    "The imaginary part.",
    kinds=_COMPLEX,
    result=to_real,
    gradient=lambda node, g: (complex_of(zeros_like(g), negative(g)),),
    elsewhere=dict.fromkeys(_OF_REALS, zeros_like),
)


def _infer_complex(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_same(op, operands)
    if type_.dtype not in (dtypes.f32, dtypes.f64):
        raise DTypeError(
            f"complex takes f32 or f64 parts, not {type_.dtype.name}", code="dtype-unsupported"
        )
    return TensorType(dtypes.promote(type_.dtype, dtypes.c64), type_.shape)


def _complex_reference(
    call: Call, re: np.ndarray[Any, Any], im: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    result = np.empty(re.shape, call.dtype.numpy)
    result.real, result.imag = re, im
    return result


def _complex_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    return real(g), negative(imaginary(g))


def _complex_samples() -> Iterable[Sample]:
    for dtype in (dtypes.f32, dtypes.f64):
        for shape in SHAPES:
            yield Sample((TensorType(dtype, shape),) * 2)


complex_of: Op = Op(
    "complex",
    2,
    infer=_infer_complex,
    reference=_complex_reference,
    lowering=Elementwise("gc_complex_{t}({0}, {1})"),
    gradient=_complex_gradient,
    samples=_complex_samples,
    refused=refused_pairs,
    doc="x + iy, each part as it is: no arithmetic is done.",
)


@surface("angle")
def angle(z: Node, deg: bool = False) -> Node:
    """The angle of a number in the complex plane, in [-pi, pi]; of a real one 0 or pi.

    deg: in degrees.
    """
    is_complex = z.dtype.kind == "complex"
    found = atan2(imaginary(z), real(z)) if is_complex else atan2(zeros_like(z), z)
    return functions["rad2deg"](found) if deg else found


@surface("polar")
def polar(size: Node, angle: Node) -> Node:
    """The complex number of this size at this angle: size * (cos(angle) + i*sin(angle))."""
    r, turn = broadcast(*promoted(size, angle))
    return complex_of(multiply(r, cos(turn)), multiply(r, sin(turn)))


@surface("view_as_real")
def view_as_real(z: Node) -> Node:
    """The real and the imaginary parts side by side, on a last axis of 2."""
    parts: Node = functions["stack"]((real(z), imaginary(z)), -1)
    return parts


@surface("view_as_complex")
def view_as_complex(x: Node) -> Node:
    """The complex numbers whose parts lie on the last axis, which has size 2."""
    if not x.shape or x.shape[-1] != 2:
        raise ShapeError(
            f"view_as_complex: {x.type} has no last axis of size 2",
            hint="it holds the real and the imaginary part",
        )
    take = functions["select"]
    return complex_of(take(x, -1, 0), take(x, -1, 1))


@surface("isreal")
def isreal(x: Node) -> Node:
    """Whether the imaginary part is 0: real numbers are real."""
    part: Node = functions["imag"](x)
    return equal(part, zeros_like(part))


@surface("iscomplex")
def iscomplex(x: Node) -> Node:
    """Whether the imaginary part is not 0."""
    part: Node = functions["imag"](x)
    return not_equal(part, zeros_like(part))


@surface("complex")
def complex_surface(re: Operand, im: Operand) -> Node:
    """`re + i*im`; the parts are broadcast and promoted."""
    return complex_of(*broadcast(*promoted(re, im)))
