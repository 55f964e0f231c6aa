"""Stacks of matrices [..., M, N]: what the ops on them ask for, and their triangles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Op, Refused, Sample, surface
from graphc.ir.ops.contraction.matmul import matrix_transpose
from graphc.ir.ops.creation.constants import iota, ones_like, zeros_like
from graphc.ir.ops.creation.sequences import tril
from graphc.ir.ops.elementwise.arithmetic import add, scaled
from graphc.ir.ops.elementwise.complex_numbers import conjugate
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.ir.types import TensorType

Array = np.ndarray[Any, Any]

REAL_MATRICES = (dtypes.f32, dtypes.f64)
ALL_MATRICES = (*REAL_MATRICES, dtypes.c64, dtypes.c128)


def require_matrix(op: Op, operand: Node, accepted: tuple[Any, ...], square: bool) -> TensorType:
    """The type of an operand; refuse one that is no (square) matrix of an accepted dtype."""
    type_ = operand.tensor
    if type_.dtype not in accepted:
        raise DTypeError(
            f"{op.name} takes {', '.join(dtype.name for dtype in accepted)}, not "
            f"{type_.dtype.name}",
            code="dtype-unsupported",
            hint="cast the operand first",
        )
    if type_.rank < 2:
        raise ShapeError(f"{op.name}: {type_} is no matrix", code="rank")
    if square and not dims.always_equal(type_.shape[-1], type_.shape[-2]):
        raise ShapeError(f"{op.name}: {type_} is not square")
    return type_


def matrix_samples(
    shapes: Iterable[tuple[int, ...]], accepted: tuple[Any, ...] = REAL_MATRICES, **attributes: Any
) -> Callable[[], Iterable[Sample]]:
    """Matrices of random numbers; derivatives are tried on better ones, in tests of their own."""

    def samples() -> Iterable[Sample]:
        for shape in shapes:
            for dtype in accepted:
                yield Sample((TensorType(dtype, shape),), attributes, smooth=False)

    return samples


def refused_matrices(square: bool) -> Callable[[], Iterable[Refused]]:
    """Operands that no op on (square) matrices takes."""

    def refused() -> Iterable[Refused]:
        yield Refused((TensorType(dtypes.f32, (3,)),), {}, ShapeError)
        yield Refused((TensorType(dtypes.i32, (3, 3)),), {}, DTypeError)
        if square:
            yield Refused((TensorType(dtypes.f32, (3, 4)),), {}, ShapeError)

    return refused


def diagonal_mask(x: Node) -> Node:
    """Where the row of an element of the last two axes is its column."""
    rank = len(x.shape)
    row, column = (iota(shape=x.shape, axis=rank - axis, dtype=dtypes.i64) for axis in (2, 1))
    return equal(row, column)


def on_diagonal(x: Node) -> Node:
    """Rows [..., N] as diagonal matrices."""
    square = repeated(x, -1, x.shape[-1])
    return where(diagonal_mask(square), square, zeros_like(square))


def repeated(x: Node, axis: int, times: DimLike) -> Node:
    """`x` with a new last axis (-1) or one before the last (-2), along which it is constant."""
    at = len(x.shape) + 1 + axis
    apart = reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))
    return broadcast_to(apart, shape=(*x.shape[:at], times, *x.shape[at:]))


def identity(like: Node) -> Node:
    """The identity matrix, of the type of `like`."""
    return where(diagonal_mask(like), ones_like(like), zeros_like(like))


@surface("adjoint")
def adjoint(x: Node) -> Node:
    """The conjugates of the transposed matrices [..., M, N]."""
    return matrix_transpose(conjugate(x) if x.dtype.kind == "complex" else x)


def symmetric(x: Node) -> Node:
    """The mean of `x` and its adjoint."""
    return scaled(add(x, adjoint(x)), 0.5)


def lower_half(x: Node) -> Node:
    """The lower triangle of `x`, with half of its diagonal."""
    return tril(where(diagonal_mask(x), scaled(x, 0.5), x))


def each_matrix(factorise: Callable[[Array], Any], a: Array, results: tuple[Array, ...]) -> None:
    """Fill `results` matrix by matrix, NaN where the factorisation fails.

    Infinities are kept from LAPACK, whose iterations need not end on them.
    """
    for place in np.ndindex(a.shape[:-2]):
        found = tuple(result.dtype.type(0) * np.nan for result in results)
        if np.isfinite(a[place]).all():
            with suppress(np.linalg.LinAlgError):
                found = factorise(a[place])
        parts = found if isinstance(found, tuple) else (found,)
        for result, part in zip(results, parts, strict=True):
            result[place] = part
