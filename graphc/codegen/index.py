"""Dims as C expressions."""

from __future__ import annotations

import functools
import re

from graphc.ir import dims
from graphc.ir.c_words import RESERVED
from graphc.ir.dims import DimLike
from graphc.ir.dims.atoms import Atom, Opaque, Variable

__all__ = ["ascii_identifier", "c_identifier", "c_index"]

# What is never the name of anything else in generated text, nor a macro of C's headers.
_APART = re.compile(r"[A-Z][A-Za-z0-9]*")


def c_identifier(name: str) -> str:
    """A C identifier for a dim or an index variable; different names stay different.

    The compiler's own variables begin with an underscore, which the language does not allow a
    dim, and lose it here. Everything else that the compiler names begins with a small letter and
    does not end in an underscore, so that a dim with a capital letter keeps its name, and others
    get an underscore at the end.

    >>> c_identifier("B"), c_identifier("rows"), c_identifier("_rows")
    ('B', 'rows_', 'rows')
    """
    if name.startswith("_"):
        return name[1:].replace("__", "_")
    if _APART.fullmatch(name) and name not in RESERVED:
        return name
    return f"{ascii_identifier(name)}_"


def ascii_identifier(name: str) -> str:
    """The name in the letters that every C compiler takes, for a part of an identifier.

    >>> ascii_identifier("train.λ")
    'train__u3bb_'
    """
    return re.sub(r"[^A-Za-z0-9_]", lambda m: "_" if m[0] == "." else f"_u{ord(m[0]):x}_", name)


def c_index(index: DimLike) -> str:
    """The index as a C expression of 64-bit integers.

    >>> c_index(dims.variable("B", 1, 8) * 64 + 3)
    'B * 64 + 3'
    """
    if isinstance(index, int):
        return str(index) if -(2**31) <= index < 2**31 else f"{index}LL"
    match index.terms:
        case (((Opaque() as atom,), 1),):
            return _operation(atom)
    terms, text = list(index.terms), ""
    # `10 - row` rather than `-row + 10`.
    positive = next((term for term in terms if term[1] > 0), terms[0])
    terms.remove(positive)
    for monomial, coefficient in (positive, *terms):
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
    text = _operation(atom)
    return text if text.startswith("gc_") else f"({text})"


def _operation(atom: Opaque) -> str:
    left, *rest = (c_index(argument) for argument in atom.arguments)
    if atom.kind in ("//", "%"):
        (right,) = rest
        if dims.bounds(atom.arguments[0])[0] >= 0:
            return f"{_factor(left)} {'/' if atom.kind == '//' else '%'} {_factor(right)}"
        return f"gc_index_{'floor_divide' if atom.kind == '//' else 'modulo'}({left}, {right})"
    function = "gc_index_maximum" if atom.kind == "max" else "gc_index_minimum"
    return functools.reduce(lambda a, b: f"{function}({a}, {b})", rest, left)


def _factor(text: str) -> str:
    return text if text.isidentifier() or text.isdecimal() else f"({text})"
