"""Losses of embeddings and of margins: what is right should win by a distance.

Arguments, defaults and the meaning of `reduction` are those of `torch.nn.functional`.
"""

from __future__ import annotations

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, dim_value, iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    minimum,
    multiply,
    negative,
    power,
    relu,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import operate
from graphc.ir.ops.elementwise.logic import equal, less, logical_and, logical_not, where
from graphc.ir.ops.nn.activations import softplus
from graphc.ir.ops.nn.cross_entropy import hits
from graphc.ir.ops.nn.losses import Reduce, as_floats, reduced, weighted
from graphc.ir.ops.reductions.distances import cosine_similarity, pairwise_distance
from graphc.ir.ops.reductions.reduction import any_over, min_over, restored, sum_over
from graphc.ir.ops.reductions.statistics import mean
from graphc.ir.ops.views.rearrange import expand_dims
from graphc.ir.ops.views.shape import broadcast_to

__all__: list[str] = []


def _hinge(margin: float, x: Node) -> Node:
    """max(0, margin + x)."""
    return relu(add(x, constant_like(margin, x)))


# -- two classes, 1 and -1 ------------------------------------------------------------------------


@surface("hinge_embedding_loss")
@rounded_once
def hinge_embedding_loss(
    x: Node, target: Operand, margin: float = 1.0, reduction: Reduce = "mean"
) -> Node:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    value, sign = broadcast(*promoted(x, as_floats(target, x)))
    zero = zeros_like(value)
    near = where(equal(sign, constant_like(-1, sign)), zero, value)
    far = where(equal(sign, constant_like(1, sign)), zero, _hinge(margin, negative(value)))
    return reduced(add(near, far), reduction)


@surface("margin_ranking_loss")
@also_named(input1="x", input2="y")
@rounded_once
def margin_ranking_loss(
    x: Node, y: Node, target: Operand, margin: float = 0.0, reduction: Reduce = "mean"
) -> Node:
    """max(0, margin - target * (x - y)): `x` should be above `y` where the target is 1."""
    first, second, sign = broadcast(*promoted(x, y, as_floats(target, x)))
    return reduced(_hinge(margin, multiply(sign, subtract(second, first))), reduction)


@surface("cosine_embedding_loss")
@also_named(input1="x", input2="y")
@rounded_once
def cosine_embedding_loss(
    x: Node, y: Node, target: Node, margin: float = 0.0, reduction: Reduce = "mean"
) -> Node:
    """1 - cos(x, y) where the target is 1, max(0, cos(x, y) - margin) where it is -1.

    The vectors lie along the last axis.
    """
    cosine = cosine_similarity(x, y, axis=-1)
    cosine, sign = broadcast(*promoted(cosine, as_floats(target, cosine)))
    zero = zeros_like(cosine)
    apart = subtract(constant_like(1, cosine), cosine)
    near = where(equal(sign, constant_like(1, sign)), apart, zero)
    far = where(equal(sign, constant_like(-1, sign)), _hinge(-margin, cosine), zero)
    return reduced(add(near, far), reduction)


@surface("triplet_margin_loss")
@rounded_once
def triplet_margin_loss(
    anchor: Node,
    positive: Node,
    negative: Node,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduce = "mean",
) -> Node:
    """max(0, |anchor - positive| - |anchor - negative| + margin), in the p-norm.

    `swap`: the negative's distance from the positive counts, where it is the smaller.
    """
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = operate(minimum)(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_hinge(margin, subtract(near, far)), reduction)


# -- several classes ------------------------------------------------------------------------------


@surface("multi_margin_loss")
@rounded_once
def multi_margin_loss(
    x: Node,
    labels: Node,
    p: float = 1.0,
    margin: float = 1.0,
    weight: Node | None = None,
    reduction: Reduce = "mean",
) -> Node:
    """The mean over the other classes of max(0, margin - x[label] + x[class]) ** p."""
    axis = len(x.shape) - 1
    is_label = hits(x, labels)
    own = sum_over(where(is_label, x, zeros_like(x)), axes=(axis,))
    cost = _hinge(margin, subtract(x, restored(own, x.shape, (axis,))))
    if p != 1:
        cost = power(cost, constant_like(p, cost))
    if weight is not None:
        spread = broadcast(cast_to(weight, x.dtype), x)[0]
        picked = sum_over(where(is_label, spread, zeros_like(spread)), axes=(axis,))
        cost = multiply(cost, restored(picked, x.shape, (axis,)))
    return reduced(mean(where(is_label, zeros_like(cost), cost), axis), reduction)


@surface("multilabel_soft_margin_loss")
@rounded_once
def multilabel_soft_margin_loss(
    x: Node, target: Operand, weight: Node | None = None, reduction: Reduce = "mean"
) -> Node:
    """The mean over the classes of the binary cross entropy of `target` under sigmoid(x)."""
    logits, y = broadcast(*promoted(x, target))
    losses = subtract(softplus(logits), multiply(logits, y))
    return reduced(mean(weighted(losses, weight), -1), reduction)


@surface("multilabel_margin_loss")
@rounded_once
def multilabel_margin_loss(x: Node, labels: Node, reduction: Reduce = "mean") -> Node:
    """Sum over labels and other classes of max(0, 1 - x[label] + x[class]), by the class count.

    `labels` has the shape of `x`: each row lists classes up to the first negative number.
    """
    if labels.shape != x.shape or not labels.dtype.is_integer:
        raise (ShapeError if labels.shape != x.shape else DTypeError)(
            f"multilabel_margin_loss: labels {labels.type} for {x.type}",
            hint="labels are whole numbers, in the shape of x",
        )
    if not x.shape:
        raise ShapeError(f"multilabel_margin_loss: {x.type} has no axis of classes")
    axis, classes = len(x.shape) - 1, x.shape[-1]
    wide = cast_to(labels, dtypes.i64)
    places = iota(shape=x.shape, axis=axis, dtype=dtypes.i64)
    # The first negative number ends a row's list.
    beyond = broadcast_to(dim_value(dim=classes, dtype=dtypes.i64), shape=x.shape)
    ends = where(less(wide, zeros_like(wide)), places, beyond)
    end = restored(min_over(ends, axes=(axis,)), x.shape, (axis,))
    is_listed = less(places, end)
    # [..., place in the list, class]
    pair = (*x.shape, classes)
    listed = broadcast_to(expand_dims(is_listed, -1), shape=pair)
    label = broadcast_to(expand_dims(wide, -1), shape=pair)
    is_label = logical_and(listed, equal(label, iota(shape=pair, axis=axis + 1, dtype=dtypes.i64)))
    is_other = logical_not(any_over(is_label, axes=(axis,)))
    value = broadcast_to(expand_dims(x, -2), shape=pair)
    own = sum_over(where(is_label, value, zeros_like(value)), axes=(axis + 1,))
    cost = _hinge(1.0, subtract(value, restored(own, pair, (axis + 1,))))
    counts = logical_and(listed, broadcast_to(expand_dims(is_other, -2), shape=pair))
    total = sum_over(where(counts, cost, zeros_like(cost)), axes=(axis,))
    return reduced(mean(total, -1), reduction)
