"""Random numbers: a counter-based generator, so that every element is computed on its own.

Element i of stream s under a seed is one value of Philox-4x32-10, whatever the device and the
number of threads: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random
numbers: as easy as 1, 2, 3" (2011). The seed is the key; the counter is (i, s), 64 bits each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims, expr
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.expr import Apply, Expr, Index, IndexValue, Read
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, Op, Parameter, Refused, Sample, Source
from graphc.ir.ops.creation.constants import full, iota
from graphc.ir.ops.elementwise.declaration import SHAPES, require_same
from graphc.ir.ops.views.flat_index import ravel
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.ir.types import TensorType

__all__ = ["philox", "philox_words", "random_bits"]

Array = np.ndarray[Any, Any]

_LOW_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10

_BLOCK = 1 << 14


def philox_words(seed: Array, stream: Array, counter: Array) -> tuple[Array, Array, Array, Array]:
    """The four words of Philox-4x32-10, each in the low half of a 64-bit number."""
    words = [counter & _LOW_WORD, counter >> _SHIFT, stream & _LOW_WORD, stream >> _SHIFT]
    key = [seed & _LOW_WORD, seed >> _SHIFT]
    for round_ in range(_ROUNDS):
        if round_:
            key = [(k + np.uint64(w)) & _LOW_WORD for k, w in zip(key, _WEYL, strict=True)]
        first, second = (m * w for m, w in zip(_MULTIPLIERS, words[::2], strict=True))
        words = [
            (second >> _SHIFT) ^ words[1] ^ key[0],
            second & _LOW_WORD,
            (first >> _SHIFT) ^ words[3] ^ key[1],
            first & _LOW_WORD,
        ]
    return words[0], words[1], words[2], words[3]


# -- the generator --------------------------------------------------------------------------------


def _infer_philox(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_same(op, operands)
    if type_.dtype is not dtypes.u64:
        raise DTypeError(f"philox takes u64 operands, not {type_.dtype.name}")
    return TensorType(dtypes.u32, type_.shape)


def _philox_reference(call: Call, seed: Array, stream: Array, counter: Array) -> Array:
    flat = [seed.reshape(-1), stream.reshape(-1), counter.reshape(-1)]
    return _in_blocks(call.shape, lambda block: [array[block] for array in flat])


def _in_blocks(shape: tuple[int, ...], operands: Callable[[slice], Sequence[Array]]) -> Array:
    """The first words, computed a block at a time, whose intermediates stay in a core's cache."""
    words = np.empty(math.prod(shape), np.uint32)
    with np.errstate(over="ignore"):
        for begin in range(0, words.size, _BLOCK):
            block = slice(begin, min(begin + _BLOCK, words.size))
            words[block] = philox_words(*operands(block))[0]
    return words.reshape(shape)


philox = Op(
    "philox",
    3,
    infer=_infer_philox,
    reference=_philox_reference,
    lowering=Elementwise("gc_philox({0}, {1}, {2})", cheap=False),
    samples=lambda: (
        Sample((TensorType(dtypes.u64, shape),) * 3, domain=(0.0, 1e19)) for shape in SHAPES
    ),
    refused=lambda: (
        Refused((TensorType(dtypes.u32, (2,)),) * 3, {}, DTypeError),
        Refused(
            (*(TensorType(dtypes.u64, (2,)),) * 2, TensorType(dtypes.u64, (3,))), {}, ShapeError
        ),
    ),
    doc="The first word of Philox-4x32-10 under the key x and the counter (z, y).",
)


def _infer_bits(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    seed, stream = operands[0].tensor, attributes["stream"]
    if seed.dtype is not dtypes.u64 or seed.shape:
        raise DTypeError(
            f"random_bits: the seed is {seed}, expected u64[]", hint="cast it: cast(seed, u64)"
        )
    if not 0 <= stream < 2**64:
        raise UsageError(f"random_bits: the stream is {stream}, expected 0 to 2**64 - 1")
    return TensorType(dtypes.u32, tuple(attributes["shape"]))


def _bits_reference(call: Call, seed: Array) -> Array:
    stream = np.asarray(call["stream"], np.uint64)
    return _in_blocks(
        call.shape,
        lambda block: (seed, stream, np.arange(block.start, block.stop, dtype=np.uint64)),
    )


def _bits_element(node: Node, index: Index, read: Read) -> Expr:
    stream = expr.Constant(node["stream"], dtypes.u64)
    counter = IndexValue(ravel(index, node.shape), dtypes.u64)
    return Apply(philox, (read(0, ()), stream, counter), dtypes.u32)


def _bits_batch(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    """The bits under each of several seeds."""
    (seeds,) = operands
    shape = (size, *node.shape)
    counter = iota(shape=(dims.product(node.shape),), axis=0, dtype=dtypes.u64)
    return philox(
        broadcast_to(reshape(seeds, shape=(size, *(1,) * len(node.shape))), shape=shape),
        full(shape, node["stream"], dtypes.u64),
        broadcast_to(reshape(counter, shape=(1, *node.shape)), shape=shape),
    )


random_bits = Op(
    "random_bits",
    1,
    infer=_infer_bits,
    reference=_bits_reference,
    lowering=Source(_bits_element),
    batch=_bits_batch,
    parameters=(Parameter("stream"), Parameter("shape")),
    samples=lambda: (
        Sample((TensorType(dtypes.u64, ()),), {"stream": stream, "shape": shape}, (0.0, 1e19))
        for stream, shape in ((0, (3, 5)), (2**64 - 1, ()), (7, (0, 3)), (1, (2, 1, 7)))
    ),
    refused=lambda: (
        Refused((TensorType(dtypes.u32, ()),), {"stream": 0, "shape": (2,)}, DTypeError),
        Refused((TensorType(dtypes.u64, (1,)),), {"stream": 0, "shape": (2,)}, DTypeError),
        Refused((TensorType(dtypes.u64, ()),), {"stream": -1, "shape": (2,)}, UsageError),
    ),
    doc="Random 32-bit numbers: element i (row-major) is the first word of Philox-4x32-10 under "
    "the key `seed` and the counter (i, stream).",
)
