"""From CUDA text to a shared object of the host, by the host's C++ compiler."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphc.errors import InternalError, ToolchainError
from graphc.runtime.cache import content_key, stored_file, stored_library

__all__ = ["KernelText", "build_module", "read_kernel_text"]

# The name of a kernel's text in messages, where it has no #line of its own.
TEXT_NAME = "kernel.cu"

_SOURCES = Path(__file__).parent
_FAST_RUNTIME = ("scheduler.cpp", "async_copy.cpp")
_CHECKING_RUNTIME = (*_FAST_RUNTIME, "checker.cpp", "instrumentation.cpp")

# No contraction and no reassociation: the numbers are those that the text says. Generated code
# reads memory through vector types, so aliasing follows CUDA's practice, not C++'s rules.
_COMMON_FLAGS = (
    "-std=c++17",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-fvisibility=hidden",
)
_RUNTIME_FLAGS = (*_COMMON_FLAGS, "-O2")
# Compiles three times as fast as -O2, and kernels take as long: switching threads is what costs.
_KERNEL_OPTIMIZATION = "-Og"
# Lines, and calls that were inlined, are all that findings tell.
_LINES = "-g1"
# Half of a fiber's stack (interface.hpp).
_FRAME_LIMIT = "-Werror=frame-larger-than=262144"
_FAST_FLAGS = (*_COMMON_FLAGS, _KERNEL_OPTIMIZATION, _LINES, _FRAME_LIMIT)
_CHECKING_FLAGS = (
    *_COMMON_FLAGS,
    _KERNEL_OPTIMIZATION,
    _LINES,
    _FRAME_LIMIT,
    "-DSIMULATOR_CHECK",
    "-fsanitize=thread",
    "--param=tsan-instrument-func-entry-exit=0",
)
_WRAPPED = ("memcpy", "memmove", "memset")
_LINK_FLAGS = ("-shared", "-pthread")
_RED_ZONE_BYTES = 4096


@dataclass(frozen=True)
class KernelText:
    """A CUDA text prepared for the host compiler.

    Attributes:
        text: the text, with `extern __shared__` arrays turned into pointers.
        parameters: for each kernel its parameters' names; names only, the types come from the
            compiler.
    """

    text: str
    parameters: dict[str, tuple[str, ...]]


_COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.DOTALL | re.MULTILINE)
_KERNEL = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+"
    r"(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)"
)
_DYNAMIC_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*|alignas\s*\([^)]*\)\s*)?"
    r"([\w\s:]+?)\s*\b(\w+)\s*\[\s*\]\s*;"
)


def read_kernel_text(source: str) -> KernelText:
    """Find the kernels of a text, not those that macros make, and prepare it for the compiler.

    >>> read_kernel_text('extern "C" __global__ void k(float* x, int n) {}').parameters
    {'k': ('x', 'n')}
    """
    plain = _DIRECTIVE.sub(_blank, _COMMENT_OR_STRING.sub(_blank, source))
    parameters = {
        match[1]: tuple(_last_name(part) for part in match[2].split(",") if part.strip())
        for match in _KERNEL.finditer(plain)
    }
    pieces, end = [], 0
    for match in _DYNAMIC_SHARED.finditer(plain):
        before = plain[: match.start()]
        if before.count("{") == before.count("}"):
            line = before.count("\n") + 1
            raise ToolchainError(
                f"line {line}: the simulator reads dynamic shared memory inside kernels only",
                hint=f"declare {match[2]} in the body of each kernel that uses it",
            )
        pointer = f"reinterpret_cast<{match[1]}*>(simulator::self().dynamic_shared)"
        newlines = "\n" * match[0].count("\n")
        pieces += [source[end : match.start()], f"{match[1]}* const {match[2]} = {pointer};"]
        pieces.append(newlines)
        end = match.end()
    return KernelText("".join(pieces) + source[end:], parameters)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _last_name(parameter: str) -> str:
    names = re.findall(r"\w+", parameter)
    return names[-1] if names else "?"


def build_module(kernels: KernelText, check: bool) -> Path:
    """The shared object of a text, from the cache or newly compiled.

    Raises:
        ToolchainError: there is no C++ compiler, or what it made cannot be loaded.
        InternalError: the compiler refuses the text; the note holds its messages.
    """
    compiler = _compiler()
    flags = _CHECKING_FLAGS if check else _FAST_FLAGS
    key = content_key(compiler.identity, *flags, *_all_sources(), kernels.text)

    def produce(path: Path) -> None:
        runtime = _runtime_object(compiler, check)
        unit = path.with_suffix(".cpp")
        unit.write_text(_translation_unit(kernels), encoding="utf-8")
        assembly = path.with_suffix(".s")
        prefix_map = f"-ffile-prefix-map={path.parent}=."
        _run([compiler.path, *flags, prefix_map, "-S", "-o", assembly, unit], path.parent)
        wraps: tuple[str, ...] = ()
        if check:
            assembly.write_text(_add_red_zones(assembly.read_text()))
            wraps = tuple(f"-Wl,--wrap={name}" for name in _WRAPPED)
        _run([compiler.path, *_LINK_FLAGS, *wraps, "-o", path, assembly, runtime], path.parent)

    return stored_library(f"simulator/{key}.so", produce)


def _translation_unit(kernels: KernelText) -> str:
    entries = "\n".join(f"SIMULATOR_KERNEL({name})" for name in kernels.parameters)
    return (
        f'#include "{_SOURCES / "cuda.hpp"}"\n'
        f'#line 1 "{TEXT_NAME}"\n{kernels.text}\n#line 1 "simulator entries"\n{entries}\n'
    )


def _runtime_object(compiler: _Compiler, check: bool) -> Path:
    """The simulator's own part, compiled once for each mode."""
    flags = (*_RUNTIME_FLAGS, *(("-DSIMULATOR_CHECK",) if check else ()))
    key = content_key(compiler.identity, *flags, *_all_sources())

    def produce(path: Path) -> None:
        objects = []
        for name in _CHECKING_RUNTIME if check else _FAST_RUNTIME:
            objects.append(path.parent / f"{name}.o")
            _run([compiler.path, *flags, "-c", "-o", objects[-1], _SOURCES / name], path.parent)
        _run([compiler.path, "-r", "-nostdlib", "-o", path, *objects], path.parent)

    return stored_file(f"simulator/{key}.o", produce)


def _add_red_zones(assembly: str) -> str:
    """Separate the shared variables, and append the table of them that the checker reads."""
    result, section, symbol = [], "", ""
    variables: list[tuple[str, int]] = []
    sizes: dict[str, int] = {}
    for line in assembly.splitlines():
        words = line.split(None, 1)
        if words and words[0] in (".section", ".text", ".data", ".bss", ".previous"):
            section = words[1].split(",")[0] if words[0] == ".section" else words[0]
        elif words and words[0] == ".size":
            name, size = words[1].split(",")
            sizes[name] = int(size) if size.strip().isdigit() else 0
        if section != "simulator_shared":
            result.append(line)
            continue
        if line.endswith(":"):
            symbol = line[:-1]
            variables.append((symbol, sizes[symbol]))
        result.append(line)
        if words and words[0] == ".zero":
            result.append(f"\t.zero\t{_RED_ZONE_BYTES}")
    return "\n".join([*result, *_variable_table(variables)]) + "\n"


def _variable_table(variables: Sequence[tuple[str, int]]) -> list[str]:
    table = [
        '\t.section .data.rel.ro,"aw"',
        "\t.balign 8",
        "\t.globl simulator_shared_variables",
        "\t.hidden simulator_shared_variables",
        "simulator_shared_variables:",
    ]
    names = ["\t.section .rodata"]
    for index, (symbol, size) in enumerate(variables):
        table += [f"\t.8byte {symbol}", f"\t.8byte {size}", f"\t.8byte .Lsimulator_name{index}"]
        names += [f".Lsimulator_name{index}:", f'\t.string "{_variable_name(symbol)}"']
    return [*table, "\t.8byte 0, 0, 0", *names]


def _variable_name(symbol: str) -> str:
    """The source name of a variable local to a function, from its mangled symbol.

    >>> _variable_name("_ZZ8tiled_mmE2sa")
    'sa'
    >>> _variable_name("_ZZ1kE4part_0")
    'part'
    """
    lengths = list(re.finditer(r"E(\d+)", symbol))
    if not lengths:
        return symbol
    start = lengths[-1].end()
    return symbol[start : start + int(lengths[-1][1])]


@dataclass(frozen=True)
class _Compiler:
    path: str
    identity: str


@functools.cache
def _compiler() -> _Compiler:
    path = shutil.which("g++")
    if path is None:
        raise ToolchainError(
            "the simulator needs g++, which was not found on the PATH",
            hint="install GCC's C++ compiler (Debian and Ubuntu: apt install g++)",
        )
    version = _run([path, "--version", "-dumpmachine"], Path.cwd())
    return _Compiler(path, version)


@functools.cache
def _all_sources() -> tuple[str, ...]:
    files = sorted([*_SOURCES.glob("*.hpp"), *_SOURCES.glob("*.cpp")])
    return tuple(text for file in files for text in (file.name, file.read_text(encoding="utf-8")))


def _run(command: Sequence[str | Path], directory: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    result = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise InternalError(
            "the host compiler refuses a kernel's text",
            notes=[f"{Path(command[0]).name} says:", *result.stderr.strip().splitlines()[:40]],
        )
    return result.stdout
