"""Tables: dense data that a graph holds becomes state that is never updated.

A module then keeps it with the weights, every device loads it as it loads state, and kernels
read it from memory. Equal tables are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from graphc.ir.graph import Graph, Unit, nested_graphs
from graphc.ir.node import Node, build
from graphc.ir.op import Branch, Loop
from graphc.ir.ops.creation.constants import tensor
from graphc.ir.ops.custom_gradient import custom_gradient
from graphc.ir.ops.structural import graph_input
from graphc.passes.rewrite import rewrite, substitute

__all__ = ["lift_tables"]


def lift_tables(unit: Unit) -> Unit:
    """The unit with every `tensor` of its exports as state, named by a hash of its content.

    No gradient is taken of graphs with tables any more: what is said of theirs is left out.
    """
    exports = {
        name: rewrite(graph, _prepared, unit.sources) for name, graph in unit.exports.items()
    }
    tables: dict[Node, Node] = {}
    for graph in exports.values():
        for node in graph.nodes():
            if node.op is tensor:
                tables[node] = graph_input(_name(node), node.dtype, node.shape)
    if not tables:
        return unit
    added = {placeholder["name"]: placeholder.tensor for placeholder in tables.values()}
    return replace(
        unit,
        exports={name: _lifted(graph, tables, unit) for name, graph in exports.items()},
        state={**unit.state, **added},
        initial=_with_results(unit.initial, tuple(tables)),
    )


def _prepared(node: Node) -> Node | None:
    return node.inputs[0] if node.op is custom_gradient else _with_operands(node)


def _with_operands(node: Node) -> Node | None:
    """The loop or branch with the tables of its graphs as operands, which come last."""
    lowering = node.op.lowering
    inside = (one for graph in nested_graphs(node) for one in graph.nodes())
    found = {one: _stand(one) for one in inside if one.op is tensor}
    if not found or not isinstance(lowering, Loop | Branch):
        return None
    attributes = dict(node.attributes)
    for name, value in node.attributes:
        if isinstance(value, Graph):
            results = substitute(value.results, found)
            inputs = (*value.inputs, *found.values())
            attributes[name] = Graph(value.name, inputs, (), results)
    return build(node.op, (*node.inputs, *found), tuple(attributes.items()))


def _stand(table: Node) -> Node:
    return graph_input(_name(table).replace(".", "_"), table.dtype, table.shape)


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
