"""Exponential integrals, Dawson's integral, the dilogarithm, and the Box-Cox transformation.

Formula numbers are those of the Digital Library of Mathematical Functions (https://dlmf.nist.gov).
What is computed in NumPy takes the steps of the device functions in `codegen/device/special.h`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import Op, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative, scaled, subtract
from graphc.ir.ops.elementwise.declaration import elementwise, require_float
from graphc.ir.ops.elementwise.logic import equal, greater, less, where
from graphc.ir.ops.elementwise.transcendental import exp, expm1, log, log1p, slope
from graphc.ir.ops.special_functions.error_and_gamma import EULER, MOST_STEPS, in_doubles, xlogy
from graphc.ir.ops.special_functions.incomplete_functions import fraction_factors

__all__: list[str] = []

Array = np.ndarray[Any, Any]

# -- exponential integrals ------------------------------------------------------------------------


def _expn(n: Array, x: Array) -> Array:
    """The series 8.19.8 up to 1, the fraction 8.19.17 beyond, 8.19.12 from order 0 down."""
    is_number = (n >= -MOST_STEPS) & (n == np.floor(n)) & (x >= 0)
    is_inner = is_number & (x > 0) & np.isfinite(x) & np.isfinite(n)
    order, y = np.where(is_inner, n, 1.0), np.where(is_inner, x, 1.0)
    value = np.where(order <= 0, _expn_below(order, y), _expn_above(np.maximum(order, 1.0), y))
    at_zero = np.where(n < 2, np.inf, 1.0 / np.where(n < 2, 1.0, n - 1.0))
    value = np.where(x == 0, at_zero, value)
    value = np.where(np.isinf(x) | np.isinf(n), 0.0, value)
    return np.where(is_number, value, np.nan)


def _expn_below(n: Array, x: Array) -> Array:
    power = np.exp(-x)
    value = power / x
    for k in range(1, int(np.max(-n, initial=0.0)) + 1):
        value = np.where(k <= -n, (power + k * value) / x, value)
    return value


def _expn_above(n: Array, x: Array) -> Array:
    is_far = x > 1.0
    far, near = np.where(is_far, x, 2.0), np.where(is_far, 1.0, x)
    first = far + n
    fraction = fraction_factors(lambda k: [(-k * (n + k - 1.0), first + 2.0 * k)], first, 500)
    power, total, digamma = np.ones_like(x), np.zeros_like(x), np.full_like(x, -EULER)
    for k in range(24):
        rest = n - 1.0 - k
        term = power / np.where(rest == 0, 1.0, rest)
        total = total + np.where(rest == 0, power * (digamma - np.log(near)), term)
        power = power * (-near / (k + 1.0))
        digamma = digamma + np.where(k + 1.0 < n, 1.0 / (k + 1.0), 0.0)
    return np.where(is_far, fraction * np.exp(-far), total)


def _expi(x: Array) -> Array:
    """-E1(-x) below 0, the series 6.6.2 up to 40, 6.12.2 beyond."""
    is_far = x > 40.0
    near, far = np.where((x > 0) & ~is_far, x, 1.0), np.where(is_far & (x < np.inf), x, 50.0)
    term, total = np.ones_like(x), np.zeros_like(x)
    for k in range(1, 140):
        term = term * (near / k)
        total = total + term / k
    value = EULER + np.log(near) + total
    term, total = np.ones_like(x), np.zeros_like(x)
    for k in range(1, 40):
        total = total + term
        term = term * (k / far)
    value = np.where(is_far, np.exp(far) / far * total, value)
    value = np.where(x < 0, -_expn(np.ones_like(x), np.where(x < 0, -x, 1.0)), value)
    value = np.where(x == 0, -np.inf, value)
    return np.where(np.isnan(x) | np.isposinf(x), x, value)


def _expn_gradient(node: Node, g: Node) -> tuple[None, Node]:
    n, x = node.inputs
    return None, negative(multiply(g, expn(subtract(n, ones_like(n)), x)))


expn: Op = elementwise(
    "expn",
    2,
    in_doubles(_expn),
    "The integral of exp(-x t) / t**n from 1 on, for whole n and x >= 0.",
    gradient=_expn_gradient,
    cheap=False,
    domain=(0.25, 4.0),
    smooth=False,
    is_offered=False,
)
expi: Op = elementwise(
    "expi",
    1,
    in_doubles(_expi),
    "The integral of exp(t) / t from -inf to x, with its principal value.",
    gradient=slope(lambda x, y: divide(exp(x), x)),
    cheap=False,
    domain=(0.5, 4.0),
)


@surface("expn")
def expn_of(n: Operand, x: Operand) -> Node:
    """The integral of exp(-x t) / t**n from 1 on, for whole n and x >= 0; else NaN."""
    if isinstance(n, Node) and n.dtype.kind != "float" and isinstance(x, Node):
        n = cast_to(n, x.dtype)
    return expn(*broadcast(*promoted(n, x)))


@surface("exp1")
def exp1(x: Node) -> Node:
    """The integral of exp(-t) / t from x on, for x >= 0."""
    return expn(ones_like(x), x)


# -- Dawson's integral ----------------------------------------------------------------------------

_STEP = 0.25
_SIDES = 27


def _dawsn(x: Array) -> Array:
    """The sum of exp(-(x - n h)**2) / n over odd n, counted from the even one nearest to x / h.

    G. Rybicki, "Dawson's Integral and the Sampling Theorem", 1989; near 0 the power series 7.6.2.
    """
    size = np.abs(x)
    near, is_far = np.where(size < 0.25, x, 0.0), ~(size < 1e8)
    series = np.zeros_like(x)
    for k in range(14, 0, -1):
        series = -2.0 * near * near / (2.0 * k + 1.0) * (1.0 + series)
    middle_size = np.where(is_far, 1.0, size)
    middle = 2.0 * np.floor(0.5 * middle_size / _STEP + 0.5)
    rest, total = middle_size - middle * _STEP, np.zeros_like(x)
    for k in range(-_SIDES, _SIDES + 1, 2):
        away = rest - k * _STEP
        total = total + np.exp(-away * away) / (middle + k)
    total = total * (1 / math.sqrt(math.pi))
    value = np.where(size < 0.25, near + near * series, np.where(x < 0, -total, total))
    return np.where(is_far, 0.5 / x, value)


dawsn: Op = elementwise(
    "dawsn",
    1,
    in_doubles(_dawsn),
    "Dawson's integral: exp(-x*x) times the integral of exp(t*t) from 0 to x.",
    gradient=slope(lambda x, y: subtract(ones_like(x), scaled(multiply(x, y), 2.0))),
    cheap=False,
)

# -- the dilogarithm ------------------------------------------------------------------------------

# B(2k) / (2k + 1)!
_DILOGARITHM = (
    1 / 36,
    -1 / 3600,
    1 / 211680,
    -1 / 10886400,
    1 / 526901760,
    -691 / (2730 * math.factorial(13)),
    7 / (6 * math.factorial(15)),
    -3617 / (510 * math.factorial(17)),
    43867 / (798 * math.factorial(19)),
)


@surface("spence")
@rounded_once
def spence(x: Node) -> Node:
    """The integral of log(t) / (1 - t) from 1 to x >= 0: the dilogarithm of 1 - x.

    A series in the logarithm (25.12.2), brought near 1 by 25.12.4 and 25.12.6.
    """
    require_float("spence", x.dtype)
    one, zero, half = ones_like(x), zeros_like(x), constant_like(0.5, x)
    is_large = greater(x, one)
    place = where(is_large, divide(one, where(is_large, x, one)), x)
    is_small = less(place, half)
    inner = where(is_small, subtract(one, place), place)
    angle = negative(log(inner))
    square, series = multiply(angle, angle), zero
    for coefficient in reversed(_DILOGARITHM):
        series = add(multiply(series, square), constant_like(coefficient, x))
    value = add(subtract(angle, scaled(square, 0.25)), multiply(multiply(series, square), angle))
    product = negative(xlogy(negative(angle), where(is_small, place, one)))
    reflected = add(subtract(constant_like(math.pi**2 / 6, x), value), product)
    value = where(is_small, reflected, value)
    logarithm = log(where(is_large, x, one))
    return where(is_large, negative(add(value, scaled(multiply(logarithm, logarithm), 0.5))), value)


# -- Box and Cox ----------------------------------------------------------------------------------


def _box_cox(logarithm: Node, power: Node) -> Node:
    """(exp(power * logarithm) - 1) / power, and its limit where the power is 0."""
    is_zero = equal(power, zeros_like(power))
    safe = where(is_zero, ones_like(power), power)
    return where(is_zero, logarithm, divide(expm1(multiply(safe, logarithm)), safe))


@surface("boxcox")
@rounded_once
def boxcox(x: Operand, lmbda: Operand) -> Node:
    """(x**lmbda - 1) / lmbda, and log(x) where `lmbda` is 0."""
    a, power = broadcast(*promoted(x, lmbda))
    return _box_cox(log(a), power)


@surface("boxcox1p")
@rounded_once
def boxcox1p(x: Operand, lmbda: Operand) -> Node:
    """((1 + x)**lmbda - 1) / lmbda, and log1p(x) where `lmbda` is 0."""
    a, power = broadcast(*promoted(x, lmbda))
    return _box_cox(log1p(a), power)
