"""Arithmetic, element by element: the four operations, integer division, rounding, extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import Op, find, functions, surface
from graphc.ir.ops.broadcasting import Operand
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.declaration import (
    INEXACT,
    INTEGER,
    NUMERIC,
    REAL,
    elementwise,
    flat,
    operate,
    same,
    to_real,
)
from graphc.ir.ops.elementwise.logic import (
    equal,
    greater,
    isfinite,
    less,
    logical_and,
    logical_not,
    where,
)

__all__ = [
    "absolute",
    "add",
    "copysign",
    "divide",
    "extreme",
    "floor",
    "floor_divide",
    "maximum",
    "minimum",
    "multiplied",
    "multiply",
    "negative",
    "power",
    "relu",
    "remainder",
    "round_to_even",
    "scaled",
    "sign",
    "subtract",
]

Array = np.ndarray[Any, Any]

# -- the four operations --------------------------------------------------------------------------

negative: Op = elementwise(
    "negative",
    1,
    np.negative,
    "-x.",
    c="-{0}",
    kinds=NUMERIC,
    gradient=lambda node, g: (negative(g),),
    aliases=("neg",),
)
add = elementwise(
    "add",
    2,
    np.add,
    "x + y.",
    c="{0} + {1}",
    kinds=NUMERIC,
    gradient=lambda node, g: (g, g),
    is_offered=False,
    commutes=True,
)
subtract = elementwise(
    "subtract",
    2,
    np.subtract,
    "x - y.",
    c="{0} - {1}",
    kinds=NUMERIC,
    gradient=lambda node, g: (g, negative(g)),
    is_offered=False,
)


def multiplied(x: Array, y: Array) -> Array:
    """The products that `multiply` promises, also of complex numbers."""
    if x.dtype.kind != "c":
        return np.asarray(np.multiply(x, y))
    # NumPy contracts these products on some machines.
    return _pair(x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real)


def _pair(re: Array, im: Array) -> Array:
    return np.stack([re, im], axis=-1).view(np.result_type(re, np.complex64))[..., 0]


multiply: Op = elementwise(
    "multiply",
    2,
    multiplied,
    "x * y. Of complex numbers ac - bd + (ad + bc)i, each operation rounded: an infinity beside a "
    "NaN or a zero makes NaN.",
    c="{0} * {1}",
    kinds=NUMERIC,
    gradient=lambda node, g: (multiply(g, node.inputs[1]), multiply(g, node.inputs[0])),
    aliases=("mul",),
    commutes=True,
)


def _divide_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    over = divide(g, node.inputs[1])
    return over, negative(multiply(over, node))


def _divide(x: Array, y: Array) -> Array:
    if x.dtype.kind != "c":
        return np.asarray(np.divide(x, y))
    is_real = np.abs(y.real) >= np.abs(y.imag)
    large, small = np.where(is_real, y.real, y.imag), np.where(is_real, y.imag, y.real)
    ratio = small / large
    scale = 1 / (large + small * ratio)
    along, across = (x.real, x.imag), (x.real * ratio, x.imag * ratio)
    re = np.where(is_real, along[0] + across[1], across[0] + along[1]) * scale
    im = np.where(is_real, along[1] - across[0], across[1] - along[0]) * scale
    zero = np.abs(y.real)
    by_zero = (y.real == 0) & (y.imag == 0)
    return _pair(np.where(by_zero, x.real / zero, re), np.where(by_zero, x.imag / zero, im))


divide = elementwise(
    "divide",
    2,
    _divide,
    "x / y, correctly rounded. Of complex numbers by R. Smith's formula (Algorithm 116, 1962), "
    "each operation rounded; by zero, each part divided by zero.",
    c="{0} / {1}",
    kinds=INEXACT,
    gradient=_divide_gradient,
    domain=(0.25, 2.0),
    is_offered=False,
)


def scaled(x: Node, factor: float) -> Node:
    """`x` times a number."""
    return multiply(x, constant_like(factor, x))


@surface("square")
def square(x: Node) -> Node:
    """x * x."""
    return multiply(x, x)


@surface("reciprocal")
def reciprocal(x: Node) -> Node:
    """1 / x."""
    return divide(ones_like(x), x)


# -- integer division -----------------------------------------------------------------------------


def _floor_divide(x: Array, y: Array) -> Array:
    return np.asarray(np.floor_divide(x, y))


floor_divide = elementwise(
    "floor_divide",
    2,
    _floor_divide,
    "x / y rounded down, as Python's //. An integer divided by 0 gives 0.",
    gradient=flat,
    kinds=REAL,
    domain=(0.25, 9.0),
    smooth=False,
)


def _remainder_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    return g, negative(multiply(g, floor_divide(x, y)))


remainder = elementwise(
    "remainder",
    2,
    np.remainder,
    "x - floor_divide(x, y)*y, with the sign of y, as Python's %. By an integer 0 it gives 0.",
    kinds=REAL,
    gradient=_remainder_gradient,
    domain=(0.25, 9.0),
    smooth=False,
    aliases=("mod",),
)

# -- power ----------------------------------------------------------------------------------------


def _complex_power(x: Array, y: Array) -> Array:
    value = np.exp(multiplied(y.astype(np.complex128), np.log(x.astype(np.complex128))))
    nothing, nan = np.zeros((), np.complex128), np.full((), complex(np.nan, np.nan))
    value = np.where(x == 0, np.where(y.real > 0, nothing, nan), value)
    return np.where(y == 0, np.ones((), np.complex128), value).astype(x.dtype)


def _float_power(x: Array, y: Array) -> Array:
    """NumPy's power of a varied exponent: sqrt, which it takes for a lone 0.5, differs at -inf."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    exponents = np.broadcast_to(y, shape).flatten()
    return np.asarray(np.power(np.broadcast_to(x, shape).reshape(-1), exponents)).reshape(shape)


def _power(x: Array, y: Array) -> Array:
    if x.dtype.kind == "c":
        return _complex_power(x, y)
    if x.dtype.kind not in "iu":
        return _float_power(x, y)
    # NumPy refuses negative exponents; the exact result rounded toward zero is 1, -1 or 0.
    reciprocal = np.where(x == 1, x, np.zeros((), x.dtype))
    if x.dtype.kind == "i":
        reciprocal = np.where(x == -1, np.where(y & 1, x, -x), reciprocal)
    is_negative = y < 0
    return np.where(is_negative, reciprocal, np.power(x, np.where(is_negative, 0, y)))


def _power_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    zero, one = zeros_like(x), ones_like(x)
    # x**(y-1) is infinite at x = 0 for y = 0, where the derivative is 0. Where it is a number the
    # product is 0 by itself, and has the derivative 1 / x by y.
    is_lost = logical_and(equal(y, zero), logical_not(isfinite(divide(one, x))))
    lower = power(where(is_lost, one, x), subtract(y, one))
    slope = where(is_lost, zero, multiply(y, lower))
    # log(x) is -inf at x = 0, where 0**y does not change with y > 0.
    safe = where(equal(x, zero), one, x)
    return multiply(g, slope), multiply(g, multiply(node, find("log")(safe)))


power = elementwise(
    "power",
    2,
    _power,
    "x to the power y. Integers to a negative power are rounded toward zero (0 gives 0). Complex "
    "numbers: exp(y*log(x)), 1 for y = 0, and 0 for x = 0 where the real part of y is positive.",
    kinds=NUMERIC,
    gradient=_power_gradient,
    cheap=False,
    domain=(0.25, 2.0),
    aliases=("pow",),
)

# -- extremes -------------------------------------------------------------------------------------


def extreme(ufunc: np.ufunc, method: str = "__call__") -> Callable[..., Array]:
    """NumPy's `maximum` or `minimum`, or its `reduce` or `accumulate`, with -0.0 less than 0.0.

    NumPy leaves open which of two zeros it takes, and processors differ.
    """
    compute, gather = getattr(ufunc, method), getattr(np.logical_or, method)

    def ordered(*operands: Array, axis: Any = None, **options: Any) -> Array:
        along = {} if axis is None else {"axis": axis}
        found = np.asarray(compute(*operands, **along, **options))
        is_zero = found == 0
        if found.dtype.kind in "iu" or not is_zero.any():
            return found
        is_least = ufunc is np.minimum
        wins = gather(*((x == 0) & (np.signbit(x) == is_least) for x in operands), **along)
        zeros = np.where(wins == is_least, -0.0, 0.0).astype(found.dtype)
        return np.where(is_zero, zeros, found)

    return ordered


def _extreme_gradient(wins: Op) -> Any:
    def gradient(node: Node, g: Node) -> tuple[Node, Node]:
        x, y = node.inputs
        half = where(equal(x, y), scaled(g, 0.5), zeros_like(g))
        return where(wins(x, y), g, half), where(wins(y, x), g, half)

    return gradient


maximum = elementwise(
    "maximum",
    2,
    extreme(np.maximum),
    "The larger of x and y, where -0.0 is less than 0.0; NaN if one is. Equal operands share the "
    "gradient.",
    kinds=REAL,
    gradient=_extreme_gradient(greater),
    commutes=True,
)
minimum = elementwise(
    "minimum",
    2,
    extreme(np.minimum),
    "The smaller of x and y, where -0.0 is less than 0.0; NaN if one is. Equal operands share the "
    "gradient.",
    kinds=REAL,
    gradient=_extreme_gradient(less),
    commutes=True,
)


@surface("clip", "clamp")
def clip(x: Node, min: Operand | None = None, max: Operand | None = None) -> Node:
    """`x` limited to the range from `min` to `max`, each optional."""
    if min is not None:
        x = operate(maximum)(x, min)
    return x if max is None else operate(minimum)(x, max)


def _relu(x: Array) -> Array:
    return np.asarray(np.maximum(x, np.zeros((), x.dtype)))


relu = elementwise(
    "relu",
    1,
    _relu,
    "max(x, 0), NaN for NaN. The derivative at 0 is 0.",
    kinds=REAL,
    gradient=lambda node, g: (where(greater(node, zeros_like(node)), g, zeros_like(g)),),
)

# -- sign -----------------------------------------------------------------------------------------

sign = elementwise(
    "sign",
    1,
    np.sign,
    "-1, 0 or 1; NaN for NaN. Of a complex number x / |x|, and 0 at 0.",
    gradient=flat,
    kinds=REAL,
    smooth=False,
    elsewhere={"complex": lambda z: functions["sgn"](z)},
)


def _copysign_gradient(node: Node, g: Node) -> tuple[Node, None]:
    x, y = node.inputs
    return multiply(g, multiply(sign(x), copysign(ones_like(g), y))), None


copysign = elementwise(
    "copysign",
    2,
    np.copysign,
    "The magnitude of x with the sign of y.",
    gradient=_copysign_gradient,
    smooth=False,
)


def _absolute_gradient(node: Node, g: Node) -> tuple[Node]:
    x = node.inputs[0]
    if x.dtype.kind != "complex":
        return (multiply(g, sign(x)),)
    # d|z| is the real part of conj(z)/|z| dz, and 0 at 0.
    zero, one = zeros_like(node), ones_like(node)
    at_zero = equal(node, zero)
    factor = where(at_zero, zero, divide(g, where(at_zero, one, node)))
    return (multiply(cast(factor, dtype=x.dtype), find("conj")(x)),)


absolute = elementwise(
    "abs",
    1,
    np.abs,
    "|x|; for complex numbers sqrt(re² + im²) without overflow on the way.",
    c={"unsigned": "{0}"},
    kinds=NUMERIC,
    result=to_real,
    gradient=_absolute_gradient,
    domain=(0.25, 2.0),
    aliases=("absolute", "fabs"),
)

# -- rounding -------------------------------------------------------------------------------------

_OF_WHOLE_NUMBERS = dict.fromkeys(INTEGER, same)

floor = elementwise(
    "floor",
    1,
    np.floor,
    "The largest whole number <= x.",
    gradient=flat,
    smooth=False,
    elsewhere=_OF_WHOLE_NUMBERS,
)
ceil = elementwise(
    "ceil",
    1,
    np.ceil,
    "The smallest whole number >= x.",
    gradient=flat,
    smooth=False,
    elsewhere=_OF_WHOLE_NUMBERS,
)
round_to_even = elementwise(
    "round",
    1,
    np.rint,
    "The nearest whole number, ties to even.",
    gradient=flat,
    smooth=False,
    is_offered=False,
)


trunc = elementwise(
    "trunc",
    1,
    np.trunc,
    "x without its fraction.",
    gradient=flat,
    smooth=False,
    elsewhere=_OF_WHOLE_NUMBERS,
    aliases=("fix",),
)
