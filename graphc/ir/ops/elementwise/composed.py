"""Elementwise functions that are short compositions of others, under the names people know."""

from __future__ import annotations

import math
from typing import Literal

from graphc.errors import UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Op, functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    copysign,
    divide,
    floor_divide,
    maximum,
    minimum,
    multiply,
    power,
    remainder,
    round_to_even,
    scaled,
    sign,
    subtract,
    trunc,
)
from graphc.ir.ops.elementwise.declaration import (
    INTEGER,
    operate,
    require_computable,
    require_float,
)
from graphc.ir.ops.elementwise.logic import (
    equal,
    greater,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_or,
    not_equal,
    where,
)
from graphc.ir.ops.elementwise.transcendental import sqrt
from graphc.ir.ops.reductions.reduction import all_over

__all__: list[str] = []


# -- arithmetic with factors and rounding ---------------------------------------------------------


@surface("add")
def add_scaled(x: Operand, y: Operand, *, alpha: int | float = 1) -> Node:
    """x + alpha * y."""
    return operate(add)(x, y if alpha == 1 else operate(multiply)(y, alpha))


@surface("subtract", "sub")
def subtract_scaled(x: Operand, y: Operand, *, alpha: int | float = 1) -> Node:
    """x - alpha * y."""
    return operate(subtract)(x, y if alpha == 1 else operate(multiply)(y, alpha))


@surface("rsub")
def rsub(x: Operand, y: Operand, *, alpha: int | float = 1) -> Node:
    """y - alpha * x."""
    return subtract_scaled(y, x, alpha=alpha)


@surface("divide", "div", "true_divide")
def divide_rounded(
    x: Operand, y: Operand, *, rounding_mode: Literal["trunc", "floor"] | None = None
) -> Node:
    """x / y, rounded toward zero ("trunc"), down ("floor", as `floor_divide`) or not at all.

    Whole numbers are divided where a rounding mode is given; those divided by 0 give 0.
    """
    if rounding_mode is None:
        return operate(divide)(x, y)
    if rounding_mode not in ("trunc", "floor"):
        raise UsageError(
            f"divide: rounding_mode is {rounding_mode!r}", hint='use "trunc", "floor" or None'
        )
    if rounding_mode == "floor":
        return operate(floor_divide)(x, y)
    a, b = broadcast(*promoted(x, y))
    if a.dtype.kind == "float":
        return trunc(divide(a, b))
    down = floor_divide(a, b)
    # Rounded down is one less than rounded toward zero where signs differ and something is left.
    is_lower = less(multiply(remainder(a, b), a), zeros_like(a))
    return where(is_lower, add(down, ones_like(down)), down)


@surface("clamp_min")
def clamp_min(x: Operand, min: Operand) -> Node:
    """The larger of `x` and `min`."""
    return operate(maximum)(x, min)


@surface("clamp_max")
def clamp_max(x: Operand, max: Operand) -> Node:
    """The smaller of `x` and `max`."""
    return operate(minimum)(x, max)


MOST_DECIMALS = 22
"""Powers of ten up to this one are exact in f64."""


@surface("round", "rint", "around")
def rounded(x: Operand, decimals: int = 0) -> Node:
    """The nearest number with so many decimals, ties to even; negative ones round tens."""
    value = promoted(x)[0]
    if value.dtype.kind == "complex":
        parts = (rounded(functions[part](value), decimals) for part in ("real", "imag"))
        return functions["complex"](*parts)  # type: ignore[no-any-return]
    if value.dtype.kind in INTEGER and decimals >= 0:
        return value
    if decimals == 0:
        return round_to_even(value)
    if abs(decimals) > MOST_DECIMALS:
        raise UsageError(
            f"round: {decimals} decimals", hint=f"give {-MOST_DECIMALS} to {MOST_DECIMALS}"
        )
    wide = cast_to(value, value.dtype.accumulator)
    unit = constant_like(10.0 ** abs(decimals), wide)
    enter, leave = (multiply, divide) if decimals > 0 else (divide, multiply)
    return cast_to(leave(round_to_even(enter(wide, unit)), unit), value.dtype)


# -- arithmetic -----------------------------------------------------------------------------------


@surface("positive", "clone", "copy", "contiguous", "resolve_conj", "resolve_neg")
def positive(x: Node) -> Node:
    """x itself: tensors are values, and every one is contiguous."""
    return x


@surface("frac")
def frac(x: Node) -> Node:
    """x less its whole part, with the sign of x."""
    return subtract(x, trunc(x))


@surface("modf")
def modf(x: Node) -> tuple[Node, Node]:
    """What is behind the point and what is before it, both with the sign of x; 0 behind inf."""
    whole = functions["trunc"](x)
    rest = where(functions["isinf"](x), zeros_like(x), subtract(x, whole))
    return functions["copysign"](rest, x), whole


@surface("fmod")
def fmod(x: Operand, y: Operand) -> Node:
    """x less y times their quotient rounded toward zero, with the sign of x, as C has it.

    By an integer 0 it gives 0.
    """
    a, b = broadcast(*promoted(x, y))
    if a.dtype.kind == "float":
        return copysign(remainder(absolute(a), absolute(b)), a)
    rest = remainder(a, b)
    # The remainder has the sign of y; with that of x it is one y nearer to x.
    zero = zeros_like(rest)
    differs = logical_and(not_equal(rest, zero), not_equal(less(a, zero), less(b, zero)))
    return where(differs, subtract(rest, b), rest)


@surface("divmod")
def quotient_and_rest(x: Operand, y: Operand) -> tuple[Node, Node]:
    """`floor_divide` and `remainder`."""
    return functions["floor_divide"](x, y), functions["remainder"](x, y)


@surface("cbrt")
def cbrt(x: Node) -> Node:
    """The cube root, of negative numbers the negative one; its slope at 0 is infinite."""
    require_float("cbrt", x.dtype)
    size = absolute(x)
    is_zero = equal(size, zeros_like(size))
    safe = where(is_zero, ones_like(size), size)
    root = power(safe, constant_like(1 / 3, safe))
    return where(is_zero, sqrt(where(is_zero, x, ones_like(x))), copysign(root, x))


@surface("lerp")
@rounded_once
def lerp(x: Operand, y: Operand, weight: Operand) -> Node:
    """x + weight * (y - x), and exactly `y` where the weight is 1."""
    a, b, w = broadcast(*promoted(x, y, weight))
    difference, one = subtract(b, a), ones_like(w)
    size = absolute(w) if w.dtype.kind == "complex" else w
    from_start = add(a, multiply(w, difference))
    from_end = subtract(b, multiply(difference, subtract(one, w)))
    return where(less(size, constant_like(0.5, size)), from_start, from_end)


@surface("float_power")
def float_power(x: Operand, y: Operand) -> Node:
    """x to the power y, in f64 or c128."""
    a, b = broadcast(*promoted(x, y))
    require_computable("float_power", a.dtype)
    wide = dtypes.c128 if a.dtype.kind == "complex" else dtypes.f64
    return power(cast_to(a, wide), cast_to(b, wide))


@surface("deg2rad", "radians")
def deg2rad(x: Node) -> Node:
    """Degrees as radians."""
    return scaled(x, math.pi / 180)


@surface("rad2deg", "degrees")
def rad2deg(x: Node) -> Node:
    """Radians as degrees."""
    return scaled(x, 180 / math.pi)


@surface("heaviside")
def heaviside(x: Operand, at_zero: Operand) -> Node:
    """0 where x is negative, 1 where it is positive, `at_zero` where it is 0; NaN for NaN."""
    a, b = broadcast(*promoted(x, at_zero))
    step = where(greater(a, zeros_like(a)), ones_like(a), zeros_like(a))
    if a.dtype.kind == "float":
        step = where(isnan(a), a, step)
    return where(equal(a, zeros_like(a)), b, step)


@surface("sgn")
def sgn(x: Node) -> Node:
    """x / |x|, and 0 at 0: of real numbers the sign."""
    if x.dtype.kind != "complex":
        return sign(x)
    size = absolute(x)
    is_zero = equal(size, zeros_like(size))
    safe = where(is_zero, ones_like(size), size)
    # A zero has signs of its own, which the quotient would keep.
    return where(is_zero, zeros_like(x), divide(x, cast_to(safe, x.dtype)))


# -- extremes and what is no number ---------------------------------------------------------------


def _without_nan(x: Operand, y: Operand, name: str) -> Node:
    a, b = broadcast(*promoted(x, y))
    extreme = maximum(a, b) if name == "fmax" else minimum(a, b)
    if a.dtype.kind != "float":
        return extreme
    return where(isnan(a), b, where(isnan(b), a, extreme))


@surface("fmax")
def fmax(x: Operand, y: Operand) -> Node:
    """The larger of x and y; of a number and NaN the number."""
    return _without_nan(x, y, "fmax")


@surface("fmin")
def fmin(x: Operand, y: Operand) -> Node:
    """The smaller of x and y; of a number and NaN the number."""
    return _without_nan(x, y, "fmin")


@surface("nan_to_num")
def nan_to_num(
    x: Node, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Node:
    """`x` with numbers in place of NaN and the infinities: the ends of the range by default.

    Of complex numbers each part is treated by itself.
    """
    if x.dtype.kind == "complex":
        parts = (functions[part](x) for part in ("real", "imag"))
        whole: Node = functions["complex"](*(nan_to_num(one, nan, posinf, neginf) for one in parts))
        return whole
    require_computable("nan_to_num", x.dtype)
    if x.dtype.kind != "float":
        return x
    high = float(x.dtype.maximum_value) if posinf is None else posinf
    low = -float(x.dtype.maximum_value) if neginf is None else neginf
    zero = zeros_like(x)
    bounded = where(greater(x, zero), constant_like(high, x), constant_like(low, x))
    finite = where(isinf(x), bounded, x)
    return where(isnan(x), constant_like(nan, x), finite)


@surface("isposinf")
def isposinf(x: Node) -> Node:
    """Whether x is the positive infinity."""
    return _is_infinite(x, greater)


@surface("isneginf")
def isneginf(x: Node) -> Node:
    """Whether x is the negative infinity."""
    return _is_infinite(x, less)


def _is_infinite(x: Node, on_side: Op) -> Node:
    if x.dtype.kind != "float":
        never: Node = functions["isinf"](x)
        return never
    return logical_and(isinf(x), on_side(x, zeros_like(x)))


# -- comparison within a tolerance ----------------------------------------------------------------


@surface("isclose")
def isclose(
    x: Node, y: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Node:
    """Whether |x - y| <= atol + rtol * |y|, or both are equal; NaN is near NaN with `equal_nan`.

    Whole numbers are compared as f64.
    """
    a, b = broadcast(*promoted(x, y))
    if not a.dtype.precision:
        a, b = cast_to(a, dtypes.f64), cast_to(b, dtypes.f64)
    size = absolute(b)
    bound = add(constant_like(atol, size), scaled(size, rtol))
    is_within = less_equal(absolute(subtract(a, b)), bound)
    near = logical_or(
        equal(a, b), logical_and(is_within, less(size, constant_like(math.inf, size)))
    )
    return logical_or(near, logical_and(isnan(a), isnan(b))) if equal_nan else near


@surface("allclose")
def allclose(
    x: Node, y: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Node:
    """Whether all elements are close, as `isclose` says."""
    close = isclose(x, y, rtol, atol, equal_nan)
    return all_over(close, axes=tuple(range(len(close.shape))))


@surface("array_equal")
def array_equal(x: Node, y: Node, equal_nan: bool = False) -> Node:
    """Whether all elements are equal, which NaN is to itself if `equal_nan`."""
    one, other = broadcast(*promoted(x, y))
    same = equal(one, other)
    if equal_nan and one.dtype.precision:
        same = logical_or(same, logical_and(isnan(one), isnan(other)))
    return all_over(same, axes=tuple(range(len(same.shape))))


@surface("array_equiv")
def array_equiv(x: Node, y: Node) -> Node:
    """Whether all elements are equal, of two shapes that broadcast to each other."""
    return array_equal(x, y)


surface("expit", "logistic")(functions["sigmoid"])
