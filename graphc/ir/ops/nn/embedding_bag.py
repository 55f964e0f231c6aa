"""Bags of rows of a table, each made one."""

from __future__ import annotations

from typing import Literal

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.conversion import rounded_once

__all__: list[str] = []

F = functions


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
