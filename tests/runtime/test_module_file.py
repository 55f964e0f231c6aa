"""Module files: what is written is read, the same bytes every time; what is damaged is refused."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphc.errors import DTypeError, GraphcError, ModuleFormatError, UsageError
from graphc.runtime.module_file import (
    FORMAT_VERSION,
    ModuleFile,
    read_module,
    write_atomically,
)

Array = np.ndarray[Any, Any]
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
}
EXPORT = {"doc": "", "inputs": [["x", "f32[B]"]], "results": ["f32[B]"], "state": [],
          "dims": {"B": ["B", 1, 8]}}  # fmt: skip


def module(weights: Mapping[str, Array] = WEIGHTS, **changes: Any) -> ModuleFile:
    content: dict[str, Any] = {
        "manifest": {"exports": {"predict": EXPORT}, "doc": "π"},
        "graphs": {"predict": "def predict(): pass\n"},
        "weights": weights,
        "programs": {"cpu": {"target": "cpu"}},
        "kernels": {"cuda": "// kernels\n"},
        "binaries": {"cubins/sm_90a.cubin": bytes(range(256))},
        "sources": {"predict": [[["mlp.gc", 1, 2, 1, 5]]]},
    }
    return ModuleFile(**{**content, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gcm"


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


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


def test_host_code_depends_on_graphs_alone() -> None:
    key = module().content_key()
    assert key == module(weights={}).content_key()
    assert key != module(graphs={"predict": "def predict(): 1\n"}).content_key()


def test_a_dtype_that_safetensors_lacks_is_refused() -> None:
    with pytest.raises(DTypeError, match="'w' is c128"):
        module(weights={"w": np.zeros(1, np.complex128)}).to_bytes()


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


def test_a_flipped_byte_anywhere_does_no_harm(path: Path) -> None:
    """It is refused, or in a part of the archive that says nothing."""
    data = module().to_bytes()
    for position in range(0, len(data), 11):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(bytes(changed))
        try:
            found = read_module(path)
        except GraphcError:
            continue
        assert found.graphs == module().graphs
        assert found.weights.keys() == WEIGHTS.keys()


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
    return archive_of(members)


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


@pytest.mark.parametrize("data", [b"", b"PK", b"not a module", b"\x80\x04pickle"])
def test_another_file_is_refused(data: bytes, path: Path) -> None:
    assert_refused(path, data)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_module(tmp_path / "none.gcm")
    with pytest.raises(UsageError, match="is a directory"):
        read_module(tmp_path)


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
    real.chmod(0o600)
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
