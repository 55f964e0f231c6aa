"""Graphs as numbered lines, one for each node: the form of dumps and of verification errors.

A listing is drawn from what is stored alone and builds nothing, so that it can show a graph
that breaks an invariant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological

__all__ = ["listing", "neighbourhood", "node_line"]

_BYTES_SHOWN = 8


def listing(graph: Graph, indent: str = "") -> str:
    """The graph as text: its name, one line for each node, results and updates.

    Graphs held in attributes follow below, each once, after the graph that holds them first.

    >>> from graphc.ir import dtype
    >>> from graphc.ir.ops.structural import graph_input
    >>> x = graph_input("x", dtype.f32, (3,))
    >>> print(listing(Graph("identity", (x,), (), (x,))))
    graph identity
      %0 = input(name='x', dtype=f32, shape=(3,)) : f32[3]
      return %0
    """
    return "\n\n".join(_block(one, indent) for one in graph.with_nested())


def _block(graph: Graph, indent: str) -> str:
    numbers: dict[Node, int] = {}
    lines = [f"graph {graph.name}"]
    for node in topological([*graph.inputs, *graph.state, *graph.roots]):
        numbers[node] = len(numbers)
        lines.append(f"  {node_line(node, numbers)}")
    if graph.state:
        lines.append(f"  state {_references(graph.state, numbers)}")
    lines.append(f"  return {_references(graph.results, numbers)}")
    lines += [
        f"  update {_references([state], numbers)} = {_references([value], numbers)}"
        for state, value in graph.updates
    ]
    return "\n".join(indent + line for line in lines)


def node_line(node: Node, numbers: Mapping[Node, int]) -> str:
    """One node as a line; nodes without a number appear as `%?`."""
    operands = [f"%{numbers.get(operand, '?')}" for operand in node.inputs]
    attributes = [f"{name}={_value_text(value)}" for name, value in node.attributes]
    arguments = ", ".join(operands + attributes)
    return f"%{numbers.get(node, '?')} = {node.op.name}({arguments}) : {node.type}"


def neighbourhood(node: Node, roots: Iterable[Node]) -> list[str]:
    """The lines of the node (marked), of its operands, and of the nodes that use it."""
    order = list(topological(roots))
    numbers = {one: number for number, one in enumerate(order)}
    near = {node, *node.inputs, *(one for one in order if node in one.inputs)}
    shown = [one for one in order if one in near]
    return [f"{'>' if one is node else ' '} {node_line(one, numbers)}" for one in shown]


def _references(nodes: Iterable[Node], numbers: Mapping[Node, int]) -> str:
    return ", ".join(f"%{numbers.get(node, '?')}" for node in nodes)


def _value_text(value: Any) -> str:
    match value:
        case DType():
            return value.name
        case Graph():
            return f"graph {value.name}"
        case bytes() if len(value) > _BYTES_SHOWN:
            return f"{value[:_BYTES_SHOWN]!r}... ({len(value)} bytes)"
        case tuple():
            inner = ", ".join(map(_value_text, value))
            return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)
