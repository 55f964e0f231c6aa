"""Positions of extremes, and moments: composed from reductions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    Decomposition,
    Op,
    Parameter,
    Refused,
    Sample,
    functions,
    surface,
)
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, normal_axes, normal_axis
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, dim_value, iota
from graphc.ir.ops.elementwise.arithmetic import add, divide, maximum, multiply, subtract
from graphc.ir.ops.elementwise.declaration import INEXACT, REAL, require_float
from graphc.ir.ops.elementwise.logic import equal, isnan, logical_or, where
from graphc.ir.ops.elementwise.transcendental import log
from graphc.ir.ops.reductions.norms import root
from graphc.ir.ops.reductions.reduction import (
    Axis,
    among,
    kept,
    max_over,
    min_over,
    reduced_shape,
    restored,
    sum_over,
)
from graphc.ir.ops.views.shape import broadcast_to, require_axes, reshape
from graphc.ir.types import TensorType

__all__ = ["argmax_over", "argmin_over", "mean", "standard_deviation", "variance"]

Array = np.ndarray[Any, Any]


# -- argmax, argmin -------------------------------------------------------------------------------


def _infer_position(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    operand, axis = operands[0].tensor, attributes["axis"]
    require_axes(op, (axis,), operands[0])
    if operand.dtype.kind not in REAL:
        raise DTypeError(
            f"{op.name} takes real numbers, not {operand.dtype.name}", code="dtype-unsupported"
        )
    if not dims.always_less_equal(1, operand.shape[axis]):
        raise ShapeError(
            f"{op.name}: axis {axis} of {operand} may be empty",
            code="empty-axis",
            hint="give the dim a range that begins at 1",
        )
    return TensorType(dtypes.i64, reduced_shape(operand.shape, (axis,)))


def _expand_position(extreme: Op) -> Callable[[Node], Node]:
    def expand(node: Node) -> Node:
        x, axis = node.inputs[0], node["axis"]
        hit = equal(x, restored(extreme(x, axes=(axis,)), x.shape, (axis,)))
        if x.dtype.kind == "float":
            # The extreme of numbers with a NaN is NaN, which equals nothing: NaNs are the hits.
            hit = logical_or(hit, isnan(x))
        places = iota(shape=x.shape, axis=axis, dtype=dtypes.i64)
        beyond = broadcast_to(dim_value(dim=x.shape[axis], dtype=dtypes.i64), shape=x.shape)
        return min_over(where(hit, places, beyond), axes=(axis,))

    return expand


def _position_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind in REAL:
            yield Sample((TensorType(dtype, (4, 9)),), {"axis": 1}, smooth=False)
    for shape, axis in (((4, 3, 2), 0), ((1,), 0), ((0, 3), 1)):
        yield Sample((TensorType(dtypes.f32, shape),), {"axis": axis}, smooth=False)


def _position_refused() -> Iterable[Refused]:
    yield Refused((TensorType(dtypes.f32, (2, 3)),), {"axis": 2}, ShapeError)
    yield Refused((TensorType(dtypes.f32, (2, 0)),), {"axis": 1}, ShapeError)
    yield Refused((TensorType(dtypes.c64, (2,)),), {"axis": 0}, DTypeError)
    yield Refused((TensorType(dtypes.bool_, (2,)),), {"axis": 0}, DTypeError)


def _position(name: str, find_place: Callable[..., Array], extreme: Op, what: str) -> Op:
    def reference(call: Call, x: Array) -> Array:
        return np.asarray(find_place(x, axis=call["axis"])).astype(np.int64, copy=False)

    op = Op(
        name,
        1,
        infer=_infer_position,
        reference=reference,
        lowering=Decomposition(_expand_position(extreme)),
        gradient=lambda node, g: (None,),
        parameters=(Parameter("axis"),),
        samples=_position_samples,
        refused=_position_refused,
        doc=f"The index of the first of the {what} elements along an axis; of the first NaN if "
        "there is one.",
    )

    def call(x: Node, axis: int | None = None, keepdims: bool = False) -> Node:
        if axis is None:
            flat = op(reshape(x, shape=(x.tensor.size,)), axis=0)
            return kept(flat, x.shape, range(len(x.shape))) if keepdims else flat
        place = normal_axis(axis, len(x.shape), name)
        result = op(x, axis=place)
        return kept(result, x.shape, (place,)) if keepdims else result

    call.__name__ = call.__qualname__ = name
    call.__doc__ = op.doc + " Without an axis: the index in row-major order."
    surface(name)(call)
    return op


argmax_over = _position("argmax", np.argmax, max_over, "largest")
argmin_over = _position("argmin", np.argmin, min_over, "smallest")


# -- moments --------------------------------------------------------------------------------------


def mean_over(x: Node, axes: tuple[int, ...]) -> Node:
    """The mean over `axes`, which are removed; in the dtype of `x`."""
    total = sum_over(x, axes=axes)
    return divide(total, _count(x, axes, total))


def _count(x: Node, axes: tuple[int, ...], like: Node) -> Node:
    count = dims.product(x.shape[axis] for axis in axes)
    if isinstance(count, int):
        return constant_like(count, like)
    return broadcast_to(
        cast_to(dim_value(dim=count, dtype=like.dtype.real), like.dtype), shape=like.shape
    )


def _mean_among(x: Node, axes: tuple[int, ...], mask: Node | bool | None) -> Node:
    total = sum_over(among(x, mask, 0), axes=axes)
    return divide(total, _count_among(x, axes, mask, total))


def _count_among(x: Node, axes: tuple[int, ...], mask: Node | bool | None, like: Node) -> Node:
    """How many elements take part."""
    if mask is None:
        return _count(x, axes, like)
    return sum_over(among(constant_like(1, x), mask, 0), axes=axes)


@surface("mean")
def mean(
    x: Node,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
) -> Node:
    """The arithmetic mean over axes (all by default), of `x` in a dtype if one is given.

    f16 and bf16 are computed in f32. Elements where `where` is False take no part.
    """
    x = x if dtype is None else cast_to(x, dtype)
    require_float("mean", x.dtype, INEXACT)
    axes = normal_axes(axis, len(x.shape), "mean")
    wide = cast_to(x, x.dtype.accumulator)
    result = cast_to(_mean_among(wide, axes, where), x.dtype)
    return kept(result, x.shape, axes) if keepdims else result


@surface("var")
@also_named(unbiased="correction", ddof="correction")
def variance(
    x: Node,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
    mean: Node | None = None,
) -> Node:
    """The mean squared distance from the mean, over axes (all by default), in two passes.

    The sum is divided by the number of elements less `correction` (0 as in the array API; 1
    gives the unbiased estimate that PyTorch takes by default), or by 0 where that is negative.
    Of complex numbers it is the sum of the variances of both parts. Elements where `where` is
    False take no part. With a dtype it is that of `x` cast first; `mean` is the mean, with the
    axes kept, where that is known.
    """
    x = x if dtype is None else cast_to(x, dtype)
    require_float("var", x.dtype, INEXACT)
    if x.dtype.kind == "complex":
        return add(
            *(
                variance(
                    functions[part](x),
                    axis,
                    correction,
                    keepdims,
                    where=where,
                    mean=None if mean is None else functions[part](mean),
                )
                for part in ("real", "imag")
            )
        )
    axes = normal_axes(axis, len(x.shape), "var")
    wide = cast_to(x, x.dtype.accumulator)
    if mean is None:
        middle = restored(_mean_among(wide, axes, where), x.shape, axes)
    else:
        middle = functions["broadcast_to"](cast_to(mean, wide.dtype), x.shape)
    deviation = among(subtract(wide, middle), where, 0)
    total = sum_over(multiply(deviation, deviation), axes=axes)
    count = _count_among(wide, axes, where, total)
    if correction:
        degrees = subtract(count, constant_like(correction + 0, count))
        count = maximum(degrees, constant_like(0, count))
    result = cast_to(divide(total, count), x.dtype)
    return kept(result, x.shape, axes) if keepdims else result


@surface("std")
@also_named(unbiased="correction", ddof="correction")
@rounded_once
def standard_deviation(
    x: Node,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
    mean: Node | None = None,
) -> Node:
    """The square root of `var`. The derivatives are 0 where all elements are equal, as of norms."""
    return root(variance(x, axis, correction, keepdims, dtype, where=where, mean=mean), 2.0)


@surface("standardize")
@rounded_once
def standardize(
    x: Node,
    axis: Axis = -1,
    mean: Operand | None = None,
    variance: Operand | None = None,
    epsilon: float = 1e-5,
    where: Node | bool | None = None,
) -> Node:
    """(x - mean) / sqrt(variance + epsilon), by default with the moments over `axis`.

    They are those of the elements where `where` is True.
    """
    moments = {"keepdims": True, "where": where}
    middle = functions["mean"](x, axis, **moments) if mean is None else mean
    spread = functions["var"](x, axis, **moments) if variance is None else variance
    distance: Node = functions["subtract"](x, middle)
    scale = functions["rsqrt"](functions["add"](spread, epsilon))
    return functions["multiply"](distance, scale)  # type: ignore[no-any-return]


@surface("logmeanexp")
@rounded_once
def logmeanexp(
    x: Node, axis: Axis = None, keepdims: bool = False, *, where: Node | bool | None = None
) -> Node:
    """log(mean(exp(x))) over axes (all by default), of the elements where `where` is True."""
    axes = normal_axes(axis, len(x.shape), "logmeanexp")
    total: Node = functions["logsumexp"](x, axes, where=where)
    wide = cast_to(total, total.dtype.accumulator)
    count = _count_among(cast_to(x, wide.dtype), axes, where, wide)
    result = cast_to(subtract(wide, log(count)), total.dtype)
    return kept(result, x.shape, axes) if keepdims else result
