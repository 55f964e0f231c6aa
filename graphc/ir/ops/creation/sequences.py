"""Tensors made from counters: ranges, identity and triangular matrices, one-hot rows."""

from __future__ import annotations

import math

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full_like, iota, placed, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, floor, multiply, negative, power
from graphc.ir.ops.elementwise.logic import equal, greater_equal, where
from graphc.ir.ops.views.shape import broadcast_to, reshape

__all__ = ["arange", "eye", "linspace", "one_hot", "tril", "triu"]

Bound = DimLike | float


@surface("arange")
@also_named(end="stop")
@placed
def arange(
    start: Bound | None = None,
    stop: Bound | None = None,
    step: int | float = 1,
    dtype: DType | None = None,
) -> Node:
    """start, start + step, ... before stop; from 0 where only one bound is given.

    The dtype is `i64`, or `f32` where a bound or the step is a float. Whole bounds may be dims.

    >>> arange(2, 8, 3).type
    i64[2]
    """
    if start is None and stop is None:
        raise UsageError("arange needs the argument 'stop'", code="argument-missing")
    first, last = (start, stop) if stop is not None else (0, start)
    first, last = 0 if first is None else first, 0 if last is None else last
    if step == 0:
        raise UsageError("arange: the step is 0", hint="a step is positive or negative")
    if not all(math.isfinite(one) for one in (first, last, step) if not isinstance(one, Dim)):
        raise UsageError(
            f"arange: from {first} to {last} by {step}", hint="give finite bounds, or use linspace"
        )
    is_whole = not any(isinstance(value, float) for value in (first, last, step))
    dtype = dtype or (dtypes.i64 if is_whole else dtypes.f32)
    counter = iota(shape=(_length(first, last, step),), axis=0, dtype=dtype)
    if step != 1:
        counter = multiply(counter, constant_like(step, counter))
    if first == 0:
        return counter
    return add(counter, full_like(counter, first))


def _length(first: Bound, last: Bound, step: int | float) -> DimLike:
    if isinstance(first, float) or isinstance(last, float) or isinstance(step, float):
        if isinstance(first, Dim) or isinstance(last, Dim):
            raise UsageError(
                f"arange: {first}, {last} and {step} mix dims and floats",
                hint="count in whole numbers and scale the result",
            )
        return max(0, -int(-(last - first) // step))
    if step < 0:
        first, last, step = last, first, -step
    return dims.ceil_div(dims.maximum(0, last - first), step)


@surface("linspace")
@placed
def linspace(
    start: float | complex | Node,
    stop: float | complex | Node,
    num: DimLike,
    dtype: DType | None = None,
    *,
    endpoint: bool = True,
    axis: int = 0,
) -> Node:
    """`num` numbers at equal distances from `start` to `stop`, which is the last or left out.

    Between tensors they stand along a new axis. Unless given, the dtype is that of the tensors, if
    it is one of floats, else `f32`, or `c64` where a bound is complex. Integers are rounded down.
    """
    if not dims.always_less_equal(0, num):
        raise ShapeError(f"linspace: {num} numbers")
    if dtype is not None and not dtype.precision:
        exact = linspace(start, stop, num, dtypes.f64, endpoint=endpoint, axis=axis)
        return cast_to(floor(exact), dtype)
    steps = dims.maximum(1, num - 1 if endpoint else num)
    if isinstance(start, Node) or isinstance(stop, Node):
        first, last = promoted(start, stop)
        return _between_tensors(first, last, num, dtype, steps, endpoint, axis)
    normal_axis(axis, 1, "linspace")
    is_complex = isinstance(start, complex) or isinstance(stop, complex)
    dtype = dtype or (dtypes.c64 if is_complex else dtypes.f32)
    counter = cast_to(iota(shape=(num,), axis=0, dtype=dtype.real), dtype)
    first = constant_like(start * 1.0, counter)
    count = cast_to(full_like(counter, steps, dtype.real), dtype)
    if isinstance(steps, int):
        distance = constant_like((stop - start) / steps, counter)
    else:
        distance = divide(constant_like(stop - start, counter), count)
    even = add(multiply(counter, distance), first)
    if not endpoint:
        return even
    # The last number is `stop` itself, whatever the rounding of the distance.
    return where(equal(counter, count), constant_like(stop * 1.0, counter), even)


def _between_tensors(
    start: Node,
    stop: Node,
    num: DimLike,
    dtype: DType | None,
    steps: DimLike,
    endpoint: bool,
    axis: int,
) -> Node:
    dtype = dtype or (start.dtype if start.dtype.kind in ("float", "complex") else dtypes.f32)
    wide = dtype.accumulator
    start, stop = broadcast(cast_to(start, wide), cast_to(stop, wide))
    place = normal_axis(axis, len(start.shape) + 1, "linspace")
    around = (*start.shape[:place], 1, *start.shape[place:])
    shape = (*start.shape[:place], num, *start.shape[place:])
    first, last = (broadcast_to(reshape(x, shape=around), shape=shape) for x in (start, stop))
    counter = cast_to(iota(shape=shape, axis=place, dtype=wide.real), wide)
    count = cast_to(full_like(counter, steps, wide.real), wide)
    distance = divide(add(last, negative(first)), count)
    even = add(multiply(counter, distance), first)
    return cast_to(where(equal(counter, count), last, even) if endpoint else even, dtype)


@surface("identity")
@placed
def identity(n: DimLike, dtype: DType | None = None) -> Node:
    """The square matrix with ones on its diagonal (f32)."""
    return eye(n, dtype=dtype)


@surface("tri")
@also_named(N="rows", M="columns")
@placed
def tri(
    rows: DimLike, columns: DimLike | None = None, k: int = 0, dtype: DType | None = None
) -> Node:
    """Ones on and below the diagonal that lies `k` above the main one, zeros above it (f32)."""
    shape = (rows, rows if columns is None else columns)
    row, column = _row_and_column(shape, k)
    return cast_to(greater_equal(row, column), dtype or dtypes.f32)


@surface("logspace")
@placed
def logspace(
    start: float,
    stop: float,
    num: DimLike,
    base: float = 10.0,
    dtype: DType | None = None,
    *,
    endpoint: bool = True,
) -> Node:
    """base ** e, for `num` exponents at equal distances from `start` to `stop`; see `linspace`."""
    if base <= 0:
        raise UsageError(f"logspace: the base is {base}", hint="give a positive number")
    wide = dtypes.f64 if dtype is None or not dtype.precision else dtype
    exponents = linspace(start, stop, num, wide, endpoint=endpoint)
    powers = power(broadcast_to(constant_like(base, exponents), shape=(num,)), exponents)
    return cast_to(powers, dtype or dtypes.f32)


@surface("geomspace")
@placed
def geomspace(
    start: float,
    stop: float,
    num: DimLike,
    dtype: DType | None = None,
    *,
    endpoint: bool = True,
) -> Node:
    """`num` numbers of one sign at equal quotients from `start` to `stop`; see `linspace`."""
    if start * stop <= 0:
        raise UsageError(f"geomspace: from {start} to {stop}", hint="give numbers of one sign")
    first, last = math.log(abs(start)), math.log(abs(stop))
    sizes = logspace(first, last, num, math.e, dtype, endpoint=endpoint)
    return sizes if start > 0 else negative(sizes)


@surface("eye")
@also_named(N="rows", n="rows", M="columns", m="columns")
@placed
def eye(
    rows: DimLike, columns: DimLike | None = None, k: int = 0, dtype: DType | None = None
) -> Node:
    """Ones (f32 unless dtype is given) on the diagonal `k` above the main one, zeros elsewhere."""
    shape = (rows, rows if columns is None else columns)
    return cast_to(equal(*_row_and_column(shape, k)), dtype or dtypes.f32)


def _row_and_column(shape: tuple[DimLike, ...], k: int) -> tuple[Node, Node]:
    """Row + k and column of every element, of the last two axes."""
    rank = len(shape)
    row = iota(shape=shape, axis=rank - 2, dtype=dtypes.i64)
    column = iota(shape=shape, axis=rank - 1, dtype=dtypes.i64)
    # A diagonal beyond every size stays there, and does not wrap around.
    shift = max(-(2**62), min(k, 2**62))
    return (add(row, constant_like(shift, row)) if k else row), column


def _triangle(name: str, x: Node, k: int) -> tuple[Node, Node]:
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: {x.type} is no matrix")
    return _row_and_column(x.shape, k)


@surface("tril")
@also_named(diagonal="k")
def tril(x: Node, k: int = 0) -> Node:
    """`x` with zeros above the diagonal that lies `k` above the main one."""
    row, column = _triangle("tril", x, k)
    return where(greater_equal(row, column), x, zeros_like(x))


@surface("triu")
@also_named(diagonal="k")
def triu(x: Node, k: int = 0) -> Node:
    """`x` with zeros below the diagonal that lies `k` above the main one."""
    row, column = _triangle("triu", x, k)
    return where(greater_equal(column, row), x, zeros_like(x))


@surface("one_hot")
@also_named(tensor="labels", num_classes="classes")
def one_hot(labels: Node, classes: DimLike, dtype: DType = dtypes.f32, axis: int = -1) -> Node:
    """1 where the place along a new axis of size `classes` is the label, else 0.

    A label out of range gives zeros.
    """
    if not labels.dtype.is_integer:
        raise UsageError(f"one_hot: the labels are {labels.type}, expected integers")
    rank = len(labels.shape) + 1
    place = normal_axis(axis, rank, "one_hot")
    old = labels.shape
    shape = (*old[:place], classes, *old[place:])
    # In 64 bits: the places may be more than a narrow label dtype can count.
    wide = reshape(cast_to(labels, dtypes.i64), shape=(*old[:place], 1, *old[place:]))
    places = iota(shape=shape, axis=place, dtype=dtypes.i64)
    return cast_to(equal(broadcast_to(wide, shape=shape), places), dtype)
