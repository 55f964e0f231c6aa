"""Polynomials as vectors of coefficients, that of the highest power first, as NumPy has them.

Their lengths are numbers, and no leading zeros are cut off: how many there are is data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, subtract

__all__: list[str] = []

F = functions

MOST_COEFFICIENTS = 1024
"""Each one is a step in the graph, where a polynomial is evaluated or divided."""


def _count(name: str, p: Node) -> int:
    """How many coefficients there are."""
    count = p.shape[0] if len(p.shape) == 1 else None
    if not isinstance(count, int) or not 1 <= count <= MOST_COEFFICIENTS:
        raise ShapeError(
            f"{name}: coefficients {p.type}",
            hint=f"expected a vector of known length, from 1 to {MOST_COEFFICIENTS}",
        )
    return count


@surface("polyval")
@rounded_once
def polyval(p: Node, x: Node) -> Node:
    """The polynomial with coefficients `p`, of the highest power first, at `x` (Horner's rule).

    That without coefficients is 0.

    Raises:
        ShapeError: `p` is no vector.
    """
    if len(p.shape) != 1:
        raise ShapeError(f"polyval: coefficients {p.type}", hint="expected a vector")
    (count,) = p.shape
    p, x = promoted(p, x)
    value = zeros_like(x)
    if not isinstance(count, int) or count > MOST_COEFFICIENTS:
        # A zero in front, so that there is a last step.
        rows = F["reshape"](F["pad"](p, ((1, 0),)), (count + 1, *(1,) * len(x.shape)))
        return F["index"](F["linear_recurrence"](x, rows, axis=0), (-1,))  # type: ignore[no-any-return]
    for place in range(count):
        value = add(multiply(value, x), F["broadcast_to"](F["index"](p, (place,)), x.shape))
    return value


def _aligned(name: str, p: Node, q: Node) -> tuple[Node, Node]:
    """Both with as many coefficients, the shorter one with zeros in front."""
    p, q = promoted(p, q)
    sizes = (_count(name, p), _count(name, q))
    first, second = (
        F["pad"](one, ((max(sizes) - size, 0),)) for one, size in zip((p, q), sizes, strict=True)
    )
    return first, second


@surface("polyadd")
def polyadd(p: Node, q: Node) -> Node:
    """The sum of two polynomials."""
    return add(*_aligned("polyadd", p, q))


@surface("polysub")
def polysub(p: Node, q: Node) -> Node:
    """The difference of two polynomials."""
    return subtract(*_aligned("polysub", p, q))


@surface("polymul")
def polymul(p: Node, q: Node) -> Node:
    """The product of two polynomials.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.polymul(np.array([1.0, 1.0]), np.array([1.0, -1.0]))
    array([ 1.,  0., -1.])
    """
    _count("polymul", p), _count("polymul", q)
    return F["convolve"](p, q)  # type: ignore[no-any-return]


@surface("polydiv")
@rounded_once
def polydiv(p: Node, q: Node) -> tuple[Node, Node]:
    """The quotient of two polynomials, and what remains, with a coefficient less than `q`."""
    p, q = promoted(p, q)
    count, size = _count("polydiv", p), _count("polydiv", q)
    if count < size:
        return F["zeros"]((1,), p.dtype), p
    first = F["index"](q, (0,))
    found, left = [], p
    for place in range(count - size + 1):
        found.append(F["divide"](F["index"](left, (place,)), first))
        taken = F["pad"](F["multiply"](q, found[-1]), ((place, count - size - place),))
        left = subtract(left, taken)
    if size == 1:
        return F["stack"](found), F["zeros"]((1,), p.dtype)
    return F["stack"](found), F["narrow"](left, 0, count - size + 1, size - 1)


@surface("polyder")
def polyder(p: Node, m: int = 1) -> Node:
    """The coefficients of the derivative of order `m`."""
    count = _count("polyder", p)
    if m < 0:
        raise UsageError(f"polyder: order {m}", hint="give 0 or more")
    factors = [math.perm(count - 1 - place, m) for place in range(count - m)]
    first = F["narrow"](p, 0, 0, len(factors))
    return F["multiply"](first, F["asarray"](factors, p.dtype))  # type: ignore[no-any-return]


@surface("polyint")
def polyint(p: Node, m: int = 1, k: PythonScalar | Sequence[PythonScalar] = 0) -> Node:
    """The coefficients of the integral of order `m`.

    k: the constant of integration at each order, one or a list of `m`.
    """
    count = _count("polyint", p)
    if not 0 <= m <= MOST_COEFFICIENTS - count:
        raise UsageError(f"polyint: order {m}", hint="give 0 or more")
    constants = list(k) if isinstance(k, list | tuple) else [k]
    if len(constants) == 1:
        constants *= m
    if len(constants) < m:
        raise UsageError(f"polyint: {len(constants)} constants for order {m}")
    for order in range(m):
        powers = F["arange"](count + order, 0, -1, dtype=p.dtype)
        p = F["pad"](F["divide"](p, powers), ((0, 1),), constants[order])
    return p


@surface("poly")
@rounded_once
def poly(x: Node) -> Node:
    """The coefficients of the polynomial with the roots `x` [N], or of that of a matrix [N, N]."""
    roots: Node = F["eigvals"](x) if len(x.shape) == 2 else x
    p: Node = F["ones"]((1,), x.dtype if roots is x else roots.dtype)
    for place in range(_count("poly", roots)):
        moved = F["multiply"](F["pad"](p, ((1, 0),)), F["index"](roots, (place,)))
        p = subtract(F["pad"](p, ((0, 1),)), moved)
    return F["real"](p) if len(x.shape) == 2 and x.dtype.kind == "float" else p


@surface("roots")
def roots(p: Node) -> Node:
    """Where a polynomial is 0, in no order: complex numbers, the eigenvalues of its companion.

    The first coefficient is not 0.
    """
    count = _count("roots", p) - 1
    if not count:
        return F["eigvals"](F["reshape"](F["narrow"](p, 0, 0, 0), (0, 0)))  # type: ignore[no-any-return]
    row = F["divide"](F["negative"](F["narrow"](p, 0, 1, count)), F["index"](p, (0,)))
    below = F["eye"](count - 1, count, dtype=p.dtype)
    companion = F["concat"]((F["reshape"](row, (1, count)), below), 0)
    return F["eigvals"](companion)  # type: ignore[no-any-return]


@surface("polyfit")
def polyfit(
    x: Node, y: Node, deg: int, rcond: float | None = None, *, w: Node | None = None
) -> Node:
    """The coefficients of the polynomial of degree `deg` nearest to the points (x, y), by squares.

    Args:
        x: where the points are, [N].
        y: their values, [N] or [N, K] for several polynomials.
        deg: the degree.
        rcond: singular values up to this times the largest count as zero; N epsilons of the dtype.
        w: a factor for the distance of each point.
    """
    x, y = promoted(x, y)
    if len(x.shape) != 1 or len(y.shape) not in (1, 2) or x.shape[0] != y.shape[0]:
        raise ShapeError(f"polyfit: points {x.type} and {y.type}, expected [N] and [N] or [N, K]")
    powers = F["vander"](x, deg + 1)
    if w is not None:
        powers = F["multiply"](powers, F["expand_dims"](w, -1))
        y = F["multiply"](y, F["reshape"](w, (-1, *(1,) * (len(y.shape) - 1))))
    if rcond is None:
        size = x.shape[0]
        rcond = (size if isinstance(size, int) else MOST_COEFFICIENTS) * x.dtype.epsilon
    scale = F["sqrt"](F["sum"](F["square"](powers), axis=0))
    found = F["lstsq"](F["divide"](powers, scale), y, rcond)
    turned = F["reshape"](scale, (-1, *(1,) * (len(y.shape) - 1)))
    return F["divide"](found, turned)  # type: ignore[no-any-return]
