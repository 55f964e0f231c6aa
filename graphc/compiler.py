"""From a unit to a module: compile it for its targets, and say what came out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from graphc.codegen import nvrtc
from graphc.codegen.compile import Target, TargetCode, compile_unit
from graphc.codegen.cuda import ARCHITECTURES, CUDA
from graphc.codegen.cuda import emit_unit as emit_cuda
from graphc.codegen.host import HOST
from graphc.codegen.host import emit_unit as emit_host
from graphc.codegen.host_entry import entry_symbol
from graphc.errors import UsageError
from graphc.frontend.graph_text import graph_text
from graphc.ir import dims
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Unit
from graphc.ir.sizes import check_sizes, memory_bytes
from graphc.ir.source_map import portable
from graphc.ir.types import TensorType
from graphc.passes import pipeline
from graphc.passes.tables import lift_tables
from graphc.runtime.module_file import ModuleFile
from graphc.runtime.program import Entry, Program, launches_in
from graphc.runtime.reference import contract
from graphc.runtime.signature import memory_of_calls, signature, variants_of

__all__ = [
    "ARCHITECTURES",
    "Built",
    "ExportReport",
    "build_module",
    "check_targets",
    "compile_for",
    "entry_symbol",
    "initial_state",
]

_TARGETS = {
    "cpu": Target(HOST, emit_host),
    "cuda": Target(CUDA, emit_cuda),
}


@dataclass(frozen=True)
class ExportReport:
    """What one export needs on one target.

    Attributes:
        steps: launches of a call; those in a loop count once.
        kernels: distinct kernels, all alternatives counted.
        variants: ranges of dims that have kernels of their own, and the rest.
        arena_bytes, state_bytes, input_bytes, result_bytes: no call needs more.
        scratch_bytes: what each thread keeps to itself, on the CPU.
    """

    name: str
    target: str
    signature: str
    steps: int
    kernels: int
    variants: int
    arena_bytes: int
    state_bytes: int
    input_bytes: int
    result_bytes: int
    scratch_bytes: int

    @property
    def peak_bytes(self) -> int:
        """All memory of a call by one thread: none needs more, whatever its dims."""
        tensors = self.arena_bytes + self.state_bytes + self.input_bytes + self.result_bytes
        return tensors + self.scratch_bytes


@dataclass(frozen=True)
class Built:
    """A module and the report of its build.

    Attributes:
        file: what `write` puts into the `.gcm` file.
        reports: one for each export and target.
        seconds: what the build took.
    """

    file: ModuleFile
    reports: tuple[ExportReport, ...]
    seconds: float


def build_module(
    unit: Unit,
    *,
    targets: Sequence[str] = ("cpu",),
    seed: int = 0,
    max_memory: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Built:
    """Compile a unit.

    Args:
        targets: "cpu", "cuda" (all of `ARCHITECTURES`), or architectures by name.
        seed: of the first values of the state.
        max_memory: refuse the build if a call needs more bytes than this.
        progress: told what is being done.

    Raises:
        UsageError: an unknown target, or more memory than `max_memory` needed.
    """
    begin = time.perf_counter()
    check_targets(targets)
    architectures = _architectures(targets)
    unit = lift_tables(unit)
    for graph in unit.exports.values():
        check_sizes(graph)
    progress("initial state")
    weights = initial_state(unit, seed)
    programs: dict[str, Any] = {}
    kernels: dict[str, str] = {}
    binaries: dict[str, bytes] = {}
    reports: list[ExportReport] = []
    memory: dict[str, int] = {}
    variants: dict[str, Any] = {}
    for name in dict.fromkeys("cpu" if t == "cpu" else "cuda" for t in targets):
        progress(f"kernels for {name}")
        code = compile_unit(unit, _TARGETS[name])
        reports += [_report(entry, code.program) for entry in code.program.entries.values()]
        memory |= memory_of_calls(code.program)
        variants |= variants_of(code.program)
        if name == "cuda":
            programs[name] = code.program.to_json()
            kernels[name] = f"{code.text.functions}\n{code.text.kernels}"
            progress(f"cubins for {', '.join(architectures)}")
            binaries = _cubins(code.source, architectures)
    if max_memory is not None:
        _check_memory(reports, max_memory)
    manifest = {
        "exports": {
            name: {"doc": unit.docs.get(name, ""), **signature(contract(graph))}
            for name, graph in unit.exports.items()
        },
        "doc": unit.docs.get("", ""),
        "options": {"seed": seed, "targets": sorted(targets)},
        "memory": memory,
        "variants": variants,
    }
    file = ModuleFile(
        manifest,
        {name: graph_text(graph) for name, graph in unit.exports.items()},
        weights,
        programs,
        kernels,
        binaries,
        _sources(unit),
    )
    return Built(file, tuple(reports), time.perf_counter() - begin)


def compile_for(unit: Unit, target: str, *, observe: pipeline.Observer | None = None) -> TargetCode:
    """The unit's program and text for "cpu" or "cuda"."""
    return compile_unit(unit, _TARGETS[target], observe=observe)


def initial_state(unit: Unit, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """The first value of all state, for a seed.

    Raises:
        UsageError: the seed is negative, or wider than 64 bits; or the state is larger than the
            memory of this machine.
    """
    if not 0 <= seed < 1 << 64:
        raise UsageError(
            f"the seed is {seed}, expected a number from 0 to 2**64 - 1",
            code="seed",
            hint="give another one: seed=1, for example",
        )
    if sum(map(_bytes, unit.state.values())) > memory_bytes():
        raise _state_too_large(unit)
    try:
        values, _ = evaluate(unit.initial, [np.array(seed, np.uint64)])
    except MemoryError:
        raise _state_too_large(unit) from None
    arrays = [np.asarray(value, order="C") for value in values]
    return dict(zip(unit.state, arrays, strict=True))


def _bytes(state: TensorType) -> int:
    return dims.bounds(state.nbytes)[1]


def _state_too_large(unit: Unit) -> UsageError:
    """The error for state that this machine cannot hold; it names the largest part."""
    total = sum(map(_bytes, unit.state.values()))
    name, largest = max(unit.state.items(), key=lambda item: _bytes(item[1]))
    spans = unit.sources.spans(unit.initial.results[list(unit.state).index(name)])
    return UsageError(
        f"the state needs {total} bytes, more than this machine has memory; the largest, "
        f"{name!r}, is {largest} and needs {_bytes(largest)} bytes",
        code="state-memory",
        span=spans[0] if spans else None,
        hint="make its axes smaller, or build on a machine with more memory",
    )


def check_targets(names: Sequence[str]) -> None:
    """Whether there are targets of these names.

    Raises:
        UsageError: there is none of a name.
    """
    for name in names:
        if name not in _TARGETS and re.fullmatch(r"sm_\d+[af]?", name) is None:
            raise UsageError(
                f"there is no target {name!r}",
                code="unknown-target",
                hint='targets are "cpu", "cuda", and architectures such as "sm_90a"',
            )


def _architectures(targets: Sequence[str]) -> list[str]:
    """The architectures that targets stand for."""
    found: list[str] = []
    for target in targets:
        if target == "cuda":
            found += ARCHITECTURES
        elif target != "cpu":
            found.append(target)
    return list(dict.fromkeys(found))


def _cubins(source: str, architectures: Sequence[str]) -> dict[str, bytes]:
    requests = [nvrtc.Request(source, arch, "module") for arch in architectures]
    compiled = nvrtc.compile_all(requests)
    return {f"cubins/{one.arch}.cubin": one.code for one in compiled}


def _report(entry: Entry, program: Program) -> ExportReport:
    memory = program.memory(entry.name, {})
    inputs = ", ".join(f"{entry.slots[i].name}: {entry.slots[i].type}" for i in entry.inputs)
    results = ", ".join(str(entry.slots[i].type) for i in entry.results)
    launches = list(launches_in(entry.steps))
    # An alternative without a condition has the number 0 for its dim.
    conditions = {
        (a.dim, a.low, a.high)
        for step in launches
        for a in step.alternatives
        if not isinstance(a.dim, int)
    }
    return ExportReport(
        entry.name,
        program.target,
        f"{entry.name}({inputs}) -> {results}",
        len(launches),
        len({a.kernel for step in launches for a in step.alternatives}),
        1 + len(conditions),
        memory["arena"],
        memory["state"],
        memory["input"],
        memory["result"],
        memory["scratch"],
    )


def _check_memory(reports: Sequence[ExportReport], limit: int) -> None:
    for report in reports:
        if report.peak_bytes > limit:
            raise UsageError(
                f"{report.name} needs {report.peak_bytes} bytes on {report.target}, "
                f"--max-memory allows {limit}",
                code="memory-limit",
                hint="narrow the range of its dims",
            )


def _sources(unit: Unit) -> Mapping[str, Any]:
    """For each export the spans of its nodes, and of those of its bodies, in their order."""
    return {
        name: [
            [list(astuple(portable(span))[:5]) for span in unit.sources.spans(node)]
            for part in graph.with_nested()
            for node in part.nodes()
        ]
        for name, graph in unit.exports.items()
    }
