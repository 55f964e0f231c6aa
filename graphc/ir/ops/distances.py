"""Distances within a set of points, correlations, membership, and bags of table rows."""

from __future__ import annotations

from typing import Literal

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted

__all__: list[str] = []

F = functions


@surface("pdist")
def pdist(x: Node, p: float = 2.0) -> Node:
    """The distances in the p-norm of each of the rows of `x` [N, M] from those after it.

    Raises:
        ShapeError: no matrix, or one whose number of rows is not known.
    """
    if len(x.shape) != 2 or not isinstance(x.shape[0], int):
        raise ShapeError(f"pdist: {x.type}, expected a matrix of a known number of rows")
    first, second = (list(map(int, one)) for one in np.triu_indices(x.shape[0], 1))
    if not first:
        nothing: Node = F["zeros"]((0,), x.dtype)
        return nothing
    ends = (F["take"](x, rows, axis=0) for rows in (first, second))
    distances: Node = F["vector_norm"](F["subtract"](*ends), ord=p, axis=-1)
    return distances


@surface("dist")
def dist(x: Operand, y: Operand, p: float = 2.0) -> Node:
    """The p-norm of all of x - y."""
    a, b = broadcast(*promoted(x, y))
    size: Node = F["vector_norm"](F["subtract"](a, b), ord=p)
    return size


@surface("corrcoef")
def corrcoef(x: Node) -> Node:
    """The correlations of the rows of `x` [variables, observations], limited to -1 .. 1."""
    covariance = F["cov"](x)
    deviation = F["sqrt"](F["diagonal"](covariance))
    scaled = F["divide"](covariance, F["expand_dims"](deviation, 1))
    correlation: Node = F["clip"](F["divide"](scaled, deviation), -1, 1)
    return correlation


@surface("isin")
def isin(x: Operand, values: Operand, *, invert: bool = False) -> Node:
    """Whether each element of `x` is one of `values`, or none of them (`invert`); NaN is none.

    Each is compared with each: for few values.
    """
    elements, few = promoted(x, values)
    flat = F["reshape"](few, -1)
    found: Node = F["any"](F["equal"](F["expand_dims"](elements, -1), flat), axis=-1)
    return F["logical_not"](found) if invert else found


@surface("embedding_bag")
def embedding_bag(
    ids: Node,
    weight: Node,
    mode: Literal["sum", "mean", "max"] = "mean",
    per_sample_weights: Node | None = None,
) -> Node:
    """The rows of `weight` [rows, features] at `ids` [..., L], summed, averaged, or their maxima.

    Args:
        ids: whole numbers, L in each bag.
        weight: the table.
        mode: how the rows of a bag become one.
        per_sample_weights: of the shape of `ids`, multiplied with the rows; for sums.

    Raises:
        ShapeError, DTypeError, UsageError: operands that do not fit, or an unknown mode.
    """
    if not ids.dtype.is_integer:
        raise DTypeError(f"embedding_bag: ids {ids.type}, expected whole numbers")
    if not ids.shape or (mode != "sum" and not dims.always_less_equal(1, ids.shape[-1])):
        raise ShapeError(f"embedding_bag: bags {ids.type} may be empty", hint='take mode="sum"')
    if mode not in ("sum", "mean", "max") or (per_sample_weights is not None and mode != "sum"):
        given = "" if per_sample_weights is None else " with per_sample_weights"
        raise UsageError(
            f"embedding_bag: mode {mode!r}{given}",
            hint='modes are "sum" (alone with per_sample_weights), "mean" and "max"',
        )
    rows = F["embedding"](ids, weight)
    if per_sample_weights is not None:
        rows = F["multiply"](rows, F["expand_dims"](per_sample_weights, -1))
    bag: Node = F[mode](rows, axis=-2)
    return bag
