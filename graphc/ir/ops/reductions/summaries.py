"""Reductions composed from others: counts, several at once, averages, covariances."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast_shapes, normal_axes, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import divide, maximum, multiply, subtract
from graphc.ir.ops.elementwise.logic import not_equal
from graphc.ir.ops.reductions.reduction import (
    Axis,
    max_over,
    min_over,
    reduce,
    restored,
    sum_over,
)
from graphc.ir.ops.reductions.statistics import mean, standard_deviation, variance
from graphc.ir.ops.views import shape as views

__all__: list[str] = []


@surface("count_nonzero")
def count_nonzero(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """How many elements along axes (all by default) are not 0; NaN is not."""
    counted = x if x.dtype.kind == "bool" else not_equal(x, zeros_like(x))
    return reduce(sum_over, cast_to(counted, dtypes.i64), axis, keepdims)


@surface("aminmax")
def aminmax(x: Node, axis: Axis = None, keepdims: bool = False) -> tuple[Node, Node]:
    """The smallest and the largest element along axes (all by default)."""
    return reduce(min_over, x, axis, keepdims), reduce(max_over, x, axis, keepdims)


@surface("ptp")
def ptp(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The largest less the smallest element along axes (all by default)."""
    low, high = aminmax(x, axis, keepdims)
    return subtract(high, low)


@surface("average")
@rounded_once
def average(
    x: Node,
    axis: Axis = None,
    weights: Node | None = None,
    keepdims: bool = False,
    *,
    returned: bool = False,
) -> Node | tuple[Node, Node]:
    """The mean along axes (all by default), of elements that count as much as their weights.

    The weights broadcast to the shape of `x`, or lie along the axes alone, in their order. The sum
    of those of each mean, or how many elements it has, is given as well where it is `returned`.
    """
    if weights is None:
        found = mean(x, axis, keepdims)
        if not returned:
            return found
        return found, reduce(sum_over, ones_like(cast_to(x, found.dtype)), axis, keepdims)
    axes = (axis,) if isinstance(axis, int) else axis or ()
    if len(weights.shape) == len(axes) and weights.shape != x.shape:
        weights = _along(weights, axes, len(x.shape))
    wide = functions["broadcast_to"](cast_to(weights, x.dtype), x.shape)
    whole = reduce(sum_over, wide, axis, keepdims)
    found = divide(reduce(sum_over, multiply(x, wide), axis, keepdims), whole)
    return (found, whole) if returned else found


def _along(weights: Node, axes: Sequence[int], rank: int) -> Node:
    """The weights, whose axes are those axes of a tensor, with size 1 on the others."""
    places = [normal_axes(one, rank, "average")[0] for one in axes]
    order = tuple(sorted(range(len(places)), key=places.__getitem__))
    ordered = views.permute_dims(weights, axes=order)
    sizes = iter(ordered.shape)
    shape = tuple(next(sizes) if place in places else 1 for place in range(rank))
    return views.reshape(ordered, shape=shape)


def _required(name: str, correction: float | None) -> float:
    if correction is None:
        raise UsageError(
            f"{name} needs the argument 'correction'",
            code="argument-missing",
            hint=f"correction=1 divides by N - 1, as {name} does in PyTorch; correction=0 by N, as "
            "var and std do here",
        )
    return correction


@surface("std_mean")
@also_named(unbiased="correction")
def std_mean(
    x: Node, axis: Axis = None, correction: float | None = None, keepdims: bool = False
) -> tuple[Node, Node]:
    """The standard deviation and the mean along axes (all by default); `correction` is required."""
    deviation = standard_deviation(x, axis, _required("std_mean", correction), keepdims)
    return deviation, mean(x, axis, keepdims)


@surface("var_mean")
@also_named(unbiased="correction")
def var_mean(
    x: Node, axis: Axis = None, correction: float | None = None, keepdims: bool = False
) -> tuple[Node, Node]:
    """The variance and the mean along axes (all by default); `correction` is required."""
    return variance(x, axis, _required("var_mean", correction), keepdims), mean(x, axis, keepdims)


@surface("sum_to_size")
def sum_to_size(x: Node, *shape: DimLike | Sequence[DimLike]) -> Node:
    """The sum over the axes that broadcasting `shape` to that of `x` would repeat.

    Raises:
        ShapeError: `shape` does not broadcast to that of `x`.
    """
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    wanted = tuple(size for size in sizes if not isinstance(size, Sequence))
    lead = len(x.shape) - len(wanted)
    if lead < 0 or broadcast_shapes(x.shape, wanted) != x.shape:
        raise ShapeError(f"sum_to_size: {x.type} to the shape {list(wanted)}")
    repeated = [lead + i for i, size in enumerate(wanted) if size == 1]
    total = sum_over(x, axes=(*range(lead), *repeated))
    return views.reshape(total, shape=wanted)


def _variables(x: Node, rowvar: bool) -> Node:
    """A matrix whose rows are variables; a vector is one."""
    if len(x.shape) == 1:
        return views.reshape(x, shape=(1, *x.shape))
    if len(x.shape) != 2:
        raise ShapeError(f"cov: {x.type} is no matrix of variables and observations")
    return x if rowvar else functions["transpose"](x)


@surface("cov")
@also_named(ddof="correction")
@rounded_once
def cov(
    x: Node,
    y: Node | None = None,
    rowvar: bool = True,
    bias: bool = False,
    correction: float | None = None,
    fweights: Node | None = None,
    aweights: Node | None = None,
    *,
    dtype: DType | None = None,
) -> Node:
    """The covariances of the rows of `x` [variables, observations]; of a vector its variance.

    Args:
        x: observations of each variable.
        y: more variables.
        rowvar: whether the variables of matrices are rows, and not columns.
        bias: whether the sum is divided by the number of observations.
        correction: what this number is made less by: 1 for unbiased estimates, as by default.
        fweights: how often each observation was made.
        aweights: how much each observation counts.
        dtype: of the result, to which the observations are cast.
    """
    given = (x,) if y is None else promoted(x, y)
    if dtype is not None:
        given = tuple(cast_to(one, dtype) for one in given)
    rows = [_variables(one, rowvar) for one in given]
    if y is None and len(x.shape) == 1:
        one: Node = cov(rows[0], None, True, bias, correction, fweights, aweights)
        return views.reshape(one, shape=())
    x = functions["concat"](rows, 0)
    if correction is None:
        correction = 0 if bias else 1
    real = x.dtype.real
    counts = [cast_to(one, real) for one in (fweights, aweights) if one is not None]
    weights = functools.reduce(multiply, counts or [functions["ones"]((x.shape[1],), real)])
    total = sum_over(weights, axes=(0,))
    shares = cast_to(divide(weights, restored(total, weights.shape, (0,))), x.dtype)
    product: Callable[..., Node] = functions["matmul"]
    average = product(x, shares)
    centred = subtract(x, restored(average, x.shape, (1,)))
    spread = functions["multiply"](centred, cast_to(weights, x.dtype))
    products = product(spread, functions["conj"](functions["transpose"](centred)))
    if aweights is None:
        lost = ones_like(total)
    else:
        lost = divide(sum_over(multiply(weights, cast_to(aweights, real)), axes=(0,)), total)
    degrees = subtract(total, multiply(lost, constant_like(correction, lost)))
    whole = maximum(degrees, zeros_like(degrees))
    return functions["divide"](products, cast_to(whole, x.dtype))  # type: ignore[no-any-return]


@surface("corrcoef")
@rounded_once
def corrcoef(
    x: Node, y: Node | None = None, rowvar: bool = True, *, dtype: DType | None = None
) -> Node:
    """The correlations of the rows of `x` [variables, observations], and of `y`; see `cov`.

    Real ones are limited to -1 .. 1.
    """
    covariance = functions["cov"](x, y, rowvar, dtype=dtype)
    if not covariance.shape:
        return functions["divide"](covariance, covariance)  # type: ignore[no-any-return]
    deviation = functions["sqrt"](functions["diagonal"](covariance))
    scaled = functions["divide"](covariance, functions["expand_dims"](deviation, 1))
    correlation: Node = functions["divide"](scaled, deviation)
    if correlation.dtype.kind == "complex":
        return correlation
    return functions["clip"](correlation, -1, 1)  # type: ignore[no-any-return]
