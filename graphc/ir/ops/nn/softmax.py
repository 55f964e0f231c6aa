"""Softmax, its logarithm, and the logarithm of sums of exponentials.

Each is a `Decomposition` that a schedule may claim whole. f16 and bf16 are computed in f32 and
rounded once. The gradients are written out: those of the decompositions would go through the
maximum that only keeps exp in range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Call, Decomposition, Op, Parameter, Refused, Sample, functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, normal_axes, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to, computed_wide, in_accumulator
from graphc.ir.ops.creation.constants import constant_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, subtract
from graphc.ir.ops.elementwise.complex_numbers import real
from graphc.ir.ops.elementwise.declaration import INEXACT, require_float
from graphc.ir.ops.elementwise.logic import equal, isfinite, where
from graphc.ir.ops.elementwise.transcendental import exp, log
from graphc.ir.ops.reductions.reduction import (
    Axis,
    among,
    kept,
    max_over,
    reduce,
    reduced_shape,
    restored,
    sum_over,
)
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.ops.views.shape import permute_dims, require_axes, reshape
from graphc.ir.types import TensorType

__all__ = ["log_softmax", "logsumexp", "softmax", "softmax_along"]

Array = np.ndarray[Any, Any]


def _infer_row(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    require_float(op.name, operands[0].dtype)
    require_axes(op, (attributes["axis"],), operands[0])
    return operands[0].tensor


def _row_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            yield Sample((TensorType(dtype, (3, 7)),), {"axis": 1}, domain=(-9.0, 9.0))
    for shape, axis in (((5, 2, 3), 0), ((4,), 0), ((0, 3), 1), ((3, 1), 1)):
        yield Sample((TensorType(dtypes.f32, shape),), {"axis": axis})


def _row_refused() -> Iterable[Refused]:
    yield Refused((TensorType(dtypes.f32, (2, 3)),), {"axis": 2}, ShapeError)
    yield Refused((TensorType(dtypes.f32, (2, 3)),), {"axis": -1}, ShapeError)
    yield Refused((TensorType(dtypes.i32, (2, 3)),), {"axis": 1}, DTypeError)


def _softmax_reference(call: Call, x: Array) -> Array:
    axis = call["axis"]
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


def _expand_softmax(node: Node, x: Node) -> Node:
    axes = (node["axis"],)
    powers = exp(subtract(x, restored(max_over(x, axes=axes), x.shape, axes)))
    return divide(powers, restored(sum_over(powers, axes=axes), x.shape, axes))


def _softmax_gradient(node: Node, g: Node) -> tuple[Node]:
    axes = (node["axis"],)
    total = sum_over(multiply(g, node), axes=axes)
    return (multiply(node, subtract(g, restored(total, g.shape, axes))),)


softmax = Op(
    "softmax",
    1,
    infer=_infer_row,
    reference=computed_wide(_softmax_reference),
    lowering=Decomposition(in_accumulator(_expand_softmax)),
    gradient=_softmax_gradient,
    parameters=(Parameter("axis"),),
    samples=_row_samples,
    refused=_row_refused,
    doc="exp(x) / sum(exp(x)) along an axis, in the form that does not overflow.",
)


def _log_softmax_reference(call: Call, x: Array) -> Array:
    axis = call["axis"]
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


def _expand_log_softmax(node: Node, x: Node) -> Node:
    axes = (node["axis"],)
    shifted = subtract(x, restored(max_over(x, axes=axes), x.shape, axes))
    total = log(sum_over(exp(shifted), axes=axes))
    return subtract(shifted, restored(total, x.shape, axes))


def _log_softmax_gradient(node: Node, g: Node) -> tuple[Node]:
    axes = (node["axis"],)
    total = restored(sum_over(g, axes=axes), g.shape, axes)
    return (subtract(g, multiply(exp(node), total)),)


log_softmax = Op(
    "log_softmax",
    1,
    infer=_infer_row,
    reference=computed_wide(_log_softmax_reference),
    lowering=Decomposition(in_accumulator(_expand_log_softmax)),
    gradient=_log_softmax_gradient,
    parameters=(Parameter("axis"),),
    samples=_row_samples,
    refused=_row_refused,
    doc="log(softmax(x)) along an axis, accurate where softmax underflows.",
)


def _over_axes(op: Op, x: Node, axis: Axis, least: float, mask: Node | bool | None) -> Node:
    """`op` along an axis, or along several as if they were one; `least` where the mask is False."""
    x = among(x, mask, -math.inf)
    rank = len(x.shape)
    axes = (axis,) if isinstance(axis, int) else normal_axes(axis, rank, op.name)
    if len(axes) == 1:
        result = op(x, axis=normal_axis(axes[0], rank, op.name))
    else:
        order = (*(a for a in range(rank) if a not in axes), *axes)
        moved = permute_dims(x, axes=order)
        count = rank - len(axes)
        size = dims.product(x.shape[a] for a in axes)
        rows = op(reshape(moved, shape=(*moved.shape[:count], size)), axis=count)
        back = tuple(order.index(a) for a in range(rank))
        result = permute_dims(reshape(rows, shape=moved.shape), axes=back)
    return among(result, mask, least)


@surface("softmax")
def softmax_along(
    x: Node,
    axis: Axis = -1,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
) -> Node:
    """exp(x) / sum(exp(x)) along axes (one, several, or all for None), of `x` in a dtype if given.

    Elements where `where` is False take no part; the result is 0 there.
    """
    x = x if dtype is None else cast_to(x, dtype)
    return _over_axes(softmax, x, axis, 0, where)


@surface("log_softmax")
def log_softmax_along(
    x: Node,
    axis: Axis = -1,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
) -> Node:
    """The logarithm of `softmax`, accurate where that underflows; -inf where `where` is False."""
    x = x if dtype is None else cast_to(x, dtype)
    return _over_axes(log_softmax, x, axis, -math.inf, where)


# -- logsumexp ------------------------------------------------------------------------------------


def _infer_fold(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    require_float(op.name, operands[0].dtype)
    require_axes(op, attributes["axes"], operands[0])
    operand = operands[0].tensor
    return TensorType(operand.dtype, reduced_shape(operand.shape, attributes["axes"]))


def _logsumexp_reference(call: Call, x: Array) -> Array:
    axes = call["axes"]
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
    total = np.sum(np.exp(x - top), axis=axes)
    return np.asarray(np.log(total) + np.squeeze(top, axis=axes))


def _expand_logsumexp(node: Node, x: Node) -> Node:
    axes = node["axes"]
    top = max_over(x, axes=axes)
    # An infinite maximum would give inf - inf; without it the sum is 0 or inf as it should be.
    top = where(isfinite(top), top, zeros_like(top))
    total = sum_over(exp(subtract(x, restored(top, x.shape, axes))), axes=axes)
    return add(log(total), top)


def _logsumexp_gradient(node: Node, g: Node) -> tuple[Node]:
    x, axes = node.inputs[0], node["axes"]
    weights = exp(subtract(x, restored(node, x.shape, axes)))
    return (multiply(restored(g, x.shape, axes), weights),)


def _fold_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            yield Sample((TensorType(dtype, (3, 7)),), {"axes": (1,)}, domain=(-9.0, 9.0))
    for shape, axes in (((5, 2, 3), (0, 2)), ((4,), ()), ((3, 0), (1,)), ((0, 3), (1,))):
        # Over no elements the result is -inf, and has no derivative.
        smooth = 0 not in (shape[axis] for axis in axes)
        yield Sample((TensorType(dtypes.f32, shape),), {"axes": axes}, smooth=smooth)


logsumexp = Op(
    "logsumexp",
    1,
    infer=_infer_fold,
    reference=computed_wide(_logsumexp_reference),
    lowering=Decomposition(in_accumulator(_expand_logsumexp)),
    gradient=_logsumexp_gradient,
    parameters=(Parameter("axes"),),
    samples=_fold_samples,
    refused=lambda: (
        Refused((TensorType(dtypes.f32, (2, 3)),), {"axes": (2,)}, ShapeError),
        Refused((TensorType(dtypes.i32, (2, 3)),), {"axes": (1,)}, DTypeError),
    ),
    doc="log(sum(exp(x))) over axes, in the form that does not overflow; -inf over nothing.",
)


@surface("logsumexp")
def logsumexp_over(
    x: Node,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    b: Operand | None = None,
    return_sign: bool = False,
    where: Node | bool | None = None,
) -> Node | tuple[Node, Node]:
    """log(sum(b * exp(x))) over axes (all by default), where b is 1 by default.

    Of complex numbers it is the logarithm whose imaginary part lies in [-pi, pi]. Elements where
    `where` is False take no part. NaN where the sum is negative; with `return_sign` the logarithm
    of its size, and its sign (of complex numbers its direction).
    """
    if b is None and not return_sign and x.dtype.kind != "complex":
        return reduce(logsumexp, among(x, where, -math.inf), axis, keepdims)
    return _of_signed_sum(x, axis, 1 if b is None else b, keepdims, return_sign, where)


def _of_signed_sum(
    x: Node,
    axis: Axis,
    factors: Operand,
    keepdims: bool,
    return_sign: bool,
    mask: Node | bool | None,
) -> Node | tuple[Node, Node]:
    """`logsumexp` with factors: relative to the largest number whose factor is not 0."""
    given, weights = broadcast(*promoted(x, factors))
    require_float("logsumexp", given.dtype, INEXACT)
    narrow = given.dtype
    given, weights = (cast_to(one, narrow.accumulator) for one in (given, weights))
    weights = among(weights, mask, 0)
    is_nothing = equal(weights, zeros_like(weights))
    given = where(is_nothing, zeros_like(given), given)
    axes = normal_axes(axis, len(given.shape), "logsumexp")
    sizes = stop_gradient(real(given) if narrow.kind == "complex" else given)
    top = max_over(where(is_nothing, constant_like(-math.inf, sizes), sizes), axes=axes)
    top = where(isfinite(top), top, zeros_like(top))
    base = cast_to(top, given.dtype)
    powers = exp(subtract(given, restored(base, given.shape, axes)))
    total = sum_over(where(is_nothing, zeros_like(powers), multiply(weights, powers)), axes=axes)
    if return_sign:
        size: Node = add(log(functions["abs"](total)), top)
        results = [cast_to(size, narrow.real), cast_to(functions["sgn"](total), narrow)]
    else:
        results = [cast_to(add(log(total), base), narrow)]
    if keepdims:
        results = [kept(one, given.shape, axes) for one in results]
    return (results[0], results[1]) if return_sign else results[0]
