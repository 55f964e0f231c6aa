"""Reductions composed from others: counts, what is left without NaN, several at once."""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import divide, subtract
from graphc.ir.ops.broadcasting import normal_axes
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constant_like, zeros_like
from graphc.ir.ops.logic import isnan, logical_not, not_equal, where
from graphc.ir.ops.reduction import (
    Axis,
    highest,
    kept,
    lowest,
    max_over,
    min_over,
    prod_over,
    reduce,
    restored,
    sum_over,
)
from graphc.ir.ops.spelling import also_named
from graphc.ir.ops.statistics import mean, standard_deviation, variance

__all__: list[str] = []


@surface("count_nonzero")
@also_named(dim="axis", keepdim="keepdims")
def count_nonzero(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """How many elements along axes (all by default) are not 0; NaN is not."""
    counted = x if x.dtype.kind == "bool" else not_equal(x, zeros_like(x))
    return reduce(sum_over, cast_to(counted, dtypes.i64), axis, keepdims)


@surface("aminmax")
@also_named(dim="axis", keepdim="keepdims")
def aminmax(x: Node, axis: Axis = None, keepdims: bool = False) -> tuple[Node, Node]:
    """The smallest and the largest element along axes (all by default)."""
    return reduce(min_over, x, axis, keepdims), reduce(max_over, x, axis, keepdims)


@surface("std_mean")
@also_named(dim="axis", keepdim="keepdims", unbiased="correction")
def std_mean(
    x: Node, axis: Axis = None, correction: float = 0, keepdims: bool = False
) -> tuple[Node, Node]:
    """The standard deviation and the mean along axes (all by default)."""
    return standard_deviation(x, axis, correction, keepdims), mean(x, axis, keepdims)


@surface("var_mean")
@also_named(dim="axis", keepdim="keepdims", unbiased="correction")
def var_mean(
    x: Node, axis: Axis = None, correction: float = 0, keepdims: bool = False
) -> tuple[Node, Node]:
    """The variance and the mean along axes (all by default)."""
    return variance(x, axis, correction, keepdims), mean(x, axis, keepdims)


# -- without NaN ----------------------------------------------------------------------------------


def _replaced(x: Node, value: float) -> Node:
    return where(isnan(x), constant_like(value, x), x) if x.dtype.kind == "float" else x


@surface("nansum")
@also_named(dim="axis", keepdim="keepdims")
def nansum(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The sum of the elements that are not NaN."""
    return reduce(sum_over, cast_to(_replaced(x, 0), dtypes.sum_dtype(x.dtype)), axis, keepdims)


@surface("nanprod")
@also_named(dim="axis", keepdim="keepdims")
def nanprod(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The product of the elements that are not NaN."""
    return reduce(prod_over, cast_to(_replaced(x, 1), dtypes.sum_dtype(x.dtype)), axis, keepdims)


@surface("nanmax")
@also_named(dim="axis", keepdim="keepdims")
def nanmax(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The largest of the elements that are not NaN; -inf where all are."""
    return reduce(max_over, _replaced(x, lowest(x.dtype)), axis, keepdims)


@surface("nanmin")
@also_named(dim="axis", keepdim="keepdims")
def nanmin(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The smallest of the elements that are not NaN; inf where all are."""
    return reduce(min_over, _replaced(x, highest(x.dtype)), axis, keepdims)


@surface("nanmean")
@also_named(dim="axis", keepdim="keepdims")
def nanmean(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The mean of the elements that are not NaN; NaN where all are."""
    if x.dtype.kind != "float":
        return mean(x, axis, keepdims)
    axes = normal_axes(axis, len(x.shape), "nanmean")
    wide = cast_to(x, x.dtype.accumulator)
    total = sum_over(_replaced(wide, 0), axes=axes)
    count = sum_over(cast_to(logical_not(isnan(wide)), wide.dtype), axes=axes)
    result = cast_to(divide(total, count), x.dtype)
    return kept(result, x.shape, axes) if keepdims else result


@surface("cov")
def cov(x: Node, correction: float = 1) -> Node:
    """The covariances of the rows of `x` [variables, observations]."""
    if len(x.shape) != 2:
        raise ShapeError(f"cov: {x.type} is no matrix of variables and observations")
    centred = subtract(x, restored(mean(x, 1), x.shape, (1,)))
    products: Node = functions["matmul"](centred, functions["transpose"](centred))
    count = sum_over(constant_like(1, x), axes=(1,))
    degrees = subtract(count, constant_like(correction, count))
    return divide(products, restored(degrees, products.shape, (1,)))
