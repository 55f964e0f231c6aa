"""Every setting of graphc, read once from the environment into a frozen dataclass."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphc.errors import DeviceError, UsageError

__all__ = ["DEVICES", "MOST_CHARACTERS", "MOST_THREADS", "Settings", "device_named", "settings"]

DEVICES = ("auto", "cpu", "cuda", "sim", "reference")
"""What modules run on; "auto" is the first that there is of "cuda", "cpu" and "reference"."""

MOST_CHARACTERS = 8 * 2**20
"""Characters that a source may have."""

MOST_THREADS = 1024
"""Threads that the CPU runtime may have."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    Attributes:
        cache_directory: where compiled host code is kept (`GRAPHC_CACHE_DIR`; by default
            `graphc` under the user's cache directory).
        threads: threads of the CPU runtime (`GRAPHC_THREADS`; by default the processors this
            process may use). Results never depend on it.
        device: device that is meant by "auto" (`GRAPHC_DEVICE`, one of `DEVICES`).
        compiler: the host C compiler (`GRAPHC_CC`; by default the first of cc, gcc, clang).
        verify_passes: verify what every pass makes (`GRAPHC_VERIFY`, 0 or 1).
        dump_directory: where each pass writes its result as text (`GRAPHC_DUMP`), or none.
    """

    cache_directory: Path
    threads: int
    device: str = "auto"
    compiler: str | None = None
    verify_passes: bool = True
    dump_directory: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; a variable that is empty is none.

        What a file or program is named by a setting is found out when it is first needed.

        Raises:
            UsageError: a value that cannot be understood; the message names its variable.

        >>> Settings.from_environment({"GRAPHC_THREADS": "3", "HOME": "/home/ada"}).threads
        3
        """
        cache = environment.get("GRAPHC_CACHE_DIR") or os.path.join(
            environment.get("XDG_CACHE_HOME")
            or os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".cache"),
            "graphc",
        )
        dump = environment.get("GRAPHC_DUMP")
        return cls(
            cache_directory=Path(cache),
            threads=_positive("GRAPHC_THREADS", environment, default=_available_processors()),
            device=_choice("GRAPHC_DEVICE", environment, DEVICES, default="auto"),
            compiler=environment.get("GRAPHC_CC") or None,
            verify_passes=_choice("GRAPHC_VERIFY", environment, ("0", "1"), default="1") == "1",
            dump_directory=Path(dump) if dump else None,
        )


def _available_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _positive(name: str, environment: Mapping[str, str], default: int) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= MOST_THREADS:
        raise UsageError(
            f"{name} is {text!r}; expected a whole number from 1 to {MOST_THREADS}",
            hint=f"set the environment variable {name} to such a number, or unset it",
        )
    return int(text)


def _choice(name: str, environment: Mapping[str, str], choices: Sequence[str], default: str) -> str:
    text = environment.get(name) or default
    if text not in choices:
        raise UsageError(
            f"{name} is {text!r}; expected {', '.join(choices[:-1])} or {choices[-1]}",
            hint=f"set the environment variable {name} to one of them, or unset it",
        )
    return text


@functools.cache
def settings() -> Settings:
    """The settings of this process, read when first asked for."""
    return Settings.from_environment(os.environ)


def device_named(name: str | None) -> str:
    """The device that a caller names; "auto" and none are what `GRAPHC_DEVICE` says.

    Raises:
        DeviceError: there is no device of that name.
    """
    if name in (None, "auto"):
        return settings().device
    if name not in DEVICES:
        raise DeviceError(
            f"there is no device {name!r}",
            code="unknown-device",
            hint=f"devices are {', '.join(DEVICES)}",
        )
    return name
