"""Ranges of dimensions, and proofs from them.

Bounds come from interval arithmetic over the atoms, made exact for affine expressions and for
those that are monotone in every atom (R. E. Moore, "Interval Analysis", 1966, on monotone
functions). Where an opaque atom is tied to the rest of the expression, the inequalities that
define it are used instead: `n - d + 1 <= d*(n//d) <= n`, and `max(a, b)` is one of `a` and `b`.
"""

from __future__ import annotations

import math

from graphc.ir.dims import polynomial
from graphc.ir.dims.atoms import (
    Atom,
    Monomial,
    Opaque,
    Terms,
    TermsView,
    Variable,
    opaque_atom,
)
from graphc.ir.dims.dim import LARGEST_VALUE, Dim, DimLike, Interval, remembered, terms_of

MAX_ELIMINATIONS = 3
"""How many opaque atoms one line of proof replaces by their definitions."""
MAX_STEPS = 40
"""How many replacements one search tries in all; proofs that people need take one or two."""
MAX_PRODUCTS = 1024
"""A replacement that multiplies more terms than these is not tried."""


def bounds(d: DimLike) -> Interval:
    """A range that holds every value of `d`; exact for affine expressions.

    No value is larger than 64 bits count, whatever the ranges of the variables allow together:
    calls for which a size would be are refused (`limited_sizes`).

    >>> from graphc.ir.dims import variable
    >>> A, B = variable("A", 1, 4), variable("B", 1, 64)
    >>> bounds(A * B - A), bounds((B + 7) // 8 * 8 - B)
    ((0, 252), (0, 7))
    """
    if not isinstance(d, Dim):
        return d, d
    if d.bounds_found is None:
        low, high = _lower(terms_of(d)), _upper(terms_of(d))
        found = low, min(high, LARGEST_VALUE) if low <= LARGEST_VALUE else high
        object.__setattr__(d, "bounds_found", found)
        return found
    return d.bounds_found


@remembered
def always_less_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a <= b` is proved for all values of the variables; False means unknown or no."""
    return _lower(_difference(b, a)) >= 0 or bounds(a)[1] <= bounds(b)[0]


def always_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a == b` is proved for all values of the variables; False means unknown or no."""
    difference = _difference(a, b)
    return not difference or (_lower(difference) == 0 and _upper(difference) == 0)


def never_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a != b` is proved for all values of the variables; False means unknown or no."""
    difference = _difference(a, b)
    slopes = math.gcd(*(coefficient for monomial, coefficient in difference.items() if monomial))
    if slopes and difference.get((), 0) % slopes:
        return True
    return _lower(difference) > 0 or _upper(difference) < 0


def _difference(a: DimLike, b: DimLike) -> Terms:
    return polynomial.nonzero(polynomial.add(terms_of(a), polynomial.scale(terms_of(b), -1)))


def quotient_interval(n: Interval, d: Interval) -> Interval:
    """Range of `n // d` for a range of divisors without zero."""
    corners = [x // y for x in n for y in d]
    return min(corners), max(corners)


def _atom_interval(atom: Atom) -> Interval:
    if isinstance(atom, Variable):
        return atom.lo // atom.multiple, atom.hi // atom.multiple
    ranges = [bounds(argument) for argument in atom.arguments]
    if atom.kind == "//":
        return quotient_interval(*ranges)
    if atom.kind == "%":
        (lo, hi), (_, largest) = ranges
        return 0, min(largest - 1, hi) if lo >= 0 else largest - 1
    pick = max if atom.kind == "max" else min
    return pick(lo for lo, _ in ranges), pick(hi for _, hi in ranges)


def _atoms(terms: TermsView) -> list[Atom]:
    """The atoms in the order of the terms, each once."""
    return list(dict.fromkeys(atom for monomial in terms for atom in monomial))


def _box_lower(terms: TermsView) -> int:
    """The smallest value over independent atoms; those it is monotone in are put at their end."""
    if any(len(monomial) > 1 for monomial in terms):
        for atom in _atoms(terms):
            lo, hi = _box(polynomial.derivative(terms, atom))
            if lo >= 0 or hi <= 0:
                end = _atom_interval(atom)[0 if lo >= 0 else 1]
                return _box_lower(polynomial.with_value(terms, atom, end))
    return _box(terms)[0]


def _box(terms: TermsView) -> Interval:
    """The sum of the ranges of the terms."""
    total_lo = total_hi = 0
    for monomial, coefficient in terms.items():
        ends = [coefficient * end for end in _monomial_interval(monomial)]
        total_lo += min(ends)
        total_hi += max(ends)
    return total_lo, total_hi


def _monomial_interval(monomial: Monomial) -> Interval:
    lo = hi = 1
    for atom in dict.fromkeys(monomial):
        power = monomial.count(atom)
        interval = _atom_interval(atom)
        ends = [end**power for end in interval]
        if power % 2 == 0 and interval[0] < 0 < interval[1]:
            ends.append(0)
        corners = [x * y for x in (lo, hi) for y in (min(ends), max(ends))]
        lo, hi = min(corners), max(corners)
    return lo, hi


def _lower(terms: TermsView) -> int:
    """The greatest lower bound that a limited search finds."""
    return _Search().lower(terms, MAX_ELIMINATIONS)


def _upper(terms: TermsView) -> int:
    return -_lower(polynomial.scale(terms, -1))


class _Search:
    """One search for a lower bound. Its effort is counted, so that it is the same every time."""

    def __init__(self) -> None:
        self.steps_left = MAX_STEPS

    def lower(self, terms: TermsView, eliminations: int) -> int:
        """The best of the bounds over independent atoms, and with one of the atoms replaced."""
        best = _box_lower(terms)
        if not eliminations:
            return best
        for atom in _atoms(terms):
            if isinstance(atom, Opaque) and self.steps_left:
                self.steps_left -= 1
                found = self._lower_by_definition(terms, atom, eliminations - 1)
                if found is not None:
                    best = max(best, found)
        return best

    def _lower_by_definition(self, terms: TermsView, atom: Opaque, eliminations: int) -> int | None:
        """A lower bound of `cofactor*atom + rest` from what defines the atom."""
        if any(monomial.count(atom) > 1 for monomial in terms):
            return None
        cofactor = polynomial.derivative(terms, atom)
        rest = polynomial.nonzero(polynomial.with_value(terms, atom, 0))
        arguments = [terms_of(argument) for argument in atom.arguments]
        if max(map(len, arguments)) * max(len(cofactor), len(rest)) > MAX_PRODUCTS:
            return None

        def replaced(value: TermsView, scale: TermsView = polynomial.ONE) -> int:
            """A lower bound of `cofactor*value + scale*rest`."""
            product, scaled = polynomial.multiply(cofactor, value), polynomial.multiply(scale, rest)
            return self.lower(polynomial.nonzero(polynomial.add(product, scaled)), eliminations)

        if atom.kind == "%":
            return replaced(_opened_modulo(atom))
        lo, hi = _box(cofactor)
        if lo < 0 < hi:
            return None
        if atom.kind == "//":
            n, d = arguments
            # n - d + 1 <= d*(n//d) <= n, with d > 0: bound d times the whole, then divide.
            smallest = polynomial.add(polynomial.add(n, polynomial.scale(d, -1)), polynomial.ONE)
            scaled = replaced(smallest if lo >= 0 else n, d)
            return min(-(-scaled // x) for x in bounds(atom.arguments[1]))
        found = [replaced(argument) for argument in arguments]
        return max(found) if (atom.kind == "max") == (lo >= 0) else min(found)


def _opened_modulo(atom: Opaque) -> Terms:
    """`n - d*(n//d)` for `n % d`, whose arguments are reduced already."""
    n, d = atom.arguments
    quotient = Opaque("//", (n, d))
    inner = opaque_atom(n, "//")
    if inner is not None and isinstance(inner.arguments[1], int) and isinstance(d, int):
        # One form of nested quotients, as in the normal form: B//4//2 is B//8.
        quotient = Opaque("//", (inner.arguments[0], inner.arguments[1] * d))
    whole: Terms = {(quotient,): -1}
    return polynomial.add(terms_of(n), polynomial.multiply(terms_of(d), whole))
