"""How one graph runs, as far as the passes have decided it, and what plans of one entry share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.dialect import Dialect
from graphc.codegen.kernel_library import Library
from graphc.codegen.launch import Launch
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import TensorType
from graphc.passes.fusion.group import Group
from graphc.runtime.program import Role, Slot, Step

__all__ = ["EntryDraft", "GraphPlan"]


@dataclass(eq=False)
class EntryDraft:
    """What the plans of an entry share: that of its graph, and those of loops and branches in it.

    Attributes:
        dialect: of the target.
        library: the kernels of the unit.
        run: runs the passes over the plan of a graph that lies inside a loop or branch.
        slots: all memory that steps mention, in the order in which it was found to be needed.
        graphs_inside: how many there were so far.
    """

    dialect: Dialect
    library: Library
    run: Callable[[GraphPlan], GraphPlan]
    slots: list[Slot] = field(default_factory=list)
    graphs_inside: int = 0

    def new_slot(self, name: str, role: Role, type_: TensorType) -> int:
        """A slot that no node is found in yet."""
        self.slots.append(Slot(name, role, type_))
        return len(self.slots) - 1

    def add_slot(self, slot_of: dict[Node, int], name: str, role: Role, node: Node) -> int:
        """A slot for the node, which is where it is found unless it has one already."""
        number = self.new_slot(name, role, node.tensor)
        slot_of.setdefault(node, number)
        return number


@dataclass(frozen=True, eq=False)
class GraphPlan:
    """How one graph runs: that of an entry, or one inside a loop or branch.

    Passes fill it in, from top to bottom.

    Attributes:
        name: in dumps and errors.
        entry: what it shares with others.
        graph: decomposed.
        updates: pairs of a node that has a slot, and of what that slot holds at the end.
        results: nodes, and the slots to store them in.
        may_swap: whether an update may be stored in a slot of its own, which is then to change
            places with that of the old value.
        groups: what one kernel computes each, in an order in which they can run.
        launches: the same with their kernels, without those that compute nothing.
        slot_of: where each node is found: at first, what the graph is given.
        moves: stored nodes, and the further slots that they are copied into at the end.
        swaps: slots that change places after each run.
        copies: steps that make the moves.
        steps: what runs.
    """

    name: str
    entry: EntryDraft
    graph: Graph
    updates: Sequence[tuple[Node, Node]]
    results: Sequence[tuple[Node, int]]
    may_swap: bool = False
    groups: Sequence[Group] = ()
    launches: Sequence[Launch] = ()
    slot_of: Mapping[Node, int] = field(default_factory=dict)
    moves: Sequence[tuple[Node, int]] = ()
    swaps: Sequence[tuple[int, int]] = ()
    copies: Sequence[Step] = ()
    steps: Sequence[Step] = ()
