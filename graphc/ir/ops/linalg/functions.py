"""Linear algebra under the names of the array API standard and of `torch.linalg`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast_shapes, promoted
from graphc.ir.ops.contraction.matmul import matmul, matrix_product, matrix_transpose
from graphc.ir.ops.creation.constants import constant_like, iota, ones_like, zeros_like
from graphc.ir.ops.elementwise.logic import greater, where
from graphc.ir.ops.linalg.determinants import det, slogdet
from graphc.ir.ops.linalg.factorizations import cholesky, eig, eigh, qr
from graphc.ir.ops.linalg.matrices import adjoint, diagonal_mask, identity
from graphc.ir.ops.linalg.solve import inv, solve, solve_triangular
from graphc.ir.ops.reductions.cumulative import cumulative_prod
from graphc.ir.ops.structural import project
from graphc.ir.ops.views.shape import broadcast_to, flip, reshape

__all__: list[str] = []


class EigenResult(NamedTuple):
    """Eigenvalues, and eigenvectors as columns."""

    eigenvalues: Node
    eigenvectors: Node


class QrResult(NamedTuple):
    """Orthonormal columns, and an upper triangle."""

    Q: Node
    R: Node


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Node
    logabsdet: Node


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


def _turned(b: Node) -> Node:
    """Columns as rows; a single one stays."""
    return matrix_transpose(b) if len(b.shape) > 1 else b


@surface("solve")
def solve_system(a: Node, b: Node, *, left: bool = True) -> Node:
    """x with a @ x = b, for `a` [..., N, N] and `b` [N] or [..., N, K]; NaN for singular ones.

    left: False for x with x @ a = b, for `b` [N] or [..., K, N].

    Raises:
        ShapeError: `a` is not square, or `b` has another number of rows.
    """
    if not left:
        return _turned(solve_system(matrix_transpose(a), _turned(b)))
    matrix, right, is_column = _fitted(a, b)
    x = solve(matrix, right)
    return reshape(x, shape=x.shape[:-1]) if is_column else x


@surface("solve_triangular")
@also_named(unit_diagonal="unitriangular")
def solve_triangle(
    a: Node,
    b: Node,
    trans: Literal[0, 1, 2, "N", "T", "C"] = 0,
    lower: bool | None = None,
    unitriangular: bool = False,
    *,
    upper: bool | None = None,
    left: bool = True,
) -> Node:
    """x with a @ x = b, looking only at the upper (or lower) triangle of `a` [..., N, N].

    Args:
        a: the triangular matrices.
        b: the right sides, [N] or [..., N, K].
        trans: 1 or "T" for x with a.T @ x = b, 2 or "C" for the conjugates of a.T.
        lower: which triangle of `a`; the upper one unless given, as in SciPy.
        unitriangular: the diagonal of `a` is taken to be ones.
        upper: which triangle, as PyTorch says it.
        left: False for x with x @ a = b, for `b` [N] or [..., K, N].
    """
    if lower is not None and upper is not None:
        raise UsageError(
            "solve_triangular: lower and upper say the same",
            code="argument-twice",
            hint="give upper alone",
        )
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise UsageError(f"solve_triangular: trans is {trans!r}", hint="expected 0, 1 or 2")
    upper = not lower if upper is None else upper
    if trans in (1, 2, "T", "C"):
        a, upper = adjoint(a) if trans in (2, "C") else matrix_transpose(a), not upper
    if not left:
        turned = matrix_transpose(a), _turned(b)
        return _turned(solve_triangle(*turned, upper=not upper, unitriangular=unitriangular))
    matrix, right, is_column = _fitted(a, b)
    x = solve_triangular(matrix, right, lower=not upper, unit_diagonal=unitriangular)
    return reshape(x, shape=x.shape[:-1]) if is_column else x


@surface("triangular_solve")
def solve_triangle_first(
    b: Node, a: Node, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Node, Node]:
    """x with a @ x = b, or a.T @ x = b, and `a`: `solve_triangular` as PyTorch had it before."""
    turned = matrix_transpose(a) if transpose else a
    is_upper = upper != transpose
    return solve_triangle(turned, b, upper=is_upper, unitriangular=unitriangular), a


@surface("inv", "inverse")
def inverse(x: Node) -> Node:
    """The inverses of matrices [..., N, N]; NaN for singular ones."""
    return inv(x)


@surface("det")
def determinant(x: Node) -> Node:
    """The determinants of matrices [..., N, N].

    First and second derivatives are right for singular matrices too; higher ones are NaN there.
    """
    return det(x)


@surface("slogdet")
def sign_and_logarithm(x: Node) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its absolute value.

    Gradients need invertible matrices: for others the sign is 0 and the logarithm -inf.
    """
    return SlogdetResult(*_results(slogdet(x), 2))


@surface("logdet")
def logarithm_of_determinant(x: Node) -> Node:
    """The logarithm of the determinant; NaN where that is negative, and -inf where it is 0.

    Of complex matrices the imaginary part lies in [-pi, pi]. Gradients need invertible matrices.
    """
    sign, logarithm = _results(slogdet(x), 2)
    if sign.dtype.kind == "complex":
        return functions["complex"](logarithm, functions["angle"](sign))  # type: ignore[no-any-return]
    undefined = constant_like(math.nan, logarithm)
    return where(greater(zeros_like(sign), sign), undefined, logarithm)


# -- factorisations -------------------------------------------------------------------------------


@surface("cholesky")
def triangular_root(x: Node, upper: bool = False) -> Node:
    """The lower triangular L with L @ L.T = x, or its transpose; NaN if x is not positive definite.

    Only the lower triangle of `x` is looked at.
    """
    lower = cholesky(x)
    return adjoint(lower) if upper else lower


@surface("cholesky_solve")
def solve_with_root(b: Node, root: Node, upper: bool = False) -> Node:
    """x with a @ x = b, given the Cholesky factor of a."""
    lower = adjoint(root) if upper else root
    middle = solve_triangle(lower, b, upper=False)
    return solve_triangle(adjoint(lower), middle, upper=True)


@surface("cholesky_inverse")
def inverse_from_root(root: Node, upper: bool = False) -> Node:
    """The inverse of a, given the Cholesky factor of a."""
    return solve_with_root(identity(root), root, upper)


@surface("cho_factor")
def factor_with_root(a: Node, lower: bool = False) -> tuple[Node, bool]:
    """The Cholesky factor of `a` for `cho_solve`, upper unless `lower`, and which of them it is."""
    return triangular_root(a, upper=not lower), lower


@surface("cho_solve")
def solve_factored_with_root(factor: tuple[Node, bool], b: Node) -> Node:
    """x with a @ x = b [N] or [..., N, K], given what `cho_factor` gives of a."""
    root, is_lower = factor
    if len(b.shape) > 1:
        return solve_with_root(b, root, upper=not is_lower)
    column = reshape(b, shape=(*b.shape, 1))
    return reshape(solve_with_root(column, root, upper=not is_lower), shape=b.shape)


@surface("tensorinv")
def inverse_of_tensor(x: Node, ind: int = 2) -> Node:
    """The inverse of `x` as a map from its last axes to its first `ind`.

    Raises:
        ShapeError: the products of both groups of sizes differ.
    """
    rows, columns = x.shape[:ind], x.shape[ind:]
    square = reshape(x, shape=(dims.product(rows), dims.product(columns)))
    return reshape(inverse(square), shape=(*columns, *rows))


@surface("tensorsolve")
def solve_tensors(a: Node, b: Node, axes: Sequence[int] | None = None) -> Node:
    """y with tensordot(a, y, y.ndim) = b; `axes` of `a` are moved to its end first."""
    if axes is not None:
        a = functions["moveaxis"](a, tuple(axes), tuple(range(-len(axes), 0)))
    columns = a.shape[len(b.shape) :]
    size = dims.product(b.shape)
    square = reshape(a, shape=(size, dims.product(columns)))
    return reshape(solve_system(square, reshape(b, shape=(size,))), shape=columns)


@surface("qr")
def orthogonal_triangular(
    x: Node, mode: Literal["reduced", "complete", "r"] = "reduced"
) -> QrResult | Node:
    """Q with orthonormal columns and upper triangular R, with Q @ R = x; R alone for mode "r".

    "complete": Q is square, and R has as many rows as `x`. Gradients need "reduced".
    """
    if mode not in ("reduced", "complete", "r"):
        raise UsageError(f'qr: mode is {mode!r}, expected "reduced", "complete" or "r"')
    if len(x.shape) < 2:
        raise ShapeError(f"qr: {x.type} is no matrix", code="rank")
    rows, columns = x.shape[-2:]
    full = mode == "complete" and not dims.always_less_equal(rows, columns)
    if dims.always_less_equal(columns, rows):
        q, r = _results(qr(x, full=full), 2)
    else:
        # Q is that of the square part, and turns the rest of the columns along.
        left = functions["narrow"](x, -1, 0, dims.minimum(rows, columns))
        q, _ = _results(qr(left, full=full), 2)
        r = functions["triu"](matmul(adjoint(q), x))
    return r if mode == "r" else QrResult(q, r)


@surface("eigh")
def eigenvectors(x: Node, UPLO: Literal["L", "U"] = "L") -> EigenResult:
    """Eigenvalues in ascending order, and eigenvectors as columns, of symmetric matrices.

    The lower triangle is looked at, or the upper one where UPLO is "U".
    """
    return EigenResult(*_results(eigh(_lower_of(x, UPLO)), 2))


@surface("eigvalsh")
def eigenvalues(x: Node, UPLO: Literal["L", "U"] = "L") -> Node:
    """The eigenvalues of symmetric matrices, in ascending order; see `eigh`."""
    return _results(eigh(_lower_of(x, UPLO)), 1)[0]


def _lower_of(x: Node, triangle: str) -> Node:
    """A matrix whose lower triangle is the one that is looked at."""
    if triangle not in ("L", "U"):
        raise UsageError(f'eigh: UPLO is {triangle!r}, expected "L" or "U"')
    return x if triangle == "L" else adjoint(x)


@surface("eig")
def general_eigenvectors(x: Node) -> EigenResult:
    """Eigenvalues, in no order, and eigenvectors of norm 1 as columns: complex numbers.

    Gradients need distinct eigenvalues, and results that do not depend on the phases of vectors.
    """
    return EigenResult(*_results(eig(x), 2))


@surface("eigvals")
def general_eigenvalues(x: Node) -> Node:
    """The eigenvalues, in no order: complex numbers. Gradients need distinct ones."""
    return project(eig(x), index=0)


# -- powers and chains ----------------------------------------------------------------------------


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
    named dims count with the largest value of their range. In f16 and bf16 every product is
    rounded.
    """
    first = matrices[0] if matrices else ()
    chain = list(first) if isinstance(first, list | tuple) else list(matrices)
    if not chain:
        raise UsageError("multi_dot: no matrices", code="argument-count")
    nodes = [node for node in chain if isinstance(node, Node)]
    if len(nodes) == 1:
        return nodes[0]
    for node in nodes:
        if not node.shape:
            raise ShapeError(f"multi_dot: {node.type} is no matrix", code="rank")
    inner = [dims.bounds(node.shape[0])[1] for node in nodes[1:]]
    begin = dims.bounds(nodes[0].shape[0])[1] if len(nodes[0].shape) > 1 else 1
    end = dims.bounds(nodes[-1].shape[-1])[1] if len(nodes[-1].shape) > 1 else 1
    return _cheapest(promoted(*nodes), [begin, *inner, end])


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


@surface("vander")
@also_named(N="n")
def vandermonde(x: Node, n: DimLike | None = None, increasing: bool = False) -> Node:
    """Powers of the elements of `x` [..., N] as rows; of all exponents below `n` (N)."""
    if not x.shape:
        raise ShapeError(f"vander: {x.type} has no row")
    count = x.shape[-1] if n is None else n
    if not dims.always_less_equal(0, count):
        raise UsageError(f"vander: {count} powers", hint="give a number n of 0 or more")
    axis, shape = len(x.shape), (*x.shape, count)
    factors = broadcast_to(reshape(x, shape=(*x.shape, 1)), shape=shape)
    place = iota(shape=shape, axis=axis, dtype=dtypes.i64)
    is_first = functions["equal"](place, 0)
    powers = cumulative_prod(where(is_first, ones_like(factors), factors), axis=axis)
    return powers if increasing else flip(powers, axes=(axis,))


@surface("diagonal_matrix", "diag_embed")
def diagonal_matrix(x: Node, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Node:
    """Rows [..., N] as matrices that are zero off the diagonal `offset` above the main one.

    The matrices lie on the axes `dim1` and `dim2` of the result.
    """
    if not x.shape:
        raise ShapeError(f"diag_embed: {x.type} has no row")
    if offset:
        edges = (max(-offset, 0), max(offset, 0))
        x = functions["pad"](x, (*((0, 0) for _ in x.shape[1:]), edges))
    square = broadcast_to(reshape(x, shape=(*x.shape, 1)), shape=(*x.shape, x.shape[-1]))
    matrices = where(diagonal_mask(square), square, zeros_like(square))
    if offset:
        # Each row stands in its own place, shifted by the offset from its column.
        matrices = functions["roll"](matrices, offset, -1)
    return functions["moveaxis"](matrices, (-2, -1), (dim1, dim2))  # type: ignore[no-any-return]
