"""Discrete Fourier transforms, under the names of the array API standard.

One op transforms one axis of complex numbers; everything else is written with it. J. Cooley and
J. Tukey (1965), as pocketfft computes it, through NumPy, on the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Call, HostCall, Op, Parameter, Refused, Sample, functions, surface
from graphc.ir.ops.argument_names import offer
from graphc.ir.ops.broadcasting import normal_axes, normal_axis
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import dim_value, full_like, iota, placed, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, reciprocal, scaled, subtract
from graphc.ir.ops.elementwise.complex_numbers import conjugate, real
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.elementwise.logic import equal, greater_equal, logical_or, where
from graphc.ir.ops.views.shape import require_axes
from graphc.ir.ops.views.slicing import pad, slice_
from graphc.ir.types import TensorType

__all__ = ["transform"]

Array = np.ndarray[Any, Any]
Norm = Literal["backward", "ortho", "forward"] | None
"""What divides the sums; None is "backward"."""

_COMPLEX = (dtypes.c64, dtypes.c128)


# -- the op ---------------------------------------------------------------------------------------


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = operands[0].tensor
    if type_.dtype not in _COMPLEX:
        raise DTypeError(f"{op.name} takes c64 or c128, not {type_.dtype.name}")
    require_axes(op, (attributes["axis"],), operands[0])
    return type_


def _reference(call: Call, x: Array) -> Array:
    axis = call["axis"]
    if not x.size:
        return np.zeros(call.shape, x.dtype)
    if call["inverse"]:
        found = np.fft.ifft(x, axis=axis, norm="forward")
    else:
        found = np.fft.fft(x, axis=axis)
    return np.asarray(found).astype(x.dtype, copy=False)


def _samples() -> Iterable[Sample]:
    for dtype in _COMPLEX:
        for shape, axis in (((5,), 0), ((3, 8), 1), ((4, 3), 0), ((2, 1), 1), ((0, 4), 1)):
            for inverse in (False, True):
                yield Sample((TensorType(dtype, shape),), {"axis": axis, "inverse": inverse})


transform: Op = Op(
    "fourier_transform",
    1,
    infer=_infer,
    reference=_reference,
    lowering=HostCall(),
    # The matrix of the transform is symmetric, and cotangents pair without conjugation.
    gradient=lambda node, g: (transform(g, axis=node["axis"], inverse=node["inverse"]),),
    parameters=(Parameter("axis"), Parameter("inverse", False)),
    samples=_samples,
    refused=lambda: (
        Refused((TensorType(dtypes.f32, (3,)),), {"axis": 0}, DTypeError),
        Refused((TensorType(dtypes.c64, (3,)),), {"axis": 1}, ShapeError),
    ),
    doc="sum[j] x[j] * exp(-2πi*j*k/n) along an axis (+ if `inverse`); nothing is divided by n.",
)


# -- one axis -------------------------------------------------------------------------------------


def _complex(x: Node) -> Node:
    if x.dtype.kind == "complex":
        return x
    require_computable("a Fourier transform", x.dtype)
    return cast_to(x, dtypes.c128 if x.dtype is dtypes.f64 else dtypes.c64)


def _length(name: str, size: DimLike) -> DimLike:
    """The size, where there is a transform of it."""
    if isinstance(size, bool) or not isinstance(size, int | Dim):
        raise UsageError(f"{name}: {size!r} is no size", hint="sizes are whole numbers, or dims")
    if not dims.always_less_equal(1, size):
        raise ShapeError(
            f"{name}: {size} elements, expected 1 or more",
            hint="let the dim's range begin where there is one" if isinstance(size, Dim) else None,
        )
    return size


def _fitted(x: Node, axis: int, count: DimLike) -> Node:
    """`x` cut, or padded with zeros, to `count` elements along an axis."""
    kept = dims.minimum(x.shape[axis], count)
    rank = len(x.shape)
    if kept != x.shape[axis]:
        stop = tuple(kept if i == axis else n for i, n in enumerate(x.shape))
        x = slice_(x, start=(0,) * rank, stop=stop, step=(1,) * rank)
    if kept != count:
        after = tuple(count - kept if i == axis else 0 for i in range(rank))
        x = pad(x, before=(0,) * rank, after=after, value=0)
    return x


def _known_norm(name: str, norm: Norm) -> str:
    if norm is None:
        return "backward"
    if norm not in ("backward", "ortho", "forward"):
        raise UsageError(f'{name}: norm is {norm!r}, expected "backward", "ortho" or "forward"')
    return norm


def _normed(name: str, x: Node, norm: Norm, count: DimLike, inverse: bool) -> Node:
    """The sums of a transform of `count` elements as `norm` divides them."""
    kind = _known_norm(name, norm)
    power = 0.5 if kind == "ortho" else float(inverse == (kind == "backward"))
    if power == 0 or count == 1:
        return x
    if isinstance(count, int):
        return scaled(x, 1 / count if power == 1 else 1 / math.sqrt(count))
    size = dim_value(dim=count, dtype=x.dtype.real)
    divisor: Node = functions["sqrt"](size) if kind == "ortho" else size
    result: Node = functions["multiply"](x, reciprocal(divisor))
    return result


def _along(name: str, x: Node, n: DimLike | None, axis: int, norm: Norm, inverse: bool) -> Node:
    place = normal_axis(axis, len(x.shape), name)
    count = _length(name, x.shape[place] if n is None else n)
    fitted = _fitted(_complex(x), place, count)
    return _normed(name, transform(fitted, axis=place, inverse=inverse), norm, count, inverse)


@surface("fft")
def fft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The discrete Fourier transform along an axis, of `n` elements (cut, or padded with zeros)."""
    return _along("fft", x, n, axis, norm, inverse=False)


@surface("ifft")
def ifft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The inverse of `fft`."""
    return _along("ifft", x, n, axis, norm, inverse=True)


def _require_real(name: str, x: Node) -> None:
    if x.dtype.kind == "complex":
        raise DTypeError(
            f"{name} takes real numbers, not {x.dtype.name}", hint="use fft for complex ones"
        )


@surface("rfft")
def rfft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The first n // 2 + 1 elements of the transform of real numbers; the others mirror them."""
    _require_real("rfft", x)
    whole = _along("rfft", x, n, axis, norm, inverse=False)
    place = normal_axis(axis, len(x.shape), "rfft")
    return _fitted(whole, place, whole.shape[place] // 2 + 1)


@surface("irfft")
def irfft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The inverse of `rfft`, `n` real numbers (2 * (elements - 1) unless given)."""
    place = normal_axis(axis, len(x.shape), "irfft")
    half = _length("irfft", x.shape[place])
    count = _length("irfft", 2 * (half - 1) if n is None else n)
    mirrored = _mirrored(_fitted(_complex(x), place, count // 2 + 1), place, count)
    return real(_along("irfft", mirrored, None, place, norm, inverse=True))


def _mirrored(x: Node, axis: int, count: DimLike) -> Node:
    """The whole spectrum of `count` real numbers, from its first half; what must be real is."""
    place = iota(shape=x.shape, axis=axis, dtype=dtypes.i64)
    is_own_mirror = logical_or(
        equal(place, zeros_like(place)), equal(add(place, place), full_like(place, count))
    )
    first = where(is_own_mirror, cast_to(real(x), x.dtype), x)
    rest = functions["flip"](functions["narrow"](first, axis, 1, (count - 1) // 2), axis)
    whole: Node = functions["concat"]([first, conjugate(rest)], axis)
    return whole


@surface("hfft")
def hfft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The transform of a signal that equals its mirrored conjugate: real numbers."""
    return irfft(conjugate(_complex(x)), n, axis, _opposite("hfft", norm))


@surface("ihfft")
def ihfft(x: Node, n: DimLike | None = None, axis: int = -1, norm: Norm = "backward") -> Node:
    """The inverse of `hfft`."""
    return conjugate(rfft(x, n, axis, _opposite("ihfft", norm)))


def _opposite(name: str, norm: Norm) -> Norm:
    opposites: dict[str, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
    return opposites[_known_norm(name, norm)]


# -- several axes ---------------------------------------------------------------------------------

Axes = int | Sequence[int] | None


def _axes_and_sizes(
    name: str, x: Node, s: Sequence[DimLike] | None, axes: Axes
) -> list[tuple[int, DimLike | None]]:
    rank = len(x.shape)
    if axes is None:
        places = list(range(rank - len(s) if s else 0, rank))
    else:
        given = [axes] if isinstance(axes, int) else list(axes)
        places = [normal_axis(axis, rank, name) for axis in given]
        normal_axes(tuple(places), rank, name)
    if s is not None and len(s) != len(places):
        raise UsageError(f"{name}: {len(s)} sizes for {len(places)} axes")
    sizes: list[DimLike | None] = [None] * len(places) if s is None else list(s)
    return list(zip(places, sizes, strict=True))


def _others_and_last(
    name: str, x: Node, s: Sequence[DimLike] | None, axes: Axes
) -> tuple[list[tuple[int, DimLike | None]], tuple[int, DimLike | None]]:
    pairs = _axes_and_sizes(name, x, s, axes)
    if not pairs:
        raise ShapeError(f"{name}: {x.type} along no axis", hint="name at least one axis")
    return pairs[:-1], pairs[-1]


def _in_turn(
    name: str, x: Node, pairs: Iterable[tuple[int, DimLike | None]], norm: Norm, inverse: bool
) -> Node:
    for axis, size in pairs:
        x = _along(name, x, size, axis, norm, inverse)
    return x


def _declare_several(name: str, inverse: bool, default: Axes) -> None:
    def call(
        x: Node, s: Sequence[DimLike] | None = None, axes: Axes = default, norm: Norm = "backward"
    ) -> Node:
        return _in_turn(name, x, _axes_and_sizes(name, x, s, axes), norm, inverse)

    offer(call, name, f"`{'ifft' if inverse else 'fft'}` along each of several axes.")


def _declare_real(name: str, default: Axes) -> None:
    def call(
        x: Node, s: Sequence[DimLike] | None = None, axes: Axes = default, norm: Norm = "backward"
    ) -> Node:
        others, (axis, size) = _others_and_last(name, x, s, axes)
        return _in_turn(name, rfft(x, size, axis, norm), others, norm, inverse=False)

    offer(call, name, "`rfft` along the last of several axes, then `fft` along the others.")


def _declare_inverse_real(name: str, default: Axes) -> None:
    def call(
        x: Node, s: Sequence[DimLike] | None = None, axes: Axes = default, norm: Norm = "backward"
    ) -> Node:
        others, (axis, size) = _others_and_last(name, x, s, axes)
        return irfft(_in_turn(name, x, others, norm, inverse=True), size, axis, norm)

    offer(call, name, "The inverse of the transform of real numbers along several axes.")


def _declare_hermitian(name: str, default: Axes) -> None:
    def call(
        x: Node, s: Sequence[DimLike] | None = None, axes: Axes = default, norm: Norm = "backward"
    ) -> Node:
        others, (axis, size) = _others_and_last(name, x, s, axes)
        return hfft(_in_turn(name, x, others, norm, inverse=False), size, axis, norm)

    offer(call, name, "`fft` along several axes but the last, then `hfft` along that one.")


def _declare_inverse_hermitian(name: str, default: Axes) -> None:
    def call(
        x: Node, s: Sequence[DimLike] | None = None, axes: Axes = default, norm: Norm = "backward"
    ) -> Node:
        others, (axis, size) = _others_and_last(name, x, s, axes)
        return _in_turn(name, ihfft(x, size, axis, norm), others, norm, inverse=True)

    offer(call, name, "`ihfft` along the last of several axes, then `ifft` along the others.")


_declare_several("fftn", inverse=False, default=None)
_declare_several("ifftn", inverse=True, default=None)
_declare_several("fft2", inverse=False, default=(-2, -1))
_declare_several("ifft2", inverse=True, default=(-2, -1))
_declare_real("rfftn", None)
_declare_real("rfft2", (-2, -1))
_declare_inverse_real("irfftn", None)
_declare_inverse_real("irfft2", (-2, -1))
_declare_hermitian("hfftn", None)
_declare_hermitian("hfft2", (-2, -1))
_declare_inverse_hermitian("ihfftn", None)
_declare_inverse_hermitian("ihfft2", (-2, -1))


# -- frequencies ----------------------------------------------------------------------------------


@surface("fftfreq")
@placed
def fftfreq(n: DimLike, d: float = 1.0, dtype: DType | None = None) -> Node:
    """The frequency of each element of a transform of `n` samples that are `d` apart (f32)."""
    count = iota(shape=(_length("fftfreq", n),), axis=0, dtype=dtype or dtypes.f32)
    is_late = greater_equal(count, full_like(count, (n + 1) // 2))
    return _per_sample(where(is_late, subtract(count, full_like(count, n)), count), n, d)


@surface("rfftfreq")
@placed
def rfftfreq(n: DimLike, d: float = 1.0, dtype: DType | None = None) -> Node:
    """The frequency of each element of `rfft` of `n` samples that are `d` apart (f32)."""
    count = _length("rfftfreq", n) // 2 + 1
    return _per_sample(iota(shape=(count,), axis=0, dtype=dtype or dtypes.f32), n, d)


def _per_sample(number: Node, n: DimLike, d: float) -> Node:
    """Numbers of waves in `n` samples that are `d` apart as frequencies."""
    if d == 0:
        raise UsageError("fftfreq: samples that are 0 apart", hint="give their distance, as d=0.1")
    if isinstance(n, int):
        return scaled(number, 1 / (n * d))
    return divide(number, scaled(full_like(number, n), d))


def _shifted(name: str, x: Node, axes: Axes, sign: int) -> Node:
    places = normal_axes(axes, len(x.shape), name)
    for axis in places:
        half = x.shape[axis] // 2
        x = functions["roll"](x, half if sign > 0 else -half, axis)
    return x


@surface("fftshift")
def fftshift(x: Node, axes: Axes = None) -> Node:
    """The spectrum with frequency zero in the middle of each axis."""
    return _shifted("fftshift", x, axes, 1)


@surface("ifftshift")
def ifftshift(x: Node, axes: Axes = None) -> Node:
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", x, axes, -1)
