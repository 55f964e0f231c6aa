"""Scans: every partial sum, product or extreme along an axis, in ascending order.

The order is the meaning: each element is combined from the one before it, so the bits are the same
on every backend. f16 and bf16 are combined in f32, and each element is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.expr import Apply, Expr
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    Cumulative,
    GradientRule,
    Op,
    Parameter,
    Refused,
    Sample,
    find,
    surface,
)
from graphc.ir.ops.broadcasting import Operand, broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full, iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, extreme, multiplied, multiply, subtract
from graphc.ir.ops.elementwise.complex_numbers import real
from graphc.ir.ops.elementwise.declaration import NUMERIC, REAL, require_computable, require_same
from graphc.ir.ops.elementwise.logic import equal, isfinite, isnan, logical_not, logical_or, where
from graphc.ir.ops.elementwise.transcendental import exp, log
from graphc.ir.ops.reductions.reduction import highest, lowest
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.ops.views.shape import flip, require_axes
from graphc.ir.ops.views.slicing import pad, slice_
from graphc.ir.types import TensorType

__all__ = [
    "cumulative_max",
    "cumulative_min",
    "cumulative_prod",
    "cumulative_sum",
    "linear_recurrence",
]

Array = np.ndarray[Any, Any]


# -- declaration ----------------------------------------------------------------------------------


def _infer(kinds: frozenset[str]) -> Callable[..., TensorType]:
    def infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
        type_ = require_same(op, operands)
        require_axes(op, (attributes["axis"],), operands[0])
        if type_.dtype.kind not in kinds:
            raise DTypeError(
                f"{op.name} takes {' or '.join(sorted(kinds))} operands, not {type_.dtype.name}",
                code="dtype-unsupported",
                hint="cast the operand first",
            )
        return type_

    return infer


_CASES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((3, 5), 1),
    ((5, 3), 0),
    ((2, 4, 3), 1),
    ((7,), 0),
    ((1, 4), 0),
    ((3, 0), 1),
    ((0, 3), 1),
)


def _samples(kinds: frozenset[str], arity: int, smooth: bool) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterable[Sample]:
        for dtype in dtypes.computable():
            if dtype.kind in kinds:
                for shape, axis in _CASES if dtype.bits >= 32 else _CASES[:2]:
                    operands = (TensorType(dtype, shape),) * arity
                    yield Sample(operands, {"axis": axis}, smooth=smooth)

    return samples


def _refused(kinds: frozenset[str], arity: int) -> Callable[[], Iterable[Refused]]:
    def refused() -> Iterable[Refused]:
        operand = TensorType(dtypes.f32, (2, 3))
        for axis in (2, -1):
            yield Refused((operand,) * arity, {"axis": axis}, ShapeError)
        for dtype in dtypes.ALL:
            if dtype.kind not in kinds:
                yield Refused((TensorType(dtype, (2,)),) * arity, {"axis": 0}, DTypeError)

    return refused


def _wide(compute: Callable[..., Array]) -> Callable[..., Array]:
    """A reference in the accumulator's dtype, of which each element is rounded once."""

    def reference(call: Call, *operands: Array) -> Array:
        accumulator = dtypes.from_numpy(operands[0].dtype).accumulator.numpy
        wide = (operand.astype(accumulator, copy=False) for operand in operands)
        with np.errstate(all="ignore"):
            result = compute(*wide, call["axis"])
            return np.asarray(result).astype(call.dtype.numpy, copy=False)

    return reference


def _cumulative(
    name: str,
    combine: np.ufunc,
    start: Callable[[DType], bool | int | float | complex],
    doc: str,
    *,
    kinds: frozenset[str],
    gradient: GradientRule,
    smooth: bool = True,
) -> Op:
    """Declare the scan that combines with the elementwise op of the ufunc's name."""

    def accumulate(x: Array, axis: int) -> Array:
        if x.dtype.kind == "c":
            return _in_turn(x, axis, _COMPLEX[combine], start(dtypes.from_numpy(x.dtype)))
        if combine in (np.maximum, np.minimum):
            return extreme(combine, "accumulate")(x, axis=axis)
        # NumPy would add narrow integers in 64 bits.
        return np.asarray(combine.accumulate(x, axis=axis, dtype=x.dtype))

    def step(previous: Expr, operands: tuple[Expr, ...]) -> Expr:
        return Apply(find(combine.__name__), (previous, *operands), previous.dtype)

    return Op(
        name,
        1,
        infer=_infer(kinds),
        reference=_wide(accumulate),
        lowering=Cumulative(step, start),
        gradient=gradient,
        parameters=(Parameter("axis"),),
        samples=_samples(kinds, 1, smooth),
        refused=_refused(kinds, 1),
        doc=doc,
    )


def _in_turn(x: Array, axis: int, combine: Callable[..., Array], start: complex) -> Array:
    """Complex elements combined one by one, as the ops themselves combine them.

    Libraries multiply by other formulas on some machines; see `multiply`.
    """
    result, state = np.empty_like(x), np.asarray(start, x.dtype)
    for place in range(x.shape[axis]):
        at = (slice(None),) * axis + (place,)
        state = combine(state, x[at])
        result[at] = state
    return result


_COMPLEX: Mapping[np.ufunc, Callable[..., Array]] = MappingProxyType(
    {np.add: np.add, np.multiply: multiplied}
)


def _nothing(dtype: DType) -> int | float | complex:
    """The zero that changes no number when it is added: -0.0 keeps the sign of zeros."""
    if dtype.kind == "complex":
        return complex(-0.0, -0.0)
    return -0.0 if dtype.precision else 0


# -- linear recurrence ----------------------------------------------------------------------------


def reversed_along(x: Node, axis: int) -> Node:
    """The elements in reverse order along an axis."""
    return flip(x, axes=(axis,))


def _shifted(x: Node, axis: int, value: float, *, forward: bool = True) -> Node:
    """The elements moved one place along an axis; `value` enters, the last (first) one leaves."""
    rank = len(x.shape)
    one, none = tuple(int(a == axis) for a in range(rank)), (0,) * rank
    before, after = (one, none) if forward else (none, one)
    # Widened first: along an axis that may be empty there is nothing to take away.
    wide = pad(x, before=before, after=after, value=value)
    stop = tuple(end - i for end, i in zip(wide.shape, before, strict=True))
    return slice_(wide, start=after, stop=stop, step=(1,) * rank)


def _recur(a: Array, b: Array, axis: int) -> Array:
    result, state = np.empty_like(b), np.zeros((), b.dtype)
    for place in range(b.shape[axis]):
        at = (slice(None),) * axis + (place,)
        state = multiplied(a[at], state) + b[at]
        result[at] = state
    return result


def _recur_step(previous: Expr, operands: tuple[Expr, ...]) -> Expr:
    a, b = operands
    product = Apply(multiply, (a, previous), b.dtype)
    return Apply(add, (product, b), b.dtype)


def _recurrence_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """Backwards the state's cotangent runs through the same factors: dy[i-1] = a[i] dy[i] + g."""
    a, axis = node.inputs[0], node["axis"]
    factors = reversed_along(_shifted(a, axis, 0, forward=False), axis)
    back = linear_recurrence(factors, reversed_along(g, axis), axis=axis)
    slope = reversed_along(back, axis)
    return multiply(slope, _shifted(node, axis, 0)), slope


linear_recurrence: Op = Op(
    "linear_recurrence",
    2,
    infer=_infer(NUMERIC),
    reference=_wide(_recur),
    lowering=Cumulative(_recur_step, lambda dtype: 0),
    gradient=_recurrence_gradient,
    parameters=(Parameter("axis"),),
    samples=_samples(NUMERIC, 2, smooth=True),
    refused=_refused(NUMERIC, 2),
    doc="y[i] = a[i] * y[i-1] + b[i] along an axis, from y = 0.",
)


# -- sums and products ----------------------------------------------------------------------------


def _sum_gradient(node: Node, g: Node) -> tuple[Node]:
    axis = node["axis"]
    total = cumulative_sum(reversed_along(g, axis), axis=axis)
    return (reversed_along(total, axis),)


def _prod_gradient(node: Node, g: Node) -> tuple[Node]:
    """The product before an element, times what follows from it: a recurrence without a division.

    dx[k] = p[k-1] * r[k], r[k] = g[k] + x[k+1] * r[k+1]: right where elements are zero.
    """
    x, axis = node.inputs[0], node["axis"]
    factors = reversed_along(_shifted(x, axis, 0, forward=False), axis)
    rest = linear_recurrence(factors, reversed_along(g, axis), axis=axis)
    return (multiply(_shifted(node, axis, 1), reversed_along(rest, axis)),)


cumulative_sum: Op = _cumulative(
    "cumulative_sum",
    np.add,
    _nothing,
    "The sum of the elements so far, along an axis.",
    kinds=NUMERIC,
    gradient=_sum_gradient,
)
cumulative_prod: Op = _cumulative(
    "cumulative_prod",
    np.multiply,
    lambda dtype: 1,
    "The product of the elements so far, along an axis.",
    kinds=NUMERIC,
    gradient=_prod_gradient,
)


# -- extremes -------------------------------------------------------------------------------------


def _is_hit(x: Node, extremes: Node) -> Node:
    """Whether an element is the extreme so far, be it for the second time, or NaN."""
    hit = equal(x, extremes)
    return logical_or(hit, isnan(x)) if x.dtype.kind == "float" else hit


def _extreme_gradient(node: Node, g: Node) -> tuple[Node]:
    """Each cotangent belongs to the element that the extreme was taken from, the last of equals.

    Backwards, cotangents add up until the next element that is a hit, where the sum begins anew.
    """
    x, axis = node.inputs[0], node["axis"]
    hit = _is_hit(x, node)
    goes_on = cast_to(logical_not(_shifted(hit, axis, True, forward=False)), g.dtype)
    back = linear_recurrence(reversed_along(goes_on, axis), reversed_along(g, axis), axis=axis)
    return (where(hit, reversed_along(back, axis), zeros_like(g)),)


cumulative_max: Op = _cumulative(
    "cumulative_max",
    np.maximum,
    lowest,
    "The largest element so far, along an axis; NaN from the first NaN on.",
    kinds=REAL,
    gradient=_extreme_gradient,
)
cumulative_min: Op = _cumulative(
    "cumulative_min",
    np.minimum,
    highest,
    "The smallest element so far, along an axis; NaN from the first NaN on.",
    kinds=REAL,
    gradient=_extreme_gradient,
)


# -- surfaces -------------------------------------------------------------------------------------


def _axis_of(name: str, x: Node, axis: int | None) -> int:
    if axis is None:
        if len(x.shape) != 1:
            raise ShapeError(f"{name}: which axis of {x.type}?", hint="give axis=...")
        return 0
    return normal_axis(axis, len(x.shape), name)


def _scan_surface(op: Op, alias: str, initial: int) -> None:
    def call(
        x: Node,
        axis: int | None = None,
        dtype: DType | None = None,
        include_initial: bool = False,
        *,
        reverse: bool = False,
    ) -> Node:
        place = _axis_of(op.name, x, axis)
        if reverse:
            turned = reversed_along(x, place)
            return reversed_along(call(turned, place, dtype, include_initial), place)
        result = op(cast_to(x, dtype or dtypes.sum_dtype(x.dtype)), axis=place)
        if not include_initial:
            return result
        before = tuple(int(a == place) for a in range(len(x.shape)))
        return pad(result, before=before, after=(0,) * len(x.shape), value=initial)

    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = (
        op.doc + " The axis may be left out for a vector. Narrow integers and bool become 64 bits "
        f"wide unless dtype says otherwise. include_initial: with {initial} in front. "
        "reverse: from the end."
    )
    surface(op.name, alias)(call)


_scan_surface(cumulative_sum, "cumsum", 0)
_scan_surface(cumulative_prod, "cumprod", 1)


def _extreme_surface(op: Op, name: str, what: str) -> None:
    def call(x: Node, axis: int | None = None, *, reverse: bool = False) -> tuple[Node, Node]:
        place = _axis_of(name, x, axis)
        if reverse:
            values, found = (
                reversed_along(one, place) for one in call(reversed_along(x, place), place)
            )
            last = full(x.shape, x.shape[place] - 1, dtypes.i64)
            return values, subtract(last, found)
        values = op(x, axis=place)
        places = iota(shape=x.shape, axis=place, dtype=dtypes.i64)
        hits = where(_is_hit(x, values), places, zeros_like(places))
        return values, cumulative_max(hits, axis=place)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"The {what} element so far along an axis, and its index (the last of equal ones). From "
        "the first NaN on the values are NaN, and the index is that of the last NaN so far. "
        "reverse: from the end."
    )
    surface(name)(call)


_extreme_surface(cumulative_max, "cummax", "largest")
_extreme_surface(cumulative_min, "cummin", "smallest")


@surface("linear_recurrence")
def linear_recurrence_of(a: Operand, b: Node, axis: int | None = None) -> Node:
    """y[i] = a[i] * y[i-1] + b[i] along an axis, from y = 0.

    A constant `a` below 1 gives moving averages, an `a` from data the state-space layers of
    A. Gu and T. Dao ("Mamba", 2023).
    """
    factors, terms = broadcast(*promoted(a, b))
    place = _axis_of("linear_recurrence", terms, axis)
    return linear_recurrence(factors, terms, axis=place)


@surface("logcumsumexp", "cumlogsumexp")
def logcumsumexp(x: Node, axis: int | None = None, *, reverse: bool = False) -> Node:
    """log(cumsum(exp(x))) along an axis, in the form that does not overflow; or from the end.

    The sum is kept relative to the largest element so far (complex numbers: to the largest real
    part), and scaled whenever that grows.
    """
    require_computable("logcumsumexp", x.dtype)
    place = _axis_of("logcumsumexp", x, axis)
    if reverse:
        return reversed_along(logcumsumexp(reversed_along(x, place), place), place)
    wide = stop_gradient(cast_to(x, x.dtype.accumulator))
    top = cumulative_max(real(wide) if x.dtype.kind == "complex" else wide, axis=place)
    before = _shifted(top, place, float("-inf"))
    # An infinite maximum would give inf - inf. Before the first finite one the sum is 0.
    base, last = (where(isfinite(one), one, zeros_like(one)) for one in (top, before))
    is_first = equal(before, constant_like(float("-inf"), before))
    fading = where(is_first, zeros_like(top), exp(subtract(last, base)))
    fading, base = cast_to(fading, wide.dtype), cast_to(base, wide.dtype)
    powers = exp(subtract(cast_to(x, wide.dtype), base))
    total = linear_recurrence(fading, powers, axis=place)
    return cast_to(add(log(total), base), x.dtype)
