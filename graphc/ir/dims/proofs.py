"""Ranges of dimensions, and proofs from them.

Bounds come from interval arithmetic over the atoms, made exact for affine expressions and for
those that are monotone in every atom (R. E. Moore, "Interval Analysis", 1966, on monotone
functions). Where an opaque atom is tied to the rest of the expression, the inequalities that
define it are used instead: `n - d + 1 <= d*(n//d) <= n`, and `max(a, b)` is one of `a` and `b`.
"""

from __future__ import annotations

import math

from graphc.ir.dims import polynomial
from graphc.ir.dims.atoms import Atom, Monomial, Opaque, TermsView, Variable, opaque_atom
from graphc.ir.dims.dim import Dim, DimLike, Interval, from_atom, from_terms, terms_of

MAX_ELIMINATIONS = 3
"""How many opaque atoms one line of proof replaces by their definitions."""
MAX_STEPS = 40
"""How many replacements one search tries in all; proofs that people need take one or two."""


def bounds(d: DimLike) -> Interval:
    """A range that holds every value of `d`; exact for affine expressions.

    >>> from graphc.ir.dims import variable
    >>> A, B = variable("A", 1, 4), variable("B", 1, 64)
    >>> bounds(A * B - A), bounds((B + 7) // 8 * 8 - B)
    ((0, 252), (0, 7))
    """
    if not isinstance(d, Dim):
        return d, d
    if d.bounds_found is None:
        found = _lower(d), -_lower(-d)
        object.__setattr__(d, "bounds_found", found)
        return found
    return d.bounds_found


def always_less_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a <= b` is proved for all values of the variables; False means unknown or no."""
    return _lower(b - a) >= 0


def always_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a == b` is proved for all values of the variables; False means unknown or no."""
    return a == b or bounds(a - b) == (0, 0)


def never_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a != b` is proved for all values of the variables; False means unknown or no."""
    difference = a - b
    lo, hi = bounds(difference)
    if lo > 0 or hi < 0:
        return True
    terms = terms_of(difference)
    constant = terms.pop((), 0)
    return bool(terms) and constant % math.gcd(*terms.values()) != 0


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


def _lower(p: DimLike) -> int:
    """The greatest lower bound that a limited search finds."""
    return _Search().lower(p, MAX_ELIMINATIONS)


class _Search:
    """One search for a lower bound. Its effort is counted, so that it is the same every time."""

    def __init__(self) -> None:
        self.steps_left = MAX_STEPS

    def lower(self, p: DimLike, eliminations: int) -> int:
        """The best of the bounds over independent atoms, and with one of the atoms replaced."""
        if not isinstance(p, Dim):
            return p
        terms = terms_of(p)
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
        cofactor = from_terms(polynomial.derivative(terms, atom))
        rest = from_terms(polynomial.with_value(terms, atom, 0))
        if atom.kind == "%":
            n, d = atom.arguments
            return self.lower(cofactor * (n - d * _floor_atom(n, d)) + rest, eliminations)
        lo, hi = _box(terms_of(cofactor))
        if lo < 0 < hi:
            return None
        if atom.kind == "//":
            n, d = atom.arguments
            end = n - d + 1 if lo >= 0 else n
            scaled = self.lower(cofactor * end + d * rest, eliminations)
            # d*p >= scaled with d > 0; the divisor with the smallest quotient depends on the sign.
            return min(-(-scaled // x) for x in bounds(d))
        found = [self.lower(cofactor * a + rest, eliminations) for a in atom.arguments]
        return max(found) if (atom.kind == "max") == (lo >= 0) else min(found)


def _floor_atom(n: DimLike, d: DimLike) -> DimLike:
    """`n // d` for the arguments of a modulo, which are reduced; without proofs of its own."""
    inner = opaque_atom(n, "//")
    if inner is None:
        return from_atom(Opaque("//", (n, d)))
    x, a = inner.arguments
    return from_atom(Opaque("//", (x, a * d)))
