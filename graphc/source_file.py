"""The text of source files."""

from __future__ import annotations

import os
from pathlib import Path

from graphc.config import MOST_CHARACTERS
from graphc.errors import SourceError, Span, UsageError, register_source
from graphc.ordinary_file import open_ordinary

__all__ = ["read_source"]

_MOST_BYTES = 4 * MOST_CHARACTERS
"""What the longest source takes in UTF-8."""


def read_source(path: str | Path) -> str:
    """The text of a source file, with plain line ends.

    Raises:
        UsageError: it cannot be read, is no ordinary file, larger than any source, or a module.
        SourceError: it is not UTF-8.
    """
    if not os.fspath(path):
        raise UsageError(
            "no file is named: the path is empty",
            code="file-missing",
            hint="write the path of a .gc file",
        )
    path = Path(path)
    data = _source_bytes(path)
    if data.startswith(b"PK\x03\x04"):
        raise UsageError(
            f"{path} is a module, expected a .gc source",
            code="file-unreadable",
            hint=f"`graphc info {path}` says what it contains",
        )
    try:
        return _with_plain_line_ends(data.decode())
    except UnicodeDecodeError as error:
        before = _with_plain_line_ends(data[: error.start].decode()).split("\n")
        place = len(before), len(before[-1]) + 1
        raise SourceError(
            f"{path} is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}",
            code="encoding",
            span=Span(str(path), *place, place[0], place[1] + 1),
            hint="save it as UTF-8",
        ) from None


def _source_bytes(path: Path) -> bytes:
    """The bytes of a file that is no larger than a source can be."""
    with open_ordinary(path, "a .gc file") as file:
        size = os.fstat(file.fileno()).st_size
        # Files of some systems say that they have no bytes; and any may grow.
        data = file.read(_MOST_BYTES + 1) if size <= _MOST_BYTES else None
    if data is None or len(data) > _MOST_BYTES:
        # Who renders the error would read the file for its first line.
        register_source(str(path), "")
        raise UsageError(
            f"{path} has {max(size, _MOST_BYTES + 1)} bytes; a source has at most {_MOST_BYTES}",
            code="file-unreadable",
            span=Span(str(path), 1, 1, 1, 2),
            hint="split it into several files and import them",
        )
    return data


def _with_plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
