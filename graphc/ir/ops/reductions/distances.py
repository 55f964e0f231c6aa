"""Distances and similarities of vectors."""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.creation.constants import constant_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, subtract
from graphc.ir.ops.elementwise.logic import less, where
from graphc.ir.ops.reductions.norms import Order, vector_norm
from graphc.ir.ops.reductions.reduction import restored, sum_over
from graphc.ir.ops.views.rearrange import expand_dims

__all__ = ["cosine_similarity", "pairwise_distance"]

F = functions


@surface("pdist")
@rounded_once
def pdist(x: Node, p: float = 2.0) -> Node:
    """The distances in the p-norm of each of the rows of `x` [N, M] from those after it.

    Raises:
        ShapeError: no matrix.
    """
    if len(x.shape) != 2:
        raise ShapeError(f"pdist: {x.type}, expected a matrix")
    ends = (F["take"](x, rows, axis=0) for rows in _pairs(x.shape[0]))
    distances: Node = F["vector_norm"](F["subtract"](*ends), ord=p, axis=-1)
    return distances


def _pairs(count: DimLike) -> tuple[Node, Node]:
    """The first and the second of each pair of `count` things, in order."""
    ends = F["cumsum"](F["arange"](count - 1, -1, -1), 0)
    number = F["arange"](count * (count - 1) // 2)
    # The first whose pairs, and those of all before it, are more than the pair's number.
    first = F["searchsorted"](ends, number, right=True)
    left = F["subtract"](F["take"](ends, first), number)
    return first, F["subtract"](F["full_like"](left, count), left)


@surface("dist")
@rounded_once
def dist(x: Operand, y: Operand, p: float = 2.0) -> Node:
    """The p-norm of all of x - y."""
    a, b = broadcast(*promoted(x, y))
    size: Node = F["vector_norm"](F["subtract"](a, b), ord=p)
    return size


@surface("cosine_similarity")
@also_named(x1="x", x2="y")
@rounded_once
def cosine_similarity(x: Node, y: Node, axis: int = 1, eps: float = 1e-8) -> Node:
    """The cosine of the angle between vectors along an axis; norms below `eps` count as `eps`."""
    a, b = broadcast(*promoted(x, y))
    place = normal_axis(axis, len(a.shape), "cosine_similarity")
    units = []
    for vector in (a, b):
        norm = vector_norm(vector, 2, place)
        floor = constant_like(eps, norm)
        size = where(less(norm, floor), floor, norm)
        units.append(divide(vector, restored(size, vector.shape, (place,))))
    return sum_over(multiply(*units), axes=(place,))


@surface("pairwise_distance")
@also_named(x1="x", x2="y")
@rounded_once
def pairwise_distance(
    x: Node, y: Node, p: Order = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Node:
    """The p-norm of x - y + eps along the last axis."""
    a, b = broadcast(*promoted(x, y))
    difference = subtract(a, b)
    moved = add(difference, constant_like(eps, difference))
    return vector_norm(moved, p, -1, keepdims)


@surface("cdist")
@also_named(x1="x", x2="y")
@rounded_once
def cdist(x: Node, y: Node, p: Order = 2.0, compute_mode: str | None = None) -> Node:
    """The p-norms of the differences of all rows of `x` [..., n, k] and of `y` [..., m, k].

    `compute_mode` is accepted as PyTorch has it: differences are always taken.
    """
    if len(x.shape) < 2 or len(y.shape) < 2 or not dims.always_equal(x.shape[-1], y.shape[-1]):
        raise ShapeError(
            f"cdist: {x.type} and {y.type}",
            hint="give rows of one length: [..., n, k], [..., m, k]",
        )
    a, b = broadcast(*promoted(expand_dims(x, -2), expand_dims(y, -3)))
    return vector_norm(subtract(a, b), p, -1)
