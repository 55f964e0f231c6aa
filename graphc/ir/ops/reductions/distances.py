"""Distances within a set of points, correlations, membership, and bags of table rows."""

from __future__ import annotations

from typing import Literal

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import rounded_once

__all__: list[str] = []

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


@surface("corrcoef")
@rounded_once
def corrcoef(
    x: Node, y: Node | None = None, rowvar: bool = True, *, dtype: DType | None = None
) -> Node:
    """The correlations of the rows of `x` [variables, observations], and of `y`; see `cov`.

    Real ones are limited to -1 .. 1.
    """
    covariance = F["cov"](x, y, rowvar, dtype=dtype)
    if not covariance.shape:
        return F["divide"](covariance, covariance)  # type: ignore[no-any-return]
    deviation = F["sqrt"](F["diagonal"](covariance))
    scaled = F["divide"](covariance, F["expand_dims"](deviation, 1))
    correlation: Node = F["divide"](scaled, deviation)
    if correlation.dtype.kind == "complex":
        return correlation
    return F["clip"](correlation, -1, 1)  # type: ignore[no-any-return]


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
@rounded_once
def embedding_bag(
    ids: Node,
    weight: Node,
    offsets: Node | None = None,
    *,
    mode: Literal["sum", "mean", "max"] = "mean",
    per_sample_weights: Node | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Node:
    """The rows of `weight` [rows, features] at `ids` [..., L], summed, averaged, or their maxima.

    Args:
        ids: whole numbers, L in each bag.
        weight: the table.
        mode: how the rows of a bag become one.
        per_sample_weights: of the shape of `ids`, multiplied with the rows; for sums.
        offsets: for a vector of ids, where each bag begins in it; an empty bag gives 0.
        include_last_offset: whether the last of these is where the last bag ends.
        padding_idx: the row that counts in no bag; with offsets.

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
    if offsets is not None:
        return _bags(
            ids, weight, mode, per_sample_weights, offsets, include_last_offset, padding_idx
        )
    if padding_idx is not None:
        raise UsageError("embedding_bag: padding_idx without offsets")
    rows = F["embedding"](ids, weight)
    if per_sample_weights is not None:
        rows = F["multiply"](rows, F["expand_dims"](per_sample_weights, -1))
    bag: Node = F[mode](rows, axis=-2)
    return bag


def _bags(
    ids: Node,
    weight: Node,
    mode: str,
    factors: Node | None,
    offsets: Node,
    include_last: bool,
    padding_idx: int | None,
) -> Node:
    """The rows of each stretch of a vector of ids, folded."""
    if len(ids.shape) != 1 or len(offsets.shape) != 1:
        raise ShapeError(f"embedding_bag: ids {ids.type} and offsets {offsets.type}, not vectors")
    count = offsets.shape[0] - 1 if include_last else offsets.shape[0]
    begins = F["index"](offsets, slice(0, count))
    places = F["arange"](ids.shape[0], dtype=begins.dtype)
    # The number of the last bag that has begun.
    bag = F["subtract"](F["searchsorted"](begins, places, right=True), 1)
    counts = F["ones_like"](ids)
    if padding_idx is not None:
        row = padding_idx if padding_idx >= 0 else padding_idx + weight.shape[0]
        counts = F["cast"](F["not_equal"](ids, row), ids.dtype)
    if include_last:
        end = F["index"](offsets, -1)
        counts = F["where"](F["less"](places, end), counts, F["zeros_like"](counts))
    is_counted = F["not_equal"](counts, 0)
    # What is in no bag goes beyond the last one, and is dropped.
    bag = F["where"](is_counted, bag, F["full_like"](bag, 2**62))
    rows = F["embedding"](ids, weight)
    if factors is not None:
        rows = F["multiply"](rows, F["expand_dims"](factors, -1))
    empty = F["zeros"]((count, weight.shape[1]), rows.dtype)
    if mode == "max":
        lowest = F["full_like"](empty, float("-inf"))
        top: Node = F["index_reduce"](lowest, 0, bag, rows, "amax")
        return F["where"](F["isinf"](top), empty, top)  # type: ignore[no-any-return]
    total: Node = F["index_add"](empty, 0, bag, rows)
    if mode == "sum":
        return total
    length = F["index_add"](F["zeros"]((count,), rows.dtype), 0, bag, F["cast"](counts, rows.dtype))
    divisor = F["expand_dims"](F["clip"](length, 1, None), -1)
    return F["divide"](total, divisor)  # type: ignore[no-any-return]
