"""Fusion: decide which nodes are computed together, in one kernel, and which are stored.

A group has a domain, a tuple of index variables v. Each member is computed at v, or, in a
reduction group, at v or at v without the reduced axes. Starting from the results and going
towards the inputs, a node joins the group of its users when all of them are in one group and
the indices at which they read it fit the group's domain. Because every user is inside, no path
can leave the group and come back: groups are convex, and so the order of kernels exists. Where
the users are in two groups over one domain with no path between them, the groups merge.

Views, sources and scalars computed elementwise belong to no group: each user computes its own
(but for views too deep to be followed at every read, see `stored_views.py`). So do several
groups for a node that costs them no more to compute than to load. What a group may take is said
in `join_group.py`, which groups may merge in `merge_groups.py`.

The result decides structure: values stay, but for the order in which floats are summed, which
follows from the axes that a kernel can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Element, Elementwise, Reduction, Structural
from graphc.ir.ops.structural import project
from graphc.ir.types import TupleType
from graphc.passes.draft import Draft, start
from graphc.passes.group import Group, GroupKind
from graphc.passes.grouping import MEMBERS_AT_MOST, Grouping
from graphc.passes.join_group import accepts_pointwise, join
from graphc.passes.merge_groups import extend_reductions, merge_all
from graphc.passes.reads import is_apart, operands_read, reads_memory
from graphc.passes.run_order import run_order

__all__ = ["fuse"]


def fuse(graph: Graph, stored: Iterable[Node] = ()) -> list[Group]:
    """The groups of a decomposed graph, in an order in which they can run.

    Inputs and state belong to no group. A result that is only a view or a constant has a
    pointwise group of its own, which copies.

    Args:
        graph: decomposed.
        stored: nodes to store before others read them.
    """
    grouping = Grouping(graph, stored)
    for node in reversed(grouping.order):
        if isinstance(node.op.lowering, Structural):
            continue
        if grouping.is_transparent(node) and node not in grouping.roots:
            continue
        _place(grouping, node)
    extend_reductions(grouping)
    return _finish(grouping)


def _place(grouping: Grouping, node: Node) -> None:
    """Put the node into the group of its users, or into one of its own."""
    users = grouping.reached(node)
    if grouping.is_transparent(node):
        users = [user for user in users if reads_memory(user)]
    groups = list(dict.fromkeys(group for user in users for group in grouping.groups_of[user]))
    if is_apart(node):
        group = Draft(GroupKind.APART, (), (), at={node: set()})
        grouping.groups_of[node] = [group]
        grouping.paths.add(group, groups)
        return
    if len(groups) > 1 and node.tensor.size != 1:
        groups = merge_all(grouping, groups)
    if len(groups) == 1 and join(grouping, node, groups[0], users):
        grouping.groups_of[node] = groups
    elif len(groups) > 1 and _is_cheaper_to_repeat(grouping, node, groups, users):
        for group in groups:
            join(grouping, node, group, users)
        grouping.groups_of[node] = groups
    else:
        _store(grouping, node, groups, users)


def _store(grouping: Grouping, node: Node, groups: list[Draft], users: list[Node]) -> None:
    """Compute the node once, in one of several groups that read it or in one of its own."""
    for group in groups:
        if _join_first(grouping, node, group, groups, users):
            grouping.groups_of[node] = [group]
            grouping.paths.connect(group, (other for other in groups if other is not group))
            return
    group = start(node)
    grouping.groups_of[node] = [group]
    grouping.paths.add(group, groups)


def _join_first(
    grouping: Grouping, node: Node, group: Draft, groups: list[Draft], users: list[Node]
) -> bool:
    """Join one of several groups that read the node; it stores the node for the others.

    Pointwise groups alone: a reduction would compute again what it stores, and the node may
    still become the epilogue of what it is computed from.
    """
    if len(groups) < 2 or group.kind is not GroupKind.POINTWISE:
        return False
    if any(grouping.paths.has_path(other, group) for other in groups if other is not group):
        return False
    return join(grouping, node, group, users, stored=True)


def _is_cheaper_to_repeat(
    grouping: Grouping, node: Node, groups: list[Draft], users: list[Node]
) -> bool:
    """Whether several groups should each compute the node.

    They do if each computes it at its own domain and reads at most one tensor for it, as
    it would to load the result: what is saved is storing it, and a kernel.
    """
    if node in grouping.roots or not isinstance(node.op.lowering, Elementwise | Element):
        return False
    operands = [o for o in operands_read(node, grouping.stored_views) if o.tensor.size != 1]
    if len(operands) > 1 or any(
        isinstance(o.op.lowering, Reduction | Contraction) for o in operands
    ):
        return False
    return all(
        len(group.at) < MEMBERS_AT_MOST
        and (reads := grouping.reads(node, group, users)) is not None
        and accepts_pointwise(grouping, node, group, reads)
        for group in groups
    )


def _finish(grouping: Grouping) -> list[Group]:
    """The groups with what each has to store, in an order in which they can run."""
    drafts = dict.fromkeys(draft for n in grouping.order for draft in grouping.groups_of.get(n, []))
    groups = {}
    for draft in drafts:
        members = tuple(sorted(draft.at, key=grouping.position.__getitem__))
        if draft.kind is GroupKind.APART:
            members += tuple(user for user in grouping.users[members[0]] if user.op is project)
            outputs = members[1:] if isinstance(members[0].type, TupleType) else members
        else:
            outputs = tuple(node for node in members if grouping.is_output(node, draft))
        groups[draft] = Group(
            draft.kind, draft.shape, draft.axes, members, outputs, grouping.stored_views
        )
    return run_order(grouping, groups)
