"""Functions made from the gamma function: zeta, polygamma, beta, factorials, their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.errors import UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    divide,
    floor,
    maximum,
    minimum,
    multiply,
    negative,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import require_float
from graphc.ir.ops.elementwise.logic import equal, greater, less, less_equal, where
from graphc.ir.ops.elementwise.transcendental import exp, log, log1p
from graphc.ir.ops.special_functions.error_and_gamma import digamma, lgamma, trigamma
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.sizes import require_steps

__all__: list[str] = []

F = functions

# B(2k) / (2k)!, of the formula of Euler and Maclaurin.
_TAIL = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)
_TERMS = 12


@surface("zeta")
@rounded_once
def zeta(s: Operand, q: Operand = 1) -> Node:
    """The zeta function of Hurwitz: the sum of (q + k) ** -s for k = 0, 1, ..., for s > 1.

    Infinite where s is 1 or q a whole number of 0 or less; NaN for s < 1, and for other q < 0.
    The first terms are added, the rest follows from the formula of Euler and Maclaurin
    (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 23.1.4 and 23.2.9).
    """
    power, start = broadcast(*promoted(s, q))
    one, zero = ones_like(start), zeros_like(start)
    is_inside = greater(start, zero)
    is_infinite = F["isinf"](start)
    place, total = where(F["logical_and"](is_inside, F["isfinite"](start)), start, one), zero
    raised = F["power"]
    for _ in range(_TERMS):
        total = add(total, raised(place, negative(power)))
        place = add(place, one)
    less_one = subtract(power, one)
    last = raised(place, negative(power))
    total = add(total, add(divide(multiply(last, place), less_one), scaled(last, 0.5)))
    # s (s + 1) ... (s + 2k) / place ** (s + 2k + 1)
    factor, step = divide(multiply(last, power), place), power
    for coefficient in _TAIL:
        total = add(total, scaled(factor, coefficient))
        for _ in range(2):
            step = add(step, one)
            factor = divide(multiply(factor, step), place)
    outside = where(equal(floor(start), start), constant_like(math.inf, total), _nan(total))
    total = where(is_inside, where(is_infinite, zero, total), outside)
    at_one = where(equal(power, one), constant_like(math.inf, total), _nan(total))
    return where(greater(power, one), total, at_one)


def _nan(x: Node) -> Node:
    return constant_like(math.nan, x)


MOST_DERIVATIVES = 30
"""Factorials up to this one are within the range of f32."""


@surface("polygamma")
@rounded_once
def polygamma(n: int | Node, x: Node) -> Node:
    """The derivative of order `n` of digamma; from order 2 on of positive `x`.

    (-1) ** (n + 1) * n! * zeta(n + 1, x). Where the orders are a tensor, from order 1 on of
    positive `x`.
    """
    if isinstance(n, Node):
        return _polygamma_of_orders(n, x)
    if not 0 <= n <= MOST_DERIVATIVES:
        raise UsageError(f"polygamma: order {n}", hint=f"orders are 0 to {MOST_DERIVATIVES}")
    if n < 2:
        return digamma(x) if n == 0 else trigamma(x)
    return scaled(zeta(n + 1, x), (-1.0) ** (n + 1) * math.factorial(n))


def _polygamma_of_orders(n: Node, x: Node) -> Node:
    order, place = broadcast(stop_gradient(cast_to(n, x.dtype)), x)
    zero, one = zeros_like(order), ones_like(order)
    is_first = equal(order, zero)
    safe = add(where(is_first, one, order), one)
    is_odd = equal(F["remainder"](order, constant_like(2, order)), one)
    size = multiply(exp(lgamma(safe)), zeta(safe, place))
    return where(is_first, digamma(place), where(is_odd, size, negative(size)))


@surface("multigammaln", "mvlgamma")
@also_named(p="d")
@rounded_once
def multigammaln(x: Node, d: int) -> Node:
    """The logarithm of the multivariate gamma function of dimension `d`, for x > (d - 1) / 2."""
    if d < 1:
        raise UsageError(f"multigammaln: dimension {d}", hint="give a whole number of 1 or more")
    require_steps("multigammaln", d)
    total = constant_like(d * (d - 1) / 4 * math.log(math.pi), x)
    for j in range(d):
        total = add(total, lgamma(subtract(x, constant_like(j / 2, x))))
    low = constant_like((d - 1) / 2, x)
    return where(less_equal(x, low), _nan(x), total) if d > 1 else total


# -- ratios of gamma functions --------------------------------------------------------------------

# Logarithms of gamma functions of large numbers differ by little of their size: what is left of
# Stirling's formula (M. Abramowitz and I. Stegun, 6.1.41) has no large terms that cancel
# (A. DiDonato and A. Morris, "Algorithm 708", 1992).
_LARGE = 10.0
_STIRLING = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)


def _in_doubles(name: str, compute: Callable[..., Node], *operands: Operand) -> Node:
    """A composition of broadcast operands that is computed in f64, and rounded once."""
    given = broadcast(*promoted(*operands))
    require_float(name, given[0].dtype)
    return cast_to(compute(*(cast_to(one, dtypes.f64) for one in given)), given[0].dtype)


def _correction(x: Node) -> Node:
    """What is left of log(gamma(x)) by Stirling's formula, of large x."""
    inverse = divide(ones_like(x), x)
    square, total = multiply(inverse, inverse), zeros_like(x)
    for coefficient in _STIRLING:
        total = add(multiply(total, square), constant_like(coefficient, x))
    return multiply(total, inverse)


def _log_ratio(x: Node, m: Node) -> Node:
    """log(|gamma(x) / gamma(x + m)|)."""
    total, large = add(x, m), constant_like(_LARGE, x)
    is_large = F["logical_and"](greater(x, large), greater(total, large))
    is_large = F["logical_and"](is_large, F["isfinite"](total))
    near = subtract(lgamma(where(is_large, large, x)), lgamma(where(is_large, large, total)))
    place, step = where(is_large, x, large), where(is_large, m, zeros_like(m))
    end = add(place, step)
    slow = multiply(subtract(end, constant_like(0.5, end)), log1p(divide(step, place)))
    far = subtract(subtract(step, slow), multiply(step, log(place)))
    return where(is_large, add(far, subtract(_correction(place), _correction(end))), near)


def _is_pole(x: Node) -> Node:
    """Whether gamma is infinite: at 0 and the negative whole numbers."""
    is_whole = F["logical_and"](equal(floor(x), x), F["isfinite"](x))
    return F["logical_and"](is_whole, less_equal(x, zeros_like(x)))  # type: ignore[no-any-return]


def _power_of_minus_one(n: Node) -> Node:
    is_odd = equal(F["remainder"](n, constant_like(2, n)), ones_like(n))
    return where(is_odd, negative(ones_like(n)), ones_like(n))


def _or_positive(sign: Node) -> Node:
    """A product of signs of gamma; where poles have none, that of what is infinite or 0."""
    return where(F["isnan"](sign), ones_like(sign), sign)


def _is_of_poles(x: Node, m: Node) -> Node:
    """Whether gamma(x) and gamma(x + m) are infinite, where their quotient is finite."""
    both = F["logical_and"](_is_pole(x), _is_pole(add(x, m)))
    return F["logical_and"](both, equal(floor(m), m))  # type: ignore[no-any-return]


def _has_limit(x: Node, y: Node) -> Node:
    """Whether gamma(x) gamma(y) / gamma(x + y) is finite at poles."""
    return F["logical_and"](_is_of_poles(x, y), greater(y, zeros_like(y)))  # type: ignore[no-any-return]


def _betaln(x: Node, y: Node) -> Node:
    low, high = minimum(x, y), maximum(x, y)
    has_limit = _has_limit(low, high)
    # By reflection gamma(x) / gamma(x + y) is gamma(1 - x - y) / gamma(1 - x), but for the sign.
    low = where(has_limit, subtract(ones_like(low), add(low, high)), low)
    small, large = minimum(low, high), maximum(low, high)
    bound = constant_like(_LARGE, x)
    are_large = F["logical_and"](greater(small, bound), F["isfinite"](add(x, y)))
    near = where(are_large, ones_like(small), small)
    value = add(lgamma(near), _log_ratio(where(are_large, bound, large), near))
    p, q = where(are_large, small, bound), where(are_large, large, bound)
    ratio, half = divide(p, q), constant_like(0.5, p)
    far = multiply(subtract(p, half), log(ratio))
    far = subtract(far, multiply(subtract(add(p, q), half), log1p(ratio)))
    far = add(far, subtract(constant_like(0.5 * math.log(2 * math.pi), p), scaled(log(q), 0.5)))
    rest = subtract(add(_correction(p), _correction(q)), _correction(add(p, q)))
    is_limit = F["logical_and"](F["isposinf"](large), greater(small, zeros_like(small)))
    at_limit = constant_like(-math.inf, value)
    value = where(is_limit, at_limit, where(are_large, add(far, rest), value))
    is_pole = F["logical_or"](_is_pole(small), _is_pole(large))
    return where(is_pole, constant_like(math.inf, value), value)


@surface("betaln")
def betaln(x: Operand, y: Operand) -> Node:
    """The logarithm of the size of the beta function, gamma(x) * gamma(y) / gamma(x + y)."""
    return _in_doubles("betaln", _betaln, x, y)


@surface("beta")
def beta(x: Operand, y: Operand) -> Node:
    """The beta function, gamma(x) * gamma(y) / gamma(x + y): 0 where the last alone is infinite.

    Where two of them are, at whole numbers, it is the limit for whole numbers y.
    """

    def compute(a: Node, b: Node) -> Node:
        low, high = minimum(a, b), maximum(a, b)
        sign = _or_positive(multiply(multiply(gammasgn(a), gammasgn(b)), gammasgn(add(a, b))))
        sign = where(_has_limit(low, high), _power_of_minus_one(high), sign)
        return multiply(sign, exp(_betaln(a, b)))

    return _in_doubles("beta", compute, x, y)


@surface("comb")
def comb(n: Operand, k: Operand, repetition: bool = False) -> Node:
    """The number of ways to choose k of n things, in floats: 0 for k < 0 and for k > n.

    1 / ((n + 1) beta(n - k + 1, k + 1)), for numbers between whole ones as well. With `repetition`
    each may be chosen several times: 1 / ((n + k) beta(n, k + 1)), and 0 for k < 0 and n < 0.
    """

    def compute(a: Node, b: Node) -> Node:
        zero, one = zeros_like(a), ones_like(a)
        has_none = less_equal(a, zero) if repetition else greater(b, a)
        is_outside = F["logical_or"](F["logical_or"](less(b, zero), has_none), less(a, zero))
        top, chosen = where(is_outside, one, a), where(is_outside, one, b)
        left = top if repetition else add(subtract(top, chosen), one)
        size = exp(negative(_betaln(left, add(chosen, one))))
        ways = where(is_outside, zero, divide(size, add(top, chosen if repetition else one)))
        if not repetition:
            return ways
        return where(F["logical_and"](equal(a, zero), equal(b, zero)), one, ways)

    return _in_doubles("comb", compute, n, k)


@surface("poch")
def poch(x: Operand, m: Operand) -> Node:
    """x (x + 1) ... (x + m - 1), as gamma(x + m) / gamma(x)."""

    def compute(a: Node, b: Node) -> Node:
        total = add(a, b)
        is_reflected = _is_of_poles(a, b)
        start = where(is_reflected, subtract(ones_like(total), total), a)
        sign = _or_positive(multiply(gammasgn(total), gammasgn(a)))
        sign = where(is_reflected, _power_of_minus_one(b), sign)
        return multiply(sign, exp(negative(_log_ratio(start, b))))

    return _in_doubles("poch", compute, x, m)


# -- gamma and its sign ---------------------------------------------------------------------------


@surface("gammasgn")
def gammasgn(x: Node) -> Node:
    """The sign of the gamma function: 1 or -1; NaN at negative whole numbers and -inf."""
    whole = floor(x)
    is_odd = equal(F["remainder"](whole, constant_like(2, x)), ones_like(x))
    sign = where(is_odd, negative(ones_like(x)), ones_like(x))
    below = where(equal(whole, x), _nan(x), sign)
    at_zero = F["copysign"](ones_like(x), x)
    positive = where(greater(x, zeros_like(x)), ones_like(x), at_zero)
    is_number = F["logical_or"](F["isnan"](x), less(x, zeros_like(x)))
    return where(is_number, where(F["isnan"](x), x, below), positive)


@surface("gamma")
def gamma(x: Node) -> Node:
    """The gamma function, exp(lgamma(x)) with its sign."""
    return _in_doubles("gamma", lambda wide: multiply(gammasgn(wide), exp(lgamma(wide))), x)


@surface("factorial")
@rounded_once
def factorial(x: Node) -> Node:
    """gamma(x + 1): x! of whole numbers, 0 of negative ones, in floats."""
    value = exp(lgamma(add(x, ones_like(x))))
    return where(less(x, zeros_like(x)), zeros_like(x), value)


@surface("rel_entr")
@rounded_once
def rel_entr(x: Operand, y: Operand) -> Node:
    """x * log(x / y); 0 where x is 0 and y is not negative, inf where either is below that."""
    a, b = broadcast(*promoted(x, y))
    zero, one = zeros_like(a), ones_like(a)
    both = F["logical_and"](greater(a, zero), greater(b, zero))
    safe_a, safe_b = where(both, a, one), where(both, b, one)
    inside = multiply(safe_a, subtract(log(safe_a), log(safe_b)))
    is_zero = F["logical_and"](equal(a, zero), F["greater_equal"](b, zero))
    outside = where(is_zero, zero, constant_like(math.inf, a))
    value = where(both, inside, outside)
    return where(F["logical_or"](F["isnan"](a), F["isnan"](b)), add(a, b), value)
