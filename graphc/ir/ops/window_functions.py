"""Weights of signal processing: windows of a known length, periodic or symmetric.

A symmetric window of n points has both ends of its curve among them; a periodic one is the
symmetric one of n + 1 points without the last, as spectra of frames want it (F. J. Harris, "On the
use of windows for harmonic analysis with the discrete Fourier transform", 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphc.errors import DTypeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import absolute, add, divide, maximum, multiply, scaled, subtract
from graphc.ir.ops.bessel import i0
from graphc.ir.ops.creation import constant_like, iota, ones_like, zeros_like
from graphc.ir.ops.transcendental import cos, sqrt

__all__: list[str] = []

Curve = Callable[[Node], Node]


def _sampled(length: int, periodic: bool, dtype: DType, curve: Curve) -> Node:
    """A curve over -1 .. 1 at `length` points."""
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise UsageError(f"a window of {length!r} points", hint="give a whole number")
    if dtype.kind != "float":
        raise DTypeError(f"a window is made of floats, not {dtype.name}", code="dtype-unsupported")
    counter = iota(shape=(length,), axis=0, dtype=dtype.accumulator)
    if length < 2:
        return functions["cast"](ones_like(counter), dtype)  # type: ignore[no-any-return]
    last = float(length if periodic else length - 1)
    middle = constant_like(last / 2, counter)
    place = divide(subtract(counter, middle), middle)
    return functions["cast"](curve(place), dtype)  # type: ignore[no-any-return]


def _cosines(weights: Sequence[float]) -> Curve:
    def curve(place: Node) -> Node:
        total = zeros_like(place)
        for k, weight in enumerate(weights):
            total = add(total, scaled(cos(scaled(place, math.pi * k)), weight))
        return total

    return curve


def _triangle(place: Node) -> Node:
    return subtract(ones_like(place), absolute(place))


def _kaiser(beta: float) -> Curve:
    def curve(place: Node) -> Node:
        inside = subtract(ones_like(place), multiply(place, place))
        root = sqrt(maximum(inside, zeros_like(place)))
        return divide(i0(scaled(root, beta)), i0(constant_like(beta, place)))

    return curve


@surface("kaiser_window")
def kaiser_window(
    length: int, periodic: bool = True, beta: float = 12.0, dtype: DType = dtypes.f32
) -> Node:
    """i0(beta * sqrt(1 - t**2)) / i0(beta), for t from -1 to 1 (J. F. Kaiser, 1974)."""
    return _sampled(length, periodic, dtype, _kaiser(beta))


@surface("kaiser")
def kaiser(length: int, beta: float, dtype: DType = dtypes.f32) -> Node:
    """The symmetric Kaiser window."""
    return _sampled(length, False, dtype, _kaiser(beta))


@surface("hamming_window")
def hamming_window(
    length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    dtype: DType = dtypes.f32,
) -> Node:
    """alpha + beta * cos(pi t), for t from -1 to 1."""
    return _sampled(length, periodic, dtype, _cosines((alpha, beta)))


@surface("hamming")
def hamming(length: int, dtype: DType = dtypes.f32) -> Node:
    """The symmetric Hamming window."""
    return hamming_window(length, False, dtype=dtype)


def _declare(periodic: str, symmetric: str, curve: Curve, doc: str) -> None:
    def either(length: int, periodic: bool = True, dtype: DType = dtypes.f32) -> Node:
        return _sampled(length, periodic, dtype, curve)

    def always_symmetric(length: int, dtype: DType = dtypes.f32) -> Node:
        return _sampled(length, False, dtype, curve)

    for name, call, kind in (
        (periodic, either, "periodic unless told otherwise"),
        (symmetric, always_symmetric, "symmetric"),
    ):
        call.__name__ = call.__qualname__ = name
        call.__doc__ = f"{doc}, for t from -1 to 1; {kind}."
        surface(name)(call)


_declare("bartlett_window", "bartlett", _triangle, "1 - |t|")
_declare("hann_window", "hanning", _cosines((0.5, 0.5)), "0.5 + 0.5 * cos(pi t)")
_declare(
    "blackman_window",
    "blackman",
    _cosines((0.42, 0.5, 0.08)),
    "0.42 + 0.5 * cos(pi t) + 0.08 * cos(2 pi t)",
)
