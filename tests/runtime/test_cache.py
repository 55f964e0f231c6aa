"""The content-addressed store: whole files or none, whoever writes at the same time."""

import ctypes
import errno
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import config
from graphc.config import Settings
from graphc.errors import ToolchainError, UsageError
from graphc.runtime import cache


@pytest.fixture(autouse=True)
def untold() -> None:
    cache._notice_once.cache_clear()


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "cache"
    monkeypatch.setattr(config, "settings", lambda: Settings(cache_directory=path, threads=1))
    return path


def test_directory_is_the_owners_alone(directory: Path) -> None:
    assert cache.cache_directory() == directory
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_entries_are_made_once(directory: Path) -> None:
    calls = []

    def produce(path: Path) -> None:
        calls.append(path)
        path.write_bytes(b"content")

    for _ in range(2):
        path = cache.stored_file("kind/name.bin", produce)
        assert path == directory / "kind" / "name.bin"
        assert path.read_bytes() == b"content"
    assert len(calls) == 1
    assert calls[0].name == "name.bin"
    assert calls[0].parent != path.parent
    assert not calls[0].parent.exists()


def test_an_interrupted_write_leaves_nothing(directory: Path) -> None:
    def interrupted(path: Path) -> None:
        path.write_bytes(b"half of the cont")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.stored_file("name", interrupted)
    assert list(directory.iterdir()) == []
    assert (
        cache.stored_file("name", lambda path: path.write_bytes(b"whole")).read_bytes() == b"whole"
    )


def test_threads_that_write_at_once_all_get_a_whole_file() -> None:
    barrier = threading.Barrier(8)
    found: list[bytes] = []

    def work() -> None:
        barrier.wait()
        path = cache.stored_file("entry", lambda p: p.write_bytes(b"x" * 100_000))
        found.append(path.read_bytes())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"x" * 100_000] * 8


def _store_in_process(directory: Path, results: "multiprocessing.Queue[bytes]") -> None:
    config.settings = lambda: Settings(cache_directory=directory, threads=1)  # type: ignore
    path = cache.stored_file("entry", lambda p: p.write_bytes(b"y" * 100_000))
    results.put(path.read_bytes())


def test_processes_that_write_at_once_all_get_a_whole_file(directory: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=_store_in_process, args=(directory, results)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [b"y" * 100_000] * 3
    for process in processes:
        process.join()
    assert [path.name for path in directory.iterdir()] == ["entry"]


def test_a_directory_that_cannot_be_made_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(
        config, "settings", lambda: Settings(cache_directory=file / "cache", threads=1)
    )
    with pytest.raises(UsageError, match="cannot be used: Not a directory") as error:
        cache.cache_directory()
    assert error.value.hint is not None
    assert "GRAPHC_CACHE_DIR" in error.value.hint


def settle(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "settings", lambda: Settings(cache_directory=directory, threads=1))


def test_a_cache_that_cannot_be_made_is_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    settle(file / "cache", monkeypatch)
    monkeypatch.setattr(cache, "_folders", {})
    calls = []

    def produce(path: Path) -> None:
        calls.append(path)
        path.write_bytes(b"content")

    paths = {cache.stored_file("kind/name", produce) for _ in range(3)}
    (path,) = paths
    assert path.read_bytes() == b"content"
    # Made once, in a folder that nobody else can read; said once, with what to do.
    assert len(calls) == 1
    assert stat.S_IMODE(cache._private_directory().stat().st_mode) == 0o700
    (record,) = caplog.records
    assert record.name == "graphc" and record.levelname == "WARNING"
    for part in (str(file / "cache"), "Not a directory", "GRAPHC_CACHE_DIR"):
        assert part in record.getMessage()


@pytest.mark.parametrize("call", ["copyfile", "replace", "mkdir"])
def test_a_full_cache_is_done_without(
    call: str, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever step it is that finds no room."""
    owner = {"copyfile": shutil, "replace": os, "mkdir": os}[call]
    real = getattr(owner, call)
    monkeypatch.setattr(cache, "_folders", {})
    cache.cache_directory()

    def full(*arguments: Any, **named: Any) -> Any:
        if any(str(argument).startswith(f"{directory}/") for argument in arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **named)

    monkeypatch.setattr(owner, call, full)
    for name in ("kind/first", "kind/second"):
        path = cache.stored_file(name, lambda place: place.write_bytes(b"content"))
        assert path.read_bytes() == b"content" and directory not in path.parents
    assert not [path for path in directory.rglob("*") if path.is_file()]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text and "GRAPHC_CACHE_DIR" in caplog.text


def test_an_error_of_the_producer_is_not_blamed_on_the_cache(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(path: Path) -> None:
        raise OSError(errno.ENOEXEC, "Exec format error")

    with pytest.raises(OSError, match="Exec format"):
        cache.stored_file("name", fails)
    assert not caplog.records


def test_without_any_place_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**named: Any) -> Any:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", none)
    with pytest.raises(UsageError, match="no place for temporary files") as caught:
        cache.stored_file("name", lambda path: path.write_bytes(b""))
    assert "TMPDIR" in str(caught.value.hint)


def test_the_private_folder_goes_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from graphc.runtime.cache import stored_file\n"
        "place = stored_file('kind/name', lambda path: path.write_bytes(b'content'))\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "print(place, place.exists())"
    )
    (tmp_path / "file").write_text("")
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(cache.__file__).parents[2]),
            "GRAPHC_CACHE_DIR": str(tmp_path / "file" / "cache"),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(f"{tmp_path}/graphc-")
    assert result.stdout.endswith(" True\n"), "the child took it along"
    assert result.stderr.count("GRAPHC_CACHE_DIR") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_keys_tell_parts_apart(first: list[bytes], second: list[bytes]) -> None:
    assert (cache.content_key(*first) == cache.content_key(*second)) == (first == second)


def placed_outside(directory: Path) -> Callable[[Path, Path], Path]:
    """As if the directory were on a disk that is read-only."""
    real = cache._placed

    def placed(made: Path, path: Path) -> Path:
        if directory in path.parents:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(made, path)

    return placed


def test_a_damaged_entry_that_cannot_be_deleted_is_done_without(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_folders", {})
    monkeypatch.setattr(cache, "_discarded", set())
    damaged = cache.stored_file("kind/name", lambda place: place.write_bytes(b"damaged"))

    def read_only(*arguments: Any, **named: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as context:
        context.setattr(Path, "unlink", read_only)
        cache.discard(damaged)
    with monkeypatch.context() as context:
        context.setattr(cache, "_placed", placed_outside(directory))
        made = cache.stored_file("kind/name", lambda place: place.write_bytes(b"whole"))
        assert made != damaged and made.read_bytes() == b"whole"
    # Asked for again, it is neither made again nor taken from where it is damaged.
    assert cache.stored_file("kind/name", lambda place: place.write_bytes(b"")) == made
    assert damaged.read_bytes() == b"damaged"


def test_a_damaged_entry_that_can_be_replaced_is(directory: Path) -> None:
    damaged = cache.stored_file("kind/name", lambda place: place.write_bytes(b"damaged"))
    cache.discard(damaged)
    assert not damaged.exists()
    cache.discard(damaged)
    assert cache.stored_file("kind/name", lambda place: place.write_bytes(b"whole")) == damaged
    assert damaged.read_bytes() == b"whole"


def test_an_entry_that_took_the_place_of_a_damaged_one_is_found(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_discarded", set())
    damaged = cache.stored_file("kind/name", lambda place: place.write_bytes(b"damaged"))
    with monkeypatch.context() as context:
        context.setattr(Path, "unlink", lambda *_, **__: os.unlink(directory))
        cache.discard(damaged)
    for content in (b"whole", b"made again"):
        place = cache.stored_file("kind/name", lambda place, one=content: place.write_bytes(one))
        assert place == damaged and place.read_bytes() == b"whole"


def test_what_killed_processes_left_is_removed_in_time(directory: Path) -> None:
    cache.stored_file("kind/first", lambda place: place.write_bytes(b"1"))
    old, new = directory / "kind" / ".new-old", directory / "kind" / ".new-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "half").write_bytes(b"half of the cont")
    os.utime(old, (time.time() - 2 * cache._ABANDONED_SECONDS,) * 2)
    cache.stored_file("kind/second", lambda place: place.write_bytes(b"2"))
    assert {path.name for path in old.parent.iterdir()} == {"first", "second", ".new-new"}


def shared_object(path: Path) -> None:
    subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", str(path)], check=True)


def test_a_damaged_library_is_made_again() -> None:
    path = cache.stored_file("kind/name.so", lambda place: place.write_bytes(b"\x7fELF"))
    assert cache.stored_library("kind/name.so", shared_object) == path
    ctypes.CDLL(str(path))


def test_a_library_that_does_not_load_is_explained() -> None:
    with pytest.raises(ToolchainError, match="cannot be loaded") as caught:
        cache.stored_library("kind/name.so", lambda place: place.write_bytes(b"text"))
    assert caught.value.code == "library-unloadable"
    assert "noexec" in str(caught.value.hint) and "GRAPHC_CACHE_DIR" in str(caught.value.hint)
