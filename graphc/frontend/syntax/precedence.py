"""The operators of the language, and how tightly they bind."""

from __future__ import annotations

__all__ = [
    "BINARY_PRECEDENCE",
    "COMPARISONS",
    "REDUCTIONS",
    "UNARY_PRECEDENCE",
]


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "is", "is not")

# How tightly operators bind, as in Python; `**` alone associates to the right.
BINARY_PRECEDENCE = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(COMPARISONS, 4),
    "|": 5,
    "^": 6,
    "&": 7,
    **dict.fromkeys(("<<", ">>"), 8),
    **dict.fromkeys(("+", "-"), 9),
    **dict.fromkeys(("*", "/", "//", "%", "@"), 10),
    "**": 12,
}
UNARY_PRECEDENCE = {"not": 3, "+": 11, "-": 11, "~": 11}

# The prefixes of index notation, `sum[d] a[i, d] * b[d]`. Their operand is a whole product.
REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all")
