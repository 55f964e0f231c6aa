"""Index notation: a tensor defined by the expression of its elements.

    s[b, i, j] = sum[d] q[b, i, d] * k[b, j, d] / sqrt(D)
    p = softmax(where(j <= i, s, -inf), axis=j)

Each index of a statement is an axis of one space (`space.py`). An access `q[b, i, d]` brings its
tensor into that space (`accesses.py`): as a view where its indices are positions (`positions.py`,
`views.py`), gathered where they are data or other formulas of indices (`formulas.py`). Everything
else is the ordinary meaning of expressions, with broadcasting, and a reduction folds its axes. So
the notation adds no operation of its own; sums of products are recognised as matrix products where
graphs are simplified.

Rules that make the notation mean what is usually meant by it:

- An index used as a number takes the dtype of the tensor beside it, as a written number does.
- In `sum` and `mean`, factors and divisors that no summed index occurs in stand outside the
  reduction, whether they are written before or after the rest: `sum[d] q[d] * k[d] / n` is the
  sum of products, divided by n once (`factors.py`).
- How far an index runs is stated, or follows from the axes that it is used on (`extents.py`). What
  leaves an axis is refused, unless a `where` guards it (`guards.py`).
- The axes of a tensor keep the names of the indices that it was defined with, to the end of the
  function. Statements that mention such a name, where it means nothing else, compute in the
  space of these names (`statement.py`, `named_axes.py`), and name the axes of what they define.
"""

from graphc.frontend.index_notation.statement import elaborate_named, elaborate_notation

__all__ = ["elaborate_named", "elaborate_notation"]
