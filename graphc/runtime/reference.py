"""The reference runtime: the evaluator behind the interface of an executor.

Slow and obvious. It runs everywhere, and every other device is compared with it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.sizes import limited_sizes
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.program import Entry, Program, Slot

__all__ = ["ReferenceExecutor", "contract"]

Array = np.ndarray[Any, Any]


def contract(graph: Graph) -> Entry:
    """What a graph takes and gives, as an entry without steps."""
    slots: list[Slot] = []

    def add(name: str, role: Any, node: Any) -> int:
        slots.append(Slot(name, role, node.tensor))
        return len(slots) - 1

    inputs = tuple(add(node["name"], "input", node) for node in graph.inputs)
    state = tuple(add(node["name"], "state", node) for node in graph.state)
    results = tuple(add("result", "result", node) for node in graph.results)
    sizes = limited_sizes(graph)
    return Entry(graph.name, graph.dims(), tuple(slots), inputs, state, results, (), sizes)


class ReferenceExecutor:
    """The exports of a unit, run by the reference evaluator.

    Args:
        graphs: by export name.
        state: the first values of all state, by name; copied.
    """

    allocations = 0

    def __init__(self, graphs: Mapping[str, Graph], state: Mapping[str, Array]) -> None:
        self._graphs = graphs
        entries = {name: contract(graph) for name, graph in graphs.items()}
        self.program = Program("reference", entries)
        self.state = {name: np.array(value) for name, value in state.items()}
        self._lock = threading.Lock()

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; new state replaces the old."""
        graph, entry = self._graphs[name], self.program.entries[name]
        arrays, _ = bind_arguments(entry, arguments)
        with self._lock:
            names = [entry.slots[slot].name for slot in entry.state]
            results, state = evaluate(graph, arrays, [self.state[n] for n in names])
            self.state.update(zip(names, state, strict=True))
        return [np.array(result) for result in results]

    def set_state(self, values: Mapping[str, Array]) -> None:
        """Replace values of state."""
        with self._lock:
            self.state.update({name: np.array(value) for name, value in values.items()})
