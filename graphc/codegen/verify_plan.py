"""The verifiers of what passes make of a graph's groups: launches, places, steps.

Each is a list of named checks; what holds after one pass holds after the next as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphc.codegen.graph_plan import GraphPlan
from graphc.codegen.in_place import overwrites_in_place, scatters_into, stored_before
from graphc.codegen.launch import Launch
from graphc.codegen.merge_launches import touched_slots
from graphc.ir.node import Node
from graphc.ir.op import Loop, Structural
from graphc.ir.ops.structural import project
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import Check, Violation, run_checks
from graphc.passes.fusion.verify import GroupedGraph, nodes_read, verify_groups
from graphc.runtime.program import LaunchStep, LoopStep, Step

__all__ = [
    "DONATED",
    "MERGED",
    "ORDERED",
    "SCHEDULED",
    "STEPS",
    "verify_bound",
    "verify_donated",
    "verify_fused",
    "verify_merged",
    "verify_ordered",
    "verify_scheduled",
]


def verify_fused(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the groups of a plan."""
    wanted = stored_before(made.graph, made.updates)
    stored = frozenset(node for node in wanted if not isinstance(node.op.lowering, Structural))
    verify_groups(GroupedGraph(made.graph, made.groups, stored), made.name, sources)


def verify_scheduled(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the launches of a plan, and their kernels."""
    _verify(SCHEDULED, made, sources)
    for launch in made.launches:
        for one in launch.variants:
            made.entry.library.verify(one.scheduled.kernel, launch.spans)


def verify_ordered(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the launches of a plan, and their order."""
    _verify(ORDERED, made, sources)


def verify_donated(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the launches of a plan, and the places of what they read and store."""
    _verify((*SCHEDULED, *ORDERED, *DONATED), made, sources)


def verify_bound(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the steps of a plan, and its copies."""
    _verify(STEPS, made, sources)


def verify_merged(given: GraphPlan, made: GraphPlan, sources: SourceMap) -> None:
    """Check the steps of a plan, and that they compute what they did before."""
    _verify(STEPS, made, sources)
    run_checks(MERGED, (given, made), f"the plan of {made.name!r}")


def _verify(checks: Iterable[Check[GraphPlan]], plan: GraphPlan, sources: SourceMap) -> None:
    graph = plan.graph
    roots = (*graph.inputs, *graph.state, *graph.roots)
    run_checks(checks, plan, f"the plan of {plan.name!r}", roots, sources=sources)


# -- launches -------------------------------------------------------------------------------------


def _launched(plan: GraphPlan) -> Iterator[Violation]:
    launched = [id(launch.group) for launch in plan.launches]
    for number, group in enumerate(plan.groups):
        wanted = int(any(node.tensor.size != 0 for node in group.outputs))
        if launched.count(id(group)) != wanted:
            yield Violation(f"group {number} has {launched.count(id(group))} launches")


def _bound(plan: GraphPlan) -> Iterator[Violation]:
    for launch in plan.launches:
        for one in launch.variants:
            scheduled = one.scheduled
            kernel = scheduled.kernel
            stands_for = {**scheduled.inputs, **scheduled.outputs}
            if set(kernel.parameters) != set(stands_for):
                yield Violation(f"the parameters of {kernel.name} do not all stand for nodes")
            if set(kernel.scalars) != set(scheduled.scalars):
                yield Violation(f"the scalars of {kernel.name} do not all have values")
            for parameter, node in stands_for.items():
                if parameter.dtype is not node.dtype:
                    yield Violation(
                        f"{kernel.name} takes {parameter.name} as {parameter.dtype.name}", node
                    )


def _agreed(plan: GraphPlan) -> Iterator[Violation]:
    for launch in plan.launches:
        if set(launch.writes) != set(launch.group.outputs):
            yield Violation(f"a launch stores other nodes than its group of {_what(launch)}")
        for one in launch.variants:
            scheduled = one.scheduled
            if scheduled.kernel.written != frozenset(scheduled.outputs):
                yield Violation(f"{scheduled.kernel.name} writes what is no output of its group")
            if set(scheduled.outputs.values()) != set(launch.writes):
                yield Violation(f"{scheduled.kernel.name} stores other nodes than its launch")
            for node in scheduled.inputs.values():
                if node not in launch.reads:
                    yield Violation(f"{scheduled.kernel.name} reads what its launch does not", node)


def _loaded(plan: GraphPlan) -> Iterator[Violation]:
    for launch in plan.launches:
        group = launch.group
        reached = {node for member in group.members for node in nodes_read(member, group)}
        for node in launch.reads:
            if node not in reached:
                yield Violation(f"a launch reads {node.op.name}, which its group does not", node)


def _complete(plan: GraphPlan) -> Iterator[Violation]:
    for launch in plan.launches:
        if launch.apart is None and (not launch.variants or launch.variants[-1].dim != 0):
            yield Violation(f"some dims have no kernel of {_what(launch)}")


def _ordered(plan: GraphPlan) -> Iterator[Violation]:
    missing = {node for launch in plan.launches for node in launch.writes}
    for launch in plan.launches:
        for node in launch.reads:
            if node in missing:
                yield Violation(f"{_what(launch)} is launched before what it reads", node)
        missing.difference_update(launch.writes)


def _what(launch: Launch) -> str:
    return ", ".join(node.op.name for node in launch.group.members[:3])


# -- places ---------------------------------------------------------------------------------------


@dataclass
class _Memory:
    """What the slots hold while launches run one after another."""

    plan: GraphPlan
    held: dict[int, set[Node]]

    @classmethod
    def before(cls, plan: GraphPlan) -> _Memory:
        memory = cls(plan, {})
        for node in (*plan.graph.inputs, *plan.graph.state):
            memory.held.setdefault(plan.slot_of[node], set()).add(node)
        return memory

    def holds(self, slot: int, node: Node) -> bool:
        return node.tensor.size == 0 or node in self.held.get(slot, ())

    def write(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.held[self.plan.slot_of[node]] = {node}


def _slots(plan: GraphPlan) -> Iterator[Violation]:
    used = [node for launch in plan.launches for node in (*launch.reads, *launch.writes)]
    for node in (*plan.graph.inputs, *plan.graph.state, *plan.graph.roots, *used):
        if node not in plan.slot_of:
            yield Violation(f"{node.op.name} has no slot", node)


def _found(plan: GraphPlan) -> Iterator[Violation]:
    memory = _Memory.before(plan)
    for launch in plan.launches:
        for node in launch.reads:
            if not memory.holds(plan.slot_of[node], node):
                yield Violation(f"{_what(launch)} reads {node.op.name} after it is gone", node)
        memory.write(launch.writes)


def _in_place(plan: GraphPlan) -> Iterator[Violation]:
    for launch in plan.launches:
        for new in launch.writes:
            for old in launch.reads:
                is_one = plan.slot_of[old] == plan.slot_of[new] and new.tensor.size != 0
                if is_one and not _may_overwrite(launch, old, new):
                    yield Violation(f"{_what(launch)} overwrites {old.op.name} as it reads it", old)
        slots = [plan.slot_of[node] for node in launch.writes if node.tensor.size != 0]
        if len(set(slots)) != len(slots):
            yield Violation(f"{_what(launch)} stores two nodes in one slot")


def _may_overwrite(launch: Launch, old: Node, new: Node) -> bool:
    if launch.apart is not None:
        rule = launch.apart.op.lowering
        if not isinstance(rule, Loop):
            return False
        init = rule.parts(launch.apart).init
        return any(
            one is old and project(launch.apart, index=number) is new
            for number, one in enumerate(init)
        )
    if scatters_into(new, old):
        return not any(old in one.scheduled.inputs.values() for one in launch.variants)
    return all(overwrites_in_place(one.scheduled, old, new) for one in launch.variants)


def _left(plan: GraphPlan) -> Iterator[Violation]:
    memory = _Memory.before(plan)
    for launch in plan.launches:
        memory.write(launch.writes)
    moves = set(plan.moves)
    swaps = set(plan.swaps)
    at_the_end = [(new, plan.slot_of[old]) for old, new in plan.updates]
    for node, slot in (*at_the_end, *plan.results):
        place = plan.slot_of[node]
        is_there = place == slot or (node, slot) in moves or (slot, place) in swaps
        if not is_there or not memory.holds(place, node):
            yield Violation(f"slot {slot} does not hold {node.op.name} at the end", node)


# -- steps ----------------------------------------------------------------------------------------


def _typed(plan: GraphPlan) -> Iterator[Violation]:
    kernels, slots = plan.entry.library.kernels, plan.entry.slots
    for step in plan.steps:
        if not isinstance(step, LaunchStep):
            continue
        for one in step.alternatives:
            kernel = kernels.get(one.kernel)
            if kernel is None:
                yield Violation(f"there is no kernel {one.kernel}")
                continue
            written = tuple(parameter in kernel.written for parameter in kernel.parameters)
            dtypes = tuple(parameter.dtype for parameter in kernel.parameters)
            for binding in one.bindings:
                given = tuple(slots[slot].type.dtype for slot in binding.slots)
                if one.written != written or given != dtypes:
                    yield Violation(
                        f"{one.kernel} is bound to slots {binding.slots}, of other types"
                    )
                if len(binding.scalars) != len(kernel.scalars):
                    yield Violation(f"{one.kernel} takes {len(kernel.scalars)} scalars")


def _copied(plan: GraphPlan) -> Iterator[Violation]:
    origin: dict[int, int] = {}
    for step in plan.copies:
        assert isinstance(step, LaunchStep)
        ((source, target),) = (b.slots for one in step.alternatives for b in one.bindings)
        origin[target] = origin.get(source, source)
    for node, slot in plan.moves:
        if node.tensor.size != 0 and origin.get(slot, slot) != plan.slot_of[node]:
            yield Violation(f"what is copied to slot {slot} is not {node.op.name}", node)


def _rows(plan: GraphPlan) -> Iterator[Violation]:
    slots = plan.entry.slots
    for step in plan.steps:
        if not isinstance(step, LoopStep):
            continue
        for row in step.rows:
            part, whole = slots[row.slot].type, slots[row.of].type
            if part.dtype is not whole.dtype or whole.shape != (step.count, *part.shape):
                yield Violation(f"slot {row.slot} is no row of slot {row.of}")
        for one, other in step.swaps:
            roles = {slots[one].role, slots[other].role}
            if slots[one].type is not slots[other].type or roles != {"temporary"}:
                yield Violation(f"slots {one} and {other} are not alike, and change places")


def _same_values(plans: tuple[GraphPlan, GraphPlan]) -> Iterator[Violation]:
    given, made = plans
    numbers: dict[object, int] = {}
    before, after = (_values(plan.steps, numbers) for plan in (given, made))
    for slot in sorted(before.keys() | after.keys()):
        if before.get(slot) != after.get(slot):
            name = made.entry.slots[slot].name
            yield Violation(f"merged launches leave another value in slot {slot} ({name})")


def _values(steps: Sequence[Step], numbers: dict[object, int]) -> dict[int, int]:
    """A number for the value of each slot that is written: equal for what is computed alike."""
    values: dict[int, int] = {}

    def value(slot: int) -> int:
        return values.get(slot, -1 - slot)

    for step in steps:
        new: dict[int, int] = {}
        for computation, reads, writes in _computations(step):
            read = tuple(map(value, reads))
            for place, slot in enumerate(writes):
                known = (computation, read, place, new.get(slot))
                new[slot] = numbers.setdefault(known, len(numbers))
        values |= new
    return values


def _computations(step: Step) -> Iterator[tuple[object, Sequence[int], Sequence[int]]]:
    """What a step does at once: each time what is computed, which slots it touches and writes."""
    if not isinstance(step, LaunchStep):
        reads, writes = touched_slots(step)
        yield step, sorted(reads | writes), sorted(writes)
        return
    for bindings in zip(*(one.bindings for one in step.alternatives), strict=True):
        bound = list(zip(step.alternatives, bindings, strict=True))
        computation = tuple(
            (one.kernel, one.dim, one.low, one.high, binding.scalars, binding.slots)
            for one, binding in bound
        )
        slots = [pair for one, b in bound for pair in zip(b.slots, one.written, strict=True)]
        yield (
            computation,
            list(dict.fromkeys(slot for slot, _ in slots)),
            list(dict.fromkeys(slot for slot, written in slots if written)),
        )


def _apart(plans: tuple[GraphPlan, GraphPlan]) -> Iterator[Violation]:
    for step in plans[1].steps:
        done = list(_computations(step))
        if len(done) < 2:
            continue
        writers = {slot: number for number, (_, _, writes) in enumerate(done) for slot in writes}
        for number, (_, touched, _) in enumerate(done):
            for slot in touched:
                if writers.get(slot, number) != number:
                    yield Violation(f"one launch touches slot {slot} more than once, and writes it")


SCHEDULED: tuple[Check[GraphPlan], ...] = (
    Check("launched", "every group with elements has one launch", _launched),
    Check("bound", "parameters stand for nodes of their dtypes, and scalars have values", _bound),
    Check("agreed", "the kernels of a launch read and store what it does", _agreed),
    Check("loaded", "a launch reads what its group does", _loaded),
    Check("complete", "there is a kernel for all dims", _complete),
)
ORDERED: tuple[Check[GraphPlan], ...] = (
    Check("order", "what a launch reads is given, or stored by one before", _ordered),
)
DONATED: tuple[Check[GraphPlan], ...] = (
    Check("slots", "every node that is given, read or stored has a slot", _slots),
    Check("found", "what a launch reads is in its slot, and nothing was stored over it", _found),
    Check("in-place", "what a launch overwrites, it reads where and before it writes", _in_place),
    Check("left", "at the end, state and results are in their slots or moved there", _left),
)
STEPS: tuple[Check[GraphPlan], ...] = (
    Check("typed", "kernels are bound to slots of their parameters' dtypes", _typed),
    Check("rows", "rows, and slots that change places, have the shapes for it", _rows),
    Check("copied", "copies leave every moved node in its slot, whatever they overwrite", _copied),
)
MERGED: tuple[Check[tuple[GraphPlan, GraphPlan]], ...] = (
    Check("apart", "bindings of one launch do not touch what others of them write", _apart),
    Check("values", "every slot holds at the end what it held without merging", _same_values),
)
