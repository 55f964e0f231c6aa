"""Graphs in the canonical form as functions of a program: what was printed can be built again."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend.elaboration.numbers import tensor_of
from graphc.frontend.elaboration.refusal import refused
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.state import Buffer, State
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build

__all__ = ["GraphFunction"]


@dataclass(frozen=True, eq=False)
class GraphFunction:
    """A function that is marked as a graph.

    Attributes:
        graph: what it computes.
        owner: whose the state is: graphs of one program share state of one name, which begins as
            zeros, for a graph does not say how it begins.
    """

    graph: Graph
    owner: object

    @property
    def __name__(self) -> str:
        return self.graph.name

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return ""

    def __repr__(self) -> str:
        return f"<the graph {self.graph.name}>"

    @property
    def __signature__(self) -> inspect.Signature:
        """The inputs with their types.

        Raises:
            SourceError: the name of an input is no identifier.
        """
        kind = inspect.Parameter.POSITIONAL_ONLY
        parameters = []
        for node in self.graph.inputs:
            try:
                parameters.append(inspect.Parameter(node["name"], kind, annotation=node.type))
            except ValueError:
                raise refused(
                    f"the input {node['name']!r} of the graph {self.graph.name} cannot be called "
                    "by that name",
                    "graph-input",
                    None,
                    "rename it in the graph",
                ) from None
        return inspect.Signature(parameters)

    def __call__(self, *arguments: Any) -> Any:
        """The results, one alone or several as a tuple; state is read and updated.

        Raises:
            ShapeError: an argument has another type than the input.
        """
        given: dict[Node, Node] = {}
        for node, argument in zip(self.graph.inputs, arguments, strict=True):
            value = tensor_of(argument, node.dtype)
            if value.type is not node.type:
                raise ShapeError(
                    f"{node['name']!r} of the graph {self.graph.name} is {value.type}, expected "
                    f"{node.type}"
                )
            given[node] = value.node
        states = {node: self._state(node) for node in self.graph.state}
        given |= {node: state.node for node, state in states.items()}
        for node in self.graph.nodes():
            if node not in given:
                operands = tuple(given[operand] for operand in node.inputs)
                given[node] = build(node.op, operands, node.attributes)
        for node, value_node in self.graph.updates:
            states[node].update(Tensor(given[value_node]))
        results = tuple(Tensor(given[node]) for node in self.graph.results)
        return results[0] if len(results) == 1 else results

    def _state(self, node: Node) -> State:
        sizes = tuple(size for size in node.shape if isinstance(size, int))
        return tracing().table.own(node["name"], self.owner, lambda: Buffer(sizes, node.dtype))
