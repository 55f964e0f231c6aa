"""From C to a shared object through the system's compiler, cached by content."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graphc import config
from graphc.errors import ToolchainError
from graphc.runtime.cache import content_key, stored_library

__all__ = ["Compiler", "compile_object", "find_compiler"]

# No contraction and no reassociation: the numbers are those that the text says. Signed overflow
# wraps, as in NumPy. Kernels may read a buffer that they write (updates in place).
FLAGS = (
    "-std=gnu11",
    # What -O3 adds that generated loops profit from, at a third of its compile time.
    "-O2",
    "-ftree-vectorize",
    "-fvect-cost-model=unlimited",
    "-fsplit-loops",
    "-fpeel-loops",
    "-march=native",
    "-fPIC",
    "-shared",
    "-pthread",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-fno-semantic-interposition",
    "-w",
)


@dataclass(frozen=True)
class Compiler:
    """A host C compiler.

    Attributes:
        command: how to start it.
        identity: changes whenever the compiler or the processor does.
    """

    command: tuple[str, ...]
    identity: str


@functools.cache
def find_compiler() -> Compiler:
    """The C compiler of this machine.

    Raises:
        ToolchainError: there is none.
    """
    wanted = config.settings().compiler
    for name in [wanted] if wanted else ["cc", "gcc", "clang"]:
        path = shutil.which(name)
        if path is not None:
            real = os.path.realpath(path)
            status = os.stat(real)
            identity = f"{real} {status.st_size} {status.st_mtime_ns} {_processor()}"
            return Compiler((path,), identity)
    if wanted:
        raise ToolchainError(
            f"GRAPHC_CC is {wanted!r}, and there is no such program",
            code="compiler-missing",
            hint="set GRAPHC_CC to the path of a C compiler (gcc or clang), or unset it to take "
            "the first of cc, gcc and clang on the PATH",
        )
    raise ToolchainError(
        "no C compiler was found (cc, gcc or clang on the PATH)",
        code="compiler-missing",
        hint='install one (Debian and Ubuntu: apt install gcc), or load with device="reference"',
    )


def _processor() -> str:
    """What -march=native depends on."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = {line.split(":")[0].strip(): line for line in _first_processor(file.read())}
        return content_key(*(lines.get(k, "") for k in ("model name", "flags", "Features")))
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


def _first_processor(text: str) -> list[str]:
    return text.split("\n\n", 1)[0].splitlines()


def _entry_name(source: str, compiler: Compiler) -> str:
    return f"cpu/{content_key(source, compiler.identity, *FLAGS)}.so"


def compile_object(source: str) -> Path:
    """The shared object of a C text, from the cache or newly compiled.

    Raises:
        ToolchainError: there is no compiler, or it fails; the notes hold its messages. Or what
            it made cannot be loaded.
    """
    compiler = find_compiler()

    def produce(path: Path) -> None:
        unit = path.with_suffix(".c")
        unit.write_text(source, encoding="utf-8")
        _run(compiler, [*FLAGS, "-o", str(path), str(unit), "-lm"], path)

    return stored_library(_entry_name(source, compiler), produce)


def _run(compiler: Compiler, arguments: list[str], path: Path) -> None:
    """Start the compiler, which must write `path`."""
    try:
        result = subprocess.run(
            [*compiler.command, *arguments],
            cwd=path.parent,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise _failed(compiler, f"it does not start: {error.strerror or error}", ()) from error
    if result.returncode != 0 or not path.exists():
        notes = result.stderr.strip().splitlines()[:20]
        raise _failed(compiler, f"exit code {result.returncode}", notes)


def _failed(compiler: Compiler, why: str, notes: Iterable[str]) -> ToolchainError:
    name = " ".join(compiler.command)
    return ToolchainError(
        f"the C compiler {name} did not compile the kernels ({why})",
        code="compiler-failed",
        hint="set GRAPHC_CC to a working C compiler (gcc or clang); if it is one, "
        "please report this with the model",
        notes=notes,
    )
