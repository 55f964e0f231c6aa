"""Orthogonal polynomials of degrees that may be data, by their recurrences.

Three ops, each with the parameter of which its derivative has the next, so that every derivative
is one of them (Digital Library of Mathematical Functions, 18.9.1, 18.9.19, 18.9.23 and 18.9.25).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir.node import Node
from graphc.ir.op import Op, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, negative, scaled, subtract, trunc
from graphc.ir.ops.elementwise.declaration import elementwise, require_float
from graphc.ir.ops.special_functions.error_and_gamma import MOST_STEPS, in_doubles

__all__: list[str] = []

Array = np.ndarray[Any, Any]

Recurrence = Callable[[int, Array, Array, Array, Array], Array]
"""The value of degree k + 1 from k, the number, the parameter, and those of degree k and k - 1."""


def _of_degree(recurrence: Recurrence) -> Callable[..., Array]:
    def compute(x: Array, n: Array, a: Array) -> Array:
        is_number = n <= MOST_STEPS
        before, value = np.zeros_like(x), np.where(n >= 0, 1.0, 0.0)
        steps = int(np.ceil(np.max(n, where=is_number, initial=0.0)))
        for k in range(steps):
            is_open = k < n
            after = recurrence(k, x, a, value, before)
            before, value = np.where(is_open, value, before), np.where(is_open, after, value)
        return np.where(is_number, value, np.nan)

    return in_doubles(compute)  # type: ignore[no-any-return]


def _polynomial(name: str, recurrence: Recurrence, doc: str, derivative: Callable[..., Node]) -> Op:
    def gradient(node: Node, g: Node) -> tuple[Node | None, ...]:
        x, n, a = node.inputs
        return multiply(g, derivative(x, subtract(n, ones_like(n)), a)), None, None

    return elementwise(
        name,
        3,
        _of_degree(recurrence),
        doc,
        gradient=gradient,
        cheap=False,
        smooth=False,
        is_offered=False,
    )


gegenbauer: Op = _polynomial(
    "gegenbauer",
    lambda k, x, a, value, before: (
        (2.0 * (k + a) * x * value - (k + 2.0 * a - 1.0) * before) / (k + 1.0)
    ),
    "The Gegenbauer polynomial of degree n with parameter a.",
    lambda x, n, a: multiply(scaled(a, 2.0), gegenbauer(x, n, add(a, ones_like(a)))),
)
laguerre: Op = _polynomial(
    "laguerre",
    lambda k, x, a, value, before: ((2.0 * k + 1.0 + a - x) * value - (k + a) * before) / (k + 1.0),
    "The Laguerre polynomial of degree n with parameter a.",
    lambda x, n, a: negative(laguerre(x, n, add(a, ones_like(a)))),
)
hermite: Op = _polynomial(
    "hermite",
    lambda k, x, a, value, before: a * (x * value - k * before),
    "The Hermite polynomial of degree n, of probabilists for a = 1 and of physicists for a = 2.",
    lambda x, n, a: multiply(multiply(a, add(n, ones_like(n))), hermite(x, n, a)),
)


def _operands(name: str, x: Operand, n: Operand) -> tuple[Node, Node]:
    """The number and the degree, rounded toward zero, as tensors of one type."""
    if isinstance(n, Node) and n.dtype.kind == "float":
        value, degree = promoted(x, n)
    else:
        (value,), (degree,) = promoted(x), promoted(n)
    require_float(name, value.dtype)
    if degree.dtype.kind == "complex":
        raise DTypeError(
            f"{name}: the degree is {degree.dtype.name}",
            code="dtype-unsupported",
            hint="give a whole number, or a tensor of them",
        )
    if degree.dtype.kind == "float":
        degree = trunc(degree)
    a, b = broadcast(value, cast_to(degree, value.dtype))
    return a, b


def _offer(name: str, polynomial: Callable[[Node, Node], Node], what: str) -> None:
    def call(x: Operand, n: Operand) -> Node:
        return polynomial(*_operands(name, x, n))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"The {what} polynomial of degree `n`, a number or a tensor: 0 for n < 0."
    surface(name)(rounded_once(call))


def _ultraspherical(x: Node, n: Node, a: float) -> Node:
    return gegenbauer(x, n, constant_like(a, x))


def _second(x: Node, n: Node) -> Node:
    return _ultraspherical(x, n, 1.0)


def _before(n: Node) -> Node:
    return subtract(n, ones_like(n))


CHEBYSHEV: dict[str, tuple[Callable[[Node, Node], Node], str]] = {
    "t": (lambda x, n: subtract(_second(x, n), multiply(x, _second(x, _before(n)))), "first"),
    "u": (_second, "second"),
    "v": (lambda x, n: subtract(_second(x, n), _second(x, _before(n))), "third"),
    "w": (lambda x, n: add(_second(x, n), _second(x, _before(n))), "fourth"),
}
"""The four kinds, by those of the second (18.9.9 to 18.9.12)."""


def _shifted(polynomial: Callable[[Node, Node], Node]) -> Callable[[Node, Node], Node]:
    """The polynomial over the interval from 0 to 1."""
    return lambda x, n: polynomial(subtract(scaled(x, 2.0), ones_like(x)), n)


for _kind, (_function, _ordinal) in CHEBYSHEV.items():
    _name = f"chebyshev_polynomial_{_kind}"
    _offer(_name, _function, f"Chebyshev {_ordinal}-kind")
    _offer(f"shifted_{_name}", _shifted(_function), f"shifted Chebyshev {_ordinal}-kind")
_offer("legendre_polynomial_p", lambda x, n: _ultraspherical(x, n, 0.5), "Legendre")
_offer("laguerre_polynomial_l", lambda x, n: laguerre(x, n, constant_like(0.0, x)), "Laguerre")
_offer(
    "hermite_polynomial_h", lambda x, n: hermite(x, n, constant_like(2.0, x)), "physicists' Hermite"
)
_offer(
    "hermite_polynomial_he",
    lambda x, n: hermite(x, n, constant_like(1.0, x)),
    "probabilists' Hermite",
)
