"""Rewriting: replace nodes bottom-up until no rule applies, over graphs of any depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import InternalError
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build, topological
from graphc.ir.source_map import SourceMap, inherit

__all__ = ["Rewriter", "Rule", "rewrite", "substitute"]

Rule = Callable[[Node], Node | None]
"""From a node whose inputs are in normal form: an equal node to take its place, or None."""

_REPLACEMENTS_PER_NODE = 100
_REPLACEMENTS_AT_LEAST = 10_000


def rewrite(graph: Graph, rule: Rule, sources: SourceMap) -> Graph:
    """The graph with `rule` applied until it applies nowhere, nested graphs included.

    What replaces a node is rewritten too, so one call reaches the normal form, and a second
    call changes nothing. Each node is visited once, however often it is used. What a rule
    builds inherits the spans of the node that it replaces.

    Raises:
        InternalError: the rule changes a type, or replaces without end.
    """
    return Rewriter(rule, sources).graph(graph)


class Rewriter:
    """One rewriting of several graphs or nodes that may share nodes."""

    def __init__(self, rule: Rule, sources: SourceMap) -> None:
        self._rule = rule
        self._sources = sources
        self._normal: dict[Node, Node] = {}
        self._graphs: dict[Graph, Graph] = {}
        self._replacements_left = 0

    def graph(self, graph: Graph) -> Graph:
        """The graph over rewritten nodes. Its inputs and state stay as they are."""
        if graph not in self._graphs:
            normal = self.nodes(graph.roots)
            results = normal[: len(graph.results)]
            values = normal[len(graph.results) :]
            updates = tuple(
                (state, value) for (state, _), value in zip(graph.updates, values, strict=True)
            )
            self._graphs[graph] = Graph(graph.name, graph.inputs, graph.state, results, updates)
        return self._graphs[graph]

    def nodes(self, roots: Sequence[Node]) -> tuple[Node, ...]:
        """The normal forms of nodes."""
        size = sum(1 for _ in topological(roots))
        self._replacements_left += _REPLACEMENTS_AT_LEAST + _REPLACEMENTS_PER_NODE * size
        return tuple(map(self._node, roots))

    def _node(self, root: Node) -> Node:
        forward: dict[Node, Node] = {}
        # Insertion order is the path from the root: a node met again on it would wait for itself.
        path: dict[Node, None] = {root: None}
        while path:
            node = next(reversed(path))
            waiting = self._waiting_for(node, forward)
            if waiting is None:
                del path[node]
            elif waiting in path:
                raise InternalError(f"rewriting {waiting!r} never ends: it needs itself")
            else:
                path[waiting] = None
        return self._normal[root]

    def _waiting_for(self, node: Node, forward: dict[Node, Node]) -> Node | None:
        """A node to bring into normal form before `node`; None once `node` has its own."""
        if node in self._normal:
            return None
        if node not in forward:
            for operand in node.inputs:
                if operand not in self._normal:
                    return operand
            forward[node] = self._step(node)
        target = forward[node]
        if target is not node and target not in self._normal:
            return target
        normal = node if target is node else self._normal[target]
        self._normal[node] = normal
        if normal is not node:
            self._sources.add(normal, self._sources.spans(node))
        return None

    def _step(self, node: Node) -> Node:
        """The node over the normal forms of its inputs, or what the rule makes of that."""
        with self._sources.inherit(node):
            rebuilt = self._rebuilt(node)
            if rebuilt is not node:
                return rebuilt
            replacement = self._rule(node)
        if replacement is None or replacement is node:
            return node
        if replacement.type is not node.type:
            raise InternalError(
                f"a rewrite of {node.op.name} changed its type from {node.type} to "
                f"{replacement.type}"
            )
        self._replacements_left -= 1
        if self._replacements_left < 0:
            raise InternalError(f"rewriting {node!r} does not come to an end")
        return replacement

    def _rebuilt(self, node: Node) -> Node:
        inputs = tuple(self._normal[operand] for operand in node.inputs)
        attributes = tuple((name, self._value(value)) for name, value in node.attributes)
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True)) and all(
            new is old for (_, new), (_, old) in zip(attributes, node.attributes, strict=True)
        )
        return node if same else build(node.op, inputs, attributes)

    def _value(self, value: Any) -> Any:
        """An attribute with its graphs rewritten; the same object where there are none."""
        if isinstance(value, Graph):
            return self.graph(value)
        if type(value) is tuple and any(isinstance(part, Graph) for part in value):
            return tuple(map(self._value, value))
        return value


def substitute(
    roots: Sequence[Node], mapping: Mapping[Node, Node], sources: SourceMap | None = None
) -> tuple[Node, ...]:
    """The roots with nodes replaced all at once: what replaces a node is not looked into.

    Each replacement has the type of what it replaces. What is built anew inherits the spans of
    what it stands for, in `sources` or else in the map that is active.
    """
    done = dict(mapping)
    for node in topological(roots):
        if node in done:
            continue
        inputs = tuple(done[operand] for operand in node.inputs)
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        if same:
            done[node] = node
            continue
        with inherit(node) if sources is None else sources.inherit(node):
            done[node] = build(node.op, inputs, node.attributes)
    return tuple(done[root] for root in roots)
