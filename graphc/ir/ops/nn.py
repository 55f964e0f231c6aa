"""Activations and losses of neural networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Decomposition, GradientRule, Op, Refused, Sample, surface
from graphc.ir.ops.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    negative,
    relu,
    scaled,
    square,
    subtract,
)
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import dim_value, iota, ones_like, zeros_like
from graphc.ir.ops.elementwise import SHAPES
from graphc.ir.ops.logic import equal, greater, greater_equal, less, logical_and, where
from graphc.ir.ops.normalization import (
    computed_wide,
    in_accumulator,
    log_softmax,
    require_float,
    softmax,
)
from graphc.ir.ops.reduction import restored, sum_over
from graphc.ir.ops.shape import broadcast_to
from graphc.ir.ops.statistics import mean
from graphc.ir.ops.transcendental import erf, exp, expm1, log1p, sigmoid, tanh
from graphc.ir.types import TensorType

__all__ = ["cross_entropy", "gelu", "gelu_tanh", "silu", "softplus"]

Array = np.ndarray[Any, Any]
Reduce = Literal["mean", "sum", "none"]

# -- activations ----------------------------------------------------------------------------------


def _infer_activation(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    require_float(op, operands[0].dtype)
    return operands[0].tensor


def _activation_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            for shape in SHAPES:
                yield Sample((TensorType(dtype, shape),), domain=(-6.0, 6.0))


def _activation(
    name: str,
    compute: Callable[[Array], Array],
    expand: Callable[[Node], Node],
    doc: str,
    gradient: GradientRule | None = None,
) -> Op:
    return Op(
        name,
        1,
        infer=_infer_activation,
        reference=computed_wide(lambda call, x: compute(x)),
        lowering=Decomposition(in_accumulator(lambda node, x: expand(x))),
        gradient=gradient,
        samples=_activation_samples,
        refused=lambda: (
            Refused((TensorType(dtypes.i32, (2,)),), {}, DTypeError),
            Refused((TensorType(dtypes.c64, (2,)),), {}, DTypeError),
        ),
        doc=doc,
    )


_ERF = np.frompyfunc(math.erf, 1, 1)
_SQRT_HALF = math.sqrt(0.5)
_GELU_SLOPE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu_reference(x: Array) -> Array:
    bell = np.asarray(_ERF(x.astype(np.float64) * _SQRT_HALF)).astype(x.dtype)
    return np.asarray(x * 0.5 * (1 + bell)).astype(x.dtype, copy=False)


def _expand_gelu(x: Node) -> Node:
    return multiply(scaled(x, 0.5), add(ones_like(x), erf(scaled(x, _SQRT_HALF))))


def _gelu_tanh_reference(x: Array) -> Array:
    inner = _GELU_SLOPE * (x + _GELU_CUBIC * x * x * x)
    return np.asarray(0.5 * x * (1 + np.tanh(inner))).astype(x.dtype, copy=False)


def _expand_gelu_tanh(x: Node) -> Node:
    cubic = scaled(multiply(multiply(x, x), x), _GELU_CUBIC)
    bell = tanh(scaled(add(x, cubic), _GELU_SLOPE))
    return multiply(scaled(x, 0.5), add(ones_like(x), bell))


gelu = _activation(
    "gelu",
    _gelu_reference,
    _expand_gelu,
    "x times the normal distribution function of x, by erf (D. Hendrycks and K. Gimpel, 2016).",
)
gelu_tanh = _activation(
    "gelu_tanh",
    _gelu_tanh_reference,
    _expand_gelu_tanh,
    "The approximation of gelu by tanh (D. Hendrycks and K. Gimpel, 2016).",
)


def _silu_reference(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(x * np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


silu = _activation(
    "silu",
    _silu_reference,
    lambda x: multiply(x, sigmoid(x)),
    "x * sigmoid(x).",
)


def _softplus_reference(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


softplus = _activation(
    "softplus",
    _softplus_reference,
    lambda x: add(relu(x), log1p(exp(negative(absolute(x))))),
    "log(1 + exp(x)), in the form that does not overflow.",
    # That of the decomposition is wrong at 0, where |x| has no derivative.
    gradient=lambda node, g: (multiply(g, sigmoid(node.inputs[0])),),
)


@surface("gelu")
def gelu_of(x: Node, approximate: Literal["none", "tanh"] = "none") -> Node:
    """GELU, by erf or by its approximation with tanh."""
    if approximate not in ("none", "tanh"):
        raise UsageError(f"gelu: approximate is {approximate!r}", hint='use "none" or "tanh"')
    return gelu(x) if approximate == "none" else gelu_tanh(x)


@surface("silu", "swish")
def silu_of(x: Node) -> Node:
    """x * sigmoid(x)."""
    return silu(x)


@surface("softplus")
def softplus_of(x: Node) -> Node:
    """log(1 + exp(x)), in the form that does not overflow."""
    return softplus(x)


@surface("leaky_relu")
def leaky_relu(x: Node, negative_slope: float = 0.01) -> Node:
    """x where it is positive, else x * negative_slope."""
    return where(greater(x, zeros_like(x)), x, scaled(x, negative_slope))


@surface("elu")
def elu(x: Node, alpha: float = 1.0) -> Node:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    zero = zeros_like(x)
    is_positive = greater(x, zero)
    # The branch not taken is kept in range, so that its derivative stays finite.
    return where(is_positive, x, scaled(expm1(where(is_positive, zero, x)), alpha))


# -- cross entropy --------------------------------------------------------------------------------


def _infer_cross_entropy(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    logits, labels = operands[0].tensor, operands[1].tensor
    require_float(op, logits.dtype)
    if not labels.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy: the labels are {labels}, expected integers",
            hint="labels are class numbers; cast(labels, i64)",
        )
    if not logits.shape or logits.shape[:-1] != labels.shape:
        raise ShapeError(
            f"cross_entropy: logits {logits} and labels {labels}",
            hint="logits are [..., classes], labels [...]",
        )
    return TensorType(logits.dtype, labels.shape)


def _hits(logits: Node, labels: Node) -> Node:
    """Whether each class is the label; nowhere for a label out of range."""
    axis = len(logits.shape) - 1
    places = iota(shape=logits.shape, axis=axis, dtype=dtypes.i64)
    return equal(places, restored(cast_to(labels, dtypes.i64), logits.shape, (axis,)))


def _cross_entropy_reference(call: Call, logits: Array, labels: Array) -> Array:
    shifted = logits - np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
    logs = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    hits = np.arange(logits.shape[-1]) == labels.astype(np.int64)[..., None]
    return np.asarray(-np.sum(np.where(hits, logs, np.zeros((), logs.dtype)), axis=-1))


def _expand_cross_entropy(node: Node, logits: Node) -> Node:
    axis = len(logits.shape) - 1
    logs = log_softmax(logits, axis=axis)
    picked = where(_hits(logits, node.inputs[1]), logs, zeros_like(logs))
    return negative(sum_over(picked, axes=(axis,)))


def _cross_entropy_gradient(node: Node, g: Node) -> tuple[Node, None]:
    """(softmax - one_hot) * g, and nothing where the label is out of range."""
    logits, labels = node.inputs
    axis = len(logits.shape) - 1
    hits = cast_to(_hits(logits, labels), logits.dtype)
    counted = where(_is_class(labels, logits.shape[axis]), g, zeros_like(g))
    slope = subtract(softmax(logits, axis=axis), hits)
    return multiply(slope, restored(counted, logits.shape, (axis,))), None


def _is_class(labels: Node, classes: Any) -> Node:
    """Whether each label is 0 to classes - 1."""
    wide = cast_to(labels, dtypes.i64)
    end = broadcast_to(dim_value(dim=classes, dtype=dtypes.i64), shape=wide.shape)
    return logical_and(greater_equal(wide, zeros_like(wide)), less(wide, end))


def _cross_entropy_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            labels = TensorType(dtypes.i32, (5,))
            # Labels drawn from the domain: some are out of range.
            yield Sample((TensorType(dtype, (5, 4)), labels), {}, domain=(-2.0, 6.0))
    logits, labels = TensorType(dtypes.f32, (2, 3, 4)), TensorType(dtypes.i64, (2, 3))
    yield Sample((logits, labels), {}, domain=(0.0, 4.0))
    yield Sample((TensorType(dtypes.f32, (0, 4)), TensorType(dtypes.u8, (0,))))


def _cross_entropy_refused() -> Iterable[Refused]:
    logits, labels = TensorType(dtypes.f32, (5, 4)), TensorType(dtypes.i32, (5,))
    yield Refused((logits, TensorType(dtypes.i32, (4,))), {}, ShapeError)
    yield Refused((logits, TensorType(dtypes.f32, (5,))), {}, DTypeError)
    yield Refused((TensorType(dtypes.i32, (5, 4)), labels), {}, DTypeError)
    yield Refused((TensorType(dtypes.f32, ()), TensorType(dtypes.i32, ())), {}, ShapeError)


cross_entropy = Op(
    "cross_entropy",
    2,
    infer=_infer_cross_entropy,
    reference=computed_wide(_cross_entropy_reference),
    lowering=Decomposition(in_accumulator(_expand_cross_entropy)),
    gradient=_cross_entropy_gradient,
    samples=_cross_entropy_samples,
    refused=_cross_entropy_refused,
    doc="-log(softmax(logits)[label]) of each row; 0 where the label is no class.",
)


def _reduced(losses: Node, reduction: Reduce) -> Node:
    if reduction not in ("mean", "sum", "none"):
        raise UsageError(f"reduction is {reduction!r}", hint='use "mean", "sum" or "none"')
    if reduction == "none":
        return losses
    if reduction == "mean":
        return mean(losses)
    return sum_over(losses, axes=tuple(range(len(losses.shape))))


@surface("cross_entropy")
def cross_entropy_loss(logits: Node, labels: Node, reduction: Reduce = "mean") -> Node:
    """The cross entropy of integer `labels` [...] under `logits` [..., classes].

    A label that is no class (-100, say) contributes neither to the sum nor to the count that
    the mean divides by; a mean over no rows is NaN.
    """
    losses = cross_entropy(logits, labels)
    if reduction != "mean":
        return _reduced(losses, reduction)
    axes = tuple(range(len(losses.shape)))
    wide = losses.dtype.accumulator
    total = sum_over(cast_to(losses, wide), axes=axes)
    valid = cast_to(_is_class(labels, logits.shape[-1]), wide)
    return cast_to(divide(total, sum_over(valid, axes=axes)), losses.dtype)


@surface("mse_loss")
def mse_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """The squared distance of `x` from `target`."""
    return _reduced(square(subtract(*broadcast(*promoted(x, target)))), reduction)


@surface("l1_loss")
def l1_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """The absolute distance of `x` from `target`."""
    return _reduced(absolute(subtract(*broadcast(*promoted(x, target)))), reduction)


@surface("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    logits: Node, target: Operand, reduction: Reduce = "mean"
) -> Node:
    """The cross entropy of probabilities `target` under sigmoid(logits), without overflow."""
    x, y = broadcast(*promoted(logits, target))
    return _reduced(subtract(softplus(x), multiply(x, y)), reduction)
