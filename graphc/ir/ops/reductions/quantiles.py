"""Quantiles: values below which a share of the elements lies, of all or of those that are not NaN.

R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages" (1996); "linear" is their 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast, normal_axes
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import (
    constant_like,
    full,
    known_values,
    ones_like,
    zeros_like,
)
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    ceil,
    divide,
    floor,
    maximum,
    minimum,
    multiply,
    remainder,
    round_to_even,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import REAL, require_float
from graphc.ir.ops.elementwise.logic import (
    equal,
    isnan,
    less_equal,
    logical_and,
    logical_not,
    where,
)
from graphc.ir.ops.indexing.take import take_along_axis
from graphc.ir.ops.reductions.reduction import Axis, kept, sum_over
from graphc.ir.ops.sorting.sort import sort
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views.rearrange import moveaxis

__all__ = ["Interpolation"]

Interpolation = Literal[
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
]
_OFFSETS: Mapping[str, tuple[float, float]] = {
    "inverted_cdf": (0, 1),
    "averaged_inverted_cdf": (0, 1),
    "closest_observation": (-1 / 2, 3 / 2),
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (1 / 2, 1 / 2),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""By the method: alpha and beta, with which a share q of n elements lies at the place
n q + alpha + q (1 - alpha - beta) - 1. Those not listed have 1 and 1."""
_METHODS = get_args(Interpolation)
_STEPS = ("averaged_inverted_cdf", "closest_observation")


@surface("quantile")
@also_named(interpolation="method")
def quantile(
    x: Node,
    q: float | Sequence[Any] | Node,
    axis: Axis = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """The value below which a share `q` of the elements along an axis lies (of all by default).

    Several shares, a list or a tensor, give a result for each, along their axes, which come
    first. Between two elements it is interpolated: "linear", by the place between them,
    "midpoint", or one of both, "lower", "higher" or "nearest" (to even). NaN if there is one, or
    the share is data and not between 0 and 1.
    """
    return _quantile("quantile", x, _shares("quantile", q), axis, keepdims, method)


@surface("percentile")
@also_named(interpolation="method")
def percentile(
    x: Node,
    q: float | Sequence[Any] | Node,
    axis: Axis = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """`quantile` of shares in percent."""
    return _quantile("percentile", x, _shares("percentile", q, 100), axis, keepdims, method)


@surface("nanquantile")
@also_named(interpolation="method")
def nanquantile(
    x: Node,
    q: float | Sequence[Any] | Node,
    axis: Axis = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """`quantile` of the elements that are not NaN; NaN where all are."""
    shares = _shares("nanquantile", q)
    return _quantile("nanquantile", x, shares, axis, keepdims, method, skips_nan=True)


@surface("nanpercentile")
@also_named(interpolation="method")
def nanpercentile(
    x: Node,
    q: float | Sequence[Any] | Node,
    axis: Axis = None,
    keepdims: bool = False,
    method: Interpolation = "linear",
) -> Node:
    """`nanquantile` of shares in percent."""
    shares = _shares("nanpercentile", q, 100)
    return _quantile("nanpercentile", x, shares, axis, keepdims, method, skips_nan=True)


@surface("median")
def median(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The middle element along axes (all by default), or the mean of the two in the middle.

    NaN if there is one. PyTorch's takes the lower of two: `quantile(x, 0.5, method="lower")`.
    """
    return _quantile("median", x, _shares("median", 0.5), axis, keepdims, "midpoint")


@surface("nanmedian")
def nanmedian(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """`median` of the elements that are not NaN."""
    shares = _shares("nanmedian", 0.5)
    return _quantile("nanmedian", x, shares, axis, keepdims, "midpoint", skips_nan=True)


def _shares(name: str, q: float | Sequence[Any] | Node, whole: float = 1) -> Node:
    """Shares of `whole` as f64 between 0 and 1; NaN for others that are data."""
    known = known_values(q) if isinstance(q, Node) else q
    if isinstance(q, Node) and known is None:
        if q.dtype.kind not in REAL:
            raise DTypeError(f"{name}: q is {q.type}, expected real numbers")
        share = cast_to(q, dtypes.f64)
        share = divide(share, constant_like(whole, share))
        low, high = zeros_like(share), ones_like(share)
        is_share = logical_and(less_equal(low, share), less_equal(share, high))
        return where(is_share, share, constant_like(float("nan"), share))
    values = np.asarray(known, np.object_)
    for one in values.ravel().tolist():
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= whole:
            raise UsageError(f"{name}: q is {one!r}, expected 0 to {whole}")
    made: Node = functions["asarray"]((values.astype(np.float64) / whole).tolist(), dtypes.f64)
    return made


def _quantile(
    name: str,
    x: Node,
    shares: Node,
    axis: Axis,
    keepdims: bool,
    method: str,
    skips_nan: bool = False,
) -> Node:
    if method not in _METHODS:
        raise UsageError(
            f"{name}: method is {method!r}", hint=f"use one of {', '.join(map(repr, _METHODS))}"
        )
    require_float(name, x.dtype)
    axes = normal_axes(axis, len(x.shape), name)
    rest = [place for place in range(len(x.shape)) if place not in axes]
    batch = tuple(x.shape[place] for place in rest)
    count = dims.product(x.shape[place] for place in axes)
    if not dims.always_less_equal(1, count):
        raise ShapeError(
            f"{name}: {count} elements of {x.type}, expected 1 or more",
            code="empty-axis",
            hint=None if count == 0 else "let the range of the dim begin at 1",
        )
    rows = views.reshape(views.permute_dims(x, axes=(*rest, *axes)), shape=(*batch, count))
    # NaNs of a sorted row are its last elements.
    ordered = sort(cast_to(rows, x.dtype.accumulator))
    whole = full((*batch, 1), count, dtypes.f64)
    if skips_nan:
        numbers = cast_to(logical_not(isnan(ordered)), dtypes.f64)
        whole = kept(sum_over(numbers, axes=(len(batch),)), ordered.shape, (len(batch),))
    last = maximum(subtract(whole, ones_like(whole)), zeros_like(whole))
    row = views.reshape(shares, shape=(dims.product(shares.shape),))
    found = _between(ordered, _places(whole, last, row, method), last, method)
    if not skips_nan:
        largest = _elements(ordered, last)
        found = where(*broadcast(isnan(largest), largest, found))
    result = cast_to(moveaxis(found, -1, 0), x.dtype)
    shape = batch
    if keepdims:
        shape = tuple(1 if place in axes else size for place, size in enumerate(x.shape))
    return views.reshape(result, shape=(*shares.shape, *shape))


def _places(whole: Node, last: Node, shares: Node, method: str) -> Node:
    """Where shares of rows with `whole` elements lie, of which the last is at `last`."""
    if method not in _OFFSETS:
        return multiply(*broadcast(last, shares))
    alpha, beta = _OFFSETS[method]
    moved = add(scaled(shares, 1 - alpha - beta), constant_like(alpha - 1, shares))
    return add(*broadcast(multiply(*broadcast(whole, shares)), moved))


def _between(rows: Node, at: Node, last: Node, method: str) -> Node:
    """The values at places of sorted rows that need not be whole, or inside, up to the last one."""
    at, last = broadcast(at, last)

    def inside(place: Node) -> Node:
        return minimum(maximum(place, zeros_like(place)), last)

    if method in _STEPS:
        low = floor(at)
        above = _elements(rows, inside(add(low, ones_like(low))))
        return where(equal(at, low), _at_step(rows, low, inside, method), above)
    at = inside(at)
    if method == "nearest":
        return _elements(rows, round_to_even(at))
    low, high = floor(at), ceil(at)
    if method in ("lower", "higher", "inverted_cdf"):
        return _elements(rows, low if method == "lower" else high)
    below, above = _elements(rows, low), _elements(rows, high)
    if method == "midpoint":
        return _mean(below, above)
    share = cast_to(subtract(at, low), below.dtype)
    return where(equal(low, high), below, add(below, multiply(subtract(above, below), share)))


def _at_step(rows: Node, low: Node, inside: Callable[[Node], Node], method: str) -> Node:
    """What a method that steps from element to element gives at the step, a whole place."""
    below = _elements(rows, inside(low))
    above = _elements(rows, inside(add(low, ones_like(low))))
    if method == "averaged_inverted_cdf":
        return _mean(below, above)
    # The one of even number, counted from 1.
    two = constant_like(2, low)
    return where(equal(remainder(low, two), ones_like(low)), below, above)


def _mean(below: Node, above: Node) -> Node:
    """The mean of two numbers, which may be equal infinities."""
    return where(equal(below, above), below, scaled(add(below, above), 0.5))


def _elements(rows: Node, places: Node) -> Node:
    """The elements of each row at its places, which are whole numbers; NaN at NaN."""
    found = take_along_axis(rows, cast_to(places, dtypes.i64))
    return where(isnan(places), constant_like(float("nan"), found), found)
