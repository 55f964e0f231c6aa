"""Linear algebra under the names of the array API standard and of `torch.linalg`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import divide, multiply
from graphc.ir.ops.broadcasting import broadcast_shapes, promoted
from graphc.ir.ops.contraction import matmul, matrix_product, matrix_transpose
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, zeros_like
from graphc.ir.ops.factorizations import cholesky, eigh, pinv, qr, svd
from graphc.ir.ops.logic import greater, where
from graphc.ir.ops.matrices import diagonal_mask, identity
from graphc.ir.ops.reduction import max_over, min_over, sum_over
from graphc.ir.ops.shape import broadcast_to, reshape
from graphc.ir.ops.structural import project
from graphc.ir.ops.systems import det, inv, slogdet, solve, solve_triangular

__all__: list[str] = []


def _results(node: Node, count: int) -> tuple[Node, ...]:
    return tuple(project(node, index=index) for index in range(count))


# -- systems of equations -------------------------------------------------------------------------


def _fitted(a: Node, b: Node) -> tuple[Node, Node, bool]:
    """Both in one batch, of one dtype, and whether `b` is a stack of columns without width."""
    a, b = promoted(a, b)
    if len(a.shape) < 2 or not b.shape:
        raise ShapeError(f"solve: {a.type} and {b.type}; expected [..., N, N] and [..., N, K]")
    # As the array API standard reads it: a right side of one axis is a single column.
    is_column = len(b.shape) == 1
    right = reshape(b, shape=(*b.shape, 1)) if is_column else b
    batch = broadcast_shapes(a.shape[:-2], right.shape[:-2])
    left = broadcast_to(a, shape=(*batch, *a.shape[-2:]))
    return left, broadcast_to(right, shape=(*batch, *right.shape[-2:])), is_column


@surface("solve")
def solve_system(a: Node, b: Node) -> Node:
    """x with a @ x = b, for `a` [..., N, N] and `b` [N] or [..., N, K]; NaN for singular ones.

    Raises:
        ShapeError: `a` is not square, or `b` has another number of rows.
    """
    left, right, is_column = _fitted(a, b)
    x = solve(left, right)
    return reshape(x, shape=x.shape[:-1]) if is_column else x


@surface("solve_triangular")
def solve_triangle(a: Node, b: Node, *, upper: bool, unitriangular: bool = False) -> Node:
    """x with a @ x = b, looking only at the upper (or lower) triangle of `a` [..., N, N].

    unitriangular: the diagonal of `a` is taken to be ones.
    """
    left, right, is_column = _fitted(a, b)
    x = solve_triangular(left, right, lower=not upper, unit_diagonal=unitriangular)
    return reshape(x, shape=x.shape[:-1]) if is_column else x


@surface("inv", "inverse")
def inverse(x: Node) -> Node:
    """The inverses of matrices [..., N, N]; NaN for singular ones."""
    return inv(x)


@surface("det")
def determinant(x: Node) -> Node:
    """The determinants of matrices [..., N, N]. Gradients need invertible ones."""
    return det(x)


@surface("pinv")
def pseudoinverse(x: Node, rtol: float | None = None) -> Node:
    """The pseudoinverses [..., N, M] of matrices [..., M, N].

    rtol: singular values up to this times the largest count as zero; the larger side times the
    dtype's epsilon unless given.
    """
    return pinv(x, rtol=rtol)


@surface("slogdet")
def sign_and_logarithm(x: Node) -> tuple[Node, ...]:
    """The sign of the determinant, and the logarithm of its absolute value."""
    return _results(slogdet(x), 2)


@surface("logdet")
def logarithm_of_determinant(x: Node) -> Node:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, logarithm = _results(slogdet(x), 2)
    undefined = constant_like(math.nan, logarithm)
    return where(greater(zeros_like(sign), sign), undefined, logarithm)


@surface("lstsq")
def least_squares(a: Node, b: Node, rtol: float | None = None) -> Node:
    """The shortest x for which a @ x is nearest to b."""
    return matrix_product(pinv(a, rtol=rtol), b)


# -- factorisations -------------------------------------------------------------------------------


@surface("cholesky")
def triangular_root(x: Node, upper: bool = False) -> Node:
    """The lower triangular L with L @ L.T = x, or its transpose; NaN if x is not positive definite.

    Only the lower triangle of `x` is looked at.
    """
    lower = cholesky(x)
    return matrix_transpose(lower) if upper else lower


@surface("cholesky_solve")
def solve_with_root(b: Node, root: Node, upper: bool = False) -> Node:
    """x with a @ x = b, given the Cholesky factor of a."""
    lower = matrix_transpose(root) if upper else root
    middle = solve_triangle(lower, b, upper=False)
    return solve_triangle(matrix_transpose(lower), middle, upper=True)


@surface("qr")
def orthogonal_triangular(
    x: Node, mode: Literal["reduced", "r"] = "reduced"
) -> tuple[Node, Node] | Node:
    """Q with orthonormal columns and upper triangular R, with Q @ R = x; R alone for mode "r"."""
    if mode not in ("reduced", "r"):
        raise UsageError(f'qr: mode is {mode!r}, expected "reduced" or "r"')
    if len(x.shape) < 2:
        raise ShapeError(f"qr: {x.type} is no matrix", code="rank")
    rows, columns = x.shape[-2:]
    if dims.always_less_equal(columns, rows):
        q, r = _results(qr(x), 2)
    elif dims.always_less_equal(rows, columns):
        # Q is that of the square part, and turns the rest of the columns along.
        left = functions["narrow"](x, -1, 0, rows)
        q, _ = _results(qr(left), 2)
        r = functions["triu"](matmul(matrix_transpose(q), x))
    else:
        raise ShapeError(f"qr: whether {x.type} is tall or wide is not known")
    return r if mode == "r" else (q, r)


@surface("eigh")
def eigenvectors(x: Node) -> tuple[Node, ...]:
    """Eigenvalues in ascending order, and eigenvectors as columns, of symmetric matrices."""
    return _results(eigh(x), 2)


@surface("eigvalsh")
def eigenvalues(x: Node) -> Node:
    """The eigenvalues of symmetric matrices, in ascending order."""
    return _results(eigh(x), 1)[0]


@surface("svd")
def singular_value_decomposition(x: Node, full_matrices: bool = False) -> tuple[Node, ...]:
    """U [..., M, K], singular values [..., K] in descending order, V transposed [..., K, N].

    K is the smaller of M and N; `full_matrices` is not taken: what it adds is not unique.
    """
    if full_matrices:
        raise UsageError(
            "svd: full_matrices=True is not supported",
            hint="the thin factors determine the matrix; complete them with qr where needed",
        )
    return _results(svd(x), 3)


@surface("svdvals")
def singular_values(x: Node) -> Node:
    """The singular values, in descending order."""
    return project(svd(x), index=1)


# -- ranks, powers, chains ------------------------------------------------------------------------


@surface("matrix_rank")
def rank_of_matrix(x: Node, rtol: float | None = None) -> Node:
    """How many singular values are above `rtol` times the largest (i64).

    rtol: the larger side times the dtype's epsilon unless given.
    """
    values = singular_values(x)
    if rtol is None:
        sides = dims.bounds(dims.maximum(*x.shape[-2:]))[1]
        rtol = sides * x.dtype.epsilon
    largest = max_over(values, axes=(len(values.shape) - 1,))
    limit = multiply(largest, constant_like(rtol, largest))
    limit = broadcast_to(reshape(limit, shape=(*limit.shape, 1)), shape=values.shape)
    return sum_over(cast_to(greater(values, limit), dtypes.i64), axes=(len(values.shape) - 1,))


@surface("cond")
def condition_number(x: Node) -> Node:
    """The largest singular value divided by the smallest."""
    values = singular_values(x)
    last = (len(values.shape) - 1,)
    return divide(max_over(values, axes=last), min_over(values, axes=last))


@surface("matrix_power")
def matrix_power(x: Node, n: int) -> Node:
    """The product of `n` factors x; of inverses for a negative `n`. By repeated squaring."""
    if len(x.shape) < 2 or not dims.always_equal(x.shape[-1], x.shape[-2]):
        raise ShapeError(f"matrix_power: {x.type} is not square")
    base, result = (inv(x) if n < 0 else x), None
    count = abs(n)
    while count:
        if count & 1:
            result = base if result is None else matmul(result, base)
        count >>= 1
        base = matmul(base, base) if count else base
    return identity(x) if result is None else result


@surface("multi_dot", "chain_matmul")
def multi_dot(*matrices: Node | Sequence[Node]) -> Node:
    """The product of several matrices, in the order that multiplies least.

    By dynamic programming over the sizes (T. Cormen et al., "Introduction to algorithms", 15.2);
    named dims count with the largest value of their range.
    """
    first = matrices[0] if matrices else ()
    chain = list(first) if isinstance(first, list | tuple) else list(matrices)
    if not chain:
        raise UsageError("multi_dot: no matrices", code="argument-count")
    nodes = [node for node in chain if isinstance(node, Node)]
    if len(nodes) == 1:
        return nodes[0]
    inner = [dims.bounds(node.shape[0])[1] for node in nodes[1:]]
    begin = dims.bounds(nodes[0].shape[0])[1] if len(nodes[0].shape) > 1 else 1
    end = dims.bounds(nodes[-1].shape[-1])[1] if len(nodes[-1].shape) > 1 else 1
    return _cheapest(nodes, [begin, *inner, end])


def _cheapest(nodes: Sequence[Node], sizes: Sequence[int]) -> Node:
    count = len(nodes)
    cost = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for span in range(1, count):
        for i in range(count - span):
            j = i + span
            options = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cut[i, j] = min(options)

    def product(i: int, j: int) -> Node:
        if i == j:
            return nodes[i]
        return matrix_product(product(i, cut[i, j]), product(cut[i, j] + 1, j))

    return product(0, count - 1)


MOST_POWERS = 1024
"""Each one is a product in the graph."""


@surface("vander")
def vandermonde(x: Node, n: int | None = None, increasing: bool = False) -> Node:
    """Powers of the elements of `x` [..., N] as rows; of all exponents below `n` (N)."""
    if not x.shape:
        raise ShapeError(f"vander: {x.type} has no row")
    count = x.shape[-1] if n is None else n
    if not isinstance(count, int):
        raise UsageError("vander: give n, since the length of x is not a number")
    if not 0 < count <= MOST_POWERS:
        raise UsageError(f"vander: {count} powers", hint=f"give n from 1 to {MOST_POWERS}")
    powers = [functions["ones_like"](x)]
    for _ in range(1, count):
        powers.append(multiply(powers[-1], x))
    rows: Node = functions["stack"](powers if increasing else powers[::-1], axis=-1)
    return rows


@surface("diagonal_matrix", "diag_embed")
def diagonal_matrix(x: Node) -> Node:
    """Rows [..., N] as matrices [..., N, N] that are zero off the diagonal."""
    if not x.shape:
        raise ShapeError(f"diag_embed: {x.type} has no row")
    square = broadcast_to(reshape(x, shape=(*x.shape, 1)), shape=(*x.shape, x.shape[-1]))
    return where(diagonal_mask(square), square, zeros_like(square))
