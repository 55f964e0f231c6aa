"""Floor division and modulo in normal form, with Python's rounding to minus infinity."""

from __future__ import annotations

import math
from collections.abc import Iterable

from graphc.errors import DimensionError
from graphc.ir.dims import polynomial
from graphc.ir.dims.atoms import Monomial, Opaque, TermsView, opaque_atom
from graphc.ir.dims.dim import DimLike, from_atom, from_terms, remembered, rules, terms_of
from graphc.ir.dims.proofs import always_less_equal, bounds, quotient_interval


@remembered
def floor_divide(n: DimLike, d: DimLike) -> DimLike:
    """`n // d`.

    Raises:
        DimensionError: the range of `d` includes zero.
    """
    if not _is_positive_divisor(n, d, "//"):
        n, d = -n, -d
    if isinstance(n, int) and isinstance(d, int):
        return n // d
    quotient, remainder = _divide(n, d)
    return quotient + _floor_of_reduced(remainder, d)


@remembered
def modulo(n: DimLike, d: DimLike) -> DimLike:
    """`n % d`, with the sign of `d`.

    Raises:
        DimensionError: the range of `d` includes zero.
    """
    if not _is_positive_divisor(n, d, "%"):
        return -modulo(-n, -d)
    if isinstance(n, int) and isinstance(d, int):
        return n % d
    return _modulo_of_reduced(_divide(n, d)[1], d)


rules["//"] = floor_divide
rules["%"] = modulo


def ceil_div(a: DimLike, b: DimLike) -> DimLike:
    """`a / b` rounded up.

    >>> from graphc.ir.dims import variable
    >>> ceil_div(variable("B", 1, 64), 8), ceil_div(9, 8)
    ((B + 7)//8, 2)

    Raises:
        DimensionError: the range of `b` includes zero.
    """
    if bounds(b)[1] < 0:
        a, b = -a, -b
    return floor_divide(a + b - 1, b)


def joined(quotient: DimLike, remainder: DimLike, divisor: DimLike) -> DimLike:
    """`quotient * divisor + remainder`, undivided where both are of one number.

    >>> from graphc.ir.dims import variable
    >>> n = variable("n", 0, 63)
    >>> joined(n // 8, n % 8, 8), joined(n // 8 + 1, n % 8, 8), joined(n, n % 8, 8)
    (n, n + 8, n*8 + n%8)
    """
    part = opaque_atom(remainder, "%")
    if part is not None and part.arguments[1] == divisor:
        number = part.arguments[0]
        rest = quotient - number // divisor
        if len(terms_of(rest)) < len(terms_of(quotient)):
            return rest * divisor + number
    return quotient * divisor + remainder


def divides(n: DimLike, d: DimLike) -> bool:
    """Whether `d` is proved to divide `n`; False means unknown or no.

    Raises:
        DimensionError: the range of `d` includes zero.
    """
    return bounds(modulo(n, d)) == (0, 0)


def product(shape: Iterable[DimLike]) -> DimLike:
    """The number of elements of a shape."""
    total: DimLike = 1
    for d in shape:
        total = total * d
    return total


def _is_positive_divisor(n: DimLike, d: DimLike, sign: str) -> bool:
    lo, hi = bounds(d)
    if lo <= 0 <= hi:
        found = f"{d} is 0" if lo == hi else f"zero is in the range of {d}"
        raise DimensionError(
            f"division by zero in ({n}) {sign} ({d}): {found}",
            code="dim-zero-division",
            hint="give the divisor a range without zero, or divide by max(1, ...)",
        )
    return lo > 0


def _divide(n: DimLike, d: DimLike) -> tuple[DimLike, DimLike]:
    quotient, remainder = polynomial.divide(terms_of(n), terms_of(d))
    return from_terms(quotient), from_terms(remainder)


def _floor_of_reduced(r: DimLike, d: DimLike) -> DimLike:
    constant = _constant_quotient(r, d)
    if constant is not None:
        return constant
    factor, smaller_r, smaller_d = _without_common_factor(r, d)
    if factor != 1:
        return floor_divide(smaller_r, smaller_d)
    constant = terms_of(r).get((), 0)
    inner = opaque_atom(r - constant, "//")
    if inner is not None:
        # floor((floor(x/a) + c) / d) = floor((x + a*c) / (a*d)) for positive integers a and d.
        x, a = inner.arguments
        # Multiplied out, two positive sums may no longer be seen to be positive.
        if bounds(a * d)[0] > 0:
            return floor_divide(x + a * constant, a * d)
    return from_atom(Opaque("//", (r, d)))


def _modulo_of_reduced(r: DimLike, d: DimLike) -> DimLike:
    constant = _constant_quotient(r, d)
    if constant is not None:
        return r - d * constant
    factor, smaller_r, smaller_d = _without_common_factor(r, d)
    if factor != 1:
        return factor * modulo(smaller_r, smaller_d) + (r - factor * smaller_r)
    opened = _open_inner_modulos(r, d)
    if opened != r:
        return modulo(opened, d)
    return from_atom(Opaque("%", (r, d)))


def _constant_quotient(r: DimLike, d: DimLike) -> int | None:
    lo, hi = quotient_interval(bounds(r), bounds(d))
    if lo == hi:
        return lo
    if lo <= 0 <= hi and always_less_equal(0, r) and always_less_equal(r + 1, d):
        return 0
    if lo <= -1 <= hi and always_less_equal(r, -1) and always_less_equal(-d, r):
        return -1
    return None


def _without_common_factor(r: DimLike, d: DimLike) -> tuple[DimLike, DimLike, DimLike]:
    """`f, r', d'` with `d == f*d'` and `r // d == r' // d'`.

    `r` is `f*r'`, but with a number as divisor the constant term of `r'` is rounded down:
    `(4*B + 3)//8 == B//2`. A factor is never zero, since `d` is not; its sign does not matter.
    """
    top, bottom = terms_of(r), terms_of(d)
    rounded = isinstance(d, int)
    kept = [c for monomial, c in top.items() if monomial or not rounded]
    content = math.gcd(*kept, *bottom.values())
    shared = polynomial.common_factor([*top, *bottom])
    if content == 1 and not shared:
        return 1, r, d
    factor = from_terms({shared: content})
    return factor, _scaled_down(top, shared, content), _scaled_down(bottom, shared, content)


def _scaled_down(terms: TermsView, shared: Monomial, content: int) -> DimLike:
    smaller = {}
    for monomial, coefficient in terms.items():
        place = polynomial.cofactor(monomial, shared)
        assert place is not None, "shared divides every monomial"
        smaller[place] = coefficient // content
    return from_terms(smaller)


def _open_inner_modulos(r: DimLike, d: DimLike) -> DimLike:
    """`r` with `c*(n % a)` replaced by `c*n` wherever `d` divides `c*a`: equal modulo `d`."""
    opened = r
    for monomial, coefficient in terms_of(r).items():
        for atom in monomial:
            if isinstance(atom, Opaque) and atom.kind == "%":
                n, a = atom.arguments
                rest = list(monomial)
                rest.remove(atom)
                cofactor = from_terms({tuple(rest): coefficient})
                if _divide(cofactor * a, d)[1] == 0:
                    opened = opened - cofactor * (from_atom(atom) - n)
                    break
    return opened
