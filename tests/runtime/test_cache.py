"""The content-addressed store: whole files or none, whoever writes at the same time."""

import multiprocessing
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import config
from graphc.config import Settings
from graphc.errors import UsageError
from graphc.runtime import cache


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


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_keys_tell_parts_apart(first: list[bytes], second: list[bytes]) -> None:
    assert (cache.content_key(*first) == cache.content_key(*second)) == (first == second)
