"""The distribution function of the normal distribution, its logarithm and its inverse."""

from __future__ import annotations

import math

from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative, scaled, subtract
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.elementwise.logic import equal, greater, less, where
from graphc.ir.ops.elementwise.transcendental import exp, log, log1p, sqrt
from graphc.ir.ops.special_functions.error_and_gamma import erfc, erfinv

__all__: list[str] = []

_SQRT_HALF = math.sqrt(0.5)
_LOG_SQRT_TAU = 0.5 * math.log(2 * math.pi)


@surface("ndtr")
@rounded_once
def ndtr(x: Node) -> Node:
    """The probability that a standard normal number is below x."""
    return scaled(erfc(scaled(x, -_SQRT_HALF)), 0.5)


def _tail(x: Node) -> Node:
    """exp(x**2 / 2) * sqrt(2 pi) * ndtr(-x) for x >= 5, as a continued fraction of 1 / x.

    M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.2.14.
    """
    fraction = x
    for k in range(_FRACTIONS, 0, -1):
        fraction = add(x, divide(constant_like(k, x), fraction))
    return divide(ones_like(x), fraction)


_FRACTIONS = 24


@surface("log_ndtr")
@rounded_once
def log_ndtr(x: Node) -> Node:
    """log(ndtr(x)), accurate where ndtr underflows."""
    low = constant_like(-5.0, x)
    is_low = less(x, low)
    upper = where(is_low, low, x)
    far = where(is_low, negative(x), constant_like(5.0, x))
    below = subtract(log(_tail(far)), add(scaled(multiply(far, far), 0.5), _constant(x)))
    # Near 1 the logarithm is that of what is missing.
    missing = scaled(erfc(scaled(upper, _SQRT_HALF)), 0.5)
    is_high = greater(upper, ones_like(upper))
    high = log1p(negative(where(is_high, missing, constant_like(0.5, x))))
    middle = log(ndtr(where(is_high, ones_like(x), upper)))
    return where(is_low, below, where(is_high, high, middle))


def _constant(x: Node) -> Node:
    return constant_like(_LOG_SQRT_TAU, x)


@surface("ndtri")
def ndtri(p: Node) -> Node:
    """The number below which a standard normal one is with probability p.

    -inf for 0, inf for 1, NaN outside. In the tails a first value, from the leading terms of
    log(ndtr), is improved by Newton's method on that.
    """
    require_computable("ndtri", p.dtype)
    wide = cast_to(p, p.dtype.accumulator)
    limit = constant_like(0.02, wide)
    one = ones_like(wide)
    is_low = less(wide, limit)
    middle = scaled(
        erfinv(subtract(scaled(where(is_low, constant_like(0.5, wide), wide), 2), one)),
        math.sqrt(2),
    )
    inside = greater(wide, constant_like(0, wide))
    tail = where(is_low, where(inside, wide, limit), limit)
    goal = log(tail)
    size = sqrt(scaled(goal, -2.0))
    x = negative(subtract(size, divide(add(log(size), _constant(wide)), size)))
    for _ in range(4):
        # The derivative of log(ndtr) is the density over ndtr.
        value = log_ndtr(x)
        density = subtract(scaled(multiply(x, x), -0.5), _constant(wide))
        x = subtract(x, multiply(subtract(value, goal), exp(subtract(value, density))))
    below = where(inside, x, where(equal(wide, constant_like(0, wide)), _inf(wide, -1), _nan(wide)))
    return cast_to(where(is_low, below, middle), p.dtype)


def _inf(x: Node, sign: int) -> Node:
    return constant_like(sign * math.inf, x)


def _nan(x: Node) -> Node:
    return constant_like(math.nan, x)


@surface("erfcx")
@rounded_once
def erfcx(x: Node) -> Node:
    """exp(x**2) * erfc(x), without underflow where x is large."""
    bound = constant_like(5.0, x)
    is_large = greater(x, bound)
    near = where(is_large, bound, x)
    far = where(is_large, scaled(x, math.sqrt(2)), scaled(bound, math.sqrt(2)))
    return where(
        is_large,
        scaled(_tail(far), math.sqrt(2 / math.pi)),
        multiply(exp(multiply(near, near)), erfc(near)),
    )
