"""Files that are written whole or not at all, also by processes that are killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from graphc.errors import UsageError

__all__ = ["atomic_file", "write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; see `atomic_file`."""
    with atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its place and rename it, so that nobody ever sees a part of it.

    A file that is there keeps its permissions; one that must not be written is left alone. A
    link stays one: what it points to is replaced. What writers that were killed have left beside
    it is removed.

    Raises:
        UsageError: the place cannot be written.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = _permissions(place)
        _remove_abandoned(place)
        descriptor, temporary = _locked_file(place)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, place)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _locked_file(place: Path) -> tuple[int, str]:
    """A new file beside a place, locked for as long as it is open: its writer lives."""
    while True:
        descriptor, temporary = tempfile.mkstemp(".tmp", f".{place.name}.", place.parent)
        # Disks that know no locks keep what is abandoned.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Somebody may have taken it for abandoned before it was locked.
        if os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    """Remove the files of `_locked_file` whose writers ended before they were done."""
    for file in place.parent.glob(f".{glob.escape(place.name)}.*.tmp"):
        with contextlib.suppress(OSError), file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()


def _permissions(place: Path) -> int:
    """Those of the file that is there, or what the process gives to new files."""
    if place.exists():
        mode = place.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        if not mode & stat.S_IWUSR or not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, "it is read-only")
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {error.strerror or error}",
        code="output-unwritable",
        hint=_advice(path, error),
    )


def _advice(path: Path, error: OSError) -> str:
    """What to do, for a caller who may have chosen the place in any way."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
        return f"make the folder {path.parent} first, or choose another place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room on the disk, or choose another place"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"choose another place: {path.parent} takes no new files"
    return "let it be written, or choose another place"
