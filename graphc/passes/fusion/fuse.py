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
in `join.py`, which groups may merge in `merge.py`.

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
from graphc.passes.fusion.draft import Draft, start
from graphc.passes.fusion.drafts import MEMBERS_AT_MOST, Drafts
from graphc.passes.fusion.group import Group, GroupKind
from graphc.passes.fusion.join import accepts_pointwise, join
from graphc.passes.fusion.merge import extend_reductions, merge_all
from graphc.passes.fusion.reads import is_apart, operands_read, reads_memory
from graphc.passes.fusion.run_order import run_order

__all__ = ["fuse"]


def fuse(graph: Graph, stored: Iterable[Node] = ()) -> list[Group]:
    """The groups of a decomposed graph, in an order in which they can run.

    Inputs and state belong to no group. A result that is only a view or a constant has a
    pointwise group of its own, which copies.

    Args:
        graph: decomposed.
        stored: nodes to store before others read them.
    """
    drafts = Drafts(graph, stored)
    for node in reversed(drafts.order):
        if isinstance(node.op.lowering, Structural):
            continue
        if drafts.is_transparent(node) and node not in drafts.roots:
            continue
        _place(drafts, node)
    extend_reductions(drafts)
    return _finish(drafts)


def _place(drafts: Drafts, node: Node) -> None:
    """Put the node into the group of its users, or into one of its own."""
    users = drafts.reached(node)
    if drafts.is_transparent(node):
        users = [user for user in users if reads_memory(user)]
    groups = list(dict.fromkeys(group for user in users for group in drafts.groups_of[user]))
    if is_apart(node):
        group = Draft(GroupKind.APART, (), (), at={node: set()})
        drafts.groups_of[node] = [group]
        drafts.paths.add(group, groups)
        return
    if len(groups) > 1 and node.tensor.size != 1:
        groups = merge_all(drafts, groups)
    if len(groups) == 1 and join(drafts, node, groups[0], users):
        drafts.groups_of[node] = groups
    elif len(groups) > 1 and _is_cheaper_to_repeat(drafts, node, groups, users):
        for group in groups:
            join(drafts, node, group, users)
        drafts.groups_of[node] = groups
    else:
        _store(drafts, node, groups, users)


def _store(drafts: Drafts, node: Node, groups: list[Draft], users: list[Node]) -> None:
    """Compute the node once, in one of several groups that read it or in one of its own."""
    for group in groups:
        if _join_first(drafts, node, group, groups, users):
            drafts.groups_of[node] = [group]
            drafts.paths.connect(group, (other for other in groups if other is not group))
            return
    group = start(node)
    drafts.groups_of[node] = [group]
    drafts.paths.add(group, groups)


def _join_first(
    drafts: Drafts, node: Node, group: Draft, groups: list[Draft], users: list[Node]
) -> bool:
    """Join one of several groups that read the node; it stores the node for the others.

    Pointwise groups alone: a reduction would compute again what it stores, and the node may
    still become the epilogue of what it is computed from.
    """
    if len(groups) < 2 or group.kind is not GroupKind.POINTWISE:
        return False
    if any(drafts.paths.has_path(other, group) for other in groups if other is not group):
        return False
    return join(drafts, node, group, users, stored=True)


def _is_cheaper_to_repeat(
    drafts: Drafts, node: Node, groups: list[Draft], users: list[Node]
) -> bool:
    """Whether several groups should each compute the node.

    They do if each computes it at its own domain and reads at most one tensor for it, as
    it would to load the result: what is saved is storing it, and a kernel.
    """
    if node in drafts.roots or not isinstance(node.op.lowering, Elementwise | Element):
        return False
    operands = [o for o in operands_read(node, drafts.stored_views) if o.tensor.size != 1]
    if len(operands) > 1 or any(
        isinstance(o.op.lowering, Reduction | Contraction) for o in operands
    ):
        return False
    return all(
        len(group.at) < MEMBERS_AT_MOST
        and (reads := drafts.reads(node, group, users)) is not None
        and accepts_pointwise(drafts, node, group, reads)
        for group in groups
    )


def _finish(drafts: Drafts) -> list[Group]:
    """The groups with what each has to store, in an order in which they can run."""
    groups = {}
    for draft in drafts.all():
        members = tuple(sorted(draft.at, key=drafts.position.__getitem__))
        if draft.kind is GroupKind.APART:
            members += tuple(user for user in drafts.users[members[0]] if user.op is project)
            outputs = members[1:] if isinstance(members[0].type, TupleType) else members
        else:
            outputs = tuple(node for node in members if drafts.is_output(node, draft))
        groups[draft] = Group(
            draft.kind, draft.shape, draft.axes, members, outputs, drafts.stored_views
        )
    return run_order(drafts, groups)
