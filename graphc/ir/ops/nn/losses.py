"""Losses: compositions, each reduced to its mean, its sum, or not at all.

Arguments, defaults and the meaning of `reduction` are those of `torch.nn.functional`.
"""

from __future__ import annotations

import math
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    negative,
    scaled,
    square,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import operate
from graphc.ir.ops.elementwise.logic import equal, greater, less, where
from graphc.ir.ops.elementwise.transcendental import exp, log
from graphc.ir.ops.nn.activations import softplus
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.reductions.statistics import mean
from graphc.ir.ops.views.rearrange import expand_dims

__all__ = ["Reduce", "as_floats", "mean_over", "reduced", "weighted"]

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


def as_floats(target: Operand, x: Node) -> Operand:
    """Signs and counts, which may be integers, in the dtype of the values beside them."""
    if isinstance(target, Node) and target.dtype.is_integer:
        return cast_to(target, x.dtype)
    return target


def _total(x: Node) -> Node:
    return sum_over(x, axes=tuple(range(len(x.shape))))


def mean_over(losses: Node, shares: Node) -> Node:
    """The sum of the losses by that of the shares, summed in the accumulator's dtype."""
    wide = losses.dtype.accumulator
    total = divide(_total(cast_to(losses, wide)), _total(cast_to(shares, wide)))
    return cast_to(total, losses.dtype)


def weighted(losses: Node, weight: Operand | None) -> Node:
    """The losses times their weights, in the dtype of the losses."""
    if weight is None:
        return losses
    factor = cast_to(weight, losses.dtype) if isinstance(weight, Node) else weight
    return operate(multiply)(losses, factor)


def _reduced_by_weight(losses: Node, weight: Operand | None, reduction: Reduce) -> Node:
    """The losses times their weights, reduced; a mean divides by the sum of the weights."""
    products = weighted(losses, weight)
    if weight is None or reduction != "mean":
        return reduced(products, reduction)
    return mean_over(products, weighted(ones_like(losses), weight))


# -- distances ------------------------------------------------------------------------------------


def _difference(x: Node, target: Operand) -> Node:
    return subtract(*broadcast(*promoted(x, target)))


@surface("mse_loss")
@rounded_once
def mse_loss(
    x: Node, target: Operand, reduction: Reduce = "mean", weight: Operand | None = None
) -> Node:
    """The squared distance of `x` from `target`; a mean divides by the sum of the weights."""
    return _reduced_by_weight(square(_difference(x, target)), weight, reduction)


@surface("l1_loss")
@rounded_once
def l1_loss(
    x: Node, target: Operand, reduction: Reduce = "mean", weight: Operand | None = None
) -> Node:
    """The absolute distance of `x` from `target`; a mean divides by the sum of the weights."""
    return _reduced_by_weight(absolute(_difference(x, target)), weight, reduction)


@surface("huber_loss")
@rounded_once
def huber_loss(
    x: Node,
    target: Operand,
    reduction: Reduce = "mean",
    delta: float = 1.0,
    weight: Operand | None = None,
) -> Node:
    """d*d / 2 for distances d up to `delta`, delta * (d - delta / 2) beyond (P. Huber, 1964).

    `weight` multiplies each loss; a mean is that of these products, as in PyTorch.
    """
    if delta <= 0:
        raise UsageError(f"huber_loss: delta is {delta}, expected a positive number")
    return reduced(weighted(_huber(_difference(x, target), delta), weight), reduction)


def _huber(difference: Node, delta: float) -> Node:
    distance = absolute(difference)
    limit = constant_like(delta, distance)
    linear = scaled(subtract(distance, constant_like(delta / 2, distance)), delta)
    return where(less(distance, limit), scaled(square(difference), 0.5), linear)


@surface("smooth_l1_loss")
@rounded_once
def smooth_l1_loss(x: Node, target: Operand, reduction: Reduce = "mean", beta: float = 1.0) -> Node:
    """`huber_loss` divided by `beta`: the absolute distance, rounded off below `beta`."""
    if beta < 0:
        raise UsageError(f"smooth_l1_loss: beta is {beta}, expected no negative number")
    if beta == 0:
        return l1_loss(x, target, reduction)
    return reduced(scaled(_huber(_difference(x, target), beta), 1 / beta), reduction)


# -- probabilities --------------------------------------------------------------------------------


@surface("binary_cross_entropy")
@rounded_once
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
    return reduced(weighted(negative(cost), weight), reduction)


def _log_limited(p: Node) -> Node:
    is_zero, floor = equal(p, zeros_like(p)), constant_like(-100.0, p)
    logs = where(is_zero, floor, log(where(is_zero, ones_like(p), p)))
    return where(less(logs, floor), floor, logs)


@surface("binary_cross_entropy_with_logits")
@rounded_once
def binary_cross_entropy_with_logits(
    logits: Node,
    target: Operand,
    weight: Operand | None = None,
    reduction: Reduce = "mean",
    pos_weight: Operand | None = None,
) -> Node:
    """The cross entropy of probabilities `target` under sigmoid(logits), without overflow.

    `weight` multiplies each loss, `pos_weight` the part of the positive examples.
    """
    x, y = broadcast(*promoted(logits, target))
    if pos_weight is None:
        losses = subtract(softplus(x), multiply(x, y))
    else:
        positive = weighted(multiply(y, softplus(negative(x))), pos_weight)
        other = multiply(subtract(ones_like(y), y), softplus(x))
        losses = operate(add)(positive, other)
    return reduced(weighted(losses, weight), reduction)


@surface("soft_margin_loss")
@rounded_once
def soft_margin_loss(x: Node, target: Operand, reduction: Reduce = "mean") -> Node:
    """log(1 + exp(-target * x)), for targets 1 and -1."""
    value, sign = broadcast(*promoted(x, as_floats(target, x)))
    return reduced(softplus(negative(multiply(sign, value))), reduction)


@surface("kl_div")
@rounded_once
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
@rounded_once
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
    rate, counts = broadcast(*promoted(x, as_floats(target, x)))
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
@rounded_once
def gaussian_nll_loss(
    x: Node,
    target: Operand,
    var: Operand,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduce = "mean",
) -> Node:
    """The negative log-likelihood under normal distributions of mean `x` and variance `var`.

    A variance is given for each element, for each row (`var` lacks the last axis), or one for all.
    Those below `eps` count as `eps`, and get no gradient. `full`: with the constant term.
    """
    if isinstance(var, Node) and var.shape and len(var.shape) != len(x.shape):
        if len(var.shape) != len(x.shape) - 1:
            raise ShapeError(
                f"gaussian_nll_loss: variances {var.type} for {x.type}",
                hint="give one for each element, one for each row, or one number",
            )
        var = expand_dims(var, -1)
    expected, y, given = broadcast(*promoted(x, target, var))
    floor = constant_like(eps, given)
    variance = where(less(given, floor), floor, given)
    losses = scaled(add(log(variance), divide(square(subtract(expected, y)), variance)), 0.5)
    if full:
        losses = add(losses, constant_like(0.5 * math.log(2 * math.pi), losses))
    return reduced(losses, reduction)
