"""Fusion: decide which nodes are computed together, in one kernel, and which are stored.

A group has a domain, a tuple of index variables v. Each member is computed at v, or, in a
reduction group, at v or at v without the reduced axes. Starting from the results and going
towards the inputs, a node joins the group of its users when all of them are in one group and
the indices at which they read it fit the group's domain. Because every user is inside, no path
can leave the group and come back: groups are convex, and so the order of kernels exists. Where
the users are in two groups over one domain with no path between them, the groups merge.

Views, sources and scalars computed elementwise belong to no group: each user computes its own.
So do several groups for a node that costs them no more to compute than to load.

The result decides structure, never values: any fusion gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

import networkx as nx

from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Constant, Expr, Index
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Element, Elementwise, Reduction, Source, Structural, View
from graphc.ir.types import TensorType

__all__ = ["Group", "GroupKind", "domain_of", "fuse", "is_transparent", "kept"]

# A group this large is compiled as several kernels: compile time grows faster than what
# keeping values in registers saves.
_MEMBERS_AT_MOST = 1500

# Outputs that a matrix product's epilogue may store: the value and, for training, what its
# gradient needs.
_EPILOGUE_OUTPUTS_AT_MOST = 2


class GroupKind(Enum):
    """The shape of a group's computation: which schedules can claim it."""

    POINTWISE = "pointwise"
    REDUCTION = "reduction"
    CONTRACTION = "contraction"


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that one kernel computes.

    Attributes:
        kind: the shape of the computation.
        shape: extents of the domain; for a reduction those before reducing.
        axes: for a reduction, the axes of the domain that are reduced.
        members: in the order in which they can be computed.
        outputs: those that are stored, because a result, an update or another group needs them.
    """

    kind: GroupKind
    shape: tuple[DimLike, ...]
    axes: tuple[int, ...]
    members: tuple[Node, ...]
    outputs: tuple[Node, ...]

    @property
    def anchor(self) -> Node:
        """The matrix product of a contraction group."""
        for node in self.members:
            if isinstance(node.op.lowering, Contraction):
                return node
        raise InternalError("the group has no contraction")


def is_transparent(node: Node) -> bool:
    """Whether users compute the node themselves instead of loading it."""
    lowering = node.op.lowering
    if isinstance(lowering, View | Source):
        return True
    small = isinstance(lowering, Elementwise) or (isinstance(lowering, Element) and lowering.cheap)
    return small and node.tensor.size == 1


def domain_of(shape: Sequence[DimLike], prefix: str = "_i") -> Index:
    """Index variables for `shape`; an axis of extent 1 has the index 0."""
    return tuple(
        0
        if extent == 1
        else dims.variable(f"{prefix}{axis}", 0, max(dims.bounds(extent)[1] - 1, 0))
        for axis, extent in enumerate(shape)
    )


def kept(index: Index, axes: Iterable[int]) -> Index:
    """The index without the reduced axes."""
    dropped = set(axes)
    return tuple(i for axis, i in enumerate(index) if axis not in dropped)


@dataclass(eq=False)
class _Draft:
    """A group being built. `at` holds the indices at which each member is computed."""

    kind: GroupKind
    shape: tuple[DimLike, ...]
    domain: Index
    axes: tuple[int, ...] = ()
    at: dict[Node, set[Index]] = field(default_factory=dict)

    @property
    def outer(self) -> Index:
        return kept(self.domain, self.axes)


class _Fuser:
    def __init__(self, graph: Graph) -> None:
        self.order = list(graph.nodes())
        self.position = {node: i for i, node in enumerate(self.order)}
        self.roots = {node for node in graph.roots if not isinstance(node.op.lowering, Structural)}
        self.updates = {value for _, value in graph.updates}
        self.groups_of: dict[Node, list[_Draft]] = {}
        self.users: dict[Node, list[Node]] = {node: [] for node in self.order}
        for node in self.order:
            for operand in dict.fromkeys(node.inputs):
                self.users[operand].append(node)

    def run(self) -> list[Group]:
        for node in reversed(self.order):
            if isinstance(node.op.lowering, Structural):
                continue
            if is_transparent(node) and node not in self.roots:
                continue
            self.place(node)
        return self.finish()

    def place(self, node: Node) -> None:
        """Put the node into the group of its users, or into one of its own."""
        users = [] if is_transparent(node) else self.reached(node)
        groups = list(dict.fromkeys(group for user in users for group in self.groups_of[user]))
        if len(groups) > 1:
            groups = self.merge_all(groups)
        if len(groups) == 1 and self.join(node, groups[0], users):
            self.groups_of[node] = groups
        elif len(groups) > 1 and self.is_cheaper_to_repeat(node, groups, users):
            for group in groups:
                self.join(node, group, users)
            self.groups_of[node] = groups
        else:
            joined = next((g for g in groups if self.join_first(node, g, groups, users)), None)
            self.groups_of[node] = [joined or _start(node)]

    def join_first(
        self, node: Node, group: _Draft, groups: list[_Draft], users: list[Node]
    ) -> bool:
        """Join one of several groups that read the node; it stores the node for the others.

        Pointwise groups alone: a reduction would compute again what it stores, and the node may
        still become the epilogue of what it is computed from.
        """
        if len(groups) < 2 or group.kind is not GroupKind.POINTWISE:
            return False
        if any(self.has_path(other, group) for other in groups if other is not group):
            return False
        return self.join(node, group, users)

    def is_cheaper_to_repeat(self, node: Node, groups: list[_Draft], users: list[Node]) -> bool:
        """Whether several groups should each compute the node.

        They do if each computes it at its own domain and reads at most one tensor for it, as
        it would to load the result: what is saved is storing it, and a kernel.
        """
        if node in self.roots or not isinstance(node.op.lowering, Elementwise | Element):
            return False
        operands = [o for o in _operands_read(node) if o.tensor.size != 1]
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
            if is_transparent(user):
                # A transparent result is stored by its own group and still read through.
                pending.extend(self.users[user])
        return sorted(found, key=self.position.__getitem__)

    # -- joining a group ------------------------------------------------------------------

    def join(self, node: Node, group: _Draft, users: list[Node]) -> bool:
        if len(group.at) >= _MEMBERS_AT_MOST:
            return False
        reads = self.reads(node, group, users)
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
            group.at[node] = reads if not _is_reduction(node) else {group.outer}
        return accepted

    def reads(self, node: Node, group: _Draft, users: list[Node]) -> set[Index] | None:
        """The indices at which the group needs the node; None if it is not read by index."""
        reads = _reads(node, group, [user for user in users if user in group.at])
        if reads is not None and node in self.roots:
            own = group.domain if len(node.shape) == len(group.domain) else group.outer
            return reads | {own}
        return reads

    def accepts_pointwise(self, node: Node, group: _Draft, reads: set[Index]) -> bool:
        if reads == {group.domain} and node.shape == group.shape:
            return True
        if group.kind is GroupKind.CONTRACTION:
            return False
        if group.kind is GroupKind.REDUCTION and reads == {group.outer}:
            return True
        if node in self.roots or len(reads) > 1:
            return False
        # Read through a view: computed where it is read, unless that would repeat work.
        lowering = node.op.lowering
        cheap = isinstance(lowering, Elementwise | Element) and lowering.cheap
        return cheap and dims.always_less_equal(dims.product(group.shape), node.tensor.size)

    def accepts_reduction(self, node: Node, group: _Draft, reads: set[Index]) -> bool:
        axes: tuple[int, ...] = node["axes"]
        operand = node.inputs[0].tensor.shape
        if group.kind is GroupKind.REDUCTION:
            return reads == {group.outer} and operand == group.shape and axes == group.axes
        if group.kind is not GroupKind.POINTWISE:
            return False
        if operand == group.shape and reads == {kept(group.domain, axes)}:
            group.kind, group.axes = GroupKind.REDUCTION, axes
            return True
        if reads == {group.domain} and self.can_be_epilogue(group):
            _widen(group, operand, axes)
            return True
        return False

    def accepts_contraction(self, node: Node, group: _Draft, reads: set[Index]) -> bool:
        outputs = [member for member in group.at if self.is_output(member, group)]
        if (
            group.kind is GroupKind.POINTWISE
            and reads == {group.domain}
            and node.shape == group.shape
            and node not in self.roots
            and len(outputs) <= _EPILOGUE_OUTPUTS_AT_MOST
            and self.can_be_epilogue(group)
        ):
            group.kind = GroupKind.CONTRACTION
            return True
        return False

    def can_be_epilogue(self, group: _Draft) -> bool:
        """Whether a reduction or product may take the pointwise group as its epilogue.

        Updates of state stay pointwise groups: those of all parameters then run as one launch
        over all of them, however each gradient is computed.
        """
        return all(
            at == {group.domain} and member not in self.updates for member, at in group.at.items()
        )

    def is_output(self, node: Node, group: _Draft) -> bool:
        return node in self.roots or any(
            any(other is not group and node not in other.at for other in self.groups_of[user])
            for user in self.reached(node)
        )

    # -- merging groups -------------------------------------------------------------------

    def merge_all(self, groups: list[_Draft]) -> list[_Draft]:
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

    def merge(self, a: _Draft, b: _Draft) -> _Draft | None:
        if b.kind is GroupKind.REDUCTION and a.kind is GroupKind.POINTWISE:
            a, b = b, a
        fits = (
            a.shape == b.shape
            and GroupKind.CONTRACTION not in (a.kind, b.kind)
            and (b.kind is GroupKind.POINTWISE or a.axes == b.axes)
            and len(a.at) + len(b.at) <= _MEMBERS_AT_MOST
        )
        if not fits or self.has_path_between(a, b):
            return None
        for node, at in b.at.items():
            a.at[node] = a.at.get(node, set()) | at
            groups = [group for group in self.groups_of[node] if group not in (a, b)]
            self.groups_of[node] = [*groups, a]
        return a

    def has_path_between(self, a: _Draft, b: _Draft) -> bool:
        """Whether a path from one group to the other passes through a third."""
        return self.has_path(a, b, indirect=True) or self.has_path(b, a, indirect=True)

    def has_path(self, source: _Draft, target: _Draft, *, indirect: bool = False) -> bool:
        """Whether `target` depends on `source`; `indirect`: through another group."""
        first = min(self.position[node] for node in source.at)
        if first > max(self.position[node] for node in target.at):
            return False
        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_nodes_from((id(source), id(target)))
        for before, after in self.dependencies():
            if not (indirect and before is source and after is target):
                graph.add_edge(id(before), id(after))
        return bool(nx.has_path(graph, id(source), id(target)))

    def dependencies(self) -> Iterator[tuple[_Draft, _Draft]]:
        """Pairs of groups of which the second loads what the first stores."""
        for user, groups in self.groups_of.items():
            for operand in _operands_read(user):
                sources = self.groups_of.get(operand, [])
                for group in groups:
                    if group not in sources and sources:
                        yield sources[0], group

    # -- the result -----------------------------------------------------------------------

    def finish(self) -> list[Group]:
        drafts = list(
            dict.fromkeys(draft for n in self.order for draft in self.groups_of.get(n, []))
        )
        groups = {}
        for draft in drafts:
            members = tuple(sorted(draft.at, key=self.position.__getitem__))
            outputs = tuple(node for node in members if self.is_output(node, draft))
            groups[draft] = Group(draft.kind, draft.shape, draft.axes, members, outputs)
        dependencies: nx.DiGraph[_Draft] = nx.DiGraph()
        dependencies.add_nodes_from(drafts)
        dependencies.add_edges_from(self.dependencies())
        last = {draft: self.position[groups[draft].members[-1]] for draft in drafts}
        order = nx.lexicographical_topological_sort(dependencies, key=last.__getitem__)
        return [groups[draft] for draft in order]


def _start(node: Node) -> _Draft:
    lowering = node.op.lowering
    if isinstance(lowering, Reduction):
        shape = node.inputs[0].tensor.shape
        domain = domain_of(shape)
        group = _Draft(GroupKind.REDUCTION, shape, domain, node["axes"])
        group.at[node] = {group.outer}
        return group
    kind = GroupKind.CONTRACTION if isinstance(lowering, Contraction) else GroupKind.POINTWISE
    group = _Draft(kind, node.shape, domain_of(node.shape))
    group.at[node] = {group.domain}
    return group


def _widen(group: _Draft, operand: tuple[DimLike, ...], axes: tuple[int, ...]) -> None:
    """Turn a pointwise group into the epilogue of a reduction over `axes` of `operand`."""
    old = group.domain
    group.kind, group.shape, group.axes = GroupKind.REDUCTION, operand, axes
    group.domain = domain_of(operand)
    renamed = {
        variable: new
        for before, new in zip(old, group.outer, strict=True)
        if isinstance(before, Dim)
        for variable in dims.variables(before)
    }
    for node, indices in group.at.items():
        group.at[node] = {
            tuple(dims.substitute(i, renamed, proved=False) for i in index) for index in indices
        }


def _is_reduction(node: Node) -> bool:
    return isinstance(node.op.lowering, Reduction)


def _operands_read(node: Node) -> list[Node]:
    """The nodes that computing `node` reads, through transparent ones."""
    found: dict[Node, None] = {}
    pending = list(node.inputs)
    seen: set[Node] = set()
    while pending:
        operand = pending.pop()
        if operand in seen:
            continue
        seen.add(operand)
        if is_transparent(operand):
            pending.extend(operand.inputs)
        else:
            found[operand] = None
    return list(found)


def _reads(node: Node, group: _Draft, users: list[Node]) -> set[Index] | None:
    """The indices at which the members of the group read `node`; None if not by index."""
    found: set[Index] = set()
    for user in users:
        if isinstance(user.op.lowering, Contraction):
            return None
        for at in group.at[user]:
            start = group.domain if _is_reduction(user) else at
            _trace(user, start, node, found)
    return found


def _trace(user: Node, index: Index, target: Node, found: set[Index]) -> None:
    """Collect into `found` the indices at which `user`, computed at `index`, reads `target`."""
    pending: list[tuple[Node, Index]] = []

    def visit(node: Node, at: Index) -> Expr:
        if node is target:
            found.add(at)
        elif is_transparent(node):
            pending.append((node, at))
        return Constant(0, cast(TensorType, node.type).dtype)

    def expand(node: Node, at: Index) -> None:
        match node.op.lowering:
            case Elementwise() | Reduction():
                for operand in node.inputs:
                    visit(operand, at)
            case View(element) | Source(element) | Element(element):
                element(node, at, lambda i, inner: visit(node.inputs[i], inner))

    expand(user, index)
    seen: set[tuple[Node, Index]] = set()
    while pending:
        step = pending.pop()
        if step not in seen:
            seen.add(step)
            expand(*step)


def fuse(graph: Graph) -> list[Group]:
    """The groups of a decomposed graph, in an order in which they can run.

    Inputs and state belong to no group. A result that is only a view or a constant has a
    pointwise group of its own, which copies.
    """
    return _Fuser(graph).run()
