"""Fresnel's integrals, and the sine and cosine integrals.

Formula numbers are those of the Digital Library of Mathematical Functions (https://dlmf.nist.gov).
What is computed in NumPy takes the steps of the device functions in `codegen/device/special.h`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.elementwise.arithmetic import divide, multiply, scaled
from graphc.ir.ops.elementwise.declaration import elementwise
from graphc.ir.ops.elementwise.transcendental import cos, sin, slope
from graphc.ir.ops.special_functions.error_and_gamma import EULER, in_doubles

__all__: list[str] = []

Array = np.ndarray[Any, Any]

# -- Fresnel's integrals --------------------------------------------------------------------------


def _fresnel_near(x: Array, is_sine: bool) -> Array:
    """The power series 7.6.4 and 7.6.6."""
    angle = math.pi / 2 * x * x
    square, total = angle * angle, np.zeros_like(x)
    for k in range(14, -1, -1):
        m = 2.0 * k + is_sine
        total = 1.0 / (2.0 * m + 1.0) - total * square / ((m + 1.0) * (m + 2.0))
    return np.asarray(x * angle * total if is_sine else x * total)


def _fresnel_far(size: Array, is_sine: bool) -> Array:
    """By 7.5.3 and 7.5.4 from 7.7.10 and 7.7.11 with t = u**2, by the trapezoidal rule."""
    weight, ratio = 1.0, math.exp(-1 / 25)
    f, g = np.full_like(size, 0.5), np.zeros_like(size)
    for k in range(1, 32):
        square = k * k / 25.0 / (math.pi / 2 * size * size)
        weight *= ratio
        ratio *= math.exp(-2 / 25)
        f = f + weight / (1.0 + square * square)
        g = g + weight * square / (1.0 + square * square)
    scale = (2 / math.pi) ** 1.5 / math.sqrt(2) / size / 5.0
    # The angle pi x**2 / 2 in turns, of which the square of a whole number is 0 or a quarter.
    whole = np.floor(size)
    part, odd = size - whole, 0.25 * (whole - 2.0 * np.floor(0.5 * whole))
    over = 0.5 * whole * part + 0.25 * part * part
    angle = 2 * math.pi * (odd + (over - np.floor(over)))
    sine, cosine = np.sin(angle), np.cos(angle)
    rest = f * cosine + g * sine if is_sine else g * cosine - f * sine
    return np.asarray(0.5 - scale * rest)


def _fresnel(is_sine: bool) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        size = np.abs(x)
        is_far = (size > 1.5) & ~np.isinf(x)
        far = np.where(np.isinf(x), 0.5, _fresnel_far(np.where(is_far, size, 2.0), is_sine))
        near = _fresnel_near(np.where(size > 1.5, 1.0, x), is_sine)
        return np.where(size > 1.5, np.where(x < 0, -far, far), near)

    return in_doubles(compute)  # type: ignore[no-any-return]


def _turned(x: Node) -> Node:
    return scaled(multiply(x, x), math.pi / 2)


fresnel_s = elementwise(
    "fresnel_s",
    1,
    _fresnel(True),
    "The integral of sin(pi t**2 / 2) from 0 to x.",
    gradient=slope(lambda x, y: sin(_turned(x))),
    cheap=False,
)
fresnel_c = elementwise(
    "fresnel_c",
    1,
    _fresnel(False),
    "The integral of cos(pi t**2 / 2) from 0 to x.",
    gradient=slope(lambda x, y: cos(_turned(x))),
    cheap=False,
)


@surface("fresnel")
def fresnel(x: Node) -> tuple[Node, Node]:
    """Fresnel's integrals of sin(pi t**2 / 2) and of cos(pi t**2 / 2), from 0 to x."""
    return fresnel_s(x), fresnel_c(x)


# -- sine and cosine integrals --------------------------------------------------------------------


def _integral_near(x: Array, is_cosine: bool) -> Array:
    """The power series 6.6.5 and 6.6.6."""
    square, total = x * x, np.zeros_like(x)
    for k in range(18, 0, -1):
        m = 2.0 * k + (not is_cosine)
        total = (1.0 / m - total) * square / (m * (m - 1.0))
    return np.asarray(EULER + np.log(np.abs(x)) - total if is_cosine else x - x * total)


def _integral_far(size: Array, is_cosine: bool) -> Array:
    """By 6.2.17 to 6.2.20 from 6.7.13 and 6.7.14 with x t = exp(s - exp(-s))."""
    f, g = np.zeros_like(size), np.zeros_like(size)
    for k in range(-48, 49):
        s = k / 12.0
        near = math.exp(-s)
        v = math.exp(s - near)
        t = v / size
        height = math.exp(-v) * v * (1.0 + near) / (1.0 + t * t)
        f, g = f + height, g + height * t
    sine, cosine, scale = np.sin(size), np.cos(size), 1.0 / (12.0 * size)
    if is_cosine:
        return np.asarray(scale * (f * sine - g * cosine))
    return np.asarray(math.pi / 2 - scale * (f * cosine + g * sine))


def _integral(is_cosine: bool) -> Callable[..., Array]:
    def compute(x: Array) -> Array:
        size = np.abs(x)
        is_far, at_end = size > 4, 0.0 if is_cosine else math.pi / 2
        far = _integral_far(np.where(is_far & ~np.isinf(x), size, 8.0), is_cosine)
        far = np.where(np.isinf(x), at_end, far)
        value = np.where(is_far, far, _integral_near(np.where(is_far, 1.0, x), is_cosine))
        if not is_cosine:
            return np.where(is_far & (x < 0), -value, value)
        return np.where(np.isneginf(x), np.nan, np.where(x == 0, -np.inf, value))

    return in_doubles(compute)  # type: ignore[no-any-return]


sine_integral = elementwise(
    "sine_integral",
    1,
    _integral(False),
    "The integral of sin(t) / t from 0 to x.",
    gradient=slope(lambda x, y: functions["spherical_bessel_j0"](x)),
    cheap=False,
)
cosine_integral = elementwise(
    "cosine_integral",
    1,
    _integral(True),
    "Less the integral of cos(t) / t from |x| on.",
    gradient=slope(lambda x, y: divide(cos(x), x)),
    cheap=False,
    domain=(1.0, 2.0),
)


@surface("sici")
def sici(x: Node) -> tuple[Node, Node]:
    """The sine integral of x and the cosine integral of |x|."""
    return sine_integral(x), cosine_integral(x)
