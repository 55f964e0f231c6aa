"""Graphs on the simulator, planned as they are: no pass but decomposition runs before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cuda import CUDA, emit_unit
from graphc.codegen.dialect import UnitText
from graphc.codegen.plan import Library, plan_entry
from graphc.ir.graph import Graph
from graphc.ir.kernel import Kernel
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.runtime.aligned import aligned_copies
from graphc.runtime.program import Program
from graphc.runtime.simulator.executor import SimulatorExecutor

__all__ = ["CudaCode", "cuda_code", "simulated"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CudaCode:
    """What graphs become for CUDA."""

    program: Program
    text: UnitText
    kernels: Mapping[str, Kernel]

    @property
    def source(self) -> str:
        """The text for compilers."""
        return self.text.source


def cuda_code(graphs: Sequence[Graph], *, sources: SourceMap | None = None) -> CudaCode:
    """The program and the text of the graphs, all in one unit."""
    library = Library()
    entries = {}
    for graph in graphs:
        known = sources or SourceMap()
        entries[graph.name] = plan_entry(decompose(graph, known), CUDA, library, known)
    exports = list(entries.values())
    text = emit_unit(library.kernels, exports)
    program = Program(CUDA.name, entries, CUDA.geometry(library.kernels, exports))
    return CudaCode(program, text, library.kernels)


def simulated(
    graphs: Sequence[Graph], state: Mapping[str, Array] | None = None, **options: Any
) -> SimulatorExecutor:
    """An executor of the graphs, all in one unit of CUDA."""
    code = cuda_code(graphs)
    return SimulatorExecutor(code.program, code.source, aligned_copies(state or {}), **options)
