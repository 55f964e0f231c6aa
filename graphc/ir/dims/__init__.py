"""Symbolic dimensions: integers, and exact integer expressions over named variables with a range.

A dimension is an `int` or a `Dim` (`DimLike`). A `Dim` is immutable, interned and kept in normal
form: a polynomial with integer coefficients over atoms. An atom is a named variable, or a floor
division, modulo, maximum or minimum that polynomial arithmetic cannot open. Every operation
returns a plain `int` when its result is constant, so that a `Dim` always depends on a name.

>>> B = variable("B", 1, 4096)
>>> (B * 64 + 3) // 64, (B * 64) % 64, (6 * B) // B
(B, 0, 6)
>>> (B + 7) // 8 * 8, bounds((B + 7) // 8)
((B + 7)//8*8, (1, 512))
"""

from graphc.ir.dims.atoms import sort_key
from graphc.ir.dims.binding import (
    bind,
    evaluate,
    shape_text,
    solve,
    substitute,
    value_of,
    variables,
)
from graphc.ir.dims.dim import Dim, DimLike, variable
from graphc.ir.dims.division import ceil_div, divides, joined, product
from graphc.ir.dims.extrema import maximum, minimum
from graphc.ir.dims.parsing import from_text
from graphc.ir.dims.proofs import always_equal, always_less_equal, bounds, never_equal

__all__ = [
    "Dim",
    "DimLike",
    "always_equal",
    "always_less_equal",
    "bind",
    "bounds",
    "ceil_div",
    "divides",
    "evaluate",
    "from_text",
    "joined",
    "maximum",
    "minimum",
    "never_equal",
    "product",
    "shape_text",
    "solve",
    "sort_key",
    "substitute",
    "value_of",
    "variable",
    "variables",
]
