"""Plans as text: groups, launches, slots, steps and memory, as passes made them.

Nodes have the numbers that they have in the listing of their graph (`ir/listing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphc.codegen.graph_plan import GraphPlan
from graphc.codegen.schedules.schedule import Variant
from graphc.ir import dims
from graphc.ir.listing import node_line
from graphc.ir.node import Node, topological
from graphc.passes.fusion.group import GroupKind
from graphc.passes.fusion.verify import GroupedGraph
from graphc.runtime.program import (
    Alternative,
    BranchStep,
    Entry,
    HostCallStep,
    LoopStep,
    Slot,
    Step,
)

__all__ = [
    "entry_text",
    "groups_text",
    "launches_text",
    "memory_text",
    "slots_text",
    "steps_text",
]


class _Names:
    """What the nodes of a plan's graph are called."""

    def __init__(self, plan: GraphPlan) -> None:
        graph = plan.graph
        roots = [*graph.inputs, *graph.state, *graph.roots]
        stored = [node for group in plan.groups for node in group.outputs]
        order = topological([*roots, *(new for _, new in plan.updates), *stored])
        self.numbers = {node: number for number, node in enumerate(order)}

    def line(self, node: Node) -> str:
        return node_line(node, self.numbers)

    def of(self, nodes: Iterable[Node]) -> str:
        """Nodes in the order of their numbers; inputs by their names."""
        ordered = sorted(nodes, key=lambda node: self.numbers.get(node, -1))
        return ", ".join(map(self.short, ordered)) or "nothing"

    def short(self, node: Node) -> str:
        number = self.numbers.get(node, "?")
        return f"%{number} ({node['name']})" if node.op.name == "input" else f"%{number}"


def groups_text(plan: GraphPlan) -> str:
    """Each group with what it computes, stores and loads, in the order in which they run."""
    names = _Names(plan)
    loads = GroupedGraph(plan.graph, plan.groups).loads
    lines = []
    for number, group in enumerate(plan.groups):
        shape = ", ".join(map(str, group.shape))
        axes = f", axes {list(group.axes)}" if group.axes else ""
        over = f" over ({shape}){axes}" if group.kind is not GroupKind.APART else ""
        lines.append(f"group {number}: {group.kind.value}{over}, loads {names.of(loads[number])}")
        for node in group.members:
            stored = "  -> stored" if node in group.outputs else ""
            lines.append(f"  {names.line(node)}{stored}")
    return "\n".join(lines)


def launches_text(plan: GraphPlan) -> str:
    """Each launch with its kernels, and what it reads and stores."""
    names = _Names(plan)
    lines = []
    for number, launch in enumerate(plan.launches):
        apart = f" {launch.apart.op.name}" if launch.apart is not None else ""
        lines.append(
            f"launch {number}:{apart} reads {names.of(launch.reads)}, "
            f"stores {names.of(launch.writes)}"
        )
        for one in launch.variants:
            kernel = one.scheduled.kernel
            lanes = f", {kernel.lanes} lanes" if kernel.lanes > 1 else ""
            lines.append(f"  {kernel.name}[{kernel.grid}{lanes}]{_condition(one)}")
    return "\n".join(lines)


def slots_text(plan: GraphPlan) -> str:
    """Where each node is found, and what is moved and swaps places at the end."""
    names = _Names(plan)
    slots = plan.entry.slots
    given = {slot for node, slot in plan.slot_of.items() if node in plan.graph.inputs}
    given.update(slot for node, slot in plan.slot_of.items() if node in plan.graph.state)
    lines = []
    for node, slot in plan.slot_of.items():
        is_given = node.op.name == "input"
        over = ", in place" if slot in given and not is_given else ""
        what = f"{slots[slot].role} {slots[slot].name}"
        lines.append(f"{names.short(node)} in slot {slot}, {what}{over}")
    lines += [f"{names.short(node)} is copied to slot {slot}" for node, slot in plan.moves]
    lines += [f"slots {one} and {other} change places" for one, other in plan.swaps]
    return "\n".join(lines)


def steps_text(plan: GraphPlan) -> str:
    """The steps of a graph, with those inside loops and branches."""
    return "\n".join(_steps(plan.steps, ""))


def entry_text(entry: Entry) -> str:
    """The slots and the steps of an entry."""
    lines = [f"{entry.name}:"]
    for number, slot in enumerate(entry.slots):
        lines.append(f"  {number:4} {slot.role:9} {slot.type} {slot.name}{_above(slot)}")
    lines += _steps(entry.steps, "  ")
    return "\n".join(lines)


def memory_text(entry: Entry) -> str:
    """Offset and bytes of each temporary at the largest dims, the lowest first, and the peak."""
    layout = entry.layout_by(_most)
    lines = []
    for number in sorted(layout.offsets, key=lambda one: (layout.offsets[one], one)):
        slot = entry.slots[number]
        lines.append(
            f"{layout.offsets[number]:12} {_most(slot.type.nbytes):12} bytes  "
            f"{number:4} {slot.type} {slot.name}{_above(slot)}"
        )
    known = ", ".join(f"{name} = {dims.bounds(dim)[1]}" for name, dim in entry.dims.items())
    at = f" at {known}" if known else ""
    return "\n".join([*lines, f"{layout.arena_bytes:12} bytes in all{at}"])


def _most(size: dims.DimLike) -> int:
    return dims.bounds(size)[1]


def _above(slot: Slot) -> str:
    return f" above {list(slot.above)}" if slot.above else ""


def _steps(steps: Sequence[Step], indent: str) -> Iterator[str]:
    inner = indent + "  "
    for step in steps:
        yield f"{indent}# {step.text}" if step.text else f"{indent}#"
        if isinstance(step, LoopStep):
            yield f"{indent}loop {step.count} times:"
            yield from _steps(step.test, inner)
            if step.condition is not None:
                yield f"{inner}end unless {step.condition}"
            for row in step.rows:
                order = ", from the last" if row.reverse else ""
                yield f"{inner}{row.slot} is a row of {row.of}{order}"
            yield from _steps(step.steps, inner)
            for pair in step.swaps:
                yield f"{inner}swap {pair[0]} and {pair[1]}"
        elif isinstance(step, HostCallStep):
            given = ", ".join(map(str, step.operands))
            made = ", ".join(map(str, step.results))
            yield f"{inner}{made} = {step.op}({given}) on the host"
        elif isinstance(step, BranchStep):
            yield f"{indent}if {step.predicate}:"
            yield from _steps(step.then, inner)
            yield f"{indent}else:"
            yield from _steps(step.otherwise, inner)
        else:
            for one in step.alternatives:
                for binding in one.bindings:
                    slots = ", ".join(map(str, binding.slots))
                    yield f"{inner}{one.kernel}[{binding.grid}]({slots}){_condition(one)}"


def _condition(one: Alternative | Variant) -> str:
    """For which dims an alternative runs, if not for all."""
    return f" if {one.low} <= {one.dim} <= {one.high}" if one.dim != 0 else ""
