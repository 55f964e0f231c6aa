"""First values of parameters, as graphs: functions from shape, dtype and key to a node."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import constants as creation
from graphc.ir.ops.random import distributions
from graphc.ir.record import Record

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "Key",
    "array",
    "full",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


class Key(Record):
    """What random numbers are drawn from: the same key gives the same numbers.

    Attributes:
        seed: a node of type u64[].
        stream: 0 to 2**63 - 1; each user of a seed has its own.
    """

    seed: Node
    stream: int

    @classmethod
    def of(cls, seed: Node, path: str) -> Key:
        """The key of what is called `path`: it depends on that name and on no other one."""
        digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
        return cls(seed, int.from_bytes(digest, "little") >> 1)


Initializer = Callable[[tuple[int, ...], DType, Key], Node]


def full(value: bool | int | float | complex) -> Initializer:
    """Every element is `value`."""
    return lambda shape, dtype, key: creation.full(shape, value, dtype)


def zeros() -> Initializer:
    """Every element is 0."""
    return lambda shape, dtype, key: creation.zeros(shape, dtype)


def ones() -> Initializer:
    """Every element is 1."""
    return lambda shape, dtype, key: creation.ones(shape, dtype)


def array(values: Any) -> Initializer:
    """The elements of an array, which the module then contains.

    Raises:
        ShapeError: the parameter has another shape than the array.
    """
    source = np.asarray(values, order="C")

    def initialize(shape: tuple[int, ...], dtype: DType, key: Key) -> Node:
        if source.shape != shape and (source.size or 0 not in shape):
            raise ShapeError(f"the array for the first value is {source.shape}, expected {shape}")
        stored = source.astype(dtype.numpy).reshape(shape)
        return creation.tensor(data=stored.tobytes(), dtype=dtype, shape=shape)

    return initialize


def uniform(low: float = 0.0, high: float = 1.0) -> Initializer:
    """Evenly spread over [low, high)."""
    return lambda shape, dtype, key: cast_to(
        distributions.uniform(
            shape, low, high, dtype.accumulator, seed=key.seed, stream=key.stream
        ),
        dtype,
    )


def normal(mean: float = 0.0, std: float = 1.0) -> Initializer:
    """Normally distributed."""
    return lambda shape, dtype, key: distributions.normal(
        shape, mean, std, dtype, seed=key.seed, stream=key.stream
    )


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight [out, in, *window]."""
    if len(shape) < 2:
        raise ShapeError(
            f"an initialiser by fan needs a weight of two axes or more, and this is {shape}",
            hint="use uniform(low, high), normal(mean, std) or zeros()",
        )
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


_GAINS: dict[str, float] = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def gain(nonlinearity: str, slope: float = 0.0) -> float:
    """The factor by which weights are wider for the activation that follows them, as PyTorch's.

    >>> round(gain("relu"), 4)
    1.4142

    Raises:
        UsageError: the activation is unknown.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise UsageError(f"no gain is known for {nonlinearity!r}", hint=f"known are {known}")
    return _GAINS[nonlinearity]


def _scaled(
    draw: Callable[[float], Initializer], deviation: Callable[[tuple[int, ...]], float]
) -> Initializer:
    def initialize(shape: tuple[int, ...], dtype: DType, key: Key) -> Node:
        if 0 in shape:
            return creation.zeros(shape, dtype)
        return draw(deviation(shape))(shape, dtype, key)

    return initialize


def _uniform_of(std: float) -> Initializer:
    bound = math.sqrt(3.0) * std
    return uniform(-bound, bound)


def _normal_of(std: float) -> Initializer:
    return normal(0.0, std)


def kaiming_uniform(a: float = 0.0, nonlinearity: str = "leaky_relu") -> Initializer:
    """Evenly spread, of standard deviation gain / sqrt(fan in) (K. He et al., 2015)."""
    return _scaled(_uniform_of, lambda shape: gain(nonlinearity, a) / math.sqrt(_fans(shape)[0]))


def kaiming_normal(a: float = 0.0, nonlinearity: str = "leaky_relu") -> Initializer:
    """Normally distributed, of standard deviation gain / sqrt(fan in) (K. He et al., 2015)."""
    return _scaled(_normal_of, lambda shape: gain(nonlinearity, a) / math.sqrt(_fans(shape)[0]))


def xavier_uniform(gain: float = 1.0) -> Initializer:
    """Evenly spread, of variance gain**2 * 2 / (fan in + fan out) (X. Glorot, Y. Bengio, 2010)."""
    return _scaled(_uniform_of, lambda shape: gain * math.sqrt(2.0 / sum(_fans(shape))))


def xavier_normal(gain: float = 1.0) -> Initializer:
    """Normally distributed, of variance gain**2 * 2 / (fan in + fan out) (Glorot, Bengio, 2010)."""
    return _scaled(_normal_of, lambda shape: gain * math.sqrt(2.0 / sum(_fans(shape))))


INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    "full": full,
    "zeros": zeros,
    "ones": ones,
    "uniform": uniform,
    "normal": normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
}
"""What the initialiser of a parameter is called in the language: `param w: f32[4] = ones()`."""


def first_value(
    path: str, shape: tuple[int, ...], dtype: DType, init: Initializer, seed: Node
) -> Node:
    """The first value of the state called `path`.

    Raises:
        ShapeError, DTypeError: the initialiser gives another type than the state has.
    """
    value = init(shape, dtype, Key.of(seed, path))
    expected = creation.zeros(shape, dtype).type
    if value.type is not expected:
        raise ShapeError(
            f"the initialiser of {path!r} gives {value.type}, expected {expected}",
            hint="an initialiser is a function of (shape, dtype, key) that gives a node of them",
        )
    return value


SEED_DTYPE = dtypes.u64
"""The dtype of the seed that a unit's initial graph takes."""
