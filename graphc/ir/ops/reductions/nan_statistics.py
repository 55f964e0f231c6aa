"""Statistics of the elements that are not NaN."""

from __future__ import annotations

import math

from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.creation.constants import constant_like
from graphc.ir.ops.elementwise.logic import isnan, logical_not, where
from graphc.ir.ops.reductions.norms import root
from graphc.ir.ops.reductions.reduction import Axis, highest, lowest
from graphc.ir.ops.reductions.statistics import mean, variance
from graphc.ir.ops.views.rearrange import flatten

__all__: list[str] = []

F = functions


def _has_none(x: Node) -> bool:
    return x.dtype.is_integer or x.dtype.kind == "bool"


def _without_nan(x: Node, value: float) -> Node:
    """`x` with `value` in place of NaN."""
    return x if _has_none(x) else where(isnan(x), constant_like(value, x), x)


def _numbers(x: Node, mask: Node | bool | None) -> Node | bool | None:
    """Which elements take part: those that are not NaN, among those for which the mask is True."""
    if _has_none(x):
        return mask
    numbers = logical_not(isnan(x))
    return numbers if mask is None else F["logical_and"](numbers, mask)


def _declare_fold(name: str) -> None:
    """Declare `nansum` and its kin: the fold, with what changes nothing in place of NaN."""

    def call(
        x: Node,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DType | None = None,
        *,
        initial: PythonScalar | Node | None = None,
        where: Node | bool | None = None,
    ) -> Node:
        starts = {"sum": lambda dtype: 0, "prod": lambda dtype: 1, "max": lowest, "min": highest}
        start = starts[name](x.dtype)
        fold = F[name]
        found: Node = fold(
            _without_nan(x, start), axis, keepdims, dtype, initial=initial, where=where
        )
        if name in ("sum", "prod") or initial is not None or _has_none(x):
            return found
        is_nothing = F["all"](isnan(x), axis, keepdims)
        return F["where"](is_nothing, math.nan, found)  # type: ignore[no-any-return]

    call.__name__ = call.__qualname__ = f"nan{name}"
    call.__doc__ = f"`{name}` of the elements that are not NaN" + (
        "." if name in ("sum", "prod") else "; NaN where all are and no `initial` is given."
    )
    surface(call.__name__)(call)


for _name in ("sum", "prod", "max", "min"):
    _declare_fold(_name)


@surface("nanmean")
def nanmean(
    x: Node,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
) -> Node:
    """`mean` of the elements that are not NaN; NaN where all are."""
    return mean(x, axis, keepdims, dtype, where=_numbers(x, where))


@surface("nanvar")
@also_named(ddof="correction")
def nanvar(
    x: Node,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
    mean: Node | None = None,
) -> Node:
    """`var` of the elements that are not NaN; NaN where all are."""
    mask = _numbers(x, where)
    return variance(x, axis, correction, keepdims, dtype, where=mask, mean=mean)


@surface("nanstd")
@also_named(ddof="correction")
def nanstd(
    x: Node,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    dtype: DType | None = None,
    *,
    where: Node | bool | None = None,
    mean: Node | None = None,
) -> Node:
    """The square root of `nanvar`, with the derivatives of `std`."""
    return root(nanvar(x, axis, correction, keepdims, dtype, where=where, mean=mean), 2.0)


def _declare_position(name: str, extreme: str) -> None:
    def call(x: Node, axis: int | None = None, keepdims: bool = False) -> Node:
        bound = lowest(x.dtype) if extreme == "argmax" else highest(x.dtype)
        numbers = _without_nan(x, bound)
        found: Node = F[extreme](numbers, axis=axis, keepdims=keepdims)
        return found

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{extreme}` of the elements that are not NaN."
    surface(name)(call)


_declare_position("nanargmax", "argmax")
_declare_position("nanargmin", "argmin")


def _declare_scan(name: str, scan: str, start: float, what: str) -> None:
    def call(x: Node, axis: int | None = None, dtype: DType | None = None) -> Node:
        numbers = _without_nan(x, start)
        if axis is None:
            numbers, axis = flatten(numbers), 0
        return F[scan](numbers, axis, dtype)  # type: ignore[no-any-return]

    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"The {what} of the elements so far that are not NaN, along an axis (of `x` flattened by "
        "default)."
    )
    surface(name)(call)


_declare_scan("nancumsum", "cumsum", 0, "sum")
_declare_scan("nancumprod", "cumprod", 1, "product")
