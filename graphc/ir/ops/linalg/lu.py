"""P L U: rows exchanged, a lower triangle of ones on its diagonal, and an upper one.

NumPy has no such function of its own, so the elimination is written here, with NumPy's products and
solves: S. Toledo, "Locality of reference in LU decomposition with partial pivoting" (1997), which
halves the columns. Pivots are what LAPACK gives: the row, counted from 1, that each row was
exchanged with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Call, HostCall, Op, Refused, Sample, functions, surface
from graphc.ir.ops.broadcasting import broadcast_shapes
from graphc.ir.ops.contraction.matmul import matmul, matrix_transpose
from graphc.ir.ops.creation.sequences import tril, triu
from graphc.ir.ops.elementwise.arithmetic import add, subtract
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.linalg.matrices import (
    ALL_MATRICES,
    diagonal_mask,
    identity,
    matrix_samples,
    refused_matrices,
    require_matrix,
)
from graphc.ir.ops.linalg.matrices import adjoint as conjugate_transpose
from graphc.ir.ops.linalg.solve import solve_triangular
from graphc.ir.ops.structural import project, projections
from graphc.ir.types import TensorType, TupleType

__all__ = ["lu_factor", "permutation_of_pivots"]

Array = np.ndarray[Any, Any]


class LuFactorResult(NamedTuple):
    """Both triangles in one matrix, without the ones, and the exchanges."""

    LU: Node
    pivots: Node


class LuResult(NamedTuple):
    """A permutation matrix, a lower triangle and an upper one."""

    P: Node
    L: Node
    U: Node


# -- the ops --------------------------------------------------------------------------------------


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    type_ = require_matrix(op, operands[0], ALL_MATRICES, square=False)
    rank = dims.minimum(*type_.shape[-2:])
    return TupleType((type_, TensorType(dtypes.i32, (*type_.shape[:-2], rank))))


def _exchange(a: Array, pivots: Array) -> None:
    """Exchange row i with row pivots[i], in turn."""
    for row, other in enumerate(pivots):
        if row != other:
            a[[row, other]] = a[[other, row]]


def _eliminate(a: Array, pivots: Array) -> None:
    """Factor a matrix in its place; the pivots count from 0."""
    rows, columns = a.shape
    if columns > rows:
        _eliminate(a[:, :rows], pivots)
        _exchange(a[:, rows:], pivots)
        a[:, rows:] = np.linalg.solve(_unit_lower(a[:, :rows]), a[:, rows:])
    elif columns > 1:
        half = columns // 2
        left, right = a[:, :half], a[:, half:]
        _eliminate(left, pivots[:half])
        _exchange(right, pivots[:half])
        right[:half] = np.linalg.solve(_unit_lower(left[:half]), right[:half])
        right[half:] -= left[half:] @ right[:half]
        _eliminate(right[half:], pivots[half:])
        _exchange(left[half:], pivots[half:])
        pivots[half:] += half
    elif columns:
        pivots[0] = np.argmax(abs(a[:, 0].real) + abs(a[:, 0].imag))
        _exchange(a, pivots)
        if a[0, 0]:
            a[1:] /= a[0, 0]


def _unit_lower(a: Array) -> Array:
    return np.tril(a, -1) + np.eye(len(a), dtype=a.dtype)


def _reference(call: Call, a: Array) -> tuple[Array, Array]:
    packed = np.array(a)
    rank = min(a.shape[-2:])
    pivots = np.broadcast_to(np.arange(rank, dtype=np.int32), (*a.shape[:-2], rank)).copy()
    for place in np.ndindex(a.shape[:-2]):
        if np.isfinite(a[place]).all():
            _eliminate(packed[place], pivots[place])
        else:
            packed[place] = np.nan
    return packed, pivots + np.int32(1)


def _gradient(node: Node, g: Node, _: None) -> tuple[Node]:
    """F. de Hoog et al., "Differentiation of matrix functionals using triangular factorization"
    (2011), for the square part; the rest is a product with the inverse of a triangle."""
    a = node.inputs[0]
    packed, pivots = projections(node)
    rows, columns = a.shape[-2:]
    count = _rank("lu_factor", a)
    square, inner = _corner(packed, count), _corner(g, count)
    middle_l = matmul(matrix_transpose(_lower(square)), tril(inner, -1))
    middle_u = matmul(triu(inner), matrix_transpose(triu(square)))
    rest = None
    if not dims.always_equal(rows, count):
        below, g_below = (_rows_from(x, count) for x in (packed, g))
        rest = _right_solved(g_below, square)
        middle_u = subtract(middle_u, matmul(matrix_transpose(below), g_below))
    elif not dims.always_equal(columns, count):
        beside, g_beside = (_columns_from(x, count) for x in (packed, g))
        rest = _left_solved(square, g_beside)
        middle_l = subtract(middle_l, matmul(g_beside, matrix_transpose(beside)))
    middle = add(tril(middle_l, -1), triu(middle_u))
    slope = _right_solved(_left_solved(square, middle), square)
    if rest is not None:
        slope = functions["concat"]((slope, rest), -1 if dims.always_equal(rows, count) else -2)
    order = _order_of(pivots, rows)
    back = functions["argsort"](order, -1)
    return (_rows_taken(slope, back),)


def _left_solved(packed: Node, x: Node) -> Node:
    """L.T^-1 x."""
    upper = matrix_transpose(packed)
    return solve_triangular(upper, x, lower=False, unit_diagonal=True)


def _right_solved(x: Node, packed: Node) -> Node:
    """x U.T^-1."""
    return matrix_transpose(solve_triangular(packed, matrix_transpose(x), lower=False))


def _corner(x: Node, count: DimLike) -> Node:
    corner: Node = functions["index"](x, (..., slice(0, count), slice(0, count)))
    return corner


def _rows_from(x: Node, start: DimLike) -> Node:
    rows: Node = functions["index"](x, (..., slice(start, None), slice(None)))
    return rows


def _columns_from(x: Node, start: DimLike) -> Node:
    columns: Node = functions["index"](x, (..., slice(start, None)))
    return columns


def _lower(packed: Node) -> Node:
    """The lower triangle of a square matrix, with ones."""
    return where(diagonal_mask(packed), identity(packed), tril(packed))


def _rows_taken(x: Node, order: Node) -> Node:
    places = functions["broadcast_to"](functions["expand_dims"](order, -1), x.shape)
    taken: Node = functions["take_along_axis"](x, places, axis=-2)
    return taken


lu_factor: Op = Op(
    "lu_factor",
    1,
    infer=_infer,
    reference=_reference,
    lowering=HostCall(),
    gradient=_gradient,
    samples=matrix_samples(((4, 3), (2, 3), (3, 3), (2, 1, 1), (3, 0), (0, 3, 2)), ALL_MATRICES),
    refused=refused_matrices(square=False),
    doc="The triangles L (its ones left away) and U of a matrix whose rows are exchanged, in one "
    "matrix, and with which row, counted from 1, each was exchanged.",
)


def _infer_permutation(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    type_ = operands[0].tensor
    if type_.dtype is not dtypes.i32:
        raise DTypeError(f"{op.name} takes pivots of i32, not {type_}")
    if not type_.rank:
        raise ShapeError(f"{op.name}: {type_} has no axis of rows", code="rank")
    return TensorType(dtypes.i64, type_.shape)


def _permutation(call: Call, pivots: Array) -> Array:
    order = np.broadcast_to(np.arange(call.shape[-1]), call.shape).copy()
    for place in np.ndindex(call.shape[:-1]):
        # A pivot that names no row exchanges nothing.
        rows = pivots[place].astype(np.int64) - 1
        is_row = (rows >= 0) & (rows < len(rows))
        _exchange(order[place], np.where(is_row, rows, np.arange(len(rows))))
    return order


permutation_of_pivots: Op = Op(
    "permutation_of_pivots",
    1,
    infer=_infer_permutation,
    reference=_permutation,
    lowering=HostCall(),
    samples=lambda: (
        Sample((TensorType(dtypes.i32, shape),)) for shape in ((3,), (2, 5), (0,), (0, 2))
    ),
    refused=lambda: (
        Refused((TensorType(dtypes.i64, (3,)),), {}, DTypeError),
        Refused((TensorType(dtypes.i32, ()),), {}, ShapeError),
    ),
    doc="The row from which each row comes, when row i is exchanged with row pivots[i], counted "
    "from 1, in turn.",
)


def _order_of(pivots: Node, size: DimLike) -> Node:
    """The row from which each of `size` rows comes; those without a pivot stay."""
    if len(pivots.shape) < 1 or not dims.always_less_equal(pivots.shape[-1], size):
        raise ShapeError(f"lu: pivots {pivots.type} of {size} rows")
    if not dims.always_equal(pivots.shape[-1], size):
        stay = functions["arange"](pivots.shape[-1] + 1, size + 1, dtype=pivots.dtype)
        stay = functions["broadcast_to"](stay, (*pivots.shape[:-1], *stay.shape))
        pivots = functions["concat"]((pivots, stay), -1)
    return permutation_of_pivots(pivots)


# -- surfaces -------------------------------------------------------------------------------------


def _rank(name: str, x: Node) -> DimLike:
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: {x.type} is no matrix", code="rank")
    rows, columns = x.shape[-2:]
    if dims.always_less_equal(rows, columns):
        return rows
    if dims.always_less_equal(columns, rows):
        return columns
    raise ShapeError(f"{name}: whether {x.type} is tall or wide is not known")


@surface("lu_factor")
def factor(x: Node) -> LuFactorResult:
    """The factors of `lu` in one matrix [..., M, N], and the exchanges of rows, for `lu_solve`.

    The ones of L are left away. Row i was exchanged with row pivots[i] (i32), counted from 1.
    """
    node = lu_factor(x)
    return LuFactorResult(project(node, index=0), project(node, index=1))


@surface("lu")
def lu(x: Node) -> LuResult:
    """P, L and U with P @ L @ U = x, for matrices [..., M, N]; NaN for those that are not finite.

    P exchanges rows; L [..., M, K] is a lower triangle with ones on its diagonal, and U [..., K, N]
    an upper one; K is the smaller of M and N.
    """
    return unpack(*factor(x))


@surface("lu_unpack")
def unpack(packed: Node, pivots: Node) -> LuResult:
    """P, L and U of what `lu_factor` gives; see `lu`."""
    count = _rank("lu_unpack", packed)
    order = _order_of(pivots, packed.shape[-2])
    chosen = functions["one_hot"](order, packed.shape[-2], packed.dtype, axis=-2)
    left = functions["index"](packed, (..., slice(0, count)))
    upper = triu(functions["index"](packed, (..., slice(0, count), slice(None))))
    return LuResult(chosen, _lower(left), upper)


@surface("lu_solve")
def solve_factored(
    packed: Node, pivots: Node, b: Node, *, left: bool = True, adjoint: bool = False
) -> Node:
    """x with a @ x = b [..., N, K], given what `lu_factor` gives of a.

    left: False for x @ a = b. adjoint: the conjugate of a, transposed, takes the place of a.

    Raises:
        ShapeError: a is not square, or b has another number of rows.
    """
    if len(packed.shape) < 2 or not dims.always_equal(*packed.shape[-2:]):
        raise ShapeError(f"lu_solve: {packed.type} are no factors of a square matrix")
    if len(b.shape) < 2:
        raise ShapeError(f"lu_solve: {b.type} is no matrix", hint="give b [..., N, K]")
    if not isinstance(left, bool) or not isinstance(adjoint, bool):
        raise UsageError("lu_solve: left and adjoint are True or False")
    if not left:
        turned = solve_factored(packed, pivots, conjugate_transpose(b), adjoint=not adjoint)
        return conjugate_transpose(turned)
    batch = broadcast_shapes(packed.shape[:-2], b.shape[:-2])
    b = functions["broadcast_to"](b, (*batch, *b.shape[-2:]))
    order = _order_of(pivots, packed.shape[-1])
    order = functions["broadcast_to"](order, (*batch, packed.shape[-1]))
    solved = functions["solve_triangular"]
    if not adjoint:
        middle = solved(packed, _rows_taken(b, order), upper=False, unitriangular=True)
        return solved(packed, middle, upper=True)  # type: ignore[no-any-return]
    turned = conjugate_transpose(packed)
    middle = solved(turned, solved(turned, b, upper=False), upper=True, unitriangular=True)
    return _rows_taken(middle, functions["argsort"](order, -1))
