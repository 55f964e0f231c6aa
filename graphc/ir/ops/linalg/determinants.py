"""Determinants of stacks of matrices [..., N, N], and their derivatives.

LAPACK's, through NumPy, on the host. The derivative of a determinant by an element is its cofactor,
a polynomial of the other elements. The inverse times the determinant gives it where that is not 0;
singular values give it everywhere: the cofactors of a product are the product of the cofactors,
those of a diagonal matrix are the products of all its numbers but one, and those of a unitary
matrix its conjugate times its determinant.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, HostCall, Op, Refused, Sample
from graphc.ir.ops.contraction.matmul import matmul, matrix_transpose
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, subtract
from graphc.ir.ops.elementwise.complex_numbers import complex_of, imaginary
from graphc.ir.ops.elementwise.declaration import require_same
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.linalg.matrices import (
    ALL_MATRICES,
    diagonal_mask,
    each_matrix,
    matrix_samples,
    refused_matrices,
    require_matrix,
)
from graphc.ir.ops.linalg.solve import inv
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.structural import project
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.ir.types import TensorType, TupleType

__all__ = ["det", "slogdet"]

Array = np.ndarray[Any, Any]


def _matrices(x: Node, like: Node) -> Node:
    """A number for each matrix, repeated over its elements."""
    return broadcast_to(reshape(x, shape=(*x.shape, 1, 1)), shape=like.shape)


# -- cofactors ------------------------------------------------------------------------------------


def _products_of_others(x: Array) -> Array:
    """For each element of a row the product of the others."""
    one = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([one, x[..., :0:-1]], axis=-1), axis=-1)
    return np.asarray(before * after[..., ::-1])


def _cofactors_of(a: Array) -> Array:
    u, s, vh = np.linalg.svd(a)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    return np.asarray(turn * ((u * _products_of_others(s)) @ vh).conj())


def _cofactors_reference(call: Call, a: Array) -> Array:
    result = np.empty_like(a)
    if a.size:
        each_matrix(_cofactors_of, a, (result,))
    return result


def _slope_of(a: Array, h: Array) -> Array:
    u, s, vh = np.linalg.svd(a)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    turned = u.conj().T @ h @ vh.conj().T
    # Row i holds the products of all but i and one more.
    others = np.repeat(s[None], len(s), axis=0)
    np.fill_diagonal(others, 1)
    products = _products_of_others(others)
    np.fill_diagonal(products, 0)
    inner = np.diag(products @ np.diagonal(turned)) - products * turned.T
    return np.asarray(turn * (u.conj() @ inner @ vh.conj()))


def _slope_reference(call: Call, a: Array, h: Array) -> Array:
    result = np.empty_like(a)
    for place in np.ndindex(a.shape[:-2]):
        if a.size:
            each_matrix(partial(_slope_of, h=h[place]), a[place], (result[place],))
    return result


def _slope_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """By the direction the second derivative of the determinant, which is symmetric.

    By the matrix the third one, for invertible matrices: with x = a^-1 it is det(a) times
    (tr(xh) tr(xg) - tr(xhxg)) x.T - tr(xg) (xhx).T - tr(xh) (xgx).T + (xhxgx + xgxhx).T.
    """
    a, h = node.inputs
    x = inv(a)
    xh, xg = matmul(x, h), matmul(x, g)
    xhx, xgx = matmul(xh, x), matmul(xg, x)
    along_h, along_g = (_matrices(_trace(one), a) for one in (xh, xg))
    both = subtract(multiply(along_h, along_g), _matrices(_trace(matmul(xh, xg)), a))
    once = add(multiply(along_g, xhx), multiply(along_h, xgx))
    twice = add(matmul(xh, xgx), matmul(xg, xhx))
    third = add(subtract(multiply(both, x), once), twice)
    return multiply(_matrices(det(a), a), matrix_transpose(third)), cofactor_slope(a, g)


def _trace(x: Node) -> Node:
    rank = len(x.shape)
    kept = where(diagonal_mask(x), x, zeros_like(x))
    return sum_over(kept, axes=(rank - 2, rank - 1))


def _infer_slope(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    require_same(op, operands)
    return require_matrix(op, operands[0], ALL_MATRICES, square=True)


_SHAPES = ((3, 3), (2, 1, 1), (0, 0), (0, 2, 2))

cofactors: Op = Op(
    "cofactors",
    1,
    infer=lambda op, operands, attributes: require_matrix(op, operands[0], ALL_MATRICES, True),
    reference=_cofactors_reference,
    lowering=HostCall(),
    gradient=lambda node, g: (cofactor_slope(node.inputs[0], g),),
    samples=matrix_samples(_SHAPES, ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="The derivatives of the determinant by the elements.",
)
cofactor_slope: Op = Op(
    "cofactor_slope",
    2,
    infer=_infer_slope,
    reference=_slope_reference,
    lowering=HostCall(),
    gradient=_slope_gradient,
    samples=lambda: (
        Sample((TensorType(dtype, shape),) * 2, smooth=False)
        for dtype in ALL_MATRICES
        for shape in _SHAPES
    ),
    refused=lambda: (
        Refused((TensorType(dtypes.f32, (3, 4)),) * 2, {}, ShapeError),
        Refused((TensorType(dtypes.i32, (3, 3)),) * 2, {}, DTypeError),
        Refused((TensorType(dtypes.f32, (3, 3)), TensorType(dtypes.f64, (3, 3))), {}, DTypeError),
    ),
    doc="How the cofactors move as the matrix moves along another one.",
)


# -- determinants ---------------------------------------------------------------------------------


def _infer_det(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=True)
    return TensorType(type_.dtype, type_.shape[:-2])


def _det_gradient(node: Node, g: Node) -> tuple[Node]:
    a = node.inputs[0]
    return (multiply(_matrices(g, a), cofactors(a)),)


det: Op = Op(
    "det",
    1,
    infer=_infer_det,
    reference=lambda call, a: np.asarray(np.linalg.det(a)),
    lowering=HostCall(),
    gradient=_det_gradient,
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="The determinant.",
)


def _infer_slogdet(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=True)
    batch = type_.shape[:-2]
    return TupleType((TensorType(type_.dtype, batch), TensorType(type_.dtype.real, batch)))


def _slogdet_reference(call: Call, a: Array) -> tuple[Array, ...]:
    return tuple(map(np.asarray, np.linalg.slogdet(a)))


def _slogdet_gradient(node: Node, sign: Node, g: Node) -> tuple[Node]:
    """With t = trace(a^-1 da), the logarithm moves by the real part of t, the sign turns by i
    times its imaginary part."""
    a = node.inputs[0]
    if a.dtype.kind == "complex":
        g = complex_of(g, imaginary(multiply(sign, project(node, index=0))))
    return (multiply(_matrices(g, a), matrix_transpose(inv(a))),)


slogdet: Op = Op(
    "slogdet",
    1,
    infer=_infer_slogdet,
    reference=_slogdet_reference,
    lowering=HostCall(),
    gradient=_slogdet_gradient,
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="The sign of the determinant, and the logarithm of its absolute value.",
)
