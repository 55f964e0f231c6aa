"""The verifier of fusion: every invariant of the groups of a graph, as named checks in one list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Reduction, Scatter
from graphc.ir.ops.structural import project
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.ir.verify import Check, Violation, run_checks
from graphc.passes.fusion.group import KIND_OF, Group, GroupKind, aligned, is_transparent, kept
from graphc.passes.fusion.reads import is_apart, operands_read, reads_memory

__all__ = ["CHECKS", "GroupedGraph", "nodes_read", "verify_groups"]


@dataclass(frozen=True)
class GroupedGraph:
    """A graph and its groups, in the order in which they are to run.

    `stored` are nodes that must be stored, beside results and what is read as a whole.
    """

    graph: Graph
    groups: Sequence[Group]
    stored: frozenset[Node] = frozenset()

    @cached_property
    def given(self) -> frozenset[Node]:
        """What is in memory before any group has run."""
        return frozenset((*self.graph.inputs, *self.graph.state))

    @cached_property
    def loads(self) -> list[dict[Node, None]]:
        """For each group, the nodes that it reads from memory."""
        return [_loads(group) for group in self.groups]


def verify_groups(grouped: GroupedGraph, name: str, sources: SourceMap | None = None) -> None:
    """Check every invariant of the groups of a graph.

    Args:
        name: of the graph, for the error.
        sources: where its nodes come from, for the error.

    Raises:
        VerificationError: the first check that fails, in the order of `CHECKS`.
    """
    graph = grouped.graph
    roots = (*graph.inputs, *graph.state, *graph.roots)
    run_checks(CHECKS, grouped, f"the groups of {name!r}", roots, sources=sources)


def nodes_read(member: Node, group: Group) -> Iterable[Node]:
    """What computing a member of a group reads, of what is stored or in the group."""
    if reads_memory(member):
        return member.inputs
    return operands_read(member, group.stored_views)


def _loads(group: Group) -> dict[Node, None]:
    members = set(group.members)
    return {
        operand: None
        for member in group.members
        for operand in nodes_read(member, group)
        if operand not in members
    }


def _members(grouped: GroupedGraph) -> Iterator[Violation]:
    for number, group in enumerate(grouped.groups):
        known: set[Node] = set()
        waiting = set(group.members)
        for node in group.members:
            if not waiting.isdisjoint(node.inputs):
                yield Violation(
                    f"group {number} computes {node.op.name} before what it needs", node
                )
            known.add(node)
            waiting.discard(node)
        for node in group.outputs:
            if node not in known:
                yield Violation(
                    f"group {number} stores {node.op.name} and does not compute it", node
                )


def _kinds(grouped: GroupedGraph) -> Iterator[Violation]:
    for number, group in enumerate(grouped.groups):
        count = 0
        for place, node in enumerate(group.members):
            if group.kind is GroupKind.APART:
                fits = is_apart(node) if place == 0 else node.op is project
            else:
                kind = KIND_OF.get(type(node.op.lowering))
                count += kind is group.kind
                fits = not is_apart(node) and kind in (None, group.kind)
            if not fits:
                yield Violation(f"group {number}, {group.kind.value}, holds {node.op.name}", node)
        if group.kind in (GroupKind.POINTWISE, GroupKind.APART):
            continue
        if count == 0 or (count > 1 and group.kind is not GroupKind.REDUCTION):
            yield Violation(f"group {number}, {group.kind.value}, holds {count} such")


def _domains(grouped: GroupedGraph) -> Iterator[Violation]:
    for number, group in enumerate(grouped.groups):
        for node in group.members:
            if isinstance(node.op.lowering, Reduction) and (
                node.inputs[0].shape != group.shape or node["axes"] != group.axes
            ):
                yield Violation(f"group {number} folds other axes than {node.op.name}", node)
        for node in group.outputs:
            if not _can_store(group, node):
                yield Violation(f"group {number} cannot store {node.op.name} at its indices", node)


def _can_store(group: Group, node: Node) -> bool:
    if group.kind is GroupKind.APART:
        return isinstance(node.type, TensorType)
    if group.kind is GroupKind.SCATTER:
        return isinstance(node.op.lowering, Scatter)
    rows = kept(group.shape, group.axes)
    is_row = group.kind is GroupKind.REDUCTION and aligned(rows, rows, node.shape) is not None
    return node.shape == group.shape or is_row


def _once(grouped: GroupedGraph) -> Iterator[Violation]:
    stored = set(grouped.given)
    for number, group in enumerate(grouped.groups):
        for node in group.outputs:
            if node in stored:
                yield Violation(f"group {number} stores {node.op.name}, which is in memory", node)
            stored.add(node)


def _order(grouped: GroupedGraph) -> Iterator[Violation]:
    stored = set(grouped.given)
    for number, group in enumerate(grouped.groups):
        for node in grouped.loads[number]:
            if node not in stored:
                yield Violation(
                    f"group {number} loads {node.op.name}, which none before it stores", node
                )
        stored.update(group.outputs)


def _roots(grouped: GroupedGraph) -> Iterator[Violation]:
    stored = {node for group in grouped.groups for node in group.outputs}
    needed = dict.fromkeys((*grouped.graph.roots, *grouped.stored))
    for node in grouped.graph.nodes():
        if reads_memory(node):
            needed.update(dict.fromkeys(node.inputs))
    for node in needed:
        if node not in stored and node not in grouped.given:
            yield Violation(f"{node.op.name} is to be stored, and is not", node)


def _read(grouped: GroupedGraph) -> Iterator[Violation]:
    for number, group in enumerate(grouped.groups):
        used = _used_inside(group)
        for node in group.members:
            if node not in used and node not in group.outputs:
                yield Violation(
                    f"group {number} computes {node.op.name} and neither stores nor reads it", node
                )


def _used_inside(group: Group) -> set[Node]:
    """What members are computed from, through transparent nodes, and a loop's own node."""
    used: set[Node] = {group.members[0]} if group.kind is GroupKind.APART else set()
    pending = list(group.members)
    members = set(group.members)
    while pending:
        for operand in pending.pop().inputs:
            if operand in used:
                continue
            used.add(operand)
            if operand not in members and is_transparent(operand):
                pending.append(operand)
    return used


CHECKS: tuple[Check[GroupedGraph], ...] = (
    Check("members", "a group stores what it computes, and computes operands first", _members),
    Check("kinds", "a group holds what its kind says: one product, folds, or a loop", _kinds),
    Check("domains", "folds and stored nodes have the shape of their group", _domains),
    Check("once", "no node is stored twice, or over what the graph is given", _once),
    Check("order", "what a group loads is given, or stored by one before: no cycles", _order),
    Check("roots", "results, what is read as a whole and what must be stored are", _roots),
    Check("read", "what a group computes and does not store, it reads", _read),
)
"""Every invariant, in the order in which they are checked."""
