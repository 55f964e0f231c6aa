"""Graphs whose kernels are run in NumPy, planned as they are: no pass but decomposition before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.codegen.dialect import Dialect
from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.program import Program

__all__ = ["interpreted"]

Array = np.ndarray[Any, Any]


def interpreted(
    graphs: Sequence[Graph], state: Mapping[str, Array] | None = None, dialect: Dialect = HOST
) -> Interpreter:
    """An executor of the graphs' kernels for a dialect."""
    library = Library()
    plain = [decompose(graph, SourceMap()) for graph in graphs]
    entries = {graph.name: plan_entry(graph, dialect, library) for graph in plain}
    return Interpreter(Program(dialect.name, entries), library.kernels, state or {})
