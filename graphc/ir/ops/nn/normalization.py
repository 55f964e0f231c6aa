"""Normalisations of rows: layer norm and RMS norm.

Each is a `Decomposition` that a schedule may claim whole. f16 and bf16 are computed in f32 and
rounded once. The gradients are written out.
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
from graphc.ir.node import Node
from graphc.ir.op import Call, Decomposition, Op, Parameter, Refused, Sample, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, computed_wide, in_accumulator, rounded_once
from graphc.ir.ops.creation.constants import constant_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, subtract
from graphc.ir.ops.elementwise.declaration import require_float
from graphc.ir.ops.elementwise.transcendental import rsqrt
from graphc.ir.ops.reductions.reduction import restored
from graphc.ir.ops.reductions.statistics import mean_over
from graphc.ir.types import TensorType

__all__ = ["layer_norm", "rms_norm"]

Array = np.ndarray[Any, Any]


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


Shape = tuple[DimLike, ...]


def _in_order(
    name: str, given: Node | DimLike | Sequence[DimLike], *parameters: Node | None
) -> tuple[Shape, list[Node | None]]:
    """The normalised shape and the parameters, the first of which may stand in the shape's place.

    A shape of one axis may be its size.

    Raises:
        UsageError: there is one parameter too many.
    """
    if not isinstance(given, Node):
        shape = given if isinstance(given, Sequence) else (given,)
        return tuple(shape), list(parameters)
    found = [given, *(one for one in parameters if one is not None)]
    left = len(parameters) - len(found)
    if left < 0:
        raise UsageError(
            f"{name}: {len(found)} tensors beside x, expected {len(parameters)}",
            code="argument-count",
            hint=f"the shape is that of the weight, and eps has a name: {name}(x, weight, eps=0.1)",
        )
    return given.shape, [*found, *[None] * left]


def _axes_of(name: str, x: Node, shape: Shape, weight: Node | None) -> int:
    """How many trailing axes are normalised: those of the shape, or of the weight, or one."""
    normalized = shape or (x.shape[-1:] if weight is None else weight.shape)
    if not normalized:
        raise ShapeError(
            f"{name}: the weight has no axes, expected one for each normalised axis of {x.type}",
            hint=f"an axis is given by its size, {name}(x, {x.shape[-1] if x.shape else 4})",
        )
    tail = x.shape[len(x.shape) - len(normalized) :]
    for sizes in (normalized, normalized if weight is None else weight.shape):
        if len(sizes) != len(tail) or not all(map(dims.always_equal, sizes, tail)):
            raise ShapeError(
                f"{name}: {x.type} does not end in the normalised shape "
                f"[{', '.join(map(str, sizes))}]"
            )
    return len(normalized)


@surface("layer_norm")
@rounded_once
def layer_norm_affine(
    x: Node,
    normalized_shape: Node | DimLike | Sequence[DimLike] = (),
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
) -> Node:
    """`layer_norm` over the axes of the weight (the last one by default), scaled and shifted.

    The shape may be left away: `layer_norm(x, weight, bias)` is `layer_norm(x, (4,), weight, bias)`
    for a weight of that shape. A shape of one axis may be its size, `layer_norm(x, 4)`.
    """
    shape, (weight, bias) = _in_order("layer_norm", normalized_shape, weight, bias)
    axes = _axes_of("layer_norm", x, shape, weight)
    return _affine(layer_norm(x, axes=axes, eps=float(eps)), weight, bias)


@surface("rms_norm")
@rounded_once
def rms_norm_affine(
    x: Node,
    normalized_shape: Node | DimLike | Sequence[DimLike] = (),
    weight: Node | None = None,
    eps: float | None = None,
) -> Node:
    """`rms_norm` over the axes of the weight (the last one by default), scaled; see `layer_norm`.

    `rms_norm(x, weight)` is `rms_norm(x, (4,), weight)` for a weight of that shape. `eps` is the
    epsilon of the dtype, unless it is given.
    """
    shape, (weight,) = _in_order("rms_norm", normalized_shape, weight)
    axes = _axes_of("rms_norm", x, shape, weight)
    eps = x.dtype.epsilon if eps is None else float(eps)
    return _affine(rms_norm(x, axes=axes, eps=eps), weight, None)
