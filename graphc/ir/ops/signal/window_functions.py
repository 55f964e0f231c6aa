"""Weights of signal processing: windows of any length, periodic or symmetric.

A symmetric window of n points has both ends of its curve among them; a periodic one is the
symmetric one of n + 1 points without the last, as spectra of frames want it (F. J. Harris, "On the
use of windows for harmonic analysis with the discrete Fourier transform", 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphc.errors import DTypeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full_like, iota, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    maximum,
    multiply,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.elementwise.transcendental import cos, exp, sin, sqrt
from graphc.ir.ops.special_functions.bessel import i0

__all__: list[str] = []

Curve = Callable[[Node], Node]


def _from_middle(length: DimLike, periodic: bool, dtype: DType) -> tuple[Node, Node]:
    """How many points each of `length` is after the middle of a curve, and how many its end is."""
    if not dims.always_less_equal(0, length):
        raise UsageError(f"a window of {length!r} points", hint="give a whole number")
    if dtype.kind != "float":
        raise DTypeError(f"a window is made of floats, not {dtype.name}", code="dtype-unsupported")
    counter = iota(shape=(length,), axis=0, dtype=dtype.accumulator)
    # A single point is its own middle.
    last = length - 1 + (dims.minimum(1, length - 1) if periodic else 0)
    half = scaled(full_like(counter, last), 0.5)
    return subtract(counter, half), half


def _sampled(length: DimLike, periodic: bool, dtype: DType, curve: Curve) -> Node:
    """A curve over -1 .. 1 at `length` points; 1 at a single one."""
    offset, half = _from_middle(length, periodic, dtype)
    values = curve(divide(offset, maximum(half, constant_like(0.5, half))))
    if not dims.always_less_equal(2, length):
        one = ones_like(values)
        values = where(equal(full_like(offset, length), one), one, values)
    return cast_to(values, dtype)


def _cosines(weights: Sequence[float]) -> Curve:
    def curve(place: Node) -> Node:
        total = zeros_like(place)
        for k, weight in enumerate(weights):
            total = add(total, scaled(cos(scaled(place, math.pi * k)), weight))
        return total

    return curve


def _bohman(place: Node) -> Node:
    distance = absolute(place)
    wave = scaled(sin(scaled(distance, math.pi)), 1 / math.pi)
    return add(multiply(_triangle(place), cos(scaled(distance, math.pi))), wave)


def _bartlett_hann(place: Node) -> Node:
    slopes = scaled(absolute(place), 0.24)
    return subtract(_cosines((0.62, 0.38))(place), slopes)


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
    length: DimLike, periodic: bool = True, beta: float = 12.0, dtype: DType = dtypes.f32
) -> Node:
    """i0(beta * sqrt(1 - t**2)) / i0(beta), for t from -1 to 1 (J. F. Kaiser, 1974)."""
    return _sampled(length, periodic, dtype, _kaiser(beta))


@surface("kaiser")
def kaiser(length: DimLike, beta: float, dtype: DType = dtypes.f32) -> Node:
    """The symmetric Kaiser window."""
    return _sampled(length, False, dtype, _kaiser(beta))


@surface("hamming_window")
def hamming_window(
    length: DimLike,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    dtype: DType = dtypes.f32,
) -> Node:
    """alpha + beta * cos(pi t), for t from -1 to 1."""
    return _sampled(length, periodic, dtype, _cosines((alpha, beta)))


@surface("hamming")
def hamming(length: DimLike, dtype: DType = dtypes.f32) -> Node:
    """The symmetric Hamming window."""
    return hamming_window(length, False, dtype=dtype)


@surface("tukey_window")
def tukey_window(
    length: DimLike, periodic: bool = True, alpha: float = 0.5, dtype: DType = dtypes.f32
) -> Node:
    """1, with the sides of a Hann window at both ends, `alpha` of the window together."""
    if not 0 <= alpha <= 1:
        raise UsageError(f"tukey_window: alpha is {alpha}", hint="it is a share, from 0 to 1")

    def curve(place: Node) -> Node:
        inside = maximum(
            subtract(absolute(place), constant_like(1 - alpha, place)), zeros_like(place)
        )
        side = scaled(inside, 1 / alpha) if alpha else inside
        return _cosines((0.5, 0.5))(side)

    return _sampled(length, periodic, dtype, curve)


@surface("general_cosine_window")
def general_cosine_window(
    length: DimLike, weights: Sequence[float], periodic: bool = True, dtype: DType = dtypes.f32
) -> Node:
    """The sum of weights[k] * cos(pi k t), for t from -1 to 1."""
    if not weights or not all(isinstance(one, int | float) for one in weights):
        raise UsageError(f"general_cosine_window: weights {weights!r}", hint="give numbers")
    return _sampled(length, periodic, dtype, _cosines(weights))


@surface("general_hamming_window")
def general_hamming_window(
    length: DimLike, periodic: bool = True, alpha: float = 0.54, dtype: DType = dtypes.f32
) -> Node:
    """alpha + (1 - alpha) * cos(pi t), for t from -1 to 1."""
    return hamming_window(length, periodic, alpha, 1 - alpha, dtype)


@surface("cosine_window")
def cosine_window(length: DimLike, periodic: bool = True, dtype: DType = dtypes.f32) -> Node:
    """An arch cos(pi t / 2), at points that lie half of their distance inside of -1 and 1."""
    offset, half = _from_middle(length, periodic, dtype)
    points = add(scaled(half, 2), ones_like(half))
    return cast_to(cos(divide(scaled(offset, math.pi), points)), dtype)


@surface("gaussian_window")
def gaussian_window(
    length: DimLike, periodic: bool = True, std: float = 1.0, dtype: DType = dtypes.f32
) -> Node:
    """exp(-(n / std)**2 / 2), n points from the middle."""
    if not std > 0:
        raise UsageError(f"gaussian_window: std is {std}", hint="give a positive number")
    offset = scaled(_from_middle(length, periodic, dtype)[0], 1 / std)
    return cast_to(exp(scaled(multiply(offset, offset), -0.5)), dtype)


@surface("exponential_window")
def exponential_window(
    length: DimLike,
    periodic: bool = True,
    tau: float = 1.0,
    center: float | None = None,
    dtype: DType = dtypes.f32,
) -> Node:
    """exp(-|n - center| / tau) at point n; the center is the middle unless given."""
    if not tau > 0:
        raise UsageError(f"exponential_window: tau is {tau}", hint="give a positive number")
    offset, half = _from_middle(length, periodic, dtype)
    if center is not None:
        offset = add(offset, subtract(half, constant_like(center, half)))
    return cast_to(exp(scaled(absolute(offset), -1 / tau)), dtype)


def _declare(periodic: str, symmetric: str | None, curve: Curve, doc: str) -> None:
    def either(length: DimLike, periodic: bool = True, dtype: DType = dtypes.f32) -> Node:
        return _sampled(length, periodic, dtype, curve)

    def always_symmetric(length: DimLike, dtype: DType = dtypes.f32) -> Node:
        return _sampled(length, False, dtype, curve)

    for name, call, kind in (
        (periodic, either, "periodic unless told otherwise"),
        (symmetric, always_symmetric, "symmetric"),
    ):
        if name is None:
            continue
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
_declare(
    "blackmanharris_window",
    None,
    _cosines((0.35875, 0.48829, 0.14128, 0.01168)),
    "The four cosines of F. J. Harris with side lobes below -92 dB",
)
_declare(
    "nuttall_window",
    None,
    _cosines((0.3635819, 0.4891775, 0.1365995, 0.0106411)),
    "The four cosines of A. Nuttall (1981) with side lobes below -98 dB",
)
_declare(
    "flattop_window",
    None,
    _cosines((0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368)),
    "Five cosines, whose spectrum is flat at its top",
)
_declare("bohman_window", None, _bohman, "(1 - |t|) * cos(pi t) + sin(pi |t|) / pi")
_declare("barthann_window", None, _bartlett_hann, "0.62 - 0.24 * |t| + 0.38 * cos(pi t)")
