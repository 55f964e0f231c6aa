"""Decomposition: write composite ops with simpler ones."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Decomposition
from graphc.ir.ops.structural import project, tuple_
from graphc.ir.source_map import SourceMap
from graphc.passes.rewrite import rewrite

__all__ = ["decompose"]


def decompose(graph: Graph, sources: SourceMap) -> Graph:
    """The graph with every op that lowers by `Decomposition` expanded, until none is left.

    Args:
        graph: any graph; nested graphs are expanded too.
        sources: what an op expands to comes from where the op comes from.
    """
    return rewrite(graph, _expanded, sources)


def _expanded(node: Node) -> Node | None:
    if node.op is project and node.inputs[0].op is tuple_:
        chosen: Node = node.inputs[0].inputs[node["index"]]
        return chosen
    lowering = node.op.lowering
    return lowering.expand(node) if isinstance(lowering, Decomposition) else None
