"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dtype import DType, holds
from graphc.ir.node import Node
from graphc.ir.op import find, functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast, normal_axes, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    maximum,
    multiply,
    power,
    square,
)
from graphc.ir.ops.elementwise.declaration import INEXACT, require_float
from graphc.ir.ops.elementwise.logic import equal, greater, less, not_equal, where
from graphc.ir.ops.elementwise.transcendental import sqrt
from graphc.ir.ops.reductions.reduction import Axis, kept, max_over, min_over, reduce, sum_over
from graphc.ir.ops.views.rearrange import moveaxis

__all__ = ["root", "vector_norm"]

Order = int | float


# -- norms ----------------------------------------------------------------------------------------


def _norm_over(x: Node, order: Order, axes: tuple[int, ...]) -> Node:
    """The norm of elements over axes, with a derivative of 0 where the norm is 0."""
    if order == 2:
        return root(sum_over(_squares(x), axes=axes), 2.0)
    # An even power needs no magnitude, whose derivative of 0 at 0 is no factor of its second one.
    magnitude = x if order % 2 == 0 and x.dtype.kind == "float" else absolute(x)
    if math.isinf(order):
        return (_largest if order > 0 else _smallest)(magnitude, axes)
    if order == 0:
        is_there = not_equal(magnitude, zeros_like(magnitude))
        return sum_over(cast_to(is_there, magnitude.dtype), axes=axes)
    if order == 1:
        return sum_over(magnitude, axes=axes)
    exponent = constant_like(float(order), magnitude)
    if magnitude is x and order > 0:
        raised = power(x, exponent)
    else:
        # At 0 there is a minimum, beside which slopes may be infinite.
        is_zero, zero = equal(magnitude, zeros_like(magnitude)), 0.0 if order > 0 else math.inf
        safe = where(is_zero, ones_like(magnitude), magnitude)
        raised = where(is_zero, constant_like(zero, magnitude), power(safe, exponent))
    return root(sum_over(raised, axes=axes), float(order))


def _largest(sizes: Node, axes: tuple[int, ...]) -> Node:
    """The largest of numbers that are not negative; 0 of none."""
    found = max_over(sizes, axes=axes)
    may_be_none = any(dims.bounds(sizes.shape[axis])[0] == 0 for axis in axes)
    return maximum(found, zeros_like(found)) if may_be_none else found


def _smallest(sizes: Node, axes: tuple[int, ...]) -> Node:
    return reduce(min_over, sizes, axes, False)


def _squares(x: Node) -> Node:
    """|x|**2, without the magnitude, which has no second derivative at 0."""
    if x.dtype.kind != "complex":
        return square(x)
    return add(square(find("real")(x)), square(find("imag")(x)))


def root(total: Node, order: float) -> Node:
    """total ** (1 / order) of a sum of powers, with derivatives of 0 where it is 0."""
    is_zero = equal(total, zeros_like(total))
    safe = where(is_zero, ones_like(total), total)
    inverse = 1 / order
    if not holds(safe.dtype, inverse):
        inverse = math.copysign(math.inf, order)
    root = sqrt(safe) if order == 2 else power(safe, constant_like(inverse, safe))
    # 0 to a negative power is infinite, and its inverse root 0 again.
    at_zero = constant_like(math.inf if order < 0 else 0.0, root)
    return where(is_zero, at_zero, root)


@surface("vector_norm")
def vector_norm(x: Node, ord: Order = 2, axis: Axis = None, keepdims: bool = False) -> Node:
    """sum(|x| ** ord) ** (1 / ord) over axes (all by default).

    inf and -inf give the largest and the smallest |x|, 0 the number of elements that are not 0.
    Of no elements the largest is 0, and the smallest is refused, as in NumPy. f16 and bf16 are
    computed in f32.
    """
    require_float("vector_norm", x.dtype, INEXACT)
    axes = normal_axes(axis, len(x.shape), "vector_norm")
    result = cast_to(_norm_over(cast_to(x, x.dtype.accumulator), ord, axes), x.dtype.real)
    return kept(result, x.shape, axes) if keepdims else result


@surface("matrix_norm")
def matrix_norm(
    x: Node,
    ord: Order | Literal["fro", "nuc"] = "fro",
    axis: tuple[int, int] = (-2, -1),
    keepdims: bool = False,
) -> Node:
    """A norm of the matrices on two axes.

    "fro" is that of all elements, 1 and -1 the largest and smallest sum of a column's magnitudes,
    inf and -inf those of a row. "nuc" is the sum of the singular values, 2 and -2 the largest and
    the smallest of them. Of nothing the largest is 0, and the smallest is refused.
    """
    require_float("matrix_norm", x.dtype, INEXACT)
    rank = len(x.shape)
    if rank < 2 or len(axis) != 2:
        raise ShapeError(f"matrix_norm: {x.type} over the axes {tuple(axis)} is no matrix")
    row, column = (normal_axis(one, rank, "matrix_norm") for one in axis)
    if row == column:
        raise ShapeError(f"matrix_norm: axis {row} occurs twice", code="axis")
    axes = (min(row, column), max(row, column))
    wide = cast_to(x, x.dtype.accumulator)
    if ord == "fro":
        result = _norm_over(wide, 2, axes)
    elif ord in (1, -1, math.inf, -math.inf):
        summed, left = (row, column) if abs(ord) == 1 else (column, row)
        sums = sum_over(absolute(wide), axes=(summed,))
        result = (_largest if ord > 0 else _smallest)(sums, (left - (left > summed),))
    elif ord in ("nuc", 2, -2):
        values: Node = functions["svdvals"](moveaxis(x, (row, column), (-2, -1)))
        last = (len(values.shape) - 1,)
        if ord == "nuc":
            result = sum_over(values, axes=last)
        else:
            result = (_largest if ord == 2 else _smallest)(values, last)
    else:
        raise UsageError(
            f"matrix_norm: there is no norm {ord!r}",
            hint='use "fro", "nuc", 1, -1, 2, -2, inf or -inf',
        )
    result = cast_to(result, x.dtype.real)
    return kept(result, x.shape, axes) if keepdims else result


@surface("norm")
@also_named(p="ord")
def norm(
    x: Node,
    ord: Order | Literal["fro", "nuc"] | None = None,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: DType | None = None,
) -> Node:
    """`vector_norm` over one axis, or of all elements without `ord`; `matrix_norm` over two.

    Of a matrix PyTorch's norm of an order is that of all elements, NumPy's that of the matrix, so
    that the axes have to be said.
    """
    x = x if dtype is None else cast_to(x, dtype)
    if axis is None and ord is None:
        return vector_norm(x, 2, None, keepdims)
    if axis is None and isinstance(ord, int | float) and len(x.shape) > 1:
        raise UsageError(
            f"norm of the order {ord} of {x.type}: of all elements, or of the matrix",
            code="argument-missing",
            hint=f"vector_norm(x, {ord}) is that of all elements, as in PyTorch; "
            f"matrix_norm(x, {ord}) that of the matrix, as in NumPy; or give the axis",
        )
    axes = tuple(range(len(x.shape))) if axis is None else axis
    one_axis = isinstance(axes, int) or len(axes) != 2
    if isinstance(axes, int) or one_axis or ord is None:
        if isinstance(ord, str) or len(normal_axes(axes, len(x.shape), "norm")) > 2:
            raise UsageError(f"norm: {ord!r} over the axes {axes} of {x.type}")
        return vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    return matrix_norm(x, ord, (axes[0], axes[1]), keepdims)


@surface("renorm")
@rounded_once
def renorm(x: Node, p: Order, axis: int, maxnorm: float) -> Node:
    """`x` with the slices along an axis whose p-norm is above `maxnorm` scaled down to it."""
    place = normal_axis(axis, len(x.shape), "renorm")
    others = tuple(one for one in range(len(x.shape)) if one != place)
    size = vector_norm(x, p, others, keepdims=True)
    bound = constant_like(maxnorm, size)
    # So that a norm of 0 divides nothing.
    shrunk = divide(bound, add(size, constant_like(1e-7, size)))
    factor = where(greater(size, bound), shrunk, ones_like(size))
    return multiply(*broadcast(*promoted(x, factor)))


@surface("normalize")
@rounded_once
def normalize(x: Node, p: Order = 2, axis: int = 1, eps: float = 1e-12) -> Node:
    """x / max(|x|, eps), for the p-norm along an axis."""
    norm = vector_norm(x, p, axis, keepdims=True)
    floor = constant_like(eps, norm)
    # NaN compares to nothing: it stays the norm.
    size = where(less(norm, floor), floor, norm)
    return divide(*broadcast(*promoted(x, size)))
