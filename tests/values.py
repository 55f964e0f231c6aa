"""Values to try programs on: random numbers with special ones among them, and how to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate_node
from graphc.ir.node import Node, topological
from graphc.ir.types import TensorType

Array = np.ndarray[Any, Any]


@cache
def special_values(dtype: DType) -> tuple[Any, ...]:
    """Numbers of a dtype at which programs break: ends of the range, zeros, NaN, subnormals."""
    scalar = dtype.numpy.type
    if dtype.kind == "bool":
        return (scalar(False), scalar(True))
    if dtype.is_integer:
        ends = (dtype.minimum_value, dtype.maximum_value)
        return tuple(scalar(value) for value in (*ends, 0, 1, *((-1,) if ends[0] < 0 else ())))
    largest, smallest = dtype.maximum_value, dtype.smallest_normal
    reals = [0.0, -0.0, 1.0, -1.0, float("nan"), largest, -largest, smallest, smallest / 2]
    # f8e4m3 has no infinities: the conversion gives NaN there, which is a special value as well.
    reals += [float("inf"), float("-inf"), 0.5, 2.5]
    if dtype.kind != "complex":
        return tuple(np.asarray(reals).astype(dtype.numpy))
    pairs = [(0.0, -0.0), (float("inf"), 1.0), (float("nan"), 0.0), (-1.0, float("-inf"))]
    return tuple(np.asarray([complex(*pair) for pair in pairs]).astype(dtype.numpy))


def random_array(
    type_: TensorType,
    rng: np.random.Generator,
    *,
    domain: tuple[float, float] = (-2.0, 2.0),
    special: bool = True,
) -> Array:
    """Random numbers of a type whose dims are numbers.

    Args:
        type_: dtype and shape.
        rng: the source.
        domain: what real numbers are drawn from.
        special: put special values in about a third of the places.
    """
    dtype, shape = type_.dtype, tuple(int(str(size)) for size in type_.shape)
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_integer:
        low, high = int(dtype.minimum_value), int(dtype.maximum_value)
        near = rng.integers(max(low, -9), 10, shape)
        if not special:
            return near.astype(dtype.numpy)
        wide = rng.integers(low, high, shape, dtype=dtype.numpy, endpoint=True)
        array = np.where(rng.random(shape) < 0.5, near.astype(dtype.numpy), wide)
    else:
        array = rng.uniform(*domain, shape)
        if dtype.kind == "complex":
            array = array + 1j * rng.uniform(*domain, shape)
    array = np.asarray(array).astype(dtype.numpy)
    if special:
        values = np.asarray(special_values(dtype), dtype.numpy)
        chosen = values[rng.integers(0, len(values), shape)]
        array = np.where(rng.random(shape) < 0.35, chosen, array)
    return array


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays are equal bit for bit; every NaN is the same NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return same_bits(a.real, b.real) and same_bits(a.imag, b.imag)
    with np.errstate(all="ignore"):
        is_nan = (a != a) & (b != b)
    width = np.dtype(f"u{a.dtype.itemsize}")
    bits_a, bits_b = (np.ascontiguousarray(x).view(width).reshape(x.shape) for x in (a, b))
    return bool(np.all((bits_a == bits_b) | is_nan))


def evaluate_nodes(
    roots: Sequence[Node],
    values: Mapping[Node, Array],
    sizes: Mapping[str, int] | None = None,
    *,
    precise: bool = False,
) -> list[Any]:
    """The values of nodes by the references of their ops, given those of the inputs.

    Args:
        roots: what to compute.
        values: arrays for the inputs; any node may be given.
        sizes: the named dims.
        precise: compute in float64 and complex128.
    """
    known: dict[Node, Any] = dict(values)
    for node in topological(roots):
        if node not in known:
            operands = [known[operand] for operand in node.inputs]
            known[node] = evaluate_node(node, operands, sizes or {}, precise=precise)
    return [known[root] for root in roots]
