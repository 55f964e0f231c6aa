"""Fusion: decide which nodes are computed together, in one kernel, and which are stored.

A group has a domain, a tuple of index variables v. Each member is computed at v, or, in a
reduction group, at v or at v without the reduced axes. Starting from the results and going
towards the inputs, a node joins the group of its users when all of them are in one group and
the indices at which they read it fit the group's domain. Because every user is inside, no path
can leave the group and come back: groups are convex, and so the order of kernels exists. Where
the users are in two groups over one domain with no path between them, the groups merge.

Views, sources and scalars computed elementwise belong to no group: each user computes its own
(but for views too deep to be followed at every read, see `stored_views.py`). So do several
groups for a node that costs them no more to compute than to load.

The result decides structure: values stay, but for the order in which floats are summed, which
follows from the axes that a kernel can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from graphc.errors import DimensionError
from graphc.ir import dims
from graphc.ir.expr import Index
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import (
    Branch,
    Contraction,
    Element,
    Elementwise,
    HostCall,
    Loop,
    Reduction,
    RowFunction,
    Scatter,
    Source,
    Structural,
    View,
)
from graphc.ir.ops.structural import project
from graphc.ir.types import TupleType
from graphc.passes.draft import (
    Draft,
    can_be_epilogue,
    is_one_long_row,
    is_reduction,
    names_of,
    renamed,
    start,
    widen,
)
from graphc.passes.group import Group, GroupKind, aligned, domain_of, is_transparent, kept
from graphc.passes.reachability import Reachability
from graphc.passes.reads import indices_read, operands_read
from graphc.passes.stored_views import stored_views

__all__ = [
    "Group",
    "GroupKind",
    "aligned",
    "domain_of",
    "fuse",
    "is_transparent",
    "kept",
    "reads_memory",
]

# A group this large is compiled as several kernels: compile time grows faster than what
# keeping values in registers saves.
_MEMBERS_AT_MOST = 1500

# Outputs that a matrix product's epilogue may store: the value and, for training, what its
# gradient needs.
_EPILOGUE_OUTPUTS_AT_MOST = 2


def fuse(graph: Graph) -> list[Group]:
    """The groups of a decomposed graph, in an order in which they can run.

    Inputs and state belong to no group. A result that is only a view or a constant has a
    pointwise group of its own, which copies.
    """
    return _Fuser(graph).run()


def is_apart(node: Node) -> bool:
    """Whether no kernel computes the node: a loop or branch, or a call of the host."""
    return isinstance(node.op.lowering, Loop | Branch | HostCall)


def reads_memory(node: Node) -> bool:
    """Whether the node is given whole tensors, and not elements at indices that are known."""
    return is_apart(node) or isinstance(node.op.lowering, RowFunction)


class _Fuser:
    def __init__(self, graph: Graph) -> None:
        self.order = list(graph.nodes())
        self.position = {node: i for i, node in enumerate(self.order)}
        self.stored_views = stored_views(self.order)
        # What these are given is stored, views as well.
        given = (o for node in self.order if reads_memory(node) for o in node.inputs)
        self.roots = {
            node for node in (*graph.roots, *given) if not isinstance(node.op.lowering, Structural)
        }
        self.updates = {value for _, value in graph.updates}
        self.groups_of: dict[Node, list[Draft]] = {}
        self.paths = Reachability[Draft]()
        self.known_reads: dict[tuple[Node, Index], dict[Node, set[Index]]] = {}
        self.users: dict[Node, list[Node]] = {node: [] for node in self.order}
        for node in self.order:
            for operand in dict.fromkeys(node.inputs):
                self.users[operand].append(node)

    def run(self) -> list[Group]:
        for node in reversed(self.order):
            if isinstance(node.op.lowering, Structural):
                continue
            if self.is_transparent(node) and node not in self.roots:
                continue
            self.place(node)
        self.extend_reductions()
        return self.finish()

    def is_transparent(self, node: Node) -> bool:
        """Whether users compute the node themselves, in this graph."""
        return is_transparent(node) and node not in self.stored_views

    def place(self, node: Node) -> None:
        """Put the node into the group of its users, or into one of its own."""
        users = self.reached(node)
        if self.is_transparent(node):
            users = [user for user in users if reads_memory(user)]
        groups = list(dict.fromkeys(group for user in users for group in self.groups_of[user]))
        if is_apart(node):
            group = Draft(GroupKind.APART, (), (), at={node: set()})
            self.groups_of[node] = [group]
            self.paths.add(group, groups)
            return
        if len(groups) > 1 and node.tensor.size != 1:
            groups = self.merge_all(groups)
        if len(groups) == 1 and self.join(node, groups[0], users):
            self.groups_of[node] = groups
        elif len(groups) > 1 and self.is_cheaper_to_repeat(node, groups, users):
            for group in groups:
                self.join(node, group, users)
            self.groups_of[node] = groups
        else:
            self.store(node, groups, users)

    def store(self, node: Node, groups: list[Draft], users: list[Node]) -> None:
        """Compute the node once, in one of several groups that read it or in one of its own."""
        for group in groups:
            if self.join_first(node, group, groups, users):
                self.groups_of[node] = [group]
                self.paths.connect(group, (other for other in groups if other is not group))
                return
        group = start(node)
        self.groups_of[node] = [group]
        self.paths.add(group, groups)

    def join_first(self, node: Node, group: Draft, groups: list[Draft], users: list[Node]) -> bool:
        """Join one of several groups that read the node; it stores the node for the others.

        Pointwise groups alone: a reduction would compute again what it stores, and the node may
        still become the epilogue of what it is computed from.
        """
        if len(groups) < 2 or group.kind is not GroupKind.POINTWISE:
            return False
        if any(self.paths.has_path(other, group) for other in groups if other is not group):
            return False
        return self.join(node, group, users, stored=True)

    def is_cheaper_to_repeat(self, node: Node, groups: list[Draft], users: list[Node]) -> bool:
        """Whether several groups should each compute the node.

        They do if each computes it at its own domain and reads at most one tensor for it, as
        it would to load the result: what is saved is storing it, and a kernel.
        """
        if node in self.roots or not isinstance(node.op.lowering, Elementwise | Element):
            return False
        operands = [o for o in operands_read(node, self.stored_views) if o.tensor.size != 1]
        if len(operands) > 1 or any(
            isinstance(o.op.lowering, Reduction | Contraction) for o in operands
        ):
            return False
        return all(
            len(group.at) < _MEMBERS_AT_MOST
            and (reads := self.reads(node, group, users)) is not None
            and self.accepts_pointwise(node, group, reads)
            for group in groups
        )

    def reached(self, node: Node) -> list[Node]:
        """The grouped nodes that read `node`, directly or through transparent nodes."""
        found: dict[Node, None] = {}
        pending = list(self.users[node])
        seen: set[Node] = set()
        while pending:
            user = pending.pop()
            if user in seen:
                continue
            seen.add(user)
            if user in self.groups_of:
                found[user] = None
            if user.op is project or self.is_transparent(user):
                # A transparent result is stored by its own group and still read through.
                pending.extend(self.users[user])
        return sorted(found, key=self.position.__getitem__)

    # -- joining a group ------------------------------------------------------------------

    def join(
        self, node: Node, group: Draft, users: Iterable[Node], *, stored: bool = False
    ) -> bool:
        """Make the node a member if it fits; `stored`: other groups load it from this one."""
        if len(group.at) >= _MEMBERS_AT_MOST or group.kind is GroupKind.APART:
            return False
        reads = self.reads(node, group, users)
        if reads is not None and (stored or node in self.roots):
            own = group.store_index(node)
            reads = None if own is None else reads | {own}
        if reads is None:
            return False
        match node.op.lowering:
            case Elementwise() | Element() | View() | Source():
                accepted = self.accepts_pointwise(node, group, reads)
            case Reduction():
                accepted = self.accepts_reduction(node, group, reads)
            case Contraction():
                accepted = self.accepts_contraction(node, group, reads)
            case _:
                accepted = False
        if accepted:
            group.at[node] = {group.outer} if is_reduction(node) else reads
        return accepted

    def reads(self, node: Node, group: Draft, users: Iterable[Node]) -> set[Index] | None:
        """The indices at which the group reads the node; None if it is not read by index.

        Some users read nothing of it: those that gather from a tensor without elements.
        """
        found: set[Index] = set()
        for user in users:
            if user not in group.at:
                continue
            if isinstance(user.op.lowering, Contraction) or reads_memory(user):
                return None
            for at in group.at[user]:
                read = self.reads_of(user, group.domain if is_reduction(user) else at)
                if node not in read and isinstance(user.op.lowering, Scatter):
                    return None  # read as its tensor or its indices
                found |= read.get(node, set())
        return found or None

    def reads_of(self, user: Node, index: Index) -> dict[Node, set[Index]]:
        """What `user` reads when it is computed at `index`."""
        key = (user, index)
        if key not in self.known_reads:
            self.known_reads[key] = indices_read(user, index, self.stored_views)
        return self.known_reads[key]

    def accepts_pointwise(self, node: Node, group: Draft, reads: set[Index]) -> bool:
        if reads == {group.domain} and node.shape == group.shape:
            return True
        if group.kind in (GroupKind.CONTRACTION, GroupKind.CUMULATIVE):
            return False
        if group.kind is GroupKind.REDUCTION and reads == {group.row_index(node)}:
            return True
        if len(reads) > 1:
            return False
        # Read through a view: computed where it is read, unless that would repeat work.
        (index,) = reads
        lowering = node.op.lowering
        cheap = isinstance(lowering, Elementwise | Element) and lowering.cheap
        shape = group.shape
        if group.kind is GroupKind.REDUCTION and names_of(index) <= names_of(group.outer):
            cheap, shape = isinstance(lowering, Elementwise | Element), kept(shape, group.axes)
        if not cheap or not dims.always_less_equal(dims.product(shape), node.tensor.size):
            return False
        try:
            self.reads_of(node, index)
        except DimensionError:  # the index of what it reads would be beyond all limits
            return False
        return True

    def accepts_reduction(self, node: Node, group: Draft, reads: set[Index]) -> bool:
        axes: tuple[int, ...] = node["axes"]
        operand = node.inputs[0].shape
        if group.kind is GroupKind.REDUCTION:
            return reads == {group.outer} and operand == group.shape and axes == group.axes
        if group.kind is not GroupKind.POINTWISE or self.updates_state(group):
            return False
        if (
            operand == group.shape
            and reads == {kept(group.domain, axes)}
            and not is_one_long_row(operand, axes)
        ):
            group.kind, group.axes = GroupKind.REDUCTION, axes
            return True
        if reads == {group.domain} and node.shape == group.shape and can_be_epilogue(group):
            widen(group, operand, axes)
            return True
        return False

    def accepts_contraction(self, node: Node, group: Draft, reads: set[Index]) -> bool:
        accepted = (
            group.kind is GroupKind.POINTWISE
            and reads == {group.domain}
            and node.shape == group.shape
            and node not in self.roots
            and not self.updates_state(group)
            and can_be_epilogue(group)
            and sum(self.is_output(m, group) for m in group.at) <= _EPILOGUE_OUTPUTS_AT_MOST
        )
        if accepted:
            group.kind = GroupKind.CONTRACTION
        return accepted

    def updates_state(self, group: Draft) -> bool:
        """Whether the group computes new values of state.

        Those stay pointwise groups: the updates of all parameters then run as one launch over
        all of them, however each gradient is computed.
        """
        return not self.updates.isdisjoint(group.at)

    def is_output(self, node: Node, group: Draft) -> bool:
        return node in self.roots or any(
            any(other is not group and node not in other.at for other in self.groups_of[user])
            for user in self.reached(node)
        )

    # -- merging groups -------------------------------------------------------------------

    def merge_all(self, groups: list[Draft]) -> list[Draft]:
        """Merge the groups that read one node, as far as they fit together."""
        merged = [groups[0]]
        for group in groups[1:]:
            for index, other in enumerate(merged):
                combined = self.merge(other, group)
                if combined is not None:
                    merged[index] = combined
                    break
            else:
                merged.append(group)
        return merged

    def merge(self, a: Draft, b: Draft) -> Draft | None:
        if b.kind is GroupKind.REDUCTION and a.kind is GroupKind.POINTWISE:
            a, b = b, a
        if not self.fit_together(a, b):
            return None
        for node, at in b.at.items():
            a.at[node] = a.at.get(node, set()) | at
            groups = [group for group in self.groups_of[node] if group not in (a, b)]
            self.groups_of[node] = [*groups, a]
        self.paths.merge(a, b)
        return a

    def fit_together(self, a: Draft, b: Draft) -> bool:
        """Whether one kernel can compute both groups, of which `b` may be a reduction if `a` is."""
        alone = (
            GroupKind.CONTRACTION,
            GroupKind.APART,
            GroupKind.CUMULATIVE,
            GroupKind.ROW_FUNCTION,
            GroupKind.SCATTER,
        )
        if a.shape != b.shape or a.kind in alone or b.kind in alone:
            return False
        if b.kind is GroupKind.REDUCTION and a.axes != b.axes:
            return False
        if a.kind is not b.kind and self.updates_state(b):
            return False
        return (
            len(a.at) + len(b.at) <= _MEMBERS_AT_MOST
            and not self.paths.has_indirect_path(a, b)
            and not self.paths.has_indirect_path(b, a)
            and self.reads_in_place(a, b)
            and self.reads_in_place(b, a)
        )

    def reads_in_place(self, source: Draft, target: Draft) -> bool:
        """Whether `target` reads what `source` stores at the indices at which it is computed."""
        if not self.paths.has_path(source, target):
            return True
        for user in target.at:
            for node in operands_read(user, self.stored_views):
                if node in source.at and node not in target.at:
                    reads = self.reads(node, target, [user])
                    if reads is None or not reads <= source.at[node]:
                        return False
        return True

    def extend_reductions(self) -> None:
        """Let reductions take the groups that read their results at the same rows.

        `x / (sum(x) + 1)`: the quotient could not wait for the sum in one group before the sum
        was known to be a reduction over the quotient's own rows.
        """
        drafts = dict.fromkeys(d for node in self.order for d in self.groups_of.get(node, ()))
        merged: set[Draft] = set()
        for draft in drafts:
            if draft.kind is not GroupKind.REDUCTION or draft in merged:
                continue
            if is_one_long_row(draft.shape, draft.axes):
                continue
            pending = self.paths.users(draft)
            while pending:
                user = pending.pop()
                if self.absorb(draft, user):
                    merged.add(user)
                    pending = self.paths.users(draft)

    def absorb(self, reduction: Draft, user: Draft) -> bool:
        """Merge a group that reads a reduction's results into it, if it fits."""
        before = user.shape, user.domain, user.at
        if user.kind is GroupKind.POINTWISE and user.shape != reduction.shape:
            rows = kept(reduction.shape, reduction.axes)
            index = aligned(reduction.outer, rows, user.shape)
            if index is None or not can_be_epilogue(user):
                return False
            user.at = renamed(user, index)
            user.shape, user.domain = reduction.shape, reduction.domain
        if user.kind is not GroupKind.CONTRACTION and self.fit_together(reduction, user):
            self.merge(reduction, user)
            return True
        user.shape, user.domain, user.at = before
        return False

    # -- the result -----------------------------------------------------------------------

    def finish(self) -> list[Group]:
        drafts = dict.fromkeys(draft for n in self.order for draft in self.groups_of.get(n, []))
        groups = {}
        for draft in drafts:
            members = tuple(sorted(draft.at, key=self.position.__getitem__))
            if draft.kind is GroupKind.APART:
                members += tuple(user for user in self.users[members[0]] if user.op is project)
                outputs = members[1:] if isinstance(members[0].type, TupleType) else members
            else:
                outputs = tuple(node for node in members if self.is_output(node, draft))
            groups[draft] = Group(
                draft.kind, draft.shape, draft.axes, members, outputs, self.stored_views
            )
        dependencies: nx.DiGraph[Draft] = nx.DiGraph()
        dependencies.add_nodes_from(drafts)
        dependencies.add_edges_from(self.paths.edges())
        last = {draft: self.position[groups[draft].members[-1]] for draft in drafts}
        order = nx.lexicographical_topological_sort(dependencies, key=last.__getitem__)
        return [groups[draft] for draft in order]
