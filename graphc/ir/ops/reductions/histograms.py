"""How many samples lie in each of several intervals, along one line or along several at once.

The intervals are of equal width, or between edges that are given; the last one includes its end.
Samples outside, and NaN, count nowhere.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, dim_value, iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply, scaled, subtract
from graphc.ir.ops.elementwise.logic import equal, logical_and, where
from graphc.ir.ops.reductions.reduction import max_over, min_over, restored
from graphc.ir.ops.views.shape import broadcast_to

__all__: list[str] = []

F = functions

Range = Sequence[float] | None

MOST_BINS = 1 << 24
"""Of all intervals of a histogram together."""


class HistogramResult(NamedTuple):
    """Counts, or sums of weights, and the edges of the intervals."""

    hist: Node
    bin_edges: Node


# -- edges ----------------------------------------------------------------------------------------


def _ends(x: Node, range: Range, widened: float) -> tuple[Node, Node]:
    """Where the line begins and ends: as given, or at the least and the greatest element."""
    if range is not None:
        is_pair = isinstance(range, list | tuple) and len(range) == 2
        if not is_pair or not all(isinstance(one, int | float) for one in range):
            raise UsageError(f"histogram: range {range!r}", hint="give (least, greatest)")
        if not -math.inf < range[0] <= range[1] < math.inf:
            raise UsageError(f"histogram: range {range!r}", hint="give finite numbers, in order")
        first, last = (F["full"]((), one, x.dtype) for one in range)
    elif not dims.always_less_equal(1, dims.product(x.shape)):
        raise ShapeError(f"histogram: {x.type} may be empty", hint="give a range")
    else:
        axes = tuple(i for i, _ in enumerate(x.shape))
        first, last = min_over(x, axes=axes), max_over(x, axes=axes)
    # A line without length would have no intervals.
    more = where(equal(first, last), constant_like(widened, first), zeros_like(first))
    return subtract(first, more), add(last, more)


def _counted(bins: int) -> int:
    if not 1 <= bins <= MOST_BINS:
        raise UsageError(f"histogram: {bins} intervals", hint=f"give 1 to {MOST_BINS}")
    return bins


def _edges(x: Node, bins: int | Node | Sequence[float], range: Range) -> Node:
    """The edges along one line, in ascending order."""
    if isinstance(bins, Node | list | tuple):
        edges = bins if isinstance(bins, Node) else F["asarray"](list(bins), x.dtype)
        if len(edges.shape) != 1 or not dims.always_less_equal(2, edges.shape[0]):
            raise ShapeError(f"histogram: edges {edges.type}, expected a vector of 2 or more")
        return edges
    if isinstance(bins, bool) or not isinstance(bins, int):
        raise UsageError(f"histogram: bins {bins!r}", hint="give a number of intervals, or edges")
    if x.dtype.kind != "float":
        raise DTypeError(
            f"histogram: edges between the elements of {x.type} are no whole numbers",
            hint="cast the samples to a float, or give the edges",
        )
    count = _counted(bins)
    low, high = _ends(x, range, 0.5)
    counter = cast_to(iota(shape=(count + 1,), axis=0, dtype=dtypes.i64), x.dtype)
    first, last, step = (
        restored(one, counter.shape, (0,))
        for one in (low, high, scaled(subtract(high, low), 1 / count))
    )
    is_last = equal(counter, constant_like(count, counter))
    return where(is_last, last, add(multiply(counter, step), first))


@surface("histogram_bin_edges")
def histogram_bin_edges(
    x: Node, bins: int | Node | Sequence[float] = 10, range: Range = None
) -> Node:
    """The edges between which `histogram` counts."""
    return _edges(x, bins, range)


# -- counts ---------------------------------------------------------------------------------------


def _places(x: Node, edges: Node) -> tuple[Node, Node]:
    """The interval of each element, and whether it lies in one."""
    x, edges = promoted(x, edges)
    first, end = (F["index"](edges, (place,)) for place in (0, -1))
    after = F["searchsorted"](edges, x, side="right")
    # The end lies in the last interval, though it is its edge.
    is_end = F["equal"](x, end)
    inside = F["logical_and"](F["greater_equal"](x, first), F["less_equal"](x, end))
    return F["subtract"](F["subtract"](after, F["astype"](is_end, dtypes.i64)), 1), inside


def _count(
    columns: Sequence[Node], edges: Sequence[Node], weights: Node | None, density: bool
) -> Node:
    """The counts, with one axis for each column of samples."""
    sizes = tuple(one.shape[0] - 1 for one in edges)
    total = dims.product(sizes)
    if dims.bounds(total)[1] > MOST_BINS:
        raise UsageError(f"histogram: {total} intervals", hint=f"give {MOST_BINS} at most")
    flat, inside = _places(columns[0], edges[0])
    for x, line, size in zip(columns[1:], edges[1:], sizes[1:], strict=True):
        places, is_in = _places(x, line)
        width = broadcast_to(dim_value(dim=size, dtype=dtypes.i64), shape=flat.shape)
        flat, inside = add(multiply(flat, width), places), logical_and(inside, is_in)
    # A negative number counts nowhere.
    counts = F["bincount"](where(inside, flat, constant_like(-1, flat)), total, weights)
    if weights is None and columns[0].dtype.kind == "float":
        counts = cast_to(counts, columns[0].dtype)
    counts = F["reshape"](counts, sizes)
    if not density:
        return counts  # type: ignore[no-any-return]
    whole = F["sum"](counts)
    for axis, line in enumerate(edges):
        widths = F["reshape"](F["diff"](line), (-1, *(1,) * (len(edges) - 1 - axis)))
        counts = F["divide"](counts, widths)
    return F["divide"](counts, whole)  # type: ignore[no-any-return]


@surface("histogram")
@also_named(weight="weights")
def histogram(
    x: Node,
    bins: int | Node | Sequence[float] = 10,
    range: Range = None,
    weights: Node | None = None,
    density: bool = False,
) -> HistogramResult:
    """How many elements of `x` lie in each interval, in the dtype of `x`, and the edges.

    Args:
        x: samples, of any shape.
        bins: how many intervals of equal width there are; or their edges, in ascending order.
        range: where the first begins and the last ends; at the extremes of `x` unless given.
        weights: how much each sample counts, in the shape of `x`.
        density: whether the counts are divided so that their integral is 1.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.histogram(np.array([0.0, 0.1, 0.9, 1.0]), 2).hist
    array([2., 2.])
    """
    edges = _edges(x, bins, range)
    return HistogramResult(_count([x], [edges], weights, density), edges)


@surface("histogramdd")
@also_named(weight="weights")
def histogramdd(
    x: Node,
    bins: int | Sequence[int | Node | Sequence[float]] = 10,
    range: Sequence[float] | Sequence[Range] | None = None,
    weights: Node | None = None,
    density: bool = False,
) -> tuple[Node, tuple[Node, ...]]:
    """How many of the points `x` [..., D] lie in each cell of a grid, and the edges of each axis.

    See `histogram`: `bins` is for each axis, or for all; `range` lists pairs, or what is in them.
    """
    count = x.shape[-1] if x.shape else None
    if not isinstance(count, int) or not count:
        raise ShapeError(
            f"histogramdd: points {x.type}, expected [..., D], D a number from 1",
            hint="the result has an axis for each of the D coordinates",
        )
    columns = [F["index"](x, (..., axis)) for axis in builtins.range(count)]
    edges = _grid("histogramdd", columns, bins, range)
    return _count(columns, edges, weights, density), tuple(edges)


@surface("histogram2d")
def histogram2d(
    x: Node,
    y: Node,
    bins: int | Sequence[int | Node | Sequence[float]] = 10,
    range: Sequence[float] | Sequence[Range] | None = None,
    weights: Node | None = None,
    density: bool = False,
) -> tuple[Node, Node, Node]:
    """How many points (x, y) lie in each cell of a grid, and the edges; see `histogramdd`."""
    if x.shape != y.shape:
        raise ShapeError(f"histogram2d: {x.type} and {y.type} differ in shape")
    edges = _grid("histogram2d", [x, y], bins, range)
    return _count([x, y], edges, weights, density), edges[0], edges[1]


def _grid(
    name: str,
    columns: Sequence[Node],
    bins: int | Sequence[int | Node | Sequence[float]],
    range: Sequence[float] | Sequence[Range] | None,
) -> list[Node]:
    """The edges along each axis."""
    count = len(columns)
    lines: list[Any] = list(bins) if isinstance(bins, list | tuple) else [bins] * count
    spans: list[Any] = [None] * count if range is None else list(range)
    if len(spans) == 2 * count and all(isinstance(one, int | float) for one in spans):
        spans = [spans[i : i + 2] for i in builtins.range(0, 2 * count, 2)]
    if len(lines) != count or len(spans) != count:
        raise UsageError(
            f"{name}: bins {bins!r} and range {range!r} for {count} axes",
            hint="give one for each axis",
        )
    return [_edges(*given) for given in zip(columns, lines, spans, strict=True)]


@surface("histc")
def histc(x: Node, bins: int = 100, min: float = 0.0, max: float = 0.0) -> Node:
    """How many elements lie in each of `bins` equal parts of min .. max, in the dtype of `x`.

    Where both are equal the parts are those of the least to the greatest element, or of one around
    the only value.

    Raises:
        UsageError: no parts, or a least number above the greatest.
    """
    if not min <= max:
        raise UsageError(f"histc: parts of {min} .. {max}", hint="give min below max")
    low, high = _ends(x, None if min == max else (min, max), 1.0)
    count = _counted(bins)
    flat: Node = F["reshape"](x, -1)
    share = F["divide"](F["subtract"](flat, low), F["subtract"](high, low))
    part = F["minimum"](F["floor"](F["multiply"](share, count)), count - 1)
    inside = F["logical_and"](F["greater_equal"](flat, low), F["less_equal"](flat, high))
    places = F["where"](inside, cast_to(part, dtypes.i64), -1)
    return cast_to(F["bincount"](places, count), x.dtype)
