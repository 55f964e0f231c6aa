"""Functions of one variable (and two of two): exponentials, logarithms, roots, angles, erf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import GradientRule, Op, functions
from graphc.ir.ops.creation.constants import ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative, scaled, subtract
from graphc.ir.ops.elementwise.declaration import INEXACT, elementwise
from graphc.ir.ops.elementwise.logic import equal, logical_and, where

__all__ = [
    "atan2",
    "cos",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "rsqrt",
    "sigmoid",
    "sin",
    "slope",
    "sqrt",
    "tanh",
]

Array = np.ndarray[Any, Any]


def slope(derivative: Any) -> GradientRule:
    """The gradient of a function of one variable from its derivative, given x and the result."""
    return lambda node, g: (multiply(g, derivative(node.inputs[0], node)),)


def _over(denominator: Any) -> GradientRule:
    """The gradient of a function of one variable whose derivative is 1 / denominator(x, y)."""
    return lambda node, g: (divide(g, denominator(node.inputs[0], node)),)


def _one_plus_square(x: Node) -> Node:
    return add(ones_like(x), multiply(x, x))


def _one_minus_square(x: Node) -> Node:
    # Factored: 1 - x*x loses digits near 1, the factors do not.
    return multiply(subtract(ones_like(x), x), add(ones_like(x), x))


def _stretched(z: Node, factor: float) -> Node:
    """Complex numbers times a real one. Part by part: inf times a complex number has NaN in it."""
    parts = (scaled(functions[part](z), factor) for part in ("real", "imag"))
    product: Node = functions["complex"](*parts)
    return product


# -- exponentials and logarithms ------------------------------------------------------------------


def _expm1(x: Array) -> Array:
    if x.dtype.kind != "c":
        return np.asarray(np.expm1(x))
    # cos(y) = 1 - 2 sin(y/2)^2: so nothing cancels near 0. Elsewhere exp knows about infinities.
    near = np.expm1(x.real) * np.cos(x.imag) - 2 * np.square(np.sin(x.imag / 2))
    power = np.exp(x)
    result = np.asarray(np.where(np.abs(x.real) <= 1, near, power.real - 1)).astype(x.dtype)
    result.imag = np.where(x.imag == 0, x.imag, power.imag)
    return np.asarray(result)


def _log1p(x: Array) -> Array:
    if x.dtype.kind != "c":
        return np.asarray(np.log1p(x))
    # The square of the size of 1 + x, less 1, is re * (2 + re) + im^2.
    near = np.log1p(x.real * (2 + x.real) + np.square(x.imag)) / 2
    moved = x.copy()
    moved.real += 1
    result = np.asarray(np.log(moved))
    is_near = np.maximum(np.abs(x.real), np.abs(x.imag)) < 0.5
    result.real = np.where(is_near, near, result.real)
    return np.asarray(result)


exp = elementwise(
    "exp",
    1,
    np.exp,
    "e to the power x.",
    gradient=slope(lambda x, y: y),
    kinds=INEXACT,
    cheap=False,
)
expm1 = elementwise(
    "expm1",
    1,
    _expm1,
    "exp(x) - 1, accurate near 0.",
    gradient=slope(lambda x, y: exp(x)),
    kinds=INEXACT,
    cheap=False,
)
exp2 = elementwise(
    "exp2",
    1,
    np.exp2,
    "2 to the power x.",
    gradient=slope(lambda x, y: scaled(y, math.log(2))),
    cheap=False,
    elsewhere={"complex": lambda z: exp(_stretched(z, math.log(2)))},
)
log = elementwise(
    "log",
    1,
    np.log,
    "The natural logarithm.",
    gradient=_over(lambda x, y: x),
    kinds=INEXACT,
    cheap=False,
    domain=(0.25, 4.0),
)
log1p = elementwise(
    "log1p",
    1,
    _log1p,
    "log(1 + x), accurate near 0.",
    gradient=_over(lambda x, y: add(ones_like(x), x)),
    kinds=INEXACT,
    cheap=False,
    domain=(-0.5, 2.0),
)
log2 = elementwise(
    "log2",
    1,
    np.log2,
    "The logarithm to base 2.",
    gradient=_over(lambda x, y: scaled(x, math.log(2))),
    cheap=False,
    domain=(0.25, 4.0),
    elsewhere={"complex": lambda z: _stretched(log(z), 1 / math.log(2))},
)
log10 = elementwise(
    "log10",
    1,
    np.log10,
    "The logarithm to base 10.",
    gradient=_over(lambda x, y: scaled(x, math.log(10))),
    cheap=False,
    domain=(0.25, 4.0),
    elsewhere={"complex": lambda z: _stretched(log(z), 1 / math.log(10))},
)

# -- roots ----------------------------------------------------------------------------------------

sqrt = elementwise(
    "sqrt",
    1,
    np.sqrt,
    "The square root, correctly rounded.",
    gradient=_over(lambda x, y: scaled(y, 2.0)),
    kinds=INEXACT,
    domain=(0.25, 4.0),
)


def _rsqrt(x: Array) -> Array:
    return np.asarray(np.divide(np.ones((), x.dtype), np.sqrt(x)))


rsqrt = elementwise(
    "rsqrt",
    1,
    _rsqrt,
    "1 / sqrt(x).",
    gradient=slope(lambda x, y: scaled(divide(y, x), -0.5)),
    domain=(0.25, 4.0),
    elsewhere={"complex": lambda z: divide(ones_like(z), sqrt(z))},
)

# -- angles ---------------------------------------------------------------------------------------

sin: Op = elementwise(
    "sin", 1, np.sin, "The sine.", gradient=slope(lambda x, y: cos(x)), kinds=INEXACT, cheap=False
)
cos: Op = elementwise(
    "cos",
    1,
    np.cos,
    "The cosine.",
    gradient=slope(lambda x, y: negative(sin(x))),
    kinds=INEXACT,
    cheap=False,
)
tan = elementwise(
    "tan",
    1,
    np.tan,
    "The tangent.",
    gradient=slope(lambda x, y: _one_plus_square(y)),
    kinds=INEXACT,
    cheap=False,
    domain=(-1.25, 1.25),
)
asin = elementwise(
    "asin",
    1,
    np.arcsin,
    "The angle in [-pi/2, pi/2] whose sine is x.",
    gradient=_over(lambda x, y: sqrt(_one_minus_square(x))),
    kinds=INEXACT,
    cheap=False,
    domain=(-0.75, 0.75),
    aliases=("arcsin",),
)
acos = elementwise(
    "acos",
    1,
    np.arccos,
    "The angle in [0, pi] whose cosine is x.",
    gradient=_over(lambda x, y: negative(sqrt(_one_minus_square(x)))),
    kinds=INEXACT,
    cheap=False,
    domain=(-0.75, 0.75),
    aliases=("arccos",),
)
atan = elementwise(
    "atan",
    1,
    np.arctan,
    "The angle in (-pi/2, pi/2) whose tangent is x.",
    gradient=_over(lambda x, y: _one_plus_square(x)),
    kinds=INEXACT,
    cheap=False,
    aliases=("arctan",),
)


def _atan2_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    y, x = node.inputs
    zero, one = zeros_like(x), ones_like(x)
    # The origin has no angle, and so no slope.
    at_zero = logical_and(equal(x, zero), equal(y, zero))
    squares = where(at_zero, one, add(multiply(x, x), multiply(y, y)))
    over = where(at_zero, zero, divide(g, squares))
    return multiply(over, x), negative(multiply(over, y))


atan2 = elementwise(
    "atan2",
    2,
    np.arctan2,
    "The angle in [-pi, pi] of the point with height x and distance y to the right. Its "
    "derivatives at the origin are 0.",
    gradient=_atan2_gradient,
    cheap=False,
    domain=(0.25, 2.0),
    aliases=("arctan2",),
)


def _hypot_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    zero, one = zeros_like(node), ones_like(node)
    at_zero = equal(node, zero)
    over = where(at_zero, zero, divide(g, where(at_zero, one, node)))
    return multiply(over, node.inputs[0]), multiply(over, node.inputs[1])


hypot = elementwise(
    "hypot",
    2,
    np.hypot,
    "sqrt(x*x + y*y) without overflow on the way. Its derivatives at the origin are 0.",
    gradient=_hypot_gradient,
    cheap=False,
    commutes=True,
)

# -- hyperbolic functions -------------------------------------------------------------------------

sinh: Op = elementwise(
    "sinh",
    1,
    np.sinh,
    "The hyperbolic sine.",
    gradient=slope(lambda x, y: cosh(x)),
    kinds=INEXACT,
    cheap=False,
)
cosh: Op = elementwise(
    "cosh",
    1,
    np.cosh,
    "The hyperbolic cosine.",
    gradient=slope(lambda x, y: sinh(x)),
    kinds=INEXACT,
    cheap=False,
)
tanh = elementwise(
    "tanh",
    1,
    np.tanh,
    "The hyperbolic tangent.",
    gradient=slope(lambda x, y: _one_minus_square(y)),
    kinds=INEXACT,
    cheap=False,
)
asinh = elementwise(
    "asinh",
    1,
    np.arcsinh,
    "The number whose hyperbolic sine is x.",
    gradient=_over(lambda x, y: sqrt(_one_plus_square(x))),
    kinds=INEXACT,
    cheap=False,
    aliases=("arcsinh",),
)
acosh = elementwise(
    "acosh",
    1,
    np.arccosh,
    "The number >= 0 whose hyperbolic cosine is x.",
    # Two roots: the root of the product would be on the other side of the cut where re(x) < 0.
    gradient=_over(
        lambda x, y: multiply(sqrt(subtract(x, ones_like(x))), sqrt(add(x, ones_like(x))))
    ),
    kinds=INEXACT,
    cheap=False,
    domain=(1.25, 4.0),
    aliases=("arccosh",),
)
atanh = elementwise(
    "atanh",
    1,
    np.arctanh,
    "The number whose hyperbolic tangent is x.",
    gradient=_over(lambda x, y: _one_minus_square(x)),
    kinds=INEXACT,
    cheap=False,
    domain=(-0.75, 0.75),
    aliases=("arctanh",),
)

# -- error function and logistic function ---------------------------------------------------------

_erf_of_float = np.frompyfunc(math.erf, 1, 1)


def _erf(x: Array) -> Array:
    return np.asarray(_erf_of_float(x)).astype(x.dtype)


erf = elementwise(
    "erf",
    1,
    _erf,
    "The error function.",
    gradient=slope(lambda x, y: scaled(exp(negative(multiply(x, x))), 2 / math.sqrt(math.pi))),
    cheap=False,
)


def _sigmoid(x: Array) -> Array:
    # exp of a negative number only: it cannot overflow, and small results keep their digits.
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


sigmoid = elementwise(
    "sigmoid",
    1,
    _sigmoid,
    "1 / (1 + exp(-x)).",
    gradient=slope(lambda x, y: multiply(y, subtract(ones_like(y), y))),
    cheap=False,
    elsewhere={"complex": lambda z: divide(ones_like(z), add(ones_like(z), exp(negative(z))))},
)
