"""Dimensions as text: expressions of the language, which `from_text` reads back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.ir.dims.atoms import Atom, Monomial, Opaque, Variable

if TYPE_CHECKING:
    from graphc.ir.dims.dim import Dim, DimLike


def sum_text(d: Dim) -> str:
    """The terms of `d`, highest degree first, with a positive one in front if there is one."""
    items = list(d.terms)
    positive = next((i for i, item in enumerate(items) if item[1] > 0), 0)
    items.insert(0, items.pop(positive))
    text = _term_text(*items[0], leading=True)
    for monomial, coefficient in items[1:]:
        sign = " - " if coefficient < 0 else " + "
        text += sign + _term_text(monomial, abs(coefficient), leading=False)
    return text


def _term_text(monomial: Monomial, coefficient: int, leading: bool) -> str:
    negative = leading and coefficient < 0
    number = abs(coefficient)
    factors = []
    for atom in monomial:
        text, number = _factor_text(atom, number)
        factors.append(text)
    if number != 1 or not factors:
        factors.append(str(number))
    # `*`, `//` and `%` group to the left, so that only later factors need parentheses, and the
    # first one after a minus sign, which binds more tightly than they do.
    bare = 0 if negative else 1
    factors[bare:] = [_enclosed(factor) for factor in factors[bare:]]
    return ("-" if negative else "") + "*".join(factors)


def _enclosed(factor: str) -> str:
    if factor.isidentifier() or factor.isdigit() or factor.startswith(("max(", "min(")):
        # A quotient such as max(A, B)//2 starts like a call and is not closed by its end.
        return factor if _is_closed(factor) else f"({factor})"
    return f"({factor})"


def _is_closed(factor: str) -> bool:
    """Whether the parenthesis that opens first, if any, closes at the very end."""
    depth = 0
    for place, character in enumerate(factor):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return place == len(factor) - 1
    return True


def _factor_text(atom: Atom, number: int) -> tuple[str, int]:
    """Text of an atom, and the coefficient that is left beside it.

    The atom of a variable with a multiple `m` stands for `B//m`. A factor `g` of `m` found in the
    coefficient turns it into `B//(m/g)`, and into `B` when it is all of `m`.
    """
    if isinstance(atom, Variable):
        shared = math.gcd(number, atom.multiple)
        parts = atom.multiple // shared
        return atom.name if parts == 1 else f"{atom.name}//{parts}", number // shared
    if atom.kind in ("max", "min"):
        return f"{atom.kind}({', '.join(map(str, atom.arguments))})", number
    numerator, divisor = atom.arguments
    if atom.kind == "//":
        units = _units(numerator)
        numerator, divisor = numerator * units, divisor * units
    top = str(numerator)
    if not isinstance(numerator, int) and len(numerator.terms) > 1:
        top = f"({top})"
    return f"{top}{atom.kind}{_enclosed(str(divisor))}", number


def _units(d: DimLike) -> int:
    """The factor that clears the `B//m` of variables with a multiple: `V//8//2` is `V//16`."""
    if isinstance(d, int):
        return 1
    units = 1
    for monomial, coefficient in d.terms:
        multiple = math.prod(a.multiple for a in monomial if not isinstance(a, Opaque))
        units = math.lcm(units, multiple // math.gcd(multiple, coefficient))
    return units
