"""Losses of classes: which class is the right one, or how probable each is.

Arguments, defaults and the meaning of `reduction` are those of `torch.nn.functional`, but that
classes are the last axis unless `axis` says otherwise.
"""

from __future__ import annotations

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import broadcast, normal_axis
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, negative, scaled
from graphc.ir.ops.elementwise.logic import logical_and, not_equal, where
from graphc.ir.ops.nn.cross_entropy import cross_entropy, hits, is_class
from graphc.ir.ops.nn.losses import Reduce, mean_over, reduced, weighted
from graphc.ir.ops.nn.softmax import log_softmax
from graphc.ir.ops.reductions.reduction import restored, sum_over
from graphc.ir.ops.views.rearrange import moveaxis

__all__: list[str] = []


@surface("nll_loss")
@rounded_once
def nll_loss(
    x: Node,
    labels: Node,
    weight: Node | None = None,
    ignore_index: int = -100,
    reduction: Reduce = "mean",
    axis: int = -1,
) -> Node:
    """-weight[label] * x[label] for log-probabilities `x` with classes along `axis`.

    A label that is `ignore_index`, or no class, costs nothing, and the mean leaves it out; the
    mean divides by the sum of the weights.
    """
    logs = moveaxis(x, normal_axis(axis, len(x.shape), "nll_loss"), -1)
    last = len(logs.shape) - 1
    picked = where(hits(logs, labels), logs, zeros_like(logs))
    losses = negative(sum_over(picked, axes=(last,)))
    return _reduced_over_classes(losses, logs, labels, weight, ignore_index, reduction)


def _reduced_over_classes(
    losses: Node,
    logits: Node,
    labels: Node,
    weight: Node | None,
    ignore_index: int,
    reduction: Reduce,
) -> Node:
    """Losses of labelled rows, weighted by class, of which some are left out."""
    counted = _counted(logits, labels, ignore_index)
    weights = _weights_of(logits, labels, weight)
    losses = losses if weights is None else multiply(losses, weights)
    losses = where(counted, losses, zeros_like(losses))
    if reduction != "mean":
        return reduced(losses, reduction)
    return mean_over(losses, _shares(losses, counted, weights))


def _shares(losses: Node, counted: Node, weights: Node | None) -> Node:
    """What each row counts for in a mean."""
    return weighted(cast_to(counted, losses.dtype.accumulator), weights)


def _counted(logits: Node, labels: Node, ignore_index: int) -> Node:
    """Whether each label is a class, and not the one to be left out."""
    counted = is_class(labels, logits.shape[-1])
    # No class is negative: such an index leaves out what is left out anyway.
    if ignore_index >= 0:
        wide = cast_to(labels, dtypes.i64)
        counted = logical_and(counted, not_equal(wide, constant_like(ignore_index, wide)))
    return counted


def _weights_of(logits: Node, labels: Node, weight: Node | None) -> Node | None:
    """The weight of each label's class; 0 for a label that is no class."""
    if weight is None:
        return None
    spread = _class_weights(logits, weight)
    return sum_over(
        where(hits(logits, labels), spread, zeros_like(spread)), axes=(len(logits.shape) - 1,)
    )


def _class_weights(logits: Node, weight: Node) -> Node:
    if weight.shape != logits.shape[-1:]:
        raise ShapeError(
            f"weights {weight.type} for {logits.shape[-1]} classes", hint="give one for each class"
        )
    return broadcast(cast_to(weight, logits.dtype), logits)[0]


@surface("cross_entropy")
@rounded_once
def cross_entropy_loss(
    logits: Node,
    labels: Node,
    weight: Node | None = None,
    ignore_index: int = -100,
    reduction: Reduce = "mean",
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Node:
    """The cross entropy of `labels` under softmax(logits), whose classes lie along `axis`.

    Integer labels have the shape of the logits without that axis; a label that is no class, or
    is `ignore_index`, contributes neither to the sum nor to the count that the mean divides by,
    and a mean over no rows is NaN. Float labels have the shape of the logits and are
    probabilities. `weight` has a factor for each class. `label_smoothing` moves that share of
    each label's probability to all classes alike (C. Szegedy et al., 2016).
    """
    if not 0 <= label_smoothing <= 1:
        raise UsageError(f"cross_entropy: label_smoothing is {label_smoothing}, expected 0 to 1")
    place = normal_axis(axis, len(logits.shape), "cross_entropy")
    rows = moveaxis(logits, place, -1)
    if labels.dtype.kind == "float":
        if len(labels.shape) != len(logits.shape):
            raise DTypeError(
                f"cross_entropy: the labels are {labels.type}, for logits {logits.type}",
                hint="class numbers are integers: cast(labels, i64); "
                "probabilities have the shape of the logits",
            )
        return _soft_cross_entropy(
            rows, moveaxis(labels, place, -1), reduction, weight, label_smoothing
        )
    losses = cross_entropy(rows, labels)
    if not label_smoothing:
        return _reduced_over_classes(losses, rows, labels, weight, ignore_index, reduction)
    counted = _counted(rows, labels, ignore_index)
    weights = _weights_of(rows, labels, weight)
    losses = losses if weights is None else multiply(losses, weights)
    even = divide(ones_like(rows), _classes_of(rows))
    smooth = _soft_losses(rows, even, weight)
    mixed = add(scaled(losses, 1 - label_smoothing), scaled(smooth, label_smoothing))
    mixed = where(counted, mixed, zeros_like(mixed))
    if reduction != "mean":
        return reduced(mixed, reduction)
    return mean_over(mixed, _shares(mixed, counted, weights))


@surface("linear_cross_entropy")
@rounded_once
def linear_cross_entropy(
    x: Node,
    linear_weight: Node,
    labels: Node,
    *,
    linear_bias: Node | None = None,
    reduction: Reduce = "mean",
    weight: Node | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Node:
    """The `cross_entropy` of `labels` under the logits linear(x, linear_weight).

    Weights [C, ..., features] of several axes give logits [N, C, ...], a bias [C, ...] beside them.
    """
    if len(linear_weight.shape) < 2:
        raise ShapeError(f"linear_cross_entropy: weights {linear_weight.type}, expected [C, N]")
    *classes, features = linear_weight.shape
    rows = functions["reshape"](linear_weight, (-1, features))
    flat = linear_bias if linear_bias is None else functions["flatten"](linear_bias)
    logits = functions["linear"](x, rows, flat)
    logits = functions["reshape"](logits, (*x.shape[:-1], *classes))
    axis = -len(classes)
    return cross_entropy_loss(
        logits, labels, weight, ignore_index, reduction, label_smoothing, axis
    )


def _soft_cross_entropy(
    rows: Node, labels: Node, reduction: Reduce, weight: Node | None, label_smoothing: float
) -> Node:
    if labels.shape != rows.shape:
        raise ShapeError(
            f"cross_entropy: logits {rows.type} and probabilities {labels.type}",
            hint="probabilities have the shape of the logits, labels one axis less",
        )
    labels = cast_to(labels, rows.dtype)
    if label_smoothing:
        even = divide(constant_like(label_smoothing, rows), _classes_of(rows))
        labels = add(scaled(labels, 1 - label_smoothing), even)
    return reduced(_soft_losses(rows, labels, weight), reduction)


def _classes_of(rows: Node) -> Node:
    """The number of classes, in the shape of the rows."""
    axis = (len(rows.shape) - 1,)
    return restored(sum_over(ones_like(rows), axes=axis), rows.shape, axis)


def _soft_losses(rows: Node, labels: Node, weight: Node | None) -> Node:
    axis = len(rows.shape) - 1
    terms = multiply(log_softmax(rows, axis=axis), labels)
    if weight is not None:
        terms = multiply(terms, _class_weights(rows, weight))
    return negative(sum_over(terms, axes=(axis,)))
