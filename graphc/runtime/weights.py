"""Weights as they lie in a module: one member in the safetensors format.

Eight bytes hold the length of a header in JSON, which gives the dtype, the shape and the place of
each tensor; the tensors follow without gaps (https://huggingface.co/docs/safetensors). The library
of that name works on whole files or on bytes in memory, and a member of an archive is neither: with
it a module would be in memory several times while it is read or written. Here it is there once:
weights are written from where they are, and read to where they stay. The format lacks c128, which
is stored as pairs of f64 along one more axis.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.runtime.aligned import aligned_array
from graphc.runtime.manifest import parse_json

__all__ = ["Pieces", "read_weights", "weight_pieces", "weight_types"]

Array = np.ndarray[Any, Any]
Pieces = Sequence[bytes | memoryview]
WeightTypes = Mapping[str, tuple[str, tuple[int, ...]]]

_DTYPES = {dtype.safetensors_name: dtype for dtype in dtypes.ALL if dtype.safetensors_name}

# What is read at once, and checked on the way.
_PIECE = 1 << 16


class Reader(Protocol):
    """A stream of bytes."""

    def read(self, nbytes: int, /) -> bytes:
        """So many bytes, or fewer where it ends."""


def weight_types(weights: Mapping[str, Array]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each weight."""
    return {
        name: (dtypes.from_numpy(array.dtype.newbyteorder("=")).name, array.shape)
        for name, array in weights.items()
    }


def weight_pieces(weights: Mapping[str, Array]) -> Pieces:
    """The member that holds these weights, whatever their layout and byte order.

    What is contiguous is not copied: these pieces change if the weights do. The largest dtypes
    come first, so that all lie at multiples of their size, and names in order within one.
    """
    # In the machine's byte order; ascontiguousarray would add an axis to numbers.
    plain = {n: np.asarray(a, a.dtype.newbyteorder("="), order="C") for n, a in weights.items()}
    header: dict[str, Any] = {}
    begin = 0
    for name in sorted(plain, key=lambda name: (-plain[name].itemsize, name)):
        dtype, shape = _as_stored(plain[name])
        end = begin + plain[name].nbytes
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)), text, *(_memory(plain[name]).data for name in header)]


def _as_stored(array: Array) -> tuple[str, list[int]]:
    dtype = dtypes.from_numpy(array.dtype)
    if dtype.safetensors_name is not None:
        return dtype.safetensors_name, [*array.shape]
    return "F64", [*array.shape, 2]


def _memory(array: Array) -> Array:
    """The bytes of a contiguous array."""
    return array.reshape(-1).view(np.uint8)


def read_weights(stream: Reader, nbytes: int, declared: WeightTypes) -> dict[str, Array]:
    """The weights of a member, as aligned arrays that nothing else refers to.

    Args:
        stream: the member.
        nbytes: its size. No more memory than that is asked for.
        declared: which weights are c128.

    Raises:
        ValueError: the member is none that `weight_pieces` makes.
        DeviceError: there is no memory for the weights.
    """
    header = _read_header(stream, nbytes)
    weights = {}
    for name, (dtype, shape) in header.items():
        is_pairs = name in declared and declared[name][0] == "c128"
        if is_pairs and dtype is dtypes.f64 and shape[-1:] == (2,):
            dtype, shape = dtypes.c128, shape[:-1]
        weights[name] = aligned_array(shape, dtype.numpy)
        _read_into(stream, weights[name])
    return weights


def _read_header(stream: Reader, nbytes: int) -> dict[str, tuple[DType, tuple[int, ...]]]:
    """Dtype and shape of each tensor, in the order in which they lie."""
    start = stream.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else nbytes
    if length > nbytes - 8:
        raise ValueError("its weights have no header")
    header = parse_json(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("the header of its weights is no object")
    header.pop("__metadata__", None)
    found = {name: _tensor(name, said) for name, said in header.items()}
    end = 0
    ordered = {}
    for name, (dtype, shape, begin) in sorted(found.items(), key=lambda item: item[1][2]):
        if begin != end:
            raise ValueError(f"the weight {name!r} does not lie where the one before it ends")
        end += dtype.itemsize * math.prod(shape)
        ordered[name] = (dtype, shape)
    if end != nbytes - 8 - length:
        raise ValueError("its weights are not as large as their member")
    return ordered


def _tensor(name: str, said: Any) -> tuple[DType, tuple[int, ...], int]:
    """Dtype, shape, and the place of the first byte."""
    if not isinstance(said, dict) or said.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the header of its weights does not describe {name!r}")
    dtype, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise ValueError(f"the weight {name!r} has no shape or no place")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"the weight {name!r} has the unknown dtype {dtype}")
    begin, end = offsets
    if end - begin != _DTYPES[dtype].itemsize * math.prod(shape):
        raise ValueError(f"the weight {name!r} is not as large as its shape says")
    return _DTYPES[dtype], tuple(shape), begin


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _read_into(stream: Reader, array: Array) -> None:
    memory = _memory(array)
    for begin in range(0, memory.size, _PIECE):
        piece = stream.read(min(_PIECE, memory.size - begin))
        memory[begin : begin + len(piece)] = np.frombuffer(piece, np.uint8)
