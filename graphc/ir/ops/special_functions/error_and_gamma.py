"""Special functions: erfc and the inverse of erf, the gamma function, sums of exponentials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    clip,
    divide,
    floor,
    multiply,
    negative,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import elementwise
from graphc.ir.ops.elementwise.logic import (
    equal,
    greater,
    isfinite,
    isinf,
    less,
    logical_and,
    logical_not,
    logical_or,
    where,
)
from graphc.ir.ops.elementwise.transcendental import exp, expm1, log, log1p, sigmoid, sin, slope

__all__ = [
    "EULER",
    "MOST_STEPS",
    "digamma",
    "erfc",
    "erfinv",
    "in_doubles",
    "lgamma",
    "lgamma_of",
    "logaddexp",
    "stirling_rest",
    "trigamma",
    "xlogy",
    "zeta_less_one",
]

Array = np.ndarray[Any, Any]

MOST_STEPS = 10000
"""Of recurrences whose length is data: so that they end."""


def in_doubles(function: Any) -> Any:
    """A function of doubles, for floats of any width."""

    def compute(*operands: Array) -> Array:
        wide = (one.astype(np.float64) for one in operands)
        return np.asarray(function(*wide)).astype(operands[0].dtype)

    return compute


# -- error function -------------------------------------------------------------------------------

_ERF, _ERFC = (np.frompyfunc(function, 1, 1) for function in (math.erf, math.erfc))


def _erfc(x: Array) -> Array:
    return np.asarray(_ERFC(x)).astype(np.float64)


def _erfinv(x: Array) -> Array:
    """S. Winitzki's approximation (2008), and three steps of Halley's method on erf or erfc."""
    size = np.abs(x)
    tail = 1 - size
    logs = np.log(tail * (1 + size))
    middle = 2 / (math.pi * 0.147) + logs / 2
    y = np.sqrt(np.sqrt(middle * middle - logs / 0.147) - middle)
    y = np.where(size < 1, y, 0.0)
    for _ in range(3):
        wrong = np.where(size < 0.5, np.asarray(_ERF(y)).astype(np.float64) - size, tail - _erfc(y))
        step = wrong / (2 / math.sqrt(math.pi) * np.exp(-y * y))
        y = y - step / (1 + y * step)
    y = np.where(size == 1, np.inf, np.where(size < 1, y, np.nan))
    return np.copysign(y, x)


erfc = elementwise(
    "erfc",
    1,
    in_doubles(_erfc),
    "1 - erf(x), accurate where it is small.",
    gradient=slope(lambda x, y: scaled(exp(negative(multiply(x, x))), -2 / math.sqrt(math.pi))),
    cheap=False,
)
erfinv = elementwise(
    "erfinv",
    1,
    in_doubles(_erfinv),
    "The number whose error function is x.",
    gradient=slope(lambda x, y: scaled(exp(multiply(y, y)), math.sqrt(math.pi) / 2)),
    cheap=False,
    domain=(-0.9, 0.9),
    aliases=("erf_inv",),
)

# -- gamma function -------------------------------------------------------------------------------


def zeta_less_one(k: int) -> float:
    """zeta(k) - 1 for k >= 2, by the formula of Euler and Maclaurin from 100 on."""
    n = 100.0
    tail = n ** (1 - k) / (k - 1) + n**-k / 2 + k * n ** (-k - 1) / 12
    tail -= k * (k + 1) * (k + 2) * n ** (-k - 3) / 720
    return math.fsum([*(float(i) ** -k for i in range(2, 100)), tail])


EULER = 0.57721566490153286061
# log(gamma(2 + d)) = d (1 - Euler's constant) + sum of (-d)^k (zeta(k) - 1) / k
# (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 6.1.33).
_NEAR_TWO = [(-1) ** k * zeta_less_one(k) / k for k in range(30, 1, -1)]
# Stirling's series (6.1.41), and that of digamma (6.3.18).
_STIRLING = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
_DIGAMMA = (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)


def _polynomial(coefficients: Any, x: Array) -> Array:
    total = np.zeros_like(x)
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


def _lgamma_positive(x: Array) -> Array:
    z, factor = x, np.ones_like(x)
    for _ in range(7):
        is_large = (z > 2.5) & (x < 8)
        z = np.where(is_large, z - 1, z)
        factor = np.where(is_large, factor * z, factor)
    # Below 1.5 the series is that of z + 1 or z + 2, whose distance to 2 is exact without them.
    d = np.where(z < 0.5, z, np.where(z < 1.5, z - 1, z - 2))
    divisor = np.where(z < 0.5, z * (z + 1), np.where(z < 1.5, z, 1.0))
    near = d * (1 - EULER) + d * d * _polynomial(_NEAR_TWO, np.where(x < 8, d, 0.0))
    near = near + np.log(factor) - np.log(divisor)
    far = _stirling(x) + _polynomial(_STIRLING, 1 / (x * x)) / x
    return np.where(x < 8, near, np.where(np.isposinf(x), x, far))


def _stirling(x: Array) -> Array:
    return np.asarray((x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi))


def stirling_rest(x: Array) -> Array:
    """What is left of log(gamma(x)) by Stirling's formula, for x > 0."""
    far = np.where(x < 10.0, 10.0, x)
    near = _lgamma_positive(x) - _stirling(x)
    return np.where(x < 10.0, near, _polynomial(_STIRLING, 1 / (far * far)) / far)


def lgamma_of(x: Array) -> Array:
    """The logarithm of |gamma(x)| of doubles."""
    size = np.abs(x)
    fraction = size - np.floor(size)
    reflected = np.log(math.pi / (size * np.abs(np.sin(math.pi * fraction))))
    below = np.where(fraction == 0, np.inf, reflected - _lgamma_positive(size))
    value = np.where(x > 0, _lgamma_positive(size), below)
    return np.where(np.isinf(x) | (x == 0), np.inf, value)


def _digamma(x: Array) -> Array:
    # Near 0 the reflection would be a difference of numbers as large as its terms.
    is_low = x < -0.5
    z, total = np.where(is_low, 1 - x, x), np.zeros_like(x)
    for _ in range(11):
        is_small = z < 10
        total = np.where(is_small, total - 1 / z, total)
        z = np.where(is_small, z + 1, z)
    square = 1 / (z * z)
    value = total + (np.log(z) - 0.5 / z - square * _polynomial(_DIGAMMA, square))
    away = x - np.floor(x + 0.5)
    low = np.where(away == 0, np.nan, value - math.pi / np.tan(math.pi * away))
    return np.where(is_low, low, value)


def trigamma(x: Node) -> Node:
    """The derivative of digamma, as a graph: so every derivative of it follows."""
    half, one = constant_like(0.5, x), ones_like(x)
    is_low = less(x, half)
    z = where(is_low, subtract(one, x), x)
    total = zeros_like(x)
    for _ in range(10):
        # The terms are counted for all: where z is large they are small and right as well.
        total = add(total, divide(one, multiply(z, z)))
        z = add(z, one)
    inverse = divide(one, z)
    square = multiply(inverse, inverse)
    series = zeros_like(x)
    for bernoulli in (7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = add(multiply(series, square), constant_like(bernoulli, x))
    tail = add(inverse, add(scaled(square, 0.5), multiply(multiply(inverse, square), series)))
    value = add(total, tail)
    away = where(is_low, subtract(x, floor(add(x, half))), half)
    turned = sin(scaled(away, math.pi))
    reflected = subtract(divide(constant_like(math.pi**2, x), multiply(turned, turned)), value)
    return where(is_low, reflected, value)


digamma = elementwise(
    "digamma",
    1,
    in_doubles(_digamma),
    "The derivative of lgamma; NaN at the negative whole numbers.",
    gradient=slope(lambda x, y: trigamma(x)),
    cheap=False,
    domain=(2.0, 6.0),
    aliases=("psi",),
)
lgamma = elementwise(
    "lgamma",
    1,
    in_doubles(lgamma_of),
    "The logarithm of |gamma(x)|.",
    gradient=slope(lambda x, y: digamma(x)),
    cheap=False,
    domain=(2.5, 6.0),
    aliases=("gammaln",),
)


# -- sums of exponentials -------------------------------------------------------------------------


def _logaddexp_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    return multiply(g, sigmoid(subtract(x, y))), multiply(g, sigmoid(subtract(y, x)))


logaddexp = elementwise(
    "logaddexp",
    2,
    lambda x, y: np.logaddexp(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype),
    "log(exp(x) + exp(y)), in the form that does not overflow.",
    gradient=_logaddexp_gradient,
    cheap=False,
    commutes=True,
    elsewhere={"complex": lambda x, y: functions["logsumexp"](functions["stack"]((x, y), 0), 0)},
)


@surface("logaddexp2")
@rounded_once
def logaddexp2(x: Operand, y: Operand) -> Node:
    """log2(2**x + 2**y), in the form that does not overflow."""
    a, b = broadcast(*promoted(x, y))
    natural = logaddexp(scaled(a, math.log(2)), scaled(b, math.log(2)))
    return scaled(natural, 1 / math.log(2))


@surface("log1mexp")
@rounded_once
def log1mexp(x: Node) -> Node:
    """log(1 - exp(-x)) for x >= 0, accurate where x is small and where it is large."""
    is_small = less(x, constant_like(math.log(2), x))
    one = ones_like(x)
    near = log(negative(expm1(negative(where(is_small, x, one)))))
    return where(is_small, near, log1p(negative(exp(negative(where(is_small, one, x))))))


# -- logarithms of probabilities ------------------------------------------------------------------


@surface("logit")
@rounded_once
def logit(x: Node, eps: float | None = None) -> Node:
    """log(x / (1 - x)); `eps` limits `x` to the range from eps to 1 - eps first."""
    if eps is not None:
        x = clip(x, eps, 1 - eps)
    return subtract(log(x), log1p(negative(x)))


def _times_log(x: Operand, y: Operand, logarithm: Any, at_zero: float) -> Node:
    """x * logarithm(y), 0 where x is 0 unless y is NaN."""
    a, b = broadcast(*promoted(x, y))
    low = constant_like(at_zero, b)
    is_outside = logical_or(logical_not(greater(b, low)), logical_not(isfinite(b)))
    vanishes = logical_and(equal(a, zeros_like(a)), logical_and(is_outside, equal(b, b)))
    # The number in place of what log has no number for: its logarithm is 0.
    product = multiply(a, logarithm(where(vanishes, constant_like(at_zero + 1, b), b)))
    # Of two zeros the sum is the positive one.
    return add(product, zeros_like(product))


@surface("xlogy")
@rounded_once
def xlogy(x: Operand, y: Operand) -> Node:
    """x * log(y), and 0 where x is 0 unless y is NaN."""
    return _times_log(x, y, log, 0.0)


@surface("xlog1py")
@rounded_once
def xlog1py(x: Operand, y: Operand) -> Node:
    """x * log1p(y), and 0 where x is 0 unless y is NaN."""
    return _times_log(x, y, log1p, -1.0)


@surface("entr")
@rounded_once
def entr(x: Node) -> Node:
    """-x * log(x): 0 at 0, with derivatives of 0 as `xlogy` has them, and -inf below."""
    is_negative = less(x, zeros_like(x))
    safe = where(is_negative, ones_like(x), x)
    return where(is_negative, constant_like(float("-inf"), x), xlogy(negative(safe), safe))


# -- sinc -----------------------------------------------------------------------------------------

_SINC_NEAR = 2.0
_SINC_TERMS = 14
"""Of sin(t) / t in powers of t**2, which reach a double with four derivatives up to `_SINC_NEAR`.

The quotient loses n! / t**(n + 1) roundings in its n-th derivative, which is little beyond.
"""


def _sinc_near(angle: Node) -> Node:
    square = multiply(angle, angle)
    total = ones_like(square)
    for k in range(_SINC_TERMS, 0, -1):
        # t**2 / (2k (2k+1)), the ratio of two terms, is in the range of every float.
        ratio = scaled(square, -1 / (2 * k * (2 * k + 1)))
        total = add(multiply(total, ratio), ones_like(square))
    return total


@surface("sinc")
@rounded_once
def sinc(x: Node) -> Node:
    """sin(pi x) / (pi x), and 1 at 0."""
    return _sine_over(scaled(x, math.pi))


@surface("spherical_bessel_j0")
def spherical_bessel_j0(x: Node) -> Node:
    """sin(x) / x, 1 at 0 and 0 at the infinities: the spherical Bessel function of order 0."""
    is_infinite = isinf(x)
    return where(is_infinite, zeros_like(x), _sine_over(where(is_infinite, ones_like(x), x)))


def _sine_over(angle: Node) -> Node:
    size = absolute(angle)
    is_near = less(size, constant_like(_SINC_NEAR, size))
    far = where(is_near, ones_like(angle), angle)
    near = _sinc_near(where(is_near, angle, zeros_like(angle)))
    return where(is_near, near, divide(sin(far), far))
