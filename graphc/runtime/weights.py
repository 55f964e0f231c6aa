"""Weights as they lie in a module: one member in the safetensors format.

Eight bytes hold the length of a header in JSON, which gives the dtype, the shape and the place of
each tensor; the tensors follow without gaps (https://huggingface.co/docs/safetensors). The library
of that name writes them. It reads a file as a whole or from memory, and a module is neither: here
each weight is read from the archive straight into memory of its own, so that loading a module
holds its weights once. The format lacks c128, which is stored as pairs of f64 along one more axis.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.lazy import safetensors_numpy
from graphc.runtime.aligned import aligned_array
from graphc.runtime.manifest import parse_json

__all__ = ["pack_weights", "read_weights", "weight_types"]

Array = np.ndarray[Any, Any]
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


def pack_weights(weights: Mapping[str, Array]) -> bytes:
    """The member that holds these weights, whatever their layout and byte order."""
    # Contiguous; ascontiguousarray would add an axis to numbers.
    plain = {n: np.asarray(a, a.dtype.newbyteorder("="), order="C") for n, a in weights.items()}
    stored = {name: _as_stored(array) for name, array in plain.items()}
    return bytes(safetensors_numpy.save(stored))


def _as_stored(array: Array) -> Array:
    if dtypes.from_numpy(array.dtype).safetensors_name is not None:
        return array
    return np.stack([array.real, array.imag], axis=-1)


def read_weights(stream: Reader, nbytes: int, declared: WeightTypes) -> dict[str, Array]:
    """The weights of a member, as aligned arrays that nothing else refers to.

    Args:
        stream: the member.
        nbytes: its size. No more memory than that is asked for.
        declared: which weights are c128.

    Raises:
        ValueError: the member is none that `pack_weights` writes.
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
    memory = array.reshape(-1).view(np.uint8)
    for begin in range(0, memory.size, _PIECE):
        piece = stream.read(min(_PIECE, memory.size - begin))
        memory[begin : begin + len(piece)] = np.frombuffer(piece, np.uint8)
