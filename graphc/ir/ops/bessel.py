"""Modified Bessel functions of the first kind, of order 0 and 1.

Power series up to `_FAR`, where no term is negative, and asymptotic series beyond (M. Abramowitz
and I. Stegun, "Handbook of Mathematical Functions", 9.6.10 and 9.7.1).
"""

from __future__ import annotations

import math

from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.arithmetic import absolute, add, divide, multiply, negative, scaled
from graphc.ir.ops.creation import constant_like, ones_like
from graphc.ir.ops.logic import greater, where
from graphc.ir.ops.transcendental import exp, sqrt

__all__: list[str] = []

_FAR = 30.0
_TERMS = 50
_FAR_TERMS = 20


def _polynomial(coefficients: list[float], x: Node) -> Node:
    total = constant_like(coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        total = add(multiply(total, x), constant_like(coefficient, x))
    return total


def _scaled_down(x: Node, order: int) -> Node:
    """exp(-|x|) times the function."""
    size, bound = absolute(x), constant_like(_FAR, x)
    is_far = greater(size, bound)
    # Terms of (x/2)**2 / 100, which stay within the range of f32.
    near = where(is_far, bound, x)
    square = scaled(multiply(near, near), 0.25 / 100)
    series = [100.0**k / (math.factorial(k) * math.factorial(k + order)) for k in range(_TERMS)]
    inner = multiply(_polynomial(series, square), exp(negative(absolute(near))))
    inner = multiply(inner, scaled(near, 0.5)) if order else inner
    far, term, tail = where(is_far, size, bound), 1.0, [1.0]
    for k in range(1, _FAR_TERMS):
        term *= -(4 * order**2 - (2 * k - 1) ** 2) / (8 * k)
        tail.append(term)
    root = sqrt(scaled(far, 2 * math.pi))
    outer = divide(_polynomial(tail, divide(ones_like(far), far)), root)
    if order:
        outer = where(greater(x, constant_like(0, x)), outer, negative(outer))
    return where(is_far, outer, inner)


@surface("i0e")
def i0e(x: Node) -> Node:
    """exp(-|x|) * i0(x)."""
    return _scaled_down(x, 0)


@surface("i0")
def i0(x: Node) -> Node:
    """The modified Bessel function of order 0."""
    return multiply(_scaled_down(x, 0), exp(absolute(x)))


@surface("i1e")
def i1e(x: Node) -> Node:
    """exp(-|x|) * i1(x)."""
    return _scaled_down(x, 1)


@surface("i1")
def i1(x: Node) -> Node:
    """The modified Bessel function of order 1."""
    return multiply(_scaled_down(x, 1), exp(absolute(x)))
