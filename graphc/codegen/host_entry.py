"""The text of an export in host C: one function that launches its kernels in order.

A long export is written in parts, each a function of its own: what a C compiler does for a
function takes time that grows with the square of its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.emit.blocks import folded
from graphc.codegen.emit.places import comment
from graphc.codegen.index import ascii_identifier, c_identifier, c_index
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.kernel import Kernel
from graphc.ir.kernels.work import work_of_step
from graphc.runtime.program import (
    Alternative,
    Binding,
    BranchStep,
    Entry,
    HostCallStep,
    LaunchStep,
    LoopStep,
    Step,
    walk_steps,
)

__all__ = ["LaunchWork", "emit_entry", "entry_symbol"]

_BINDINGS = 64
"""Of kernels in a function: more are written in parts."""


def entry_symbol(name: str) -> str:
    """The C symbol of an export."""
    return f"gc_entry_{ascii_identifier(name)}"


@dataclass(frozen=True)
class LaunchWork:
    """The work of a grid step of a kernel, in the kernel's scalars."""

    scalars: tuple[Dim, ...]
    of_step: DimLike

    @classmethod
    def of(cls, kernel: Kernel) -> LaunchWork:
        """The work of a step of `kernel`."""
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


def emit_entry(entry: Entry, works: Mapping[str, LaunchWork]) -> str:
    """The C text of an export, given the work of the kernels by name."""
    text = _EntryText(entry, works)
    whole = text.function(f"int {entry_symbol(entry.name)}", text.body(entry.steps, 0))
    return "\n".join([*text.parts, whole])


@dataclass(frozen=True)
class _EntryText:
    """Writes the functions of an export: each returns not 0 where a call of the host failed.

    Attributes:
        works: of its kernels, by name.
        parts: the functions that the one of the export calls.
    """

    entry: Entry
    works: Mapping[str, LaunchWork]
    parts: list[str] = field(default_factory=list)

    def function(self, head: str, body: Iterable[str]) -> str:
        lines = [
            f"{head}(const struct gc_runner *runner, void **slots,",
            f"{' ' * len(head)} const int64_t *dims, gc_host_call call) {{",
            "    (void)call;",
        ]
        for number, name in enumerate(self.entry.dims):
            lines.append(f"    const int64_t {c_identifier(name)} = dims[{number}];")
            lines.append(f"    (void){c_identifier(name)};")
        lines += ["    " + line for line in body]
        lines += ["    return 0;", "}"]
        return "\n".join(part for line in lines for part in folded(line)) + "\n"

    def body(self, steps: Sequence[Step], depth: int) -> list[str]:
        """The statements of steps; of many, calls of the functions that hold them."""
        parts = [
            [line for step in part for line in self.step(step, depth)] for part in _parts(steps)
        ]
        if len(parts) == 1:
            return parts[0]
        calls = []
        for lines in parts:
            name = f"gc_steps_{len(self.parts)}_{ascii_identifier(self.entry.name)}"
            self.parts.append(self.function(f"static __attribute__((noinline)) int {name}", lines))
            calls.append(f"if ({name}(runner, slots, dims, call)) return 1;")
        return calls

    def step(self, step: Step, depth: int = 0) -> list[str]:
        lines = comment(step.text)
        if isinstance(step, LoopStep):
            return lines + self.loop(step, depth)
        if isinstance(step, HostCallStep):
            steps = walk_steps(self.entry.steps)
            calls = [one for one in steps if isinstance(one, HostCallStep)]
            return [*lines, f"if (call({calls.index(step)}, slots)) return 1;"]
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

    def inside(self, steps: Sequence[Step], depth: int) -> list[str]:
        return ["    " + line for line in self.body(steps, depth)]

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


def _parts(steps: Iterable[Step]) -> list[list[Step]]:
    """The steps in order, as many together as a function holds."""
    parts: list[list[Step]] = [[]]
    total = 0
    for step in steps:
        bindings = 1
        if isinstance(step, LaunchStep):
            bindings = sum(len(alternative.bindings) for alternative in step.alternatives)
        if parts[-1] and total + bindings > _BINDINGS:
            parts.append([])
            total = 0
        parts[-1].append(step)
        total += bindings
    return parts
