"""Factorisations of stacks of matrices [..., M, N]: Cholesky, QR, eigenvalues, singular values.

LAPACK's, through NumPy, on the host. Gradients are made of matrix products and solves, so they
exist in any order, for the papers named beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import GraphcError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Call, GradientRule, HostCall, Op, Parameter, Refused
from graphc.ir.ops.contraction.matmul import matmul, matrix_transpose
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import ones_like, zeros_like
from graphc.ir.ops.creation.sequences import tril
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative, scaled, subtract
from graphc.ir.ops.elementwise.complex_numbers import conjugate, real
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.linalg.matrices import (
    ALL_MATRICES,
    adjoint,
    diagonal_mask,
    each_matrix,
    identity,
    lower_half,
    matrix_samples,
    on_diagonal,
    refused_matrices,
    repeated,
    require_matrix,
    symmetric,
)
from graphc.ir.ops.linalg.solve import solve, solve_triangular
from graphc.ir.ops.structural import projections
from graphc.ir.types import TensorType, TupleType

__all__ = ["cholesky", "eig", "eigh", "pinv", "qr", "svd"]

Array = np.ndarray[Any, Any]


def _require_derivative(node: Node) -> None:
    """Refuse the gradient of vectors which complete a basis."""
    if node["full"] and not dims.always_equal(*node.inputs[0].shape[-2:]):
        raise GraphcError(
            f"{node.op.name} with a completed basis, which is not unique, has no gradient",
            code="no-gradient",
            hint="take the thin factors",
        )


def _of_conjugates(rule: GradientRule) -> GradientRule:
    """A rule for cotangents that pair with a conjugate, as papers have it; here they pair without.

    For real matrices both are the same.
    """

    def gradient(node: Node, *cotangents: Node) -> tuple[Node | None, ...]:
        found = rule(node, *map(_conjugated, cotangents))
        return tuple(one if one is None else _conjugated(one) for one in found)

    return gradient


def _conjugated(x: Node) -> Node:
    return conjugate(x) if x.dtype.kind == "complex" else x


def _cholesky_reference(call: Call, a: Array) -> Array:
    result = np.empty_like(a)
    each_matrix(np.linalg.cholesky, np.tril(a), (result,))
    return result


def _cholesky_gradient(node: Node, g: Node) -> tuple[Node]:
    """L^-H Φ(L^H g) L^-1, made symmetric; Φ takes the lower half (I. Murray, 2016, equation 8)."""
    upper = adjoint(node)
    middle = lower_half(matmul(upper, tril(g)))
    left = solve_triangular(upper, middle, lower=False)
    whole = solve_triangular(upper, adjoint(left), lower=False)
    return (symmetric(whole),)


cholesky: Op = Op(
    "cholesky",
    1,
    infer=lambda op, operands, attributes: require_matrix(op, operands[0], ALL_MATRICES, True),
    reference=_cholesky_reference,
    lowering=HostCall(),
    gradient=_of_conjugates(_cholesky_gradient),
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="The lower triangular L with L @ L.T = a (the conjugate L.T, for complex ones), from the "
    "lower triangle of a symmetric a; NaN where a is not positive definite.",
)


def _infer_qr(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=False)
    *batch, rows, columns = type_.shape
    if not dims.always_less_equal(columns, rows):
        raise ShapeError(f"qr: {type_} has more columns than rows; the strict form takes no such")
    rank = rows if attributes["full"] else columns
    shapes = ((*batch, rows, rank), (*batch, rank, columns))
    return TupleType(tuple(TensorType(type_.dtype, shape) for shape in shapes))


def _qr_reference(call: Call, a: Array) -> tuple[Array, ...]:
    return tuple(map(np.asarray, np.linalg.qr(a, "complete" if call["full"] else "reduced")))


def _qr_gradient(node: Node, q_bar: Node, r_bar: Node) -> tuple[Node]:
    """(Q̄ + Q copyltu(M)) R^-H with M = R R̄^H - Q̄^H Q (M. Seeger et al., 2017, section 3.3)."""
    _require_derivative(node)
    q, r = projections(node)
    inner = subtract(matmul(r, adjoint(r_bar)), matmul(adjoint(q_bar), q))
    half = lower_half(inner)
    mirrored = add(half, adjoint(half))
    left = add(q_bar, matmul(q, mirrored))
    return (adjoint(solve_triangular(r, adjoint(left), lower=False)),)


qr: Op = Op(
    "qr",
    1,
    infer=_infer_qr,
    reference=_qr_reference,
    lowering=HostCall(),
    gradient=_of_conjugates(_qr_gradient),
    parameters=(Parameter("full", False),),
    samples=lambda: (
        *matrix_samples(((4, 3), (3, 3), (2, 1, 1), (3, 0), (0, 3, 2)), ALL_MATRICES)(),
        *matrix_samples(((4, 3), (2, 3, 1), (3, 0)), full=True)(),
    ),
    refused=lambda: (
        *refused_matrices(square=False)(),
        Refused((TensorType(dtypes.f32, (2, 3)),), {}, ShapeError),
    ),
    doc="Q [..., M, N] with orthonormal columns and upper triangular R with Q @ R = a, M >= N; if "
    "`full` Q is completed to a square matrix, and R with zeros.",
)


def _infer_eigh(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=True)
    return TupleType((TensorType(type_.dtype.real, type_.shape[:-1]), type_))


def _eigh_reference(call: Call, a: Array) -> tuple[Array, ...]:
    values, vectors = np.empty(a.shape[:-1], a.real.dtype), np.empty_like(a)
    each_matrix(lambda one: tuple(np.linalg.eigh(one)), np.tril(a), (values, vectors))
    return values, vectors


def _differences(values: Node) -> Node:
    """values[j] - values[i] at (i, j)."""
    count = values.shape[-1]
    return subtract(repeated(values, -2, count), repeated(values, -1, count))


def _inverse_or_zero(x: Node) -> Node:
    """1 / x, and 0 where x is 0 (equal values give no direction)."""
    is_zero = equal(x, zeros_like(x))
    safe = where(is_zero, ones_like(x), x)
    return where(is_zero, zeros_like(x), divide(ones_like(x), safe))


def _eigh_gradient(node: Node, w_bar: Node, v_bar: Node) -> tuple[Node]:
    """V (diag(w̄) + F * (V^H V̄)) V^H, made symmetric, F[i, j] = 1 / (w[j] - w[i])."""
    w, v = projections(node)
    factors = cast_to(_inverse_or_zero(_differences(w)), v.dtype)
    turned = multiply(factors, matmul(adjoint(v), v_bar))
    inner = add(on_diagonal(cast_to(w_bar, v.dtype)), turned)
    return (symmetric(matmul(matmul(v, inner), adjoint(v))),)


eigh: Op = Op(
    "eigh",
    1,
    infer=_infer_eigh,
    reference=_eigh_reference,
    lowering=HostCall(),
    gradient=_of_conjugates(_eigh_gradient),
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="Eigenvalues in ascending order and eigenvectors (columns), from the lower triangle of a "
    "symmetric matrix, or a Hermitian one.",
)


def _infer_eig(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=True)
    dtype = dtypes.promote(type_.dtype, dtypes.c64)
    return TupleType((TensorType(dtype, type_.shape[:-1]), TensorType(dtype, type_.shape)))


def _eig_reference(call: Call, a: Array) -> tuple[Array, ...]:
    dtype = np.result_type(a.dtype, np.complex64)
    values, vectors = np.empty(a.shape[:-1], dtype), np.empty(a.shape, dtype)
    each_matrix(lambda one: tuple(np.linalg.eig(one)), a, (values, vectors))
    return values, vectors


def _eig_gradient(node: Node, w_bar: Node, v_bar: Node) -> tuple[Node]:
    """V^-T (diag(w̄) + F * (V^T V̄ - V^T conj(V) diag(Re(V^T V̄)))) V^T, for columns of norm 1.

    F[i, j] = 1 / (w[j] - w[i]); M. Giles, "Collected matrix derivative results" (2008), section
    2.3.1. What depends on the phases of the columns has no derivative.
    """
    w, v = projections(node)
    transposed = matrix_transpose(v)
    turned = matmul(transposed, v_bar)
    along = cast_to(real(where(diagonal_mask(turned), turned, zeros_like(turned))), turned.dtype)
    across = subtract(turned, matmul(matmul(transposed, conjugate(v)), along))
    inner = add(on_diagonal(w_bar), multiply(_inverse_or_zero(_differences(w)), across))
    slope = solve(transposed, matmul(inner, transposed))
    a = node.inputs[0]
    return (slope if a.dtype.kind == "complex" else cast_to(real(slope), a.dtype),)


eig: Op = Op(
    "eig",
    1,
    infer=_infer_eig,
    reference=_eig_reference,
    lowering=HostCall(),
    gradient=_eig_gradient,
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="Eigenvalues, in no order, and eigenvectors (columns), as complex numbers. Its gradient "
    "needs distinct eigenvalues, and is that of what does not depend on the phases of vectors.",
)


def _rank(type_: TensorType) -> DimLike:
    return dims.minimum(*type_.shape[-2:])


def _infer_svd(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=False)
    *batch, rows, columns = type_.shape
    rank = _rank(type_)
    left, right = (rows, columns) if attributes["full"] else (rank, rank)
    return TupleType(
        (
            TensorType(type_.dtype, (*batch, rows, left)),
            TensorType(type_.dtype.real, (*batch, rank)),
            TensorType(type_.dtype, (*batch, right, columns)),
        )
    )


def _svd_reference(call: Call, a: Array) -> tuple[Array, ...]:
    *batch, rows, columns = a.shape
    rank, full = min(rows, columns), call["full"]
    left, right = (rows, columns) if full else (rank, rank)
    u, vh = np.empty((*batch, rows, left), a.dtype), np.empty((*batch, right, columns), a.dtype)
    s = np.empty((*batch, rank), a.real.dtype)
    each_matrix(lambda one: tuple(np.linalg.svd(one, full_matrices=full)), a, (u, s, vh))
    return u, s, vh


def _svd_gradient(node: Node, u_bar: Node, s_bar: Node, vh_bar: Node) -> tuple[Node]:
    """J. Townsend, "Differentiating the singular value decomposition" (2016), for the thin form.

    What depends on the phases of complex vectors has no derivative. Where it does not, a turn of
    U along its columns stands for that of both (Z. Wan and S. Zhang, "Automatic differentiation for
    complex valued SVD", 2019).
    """
    _require_derivative(node)
    u, s, vh = projections(node)
    v, v_bar = adjoint(vh), adjoint(vh_bar)
    count = s.shape[-1]
    gaps = cast_to(_inverse_or_zero(_differences(multiply(s, s))), u.dtype)
    inverse = cast_to(_inverse_or_zero(s), u.dtype)
    s, s_bar = cast_to(s, u.dtype), cast_to(s_bar, u.dtype)
    turn_u = _antisymmetric(matmul(adjoint(u), u_bar))
    from_u = multiply(gaps, turn_u)
    from_v = multiply(gaps, _antisymmetric(matmul(vh, v_bar)))
    columns, rows = repeated(s, -2, count), repeated(s, -1, count)
    inner = add(add(multiply(from_u, columns), multiply(rows, from_v)), on_diagonal(s_bar))
    if u.dtype.kind == "complex":
        phases = multiply(turn_u, repeated(scaled(inverse, 0.5), -2, count))
        inner = add(inner, where(diagonal_mask(phases), phases, zeros_like(phases)))
    total = matmul(matmul(u, inner), vh)
    outside_u = _outside(u, u_bar, inverse)
    outside_v = _outside(v, v_bar, inverse)
    total = add(total, matmul(outside_u, vh))
    return (add(total, matmul(u, adjoint(outside_v))),)


def _antisymmetric(x: Node) -> Node:
    return subtract(x, adjoint(x))


def _outside(q: Node, q_bar: Node, inverse: Node) -> Node:
    """(I - q q^H) q̄ diag(inverse): what moves the columns of q out of the space they span."""
    inside = matmul(q, matmul(adjoint(q), q_bar))
    return multiply(subtract(q_bar, inside), repeated(inverse, -2, q.shape[-2]))


svd: Op = Op(
    "svd",
    1,
    infer=_infer_svd,
    reference=_svd_reference,
    lowering=HostCall(),
    gradient=_of_conjugates(_svd_gradient),
    parameters=(Parameter("full", False),),
    samples=lambda: (
        *matrix_samples(((4, 3), (2, 3), (3, 3), (2, 1, 1), (3, 0), (0, 3, 2)), ALL_MATRICES)(),
        *matrix_samples(((4, 3), (2, 3), (2, 1, 3), (3, 0)), full=True)(),
    ),
    refused=refused_matrices(square=False),
    doc="The singular value decomposition: U, the singular values in descending order, and V "
    "transposed (its conjugate, for complex ones); thin, unless `full` completes U and V. Its "
    "gradient needs distinct singular values, unless it is that of the values.",
)


def _infer_pinv(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=False)
    *batch, rows, columns = type_.shape
    return TensorType(type_.dtype, (*batch, columns, rows))


def _pinv_reference(call: Call, a: Array) -> Array:
    if not a.size:
        return np.zeros(call.shape, a.dtype)
    rtol = call["rtol"]
    if rtol is None:
        rtol = max(a.shape[-2:]) * np.finfo(a.dtype).eps
    inverse = np.empty(call.shape, a.dtype)
    each_matrix(lambda one: (np.linalg.pinv(one, rcond=rtol),), a, (inverse,))
    return inverse


def _pinv_gradient(node: Node, g: Node) -> tuple[Node]:
    """The adjoint of G. Golub and V. Pereyra's derivative (1973), for matrices of constant rank."""
    a, p = node.inputs[0], node
    p_t, g_t = adjoint(p), adjoint(g)
    first = negative(matmul(matmul(p_t, g), p_t))
    ap, pa = matmul(a, p), matmul(p, a)
    second = matmul(matmul(subtract(identity(ap), ap), g_t), matmul(p, p_t))
    third = matmul(matmul(p_t, p), matmul(g_t, subtract(identity(pa), pa)))
    return (add(add(first, second), third),)


pinv: Op = Op(
    "pinv",
    1,
    infer=_infer_pinv,
    reference=_pinv_reference,
    lowering=HostCall(),
    gradient=_of_conjugates(_pinv_gradient),
    parameters=(Parameter("rtol", None),),
    samples=matrix_samples(((4, 3), (2, 3), (3, 3), (2, 1, 1), (3, 0), (0, 3, 2)), ALL_MATRICES),
    refused=refused_matrices(square=False),
    doc="The pseudoinverse; singular values up to `rtol` times the largest count as zero (the "
    "larger side times the dtype's epsilon unless given).",
)
