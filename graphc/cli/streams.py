"""The process's standard streams: closed ones, full ones, and letters that they lack."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

from graphc.errors import GraphcError, UsageError

__all__ = ["discard", "fault_of_output", "prepare_streams", "tell"]


def prepare_streams() -> None:
    """Give closed streams a place, before a file that is opened takes their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR if number == 2 else os.O_RDONLY)
    # What is written to a closed output is refused as soon as there is any.
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may be no text, and a terminal may lack letters.
        sys.stdout.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """Print what went wrong; where nobody can be told, the exit code has to do."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let go what was not written, which would else be tried again at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fault_of_output() -> GraphcError | None:
    """The error of an output that cannot be written to, if it is that."""
    try:
        print(flush=True)
    except OSError as error:
        discard(sys.stdout)
        return UsageError(
            f"the output cannot be written: {error.strerror}",
            code="output-unwritable",
            hint="make room on the disk, or choose another place"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "choose another place",
        )
    return None
