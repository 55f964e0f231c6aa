"""Graphs on the CPU, planned as they are: no pass but decomposition runs before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.codegen.host import HOST, emit_unit
from graphc.codegen.host_entry import entry_symbol
from graphc.codegen.plan import Library, plan_entry
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.runtime.aligned import aligned_copies
from graphc.runtime.cpu.compiler import compile_object
from graphc.runtime.cpu.executor import CpuExecutor
from graphc.runtime.program import Entry, Program

__all__ = ["emitted", "planned"]

Array = np.ndarray[Any, Any]


def planned(graph: Graph, library: Library | None = None) -> Entry:
    """The steps and memory of a graph for the CPU."""
    return plan_entry(decompose(graph, SourceMap()), HOST, library or Library())


def emitted(graphs: Sequence[Graph], state: Mapping[str, Array] | None = None) -> CpuExecutor:
    """An executor of the graphs, all in one unit of C."""
    library = Library()
    entries = {graph.name: planned(graph, library) for graph in graphs}
    source = emit_unit(library.kernels, list(entries.values())).source
    symbols = {name: entry_symbol(name) for name in entries}
    return CpuExecutor(
        Program(HOST.name, entries), compile_object(source), aligned_copies(state or {}), symbols
    )
