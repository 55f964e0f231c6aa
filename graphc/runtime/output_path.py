"""Paths of files that are to be written: what is wrong with one is said before there is work."""

from __future__ import annotations

import os
from pathlib import Path

from graphc.errors import UsageError

__all__ = ["array_path", "check_output", "module_path"]


def module_path(path: str | Path) -> Path:
    """The path of a module file.

    >>> module_path("nets/digits.gcm")
    PosixPath('nets/digits.gcm')

    Raises:
        UsageError: its name is that of another kind of file; the hint is a right one.
    """
    return _named(path, "a module file", "model", ".gcm")


def array_path(path: str | Path) -> Path:
    """The path of a file of one array, or of several.

    Raises:
        UsageError: its name is that of another kind of file; the hint is a right one.
    """
    return _named(path, "a file of results", "results", ".npy", ".npz")


def _named(path: str | Path, what: str, stem: str, *endings: str) -> Path:
    found = Path(path)
    if found.name.endswith(endings):
        return found
    near = found if found.name.strip(".") else found / stem
    raise UsageError(
        f"{str(path)!r}: {what} ends in {' or '.join(endings)}",
        code="output-name",
        hint=f"name it {' or '.join(str(near.with_suffix(ending)) for ending in endings)}",
    )


def check_output(path: Path) -> None:
    """Whether a file can be written at a path, before there is work to lose.

    Raises:
        UsageError: it cannot.
    """
    folder = path.parent
    problem = None
    if not folder.is_dir():
        problem = f"{folder} is no directory"
    elif path.is_dir():
        problem = f"{path} is a directory, expected the name of a file"
    elif not os.access(folder, os.W_OK):
        problem = f"{folder} cannot be written"
    if problem is not None:
        raise UsageError(problem, code="output-unwritable", hint="choose another place")
