"""The exponential of matrices [..., N, N]: the sum of x^k / k! over matrix powers.

By scaling and squaring on the host: N. Higham, "The scaling and squaring method for the matrix
exponential revisited" (2005), with the Padé approximant of degree 13 throughout.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.linalg.matrix_functions import matrix_function

__all__ = ["matrix_exponential"]

Array = np.ndarray[Any, Any]

_LARGEST = 5.371920351148152
"""The 1-norm up to which the approximant is exact to the precision of f64 (table 2.3)."""

_COEFFICIENTS = [
    float(math.factorial(26 - k) // (math.factorial(k) * math.factorial(13 - k))) for k in range(14)
]
"""Of the numerator; those of the denominator have alternating signs."""


def _approximant(a: Array) -> Array:
    """p(a) / p(-a), by six matrix products (equations 2.9 to 2.11)."""
    b, one = _COEFFICIENTS, np.eye(len(a), dtype=a.dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2
    odd = a @ (odd + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2
    even = even + b[0] * one
    return np.asarray(np.linalg.solve(even - odd, even + odd))


def _exponential(a: Array) -> Array:
    norm = float(np.abs(a).sum(axis=0).max(initial=0.0))
    if not math.isfinite(norm):
        raise np.linalg.LinAlgError("the norm is beyond the range of the dtype")
    halvings = max(math.frexp(norm / _LARGEST)[1], 0)
    result = _approximant(a * 2.0**-halvings)
    for _ in range(halvings):
        result = result @ result
    return result


matrix_exponential = matrix_function(
    "matrix_exponential",
    _exponential,
    "The exponential of a matrix; NaN where an element is not finite.",
)


@surface("matrix_exp", "expm")
def matrix_exp(x: Node) -> Node:
    """The exponentials of matrices [..., N, N]: the sum of all powers x^k / k!.

    NaN for matrices that are not finite. Computed in double (N. Higham, 2005).

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.matrix_exp(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """
    return matrix_exponential(x)
