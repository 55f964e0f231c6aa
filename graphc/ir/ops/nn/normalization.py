"""Ops that relate each row to itself: softmax and its kin, layer norm, RMS norm.

Each is a `Decomposition` that a schedule may claim whole. f16 and bf16 are computed in f32 and
rounded once. The gradients are written out: those of the decompositions would go through the
maximum that only keeps exp in range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Call, Decomposition, Op, Parameter, Refused, Sample, functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, normal_axes, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, subtract
from graphc.ir.ops.elementwise.complex_numbers import real
from graphc.ir.ops.elementwise.declaration import INEXACT, require_float
from graphc.ir.ops.elementwise.logic import equal, isfinite, where
from graphc.ir.ops.elementwise.transcendental import exp, log, rsqrt
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
from graphc.ir.ops.reductions.statistics import mean_over
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.ops.views.shape import permute_dims, require_axes, reshape
from graphc.ir.types import TensorType

__all__ = ["layer_norm", "log_softmax", "logsumexp", "rms_norm", "softmax", "softmax_along"]

Array = np.ndarray[Any, Any]


def in_accumulator(expand: Callable[[Node, Node], Node]) -> Callable[[Node], Node]:
    """An expansion that computes in the accumulator's dtype: `expand(node, wide operand)`."""

    def expanded(node: Node) -> Node:
        x = node.inputs[0]
        return cast_to(expand(node, cast_to(x, x.dtype.accumulator)), node.dtype)

    return expanded


def computed_wide(compute: Callable[..., Array]) -> Callable[..., Array]:
    """A reference that is given its operand in the accumulator's dtype, and rounded once."""

    def reference(call: Call, x: Array, *others: Array) -> Array:
        wide = x.astype(dtypes.from_numpy(x.dtype).accumulator.numpy, copy=False)
        with np.errstate(all="ignore"):
            return np.asarray(compute(call, wide, *others)).astype(call.dtype.numpy, copy=False)

    return reference


# -- softmax --------------------------------------------------------------------------------------


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


# -- layer norm, RMS norm -------------------------------------------------------------------------


def _trailing(x: Node, count: int) -> tuple[int, ...]:
    rank = len(x.shape)
    return tuple(range(rank - count, rank))


def _infer_norm(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand, count = operands[0].tensor, attributes["axes"]
    require_float(op.name, operand.dtype)
    if not 1 <= count <= operand.rank:
        raise ShapeError(
            f"{op.name} over the last {count} axes of {operand}",
            code="axis",
            hint=f"the number of axes is 1 to {operand.rank}",
        )
    return operand


def _scale(x: Node, eps: float, axes: tuple[int, ...]) -> Node:
    """1 / sqrt(mean(x*x) + eps), restored to the shape of `x`."""
    mean_square = mean_over(multiply(x, x), axes)
    return restored(rsqrt(add(mean_square, constant_like(eps, mean_square))), x.shape, axes)


def _mean_square_scale(x: Array, eps: float, axes: tuple[int, ...]) -> Array:
    mean_square = _row_mean(x * x, axes)
    return np.asarray(1 / np.sqrt(mean_square + np.asarray(eps, x.dtype)))


def _centered(x: Node, axes: tuple[int, ...]) -> Node:
    return subtract(x, restored(mean_over(x, axes), x.shape, axes))


def _row_mean(x: Array, axes: tuple[int, ...]) -> Array:
    """The mean with the axes kept; NaN over no elements, without the warning of `np.mean`."""
    return np.asarray(np.sum(x, axis=axes, keepdims=True) / math.prod(x.shape[a] for a in axes))


def _rms_norm_reference(call: Call, x: Array) -> Array:
    axes = tuple(range(x.ndim - call["axes"], x.ndim))
    return np.asarray(x * _mean_square_scale(x, call["eps"], axes))


def _layer_norm_reference(call: Call, x: Array) -> Array:
    axes = tuple(range(x.ndim - call["axes"], x.ndim))
    return _rms_norm_reference(call, x - _row_mean(x, axes))


def _expand_rms_norm(node: Node, x: Node) -> Node:
    axes = _trailing(x, node["axes"])
    return multiply(x, _scale(x, node["eps"], axes))


def _expand_layer_norm(node: Node, x: Node) -> Node:
    return _expand_rms_norm(node, _centered(x, _trailing(x, node["axes"])))


def _norm_gradient(is_centered: bool) -> Callable[[Node, Node], tuple[Node]]:
    """dx = s*(g - mean(g) - y*mean(g*y)), without mean(g) where the mean is not removed."""

    def gradient(node: Node, g: Node) -> tuple[Node]:
        x = node.inputs[0]
        wide = x.dtype.accumulator
        axes = _trailing(x, node["axes"])
        x_wide, y, g_wide = (cast_to(value, wide) for value in (x, node, g))
        if is_centered:
            x_wide, g_wide = _centered(x_wide, axes), _centered(g_wide, axes)
        along = restored(mean_over(multiply(g_wide, y), axes), x.shape, axes)
        slope = subtract(g_wide, multiply(y, along))
        return (cast_to(multiply(_scale(x_wide, node["eps"], axes), slope), x.dtype),)

    return gradient


def _norm_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            yield Sample((TensorType(dtype, (3, 7)),), {"axes": 1, "eps": 1e-5})
    for shape, axes in (((2, 3, 4), 2), ((5,), 1), ((0, 4), 1)):
        yield Sample((TensorType(dtypes.f32, shape),), {"axes": axes, "eps": 1e-3})


def _norm_refused() -> Iterable[Refused]:
    yield Refused((TensorType(dtypes.f32, (2, 3)),), {"axes": 3, "eps": 1e-5}, ShapeError)
    yield Refused((TensorType(dtypes.f32, (2, 3)),), {"axes": 0, "eps": 1e-5}, ShapeError)
    yield Refused((TensorType(dtypes.i32, (2, 3)),), {"axes": 1, "eps": 1e-5}, DTypeError)


layer_norm = Op(
    "layer_norm",
    1,
    infer=_infer_norm,
    reference=computed_wide(_layer_norm_reference),
    lowering=Decomposition(in_accumulator(_expand_layer_norm)),
    gradient=_norm_gradient(is_centered=True),
    parameters=(Parameter("axes", 1), Parameter("eps", 1e-5)),
    samples=_norm_samples,
    refused=_norm_refused,
    doc="(x - mean(x)) / sqrt(var(x) + eps) over the last `axes` axes (J. L. Ba et al., 2016).",
)
rms_norm = Op(
    "rms_norm",
    1,
    infer=_infer_norm,
    reference=computed_wide(_rms_norm_reference),
    lowering=Decomposition(in_accumulator(_expand_rms_norm)),
    gradient=_norm_gradient(is_centered=False),
    parameters=(Parameter("axes", 1), Parameter("eps", 1e-5)),
    samples=_norm_samples,
    refused=_norm_refused,
    doc="x / sqrt(mean(x*x) + eps) over the last `axes` axes (B. Zhang and R. Sennrich, 2019).",
)


def _affine(y: Node, weight: Operand | None, bias: Operand | None) -> Node:
    if weight is not None:
        y = multiply(*broadcast(*promoted(y, weight)))
    return y if bias is None else add(*broadcast(*promoted(y, bias)))


def _axes_of(x: Node, weight: Node | None, shape: Sequence[DimLike] | None, name: str) -> int:
    """How many trailing axes are normalised: those of the weight, or of the shape, or one."""
    if isinstance(weight, list | tuple):
        raise UsageError(
            f"{name}: the weight is {weight}, expected a tensor",
            hint="the shape of the weight says which axes are normalised; "
            "without a weight: normalized_shape=...",
        )
    normalized = weight.shape if weight is not None else tuple(shape or x.shape[-1:])
    tail = x.shape[len(x.shape) - len(normalized) :]
    if len(normalized) != len(tail) or any(
        not dims.always_equal(a, b) for a, b in zip(normalized, tail, strict=True)
    ):
        raise ShapeError(
            f"{name}: {x.type} does not end in the normalised shape "
            f"[{', '.join(map(str, normalized))}]"
        )
    return len(normalized)


@surface("layer_norm")
@rounded_once
def layer_norm_affine(
    x: Node,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
    normalized_shape: Sequence[DimLike] | None = None,
) -> Node:
    """`layer_norm` over the axes of the weight (the last one by default), scaled and shifted."""
    axes = _axes_of(x, weight, normalized_shape, "layer_norm")
    return _affine(layer_norm(x, axes=axes, eps=float(eps)), weight, bias)


@surface("rms_norm")
@rounded_once
def rms_norm_affine(
    x: Node,
    weight: Node | None = None,
    eps: float = 1e-5,
    normalized_shape: Sequence[DimLike] | None = None,
) -> Node:
    """`rms_norm` over the axes of the weight (the last one by default), scaled."""
    axes = _axes_of(x, weight, normalized_shape, "rms_norm")
    return _affine(rms_norm(x, axes=axes, eps=float(eps)), weight, None)
