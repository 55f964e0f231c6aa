"""Tables: dense data that a graph holds becomes state that is never updated.

A module then keeps it with the weights, every device loads it as it loads state, and kernels
read it from memory. Equal tables are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from graphc.ir.graph import Graph, Unit
from graphc.ir.node import Node
from graphc.ir.ops.creation import tensor
from graphc.ir.ops.structural import graph_input
from graphc.passes.rewrite import rewrite

__all__ = ["lift_tables"]


def lift_tables(unit: Unit) -> Unit:
    """The unit with every `tensor` of its exports as state, named by a hash of its content."""
    tables: dict[Node, Node] = {}
    for graph in unit.exports.values():
        for node in graph.nodes():
            if node.op is tensor:
                tables[node] = graph_input(_name(node), node.dtype, node.shape)
    if not tables:
        return unit
    added = {placeholder["name"]: placeholder.tensor for placeholder in tables.values()}
    return replace(
        unit,
        exports={name: _lifted(graph, tables, unit) for name, graph in unit.exports.items()},
        state={**unit.state, **added},
        initial=_with_results(unit.initial, tuple(tables)),
    )


def _lifted(graph: Graph, tables: Mapping[Node, Node], unit: Unit) -> Graph:
    used = tuple(tables[node] for node in graph.nodes() if node in tables)
    made = rewrite(graph, tables.get, unit.sources)
    return Graph(made.name, made.inputs, (*made.state, *used), made.results, made.updates)


def _with_results(initial: Graph, more: tuple[Node, ...]) -> Graph:
    """The graph of first values with those of the tables, which are the tables themselves."""
    return Graph(initial.name, initial.inputs, initial.state, (*initial.results, *more))


def _name(node: Node) -> str:
    content = f"{node.type} {bytes(node['data']).hex()}"
    return f"table.{hashlib.sha256(content.encode()).hexdigest()[:16]}"
