"""Decomposition: write composite ops with simpler ones, except those a schedule claims whole."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Decomposition
from graphc.ir.source_map import SourceMap
from graphc.passes.rewrite import rewrite

__all__ = ["decompose"]


def decompose(
    graph: Graph, sources: SourceMap, *, keep: Callable[[Node], bool] | None = None
) -> Graph:
    """The graph with every op that lowers by `Decomposition` expanded, until none is left.

    Args:
        graph: any graph; nested graphs are expanded too.
        sources: what an op expands to comes from where the op comes from.
        keep: the nodes that stay whole, because a schedule will claim them.
    """

    def expand(node: Node) -> Node | None:
        lowering = node.op.lowering
        if not isinstance(lowering, Decomposition) or (keep is not None and keep(node)):
            return None
        return lowering.expand(node)

    return rewrite(graph, expand, sources)
