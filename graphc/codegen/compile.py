"""From a unit to the program and text of one target: passes, plan, emission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphc.codegen.dialect import Dialect, UnitText
from graphc.codegen.plan import Library, plan_entry
from graphc.ir.graph import Graph, Unit
from graphc.ir.kernel import Kernel
from graphc.passes import pipeline
from graphc.runtime.program import Entry, Program

__all__ = ["Target", "TargetCode", "compile_unit"]


@dataclass(frozen=True)
class Target:
    """A dialect, and what turns kernels and entries into its text."""

    dialect: Dialect
    emit: Callable[[Mapping[str, Kernel], list[Entry]], UnitText]


@dataclass(frozen=True)
class TargetCode:
    """What a unit becomes for one target.

    Attributes:
        program: the steps and memory of each export.
        text: the text of all kernels.
        kernels: the same in the kernel IR, by name.
        graphs: each export's graph after all passes.
    """

    program: Program
    text: UnitText
    kernels: Mapping[str, Kernel]
    graphs: Mapping[str, Graph]

    @property
    def source(self) -> str:
        """The text for compilers."""
        return self.text.source


def compile_unit(
    unit: Unit, target: Target, *, observe: Callable[[pipeline.Step], None] | None = None
) -> TargetCode:
    """Compile every export of a unit. Exports share kernels that compute alike.

    Args:
        observe: told about each pass of each export.
    """
    library = Library()
    entries: dict[str, Entry] = {}
    graphs: dict[str, Graph] = {}
    passes = pipeline.standard_passes()
    for name, graph in unit.exports.items():
        graphs[name] = pipeline.run(graph, passes, unit.sources, observe=observe)
        entries[name] = plan_entry(graphs[name], target.dialect, library, unit.sources)
    kernels, launches = library.kernels, list(entries.values())
    geometry = target.dialect.geometry(kernels, launches)
    program = Program(
        target.dialect.name, entries, geometry, target.dialect.scratch_of_thread(kernels)
    )
    text = target.emit(kernels, launches)
    return TargetCode(program, text, library.kernels, graphs)
