"""Files that are read: what is none, or would never end, is refused before it is waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from graphc.errors import UsageError, nearest_name

__all__ = ["open_ordinary"]

_WHERE = "write the whole path, or the path from the present folder"


def open_ordinary(path: Path, expected: str) -> BinaryIO:
    """Open a file to be read, if it is neither a directory nor a device or pipe.

    Args:
        path: the file.
        expected: what it is to be, as in "a .gc file".

    Raises:
        UsageError: there is no such file, it cannot be read, or it is no ordinary one.
    """
    try:
        # Opening a pipe waits for its writer, unless told not to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unreadable(
            f"{path} cannot be read: {reason or error}", "let it be read, or name another file"
        ) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise _unreadable(f"{path} is a directory, expected {expected}", "name the files in it")
    raise _unreadable(
        f"{path} is not an ordinary file, expected {expected}",
        "write what it gives to a file, and name that",
    )


def _unreadable(message: str, hint: str) -> UsageError:
    return UsageError(message, code="file-unreadable", hint=hint)


def _missing(path: Path) -> UsageError:
    """The error for a file that is not there; the hint has the nearest name in its folder."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return UsageError(
            f"there is no file {path}, and no folder {path.parent}",
            code="file-missing",
            hint=_WHERE,
        )
    near = nearest_name(path.name, names)
    hint = f"did you mean {path.parent / near}?" if near else _WHERE
    return UsageError(f"there is no file {path}", code="file-missing", hint=hint)
