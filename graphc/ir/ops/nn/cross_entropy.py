"""The cross entropy of integer labels: an op, for its gradient is simpler than its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Decomposition, Op, Refused, Sample
from graphc.ir.ops.conversion import cast_to, computed_wide, in_accumulator
from graphc.ir.ops.creation.constants import dim_value, iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import multiply, negative, subtract
from graphc.ir.ops.elementwise.declaration import require_float
from graphc.ir.ops.elementwise.logic import equal, greater_equal, less, logical_and, where
from graphc.ir.ops.nn.softmax import log_softmax, softmax
from graphc.ir.ops.reductions.reduction import restored, sum_over
from graphc.ir.ops.views.shape import broadcast_to
from graphc.ir.types import TensorType

__all__ = ["cross_entropy", "hits", "is_class"]

Array = np.ndarray[Any, Any]


def _infer_cross_entropy(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    logits, labels = operands[0].tensor, operands[1].tensor
    require_float(op.name, logits.dtype)
    if not labels.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy: the labels are {labels}, expected integers",
            hint="labels are class numbers; cast(labels, i64)",
        )
    if not logits.shape or logits.shape[:-1] != labels.shape:
        fits = logits.rank > 1 and (*logits.shape[:1], *logits.shape[2:]) == labels.shape
        raise ShapeError(
            f"cross_entropy: logits {logits} and labels {labels}",
            hint="logits are [..., classes], labels [...]"
            + ("; for [N, classes, ...] say axis=1" if fits else ""),
        )
    return TensorType(logits.dtype, labels.shape)


def hits(logits: Node, labels: Node) -> Node:
    """Whether each class is the label; nowhere for a label out of range."""
    if not labels.dtype.is_integer:
        raise DTypeError(
            f"the labels are {labels.type}, expected integers",
            hint="labels are class numbers; cast(labels, i64)",
        )
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
    picked = where(hits(logits, node.inputs[1]), logs, zeros_like(logs))
    return negative(sum_over(picked, axes=(axis,)))


def _cross_entropy_gradient(node: Node, g: Node) -> tuple[Node, None]:
    """(softmax - one_hot) * g, and nothing where the label is out of range."""
    logits, labels = node.inputs
    axis = len(logits.shape) - 1
    one_hot = cast_to(hits(logits, labels), logits.dtype)
    counted = where(is_class(labels, logits.shape[axis]), g, zeros_like(g))
    slope = subtract(softmax(logits, axis=axis), one_hot)
    return multiply(slope, restored(counted, logits.shape, (axis,))), None


def is_class(labels: Node, classes: Any) -> Node:
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
