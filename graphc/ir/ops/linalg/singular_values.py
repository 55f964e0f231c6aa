"""Singular values, and what they tell of matrices: ranks, conditions, inverses of what has none."""

from __future__ import annotations

from typing import NamedTuple

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand
from graphc.ir.ops.contraction.matmul import matmul, matrix_product
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import dim_value, ones_like, zeros_like
from graphc.ir.ops.creation.sequences import tril
from graphc.ir.ops.elementwise.arithmetic import add, divide
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.linalg.factorizations import pinv, svd
from graphc.ir.ops.linalg.matrices import adjoint, diagonal_mask
from graphc.ir.ops.reductions.reduction import max_over, min_over, sum_over
from graphc.ir.ops.structural import project

__all__: list[str] = []

F = functions


class SvdResult(NamedTuple):
    """Singular vectors as columns, values, and vectors as rows."""

    U: Node
    S: Node
    Vh: Node


@surface("svd")
def singular_value_decomposition(
    x: Node, full_matrices: bool = True, compute_uv: bool = True
) -> SvdResult | Node:
    """U [..., M, M], singular values [..., K] in descending order, V transposed [..., N, N].

    K is the smaller of M and N. Without `full_matrices` U is [..., M, K] and V transposed
    [..., K, N], which gradients need: what is added is not unique. Without `compute_uv` the
    values alone, as `svdvals` has them.
    """
    if not compute_uv:
        return singular_values(x)
    is_square = dims.always_equal(*x.shape[-2:]) if len(x.shape) > 1 else False
    factors = svd(x, full=full_matrices and not is_square)
    return SvdResult(*(project(factors, index=index) for index in range(3)))


@surface("svdvals")
def singular_values(x: Node) -> Node:
    """The singular values, in descending order."""
    return project(svd(x), index=1)


@surface("pinv", "pinverse")
@also_named(rcond="rtol")
def pseudoinverse(
    x: Node, rtol: Operand | None = None, hermitian: bool = False, *, atol: Operand | None = None
) -> Node:
    """The pseudoinverses [..., N, M] of matrices [..., M, N].

    Args:
        x: the matrices.
        rtol: singular values up to this times the largest count as zero, one number or one for
            each matrix; the larger side times the dtype's epsilon, unless a tolerance is given.
        hermitian: the matrices are symmetric, and their lower triangles alone are looked at.
        atol: singular values up to this count as zero as well.
    """
    x = _from_lower(x) if hermitian else x
    if atol is None and not isinstance(rtol, Node):
        return pinv(x, rtol=rtol)
    factors = svd(x)
    u, s, vh = (project(factors, index=index) for index in range(3))
    kept = _above(s, rtol, atol)
    inverse = where(kept, divide(ones_like(s), where(kept, s, ones_like(s))), zeros_like(s))
    return matmul(F["multiply"](adjoint(vh), F["expand_dims"](inverse, -2)), adjoint(u))


@surface("matrix_rank")
@also_named(tol="atol")
def rank_of_matrix(
    x: Node, rtol: Operand | None = None, hermitian: bool = False, *, atol: Operand | None = None
) -> Node:
    """How many singular values are above `rtol` times the largest, and above `atol` (i64).

    The tolerances, and `hermitian`, are those of `pinv`.
    """
    values = singular_values(_from_lower(x) if hermitian else x)
    if rtol is None and atol is None:
        side, epsilon = dims.maximum(*x.shape[-2:]), x.dtype.epsilon
        if isinstance(side, Dim):
            rtol = F["multiply"](dim_value(dim=side, dtype=values.dtype), epsilon)
        else:
            rtol = side * epsilon
    above = cast_to(_above(values, rtol, atol), dtypes.i64)
    return sum_over(above, axes=(len(values.shape) - 1,))


def _from_lower(x: Node) -> Node:
    """The symmetric matrices whose lower triangles are those of `x`."""
    below = tril(x, -1)
    diagonal = cast_to(F["real"](x), x.dtype)
    return where(diagonal_mask(x), diagonal, add(below, adjoint(below)))


def _above(values: Node, rtol: Operand | None, atol: Operand | None) -> Node:
    """Which singular values are above `rtol` times the largest of their matrix, and `atol`."""
    largest = max_over(values, axes=(len(values.shape) - 1,))
    limits = [] if rtol is None else [F["multiply"](largest, rtol)]
    limits += [] if atol is None else [F["add"](zeros_like(largest), atol)]
    limit = limits[0] if len(limits) == 1 else F["maximum"](*limits)
    above: Node = F["greater"](values, F["expand_dims"](limit, -1))
    return above


@surface("lstsq")
@also_named(rcond="rtol")
def least_squares(a: Node, b: Node, rtol: float | None = None) -> Node:
    """The shortest x for which a @ x is nearest to b."""
    return matrix_product(pinv(a, rtol=rtol), b)


@surface("cond")
def condition_number(x: Node) -> Node:
    """The largest singular value divided by the smallest."""
    values = singular_values(x)
    last = (len(values.shape) - 1,)
    return divide(max_over(values, axes=last), min_over(values, axes=last))
