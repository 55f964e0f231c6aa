"""Matrices that are made of a few numbers: those of Toeplitz and Hankel, circulants, companions.

What repeats along diagonals are windows of one row, so nothing is copied.
"""

from __future__ import annotations

from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.creation.constants import iota

__all__: list[str] = []

F = functions


def _require_rows(name: str, *operands: Node) -> None:
    for x in operands:
        if not x.shape or not dims.always_less_equal(1, x.shape[-1]):
            raise ShapeError(f"{name}: {x.type} has no row of one number or more")


def _from(x: Node, start: int) -> Node:
    return F["index"](x, (..., slice(start, None)))  # type: ignore[no-any-return]


@surface("hankel")
def hankel(c: Node, r: Node | None = None) -> Node:
    """Matrices [..., M, N] that are constant along the diagonals from the right down to the left.

    c: the first columns [..., M]. r: the last rows [..., N], whose first number is not looked at;
    zeros, as many as `c` has numbers, unless given.
    """
    last = F["zeros_like"](c) if r is None else r
    _require_rows("hankel", c, last)
    column, row = promoted(c, last)
    return F["window"](F["concat"]((column, _from(row, 1)), -1), -1, row.shape[-1])  # type: ignore[no-any-return]


@surface("toeplitz")
def toeplitz(c: Node, r: Node | None = None) -> Node:
    """Matrices [..., M, N] that are constant along their diagonals.

    c: the first columns [..., M]. r: the first rows [..., N], whose first number is not looked at;
    the conjugates of `c` unless given.
    """
    row = F["conj"](c) if r is None else r
    _require_rows("toeplitz", c)
    return F["flip"](hankel(F["flip"](c, -1), row), -2)  # type: ignore[no-any-return]


@surface("circulant")
def circulant(c: Node) -> Node:
    """Matrices [..., N, N] whose columns are `c`, each moved down by one more place around."""
    _require_rows("circulant", c)
    return toeplitz(c, F["roll"](F["flip"](c, -1), 1, -1))


@surface("convolution_matrix")
def convolution_matrix(
    a: Node, n: DimLike, mode: Literal["full", "valid", "same"] = "full"
) -> Node:
    """The matrix whose product with a vector of `n` numbers is its convolution with `a` [M]."""
    _require_rows("convolution_matrix", a)
    if mode not in ("full", "valid", "same"):
        raise UsageError(
            f"convolution_matrix: mode is {mode!r}", hint='use "full", "valid" or "same"'
        )
    length, zero = a.shape[-1], F["zeros_like"](F["index"](a, (..., slice(0, 1))))
    batch = ((0, 0),) * (len(a.shape) - 1)
    column = F["pad"](a, (*batch, (0, n - 1)))
    first = F["pad"](zero, (*batch, (0, n - 1)))
    whole = toeplitz(column, first)
    if mode == "full":
        return whole
    count = dims.maximum(length, n)
    skipped = (dims.minimum(length, n) - 1) // (2 if mode == "same" else 1)
    kept = count if mode == "same" else count - dims.minimum(length, n) + 1
    return F["narrow"](whole, -2, skipped, kept)  # type: ignore[no-any-return]


def _below(row: Node, below: Node) -> Node:
    """Square matrices with a first row, and numbers on the diagonal below the main one."""
    square = F["diagonal_matrix"](below, -1)
    rest = F["index"](square, (..., slice(1, None), slice(None)))
    return F["concat"]((F["expand_dims"](row, -2), rest), -2)  # type: ignore[no-any-return]


@surface("companion")
def companion(a: Node) -> Node:
    """The matrix [N - 1, N - 1] whose characteristic polynomial has the coefficients `a` [N]."""
    _require_rows("companion", a)
    first = F["divide"](F["negative"](_from(a, 1)), F["index"](a, (..., slice(0, 1))))
    return _below(first, F["ones_like"](_from(a, 2)))


@surface("leslie")
def leslie(f: Node, s: Node) -> Node:
    """The matrix of L. Leslie: `f` [N] as its first row, and `s` [N - 1] below the diagonal."""
    fertility, survival = promoted(f, s)
    return _below(fertility, survival)


@surface("fiedler")
def fiedler(a: Node) -> Node:
    """|a[i] - a[j]| for numbers [..., N]."""
    return F["abs"](F["subtract"](F["expand_dims"](a, -1), F["expand_dims"](a, -2)))  # type: ignore[no-any-return]


@surface("khatri_rao")
def khatri_rao(a: Node, b: Node) -> Node:
    """The products of Kronecker of the columns of two matrices [M, K] and [N, K]: [M N, K]."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ShapeError(f"khatri_rao: {a.type} and {b.type} are no two matrices")
    products: Node = F["multiply"](F["expand_dims"](a, 1), F["expand_dims"](b, 0))
    return F["reshape"](products, (a.shape[0] * b.shape[0], products.shape[-1]))  # type: ignore[no-any-return]


# -- matrices of a size ---------------------------------------------------------------------------


def _places(n: DimLike, dtype: DType) -> tuple[Node, Node]:
    row, column = (iota(shape=(n, n), axis=axis, dtype=dtype) for axis in (0, 1))
    return row, column


@surface("hilbert")
def hilbert(n: DimLike, dtype: DType = dtypes.f32) -> Node:
    """1 / (i + j + 1), for i and j below n."""
    total = F["add"](*_places(n, dtypes.i64))
    return F["divide"](1.0, F["cast"](F["add"](total, 1), dtype))  # type: ignore[no-any-return]


@surface("hadamard")
def hadamard(n: int, dtype: DType = dtypes.f32) -> Node:
    """The matrix of J. Hadamard as J. Sylvester made it, of 1 and -1, where n is a power of two."""
    if not isinstance(n, int) or n < 1 or n & (n - 1):
        raise UsageError(f"hadamard: {n} is no power of two", hint="give 1, 2, 4, 8, ...")
    shared = F["cast"](F["bitwise_count"](F["bitwise_and"](*_places(n, dtypes.i64))), dtypes.i64)
    return F["cast"](F["subtract"](1, F["multiply"](F["remainder"](shared, 2), 2)), dtype)  # type: ignore[no-any-return]
