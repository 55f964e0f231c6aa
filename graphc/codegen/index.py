"""Dims as C expressions."""

from __future__ import annotations

import re

from graphc.ir import dims
from graphc.ir.c_words import RESERVED
from graphc.ir.dims import DimLike
from graphc.ir.dims.atoms import Atom, Variable

__all__ = ["c_identifier", "c_index"]

# What the compiler calls its own loop variables and counts, once the mark is taken off.
_OWN = re.compile(r"lane|row|once|step|n|width|i\d\w*|a\d+|out\d+|k\d*|m\d*")


def c_identifier(name: str) -> str:
    """A C identifier for a name of the model; different names stay different.

    The compiler's own variables begin with an underscore, which the language does not allow a
    dim, and lose it here.

    >>> c_identifier("B"), c_identifier("int"), c_identifier("lane"), c_identifier("_lane")
    ('B', 'int_', 'lane_', 'lane')
    """
    if name.startswith("_"):
        return name[1:].replace("__", "_")
    ascii_name = re.sub(
        r"[^A-Za-z0-9_]", lambda m: "_" if m[0] == "." else f"_u{ord(m[0]):x}_", name
    )
    taken = ascii_name in RESERVED or _OWN.fullmatch(ascii_name)
    if taken or ascii_name.startswith(("gc_", "GC_")) or ascii_name[:1].isdigit():
        return f"{ascii_name}_"
    return ascii_name


def c_index(index: DimLike) -> str:
    """The index as a C expression of 64-bit integers.

    >>> c_index(dims.variable("B", 1, 8) * 64 + 3)
    'B * 64 + 3'
    """
    if isinstance(index, int):
        return str(index) if -(2**31) <= index < 2**31 else f"{index}LL"
    text = ""
    for monomial, coefficient in index.terms:
        factors = [_atom(atom) for atom in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.append(c_index(abs(coefficient)))
        sign = "-" if coefficient < 0 else "+"
        product = " * ".join(factors)
        text = f"{text} {sign} {product}" if text else product if sign == "+" else f"-{product}"
    return text


def _atom(atom: Atom) -> str:
    if isinstance(atom, Variable):
        name = c_identifier(atom.name)
        return name if atom.multiple == 1 else f"({name} / {atom.multiple})"
    left, right = (c_index(argument) for argument in atom.arguments)
    if atom.kind in ("//", "%"):
        if dims.bounds(atom.arguments[0])[0] >= 0:
            return f"({_factor(left)} {'/' if atom.kind == '//' else '%'} {_factor(right)})"
        return f"gc_index_{'floor_divide' if atom.kind == '//' else 'modulo'}({left}, {right})"
    return f"gc_index_{'maximum' if atom.kind == 'max' else 'minimum'}({left}, {right})"


def _factor(text: str) -> str:
    return text if text.isidentifier() or text.isdecimal() else f"({text})"
