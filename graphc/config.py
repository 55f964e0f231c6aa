"""Every setting of graphc, read once from the environment into a frozen dataclass."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphc.errors import UsageError

__all__ = ["MOST_CHARACTERS", "MOST_THREADS", "Settings", "settings"]

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
        device: device that `load` takes when it is told "auto" (`GRAPHC_DEVICE`).
        compiler: the host C compiler (`GRAPHC_CC`; by default the first of cc, gcc, clang).
        verify_passes: verify the graph after every pass (`GRAPHC_VERIFY`, 0 or 1).
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
        """Read the settings; a value that cannot be used is refused by name.

        >>> Settings.from_environment({"GRAPHC_THREADS": "3", "HOME": "/home/ada"}).threads
        3
        """
        cache = environment.get("GRAPHC_CACHE_DIR") or os.path.join(
            environment.get("XDG_CACHE_HOME")
            or os.path.join(environment.get("HOME", os.path.expanduser("~")), ".cache"),
            "graphc",
        )
        dump = environment.get("GRAPHC_DUMP")
        return cls(
            cache_directory=Path(cache),
            threads=_positive("GRAPHC_THREADS", environment, default=_available_processors()),
            device=environment.get("GRAPHC_DEVICE", "auto"),
            compiler=environment.get("GRAPHC_CC") or None,
            verify_passes=_flag("GRAPHC_VERIFY", environment, default=True),
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
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_THREADS:
        raise UsageError(
            f"{name} is {text!r}; expected a whole number from 1 to {MOST_THREADS}",
            hint=f"set the environment variable {name} to such a number, or unset it",
        )
    return int(text)


def _flag(name: str, environment: Mapping[str, str], default: bool) -> bool:
    text = environment.get(name)
    if not text:
        return default
    if text not in ("0", "1"):
        raise UsageError(
            f"{name} is {text!r}; expected 0 or 1",
            hint=f"set the environment variable {name} to one of them, or unset it",
        )
    return text == "1"


@functools.cache
def settings() -> Settings:
    """The settings of this process, read when first asked for."""
    return Settings.from_environment(os.environ)
