"""The CUDA dialect: CUDA C++ without headers, one `__global__` function a kernel.

    extern "C" __global__ void __launch_bounds__(256) kernel(const float *a0, float *out0, int B)

A block is a grid step and a thread a lane; a grid of any size runs in a loop over the blocks that
are launched. A kernel that some launch binds several times takes a table of its bindings instead,
so that one launch runs over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from graphc.codegen.device import device_source, families_of
from graphc.codegen.dialect import Dialect, LaneFold, UnitText
from graphc.codegen.emit import emit_kernel
from graphc.codegen.emit.places import c_string, comment, described_places
from graphc.codegen.index import c_identifier
from graphc.codegen.index_width import fits_in_32_bits
from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Space
from graphc.ir.kernel import Declare, Kernel, statements
from graphc.ir.source_map import portable
from graphc.runtime.program import Alternative, Entry, Geometry, launches_in

__all__ = ["ARCHITECTURES", "CUDA", "CudaDialect", "emit_unit"]

ARCHITECTURES = ("sm_80", "sm_90a", "sm_100")
"""The architectures that cubins are made for. One text serves all of them: what they offer in
common. A dialect of its own for an architecture lists more `functions`, and schedules that ask
for them come before those that do not."""

_INTEGERS: Mapping[DType, str] = MappingProxyType(
    {
        dtypes.i8: "signed char",
        dtypes.i16: "short",
        dtypes.i32: "int",
        dtypes.i64: "long long",
        dtypes.u8: "unsigned char",
        dtypes.u16: "unsigned short",
        dtypes.u32: "unsigned",
        dtypes.u64: "unsigned long long",
    }
)

# What a kernel may declare as `__shared__` arrays; more is asked for at the launch (CUDA C++
# Programming Guide, "Shared Memory").
_STATIC_SHARED_BYTES = 48 * 1024

# Parameters of a kernel (CUDA C++ Programming Guide, "__global__ Function Parameters"), and how
# much of them a table of bindings may take.
_PARAMETER_BYTES = 32_764
_TABLE_HEAD_BYTES = 8

_WARP = 32


@dataclass(frozen=True)
class _Frame:
    """What the text of one kernel depends on besides the kernel.

    Attributes:
        geometry: of its launches.
        is_restrict: whether no launch binds memory that is written twice.
        offsets: places of SHARED buffers in dynamic shared memory; none where they are static.
    """

    geometry: Geometry = field(default_factory=lambda: Geometry(1))
    is_restrict: bool = False
    offsets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CudaDialect(Dialect):
    """CUDA C++ as NVRTC compiles it without any header.

    Attributes:
        frame: of the kernel that is being printed.
    """

    frame: _Frame = field(default_factory=_Frame)

    @property
    def index_type(self) -> str:  # noqa: D102
        return "int" if self.frame.geometry.index_bits == 32 else "long long"

    @property
    def integer_types(self) -> Mapping[DType, str]:  # noqa: D102
        return _INTEGERS

    def wrapping_type(self, dtype: DType) -> str | None:
        """Signed overflow is undefined, and narrow integers are computed in int."""
        if not dtype.is_integer or dtype in (dtypes.u32, dtypes.u64):
            return None
        return "unsigned long long" if dtype.bits == 64 else "unsigned"

    def lanes_for(self, extent: DimLike) -> int:
        """A warp at least, so that few threads have nothing to do."""
        longest = dims.bounds(extent)[1]
        lanes = _WARP
        while lanes < min(longest, self.lanes):
            lanes *= 2
        return lanes

    @property
    def moves_loads(self) -> bool:  # noqa: D102
        return self.frame.is_restrict

    # -- structure ---------------------------------------------------------------------------

    def open_kernel(self, kernel: Kernel, step: str, grid: str) -> list[str]:  # noqa: D102
        if self.frame.geometry.segments:
            return self._open_with_table(kernel, step)
        parameters = [
            *self._pointers(kernel),
            *(f"{self.index_type} {c_identifier(str(dim))}" for dim in kernel.scalars),
        ]
        loop = f"for ({self.index_type} {step} = blockIdx.x; {step} < {grid}; {step} += gridDim.x)"
        return [*self._head(kernel, parameters), *self._dynamic_shared(), f"    {loop} {{"]

    def _open_with_table(self, kernel: Kernel, step: str) -> list[str]:
        """The kernel with all bindings of a launch in its parameter, and their steps in a row."""
        name, capacity = kernel.name, self.frame.geometry.segments
        scalars = [c_identifier(str(dim)) for dim in kernel.scalars]
        members = [
            *self._pointers(kernel),
            *(f"{self.index_type} {scalar}" for scalar in scalars),
            "long long end",
        ]
        unpacked = [
            *(f"{pointer} = segment.{_last_word(pointer)};" for pointer in self._pointers(kernel)),
            *(f"const {self.index_type} {scalar} = segment.{scalar};" for scalar in scalars),
        ]
        begin = f"{step}s_before"
        return [
            f"struct {name}_segment {{",
            *(f"    {member};" for member in members),
            "};",
            f"struct {name}_segments {{",
            "    long long count;",
            f"    {name}_segment segment[{capacity}];",
            "};",
            *self._head(kernel, [f"const __grid_constant__ {name}_segments segments"]),
            *self._dynamic_shared(),
            f"    long long {begin} = 0;",
            "    int number = 0;",
            "    const long long all = segments.segment[segments.count - 1].end;",
            "    for (long long position = blockIdx.x; position < all; position += gridDim.x) {",
            "        while (position >= segments.segment[number].end)",
            f"            {begin} = segments.segment[number++].end;",
            f"        const {name}_segment &segment = segments.segment[number];",
            *(f"        {line}" for line in unpacked),
            f"        const {self.index_type} {step} = position - {begin};",
        ]

    def _pointers(self, kernel: Kernel) -> list[str]:
        restrict = "__restrict__ " if self.frame.is_restrict else ""
        return [
            f"{'' if buffer in kernel.written else 'const '}"
            f"{self.storage_type(buffer.dtype)} *{restrict}{buffer.name}"
            for buffer in kernel.parameters
        ]

    def _head(self, kernel: Kernel, parameters: Sequence[str]) -> list[str]:
        head = f'extern "C" __global__ void __launch_bounds__({kernel.lanes})'
        lines = [f"{head} {kernel.name}("]
        for number, parameter in enumerate(parameters):
            end = ") {" if number + 1 == len(parameters) else ","
            if len(lines[-1]) + len(parameter) > 96:
                lines.append("       ")
            space = "" if lines[-1].endswith("(") else " "
            lines[-1] += f"{space}{parameter}{end}"
        return lines if parameters else [f"{lines[0]}) {{"]

    def _dynamic_shared(self) -> list[str]:
        if not self.frame.offsets:
            return []
        return ["    extern __shared__ __align__(128) unsigned char shared_memory[];"]

    def declare(self, buffer: Buffer, size: str, lanes: int) -> list[str]:
        """Storage of a thread is in registers, that of a block in shared memory."""
        ctype, name = self.compute_type(buffer.dtype), buffer.name
        if buffer.space is not Space.SHARED:
            return [f"{ctype} {name}[{size}];" if buffer.size != 1 else f"{ctype} {name};"]
        if name in self.frame.offsets:
            place = f"shared_memory + {self.frame.offsets[name]}"
            return [f"{ctype} *const {name} = ({ctype} *)({place});"]
        aligned = f"__align__({buffer.alignment}) " if buffer.alignment > 4 else ""
        return [f"__shared__ {aligned}{ctype} {name}[{size}];"]

    def lane_loop(  # noqa: D102
        self, variable: str, extent: str, lanes: int, *, is_used: bool
    ) -> list[str]:
        index = self.index_type
        if extent == str(lanes):
            return ["{", f"    const {index} {variable} = threadIdx.x;"] if is_used else []
        if extent == "1":
            zero = [f"    constexpr {index} {variable} = 0;"] if is_used else []
            return ["if (threadIdx.x == 0) {", *zero]
        if extent.isdecimal() and int(extent) % lanes == 0:
            count = int(extent) // lanes
            return [
                "#pragma unroll",
                f"for (int turn = 0; turn < {count}; ++turn) {{",
                f"    const {index} {variable} = turn * {lanes} + threadIdx.x;",
            ]
        step = f"{variable} < {extent}; {variable} += {lanes}"
        return [f"for ({index} {variable} = threadIdx.x; {step}) {{"]

    def lane_element(self, buffer: Buffer, index: str, variable: str) -> str:  # noqa: D102
        return buffer.name if buffer.size == 1 else f"{buffer.name}[{index}]"

    def barrier(self) -> list[str]:  # noqa: D102
        return ["__syncthreads();"]

    def fold_lanes(self, terms: Sequence[LaneFold], lanes: int) -> list[str]:
        """Through shared memory and the first warp; one more element takes the result.

        That element is not written again before all threads have passed the next fold's first
        barrier, so that none is needed after reading it.
        """
        lines = []
        for term in terms:
            ctype = self.compute_type(term.dtype)
            lines.append(f"__shared__ {ctype} {term.name}_threads[{lanes + 1}];")
            lines.append(f"{term.name}_threads[threadIdx.x] = {term.name};")
        lines += ["__syncthreads();", f"if (threadIdx.x < {_WARP}) {{"]
        for term in terms:
            ctype = self.compute_type(term.dtype)
            lines.append(f"    gc_fold_threads<{lanes}>({term.name}_threads,")
            lines.append(f"        []({ctype} left, {ctype} right) {{ return {term.combined}; }});")
        lines += ["}", "__syncthreads();"]
        return [*lines, *(f"{term.name} = {term.name}_threads[{lanes}];" for term in terms)]

    # -- launches ----------------------------------------------------------------------------

    def geometry(
        self, kernels: Mapping[str, Kernel], entries: Sequence[Entry]
    ) -> dict[str, Geometry]:
        """How launches are shaped: threads, dynamic shared memory, tables, width of indices."""
        most = _most_bindings(entries)
        return {
            name: Geometry(
                kernel.lanes,
                _shared_bytes(kernel) if _dynamic_offsets(kernel) else 0,
                _capacity(kernel, most.get(name, 1)),
                32 if fits_in_32_bits(kernel) else 64,
            )
            for name, kernel in kernels.items()
        }


CUDA = CudaDialect(
    name="cuda",
    lanes=256,
    elements=1024,
    nests_loops=False,
    scratch_bytes=32 * 1024,
    functions=frozenset(
        {
            "gc_copy_async_16",
            "gc_load_matrices_x4",
            "gc_mma_m16n8k16_bf16",
            "gc_mma_m16n8k16_f16",
            "gc_multiply_add",
        }
    ),
)

_HEAD = """\
// Made by graphc. Each kernel computes what is named above it; a block runs the grid steps
// blockIdx.x, blockIdx.x + gridDim.x, ...
"""


def emit_unit(
    kernels: Mapping[str, Kernel], entries: Sequence[Entry], dialect: CudaDialect = CUDA
) -> UnitText:
    """One CUDA file with all kernels, and the device functions that they use.

    In the text for compilers a `#line` names the model's line, so that their messages and the
    simulator's do. Compilers count on after each, so one stands before every line of a kernel.
    """
    geometry = dialect.geometry(kernels, entries)
    aliased = {one.kernel for one in _alternatives(entries) if _updates_in_place(one)}
    readable, located = [_HEAD], []
    for name, kernel in kernels.items():
        frame = _Frame(geometry[name], name not in aliased, _dynamic_offsets(kernel))
        text = emit_kernel(kernel, replace(dialect, frame=frame))
        places = [line for place in described_places(kernel.spans) for line in comment(place)]
        readable.append("\n".join([*places, text]))
        located.append(_located(kernel, text))
    kernels_text = "\n".join(readable)
    functions = device_source(families_of(kernels_text))
    return UnitText(functions, kernels_text, "\n".join([functions, *located]))


def _located(kernel: Kernel, text: str) -> str:
    """The text with every line attributed to the model's first line that it computes.

    A kernel of no known line is attributed to itself.
    """
    if not kernel.spans:
        return f'#line 1 "{kernel.name}.cu"\n{text}'
    span = portable(kernel.spans[0])
    lines = f"\n#line {span.line}\n".join(text.rstrip("\n").split("\n"))
    return f"#line {span.line} {c_string(span.file)}\n{lines}\n"


def _last_word(declaration: str) -> str:
    match = re.search(r"\w+$", declaration)
    if match is None:
        raise InternalError(f"{declaration!r} declares nothing")
    return match[0]


def _alternatives(entries: Sequence[Entry]) -> Iterator[Alternative]:
    for entry in entries:
        for step in launches_in(entry.steps):
            yield from step.alternatives


def _most_bindings(entries: Sequence[Entry]) -> dict[str, int]:
    most: dict[str, int] = {}
    for one in _alternatives(entries):
        most[one.kernel] = max(most.get(one.kernel, 1), len(one.bindings))
    return most


def _updates_in_place(one: Alternative) -> bool:
    """Whether a binding has memory twice that the kernel writes."""
    return any(
        written and binding.slots.count(slot) > 1
        for binding in one.bindings
        for slot, written in zip(binding.slots, one.written, strict=True)
    )


def _capacity(kernel: Kernel, bindings: int) -> int:
    """Bindings in the kernel's table; 0 where no launch has several."""
    if bindings == 1:
        return 0
    segment_bytes = 8 * (len(kernel.parameters) + len(kernel.scalars) + 1)
    return min(bindings, (_PARAMETER_BYTES - _TABLE_HEAD_BYTES) // segment_bytes)


# -- shared memory -------------------------------------------------------------------------------


def _shared(kernel: Kernel) -> dict[str, tuple[int, int]]:
    """Offset and bytes of each SHARED buffer, one after the other."""
    places: dict[str, tuple[int, int]] = {}
    end = 0
    for statement in statements(kernel.body):
        if isinstance(statement, Declare) and statement.buffer.space is Space.SHARED:
            buffer = statement.buffer
            if buffer.name not in places:
                nbytes = _constant_size(kernel, buffer.size) * buffer.dtype.accumulator.itemsize
                alignment = max(buffer.alignment, 16)
                end = -(-end // alignment) * alignment
                places[buffer.name] = (end, nbytes)
                end += nbytes
    return places


def _shared_bytes(kernel: Kernel) -> int:
    return max((offset + nbytes for offset, nbytes in _shared(kernel).values()), default=0)


def _dynamic_offsets(kernel: Kernel) -> dict[str, int]:
    """Offsets in dynamic shared memory, for a kernel that needs more than may be static."""
    if _shared_bytes(kernel) <= _STATIC_SHARED_BYTES:
        return {}
    return {name: offset for name, (offset, _) in _shared(kernel).items()}


def _constant_size(kernel: Kernel, size: DimLike) -> int:
    if not isinstance(size, int):
        raise InternalError(f"{kernel.name}: shared memory of {size} elements, which is no number")
    return size
