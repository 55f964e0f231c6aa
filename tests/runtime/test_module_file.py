"""Module files: what is written is read, the same bytes every time; what is damaged is refused."""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import re
import stat
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphc
from graphc import api
from graphc.compiler import compile_for
from graphc.errors import ModuleFormatError, UsageError
from graphc.runtime.atomic_write import write_atomically
from graphc.runtime.manifest import FORMAT_VERSION, parse_json
from graphc.runtime.module_file import (
    ModuleFile,
    read_manifest,
    read_module,
)
from graphc.runtime.signature import memory_of_calls, variants_of
from tests.module_archives import archive_of, members_of, sealed

Array = np.ndarray[Any, Any]
CDLL = ctypes.CDLL
NAN = np.array([0x7FC01234, 0xFFC00001, 0x80000000], np.uint32).view(np.float32)

WEIGHTS: Mapping[str, Array] = {
    "fc1.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "nan": NAN,
    "half": np.array([1.5, -0.0, np.inf], np.float16),
    "brain": np.array([[1.5], [np.nan]], ml_dtypes.bfloat16),
    "eight": np.array([0.5, 2.0], ml_dtypes.float8_e4m3fn),
    "empty": np.zeros((0, 4), np.float32),
    "step": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "wave": np.array([1 + 2j], np.complex64),
    "phase": np.array([[complex(-0.0, np.inf), 1e-300 + 2j]], np.complex128),
    "waves": np.zeros((3, 0), np.complex128),
    "pairs": np.array([[1.0, 2.0]], np.float64),
}
EXPORT = {"doc": "", "inputs": [["x", "f32[B]"]], "results": ["f32[B]"], "state": [],
          "dims": {"B": ["B", 1, 8]}}  # fmt: skip


def module(weights: Mapping[str, Array] = WEIGHTS, **changes: Any) -> ModuleFile:
    content: dict[str, Any] = {
        "manifest": {
            "exports": {"predict": EXPORT},
            "doc": "π",
            "options": {"seed": 0},
            "memory": {"predict on cuda": 2**70},
        },
        "graphs": {"predict": "def predict(): pass\n"},
        "weights": weights,
        "programs": {"cuda": {"target": "cuda"}},
        "kernels": {"cuda": "// kernels\n"},
        "binaries": {"cubins/sm_90a.cubin": b"\x7fELF" + bytes(range(256))},
        "sources": {"predict": [[["mlp.gc", 1, 2, 1, 5]]]},
    }
    return ModuleFile(**{**content, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gcm"


# -- round trip -----------------------------------------------------------------------------------


def test_what_is_written_is_read(path: Path) -> None:
    size = module().write(path)
    assert path.stat().st_size == size
    found, given = read_module(path), module()
    assert found.weights.keys() == given.weights.keys()
    for name, value in given.weights.items():
        other = found.weights[name]
        assert other.dtype == value.dtype and other.shape == value.shape
        assert other.tobytes() == value.tobytes(), name
    for part in ("graphs", "programs", "kernels", "binaries", "sources", "manifest"):
        assert getattr(found, part) == getattr(given, part), part


def test_a_module_without_state(path: Path) -> None:
    module(weights={}).write(path)
    assert read_module(path).weights == {}


def test_weights_in_any_layout_and_byte_order(path: Path) -> None:
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    given = {"turned": grid.T, "big": grid.astype(">f4"), "every other": grid[:, ::2]}
    module(weights=given).write(path)
    for name, value in read_module(path).weights.items():
        assert value.dtype == np.float32
        assert np.array_equal(value, given[name])


def test_the_same_content_gives_the_same_bytes() -> None:
    turned = module(weights=dict(reversed(WEIGHTS.items())))
    assert module().to_bytes() == turned.to_bytes()


def test_host_code_depends_on_graphs_and_their_lines() -> None:
    key = module().content_key()
    assert key == module(weights={}).content_key()
    assert key != module(graphs={"predict": "def predict(): 1\n"}).content_key()
    assert key != module(sources={"predict": []}).content_key()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../b", "a\\b", "a\0b", "c:x"])
def test_no_member_lies_outside(name: str, path: Path) -> None:
    with pytest.raises(ModuleFormatError, match="name"):
        module(graphs={name: ""}).to_bytes()
    members = members_of(module().to_bytes())
    if "\0" not in name:
        path.write_bytes(archive_of({**members, f"graphs/{name}.gc": b""}))
        with pytest.raises(ModuleFormatError):
            read_module(path)


# -- damage ---------------------------------------------------------------------------------------


def assert_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModuleFormatError) as caught:
        read_module(path)
    assert str(path) in caught.value.message


def test_every_truncation_is_refused(path: Path) -> None:
    data = module().to_bytes()
    for end in (*range(0, len(data), 37), len(data) - 1):
        assert_refused(path, data[:end])


@pytest.mark.parametrize("name", sorted(members_of(module().to_bytes())))
def test_a_damaged_member_is_named(name: str, path: Path) -> None:
    data = bytearray(module().to_bytes())
    data[data.index(members_of(bytes(data))[name])] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModuleFormatError, match=rf"module: {re.escape(name)} is damaged \("):
        read_module(path)


def test_every_flipped_byte_of_a_member_is_refused(path: Path) -> None:
    data = module().to_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
    for info in infos:
        start = info.header_offset + 30 + len(info.filename.encode())
        for position in range(start, start + info.file_size, max(1, info.file_size // 7)):
            changed = bytearray(data)
            changed[position] ^= 0x41
            assert_refused(path, bytes(changed))


def content(file: ModuleFile) -> tuple[Any, ...]:
    weights = {n: (a.dtype, a.shape, a.tobytes()) for n, a in file.weights.items()}
    return (file.manifest, file.graphs, weights, file.programs, file.kernels, file.binaries,
            file.sources)  # fmt: skip


def test_a_flipped_byte_anywhere_changes_nothing_that_is_read(path: Path) -> None:
    """It is refused, or in a part of the archive that says nothing."""
    data = module().to_bytes()
    expected = content(module())
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(bytes(changed))
        try:
            found = read_module(path)
        except ModuleFormatError:
            continue
        assert content(found) == expected, position


def test_an_edited_manifest_is_refused_by_every_reader(path: Path) -> None:
    members = members_of(module().to_bytes())
    manifest = members["manifest.json"]
    for edit in (manifest.replace(b'"B",\n     1', b'"B",\n     2'), manifest + b" "):
        assert edit != manifest
        path.write_bytes(archive_of({**members, "manifest.json": edit}))
        for read in (read_manifest, read_module):
            with pytest.raises(ModuleFormatError, match=r"manifest\.json is not what") as caught:
                read(path)
            assert caught.value.code == "module-damaged"
            assert str(path) in caught.value.message
            assert "build it again" in str(caught.value.hint)


def test_the_seal_is_one_that_ordinary_tools_check() -> None:
    members = members_of(module().to_bytes())
    digest = hashlib.sha256(members["manifest.json"]).hexdigest()
    assert members["manifest.sha256"] == f"{digest}  manifest.json\n".encode()


@pytest.mark.parametrize("where", ["before", "after"])
def test_nothing_stands_beside_the_members(where: str, path: Path) -> None:
    data = module().to_bytes()
    if where == "before":
        assert_refused(path, b"#!/bin/sh\n" + data)
    else:
        assert data[-2:] == b"\0\0"
        assert_refused(path, data[:-2] + b"\4\0more")


@pytest.mark.parametrize("name", sorted(members_of(module().to_bytes())))
def test_every_edited_or_missing_member_is_refused(name: str, path: Path) -> None:
    members = members_of(module().to_bytes())
    assert_refused(path, archive_of({**members, name: b"{}"}))
    del members[name]
    assert_refused(path, archive_of(members))


def edited(change: Callable[[dict[str, Any]], Any]) -> bytes:
    members = members_of(module().to_bytes())
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    return sealed(members)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("format"),
        lambda m: m.update(format="another"),
        lambda m: m.update(format_version="1"),
        lambda m: m.update(format_version=True),
        lambda m: m.update(format_version=0),
        lambda m: m.update(exports=[]),
        lambda m: m.update(exports={}),
        lambda m: m.update(exports={**m["exports"], "more": EXPORT}),
        lambda m: m["exports"].update(predict={}),
        lambda m: m["exports"]["predict"].update(inputs=[["x"]]),
        lambda m: m["exports"]["predict"].update(state="all"),
        lambda m: m["exports"]["predict"].update(dims={"B": ["B", 1, "many"]}),
        lambda m: m.update(members=None),
        lambda m: m["members"].update({"graphs/predict.gc": "0" * 64}),
        lambda m: m["members"]["graphs/predict.gc"].reverse(),
        lambda m: m["members"].update({"graphs/predict.gc": [20, "0" * 64]}),
        lambda m: m["members"]["graphs/predict.gc"].__setitem__(0, 21),
        lambda m: m.pop("options"),
        lambda m: m.update(doc=None),
        lambda m: m.update(memory={"predict": "much"}),
        lambda m: m.update(memory={"predict": float("nan")}),
        lambda m: m.update(memory={"predict": 10**400}),
        lambda m: m.update(doc="\ud800"),
        lambda m: m.pop("weights"),
        lambda m: m["weights"].pop("nan"),
        lambda m: m["weights"].update(half=["f32", [3]]),
        lambda m: m["weights"].update(half=["f16", [1, 3]]),
        lambda m: m["weights"].update(half=["f17", [3]]),
        lambda m: m["weights"].update(half=["f16", [2**62] * 3]),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    change: Callable[[dict[str, Any]], Any], path: Path
) -> None:
    assert_refused(path, edited(change))


def test_a_newer_format_is_told_from_damage(path: Path) -> None:
    path.write_bytes(edited(lambda m: m.update(format_version=FORMAT_VERSION + 1)))
    with pytest.raises(ModuleFormatError, match="reads up to") as caught:
        read_module(path)
    assert caught.value.code == "module-newer"


def test_a_compressed_member_is_refused_before_it_is_unpacked(path: Path) -> None:
    members = members_of(module().to_bytes())
    bomb = archive_of({**members, "weights.safetensors": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert_refused(path, bomb)


def test_a_member_that_claims_to_be_larger_than_the_file_is_refused(path: Path) -> None:
    data = bytearray(module().to_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        start = archive.start_dir
    # Sizes in the central directory's first entry: compressed, then not.
    data[start + 20 : start + 28] = (2**31 - 1).to_bytes(4, "little") * 2
    assert_refused(path, bytes(data))


def test_a_member_twice_is_refused(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in members_of(module().to_bytes()).items():
                archive.writestr(name, data)
            archive.writestr("sources.json", "{}")
    assert_refused(path, buffer.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "NaN",
        "[-Infinity]",
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        "1" * 10_000,
        '"\\ud800"',
        "[1] 2",
    ],
)
def test_json_that_a_build_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text.encode())


def test_json_is_read_as_it_was_written() -> None:
    assert parse_json('{"π": ["\\u0007", "\\\\ud800", 1e300, null]}'.encode()) == {
        "π": ["\a", "\\ud800", 1e300, None]
    }
    for text in (b"\xff", "[]".encode("utf-16")):
        with pytest.raises(ValueError):
            parse_json(text)


def test_a_manifest_is_read_without_the_weights(path: Path) -> None:
    weights = {"w": np.zeros(50_000_000, np.uint8)}
    module(weights=weights).write(path)
    tracemalloc.start()
    try:
        manifest = read_manifest(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert manifest.weights == {"w": ("u8", (50_000_000,))}
    assert manifest.weight_bytes == 50_000_000


def test_a_manifest_says_what_the_weights_are(path: Path) -> None:
    module().write(path)
    manifest = read_manifest(path)
    assert {name: shape for name, (_, shape) in manifest.weights.items()} == {
        name: value.shape for name, value in WEIGHTS.items()
    }
    assert manifest.weights["brain"] == ("bf16", (2, 1))
    assert manifest.weight_bytes == sum(value.nbytes for value in WEIGHTS.values())
    members = members_of(path.read_bytes())
    assert {n: m.nbytes for n, m in manifest.members.items()} == {
        n: len(d) for n, d in members.items() if not n.startswith("manifest.")
    }


@pytest.mark.parametrize("data", [b"", b"PK", b"not a module", b"\x80\x04pickle"])
def test_another_file_is_refused(data: bytes, path: Path) -> None:
    assert_refused(path, data)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_module(tmp_path / "none.gcm")
    with pytest.raises(UsageError, match="is a directory"):
        read_module(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gcm")
    with pytest.raises(UsageError, match="not an ordinary file"):
        read_module(tmp_path / "pipe.gcm")


# -- writing --------------------------------------------------------------------------------------


def test_an_interrupted_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module().write(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_is_an_error_of_the_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        module().write(path)
    assert not os.listdir(path.parent)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomically(tmp_path / "none" / "x.gcm", b"")
    with pytest.raises(UsageError, match="not an ordinary file"):
        write_atomically(tmp_path, b"")
    guarded = tmp_path / "guarded.gcm"
    guarded.write_bytes(b"old")
    guarded.chmod(0o444)
    with pytest.raises(UsageError, match="read-only"):
        write_atomically(guarded, b"new")
    assert guarded.read_bytes() == b"old"


def test_a_written_file_keeps_its_permissions_and_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.gcm", tmp_path / "link.gcm"
    real.write_bytes(b"old")
    real.chmod(0o640)  # those of temporary files are others
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


# -- edits with hashes made anew ------------------------------------------------------------------

SOURCE = """dim B: 1..8

model Net:
    fc = Linear(4, 3)

    def forward(x: f32[B, 4]) -> f32[B, 3]:
        return fc(x)

export predict = Net.forward
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a module for the CPU, with a program for CUDA beside it."""
    source = tmp_path_factory.mktemp("source") / "net.gc"
    source.write_text(SOURCE)
    file = graphc.build(source).file
    program = compile_for(api.unit_of(file), "cuda").program
    memory = {**file.manifest["memory"], **memory_of_calls(program)}
    variants = {**file.manifest["variants"], **variants_of(program)}
    sections = "".join(f".text.{kernel}\0" for kernel in program.geometry)
    file = replace(
        file,
        manifest={**file.manifest, "memory": memory, "variants": variants},
        programs={"cuda": program.to_json()},
        binaries={"cubins/sm_80.cubin": b"\x7fELF\0" + sections.encode()},
    )
    return members_of(file.to_bytes())


def replaced(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def edit(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new, 1)

    return edit


def instead(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: data})


def described(**facts: Any) -> Callable[[dict[str, bytes]], None]:
    """Other facts of the export in the manifest."""

    def edit(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["exports"]["predict"].update(facts)
        members["manifest.json"] = json.dumps(manifest).encode()

    return edit


def from_place(*place: Any) -> Callable[[dict[str, bytes]], None]:
    """Another place for the first node of the export."""

    def edit(members: dict[str, bytes]) -> None:
        sources = json.loads(members["sources.json"])
        sources["predict"][0] = [list(place)]
        members["sources.json"] = json.dumps(sources).encode()

    return edit


def needing(**memory: int | None) -> Callable[[dict[str, bytes]], None]:
    """Other figures of memory in the manifest, by target; or none."""

    def edit(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        for target, nbytes in memory.items():
            what = f"predict on {target}"
            assert manifest["memory"].pop(what, None) != nbytes
            if nbytes is not None:
                manifest["memory"][what] = nbytes
        members["manifest.json"] = json.dumps(manifest).encode()

    return edit


def listing(**variants: Any) -> Callable[[dict[str, bytes]], None]:
    """Other variants in the manifest, by target."""

    def edit(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        for target, said in variants.items():
            assert manifest["variants"].get(f"predict on {target}") != said
            manifest["variants"][f"predict on {target}"] = said
        members["manifest.json"] = json.dumps(manifest).encode()

    return edit


TENSORS = 4 * (8 * 4 + 8 * 3 + 4 * 3 + 3)
"""Bytes of what `predict` takes, gives and keeps."""

CONTRADICTIONS: Mapping[str, Callable[[dict[str, bytes]], None]] = {
    "graph of another name": replaced("graphs/predict.gc", b"def predict", b"def nope"),
    "graph of another range": replaced("graphs/predict.gc", b"dim B: 1..8", b"dim B: 1..9"),
    "no inputs": described(inputs=[]),
    "input of another name": described(inputs=[["y", "f32[B, 4]"]]),
    "input of another type": described(inputs=[["x", "f64[B, 4]"]]),
    "another result": described(results=["f32[B, 99]"]),
    "no results": described(results=[]),
    "another range": described(dims={"B": ["B", 1, 10**9]}),
    "another dim": described(dims={"C": ["C", 1, 8]}),
    "no state": described(state=[]),
    "state in another order": described(state=["fc.bias", "fc.weight"]),
    "no memory of the program": needing(cuda=None),
    "less memory than the program": needing(cuda=TENSORS - 1),
    "more memory than the program": needing(cuda=10**9),
    "less memory than tensors": needing(cpu=TENSORS - 1),
    "memory of another target": needing(sim=10**9),
    "memory of another target alone": needing(cpu=None, sim=10**9),
    "variants of no program": listing(cuda={"B": [[1, 2], [3, 5], [6, 8]]}),
    "variants with a gap": listing(cpu={"B": [[1, 4], [6, 8]]}),
    "variants beyond the range": listing(cpu={"B": [[1, 4], [5, 9]]}),
    "variants of nothing": listing(cpu={"B": []}),
    "variants of another dim": listing(cpu={"C": [[1, 4], [5, 8]]}),
    "variants of another form": listing(cpu={"B": [1, 8]}),
    "program of another form": instead("programs/cuda.json", b"[]"),
    "program of another input": replaced("programs/cuda.json", b'"name": "x"', b'"name": "y"'),
    "program of another type": replaced("programs/cuda.json", b'"f32"', b'"f64"'),
    "program of another export": replaced("programs/cuda.json", b'"predict": {', b'"nope": {'),
    "program for another target": replaced(
        "programs/cuda.json", b'"target": "cuda"', b'"target": "cpu"'
    ),
    "source of two lines": from_place("a\nint q;", 1, 1, 1, 2),
    "source elsewhere": from_place("/etc/hostname", 1, 1, 1, 2),
    "source above": from_place("m/../a.gc", 1, 1, 1, 2),
    "source of no name": from_place("", 1, 1, 1, 2),
    "source that is a number": from_place(1, 1, 1, 1, 2),
    "negative line": from_place("a.gc", -1, 1, 1, 2),
    "line that is text": from_place("a.gc", "1\n", 1, 1, 2),
    "line that C cannot name": from_place("a.gc", 2**31, 1, 1, 2),
    "line in part": from_place("a.gc", 1.5, 1, 2, 2),
    "column zero": from_place("a.gc", 1, 0, 1, 2),
    "place of three numbers": from_place("a.gc", 1, 1, 1),
    "place of five numbers": from_place("a.gc", 1, 1, 1, 2, 2),
    "grid of less than nothing": replaced("programs/cuda.json", b'"grid": "', b'"grid": "-'),
    "another kernel": replaced("programs/cuda.json", b'"kernel": "', b'"kernel": "no_'),
    "cubin without the kernel": replaced("cubins/sm_80.cubin", b".text.", b".text.no_"),
    "empty cubin": instead("cubins/sm_80.cubin", b""),
    "cubin of text": instead("cubins/sm_80.cubin", b"#!/bin/sh\n"),
}
READERS: Mapping[str, Callable[[Path], object]] = {
    "cpu": lambda path: graphc.load(path, "cpu"),
    "reference": lambda path: graphc.load(path, "reference"),
    "sim": lambda path: graphc.load(path, "sim"),
    "cuda": lambda path: graphc.load(path, "cuda"),
    "info": api.read_description,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_parts_that_contradict_each_other_are_refused(
    what: str, reader: str, built: dict[str, bytes], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name, *rest: None if "cuda" in name else CDLL(name))
    members = dict(built)
    CONTRADICTIONS[what](members)
    path.write_bytes(sealed(members, relist=True))
    with pytest.raises(ModuleFormatError) as caught:
        READERS[reader](path)
    assert caught.value.hint


@pytest.mark.parametrize("reader", ["cpu", "reference", "sim", "info"])
@pytest.mark.parametrize("on_cpu", [TENSORS, 10**9, None])
def test_parts_that_agree_are_read(
    on_cpu: int | None, reader: str, built: dict[str, bytes], path: Path
) -> None:
    """For the CPU a module holds no program: another version may have planned it in another way."""
    members = dict(built)
    needing(cpu=on_cpu)(members)
    path.write_bytes(sealed(members, relist=True))
    assert READERS[reader](path)


def test_a_description_says_what_the_weights_of_the_graphs_are(
    built: dict[str, bytes], path: Path
) -> None:
    manifest = json.loads(built["manifest.json"])
    manifest["weights"]["fc.bias"] = ["f32", [1]]
    path.write_bytes(sealed({**built, "manifest.json": json.dumps(manifest).encode()}, relist=True))
    with pytest.raises(ModuleFormatError, match=r"fc\.bias"):
        api.read_description(path)


def test_a_description_is_read_without_the_weights(built: dict[str, bytes], path: Path) -> None:
    members = dict(built)
    members["weights.safetensors"] = b"?" * len(members["weights.safetensors"])
    path.write_bytes(sealed(members, relist=True))
    assert api.read_description(path)[0].weights["fc.bias"] == ("f32", (3,))
    with pytest.raises(ModuleFormatError, match="weights"):
        read_module(path)
