"""Systems of equations and inverses, for stacks of matrices [..., N, N].

LAPACK's, through NumPy, on the host. Gradients are made of further solves, so they exist in any
order: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, HostCall, Op, Parameter, Refused, Sample
from graphc.ir.ops.contraction.matmul import matmul, matrix_transpose
from graphc.ir.ops.creation.constants import ones_like, zeros_like
from graphc.ir.ops.creation.sequences import tril
from graphc.ir.ops.elementwise.arithmetic import negative
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.linalg.matrices import (
    ALL_MATRICES,
    diagonal_mask,
    matrix_samples,
    refused_matrices,
    require_matrix,
)
from graphc.ir.types import TensorType

__all__ = ["inv", "solve", "solve_triangular"]

Array = np.ndarray[Any, Any]

# -- solve ---


def _infer_solve(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    a = require_matrix(op, operands[0], ALL_MATRICES, square=True)
    b = require_matrix(op, operands[1], ALL_MATRICES, square=False)
    if a.dtype is not b.dtype:
        raise DTypeError(f"{op.name}: dtypes differ: {a} and {b}")
    if a.shape[:-1] != b.shape[:-1]:
        raise ShapeError(
            f"{op.name}: {a} and {b}; the right side has as many rows, in the same batch"
        )
    return b


def _solve_reference(call: Call, a: Array, b: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(a, b))
    except np.linalg.LinAlgError:
        return _each_solved(a, b)


def _each_solved(a: Array, b: Array) -> Array:
    """Matrix by matrix, NaN for those that are singular: one does not spoil the others."""
    result = np.full_like(b, np.nan)
    for place in np.ndindex(a.shape[:-2]):
        try:
            result[place] = np.linalg.solve(a[place], b[place])
        except np.linalg.LinAlgError:
            continue
    return result


def _solve_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    a, _ = node.inputs
    to_b = solve(matrix_transpose(a), g)
    return negative(matmul(to_b, matrix_transpose(node))), to_b


def _solve_refused() -> Iterable[Refused]:
    f32 = dtypes.f32
    square, column = TensorType(f32, (3, 3)), TensorType(f32, (3, 1))
    yield Refused((TensorType(f32, (3, 4)), column), {}, ShapeError)
    yield Refused((square, TensorType(f32, (4, 1))), {}, ShapeError)
    yield Refused((square, TensorType(f32, (3,))), {}, ShapeError)
    yield Refused((square, TensorType(dtypes.f64, (3, 1))), {}, DTypeError)
    yield Refused((TensorType(dtypes.i32, (3, 3)), column), {}, DTypeError)


def _pairs() -> Iterable[Sample]:
    shapes = (((3, 3), (3, 2)), ((2, 1, 1), (2, 1, 4)), ((0, 0), (0, 2)), ((2, 2), (2, 0)))
    for dtype in ALL_MATRICES:
        for a, b in shapes:
            yield Sample((TensorType(dtype, a), TensorType(dtype, b)), smooth=False)


solve: Op = Op(
    "solve",
    2,
    infer=_infer_solve,
    reference=_solve_reference,
    lowering=HostCall(),
    gradient=_solve_gradient,
    samples=_pairs,
    refused=_solve_refused,
    doc="x with a @ x = b, for matrices a [..., N, N] and b [..., N, K]; NaN where a is singular.",
)


def _triangle_of(a: Node, lower: bool, unit: bool) -> Node:
    kept = tril(a) if lower else matrix_transpose(tril(matrix_transpose(a)))
    return where(diagonal_mask(kept), ones_like(kept), kept) if unit else kept


def _triangular_reference(call: Call, a: Array, b: Array) -> Array:
    kept = np.tril(a) if call["lower"] else np.triu(a)
    if call["unit_diagonal"]:
        np.einsum("...ii->...i", kept)[...] = 1
    return _solve_reference(call, kept, b)


def _triangular_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    a, _ = node.inputs
    lower, unit = node["lower"], node["unit_diagonal"]
    to_b = solve_triangular(matrix_transpose(a), g, lower=not lower, unit_diagonal=unit)
    to_a = negative(matmul(to_b, matrix_transpose(node)))
    kept = _triangle_of(to_a, lower, False)
    if unit:
        kept = where(diagonal_mask(kept), zeros_like(kept), kept)
    return kept, to_b


solve_triangular: Op = Op(
    "solve_triangular",
    2,
    infer=_infer_solve,
    reference=_triangular_reference,
    lowering=HostCall(),
    gradient=_triangular_gradient,
    parameters=(Parameter("lower", True), Parameter("unit_diagonal", False)),
    samples=_pairs,
    refused=_solve_refused,
    doc="x with a @ x = b, where only one triangle of a is looked at, and its diagonal is taken "
    "to be ones if `unit_diagonal`.",
)


def _inv_reference(call: Call, a: Array) -> Array:
    identity = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    return _solve_reference(call, a, identity)


def _inv_gradient(node: Node, g: Node) -> tuple[Node]:
    transposed = matrix_transpose(node)
    return (negative(matmul(matmul(transposed, g), transposed)),)


inv: Op = Op(
    "inv",
    1,
    infer=lambda op, operands, attributes: require_matrix(op, operands[0], ALL_MATRICES, True),
    reference=_inv_reference,
    lowering=HostCall(),
    gradient=_inv_gradient,
    samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
    refused=refused_matrices(square=True),
    doc="The inverse; NaN where the matrix is singular.",
)
