"""From launches to steps: kernels bound to slots, and loops and branches with their own steps.

The graph of a loop's body, or of a branch, is planned by the same passes, as its step is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.codegen.emit.places import described_places
from graphc.codegen.graph_plan import GraphPlan
from graphc.codegen.launch import Launch, spans_of
from graphc.codegen.schedules import schedule_group
from graphc.codegen.schedules.schedule import Scheduled, Variant
from graphc.errors import Span
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Branch, BranchParts, HostCall, Loop, LoopParts
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.fusion.group import Group, GroupKind
from graphc.runtime.program import (
    Alternative,
    Binding,
    BranchStep,
    HostCallStep,
    LaunchStep,
    LoopStep,
    Row,
    Step,
)

__all__ = ["bind"]


def bind(plan: GraphPlan, sources: SourceMap) -> GraphPlan:
    """The plan with its steps, and with the copies that follow them."""
    binder = _Binder(plan, sources)
    steps = [step for launch in plan.launches for step in binder.steps_of(launch)]
    copies = binder.copies(plan.moves)
    return replace(plan, slot_of=binder.slot_of, steps=(*steps, *copies), copies=tuple(copies))


class _Binder:
    """Makes the steps of one graph."""

    def __init__(self, plan: GraphPlan, sources: SourceMap) -> None:
        self.plan = plan
        self.entry = plan.entry
        self.sources = sources
        self.slot_of = dict(plan.slot_of)

    def steps_of(self, launch: Launch) -> list[Step]:
        text = ", ".join(described_places(launch.spans))
        if launch.apart is not None:
            match launch.apart.op.lowering:
                case Loop(parts):
                    return self.loop(launch.apart, parts(launch.apart), text)
                case Branch(parts):
                    return [self.branch(launch.apart, parts(launch.apart), text)]
                case HostCall():
                    return [self.host_call(launch.apart, text)]
        alternatives = []
        for one in launch.variants:
            bound = {**one.scheduled.inputs, **one.scheduled.outputs}
            slots = tuple(self.slot_of[bound[p]] for p in one.scheduled.kernel.parameters)
            alternatives.append(self.alternative(one, slots, launch.spans))
        return [LaunchStep(tuple(alternatives), text)]

    def alternative(
        self, variant: Variant, slots: tuple[int, ...], spans: tuple[Span, ...]
    ) -> Alternative:
        """The variant's kernel, in the library, bound to slots."""
        scheduled = variant.scheduled
        kernel = scheduled.kernel
        scalars = tuple(scheduled.scalars[dim] for dim in kernel.scalars)
        return Alternative(
            self.entry.library.add(kernel, spans),
            (Binding(slots, scalars, _grid(scheduled)),),
            tuple(parameter in kernel.written for parameter in kernel.parameters),
            variant.dim,
            variant.low,
            variant.high,
        )

    # -- loops and branches ------------------------------------------------------------------

    def inside(
        self,
        role: str,
        graph: Graph,
        given: Sequence[int],
        results: Sequence[tuple[Node, int]],
        updates: Sequence[tuple[Node, Node]] = (),
    ) -> GraphPlan:
        """The plan of a graph inside this one, whose inputs are found in the slots `given`."""
        name = f"{self.plan.name}.{role}{self.entry.graphs_inside}"
        self.entry.graphs_inside += 1
        slot_of = dict(zip(graph.inputs, given, strict=True))
        may_swap = bool(updates)
        return self.entry.run(
            GraphPlan(name, self.entry, graph, updates, results, may_swap, slot_of=slot_of)
        )

    def results_of(self, node: Node) -> list[int]:
        """The slots of all results of a loop or branch, whether somebody reads them or not."""
        projected = projections(node)
        for one in projected:
            if one not in self.slot_of:
                self.entry.add_slot(self.slot_of, "unused", "temporary", one)
        return [self.slot_of[one] for one in projected]

    def loop(self, node: Node, parts: LoopParts, text: str) -> list[Step]:
        """The steps of a loop: its first carries are put in place before it."""
        slots = self.entry.slots
        places = self.results_of(node)
        carries, stacked = places[: len(parts.init)], places[len(parts.init) :]
        begin: list[Step] = [
            self.copy(init, self.slot_of[init], carry)
            for init, carry in zip(parts.init, carries, strict=True)
            if self.slot_of[init] != carry and init.tensor.size != 0
        ]
        if parts.condition is not None:
            begin += [self.clear(slot) for slot in stacked if slots[slot].type.size != 0]
        constants = [self.slot_of[one] for one in parts.constants]
        test: Sequence[Step] = ()
        condition = None
        if parts.condition is not None:
            flag = TensorType(dtypes.bool_, ())
            condition = self.entry.new_slot("condition", "temporary", flag)
            (holds,) = parts.condition.results
            given = [*carries, *constants]
            test = self.inside("condition", parts.condition, given, [(holds, condition)]).steps
        body = parts.body
        sliced = [(self.slot_of[one], self.row(self.slot_of[one])) for one in parts.slices]
        given = [*carries, *(row for _, row in sliced), *constants]
        updates = list(zip(body.inputs, body.results[: len(carries)], strict=False))
        filled = [(slot, self.row(slot)) for slot in stacked]
        results = zip(body.results[len(carries) :], (row for _, row in filled), strict=True)
        inner = self.inside("body", body, given, list(results), updates)
        moving = tuple(Row(row, of, parts.reverse) for of, row in (*sliced, *filled))
        loop = LoopStep(
            parts.length, tuple(test), condition, tuple(inner.steps), moving, tuple(inner.swaps),
            text,
        )  # fmt: skip
        return [*begin, loop]

    def row(self, of: int) -> int:
        """A slot for the row of another one that a loop is at."""
        whole = self.entry.slots[of]
        type_ = TensorType(whole.type.dtype, whole.type.shape[1:])
        return self.entry.new_slot(whole.name, "row", type_)

    def branch(self, node: Node, parts: BranchParts, text: str) -> Step:
        places = self.results_of(node)
        operands = [self.slot_of[one] for one in parts.operands]
        then, otherwise = (
            tuple(
                self.inside(
                    role, graph, operands, list(zip(graph.results, places, strict=True))
                ).steps
            )
            for role, graph in (("then", parts.then), ("otherwise", parts.otherwise))
        )
        return BranchStep(self.slot_of[parts.predicate], then, otherwise, text)

    def host_call(self, node: Node, text: str) -> Step:
        operands = tuple(self.slot_of[operand] for operand in node.inputs)
        is_one = isinstance(node.type, TensorType)
        results = [self.slot_of[node]] if is_one else self.results_of(node)
        return HostCallStep(node.op.name, node.attributes, operands, tuple(results), text)

    # -- copies ------------------------------------------------------------------------------

    def copies(self, moves: Sequence[tuple[Node, int]]) -> list[Step]:
        """Steps that copy stored nodes into further slots.

        A slot that is read may be one that is overwritten (two states that are swapped): its
        value goes through a temporary.
        """
        moves = [(node, slot) for node, slot in moves if node.tensor.size != 0]
        overwritten = {slot for _, slot in moves}
        saved: dict[int, int] = {}
        first, second = [], []
        for node, slot in moves:
            source = self.slot_of[node]
            if source in overwritten:
                if source not in saved:
                    saved[source] = self.entry.add_slot(
                        self.slot_of, node.op.name, "temporary", node
                    )
                    first.append(self.copy(node, source, saved[source]))
                source = saved[source]
            second.append(self.copy(node, source, slot))
        return first + second

    def copy(self, node: Node, source: int, target: int) -> Step:
        stored = graph_input("copied", node.dtype, node.shape)
        group = Group(GroupKind.POINTWISE, node.shape, (), (), (stored,))
        (variant,) = schedule_group(group, self.entry.dialect)
        bound = self.alternative(variant, (source, target), spans_of([node], self.sources))
        return LaunchStep((bound,), f"copy to {self.entry.slots[target].name}")

    def clear(self, slot: int) -> Step:
        """Fill a slot with zeros."""
        type_ = self.entry.slots[slot].type
        zeros = zeros_like(graph_input("cleared", type_.dtype, type_.shape))
        group = Group(GroupKind.POINTWISE, type_.shape, (), (zeros,), (zeros,))
        (variant,) = schedule_group(group, self.entry.dialect)
        bound = self.alternative(variant, (slot,), ())
        return LaunchStep((bound,), f"clear {self.entry.slots[slot].name}")


def _grid(scheduled: Scheduled) -> DimLike:
    """The grid in the dims of the graph."""
    environment = {
        name: value
        for dim, value in scheduled.scalars.items()
        for name in dims.variables(dim)
        if value is not dim
    }
    return dims.substitute(scheduled.kernel.grid, environment, proved=False)
