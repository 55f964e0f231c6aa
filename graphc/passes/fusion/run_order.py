"""In which order groups run: that of the graph, or one that lets stored tensors go soon.

Order costs memory where a gradient computes parts again: what was computed again is kept until the
last gradient that reads it, wherever that stands in the graph. So there the next group is the one
that leaves the least stored. Elsewhere the order of the graph keeps launches of one kernel
together, which then become one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import networkx as nx

from graphc.ir import dims
from graphc.ir.node import Node
from graphc.ir.ops.structural import optimization_barrier
from graphc.passes.fusion.draft import Draft
from graphc.passes.fusion.drafts import Drafts
from graphc.passes.fusion.group import Group
from graphc.passes.fusion.reads import operands_read

__all__ = ["run_order"]


def run_order(drafts: Drafts, groups: Mapping[Draft, Group]) -> list[Group]:
    """The finished groups in an order in which they can run."""
    dependencies: nx.DiGraph[Draft] = nx.DiGraph()
    dependencies.add_nodes_from(groups)
    dependencies.add_edges_from(drafts.paths.edges())
    last = {draft: drafts.position[group.members[-1]] for draft, group in groups.items()}
    if any(node.op is optimization_barrier for node in drafts.order):
        order: Sequence[Draft] = _least_memory(dependencies, drafts, groups, last)
    else:
        order = list(nx.lexicographical_topological_sort(dependencies, key=last.__getitem__))
    return [groups[draft] for draft in order]


def _least_memory(
    dependencies: nx.DiGraph[Draft],
    drafts: Drafts,
    groups: Mapping[Draft, Group],
    last: Mapping[Draft, int],
) -> list[Draft]:
    """The groups, at each step that which adds least to what is stored; else by `last`."""
    reads = {draft: _loaded(drafts, group) for draft, group in groups.items()}
    pending = Counter(node for nodes in reads.values() for node in nodes)
    waiting = {draft: dependencies.in_degree(draft) for draft in groups}
    ready = {draft for draft, count in waiting.items() if count == 0}
    order = []

    def added(draft: Draft) -> int:
        stored = sum(map(_bytes, groups[draft].outputs))
        ended = (n for n in reads[draft] if pending[n] == 1 and n not in drafts.roots)
        return stored - sum(map(_bytes, ended))

    while ready:
        draft = min(ready, key=lambda one: (added(one), last[one]))
        ready.remove(draft)
        order.append(draft)
        pending.subtract(reads[draft])
        for user in dependencies.successors(draft):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.add(user)
    return order


def _loaded(drafts: Drafts, group: Group) -> set[Node]:
    """What a group reads of what other groups store."""
    members = set(group.members)
    return {
        operand
        for member in group.members
        for operand in operands_read(member, drafts.stored_views)
        if operand not in members and operand in drafts.groups_of
    }


def _bytes(node: Node) -> int:
    return dims.bounds(node.tensor.nbytes)[1]
