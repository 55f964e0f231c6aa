"""Positions: what indices that are data name along the axes of a tensor, as expressions.

It declares no op: gather, scatter and the schedule that writes scattered elements share it.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Apply, Constant, Convert, Expr, IndexValue
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.elementwise.logic import greater_equal, less, logical_and, where

__all__ = ["Position", "kept_axes", "position_of"]

_I32, _I64 = dtypes.i32, dtypes.i64


def kept_axes(rank: int, axes: Sequence[int], batch: int) -> tuple[int, ...]:
    """The axes of a tensor that are neither indexed nor aligned with the indices."""
    return tuple(axis for axis in range(batch, rank) if axis not in axes)


class Position:
    """An index of data along an axis, as expressions.

    Attributes:
        value: counted from 0, where it is inside.
        inside: whether it is in range; None where that is proved.
    """

    def __init__(self, value: Expr, inside: Expr | None) -> None:
        self.value = value
        self.inside = inside


def position_of(index: Expr, size: DimLike) -> Position:
    """The position along an axis of `size` that an integer expression names."""
    if isinstance(index, IndexValue) and _is_below(index.index, size):
        return Position(index, None)
    dtype = index.dtype
    if dtype is dtypes.u64:
        # Half of its numbers are none of i64, in which positions are computed.
        inside = _less(index, size)
        safe = Apply(where, (inside, index, Constant(0, dtype)), dtype)
        return Position(Convert(safe, _I64), inside)
    # In 32 bits where that is enough: the difference matters to vectors and to GPUs.
    narrow = dims.bounds(size)[1] < 2**31 and dtype is not dtypes.u32 and dtype.bits <= 32
    target = _I32 if narrow else _I64
    value = index if dtype is target else Convert(index, target)
    if dtype.kind == "unsigned":
        return Position(value, _less(value, size))
    zero = Constant(0, target)
    negative = Apply(less, (value, zero), dtypes.bool_)
    value = Apply(
        where, (negative, Apply(add, (value, _number(size, target)), target), value), target
    )
    inside = Apply(
        logical_and,
        (Apply(greater_equal, (value, zero), dtypes.bool_), _less(value, size)),
        dtypes.bool_,
    )
    return Position(value, inside)


def _is_below(index: DimLike, size: DimLike) -> bool:
    return dims.always_less_equal(0, index) and dims.always_less_equal(index + 1, size)


def _number(value: DimLike, dtype: DType) -> Expr:
    return Constant(value, dtype) if isinstance(value, int) else IndexValue(value, dtype)


def _less(value: Expr, size: DimLike) -> Expr:
    return Apply(less, (value, _number(size, value.dtype)), dtypes.bool_)
