"""The graph: named inputs, state and results over shared nodes; and the unit, what is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphc.errors import VerificationError
from graphc.ir import dims
from graphc.ir.dims import Dim
from graphc.ir.interning import Interned
from graphc.ir.node import Node, topological
from graphc.ir.record import Record
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType

__all__ = ["Graph", "Unit", "dims_of", "nested_graphs"]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Graph(metaclass=Interned):
    """A function of tensors, immutable and interned: equal graphs are one object.

    Attributes:
        name: the export it belongs to, or the function it is the body of.
        inputs: `input` nodes given at each call, in order.
        state: `input` nodes that live in the module between calls (weights, optimizer slots),
            named by the path to them (`fc1.weight`).
        results: what a call returns.
        updates: pairs of a state node and its value after the call. State is never written
            otherwise; donation lets the new value take the old one's memory.
    """

    name: str
    inputs: tuple[Node, ...]
    state: tuple[Node, ...]
    results: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...] = ()

    @property
    def roots(self) -> tuple[Node, ...]:
        """Everything that a call must compute."""
        return (*self.results, *(value for _, value in self.updates))

    def nodes(self) -> Iterator[Node]:
        """Every node that is needed, inputs before users."""
        return topological(self.roots)

    def with_nested(self) -> Iterator[Graph]:
        """This graph, and then those in attributes of nodes, each once: bodies, branches."""
        found = {self}
        pending = [self]
        for graph in pending:
            yield graph
            for nested in (one for node in graph.nodes() for one in nested_graphs(node)):
                if nested not in found:
                    found.add(nested)
                    pending.append(nested)

    def dims(self) -> dict[str, Dim]:
        """The named dims of the inputs and state, by name."""
        return dims_of([*self.inputs, *self.state])

    def __repr__(self) -> str:
        return f"<graph {self.name}>"


def nested_graphs(node: Node) -> list[Graph]:
    """The graphs in the attributes of a node: bodies of loops, branches, gradients."""
    return [
        part
        for _, value in node.attributes
        for part in (value if isinstance(value, tuple) else (value,))
        if isinstance(part, Graph)
    ]


def dims_of(nodes: list[Node]) -> dict[str, Dim]:
    """The named dims that occur in the types of `nodes`, sorted by name."""
    found: dict[str, Dim] = {}
    for node in nodes:
        if isinstance(node.type, TensorType):
            for dim in node.type.shape:
                for name, variable in dims.variables(dim).items():
                    if found.setdefault(name, variable) is not variable:
                        raise VerificationError(f"two dims are called {name!r}")
    return dict(sorted(found.items()))


class Unit(Record):
    """What one build compiles: exported graphs that share state, and how state begins.

    Attributes:
        exports: graphs by export name, in source order.
        initial: a graph without inputs other than `seed` whose results are the first values of
            `state`, in order.
        state: names and types of all state, in declaration order.
        sources: which lines each node comes from.
        docs: docstrings by export name; the unit's own under "".
    """

    exports: Mapping[str, Graph]
    state: Mapping[str, TensorType]
    initial: Graph
    sources: SourceMap = field(default_factory=SourceMap)
    docs: Mapping[str, str] = field(default_factory=dict)
