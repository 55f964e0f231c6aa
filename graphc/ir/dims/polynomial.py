"""Arithmetic of polynomials with integer coefficients, whatever their atoms mean."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from graphc.ir.dims.atoms import Atom, Monomial, Terms, TermsView, monomial_key

ONE: TermsView = MappingProxyType({(): 1})
"""The constant polynomial one."""


def nonzero(terms: TermsView) -> Terms:
    """The polynomial without the terms that have become zero."""
    return {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}


def add(a: TermsView, b: TermsView) -> Terms:
    """`a + b`."""
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, 0) + coefficient
    return total


def scale(a: TermsView, factor: int) -> Terms:
    """`a * factor`."""
    return {monomial: coefficient * factor for monomial, coefficient in a.items()}


def multiply(a: TermsView, b: TermsView) -> Terms:
    """`a * b`."""
    total: Terms = {}
    for left, x in a.items():
        for right, y in b.items():
            monomial = join(left, right)
            total[monomial] = total.get(monomial, 0) + x * y
    return total


def join(a: Monomial, b: Monomial) -> Monomial:
    """The product of two monomials."""
    if not a or not b:
        return a or b
    if a[-1].key <= b[0].key:
        return a + b
    return tuple(sorted(a + b, key=lambda atom: atom.key))


def cofactor(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """`monomial / divisor`, or None where it does not divide."""
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def common_factor(monomials: Sequence[Monomial]) -> Monomial:
    """The greatest monomial that divides all."""
    shared = list(monomials[0])
    for monomial in monomials[1:]:
        left, still = list(monomial), []
        for atom in shared:
            if atom in left:
                left.remove(atom)
                still.append(atom)
        shared = still
    return tuple(shared)


def divide(n: TermsView, d: TermsView) -> tuple[Terms, Terms]:
    """`q, r` with `n == q*d + r`, and no term of `r` that the leading term of `d` could reduce.

    Quotients of coefficients round to zero, so that `(A - B)//8` keeps its form. The constant
    term alone rounds down, so that `(B - 1)//8` and `(B + 7)//8 - 1` have one form.
    """
    lead = min(d, key=monomial_key)
    work, quotient, remainder = dict(n), Terms(), Terms()
    while work:
        top = min(work, key=monomial_key)
        coefficient = work.pop(top)
        place = cofactor(top, lead)
        times = 0 if place is None else _quotient(coefficient, d[lead], round_down=not top)
        left = coefficient - times * d[lead]
        if left:
            remainder[top] = left
        if place is None or not times:
            continue
        quotient[place] = times
        for monomial, other in d.items():
            if monomial != lead:
                target = join(place, monomial)
                work[target] = work.get(target, 0) - times * other
    return quotient, remainder


def _quotient(a: int, b: int, *, round_down: bool) -> int:
    floor, rest = divmod(a, b)
    return floor + 1 if rest and floor < 0 and not round_down else floor


def derivative(terms: TermsView, atom: Atom) -> Terms:
    """The derivative in one atom; the cofactor of the atom, where it occurs linearly."""
    result: Terms = {}
    for monomial, coefficient in terms.items():
        power = monomial.count(atom)
        if power:
            lowered = list(monomial)
            lowered.remove(atom)
            place = tuple(lowered)
            result[place] = result.get(place, 0) + coefficient * power
    return result


def with_value(terms: TermsView, atom: Atom, value: int) -> Terms:
    """The polynomial with a number in place of one atom."""
    result: Terms = {}
    for monomial, coefficient in terms.items():
        place = tuple(other for other in monomial if other != atom)
        power = len(monomial) - len(place)
        result[place] = result.get(place, 0) + coefficient * value**power
    return result
