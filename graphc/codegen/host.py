"""The host dialect: C for the system's compiler, vectorised by it, one function a kernel.

    static void kernel(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end)

runs the grid steps from `begin` to `end`. An export becomes one function that launches its
kernels in order over a thread pool, so that a call from Python is one native call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from graphc.codegen.dialect import Dialect
from graphc.codegen.emit import emit_kernel
from graphc.codegen.index import c_identifier, c_index
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Space
from graphc.ir.kernel import Kernel
from graphc.runtime.program import Alternative, Entry, Step

__all__ = ["HOST", "HostDialect", "emit_unit", "entry_symbol"]

_INTEGERS: Mapping[DType, str] = MappingProxyType(
    {
        dtypes.i8: "int8_t",
        dtypes.i16: "int16_t",
        dtypes.i32: "int32_t",
        dtypes.i64: "int64_t",
        dtypes.u8: "uint8_t",
        dtypes.u16: "uint16_t",
        dtypes.u32: "uint32_t",
        dtypes.u64: "uint64_t",
    }
)


@dataclass(frozen=True)
class HostDialect(Dialect):
    """C with the vectors of the compiler."""

    @property
    def index_type(self) -> str:  # noqa: D102
        return "int64_t"

    @property
    def integer_types(self) -> Mapping[DType, str]:  # noqa: D102
        return _INTEGERS

    def open_kernel(self, kernel: Kernel, step: str, grid: str) -> list[str]:  # noqa: D102
        lines = [
            f"static void {kernel.name}(void *const *buffers, const int64_t *scalars,",
            "                    int64_t begin, int64_t end) {",
        ]
        for number, buffer in enumerate(kernel.parameters):
            constant = "" if buffer in kernel.written else "const "
            ctype = f"{constant}{self.storage_type(buffer.dtype)}"
            lines.append(f"    {ctype} *{buffer.name} = buffers[{number}];")
        for number, dim in enumerate(kernel.scalars):
            lines.append(f"    const int64_t {c_identifier(str(dim))} = scalars[{number}];")
        return [*lines, f"    for (int64_t {step} = begin; {step} < end; ++{step}) {{"]

    def declare(self, buffer: Buffer, size: str, lanes: int) -> str:  # noqa: D102
        ctype = self.compute_type(buffer.dtype)
        extent = f"[{lanes}]" if buffer.space is Space.LANE and buffer.size == 1 else f"[{size}]"
        aligned = f" __attribute__((aligned({buffer.alignment})))"
        return f"{ctype} {buffer.name}{extent}{aligned};"

    def lane_loop(self, variable: str, extent: str, lanes: int) -> list[str]:  # noqa: D102
        if extent == "1":
            return [f"for (int64_t {variable} = 0; {variable} < 1; ++{variable}) {{"]
        return [
            "#pragma GCC ivdep",
            f"for (int64_t {variable} = 0; {variable} < {extent}; ++{variable}) {{",
        ]

    def lane_element(self, buffer: Buffer, index: str, variable: str) -> str:  # noqa: D102
        return f"{buffer.name}[{variable}]"

    def barrier(self) -> list[str]:
        """Nothing: the lanes of a step run in one thread."""
        return []


HOST = HostDialect(
    name="cpu", lanes=64, elements=8192, nests_loops=True, scratch_bytes=256 * 1024
)

_PRELUDE = """\
/* Made by graphc. Each kernel runs the grid steps from begin to end; each export launches its
   kernels in order. The lines named at a kernel are those of the model that it computes. */
#include <stdbool.h>
#include <stdint.h>
"""


def entry_symbol(name: str) -> str:
    """The C symbol of an export."""
    return f"gc_entry_{c_identifier(name)}"


def emit_unit(kernels: Mapping[str, Kernel], entries: Sequence[Entry]) -> str:
    """One C file with all kernels and the functions of all exports."""
    parts = [_PRELUDE, *(_device_text(name) for name in ("math.h", "numeric.h", "launch.h"))]
    for kernel in kernels.values():
        lines = [f"/* {span} */" for span in kernel.spans[:3]]
        parts.append("\n".join([*lines, emit_kernel(kernel, HOST)]))
    parts += [_entry(entry) for entry in entries]
    return "\n".join(parts)


def _device_text(name: str) -> str:
    return (files("graphc.codegen") / "device" / name).read_text(encoding="utf-8")


def _entry(entry: Entry) -> str:
    lines = [
        f"void {entry_symbol(entry.name)}(const struct gc_runner *runner, void *const *slots,",
        "                    const int64_t *dims) {",
    ]
    for number, name in enumerate(entry.dims):
        lines.append(f"    const int64_t {c_identifier(name)} = dims[{number}];")
        lines.append(f"    (void){c_identifier(name)};")
    for step in entry.steps:
        lines += ["    " + line for line in _step(step)]
    return "\n".join([*lines, "}"]) + "\n"


def _step(step: Step) -> list[str]:
    lines = [f"/* {step.text} */".replace("*/ */", "*/")] if step.text else []
    for number, alternative in enumerate(step.alternatives):
        always = alternative.dim == 0
        value = c_index(alternative.dim)
        test = f"{alternative.low} <= {value} && {value} <= {alternative.high}"
        head = "{" if always else f"if ({test}) {{"
        lines.append(f"}} else {head}" if number else head)
        lines += ["    " + line for line in _launch(alternative)]
    return [*lines, "}"]


def _launch(alternative: Alternative) -> list[str]:
    lines, segments, ends = [], [], []
    for number, binding in enumerate(alternative.bindings):
        slots = ", ".join(f"slots[{slot}]" for slot in binding.slots)
        lines.append(f"void *const buffers_{number}[] = {{{slots}}};")
        scalars = ", ".join(c_index(value) for value in binding.scalars) or "0"
        lines.append(f"const int64_t scalars_{number}[] = {{{scalars}}};")
        ends.append(f"({c_index(binding.grid)})")
        segments.append(f"    {{buffers_{number}, scalars_{number}, {' + '.join(ends)}}},")
    return [
        *lines,
        "const struct gc_segment segments[] = {",
        *segments,
        "};",
        f"gc_launch(runner, {alternative.kernel}, segments, {len(segments)});",
    ]
