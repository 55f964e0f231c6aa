"""The weights of a module: what is packed is read again, here and by safetensors."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc
from graphc.ir import dtype as dtypes
from graphc.runtime.program import ALIGNMENT
from graphc.runtime.weights import read_weights, weight_pieces, weight_types

Array = np.ndarray[Any, Any]

SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (2, 3, 5), (1 << 19, 5)]


def array(dtype: dtypes.DType, shape: tuple[int, ...], seed: int) -> Array:
    size = dtype.itemsize * int(np.prod(shape))
    raw = np.random.default_rng(seed).integers(0, 2, size, np.uint8)
    return raw.view(dtype.numpy).reshape(shape)


def packed(weights: dict[str, Array]) -> bytes:
    return b"".join(weight_pieces(weights))


def bits(value: Array) -> tuple[Any, ...]:
    return value.dtype, value.shape, value.tobytes()


@settings(deadline=None)  # The first example imports the library of the format.
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(dtypes.ALL), st.sampled_from(SHAPES)),
        max_size=5,
    )
)
def test_what_is_packed_is_read(types: dict[str, tuple[dtypes.DType, tuple[int, ...]]]) -> None:
    weights = {name: array(*type_, seed) for seed, (name, type_) in enumerate(types.items())}
    data = packed(weights)
    # Each lies at a multiple of its size, for readers that map the file.
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    for name, said in json.loads(data[8 : 8 + length]).items():
        assert said["data_offsets"][0] % weights[name].itemsize == 0
    found = read_weights(io.BytesIO(data), len(data), weight_types(weights))
    assert {n: bits(a) for n, a in found.items()} == {n: bits(a) for n, a in weights.items()}
    for value in found.values():
        assert value.size == 0 or value.ctypes.data % ALIGNMENT == 0
        assert value.flags.writeable
        assert value.flags.c_contiguous


def test_others_read_what_is_packed_and_are_read() -> None:
    weights = {d.name: array(d, (2, 3), seed) for seed, d in enumerate(dtypes.ALL)}
    weights = {n: a for n, a in weights.items() if n != "c128"}
    others = dict(safetensors.deserialize(packed(weights)))
    assert {n: bytes(t["data"]) for n, t in others.items()} == {
        n: a.tobytes() for n, a in weights.items()
    }
    written = safetensors.numpy.save({"w": weights["f32"]}, metadata={"made": "elsewhere"})
    (found,) = read_weights(io.BytesIO(written), len(written), {}).values()
    assert bits(found) == bits(weights["f32"])


def member(header: Any, content: bytes = bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def test_pairs_of_whole_numbers_are_no_complex_numbers() -> None:
    header = {"w": {"dtype": "I64", "shape": [1, 2], "data_offsets": [0, 16]}}
    data = member(header, bytes(16))
    (found,) = read_weights(io.BytesIO(data), len(data), {"w": ("c128", (1,))}).values()
    assert (found.dtype, found.shape) == (np.int64, (1, 2))


def entry(**changes: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no header"),
    "no length": (b"1234567", "no header"),
    "length beyond the end": (struct.pack("<Q", 100) + b"{}", "no header"),
    "length of all memory": (struct.pack("<Q", 2**64 - 1) + b"{}", "no header"),
    "no JSON": (member(b"{"), "Expecting"),
    "no object": (member([]), "no object"),
    "no text": (member(b"\xff{}"), "decode"),
    "key twice": (member(b'{"w": 1, "w": 1}'), "twice"),
    "no description": (member({"w": 1}), "does not describe 'w'"),
    "other keys": (member({"w": {"dtype": "F32"}}), "does not describe 'w'"),
    "unknown dtype": (member(entry(dtype="F33")), "unknown dtype F33"),
    "dtype of another kind": (member(entry(dtype=[])), "unknown dtype"),
    "shape of another kind": (member(entry(shape="2")), "no shape"),
    "negative shape": (member(entry(shape=[-2])), "no shape"),
    "shape of floats": (member(entry(shape=[2.0])), "no shape"),
    "shape of truths": (member(entry(shape=[True])), "no shape"),
    "one offset": (member(entry(data_offsets=[0])), "no place"),
    "too large a shape": (member(entry(shape=[2**62, 2**62])), "not as large as its shape"),
    "too small a place": (member(entry(data_offsets=[0, 4])), "not as large as its shape"),
    "place backwards": (member(entry(data_offsets=[8, 0])), "not as large as its shape"),
    "a gap before": (member(entry(data_offsets=[4, 12]), bytes(12)), "where the one before"),
    "overlap": (member({**entry(), "v": entry()["w"]}), "where the one before"),
    "bytes left over": (member(entry(), bytes(9)), "not as large as their member"),
    "bytes missing": (member(entry(), bytes(7)), "not as large as their member"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_file_of_weights_is_refused(name: str) -> None:
    data, why = DAMAGED[name]
    with pytest.raises(ValueError, match=why):
        read_weights(io.BytesIO(data), len(data), {})


MODEL = '''"""A layer."""

model Layer():
    fc = Linear(1024, 1024)

    def forward(x: f32[1024]) -> f32[1024]:
        return fc(x)

export predict = Layer.forward
'''


def test_weights_are_in_memory_once(tmp_path: Path) -> None:
    """While a module is loaded, too: its peak is what it needs afterwards."""
    source, path = tmp_path / "layer.gc", tmp_path / "layer.gcm"
    source.write_text(MODEL)
    graphc.build(source).file.write(path)
    graphc.load(path, device="cpu")  # What is made once for all modules.
    tracemalloc.start()
    module = graphc.load(path, device="cpu")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    state = module.memory("predict")["state"]
    assert state <= held < 1.05 * state
    assert peak < 1.1 * state


def test_saving_needs_no_memory_for_weights(tmp_path: Path) -> None:
    source = tmp_path / "layer.gc"
    source.write_text(MODEL)
    file = graphc.build(source).file
    tracemalloc.start()
    size = file.write(tmp_path / "layer.gcm")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 4_000_000
    assert peak < 0.1 * size
