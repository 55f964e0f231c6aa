"""Groups that compute alike, such as those of a model's equal layers: scheduled once.

A kernel names nothing of the model, so neither needs the group that it is made from. What a group
reads from memory is replaced by inputs that are numbered; since nodes are interned, groups that
compute alike are equal then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules import schedule_group
from graphc.codegen.schedules.schedule import Variant
from graphc.ir.node import Node, topological
from graphc.ir.ops.structural import graph_input
from graphc.passes.fusion.group import Group, is_transparent

__all__ = ["Schedules"]


class Schedules:
    """The kernels of all groups of a unit for one dialect."""

    def __init__(self) -> None:
        self._known: dict[Group, list[Variant]] = {}

    def of(self, group: Group, dialect: Dialect) -> list[Variant]:
        """What `schedule_group` says of the group, found once for groups that compute alike."""
        nameless, original = _nameless(group)
        if nameless not in self._known:
            self._known[nameless] = schedule_group(nameless, dialect)
        return [_of_the_model(variant, original) for variant in self._known[nameless]]


def _nameless(group: Group) -> tuple[Group, dict[Node, Node]]:
    """The group on numbered inputs, and the node of the model that each of its nodes is."""
    members = frozenset(group.members)
    renamed: dict[Node, Node] = {}
    original: dict[Node, Node] = {}
    count = 0

    def is_loaded(node: Node) -> bool:
        is_stored = not is_transparent(node) or node in group.stored_views
        return node not in members and is_stored

    roots = (*group.members, *group.outputs)
    for node in topological(roots, lambda node: () if is_loaded(node) else node.inputs):
        if not is_loaded(node):
            new = Node(node.op, tuple(renamed[one] for one in node.inputs), node.attributes)
        else:
            new = graph_input(f"a{count}", node.dtype, node.shape)
            count += 1
        renamed[node], original[new] = new, node
    nameless = replace(
        group,
        members=tuple(renamed[node] for node in group.members),
        outputs=tuple(renamed[node] for node in group.outputs),
        stored_views=frozenset(),
    )
    return nameless, original


def _of_the_model(variant: Variant, original: Mapping[Node, Node]) -> Variant:
    scheduled = variant.scheduled
    inputs = {buffer: original[node] for buffer, node in scheduled.inputs.items()}
    outputs = {buffer: original[node] for buffer, node in scheduled.outputs.items()}
    return replace(variant, scheduled=replace(scheduled, inputs=inputs, outputs=outputs))
