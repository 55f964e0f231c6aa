"""A content-addressed store of files in the user's cache directory.

An entry's name is a hash of everything that determines its content, so entries never change and
need no lock: a writer prepares a temporary file beside the entry and renames it into place, which
other threads and processes see whole or not at all. Deleting the directory is always safe.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from graphc import config
from graphc.errors import GraphcError, UsageError

__all__ = ["cache_directory", "content_key", "stored_file"]


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
    """
    path = cache_directory() / name
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A directory, so that `produce` may write further files beside its result.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as directory:
        temporary = Path(directory) / path.name
        produce(temporary)
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise _unusable(path.parent, error.strerror or str(error)) from error
    return path


def _unusable(directory: Path, reason: str) -> GraphcError:
    return UsageError(
        f"the cache directory {directory} cannot be used: {reason}",
        hint="set GRAPHC_CACHE_DIR to a directory of your own",
    )
