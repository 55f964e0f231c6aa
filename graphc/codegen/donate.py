"""Where everything is stored: new values of state over the old ones, where that is right.

A value that takes the memory of another needs no copy. The others have slots of their own, and
what must end up elsewhere is moved when all launches have run.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.codegen.graph_plan import GraphPlan
from graphc.codegen.in_place import overwrites_in_place, scatter_in_place
from graphc.codegen.launch import Launch
from graphc.ir.node import Node
from graphc.ir.op import Loop
from graphc.ir.ops.structural import project

__all__ = ["donate"]


def donate(plan: GraphPlan) -> GraphPlan:
    """The plan with a slot for every node that is stored."""
    donation = _Donation(plan)
    for launch in donation.launches:
        donation.place_carries(launch)
    donation.place_updates()
    for node, slot in plan.results:
        if donation.slot_of.setdefault(node, slot) != slot:
            donation.moves.append((node, slot))
    for node in dict.fromkeys(node for group in plan.groups for node in group.outputs):
        if node not in donation.slot_of:
            donation.add_temporary(node.op.name, node)
    return replace(
        plan,
        launches=tuple(donation.launches),
        slot_of=donation.slot_of,
        moves=tuple(donation.moves),
        swaps=tuple(donation.swaps),
    )


class _Donation:
    """The places of a plan's nodes while they are given out."""

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        self.launches = list(plan.launches)
        self.slot_of = dict(plan.slot_of)
        self.moves: list[tuple[Node, int]] = []
        self.swaps: list[tuple[int, int]] = []

    def add_temporary(self, name: str, node: Node) -> int:
        return self.plan.entry.add_slot(self.slot_of, name, "temporary", node)

    def place_carries(self, launch: Launch) -> None:
        """Give each carry of a loop its slot: that of its first value, where nobody else reads it.

        A carry moves between two slots, so it is never stored in one of a given place.
        """
        node = launch.apart
        if node is None or not isinstance(node.op.lowering, Loop):
            return
        parts = node.op.lowering.parts(node)
        stored_here = {written for one in self.launches for written in one.writes}
        needed = {*self.plan.graph.roots, *(new for _, new in self.plan.updates)}
        for number, init in enumerate(parts.init):
            is_its_own = (
                init in stored_here
                and init not in needed
                and node.inputs.count(init) == 1
                and sum(init in one.reads for one in self.launches) == 1
            )
            carry = project(node, index=number)
            if not is_its_own:
                self.add_temporary("carry", carry)
            elif init in self.slot_of:
                self.slot_of[carry] = self.slot_of[init]
            else:
                self.slot_of[carry] = self.add_temporary("carry", init)

    def place_updates(self) -> None:
        """Write new values in place where that is right; the others are moved at the end."""
        for old, new in self.plan.updates:
            if new is old:
                continue
            slot = self.slot_of[old]
            if new not in self.slot_of and self.replaces(old, new):
                self.slot_of[new] = slot
            elif self.plan.may_swap and new not in self.slot_of:
                self.swaps.append((slot, self.add_temporary("carry", new)))
            else:
                self.moves.append((new, slot))

    def replaces(self, old: Node, new: Node) -> bool:
        """Whether the new value of a state or carry is written over the old one.

        The launch that computes it must be the last to read the old value, and must read each
        of its elements at the very index it then writes; one that scatters into the old value
        becomes one that scatters in place. Nor may the old value be a result, or the new value
        of another state: those are moved at the end.
        """
        if old in self.plan.graph.roots:
            return False
        writers = [number for number, launch in enumerate(self.launches) if new in launch.writes]
        if not writers or self.launches[writers[0]].apart is not None:
            return False
        (writer,) = writers
        if any(old in launch.reads for launch in self.launches[writer + 1 :]):
            return False
        launch = self.launches[writer]
        if all(overwrites_in_place(one.scheduled, old, new) for one in launch.variants):
            return True
        variant = scatter_in_place(launch.group, old, self.plan.entry.dialect)
        if variant is not None:
            self.launches[writer] = replace(launch, variants=(variant,))
        return variant is not None
