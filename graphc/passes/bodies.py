"""The graphs of loops and branches: closed, and with inputs called by their role.

So two bodies that compute alike are one graph, whatever they were made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.structural import graph_input
from graphc.passes.rewrite import substitute

__all__ = ["branch_graph", "dependent", "loop_graph"]


def loop_graph(
    name: str,
    carries: Sequence[Node],
    slices: Sequence[Node],
    constants: Sequence[Node],
    results: Sequence[Node],
) -> Graph:
    """The body or condition of a loop, from what stands for its inputs to its results.

    Args:
        name: of the graph.
        carries, slices, constants: distinct nodes that `results` are computed from.
    """
    roles = {"carry": carries, "slice": slices, "constant": constants}
    return _closed(name, roles, results)


def branch_graph(name: str, operands: Sequence[Node], results: Sequence[Node]) -> Graph:
    """A graph of a branch, from what stands for its operands to its results."""
    return _closed(name, {"operand": operands}, results)


def _closed(name: str, roles: dict[str, Sequence[Node]], results: Sequence[Node]) -> Graph:
    renamed = {
        node: graph_input(f"{role}{number}", node.dtype, node.shape)
        for role, nodes in roles.items()
        for number, node in enumerate(nodes)
    }
    return Graph(name, tuple(renamed.values()), (), substitute(results, renamed))


def dependent(roots: Sequence[Node], inputs: Iterable[Node]) -> set[Node]:
    """The nodes below the roots that depend on inputs, and these."""
    found = set(inputs)
    for node in topological(roots):
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found
