"""From a unit to the program and text of one target: all passes in their order, and emission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphc.codegen.dialect import Dialect, UnitText
from graphc.codegen.plan import MEMORY, PLAN_PASSES, Library, plan_entry
from graphc.ir.graph import Graph, Unit
from graphc.ir.kernel import Kernel
from graphc.passes import pipeline
from graphc.passes.pipeline import GRAPH_PASSES, TABLES, Observer, Pass, Runner
from graphc.runtime.program import Entry, Program

__all__ = ["PIPELINE", "Target", "TargetCode", "compile_unit"]

PIPELINE: tuple[Pass[Any], ...] = (
    TABLES,  # over the unit
    *GRAPH_PASSES,  # over each export's graph
    *PLAN_PASSES,  # over it and then, as it is bound, the graphs of its loops and branches
    MEMORY,  # over each export's entry
)
"""Every pass from the graphs of a unit to its program, in their order."""


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


def compile_unit(unit: Unit, target: Target, *, observe: Observer | None = None) -> TargetCode:
    """Compile every export of a unit by `PIPELINE`. Exports share kernels that compute alike.

    Args:
        observe: told about each pass.
    """
    sources, folder = unit.sources, target.dialect.name
    unit = Runner(sources, observe, folder).run("unit", unit, (TABLES,))
    library = Library()
    entries: dict[str, Entry] = {}
    graphs: dict[str, Graph] = {}
    for name, graph in unit.exports.items():
        graph = pipeline.run(graph, GRAPH_PASSES, sources, observe=observe, folder=folder, first=1)
        entries[name] = plan_entry(graph, target.dialect, library, sources, observe=observe)
        graphs[name] = graph
    kernels, launches = library.kernels, list(entries.values())
    geometry = target.dialect.geometry(kernels, launches)
    program = Program(
        target.dialect.name, entries, geometry, target.dialect.scratch_of_thread(kernels)
    )
    text = target.emit(kernels, launches)
    return TargetCode(program, text, library.kernels, graphs)
