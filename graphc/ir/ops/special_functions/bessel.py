"""Bessel functions of order 0 and 1, of both kinds, plain and modified, and Airy's function.

Formula numbers are those of the Digital Library of Mathematical Functions (https://dlmf.nist.gov).
What is computed in NumPy takes the steps of the device functions in `codegen/device/special.h`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import Op, surface
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    negative,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import elementwise, require_float
from graphc.ir.ops.elementwise.logic import equal, greater, where
from graphc.ir.ops.elementwise.transcendental import exp, slope, sqrt
from graphc.ir.ops.special_functions.error_and_gamma import EULER, in_doubles

__all__: list[str] = []

Array = np.ndarray[Any, Any]

_PAIRS = 32
"""Steps of J. Miller's algorithm, each of two orders."""
_FAR_TERMS = 24


def _alternating(step: Callable[[int, Array], tuple[Array, Array]], one: Array) -> Any:
    """Sums over even and over odd k of (-1)**(k // 2) times the terms, which begin with 1.

    `step(k, factor)` gives the next factor, and the term that it makes.
    """
    even, odd, factor = one, np.zeros_like(one), one
    for k in range(1, _FAR_TERMS):
        factor, term = step(k, factor)
        signed = -term if k & 2 else term
        even, odd = (even, odd + signed) if k & 1 else (even + signed, odd)
    return even, odd


# -- J and Y --------------------------------------------------------------------------------------

_NEAR = 25.0


def _bessel_near(x: Array, order: int, is_second: bool) -> Array:
    """In terms of j(n) = J(n) / (x/2)**n: j(n - 1) = n j(n) - t j(n + 1) for t = x**2 / 4."""
    t = 0.25 * x * x
    even, odd, scale, even_sum, odd_sum = np.ones_like(x), *(np.zeros_like(x) for _ in range(4))
    for k in range(_PAIRS, 0, -1):
        scale = scale * t + 2.0 * even
        even_sum = even / k - even_sum * t
        odd_sum = odd * (1.0 / k + 1.0 / (k + 1)) - odd_sum * t
        odd = 2.0 * k * even - t * odd
        even = (2.0 * k - 1.0) * odd - t * even
    scale = scale * t + even
    j0, j1 = even / scale, 0.5 * x * (odd / scale)
    if not is_second:
        return np.asarray(j1 if order else j0)
    logarithm = np.log(0.5 * x) + EULER
    y0 = logarithm * j0 + 2.0 * t * (even_sum / scale)
    y1 = logarithm * j1 - j0 / x - j1 + 0.5 * x * t * (odd_sum / scale)
    return np.asarray(2 / math.pi * (y1 if order else y0))


def _bessel_far(x: Array, order: int, is_second: bool) -> Array:
    """Hankel's expansion (10.17.3 and 10.17.4) for positive numbers."""

    def step(k: int, factor: Array) -> tuple[Array, Array]:
        base = 2.0 * k - 1.0
        factor = factor * (4.0 * order - base * base) / (8.0 * k * x)
        return factor, factor

    p, q = _alternating(step, np.ones_like(x))
    sine, cosine = np.sin(x), np.cos(x)
    along, across = math.sqrt(0.5) * (cosine + sine), math.sqrt(0.5) * (sine - cosine)
    c, s = (across, -along) if order else (along, across)
    turned = p * s + q * c if is_second else p * c - q * s
    return np.asarray(np.sqrt(2 / math.pi / x) * turned)


def _bessel(order: int, is_second: bool) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        size = np.abs(x)
        is_far = size > _NEAR
        near = _bessel_near(np.where(is_far, 1.0, x), order, is_second)
        far = _bessel_far(np.where(is_far, size, 30.0), order, is_second)
        value = np.where(is_far, np.where((x < 0) & (order == 1), -far, far), near)
        value = np.where(np.isinf(x), 0.0, value)
        if not is_second:
            return value
        return np.where(x > 0, value, np.where(x == 0, -np.inf, np.nan))

    return in_doubles(compute)  # type: ignore[no-any-return]


def _by_order_zero(of_zero: Callable[[Node], Node]) -> Callable[[Node, Node], Node]:
    """The derivative of J or Y of order 1, which is 1/2 at 0 for J."""

    def derivative(x: Node, y: Node) -> Node:
        is_zero = equal(x, zeros_like(x))
        quotient = divide(y, where(is_zero, ones_like(x), x))
        half = constant_like(0.5, x)
        return subtract(of_zero(x), where(is_zero, half, quotient))

    return derivative


bessel_j0: Op = elementwise(
    "bessel_j0",
    1,
    _bessel(0, False),
    "The Bessel function of the first kind, of order 0.",
    gradient=slope(lambda x, y: negative(bessel_j1(x))),
    cheap=False,
    aliases=("j0",),
)
bessel_j1: Op = elementwise(
    "bessel_j1",
    1,
    _bessel(1, False),
    "The Bessel function of the first kind, of order 1.",
    gradient=slope(_by_order_zero(bessel_j0)),
    cheap=False,
    aliases=("j1",),
)
bessel_y0: Op = elementwise(
    "bessel_y0",
    1,
    _bessel(0, True),
    "The Bessel function of the second kind, of order 0: -inf at 0, NaN below.",
    gradient=slope(lambda x, y: negative(bessel_y1(x))),
    cheap=False,
    domain=(1.0, 3.75),
    aliases=("y0",),
)
bessel_y1: Op = elementwise(
    "bessel_y1",
    1,
    _bessel(1, True),
    "The Bessel function of the second kind, of order 1: -inf at 0, NaN below.",
    gradient=slope(lambda x, y: subtract(bessel_y0(x), divide(y, x))),
    cheap=False,
    domain=(0.25, 2.0),
    aliases=("y1",),
)

# -- K --------------------------------------------------------------------------------------------


def _k_near(x: Array, order: int) -> Array:
    """The power series (10.31.1 and 10.31.2)."""
    t, logarithm = 0.25 * x * x, np.log(0.5 * x) + EULER
    power, harmonic, total = np.ones_like(x), 0.0, np.zeros_like(x)
    for k in range(16):
        following = harmonic + 1.0 / (k + 1)
        factor = 2.0 * logarithm - harmonic - following if order else harmonic - logarithm
        total = total + power * factor
        power = power * t / ((k + 1.0) * (k + 1.0 + order))
        harmonic = following
    return np.asarray(np.exp(x) * (1.0 / x + 0.25 * x * total if order else total))


def _k_far(x: Array, order: int) -> Array:
    """The integral 10.32.9 with u**2 = x (cosh t - 1), by the trapezoidal rule of step 1/3."""
    weight, ratio, total = 1.0, math.exp(-1 / 9), np.full_like(x, 0.5)
    for k in range(1, 20):
        square = k * k / 9.0 / x
        weight *= ratio
        ratio *= math.exp(-2 / 9)
        total = total + weight * (1.0 + square if order else 1.0) / np.sqrt(1.0 + 0.5 * square)
    return np.asarray(np.sqrt(2.0 / x) * total / 3.0)


def _scaled_k(order: int) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        is_near = x <= 2
        value = np.where(
            is_near,
            _k_near(np.where(is_near, x, 1.0), order),
            _k_far(np.where(is_near, 4.0, x), order),
        )
        return np.where(x > 0, value, np.where(x == 0, np.inf, np.nan))

    return in_doubles(compute)  # type: ignore[no-any-return]


k0e: Op = elementwise(
    "k0e",
    1,
    _scaled_k(0),
    "exp(x) times the modified Bessel function of the second kind, of order 0.",
    gradient=slope(lambda x, y: subtract(y, k1e(x))),
    cheap=False,
    domain=(0.25, 4.0),
    aliases=("scaled_modified_bessel_k0",),
)
k1e: Op = elementwise(
    "k1e",
    1,
    _scaled_k(1),
    "exp(x) times the modified Bessel function of the second kind, of order 1.",
    gradient=slope(lambda x, y: subtract(subtract(y, k0e(x)), divide(y, x))),
    cheap=False,
    domain=(0.25, 4.0),
    aliases=("scaled_modified_bessel_k1",),
)


@surface("k0", "modified_bessel_k0")
@rounded_once
def k0(x: Node) -> Node:
    """The modified Bessel function of the second kind, of order 0: inf at 0, NaN below."""
    return multiply(k0e(x), exp(negative(x)))


@surface("k1", "modified_bessel_k1")
@rounded_once
def k1(x: Node) -> Node:
    """The modified Bessel function of the second kind, of order 1: inf at 0, NaN below."""
    return multiply(k1e(x), exp(negative(x)))


# -- Airy's function ------------------------------------------------------------------------------


def _fractional(nu: float, t: Array) -> tuple[Array, Array]:
    """J of order nu and nu + 1 over (z/2)**order, for t = z**2 / 4, times gamma(nu).

    By Miller's algorithm, scaled by the sum 10.23.15.
    """
    even, odd, scale = np.ones_like(t), np.zeros_like(t), np.zeros_like(t)
    for k in range(_PAIRS, 0, -1):
        scale = (nu + 2.0 * k) * even + scale * t * ((nu + k) / (k + 1.0))
        odd = (nu + 2.0 * k) * even - t * odd
        even = (nu + 2.0 * k - 1.0) * odd - t * even
    scale = nu * even + scale * t * nu
    return even / scale, odd / scale


def _airy_middle(x: Array, is_slope: bool) -> Array:
    """By Bessel functions of order 1/3 and 2/3 (9.6.6 and 9.6.7)."""
    t = x * x * x / -9.0
    third, after_third = _fractional(1 / 3, t)
    thirds, after_thirds = _fractional(2 / 3, t)
    below_third = third / 3.0 - t * after_third
    below_thirds = thirds * (2 / 3) - t * after_thirds
    # Over gamma(1/3) and gamma(2/3), with the powers of 3 in (z/2)**nu.
    if is_slope:
        return np.asarray(x * x * thirds * 0.11834268462927242 - below_third * 0.2588194037928068)
    return np.asarray(below_thirds * 0.3550280538878172 - x * third * 0.08627313459760229)


def _airy_positive(x: Array, is_slope: bool) -> Array:
    """Along the path of steepest descent (9.5.4), by the trapezoidal rule of step 1/5."""
    root = np.sqrt(x)
    quarter, zeta = np.sqrt(root), x * root * (2 / 3)
    weight, ratio, total = 1.0, math.exp(-1 / 25), np.full_like(x, 0.5)
    for k in range(1, 32):
        u = k / 5.0
        angle = u * u * u / (3.0 * root * quarter)
        weight *= ratio
        ratio *= math.exp(-2 / 25)
        turned = np.sin(angle) * u / (root * quarter) if is_slope else 0.0
        total = total + weight * (np.cos(angle) + turned)
    value = np.exp(-zeta) * total / (5.0 * math.pi)
    return np.asarray(-value * quarter if is_slope else value / quarter)


def _airy_negative(size: Array, is_slope: bool) -> Array:
    """At -size: 9.7.9 and 9.7.10."""
    root = np.sqrt(size)
    quarter, zeta = np.sqrt(root), size * root * (2 / 3)

    def step(k: int, factor: Array) -> tuple[Array, Array]:
        factor = factor * (6.0 * k - 5.0) * (6.0 * k - 1.0) / (72.0 * k * zeta)
        return factor, factor * (6.0 * k + 1.0) / (1.0 - 6.0 * k) if is_slope else factor

    p, q = _alternating(step, np.ones_like(size))
    sine, cosine = np.sin(zeta), np.cos(zeta)
    along, across = cosine + sine, sine - cosine
    value = (across * p - along * q) * quarter if is_slope else (along * p + across * q) / quarter
    return np.asarray(value / math.sqrt(2 * math.pi))


def _airy(is_slope: bool) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        is_high, is_low = x > 1.4, x < -11.0
        value = np.where(
            is_high,
            _airy_positive(np.where(is_high, x, 2.0), is_slope),
            _airy_middle(np.where(is_high | is_low, 0.0, x), is_slope),
        )
        value = np.where(is_low, _airy_negative(np.where(is_low, -x, 20.0), is_slope), value)
        at_infinity = np.where((x < 0) & is_slope, np.nan, 0.0)
        return np.where(np.isinf(x), at_infinity, value)

    return in_doubles(compute)  # type: ignore[no-any-return]


airy_ai: Op = elementwise(
    "airy_ai",
    1,
    _airy(False),
    "Airy's function Ai.",
    gradient=slope(lambda x, y: airy_ai_slope(x)),
    cheap=False,
)
airy_ai_slope: Op = elementwise(
    "airy_ai_slope",
    1,
    _airy(True),
    "The derivative of Airy's function Ai.",
    gradient=slope(lambda x, y: multiply(x, airy_ai(x))),
    cheap=False,
    domain=(-0.9, 2.5),
)

# -- I --------------------------------------------------------------------------------------------

_I_FAR = 30.0
_I_TERMS = 50
_I_FAR_TERMS = 20


def _polynomial(coefficients: list[float], x: Node) -> Node:
    total = constant_like(coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        total = add(multiply(total, x), constant_like(coefficient, x))
    return total


def _scaled_down(x: Node, order: int) -> Node:
    """exp(-|x|) times the function."""
    size, bound = absolute(x), constant_like(_I_FAR, x)
    is_far = greater(size, bound)
    # Terms of (x/2)**2 / 100, which stay within the range of f32.
    near = where(is_far, bound, x)
    square = scaled(multiply(near, near), 0.25 / 100)
    series = [100.0**k / (math.factorial(k) * math.factorial(k + order)) for k in range(_I_TERMS)]
    inner = multiply(_polynomial(series, square), exp(negative(absolute(near))))
    inner = multiply(inner, scaled(near, 0.5)) if order else inner
    far, term, tail = where(is_far, size, bound), 1.0, [1.0]
    for k in range(1, _I_FAR_TERMS):
        term *= -(4 * order**2 - (2 * k - 1) ** 2) / (8 * k)
        tail.append(term)
    root = scaled(sqrt(far), math.sqrt(2 * math.pi))
    outer = divide(_polynomial(tail, divide(ones_like(far), far)), root)
    if order:
        outer = where(greater(x, constant_like(0, x)), outer, negative(outer))
    return where(is_far, outer, inner)


def _modified(x: Node, order: int, is_scaled: bool) -> Node:
    """Computed in f32 at least: f16 holds neither the coefficients nor the exponential."""
    require_float(f"i{order}e" if is_scaled else f"i{order}", x.dtype)
    wide = cast_to(x, x.dtype.accumulator)
    value = _scaled_down(wide, order)
    if not is_scaled:
        # The exponential may be infinite where its product is not.
        half = exp(scaled(absolute(wide), 0.5))
        value = multiply(multiply(value, half), half)
    return cast_to(value, x.dtype)


@surface("i0e", "bessel_i0e")
def i0e(x: Node) -> Node:
    """exp(-|x|) * i0(x)."""
    return _modified(x, 0, True)


@surface("i0", "modified_bessel_i0")
def i0(x: Node) -> Node:
    """The modified Bessel function of order 0."""
    return _modified(x, 0, False)


@surface("i1e", "bessel_i1e")
def i1e(x: Node) -> Node:
    """exp(-|x|) * i1(x)."""
    return _modified(x, 1, True)


@surface("i1", "modified_bessel_i1")
def i1(x: Node) -> Node:
    """The modified Bessel function of order 1."""
    return _modified(x, 1, False)
