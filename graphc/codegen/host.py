"""The host dialect: C for the system's compiler, vectorised by it, one function a kernel.

    static void kernel(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end)

runs the grid steps from `begin` to `end`. An export becomes one function that launches its
kernels in order over a thread pool, so that a call from Python is one native call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from graphc.codegen.device import families_of
from graphc.codegen.dialect import Dialect, UnitText
from graphc.codegen.emit import emit_kernel
from graphc.codegen.emit.blocks import folded
from graphc.codegen.emit.places import comment, described_places
from graphc.codegen.index import ascii_identifier, c_identifier, c_index
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Space
from graphc.ir.kernel import Call, Declare, Kernel, statements
from graphc.ir.kernels.work import work_of_step
from graphc.runtime.program import (
    Alternative,
    Binding,
    BranchStep,
    Entry,
    HostCallStep,
    LoopStep,
    Step,
    walk_steps,
)

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
        head = f"static void {kernel.name}("
        lines = [
            f"{head}void *const *buffers, const int64_t *scalars,",
            f"{' ' * len(head)}int64_t begin, int64_t end) {{",
        ]
        for number, buffer in enumerate(kernel.parameters):
            constant = "" if buffer in kernel.written else "const "
            ctype = f"{constant}{self.storage_type(buffer.dtype)}"
            lines.append(f"    {ctype} *{buffer.name} = buffers[{number}];")
        for number, dim in enumerate(kernel.scalars):
            lines.append(f"    const int64_t {c_identifier(str(dim))} = scalars[{number}];")
        for buffer, offset in _scratch(kernel).items():
            ctype = self.compute_type(buffer.dtype)
            lines.append(f"    {ctype} *const {buffer.name} = ({ctype} *)(gc_scratch + {offset});")
        return [*lines, f"    for (int64_t {step} = begin; {step} < end; ++{step}) {{"]

    def declare(self, buffer: Buffer, size: str, lanes: int) -> list[str]:
        """LANE storage has the lanes innermost, so that vectors run along them.

        SHARED storage has its place in the thread's scratch memory already.
        """
        if buffer.space is Space.SHARED:
            return []
        shape = f"[{size}]"
        if buffer.space is Space.LANE:
            shape = f"[{lanes}]" if buffer.size == 1 else f"[{size}][{lanes}]"
        aligned = f"__attribute__((aligned({buffer.alignment})))"
        return [f"{self.compute_type(buffer.dtype)} {buffer.name}{shape} {aligned};"]

    def lane_loop(  # noqa: D102
        self, variable: str, extent: str, lanes: int, *, is_used: bool
    ) -> list[str]:
        if extent == "1":
            return [f"for (int64_t {variable} = 0; {variable} < 1; ++{variable}) {{"]
        return [
            "#pragma GCC ivdep",
            f"for (int64_t {variable} = 0; {variable} < {extent}; ++{variable}) {{",
        ]

    def lane_element(self, buffer: Buffer, index: str, variable: str) -> str:  # noqa: D102
        element = "" if buffer.size == 1 else f"[{index}]"
        return f"{buffer.name}{element}[{variable}]"

    def scratch_of_thread(self, kernels: Mapping[str, Kernel]) -> int:  # noqa: D102
        return max((_scratch_bytes(kernel) for kernel in kernels.values()), default=0)

    def barrier(self) -> list[str]:
        """Nothing: the lanes of a step run in one thread."""
        return []


HOST = HostDialect(
    name="cpu",
    lanes=64,
    elements=8192,
    nests_loops=True,
    scratch_bytes=256 * 1024,
    functions=frozenset(
        {"gc_pack_left", "gc_pack_right", "gc_multiply_packed", "gc_multiply_rows"}
    ),
)

_PRELUDE = """\
#include <stdbool.h>
#include <stdint.h>
"""

_DEVICE_FUNCTIONS = (
    *("math.h", "numeric.h", "float8.h", "integer.h", "arithmetic.h", "random.h", "sort.h"),
    "launch.h",
)

_HEAD = """\
// Made by graphc. Each kernel computes what is named above it, and runs the grid steps from begin
// to end; each export, at the end, launches its kernels in order.
"""


# The template of matmul.h for a dtype: its type in memory, the type its products are summed in,
# and how the one is made of the other.
_MATMUL = """\
#define GC_DTYPE {dtype}
#define GC_STORED {stored}
#define GC_NUMBER {number}
#define GC_NUMBER_BYTES {nbytes}
#define GC_SAME {same}
#define GC_WIDEN(x) {widen}
#define GC_MULTIPLY_ADD(a, b, c) {multiply_add}
{text}
#undef GC_DTYPE
#undef GC_STORED
#undef GC_NUMBER
#undef GC_NUMBER_BYTES
#undef GC_SAME
#undef GC_WIDEN
#undef GC_MULTIPLY_ADD
"""

_MULTIPLY_ADD = MappingProxyType(
    {dtypes.f32: "__builtin_fmaf(a, b, c)", dtypes.f64: "__builtin_fma(a, b, c)"}
)


def entry_symbol(name: str) -> str:
    """The C symbol of an export."""
    return f"gc_entry_{ascii_identifier(name)}"


def emit_unit(kernels: Mapping[str, Kernel], entries: Sequence[Entry]) -> UnitText:
    """One C file with all kernels and the functions of all exports."""
    functions = [_PRELUDE, *map(_device_text, _DEVICE_FUNCTIONS)]
    multiplied = [_matmul_text(dtype) for dtype in _multiplied(kernels.values())]
    parts = [_HEAD]
    scratch = HOST.scratch_of_thread(kernels)
    if scratch:
        parts.append(_SCRATCH.format(nbytes=scratch))
    for kernel in kernels.values():
        places = [line for place in described_places(kernel.spans) for line in comment(place)]
        parts.append("\n".join([*places, emit_kernel(kernel, HOST)]))
    works = {name: _LaunchWork.of(kernel) for name, kernel in kernels.items()}
    parts += [_EntryText(entry, works).text() for entry in entries]
    used = families_of("\n".join([*multiplied, *parts]))
    functions += [_device_text(f"{name}.h") for name in ("special", "complex") if name in used]
    functions += multiplied
    given, made = "\n".join(functions), "\n".join(parts)
    return UnitText(given, made, f"{given}\n{made}")


# Not on the stack: a thread that calls an export may have a small one.
_SCRATCH = """\
/* What a grid step keeps to itself; allocated once for each thread that runs kernels. */
static _Thread_local unsigned char gc_scratch[{nbytes}] __attribute__((aligned(64)));
"""


def _scratch(kernel: Kernel) -> dict[Buffer, int]:
    """The places of the kernel's SHARED buffers in the thread's scratch memory."""
    offsets: dict[Buffer, int] = {}
    end = 0
    for statement in statements(kernel.body):
        if isinstance(statement, Declare) and statement.buffer.space is Space.SHARED:
            buffer = statement.buffer
            if buffer not in offsets:
                offsets[buffer] = end
                end += _aligned_bytes(buffer)
    return offsets


def _scratch_bytes(kernel: Kernel) -> int:
    return sum(_aligned_bytes(buffer) for buffer in _scratch(kernel))


def _aligned_bytes(buffer: Buffer) -> int:
    nbytes = dims.bounds(buffer.size)[1] * buffer.dtype.accumulator.itemsize
    return -(-nbytes // 64) * 64


def _multiplied(kernels: Iterable[Kernel]) -> list[DType]:
    """The dtypes that the kernels need the functions of matmul.h for."""
    names = {
        statement.function.rpartition("_")
        for kernel in kernels
        for statement in statements(kernel.body)
        if isinstance(statement, Call)
    }
    found = {dtypes.from_name(dtype) for name, _, dtype in names if name in HOST.functions}
    return sorted(found, key=dtypes.ALL.index)


def _matmul_text(dtype: DType) -> str:
    number = dtype.accumulator
    if dtype.kind == "complex":
        names = f"#define GC_DTYPE {dtype.name}\n#define GC_NUMBER {HOST.compute_type(dtype)}\n"
        return f"{names}{_device_text('matmul_complex.h')}#undef GC_DTYPE\n#undef GC_NUMBER\n"
    return _MATMUL.format(
        dtype=dtype.name,
        stored=HOST.storage_type(dtype),
        number=HOST.compute_type(number),
        nbytes=number.itemsize,
        same=int(number is dtype),
        widen=f"gc_{dtype.name}_to_f32(x)" if number is not dtype else "(x)",
        multiply_add=_MULTIPLY_ADD.get(number, "((a) * (b) + (c))"),
        text=_device_text("matmul.h"),
    )


def _device_text(name: str) -> str:
    return (files("graphc.codegen") / "device" / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _LaunchWork:
    """The work of a grid step of a kernel, in the kernel's scalars."""

    scalars: tuple[Dim, ...]
    of_step: DimLike

    @classmethod
    def of(cls, kernel: Kernel) -> _LaunchWork:
        return cls(kernel.scalars, work_of_step(kernel))

    def of_binding(self, binding: Binding) -> DimLike:
        """The work of all grid steps of a binding, in the dims of the export."""
        values = {
            name: value
            for dim, value in zip(self.scalars, binding.scalars, strict=True)
            for name in dims.variables(dim)
            if value is not dim
        }
        return binding.grid * dims.substitute(self.of_step, values, proved=False)


@dataclass(frozen=True)
class _EntryText:
    """The text of the function of an export.

    Attributes:
        works: of its kernels, by name.
    """

    entry: Entry
    works: Mapping[str, _LaunchWork]

    def text(self) -> str:
        entry = self.entry
        head = f"void {entry_symbol(entry.name)}("
        lines = [
            f"{head}const struct gc_runner *runner, void **slots,",
            f"{' ' * len(head)}const int64_t *dims, gc_host_call call) {{",
            "    (void)call;",
        ]
        for number, name in enumerate(entry.dims):
            lines.append(f"    const int64_t {c_identifier(name)} = dims[{number}];")
            lines.append(f"    (void){c_identifier(name)};")
        for step in entry.steps:
            lines += ["    " + line for line in self.step(step)]
        return "\n".join(part for line in [*lines, "}"] for part in folded(line)) + "\n"

    def step(self, step: Step, depth: int = 0) -> list[str]:
        lines = comment(step.text)
        if isinstance(step, LoopStep):
            return lines + self.loop(step, depth)
        if isinstance(step, HostCallStep):
            steps = walk_steps(self.entry.steps)
            calls = [one for one in steps if isinstance(one, HostCallStep)]
            return [*lines, f"if (call({calls.index(step)}, slots)) return;"]
        if isinstance(step, BranchStep):
            lines.append(f"if (*(const bool *)slots[{step.predicate}]) {{")
            lines += self.inside(step.then, depth)
            lines.append("} else {")
            return [*lines, *self.inside(step.otherwise, depth), "}"]
        for number, alternative in enumerate(step.alternatives):
            always = alternative.dim == 0
            value = c_index(alternative.dim)
            test = f"{alternative.low} <= {value} && {value} <= {alternative.high}"
            head = "{" if always else f"if ({test}) {{"
            lines.append(f"}} else {head}" if number else head)
            lines += ["    " + line for line in self.launch(alternative)]
        return [*lines, "}"]

    def inside(self, steps: Iterable[Step], depth: int) -> list[str]:
        return ["    " + line for step in steps for line in self.step(step, depth)]

    def loop(self, step: LoopStep, depth: int) -> list[str]:
        """A loop over the places of rows; each iteration moves them on."""
        i, count = f"i{depth}", f"count{depth}"
        lines = [
            "{",
            f"    const int64_t {count} = {c_index(step.count)};",
            f"    for (int64_t {i} = 0; {i} < {count}; ++{i}) {{",
        ]
        inner = self.inside(step.test, depth + 1)
        if step.condition is not None:
            inner.append(f"    if (!*(const bool *)slots[{step.condition}]) break;")
        for row in step.rows:
            place = f"({count} - 1 - {i})" if row.reverse else i
            nbytes = c_index(self.entry.slots[row.slot].type.nbytes)
            address = f"(char *)slots[{row.of}] + {place} * ({nbytes})"
            inner.append(f"    slots[{row.slot}] = {address};")
        inner += self.inside(step.steps, depth + 1)
        for one, other in step.swaps:
            inner.append(
                f"    {{ void *const kept = slots[{one}]; slots[{one}] = slots[{other}]; "
                f"slots[{other}] = kept; }}"
            )
        return [*lines, *("    " + line for line in inner), "    }", "}"]

    def launch(self, alternative: Alternative) -> list[str]:
        lines, segments = [], []
        end: DimLike = 0
        work: DimLike = 0
        for number, binding in enumerate(alternative.bindings):
            names = ", ".join(self.entry.slots[slot].name for slot in binding.slots)
            lines += comment(names)
            slots = ", ".join(f"slots[{slot}]" for slot in binding.slots)
            lines.append(f"void *const buffers_{number}[] = {{{slots}}};")
            scalars = ", ".join(c_index(value) for value in binding.scalars) or "0"
            lines.append(f"const int64_t scalars_{number}[] = {{{scalars}}};")
            end = end + binding.grid
            work = work + self.works[alternative.kernel].of_binding(binding)
            segments.append(f"    {{buffers_{number}, scalars_{number}, {c_index(end)}}},")
        if isinstance(work, int):
            work = min(work, 2**62)
        launched = f"{alternative.kernel}, segments, {len(segments)}, {c_index(work)}"
        return [
            *lines,
            "const struct gc_segment segments[] = {",
            *segments,
            "};",
            f"gc_launch(runner, {launched});",
        ]
