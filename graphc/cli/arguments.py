"""The words of a command line as values: what can be refused before any file is read."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from graphc.errors import ToolchainError, UsageError
from graphc.lazy import compiler, nvrtc

__all__ = [
    "NamedArguments",
    "named_argument",
    "named_file",
    "number_of_bytes",
    "seed",
    "targets",
]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def number_of_bytes(text: str) -> int:
    """A number of bytes as a person writes it.

    >>> number_of_bytes("64MiB"), number_of_bytes("1000")
    (67108864, 1000)

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"(\d{1,18})\s*([A-Za-z]*)", text.strip(), re.ASCII)
    if match is None or match[2].upper() not in _UNITS:
        raise UsageError(
            f"{text!r} is not a number of bytes", hint="write 1000000, 64MiB or 2GB, for example"
        )
    return int(match[1]) * _UNITS[match[2].upper()]


def seed(text: str) -> int:
    """The seed of a build.

    Raises:
        UsageError: no number of 64 bits.
    """
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII) or int(text) >= 1 << 64:
        raise UsageError(
            f"the seed is {text!r}, expected a number from 0 to 2**64 - 1",
            code="seed",
            hint="write --seed 1, for example",
        )
    return int(text)


def targets(text: str) -> tuple[str, ...]:
    """Names of targets, separated by commas.

    Raises:
        UsageError: there is no target of a name, or NVRTC has no such architecture.
    """
    names = tuple(text.split(","))
    compiler.check_targets(names)
    for name in names:
        # A machine without NVRTC understands the command line; the build says what it lacks.
        if name.startswith("sm_"):
            with contextlib.suppress(ToolchainError):
                nvrtc.check_architecture(name)
    return names


def named_file(text: str) -> str:
    """The path of a file that is to be read, or the name of a model in Python.

    Raises:
        UsageError: it is empty.
    """
    if not text:
        raise UsageError(
            "no file is named: the argument is empty", hint="write its path, as in net.gc"
        )
    return text


def named_argument(text: str) -> tuple[str, Any]:
    """An argument of an export, NAME=VALUE: a number, a truth value, or the path of an array.

    >>> named_argument("x=images.npy"), named_argument("scale=2.5"), named_argument("on=true")
    (('x', PosixPath('images.npy')), ('scale', 2.5), ('on', True))

    Raises:
        UsageError: it is none of these.
    """
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise UsageError(
            f"{text!r} is no argument", hint="write NAME=FILE.npy, NAME=NUMBER or NAME=true"
        )
    if value in ("true", "false"):
        return name, value == "true"
    if value.endswith(".npy"):
        return name, Path(value)
    try:
        return name, float(value) if set(value.lower()) & set(".einf") else int(value)
    except ValueError:
        raise UsageError(
            f"{text!r}: {value!r} is neither a number nor a .npy file",
            hint=f"write {name}=FILE.npy, {name}=2.5 or {name}=true",
        ) from None


class NamedArguments(argparse.Action):
    """Collects the results of `named_argument` by name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Store the arguments.

        Raises:
            UsageError: one is given twice.
        """
        found: dict[str, Any] = {}
        pairs: Iterable[tuple[str, Any]] = cast("Iterable[tuple[str, Any]]", values or ())
        for name, value in pairs:
            if name in found:
                raise UsageError(
                    f"the argument {name!r} is given twice",
                    code="argument-count",
                    hint=f"write {name}=... once",
                )
            found[name] = value
        setattr(namespace, self.dest, found)
