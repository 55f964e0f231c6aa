"""The fusion groups of a graph while they are built: who computes a node, and who reads it."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.expr import Index
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Elementwise, Scatter, Structural
from graphc.ir.ops.structural import project
from graphc.ir.types import TupleType
from graphc.passes.fusion.draft import Draft, is_reduction
from graphc.passes.fusion.group import is_transparent
from graphc.passes.fusion.reachability import Reachability
from graphc.passes.fusion.reads import indices_read, reads_memory
from graphc.passes.fusion.stored_views import stored_views

__all__ = ["MEMBERS_AT_MOST", "Drafts"]

# A group this large is compiled as several kernels: compile time grows faster than what
# keeping values in registers saves.
MEMBERS_AT_MOST = 1500


class Drafts:
    """The groups so far, and what is known of the graph that decides about them.

    Attributes:
        order: the nodes in topological order; `position` is the place of each.
        stored_views: views that are loaded by those who read them.
        roots: nodes that are stored, whoever else computes them.
        updates: new values of state.
        groups_of: the groups that compute a node.
        paths: which groups depend on which.
        users: the nodes that have a node as operand.
    """

    def __init__(self, graph: Graph, stored: Iterable[Node] = ()) -> None:
        wanted = [node for node in stored if not isinstance(node.op.lowering, Structural)]
        self.order = list(graph.nodes())
        self.position = {node: i for i, node in enumerate(self.order)}
        self.users: dict[Node, list[Node]] = {node: [] for node in self.order}
        for node in self.order:
            for operand in dict.fromkeys(node.inputs):
                self.users[operand].append(node)
        wanted += [value for _, value in graph.updates if self.is_small_update(value)]
        self.stored_views = stored_views(self.order) | frozenset(wanted)
        # What these are given is stored, views as well.
        given = (o for node in self.order if reads_memory(node) for o in node.inputs)
        roots = (*graph.roots, *given)
        self.roots = {node for node in roots if not isinstance(node.op.lowering, Structural)}
        self.roots.update(wanted)
        self.updates = {value for _, value in graph.updates}
        self.groups_of: dict[Node, list[Draft]] = {}
        self.paths = Reachability[Draft]()
        self.known_reads: dict[tuple[Node, Index], dict[Node, set[Index]]] = {}

    def all(self) -> list[Draft]:
        """Every group, by the first node in the order that it computes."""
        return list(dict.fromkeys(d for node in self.order for d in self.groups_of.get(node, ())))

    def is_small_update(self, node: Node) -> bool:
        """Whether the new value of a state has one element, and is read by such alone.

        The new values that an optimizer gives to one number then share a group, as those of larger
        parameters do. A counter of steps, which all parameters read, they compute themselves.
        """
        if not isinstance(node.op.lowering, Elementwise) or not is_transparent(node):
            return False
        pending, seen = [node], {node}
        while pending:
            for user in self.users[pending.pop()]:
                if isinstance(user.type, TupleType) or user.tensor.size != 1:
                    return False
                if user not in seen:
                    seen.add(user)
                    pending.append(user)
        return True

    def is_transparent(self, node: Node) -> bool:
        """Whether users compute the node themselves, in this graph."""
        return is_transparent(node) and node not in self.stored_views

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

    def updates_state(self, group: Draft) -> bool:
        """Whether the group computes new values of state.

        Those stay pointwise groups: the updates of all parameters then run as one launch over
        all of them, however each gradient is computed.
        """
        return not self.updates.isdisjoint(group.at)

    def is_output(self, node: Node, group: Draft) -> bool:
        """Whether the group has to store the node: a root, or read by a group without it."""
        return node in self.roots or any(
            any(other is not group and node not in other.at for other in self.groups_of[user])
            for user in self.reached(node)
        )
