"""Random tensors: distributions drawn from the counter-based generator.

Each takes the `seed`, a u64 tensor without axes, and the number of its own `stream`, so that what
is drawn depends neither on the order of computation nor on what passes do. In a model the two are
given by the frontend.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import Operand, broadcast, broadcast_shapes, normal_axis, promoted
from graphc.ir.ops.conversion import cast, cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like
from graphc.ir.ops.creation.sequences import one_hot
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    multiply,
    negative,
    remainder,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.logic import bitwise_or, left_shift, less, right_shift
from graphc.ir.ops.elementwise.transcendental import cos, log, sqrt
from graphc.ir.ops.nn.softmax import softmax_along
from graphc.ir.ops.random.generator import random_bits
from graphc.ir.ops.sorting.sort import argsort_along, topk
from graphc.ir.ops.structural import stop_gradient
from graphc.ir.ops.views.rearrange import moveaxis
from graphc.ir.ops.views.shape import broadcast_to

__all__ = ["bernoulli", "normal", "uniform"]

# A distribution may draw two numbers for each element: stream s of a caller owns the generator's
# streams 2s and 2s + 1.


def _unit(seed: Node, stream: int, shape: tuple[DimLike, ...], dtype: DType) -> Node:
    """Multiples of 2**-p in [0, 1), for the p bits of the significand of `dtype`."""
    bits = random_bits(seed, stream=2 * stream, shape=shape)
    if dtype is dtypes.f64:
        low = random_bits(seed, stream=2 * stream + 1, shape=shape)
        high = scaled(cast(_upper(bits, 26), dtype=dtype), 2.0**-26)
        return add(high, scaled(cast(_upper(low, 27), dtype=dtype), 2.0**-53))
    return scaled(cast(_upper(bits, dtype.precision), dtype=dtype), 2.0**-dtype.precision)


def _upper(bits: Node, count: int) -> Node:
    return right_shift(bits, constant_like(32 - count, bits))


def _require_float(name: str, dtype: DType) -> None:
    if dtype.kind != "float":
        raise DTypeError(f"{name} gives floats, not {dtype.name}", code="dtype-unsupported")


# -- shapes, and the places that other libraries have for them -----------------------------------


def _sizes(name: str, shape: Sequence[Any]) -> tuple[DimLike, ...]:
    """Sizes one by one, or all in one tuple."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int | Dim):
            raise UsageError(
                f"{name}: shape is {size!r} ({type(size).__name__}), expected a size",
                code="argument",
                hint=f"sizes are whole numbers: {name}(2, 3) or {name}((2, 3))",
            )
    return tuple(sizes)


def _shape_first(name: str, shape: Any, first: Any, second: Any) -> tuple[Any, float, float]:
    """The shape and two numbers, also where the shape stands last, as elsewhere."""
    if isinstance(second, tuple | list):
        shape, first, second = second, shape, first
    for value in (first, second):
        if not isinstance(value, int | float | Dim):
            raise UsageError(
                f"{name}: {value!r} ({type(value).__name__}) stands where a number is expected",
                code="argument",
                hint=f"it is {name}(shape, number, number)",
            )
    if not isinstance(shape, Iterable) or isinstance(shape, str | Node):
        raise UsageError(
            f"{name}: shape is {shape!r} ({type(shape).__name__}), expected a tuple of sizes",
            code="argument",
            hint=f"a shape is a tuple: {name}((2, 3))",
        )
    return shape, first, second


@surface("uniform")
def uniform(
    shape: Iterable[DimLike] | float,
    low: float = 0.0,
    high: float | Iterable[DimLike] = 1.0,
    dtype: DType = dtypes.f32,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """Numbers evenly spread over [low, high): all multiples of 2**-24 of the range for f32.

    The shape may stand last, as in NumPy: `uniform(0.0, 1.0, (2, 3))`.
    """
    _require_float("uniform", dtype)
    sizes, begin, end = _shape_first("uniform", shape, low, high)
    unit = _unit(seed, stream, tuple(sizes), dtype)
    if end - begin != 1:
        unit = scaled(unit, end - begin)
    return unit if begin == 0 else add(unit, constant_like(begin, unit))


@surface("normal")
def normal(
    shape: Iterable[DimLike] | float | Node | None = None,
    mean: float | Node | None = None,
    std: float | Iterable[DimLike] | Node | None = None,
    dtype: DType | None = None,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """Normally distributed numbers, f32 unless a dtype is given (Box and Muller, 1958).

    The mean is 0 and the deviation 1 where they are left out.
    Computed in f32, or in f64 for f64. The radius is drawn from 32 bits, so that |x| reaches 6.7
    standard deviations. The shape may stand last, as in PyTorch: `normal(0.0, 1.0, (2, 3))`.

    Means and deviations that are tensors broadcast, to the shape where one is given, and have
    gradients: `normal(mean, std)` is mean + std * normal(shape of both).
    """
    if any(isinstance(one, Node) for one in (shape, mean, std)):
        return _around(shape, mean, std, dtype, seed, stream)
    dtype = dtype or dtypes.f32
    _require_float("normal", dtype)
    mean, std = 0.0 if mean is None else mean, 1.0 if std is None else std
    given, center, spread = _shape_first("normal", shape, mean, std)
    wide = dtype if dtype is dtypes.f64 else dtypes.f32
    sizes = tuple(given)
    radius_bits = cast(random_bits(seed, stream=2 * stream, shape=sizes), dtype=wide)
    # The half keeps the logarithm finite at 0, and is rounded away from 2**24 on.
    uniform_radius = scaled(add(radius_bits, constant_like(0.5, radius_bits)), 2.0**-32)
    radius = sqrt(scaled(log(uniform_radius), -2.0))
    angle_bits = random_bits(seed, stream=2 * stream + 1, shape=sizes)
    turns = scaled(cast(_upper(angle_bits, 24), dtype=wide), 2.0**-24)
    value = multiply(radius, cos(scaled(turns, 2 * math.pi)))
    if spread != 1:
        value = scaled(value, spread)
    if center != 0:
        value = add(value, constant_like(center, value))
    return cast_to(value, dtype)


def _around(shape: Any, mean: Any, std: Any, dtype: DType | None, seed: Node, stream: int) -> Node:
    """`normal` of means and deviations of which one is a tensor at least."""
    if isinstance(std, tuple | list):
        shape, mean, std = std, shape, mean
    elif isinstance(shape, Node | float | int):
        if mean is not None and std is not None:
            raise UsageError(
                "normal: means in the place of a shape, and two deviations",
                code="argument",
                hint="it is normal(mean, std), or normal(shape, mean, std)",
            )
        shape, mean, std = None, shape, std if mean is None else mean
    for name, one in (("mean", mean), ("std", std)):
        if isinstance(one, Node) and one.dtype.kind != "float":
            raise DTypeError(f"normal: {name} is {one.type}, expected floats")
    center, spread = promoted(0.0 if mean is None else mean, 1.0 if std is None else std)
    dtype = dtype or center.dtype
    _require_float("normal", dtype)
    wide = dtype.accumulator
    sizes = broadcast_shapes(center.shape, spread.shape) if shape is None else tuple(shape)
    drawn = normal(sizes, dtype=wide, seed=seed, stream=stream)
    scale, shift = (broadcast_to(cast_to(x, wide), shape=sizes) for x in (spread, center))
    return cast_to(add(multiply(drawn, scale), shift), dtype)


@surface("rand")
def rand(
    *shape: DimLike | Iterable[DimLike], dtype: DType = dtypes.f32, seed: Node, stream: int
) -> Node:
    """Numbers evenly spread over [0, 1)."""
    return uniform(_sizes("rand", shape), dtype=dtype, seed=seed, stream=stream)


@surface("randn")
def randn(
    *shape: DimLike | Iterable[DimLike], dtype: DType = dtypes.f32, seed: Node, stream: int
) -> Node:
    """Normally distributed numbers, of mean 0 and standard deviation 1."""
    return normal(_sizes("randn", shape), dtype=dtype, seed=seed, stream=stream)


@surface("bernoulli")
def bernoulli(
    shape: Iterable[DimLike] | Node,
    probability: Operand | None = None,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """True with the given probability: a number, or a tensor that broadcasts to `shape`.

    A tensor of probabilities alone is drawn from in its own shape: `bernoulli(p)`.
    """
    if isinstance(shape, Node) and probability is None:
        probability = shape
        shape = shape.shape
    if not isinstance(shape, Iterable) or probability is None:
        raise UsageError(
            "bernoulli takes a shape and a probability, or a tensor of probabilities alone",
            code="argument",
            hint="write bernoulli((2, 3), 0.5) or bernoulli(p)",
        )
    unit = _unit(seed, stream, tuple(shape), dtypes.f32)
    return less(*broadcast(*promoted(unit, probability)))


# -- whole numbers --------------------------------------------------------------------------------


def _words(seed: Node, stream: int, shape: tuple[DimLike, ...]) -> Node:
    """64 random bits for each element."""
    high = cast(random_bits(seed, stream=2 * stream, shape=shape), dtype=dtypes.u64)
    low = cast(random_bits(seed, stream=2 * stream + 1, shape=shape), dtype=dtypes.u64)
    return bitwise_or(left_shift(high, constant_like(32, high)), low)


@surface("randint")
def randint(
    low: int,
    high: int | Iterable[DimLike] | None = None,
    shape: Iterable[DimLike] | None = None,
    dtype: DType = dtypes.i64,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """Whole numbers from `low` to `high - 1`; `randint(high, shape)` counts from 0.

    They are remainders of 64 bits, so that the shares of two numbers differ by less than
    (high - low) / 2**64.

    Raises:
        UsageError: no number is in the range, or the dtype does not hold all of them.
    """
    if not dtype.is_integer:
        raise DTypeError(f"randint gives whole numbers, not {dtype.name}", code="dtype-unsupported")
    if shape is None and not isinstance(high, int):
        high, shape = None, high
    if high is None:
        low, high = 0, low
    if not isinstance(high, int) or not isinstance(shape, Iterable):
        raise UsageError(
            "randint takes whole numbers and the shape",
            code="argument",
            hint="write randint(low, high, (2, 3)) or randint(high, (2, 3))",
        )
    if low >= high:
        raise UsageError(f"randint: there is no number from {low} to below {high}")
    if low < dtype.minimum_value or high - 1 > dtype.maximum_value:
        raise UsageError(
            f"randint: {dtype.name} does not hold all numbers from {low} to {high - 1}"
        )
    words = _words(seed, stream, tuple(shape))
    if high - low < 2**64:
        words = remainder(words, constant_like(high - low, words))
    # Wrapping, as numbers of 64 bits do, brings negative bounds back.
    begin = constant_like(low % 2**64, words)
    moved = add(words, begin)
    return cast_to(cast_to(moved, dtypes.i64) if low < 0 else moved, dtype)


@surface("randperm")
def randperm(n: DimLike, dtype: DType = dtypes.i64, *, seed: Node, stream: int) -> Node:
    """The numbers from 0 to n - 1 in random order: how 64 random bits for each of them sort."""
    return cast_to(argsort_along(_words(seed, stream, (n,))), dtype)


# -- continuous distributions ---------------------------------------------------------------------


def _open_unit(seed: Node, stream: int, shape: tuple[DimLike, ...], dtype: DType) -> Node:
    """Numbers inside (0, 1), neither end among them: odd multiples of 2**-24."""
    bits = _upper(random_bits(seed, stream=2 * stream, shape=shape), 23)
    count = cast(bits, dtype=dtype)
    return scaled(add(count, constant_like(0.5, count)), 2.0**-23)


def _wide(dtype: DType) -> DType:
    return dtype if dtype is dtypes.f64 else dtypes.f32


@surface("exponential")
def exponential(
    shape: Iterable[DimLike],
    rate: float = 1.0,
    dtype: DType = dtypes.f32,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """Exponentially distributed numbers, of mean 1 / rate."""
    _require_float("exponential", dtype)
    if rate <= 0:
        raise UsageError(f"exponential: the rate is {rate}", hint="it is above 0")
    unit = _open_unit(seed, stream, tuple(shape), _wide(dtype))
    return cast_to(scaled(log(unit), -1.0 / rate), dtype)


@surface("gumbel")
def gumbel(
    shape: Iterable[DimLike],
    loc: float = 0.0,
    scale: float = 1.0,
    dtype: DType = dtypes.f32,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """Numbers of the standard Gumbel distribution, -log(-log(u)), scaled and moved."""
    _require_float("gumbel", dtype)
    unit = _open_unit(seed, stream, tuple(shape), _wide(dtype))
    value = negative(log(negative(log(unit))))
    value = scaled(value, scale) if scale != 1 else value
    return cast_to(add(value, constant_like(loc, value)) if loc else value, dtype)


@surface("rand_like")
def rand_like(x: Node, dtype: DType | None = None, *, seed: Node, stream: int) -> Node:
    """`rand` of the shape of `x`, and of its dtype by default."""
    return uniform(x.shape, dtype=dtype or x.dtype, seed=seed, stream=stream)


@surface("randn_like")
def randn_like(x: Node, dtype: DType | None = None, *, seed: Node, stream: int) -> Node:
    """`randn` of the shape of `x`, and of its dtype by default."""
    return normal(x.shape, dtype=dtype or x.dtype, seed=seed, stream=stream)


@surface("randint_like")
def randint_like(
    x: Node,
    low: int,
    high: int | None = None,
    dtype: DType | None = None,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """`randint` of the shape of `x`, and of its dtype by default, which may be a float's;
    `randint_like(x, high)` counts from 0.
    """
    given = dtype = dtype or x.dtype
    if not dtype.is_integer:
        _require_float("randint_like", dtype)
        dtype = dtypes.i64
    return cast_to(randint(low, high, x.shape, dtype, seed=seed, stream=stream), given)


# -- choices --------------------------------------------------------------------------------------


@surface("categorical")
def categorical(
    logits: Node,
    axis: int = -1,
    shape: Iterable[DimLike] | None = None,
    *,
    seed: Node,
    stream: int,
) -> Node:
    """A class for each row of `logits` along `axis`, with the probabilities of their softmax.

    `shape` is that of the result; its last axes are those of `logits` without `axis`. Drawn as the
    largest of the logits plus Gumbel noise (E. J. Gumbel, 1954).
    """
    place = normal_axis(axis, len(logits.shape), "categorical")
    rows = moveaxis(logits, place, -1)
    _require_float("categorical", rows.dtype)
    wanted = rows.shape[:-1] if shape is None else tuple(shape)
    kept = len(rows.shape) - 1
    if wanted[len(wanted) - kept :] != rows.shape[:-1]:
        raise ShapeError(
            f"categorical: shape {wanted} for {logits.type}",
            hint=f"it ends with {rows.shape[:-1]}, one class for each row",
        )
    noise = gumbel((*wanted, rows.shape[-1]), dtype=rows.dtype, seed=seed, stream=stream)
    drawn: Node = functions["argmax"](add(*broadcast(rows, noise)), axis=-1)
    return drawn


@surface("multinomial")
def multinomial(
    x: Node, num_samples: int, replacement: bool = False, *, seed: Node, stream: int
) -> Node:
    """`num_samples` classes for each row of the weights `x` [..., C], which need not sum to 1.

    Without replacement the classes of a row differ: the largest of log-weights plus Gumbel noise
    (W. Kool, H. van Hoof and M. Welling, "Stochastic beams and where to find them", 2019).
    """
    _require_float("multinomial", x.dtype)
    if num_samples < 1:
        raise UsageError(f"multinomial: num_samples is {num_samples}")
    if not x.shape:
        raise ShapeError(f"multinomial: {x.type} has no axis of classes", code="rank")
    logits = log(cast_to(x, _wide(x.dtype)))
    rows = logits.shape[:-1]
    if replacement:
        each = categorical(logits, shape=(num_samples, *rows), seed=seed, stream=stream)
        return moveaxis(each, 0, -1)
    if not dims.always_less_equal(num_samples, x.shape[-1]):
        raise ShapeError(
            f"multinomial: {num_samples} of {x.shape[-1]} classes, without replacement",
            hint="draw fewer, or with replacement=True",
        )
    noise = gumbel(logits.shape, dtype=logits.dtype, seed=seed, stream=stream)
    return topk(add(logits, noise), num_samples)[1]


@surface("gumbel_softmax")
@rounded_once
def gumbel_softmax(
    logits: Node,
    tau: float = 1.0,
    hard: bool = False,
    *,
    axis: int = -1,
    seed: Node,
    stream: int,
) -> Node:
    """softmax((logits + Gumbel noise) / tau), a differentiable draw of a class.

    hard: one-hot in value, with the gradient of the soft one (E. Jang, S. Gu and B. Poole, 2017).
    """
    if tau == 0:
        raise UsageError("gumbel_softmax: tau is 0", hint="give a positive number")
    noise = gumbel(logits.shape, dtype=logits.dtype, seed=seed, stream=stream)
    soft = softmax_along(scaled(add(logits, noise), 1.0 / tau), axis)
    if not hard:
        return soft
    best: Node = functions["argmax"](soft, axis=axis)
    place = normal_axis(axis, len(soft.shape), "gumbel_softmax")
    chosen = one_hot(best, soft.shape[place], soft.dtype, place)
    return add(stop_gradient(subtract(chosen, soft)), soft)
