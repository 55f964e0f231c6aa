"""The incomplete gamma and beta functions, regularized.

Formula numbers are those of the Digital Library of Mathematical Functions (https://dlmf.nist.gov).
What is computed in NumPy takes the steps of the device functions in `codegen/device/special.h`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.creation.constants import constant_like, ones_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, negative, subtract
from graphc.ir.ops.elementwise.declaration import elementwise
from graphc.ir.ops.elementwise.transcendental import exp
from graphc.ir.ops.special_functions.error_and_gamma import (
    EULER,
    in_doubles,
    lgamma,
    lgamma_of,
    stirling_rest,
    xlog1py,
    xlogy,
    zeta_less_one,
)

__all__ = ["fraction_factors"]

Array = np.ndarray[Any, Any]

shape_parameter = elementwise(
    "shape_parameter",
    1,
    lambda x: x,
    "x itself, by which a function of the gamma or beta distribution has no gradient.",
    c="{0}",
    smooth=False,
    is_offered=False,
)


def fraction_factors(
    terms: Callable[[int], Sequence[tuple[Array, Array]]], first: Array, most: int
) -> Array:
    """A continued fraction from its first convergent on, by J. Lentz's method.

    Args:
        terms: what stands above and below in the steps of a round, counted from 1.
        first: what 1 stands over.
        most: rounds; an element ends with the first that changes it by no more than a rounding.
    """
    above, below = np.full_like(first, 1e300), 1.0 / first
    value, is_open = below, np.ones(first.shape, np.bool_)
    for k in range(1, most):
        if not is_open.any():
            break
        for over, under in terms(k):
            divisor, quotient = under + over * below, under + over / above
            below = 1.0 / np.where(np.abs(divisor) < 1e-300, 1e-300, divisor)
            above = np.where(np.abs(quotient) < 1e-300, 1e-300, quotient)
            factor = above * below
            value = np.where(is_open, value * factor, value)
        is_open &= np.abs(factor - 1.0) > 1e-16
    return np.asarray(value)


# -- gamma ----------------------------------------------------------------------------------------

_LARGE = 200.0


def _surprise(away: Array, ratio: Array) -> Array:
    """away - log(ratio), which is 1 + away: a series near 0, where the difference has no digits."""
    turned = away / (2.0 + away)
    step, odd = turned * turned, np.zeros_like(away)
    for k in range(12, 0, -1):
        odd = (odd + 1.0 / (2.0 * k + 1.0)) * step
    far = away - np.log(np.minimum(ratio, 1e300))
    is_close = np.abs(away) < 0.25
    return np.asarray(np.where(is_close, away * turned - 2.0 * turned * odd, far))


def _gamma_density(a: Array, x: Array) -> Array:
    """x**a exp(-x) / gamma(a + 1), from the distance of x from a where a is large (5.11.3)."""
    near = np.exp(a * np.log(x) - x - lgamma_of(a + 1.0))
    size = -a * _surprise((x - a) / a, x / a) - stirling_rest(a)
    far = np.exp(size) * np.sqrt(1.0 / a * (0.5 / math.pi))
    return np.asarray(np.where(a < 10.0, near, far))


def _gamma_series(a: Array, x: Array) -> Array:
    """The power series 8.7.1."""
    term, total = np.ones_like(x), np.ones_like(x)
    is_open = np.ones(x.shape, np.bool_)
    for k in range(1, 500):
        is_open &= term > 1e-17 * total
        if not is_open.any():
            break
        term = term * (x / (a + k))
        total = np.where(is_open, total + term, total)
    return total


def _gamma_fraction(a: Array, x: Array) -> Array:
    """The continued fraction 8.9.2."""
    first = x + 1.0 - a
    return a * fraction_factors(lambda k: [(k * (a - k), first + 2.0 * k)], first, 500)


def _tail(slope: Array, bend: Array, logarithm: Callable[[Array], Array]) -> Array:
    """The integral of a function from 0 on, by its logarithm, which is NaN beyond its domain.

    With exp(s - exp(-s)) of its width as the variable (H. Takahasi and M. Mori, "Double
    Exponential Formulas for Numerical Integration", 1974).
    """
    width = 1.0 / np.maximum(np.abs(slope), bend)
    total = np.zeros_like(width)
    for k in range(-48, 49):
        s = k / 12.0
        near = math.exp(-s)
        v = width * math.exp(s - near)
        step = np.exp(logarithm(v)) * v * (1.0 + near)
        total = np.where(np.isnan(step), total, total + step)
    return np.asarray(total / 12.0)


def _gamma_tail(a: Array, x: Array, is_low: Array) -> Array:
    """What is below or above x, over the density there."""

    def logarithm(v: Array) -> Array:
        moved = np.where(is_low, -v, v)
        return np.asarray((a - 1.0) * np.log1p(moved) - x * moved)

    return np.asarray(a * _tail(x - a + 1.0, np.sqrt(a), logarithm))


# Below this `a` the upper share is as small, and 1 less the lower one has no digits of it.
_LITTLE, _LITTLE_FAR = 0.1, 0.25
# log(gamma(1 + a)) = -EULER a + a**2 times this polynomial (5.7.3).
_NEAR_ONE = [(-1) ** k * (1 + zeta_less_one(k)) / k for k in range(16, 1, -1)]


def _upper_of_little(a: Array, x: Array) -> Array:
    """The upper share by the power series 8.7.1 without its first term, for little `a` and `x`."""
    near_one = np.zeros_like(a)
    for coefficient in _NEAR_ONE:
        near_one = near_one * a + coefficient
    power = a * np.log(x) - (a * near_one - EULER) * a
    term, total = np.ones_like(x), np.zeros_like(x)
    for k in range(1, 13):
        term = term * (-x / k)
        total = total + term / (a + k)
    return np.asarray(-np.expm1(power) - np.exp(power) * a * total)


def _incomplete_gamma(is_upper: bool) -> Callable[..., Array]:
    def compute(a: Array, x: Array) -> Array:
        is_inner = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        p, y = np.where(is_inner, a, 1.0), np.where(is_inner, x, 1.0)
        is_little, is_large = p < _LITTLE, p > _LARGE
        is_low = y < np.where(is_little, _LITTLE_FAR, p + 1.0)
        small, large = np.where(is_large, 1.0, p), np.where(is_large, p, 2 * _LARGE)
        share = np.where(
            is_low,
            _gamma_series(small, np.where(is_low & ~is_large, y, 1.0)),
            _gamma_fraction(small, np.where(is_low | is_large, 4.0, y)),
        )
        tail = _gamma_tail(large, np.where(is_large, y, 2 * _LARGE), is_low)
        share = np.where(is_large, tail, share) * _gamma_density(p, y)
        share = np.where(share < 1.0, share, 1.0)
        value = np.where(is_low == is_upper, 1.0 - share, share)
        if is_upper:
            little = is_little & is_low
            p, y = np.where(little, p, _LITTLE), np.where(little, y, _LITTLE_FAR)
            value = np.where(little, _upper_of_little(p, y), value)
        value = np.where((x == 0) | np.isposinf(a), 1.0 if is_upper else 0.0, value)
        value = np.where((a == 0) | np.isposinf(x), 0.0 if is_upper else 1.0, value)
        is_number = (a >= 0) & (x >= 0) & ~((a == x) & ((a == 0) | np.isinf(a)))
        return np.where(is_number, value, np.nan)

    return in_doubles(compute)  # type: ignore[no-any-return]


def _by_last(density: Callable[..., Node]) -> Callable[[Node, Node], tuple[Node, ...]]:
    """The gradient of a distribution function, by its last operand.

    That by the others is not known: `shape_parameter`, which they come from, refuses to take it.
    """

    def gradient(node: Node, g: Node) -> tuple[Node, ...]:
        unknown = constant_like(math.nan, g)
        return (unknown,) * (len(node.inputs) - 1) + (multiply(g, density(*node.inputs)),)

    return gradient


def _gamma_slope(a: Node, x: Node) -> Node:
    """The density of the gamma distribution."""
    return exp(subtract(subtract(xlogy(subtract(a, ones_like(a)), x), x), lgamma(a)))


_lower = elementwise(
    "gammainc",
    2,
    _incomplete_gamma(False),
    "The lower incomplete gamma function over gamma(a), for a >= 0 and x >= 0.",
    gradient=_by_last(_gamma_slope),
    cheap=False,
    domain=(0.25, 4.0),
    smooth=False,
    is_offered=False,
)
_upper = elementwise(
    "gammaincc",
    2,
    _incomplete_gamma(True),
    "The upper incomplete gamma function over gamma(a), 1 - gammainc(a, x).",
    gradient=_by_last(lambda a, x: negative(_gamma_slope(a, x))),
    cheap=False,
    domain=(0.25, 4.0),
    smooth=False,
    is_offered=False,
)


@surface("gammainc", "igamma")
def gammainc(a: Operand, x: Operand) -> Node:
    """The integral of t**(a - 1) exp(-t) from 0 to x, over gamma(a): from 0 to 1.

    For a >= 0 and x >= 0, else NaN. It has no gradient by `a`, which has no closed form.
    """
    shape, value = broadcast(*promoted(a, x))
    return _lower(shape_parameter(shape), value)


@surface("gammaincc", "igammac")
def gammaincc(a: Operand, x: Operand) -> Node:
    """The integral of t**(a - 1) exp(-t) from x on, over gamma(a): 1 - gammainc(a, x)."""
    shape, value = broadcast(*promoted(a, x))
    return _upper(shape_parameter(shape), value)


# -- beta -----------------------------------------------------------------------------------------


def _distance(p: Array, q: Array, y: Array, z: Array) -> Array:
    """p z - q y."""
    n = p + q
    return np.where(y < z, p - n * y, n * z - q)


def _beta_density(p: Array, q: Array, y: Array, z: Array) -> Array:
    """y**p z**q / beta(p, q), where y + z is 1, from the distance of y from p / (p + q).

    C. Loader's form, whose terms do not cancel ("Fast and Accurate Computation of Binomial
    Probabilities", 2000).
    """
    n, away = p + q, _distance(p, q, y, z)
    size = p * _surprise(-away / p, n / p * y) + q * _surprise(away / q, n / q * z)
    rest = stirling_rest(n) - stirling_rest(p) - stirling_rest(q)
    return np.asarray(np.exp(rest - size) * np.sqrt(p * (q / n) * (0.5 / math.pi)))


def _beta_fraction(p: Array, q: Array, y: Array) -> Array:
    """The continued fraction 8.17.22."""

    def terms(k: int) -> list[tuple[Array, Array]]:
        m = k - 1.0
        at = p + 2.0 * m
        one = np.ones_like(p)
        odd = -(p + m) * (p + q + m) * y / (at * (at + 1.0))
        return [(odd, one), ((m + 1.0) * (q - m - 1.0) * y / ((at + 1.0) * (at + 2.0)), one)]

    return np.asarray(fraction_factors(terms, np.ones_like(p), 1001) / p)


def _beta_tail(p: Array, q: Array, y: Array, z: Array) -> Array:
    """What is below y, over the density there."""

    slope = _distance(p, q, y, z) - (z - y)

    def logarithm(v: Array) -> Array:
        low, high = (
            (p - 1.0) * _surprise(-v * z, 1.0 - v * z),
            (q - 1.0) * _surprise(v * y, 1.0 + v * y),
        )
        return np.asarray(-slope * v - low - high)

    # Little q makes it steep at 0 alone.
    return _tail(np.where(q < 1.0, (p - 1.0) * z, slope), np.sqrt(p * z * z + q * y * y), logarithm)


def _betainc(a: Array, b: Array, x: Array) -> Array:
    """A continued fraction, or of large parameters the integral; of the smaller part (8.17.4).

    But not for little b, where what is left of 1 would have no digits. Where one parameter is 0
    or infinite, all of the distribution is at 0 or at 1.
    """
    is_edge = (a == 0) | (b == 0) | np.isinf(a) | np.isinf(b)
    is_number = (a >= 0) & (b >= 0) & (x >= 0) & (x <= 1) & ~(is_edge & (a == b))
    edge = np.where((a == 0) | np.isinf(b), np.ceil(x), np.floor(x))
    is_inner = is_number & ~is_edge & (x > 0) & (x < 1)
    a, b, y = np.where(is_inner, a, 1.0), np.where(is_inner, b, 1.0), np.where(is_inner, x, 0.25)
    grown = np.where(a + b < 1e-200, 1e100, 1.0)  # it depends on the quotient alone
    a, b = np.maximum(a * grown, 1e-290), np.maximum(b * grown, 1e-290)
    is_mirrored = (y > (a + 1.0) / (a + b + 2.0)) & ((b > 0.05) | (y > 0.999))
    p, q = np.where(is_mirrored, b, a), np.where(is_mirrored, a, b)
    y, z = np.where(is_mirrored, 1.0 - y, y), np.where(is_mirrored, y, 1.0 - y)
    is_large = p > _LARGE
    share = np.where(
        is_large,
        _beta_tail(np.where(is_large, p, 2 * _LARGE), q, y, z),
        _beta_fraction(np.where(is_large, 1.0, p), np.where(is_large, 1.0, q), y),
    )
    share = share * _beta_density(p, q, y, z)
    share = np.where(share > 1.0, 1.0, share)
    value = np.where(is_mirrored, 1.0 - share, share)
    return np.where(is_inner, value, np.where(is_number, np.where(is_edge, edge, x), np.nan))


def _beta_slope(a: Node, b: Node, x: Node) -> Node:
    """The density of the beta distribution."""
    one = ones_like(x)
    powers = add(xlogy(subtract(a, one), x), xlog1py(subtract(b, one), negative(x)))
    return exp(add(powers, subtract(lgamma(add(a, b)), add(lgamma(a), lgamma(b)))))


_beta = elementwise(
    "betainc",
    3,
    in_doubles(_betainc),
    "The incomplete beta function over beta(a, b), for a >= 0, b >= 0 and x from 0 to 1.",
    gradient=_by_last(_beta_slope),
    cheap=False,
    domain=(0.1, 0.9),
    smooth=False,
    is_offered=False,
)


@surface("betainc")
def betainc(a: Operand, b: Operand, x: Operand) -> Node:
    """The integral of t**(a - 1) (1 - t)**(b - 1) from 0 to x, over beta(a, b): from 0 to 1.

    For a >= 0, b >= 0 and x from 0 to 1, else NaN. It has no gradient by `a` and `b`.
    """
    first, second, value = broadcast(*promoted(a, b, x))
    return _beta(shape_parameter(first), shape_parameter(second), value)
