"""What the checker found in a launch, in the words of the kernel's source."""

from __future__ import annotations

import ctypes
import functools
import posixpath
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["MAX_FINDINGS", "Finding", "FindingRecord", "LaunchShape", "describe_findings"]

MAX_FINDINGS = 32

# The checks in the order of `enum class Check` in block.hpp.
_CHECKS = (
    "out-of-bounds",
    "race-in-block",
    "race-between-blocks",
    "divergent-barrier",
    "pending-copy",
    "uninitialised-shared",
    "divergent-warp",
    "inactive-lane",
    "misaligned",
)
_NO_REGION = 0xFFFFFFFF
_VERBS = ("read", "write", "atomic update")


class PlaceRecord(ctypes.Structure):
    """`Place` of block.hpp."""

    _fields_ = (
        ("code", ctypes.c_uint64),
        ("block", ctypes.c_uint64),
        ("thread", ctypes.c_uint32),
        ("written", ctypes.c_uint32),
    )


class FindingRecord(ctypes.Structure):
    """`Finding` of block.hpp."""

    _fields_ = (
        ("check", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("region", ctypes.c_uint32),
        ("has_other", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("place", PlaceRecord),
        ("other", PlaceRecord),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a kernel broke.

    Attributes:
        check: the rule: out-of-bounds, race-in-block, race-between-blocks, divergent-barrier,
            pending-copy, uninitialised-shared, divergent-warp, inactive-lane, misaligned.
        kernel: name of the kernel.
        file, line: the source line, following `#line`; line 0 where the compiler left none.
        thread, block: indices of the thread that broke the rule.
        buffer: the memory concerned: a parameter or a shared variable.
        message: the finding as text, with the other access where there is one.
    """

    check: str
    kernel: str
    file: str
    line: int
    thread: tuple[int, int, int]
    block: tuple[int, int, int]
    buffer: str | None
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class LaunchShape:
    """What turns linear indices into CUDA's, and addresses into names.

    Attributes:
        variable_at: from (region, offset) to a variable's name, the offset in it, and its size.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    variable_at: Callable[[int, int], tuple[str, int, int]]


def describe_findings(
    module: Path, records: Sequence[FindingRecord], shape: LaunchShape
) -> tuple[Finding, ...]:
    """Findings with names and source lines, in the order in which they were made."""
    codes = sorted({code for r in records for code in (r.place.code, r.other.code) if code})
    lines = dict(zip(codes, _source_lines(module, codes), strict=True))
    return tuple(_describe(record, shape, lines) for record in records)


Lines: TypeAlias = "dict[int, tuple[str, int]]"


def _describe(record: FindingRecord, shape: LaunchShape, lines: Lines) -> Finding:
    check = _CHECKS[record.check]
    file, line = lines.get(record.place.code, ("", 0))
    thread = _unravel(record.place.thread, shape.block)
    block = _unravel(record.place.block, shape.grid)
    buffer = None
    access = f"{_VERBS[record.place.written]} of {record.bytes} bytes at"
    if record.region == _NO_REGION:
        access = f"{access} {record.offset:#x}, in no buffer and no shared variable,"
    else:
        buffer, offset, size = shape.variable_at(record.region, record.offset)
        access = f"{access} {buffer} {'+' if offset >= 0 else '-'} {abs(offset)} of {size} bytes"
    sentence = _SENTENCES[check].format(
        access=access, thread=f"thread {thread} of block {block}", lane=record.offset
    )
    other = _describe_other(check, record, shape, lines) if record.has_other else ""
    message = f"{_place(lines, record.place)}: {check}: {sentence}{other}"
    return Finding(check, shape.kernel, file, line, thread, block, buffer, message)


def _describe_other(check: str, record: FindingRecord, shape: LaunchShape, lines: Lines) -> str:
    other = record.other
    who = f"thread {_unravel(other.thread, shape.block)}"
    if other.block != record.place.block:
        who += f" of block {_unravel(other.block, shape.grid)}"
    if not other.code:
        return f"; {who} has ended"
    return _OTHERS[check].format(verb=_VERBS[other.written], thread=who, place=_place(lines, other))


_SENTENCES = {
    "out-of-bounds": "{access} by {thread}",
    "race-in-block": "{access} by {thread} is not ordered",
    "race-between-blocks": "{access} by {thread} is not ordered",
    "divergent-barrier": "{thread} waits at a barrier that others of its block do not reach",
    "pending-copy": "{access} by {thread} while an asynchronous copy to it is under way",
    "uninitialised-shared": "{access} by {thread}, whose block has written nothing there",
    "divergent-warp": "{thread} waits at a warp operation that lanes of its mask do not reach",
    "inactive-lane": "{thread} reads the value of lane {lane}, which takes no part",
    "misaligned": "{access} by {thread} is not aligned to its size",
}

_OTHERS = {
    "race-in-block": " with the {verb} by {thread} at {place}",
    "race-between-blocks": " with the {verb} by {thread} at {place}",
    "divergent-barrier": "; {thread} waits at {place}",
    "divergent-warp": "; {thread} waits at {place}",
    "pending-copy": ", started by {thread} at {place}",
}


def _place(lines: Lines, place: PlaceRecord) -> str:
    file, line = lines.get(place.code, ("", 0))
    return f"{file}:{line}" if line else "unknown line"


def _unravel(index: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    return index % shape[0], index // shape[0] % shape[1], index // shape[0] // shape[1]


# Files whose lines are never the answer: the simulator's, and the device functions'.
_OWN_SUFFIXES = (".hpp", ".cuh", ".h")


def _source_lines(module: Path, codes: Sequence[int]) -> list[tuple[str, int]]:
    """The innermost line of the kernel's text for each code address."""
    addr2line = shutil.which("addr2line")
    if addr2line is None or not codes:
        return [("", 0) for _ in codes]
    return [_source_line(addr2line, module, code) for code in codes]


@functools.lru_cache(maxsize=4096)
def _source_line(addr2line: str, module: Path, code: int) -> tuple[str, int]:
    # A return address is one past the call.
    command = [addr2line, "-i", "-e", str(module), hex(code - 1)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    for frame in result.stdout.splitlines():
        file, _, line = frame.partition(" (discriminator ")[0].rpartition(":")
        if line.isdigit() and not file.endswith(_OWN_SUFFIXES):
            return posixpath.normpath(file), int(line)
    return "", 0
