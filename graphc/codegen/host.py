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
from graphc.codegen.emit.places import comment, described_places
from graphc.codegen.host_entry import LaunchWork, emit_entry
from graphc.codegen.index import c_identifier
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Space
from graphc.ir.kernel import Call, Declare, Kernel, statements
from graphc.runtime.program import Entry

__all__ = ["HOST", "HostDialect", "emit_unit"]

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
    *("shared.h", "math.h", "numeric.h", "float8.h", "integer.h", "arithmetic.h", "random.h"),
    *("sort.h", "launch.h"),
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
    works = {name: LaunchWork.of(kernel) for name, kernel in kernels.items()}
    parts += [emit_entry(entry, works) for entry in entries]
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
