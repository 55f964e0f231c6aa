"""Random damage to module files: a module that behaves comes out, or an error of the user.

Two kinds of damage: to the bytes of the file, which hashes and archive must catch, and to members
whose hashes are made anew, which the readers behind the hashes must catch. `GRAPHC_FUZZ_START` is
the first seed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import Built, build_module, compile_for
from graphc.errors import GraphcError, InternalError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.graph import Unit
from graphc.library import library
from graphc.runtime.module_file import read_manifest, read_module
from graphc.runtime.program import Program, Step, walk_steps
from tests.fuzzing import count
from tests.module_archives import archive_of, members_of, sealed

COUNT = count(700)
START = int(os.environ.get("GRAPHC_FUZZ_START", "0"))
SEEDS = range(START, START + COUNT)
SECONDS, BYTES = 10, 20_000_000

# Memory is watched for one file in so many: it makes reading four times slower.
WATCHED = 16

SOURCE = '''"""A layer."""

dim B: 1..8

model Layer():
    fc = Linear(2, 3)

    def forward(x: f32[B, 2]) -> f32[B, 3]:
        """Its values."""
        return relu(fc(x))

export predict = Layer.forward
'''

# Numbers, names and texts at which readers break.
HOSTILE: list[Any] = [
    None, True, -1, 0, 1, 2, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, 10**400, -(2**70), 1.5,
    float("nan"), float("inf"), 1e308, "", "a", "B", "\0", "\ud800", "../x", "f32", "x" * 10_000,
    [], {}, [[]], [[[[]]]], {"": ""}, {"a": {"b": []}},
]  # fmt: skip
TEXTS = [
    "(" * 5000, "[" * 5000, "-" * 5000, "9" * 5000, "1..9223372036854775807", "1..1", "0..0",
    "f32[99999999999, 99999999999]", "f32[B, B]", "f64", "u8", "i32", "B * B", "B // 0", "-B",
    "add", "matmul", "broadcast_to", "x", "state", "update fc.bias = x\n", "return", "@graph\n",
    "shape=(9223372036854775807,)", "axes=(7,)", "axes=(-1,)", "import os", "\0", "\t", "\n", "#",
    '"""', "é", "𝟘", "nan", "inf", "1e999", "int(\"0x" + "f" * 3000 + '")', "base64(\"A\")",
]  # fmt: skip


def branching(x: Tensor, index: Tensor) -> Any:
    """Whatever holds graphs, is computed on the host, or reads and writes at indices."""

    def step(carry: Tensor, row: Tensor) -> Any:
        after = cond(row.sum() > 0, lambda: gc.tanh(carry + row), lambda: carry * row)
        return after, after * 2

    last, rows = scan(step, x[0], x)
    ended = while_loop(lambda c: c.sum() < 9, lambda c: c * 2 + 1, last, max_steps=5)
    rounded = gc.custom_gradient(lambda x, value, g: g * 3)(lambda x: gc.round(x))(rows)
    read = gc.take(rounded, index, axis=0)
    root = gc.cholesky(read.T @ read + gc.eye(2, dtype=gc.f64))
    return ended, gc.scatter_add(x, 0, gc.reshape(index, (3, 1)), read[:, :1]), root


def layer() -> Unit:
    return elaborate(SOURCE, "layer.gc", library())


def branches() -> Unit:
    types = gc.f64[gc.dim("T", 1, 8), 2], gc.i32[3]
    return build_unit({"branching": Export(branching, types)})


UNITS: list[Callable[[], Unit]] = [layer, branches]


@pytest.fixture(scope="module", params=UNITS, ids=lambda unit: unit.__name__)
def whole(request: pytest.FixtureRequest) -> bytes:
    built: Built = build_module(request.param())
    return built.file.to_bytes()


@contextmanager
def within_limits(watched: bool) -> Iterator[None]:
    """No hang and, where it is watched, no large allocation."""

    def late(*_: Any) -> None:
        raise AssertionError(f"it takes more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, late)
    # Time of the processor: a machine that is busy with other work makes nothing fail.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    if watched:
        tracemalloc.start()
    try:
        yield
        if watched:
            assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def ends_well(path: Path, data: bytes, watched: bool = True) -> bool:
    """Whether a module comes out; if none does, the error is one of the user."""
    path.write_bytes(data)
    with within_limits(watched):
        accepted = True
        for read in (read_manifest, read_module, load_and_call):
            try:
                read(path)
            except GraphcError as error:
                assert not isinstance(error, InternalError)
                assert error.code and error.message
                error.render().encode()
                accepted = False
        return accepted


def load_and_call(path: Path) -> None:
    module = gc.load(path, "reference")
    for value in module.state_dict().values():
        assert isinstance(value, np.ndarray)
    repr(module)
    # A loop may be told to run for ever, so that only the layer is called.
    if "predict" in module.exports:
        module.predict(np.ones((2, 2), np.float32))


# -- damage to bytes ------------------------------------------------------------------------------


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def move(data: bytes, rng: random.Random) -> bytes:
    """Insert, remove or repeat a stretch."""
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    b = min(b, a + 200)
    return rng.choice([data[:a] + data[b:], data[:b] + data[a:], data[:a] + b"PK\5\6" + data[a:]])


def forge_field(data: bytes, rng: random.Random) -> bytes:
    """A number of a header of the archive: sizes, offsets, counts, flags, methods."""
    changed = bytearray(data)
    marks = [b"PK\1\2", b"PK\3\4", b"PK\5\6"]
    mark = rng.choice(marks)
    places = [i for i in range(len(data)) if data.startswith(mark, i)]
    start = rng.choice(places) + rng.randrange(4, 46 if mark == marks[0] else 22)
    number = rng.choice([0, 1, 8, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
    width = rng.choice([2, 4])
    field = (number & (256**width - 1)).to_bytes(width, "little")
    changed[start : start + width] = field[: max(0, len(data) - start)]
    return bytes(changed)


def repack(data: bytes, rng: random.Random) -> bytes:
    """Other members under the same names, more names, fewer, or compressed ones."""
    members = members_of(data)
    names = list(members)
    a, b = rng.choice(names), rng.choice(names)
    change = rng.randrange(5)
    if change == 0:
        members[a], members[b] = members[b], members[a]
    elif change == 1:
        del members[a]
    elif change == 2:
        members[rng.choice(["../x", "/x", "a//b", "c:x", "graphs/more.gc", "x" * 300])] = b"x"
    elif change == 3:
        members[a] = bytes(1_000_000)
        return archive_of(members, zipfile.ZIP_DEFLATED)
    else:
        members = dict(rng.sample(sorted(members.items()), len(members)))
    return archive_of(members)


BYTE_DAMAGE: list[Callable[[bytes, random.Random], bytes]] = [
    flip, truncate, move, forge_field, repack,
]  # fmt: skip


# -- damage behind the hashes ---------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the parts of a JSON value are."""
    yield path
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one part replaced, removed, renamed or taken from elsewhere in it."""
    copy = json.loads(json.dumps(value))
    *path, last = rng.choice(list(places(copy))[1:])
    holder = copy
    for key in path:
        holder = holder[key]
    change = rng.randrange(5)
    if change < 3:
        holder[last] = rng.choice(HOSTILE)
    elif change == 3:
        del holder[last]
    elif isinstance(holder, dict):
        holder[rng.choice(["", "x", "B", "fc.bias", "predict"])] = holder.pop(last)
    else:
        holder.append(holder[last])
    return copy


def json_text(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def damaged_json(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        depth = rng.choice([500, 100_000])
        return rng.choice([b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth, b"null"])
    return json_text(damaged_value(json.loads(data), rng))


def damaged_weights(data: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    change = rng.randrange(4)
    if change == 0:
        return struct.pack("<Q", rng.choice([0, 1, length + 1, 2**32, 2**63, 2**64 - 1])) + data[8:]
    if change == 1:
        return flip(data, rng)
    tensors = [one for name, one in header.items() if name != "__metadata__"]
    tensor = rng.choice(tensors or [header.setdefault("x", {"data_offsets": [0, 0]})])
    if change == 2:
        tensor["dtype"] = rng.choice(["F32", "F64", "I8", "BOOL", "F8_E4M3", "C64", "F4", "Q9", ""])
        tensor["shape"] = rng.choice([[], [0], [2**62, 0], [2**63, 2**63], [1.5], [-1], [6], [3]])
    else:
        header = damaged_value(header, rng)
    text = json_text(header)
    return struct.pack("<Q", len(text)) + text + body


def damaged_graph(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    a, b = sorted(rng.randrange(len(text)) for _ in range(2))
    b = min(b, a + rng.choice([0, 1, 4, 40]))
    words = TEXTS + text.split()
    return (text[:a] + rng.choice(["", *words]) + text[b:]).encode()


def damaged_member(name: str, data: bytes, rng: random.Random) -> bytes:
    by_suffix: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
        "json": damaged_json,
        "gc": damaged_graph,
        "safetensors": damaged_weights,
    }
    return by_suffix[name.rpartition(".")[2]](data, rng)


def damaged_behind_hashes(data: bytes, rng: random.Random) -> bytes:
    members = members_of(data)
    name = rng.choice([name for name in members if name != "manifest.sha256"])
    members[name] = damaged_member(name, members[name], rng)
    return sealed(members, relist=name != "manifest.json")


# -- tests ----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gcm"


@contextmanager
def noted(seed: int) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


@pytest.mark.parametrize("damage", BYTE_DAMAGE, ids=lambda d: d.__name__)
def test_damaged_bytes_end_well(
    damage: Callable[[bytes, random.Random], bytes], whole: bytes, path: Path
) -> None:
    assert ends_well(path, whole)
    expected = read_module(path)
    for seed in SEEDS[:: len(BYTE_DAMAGE)]:
        data = damage(whole, random.Random(f"{damage.__name__} {seed}"))
        with noted(seed):
            accepted = ends_well(path, data, seed % WATCHED == 0)
        if accepted:
            found = read_module(path)
            assert (found.manifest, found.graphs) == (expected.manifest, expected.graphs)
            assert found.sources == expected.sources


def test_damage_behind_the_hashes_ends_well(whole: bytes, path: Path) -> None:
    accepted = 0
    for seed in SEEDS:
        with noted(seed):
            data = damaged_behind_hashes(whole, random.Random(seed))
            accepted += ends_well(path, data, seed % WATCHED == 0)
    # Some damage is none (a comment, a documentation), so that what follows is reached as well.
    assert 0 < accepted < COUNT / 2


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.__name__)
def test_damaged_programs_end_well(unit: Callable[[], Unit]) -> None:
    """What the CUDA runtime would read, without a driver."""
    program = compile_for(unit(), "cuda").program.to_json()
    for seed in SEEDS:
        damaged = damaged_value(program, random.Random(seed))
        with noted(seed), within_limits(seed % WATCHED == 0):
            try:
                found = Program.from_json(damaged)
                for name in found.entries:
                    found.memory(name, {})
            except GraphcError as error:
                assert not isinstance(error, InternalError)


def test_the_programs_hold_every_kind_of_step() -> None:
    entries = compile_for(branches(), "cuda").program.entries.values()
    kinds = {type(step) for entry in entries for step in walk_steps(entry.steps)}
    assert kinds == set(get_args(Step))
