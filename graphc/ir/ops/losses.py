"""Losses: compositions, each reduced to its mean, its sum, or not at all.

Arguments, defaults and the meaning of `reduction` are those of `torch.nn.functional`, but that
classes are the last axis unless `axis` says otherwise.
"""

from __future__ import annotations

import math
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.activations import softplus
from graphc.ir.ops.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    negative,
    scaled,
    square,
    subtract,
)
from graphc.ir.ops.broadcasting import Operand, broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, ones_like, zeros_like
from graphc.ir.ops.cross_entropy import cross_entropy, hits, is_class
from graphc.ir.ops.elementwise import operate
from graphc.ir.ops.logic import equal, greater, less, logical_and, not_equal, where
from graphc.ir.ops.normalization import log_softmax
from graphc.ir.ops.rearrange import moveaxis
from graphc.ir.ops.reduction import restored, sum_over
from graphc.ir.ops.statistics import mean
from graphc.ir.ops.transcendental import exp, log

__all__ = ["reduced"]

Reduce = Literal["mean", "sum", "none"]


def reduced(losses: Node, reduction: Reduce) -> Node:
    """The mean, the sum, or the losses as they are."""
    if reduction not in ("mean", "sum", "none"):
        raise UsageError(f"reduction is {reduction!r}", hint='use "mean", "sum" or "none"')
    if reduction == "none":
        return losses
    if reduction == "mean":
        return mean(losses)
    return _total(losses)


def _total(x: Node) -> Node:
    return sum_over(x, axes=tuple(range(len(x.shape))))


def _weighted(losses: Node, weight: Operand | None) -> Node:
    return losses if weight is None else operate(multiply)(losses, weight)


# -- distances ------------------------------------------------------------------------------------


def _difference(x: Node, target: Operand) -> Node:
    return subtract(*broadcast(*promoted(x, target)))


@surface("mse_loss")
def mse_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """The squared distance of `x` from `target`."""
    return reduced(square(_difference(x, target)), reduction)


@surface("l1_loss")
def l1_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """The absolute distance of `x` from `target`."""
    return reduced(absolute(_difference(x, target)), reduction)


@surface("huber_loss")
def huber_loss(x: Node, target: Operand, reduction: Reduce = "mean", delta: float = 1.0) -> Node:
    """d*d / 2 for distances d up to `delta`, delta * (d - delta / 2) beyond (P. Huber, 1964)."""
    if delta <= 0:
        raise UsageError(f"huber_loss: delta is {delta}, expected a positive number")
    return reduced(_huber(_difference(x, target), delta), reduction)


def _huber(difference: Node, delta: float) -> Node:
    distance = absolute(difference)
    limit = constant_like(delta, distance)
    linear = scaled(subtract(distance, constant_like(delta / 2, distance)), delta)
    return where(less(distance, limit), scaled(square(difference), 0.5), linear)


@surface("smooth_l1_loss")
def smooth_l1_loss(x: Node, target: Operand, reduction: Reduce = "mean", beta: float = 1.0) -> Node:
    """`huber_loss` divided by `beta`: the absolute distance, rounded off below `beta`."""
    if beta < 0:
        raise UsageError(f"smooth_l1_loss: beta is {beta}, expected no negative number")
    if beta == 0:
        return l1_loss(x, target, reduction)
    return reduced(scaled(_huber(_difference(x, target), beta), 1 / beta), reduction)


# -- probabilities --------------------------------------------------------------------------------


@surface("binary_cross_entropy")
def binary_cross_entropy(
    x: Node, target: Operand, weight: Operand | None = None, reduction: Reduce = "mean"
) -> Node:
    """The cross entropy of probabilities `target` under probabilities `x`.

    Logarithms are limited to -100 from below, so that a certain and wrong `x` costs a finite loss.
    """
    p, y = broadcast(*promoted(x, target))
    one = ones_like(p)
    cost = add(
        multiply(y, _log_limited(p)), multiply(subtract(one, y), _log_limited(subtract(one, p)))
    )
    return reduced(_weighted(negative(cost), weight), reduction)


def _log_limited(p: Node) -> Node:
    is_zero, floor = equal(p, zeros_like(p)), constant_like(-100.0, p)
    logs = where(is_zero, floor, log(where(is_zero, ones_like(p), p)))
    return where(less(logs, floor), floor, logs)


@surface("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    logits: Node,
    target: Operand,
    reduction: Reduce = "mean",
    weight: Operand | None = None,
    pos_weight: Operand | None = None,
) -> Node:
    """The cross entropy of probabilities `target` under sigmoid(logits), without overflow.

    `weight` multiplies each loss, `pos_weight` the part of the positive examples.
    """
    x, y = broadcast(*promoted(logits, target))
    if pos_weight is None:
        losses = subtract(softplus(x), multiply(x, y))
    else:
        positive = operate(multiply)(multiply(y, softplus(negative(x))), pos_weight)
        other = multiply(subtract(ones_like(y), y), softplus(x))
        losses = operate(add)(positive, other)
    return reduced(_weighted(losses, weight), reduction)


@surface("soft_margin_loss")
def soft_margin_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """log(1 + exp(-target * x)), for targets 1 and -1."""
    value, sign = broadcast(*promoted(x, target))
    return reduced(softplus(negative(multiply(sign, value))), reduction)


@surface("kl_div")
def kl_div(
    x: Node,
    target: Node,
    reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
    log_target: bool = False,
) -> Node:
    """target * (log(target) - x), for log-probabilities `x`; 0 where the target is 0.

    `log_target`: the target is given as logarithms as well. "batchmean" divides the sum by the
    size of the first axis, which is what the divergence of distributions means.
    """
    logs, y = broadcast(*promoted(x, target))
    if log_target:
        losses = multiply(exp(y), subtract(y, logs))
    else:
        is_positive = greater(y, zeros_like(y))
        safe = where(is_positive, y, ones_like(y))
        entropy = where(is_positive, multiply(y, log(safe)), zeros_like(y))
        losses = subtract(entropy, multiply(y, logs))
    if reduction != "batchmean":
        return reduced(losses, reduction)
    if not losses.shape:
        raise ShapeError("kl_div: a single number has no batch to take the mean over")
    return multiply(mean(losses), _size_of_rows(losses))


def _size_of_rows(losses: Node) -> Node:
    """Number of elements below the first axis, as a number of the losses' dtype."""
    rows = sum_over(ones_like(losses), axes=tuple(range(1, len(losses.shape))))
    return mean(rows)


@surface("poisson_nll_loss")
def poisson_nll_loss(
    x: Node,
    target: Operand,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduce = "mean",
) -> Node:
    """The negative log-likelihood of counts under Poisson distributions, less a constant.

    `log_input`: `x` is the logarithm of the rate. `full`: with Stirling's approximation of the
    constant, for counts above 1.
    """
    rate, counts = broadcast(*promoted(x, target))
    if log_input:
        losses = subtract(exp(rate), multiply(counts, rate))
    else:
        losses = subtract(rate, multiply(counts, log(add(rate, constant_like(eps, rate)))))
    if full:
        one = ones_like(counts)
        is_large = greater(counts, one)
        safe = where(is_large, counts, one)
        stirling = add(
            subtract(multiply(safe, log(safe)), safe), scaled(log(scaled(safe, 2 * math.pi)), 0.5)
        )
        losses = add(losses, where(is_large, stirling, zeros_like(stirling)))
    return reduced(losses, reduction)


@surface("gaussian_nll_loss")
def gaussian_nll_loss(
    x: Node,
    target: Operand,
    var: Operand,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduce = "mean",
) -> Node:
    """The negative log-likelihood under normal distributions of mean `x` and variance `var`.

    Variances below `eps` count as `eps`, and get no gradient. `full`: with the constant term.
    """
    expected, y, given = broadcast(*promoted(x, target, var))
    floor = constant_like(eps, given)
    variance = where(less(given, floor), floor, given)
    losses = scaled(add(log(variance), divide(square(subtract(expected, y)), variance)), 0.5)
    if full:
        losses = add(losses, constant_like(0.5 * math.log(2 * math.pi), losses))
    return reduced(losses, reduction)


# -- classes --------------------------------------------------------------------------------------


@surface("nll_loss")
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
    return _mean_over(losses, counted, weights)


def _mean_over(losses: Node, counted: Node, weights: Node | None) -> Node:
    wide = losses.dtype.accumulator
    shares = cast_to(counted, wide)
    if weights is not None:
        shares = multiply(shares, cast_to(weights, wide))
    return cast_to(divide(_total(cast_to(losses, wide)), _total(shares)), losses.dtype)


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
def cross_entropy_loss(
    logits: Node,
    labels: Node,
    reduction: Reduce = "mean",
    weight: Node | None = None,
    ignore_index: int = -100,
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
    return _mean_over(mixed, counted, weights) if reduction == "mean" else reduced(mixed, reduction)


@surface("linear_cross_entropy")
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
        logits, labels, reduction, weight, ignore_index, label_smoothing, axis
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
