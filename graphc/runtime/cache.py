"""A content-addressed store of files in the user's cache directory.

An entry's name is a hash of everything that determines its content, so entries never change and
need no lock: a file is made in a folder of its own, and renamed into place, so that other threads
and processes see it whole or not at all. Deleting the directory is always safe. Where it cannot be
used (read-only, full, somebody else's), the entries of a process lie in a folder that ends with it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from graphc import config
from graphc.errors import ToolchainError, UsageError

__all__ = ["cache_directory", "content_key", "discard", "stored_file", "stored_library"]

_ABANDONED_SECONDS = 3600
"""Folders that entries were to be copied to lie abandoned after this time."""


def cache_directory() -> Path:
    """The cache directory, created readable by its owner alone.

    Raises:
        UsageError: the directory cannot be created, or belongs to somebody else (whoever owns it
            could have this process load code of theirs).
    """
    directory = config.settings().cache_directory
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
    except OSError as error:
        raise _unusable(directory, error.strerror or str(error)) from error
    if owner != os.getuid():
        raise _unusable(directory, "it belongs to another user")
    return directory


def content_key(*parts: str | bytes) -> str:
    """A name for the content that `parts` determine; where one part ends matters.

    >>> content_key("ab", "c") == content_key("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def stored_file(name: str, produce: Callable[[Path], None]) -> Path:
    """The path of entry `name`, made by `produce(temporary_path)` if it is not there yet.

    Several threads or processes may produce the same entry at once; one of the results stays.

    Raises:
        UsageError: there is no place for temporary files either.
    """
    directory = _usable_directory()
    for place in (directory, _folders.get(os.getpid())):
        if place is None or place / name in _discarded:
            continue
        if os.access(place / name, os.R_OK):
            return place / name
    # A directory, so that `produce` may write further files beside its result.
    with _temporary_directory() as folder:
        made = folder / Path(name).name
        produce(made)
        if directory is not None:
            try:
                return _placed(made, directory / name)
            except OSError as error:
                _notice(_unusable(directory, error.strerror or str(error)))
        return _placed(made, _private_directory() / name)


def stored_library(name: str, produce: Callable[[Path], None]) -> Path:
    """As `stored_file`, for a shared object: one that this process can load.

    Raises:
        ToolchainError: what is made cannot be loaded.
        UsageError: there is no place for temporary files.
    """
    path = stored_file(name, produce)
    try:
        ctypes.CDLL(str(path))
    except OSError:
        # A disk that was full, say.
        discard(path)
        path = stored_file(name, produce)
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            raise ToolchainError(
                f"compiled code cannot be loaded: {error}",
                code="library-unloadable",
                hint="if the disk is mounted noexec, set GRAPHC_CACHE_DIR to a directory that "
                "programs may be loaded from",
            ) from error
    return path


def discard(path: Path) -> None:
    """Have an entry that is damaged made again when it is next asked for."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        _discarded.add(path)


# What could not be deleted; this process does without it.
_discarded: set[Path] = set()


def _usable_directory() -> Path | None:
    try:
        return cache_directory()
    except UsageError as error:
        _notice(error)
        return None


def _placed(made: Path, path: Path) -> Path:
    """Copy a file to its place, which may be on another disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
        whole = Path(folder) / path.name
        shutil.copyfile(made, whole)
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(whole, path)
    _discarded.discard(path)
    return path


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed have left."""
    for one in folder.glob(".new-*"):
        with contextlib.suppress(OSError):
            if one.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(one)


# By process: a fork has one of its own, and leaves its parent's alone.
_folders: dict[int, Path] = {}


def _private_directory() -> Path:
    """A folder for the entries of this process, removed when it ends."""
    process = os.getpid()
    if process not in _folders:
        _folders[process] = folder = _temporary_folder()
        atexit.register(_remove, folder, process)
    return _folders[process]


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _temporary_directory() -> Iterator[Path]:
    folder = _temporary_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder() -> Path:
    """A new folder, whose maker removes it; `TemporaryDirectory` would do so in forks as well."""
    try:
        return Path(tempfile.mkdtemp(prefix="graphc-"))
    except OSError as error:
        raise UsageError(
            f"there is no place for temporary files: {error.strerror or error}",
            code="no-temporary-directory",
            hint="make room, or set TMPDIR to a directory that can be written",
        ) from error


def _notice(error: UsageError) -> None:
    _notice_once(f"{error.message}; what is compiled is kept for this process only ({error.hint})")


@functools.cache
def _notice_once(text: str) -> None:
    logging.getLogger("graphc").warning("%s", text)


def _unusable(directory: Path, reason: str) -> UsageError:
    return UsageError(
        f"the cache directory {directory} cannot be used: {reason}",
        code="cache-unusable",
        hint="set GRAPHC_CACHE_DIR to a directory of your own that can be written",
    )
