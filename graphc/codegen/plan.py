"""The plan: a graph's groups become kernels, launches, and places in memory.

groups --schedules--> kernels and launches --order--> steps --place--> slots in an arena
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphc.codegen.arena import with_places
from graphc.codegen.dialect import Dialect
from graphc.codegen.emit.places import described_places
from graphc.codegen.in_place import overwrites_in_place, scatter_in_place, stored_before
from graphc.codegen.kernel_library import Library
from graphc.codegen.launch import Launch, state_last
from graphc.codegen.merge_launches import merge_launches
from graphc.codegen.schedules import schedule_group
from graphc.codegen.schedules.schedule import Scheduled
from graphc.errors import Span
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Branch, BranchParts, HostCall, Loop, LoopParts
from graphc.ir.ops.creation import zeros_like
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType
from graphc.passes.fuse import Group, GroupKind, fuse
from graphc.runtime.program import (
    Alternative,
    Binding,
    BranchStep,
    Entry,
    HostCallStep,
    LaunchStep,
    LoopStep,
    Role,
    Row,
    Slot,
    Step,
)

__all__ = ["Library", "plan_entry"]


def plan_entry(
    graph: Graph, dialect: Dialect, library: Library, sources: SourceMap | None = None
) -> Entry:
    """The steps and memory of a decomposed graph; its kernels go into the library."""
    slots: list[Slot] = []
    plan = _Planner(graph, graph.updates, dialect, library, sources or SourceMap(), slots)
    inputs = [plan.add_slot(n["name"], "input", n) for n in graph.inputs]
    state = [plan.add_slot(n["name"], "state", n) for n in graph.state]
    several = len(graph.results) > 1
    results = []
    for number, node in enumerate(graph.results):
        name = f"result{number}" if several else "result"
        results.append(plan.new_slot(name, "result", node.tensor))
    steps = plan.steps(list(zip(graph.results, results, strict=True)))
    return Entry(
        graph.name, graph.dims(), tuple(with_places(slots, steps)), tuple(inputs), tuple(state),
        tuple(results), tuple(steps),
    )  # fmt: skip


class _Planner:
    """The steps of one graph: of an entry, or of the body of a loop or branch.

    Args:
        graph: decomposed.
        updates: pairs of a node that has a slot, and of what that slot holds at the end.
        slots: of the whole entry.

    Attributes:
        slot_of: where each node is found.
    """

    def __init__(
        self,
        graph: Graph,
        updates: Sequence[tuple[Node, Node]],
        dialect: Dialect,
        library: Library,
        sources: SourceMap,
        slots: list[Slot],
    ) -> None:
        self.graph = graph
        self.updates = updates
        self.dialect = dialect
        self.library = library
        self.sources = sources
        self.slots = slots
        self.slot_of: dict[Node, int] = {}
        self.swaps: list[tuple[int, int]] = []

    def steps(self, results: Sequence[tuple[Node, int]], *, swaps: bool = False) -> list[Step]:
        """The steps that leave `results` in their slots, and the updates in theirs.

        Args:
            results: nodes, and the slots to store them in.
            swaps: whether an update may be stored in a slot of its own, which is then to change
                places with that of the old value: these pairs are found in `self.swaps`.
        """
        groups = fuse(self.graph, stored_before(self.graph, self.updates))
        launches = [self.launch(group) for group in groups if not _is_empty(group)]
        launches = state_last(launches, self.updates)
        for launch in launches:
            self.place_carries(launch, launches)
        moves = self.place_updates(launches, swaps=swaps)
        for node, slot in results:
            if self.slot_of.setdefault(node, slot) != slot:
                moves.append((node, slot))
        for node in dict.fromkeys(node for group in groups for node in group.outputs):
            if node not in self.slot_of:
                self.add_slot(node.op.name, "temporary", node)
        steps = [step for launch in launches for step in self.steps_of(launch)]
        return merge_launches(steps + self.copies(moves))

    def new_slot(self, name: str, role: Role, type_: TensorType) -> int:
        """A slot that no node is found in yet."""
        self.slots.append(Slot(name, role, type_))
        return len(self.slots) - 1

    def add_slot(self, name: str, role: Role, node: Node) -> int:
        """A slot for the node, which is where it is found unless it has one already."""
        number = self.new_slot(name, role, node.tensor)
        self.slot_of.setdefault(node, number)
        return number

    # -- launches ----------------------------------------------------------------------------

    def launch(self, group: Group) -> Launch:
        spans = self.spans(group.members)
        if group.kind is GroupKind.APART:
            node = group.members[0]
            return Launch(group, (), frozenset(node.inputs), group.outputs, spans, node)
        variants = tuple(self.library.schedules.of(group, self.dialect))
        reads = frozenset(node for one in variants for node in one.scheduled.inputs.values())
        return Launch(group, variants, reads, group.outputs, spans)

    def spans(self, nodes: Iterable[Node]) -> tuple[Span, ...]:
        """Where the nodes come from."""
        found = (span for node in nodes for span in self.sources.spans(node))
        return tuple(dict.fromkeys(found))

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
            alternatives.append(
                Alternative(
                    self.library.add(one.scheduled.kernel, launch.spans),
                    (_binding(one.scheduled, slots),),
                    _written(one.scheduled),
                    one.dim, one.low, one.high,
                )
            )  # fmt: skip
        return [LaunchStep(tuple(alternatives), text)]

    # -- loops and branches ------------------------------------------------------------------

    def place_carries(self, launch: Launch, launches: Sequence[Launch]) -> None:
        """Give each carry of a loop its slot: that of its first value, where nobody else reads it.

        A carry moves between two slots, so it is never stored in one of a given place.
        """
        node = launch.apart
        if node is None or not isinstance(node.op.lowering, Loop):
            return
        parts = node.op.lowering.parts(node)
        stored_here = {written for one in launches for written in one.writes}
        needed = {*self.graph.roots, *(new for _, new in self.updates)}
        for number, init in enumerate(parts.init):
            is_its_own = (
                init in stored_here
                and init not in needed
                and node.inputs.count(init) == 1
                and sum(init in one.reads for one in launches) == 1
            )
            carry = project(node, index=number)
            if not is_its_own:
                self.add_slot("carry", "temporary", carry)
            elif init in self.slot_of:
                self.slot_of[carry] = self.slot_of[init]
            else:
                self.slot_of[carry] = self.add_slot("carry", "temporary", init)

    def nested(
        self, graph: Graph, slots: Iterable[int], updates: Sequence[tuple[Node, Node]] = ()
    ) -> _Planner:
        """A planner for a graph inside this one, whose inputs are found in `slots`."""
        inner = _Planner(graph, updates, self.dialect, self.library, self.sources, self.slots)
        inner.slot_of = dict(zip(graph.inputs, slots, strict=True))
        return inner

    def results_of(self, node: Node) -> list[int]:
        """The slots of all results of a loop or branch, whether somebody reads them or not."""
        assert isinstance(node.type, TupleType)
        projected = [project(node, index=number) for number in range(len(node.type.elements))]
        for one in projected:
            if one not in self.slot_of:
                self.add_slot("unused", "temporary", one)
        return [self.slot_of[one] for one in projected]

    def loop(self, node: Node, parts: LoopParts, text: str) -> list[Step]:
        """The steps of a loop: its first carries are put in place before it."""
        places = self.results_of(node)
        carries, stacked = places[: len(parts.init)], places[len(parts.init) :]
        begin: list[Step] = [
            self.copy(init, self.slot_of[init], carry)
            for init, carry in zip(parts.init, carries, strict=True)
            if self.slot_of[init] != carry and init.tensor.size != 0
        ]
        if parts.condition is not None:
            begin += [self.clear(slot) for slot in stacked if self.slots[slot].type.size != 0]
        constants = [self.slot_of[one] for one in parts.constants]
        test: list[Step] = []
        condition = None
        if parts.condition is not None:
            condition = self.new_slot("condition", "temporary", TensorType(dtypes.bool_, ()))
            tester = self.nested(parts.condition, [*carries, *constants])
            test = tester.steps([(parts.condition.results[0], condition)])
        body = parts.body
        sliced = [(self.slot_of[one], self.row(self.slot_of[one])) for one in parts.slices]
        given = [*carries, *(row for _, row in sliced), *constants]
        updates = list(zip(body.inputs, body.results[: len(carries)], strict=False))
        inner = self.nested(body, given, updates)
        filled = [(slot, self.row(slot)) for slot in stacked]
        rows = [row for _, row in filled]
        steps = inner.steps(list(zip(body.results[len(carries) :], rows, strict=True)), swaps=True)
        moving = tuple(Row(row, of, parts.reverse) for of, row in (*sliced, *filled))
        loop = LoopStep(
            parts.length, tuple(test), condition, tuple(steps), moving, tuple(inner.swaps), text
        )
        return [*begin, loop]

    def row(self, of: int) -> int:
        """A slot for the row of another one that a loop is at."""
        whole = self.slots[of]
        return self.new_slot(whole.name, "row", TensorType(whole.type.dtype, whole.type.shape[1:]))

    def branch(self, node: Node, parts: BranchParts, text: str) -> Step:
        places = self.results_of(node)
        operands = [self.slot_of[one] for one in parts.operands]
        chosen = [
            tuple(self.nested(graph, operands).steps(list(zip(graph.results, places, strict=True))))
            for graph in (parts.then, parts.otherwise)
        ]
        return BranchStep(self.slot_of[parts.predicate], chosen[0], chosen[1], text)

    def host_call(self, node: Node, text: str) -> Step:
        operands = tuple(self.slot_of[operand] for operand in node.inputs)
        is_one = isinstance(node.type, TensorType)
        results = [self.slot_of[node]] if is_one else self.results_of(node)
        return HostCallStep(node.op.name, node.attributes, operands, tuple(results), text)

    # -- state and results -------------------------------------------------------------------

    def place_updates(self, launches: list[Launch], *, swaps: bool) -> list[tuple[Node, int]]:
        """Write new values in place where that is right; the others' moves at the end."""
        moves: list[tuple[Node, int]] = []
        for old, new in self.updates:
            if new is old:
                continue
            slot = self.slot_of[old]
            if new not in self.slot_of and self.replaces(old, new, launches):
                self.slot_of[new] = slot
            elif swaps and new not in self.slot_of:
                self.swaps.append((slot, self.add_slot("carry", "temporary", new)))
            else:
                moves.append((new, slot))
        return moves

    def replaces(self, old: Node, new: Node, launches: list[Launch]) -> bool:
        """Whether the new value of a state or carry is written over the old one.

        The launch that computes it must be the last to read the old value, and must read each
        of its elements at the very index it then writes; one that scatters into the old value
        becomes one that scatters in place. Nor may the old value be a result, or the new value
        of another state: those are moved at the end.
        """
        if old in self.graph.roots:
            return False
        writers = [number for number, launch in enumerate(launches) if new in launch.writes]
        if not writers or launches[writers[0]].apart is not None:
            return False
        (writer,) = writers
        if any(old in launch.reads for launch in launches[writer + 1 :]):
            return False
        launch = launches[writer]
        if all(overwrites_in_place(one.scheduled, old, new) for one in launch.variants):
            return True
        variant = scatter_in_place(launch.group, old, self.dialect)
        if variant is not None:
            launches[writer] = replace(launch, variants=(variant,))
        return variant is not None

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
                    saved[source] = self.add_slot(node.op.name, "temporary", node)
                    first.append(self.copy(node, source, saved[source]))
                source = saved[source]
            second.append(self.copy(node, source, slot))
        return first + second

    def copy(self, node: Node, source: int, target: int) -> Step:
        stored = graph_input("copied", node.dtype, node.shape)
        group = Group(GroupKind.POINTWISE, node.shape, (), (), (stored,))
        (variant,) = schedule_group(group, self.dialect)
        name = self.library.add(variant.scheduled.kernel, self.spans([node]))
        binding = _binding(variant.scheduled, (source, target))
        written = _written(variant.scheduled)
        text = f"copy to {self.slots[target].name}"
        return LaunchStep((Alternative(name, (binding,), written),), text)

    def clear(self, slot: int) -> Step:
        """Fill a slot with zeros."""
        type_ = self.slots[slot].type
        zeros = zeros_like(graph_input("cleared", type_.dtype, type_.shape))
        group = Group(GroupKind.POINTWISE, type_.shape, (), (zeros,), (zeros,))
        (variant,) = schedule_group(group, self.dialect)
        name = self.library.add(variant.scheduled.kernel, ())
        alternative = Alternative(
            name, (_binding(variant.scheduled, (slot,)),), _written(variant.scheduled)
        )
        return LaunchStep((alternative,), f"clear {self.slots[slot].name}")


def _is_empty(group: Group) -> bool:
    """Whether there is nothing to compute: no output has elements."""
    return all(node.tensor.size == 0 for node in group.outputs)


def _binding(scheduled: Scheduled, slots: tuple[int, ...]) -> Binding:
    scalars = tuple(scheduled.scalars[dim] for dim in scheduled.kernel.scalars)
    return Binding(slots, scalars, _grid(scheduled))


def _written(scheduled: Scheduled) -> tuple[bool, ...]:
    kernel = scheduled.kernel
    return tuple(parameter in kernel.written for parameter in kernel.parameters)


def _grid(scheduled: Scheduled) -> DimLike:
    """The grid in the dims of the graph."""
    environment = {
        name: value
        for dim, value in scheduled.scalars.items()
        for name in dims.variables(dim)
        if value is not dim
    }
    return dims.substitute(scheduled.kernel.grid, environment, proved=False)
