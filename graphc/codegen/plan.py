"""The plan: a graph's groups become kernels, launches, and places in memory.

groups --schedules--> kernels and launches --order--> steps --place--> slots in an arena
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules import schedule_group
from graphc.codegen.schedules.schedule import Scheduled
from graphc.errors import Span
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Load, walk
from graphc.ir.graph import Graph
from graphc.ir.kernel import Address, Call, Kernel, Store, expressions, statements
from graphc.ir.node import Node
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.fuse import Group, GroupKind, fuse
from graphc.passes.memory import Lifetime, place
from graphc.runtime.program import ALIGNMENT, Alternative, Binding, Entry, Slot, Step

__all__ = ["Library", "plan_entry"]


class Library:
    """The kernels of a unit: equal ones are kept once, and every name is used once."""

    def __init__(self) -> None:
        self.kernels: dict[str, Kernel] = {}
        self._names: dict[Kernel, str] = {}

    def add(self, kernel: Kernel, spans: tuple[Span, ...]) -> str:
        """The name under which the kernel is kept."""
        known = self._names.get(kernel)
        if known is None:
            taken = sum(1 for other in self._names if other.name == kernel.name)
            known = f"{kernel.name}_{taken}" if taken else kernel.name
            self._names[kernel] = known
            self.kernels[known] = replace(kernel, name=known, spans=spans)
        else:
            stored = self.kernels[known]
            merged = tuple(dict.fromkeys((*stored.spans, *spans)))
            self.kernels[known] = replace(stored, spans=merged)
        return known


@dataclass(frozen=True)
class _Launch:
    """A scheduled group with the nodes that it reads and the slots that it writes."""

    variants: tuple[tuple[DimLike, int, int, str, Scheduled], ...]
    reads: frozenset[Node]
    group: Group
    spans: tuple[Span, ...]


def plan_entry(
    graph: Graph, dialect: Dialect, library: Library, sources: SourceMap | None = None
) -> Entry:
    """The steps and memory of a decomposed graph; its kernels go into the library."""
    return _Planner(graph, dialect, library, sources or SourceMap()).run()


class _Planner:
    def __init__(
        self, graph: Graph, dialect: Dialect, library: Library, sources: SourceMap
    ) -> None:
        self.graph = graph
        self.dialect = dialect
        self.library = library
        self.sources = sources
        self.slots: list[Slot] = []
        self.slot_of: dict[Node, int] = {}

    def run(self) -> Entry:
        inputs = [self.add_slot(n["name"], "input", n) for n in self.graph.inputs]
        state = [self.add_slot(n["name"], "state", n) for n in self.graph.state]
        groups = fuse(self.graph)
        launches = self.ordered([self.launch(group) for group in groups if not _is_empty(group)])
        results, copies = self.place_roots(groups, launches)
        steps = [self.step(launch) for launch in launches] + copies
        steps = _merge_equal_kernels(steps)
        self.place_temporaries(steps)
        return Entry(
            self.graph.name, self.graph.dims(), tuple(self.slots), tuple(inputs), tuple(state),
            tuple(results), tuple(steps),
        )  # fmt: skip

    def add_slot(self, name: str, role: str, node: Node) -> int:
        slot = Slot(name, role, node.tensor)  # type: ignore[arg-type]
        self.slots.append(slot)
        if role != "result":
            self.slot_of[node] = len(self.slots) - 1
        return len(self.slots) - 1

    # -- launches ----------------------------------------------------------------------------

    def launch(self, group: Group) -> _Launch:
        spans = tuple(
            dict.fromkeys(span for node in group.members for span in self.sources.spans(node))
        )
        variants = []
        reads: set[Node] = set()
        for variant in schedule_group(group, self.dialect):
            name = self.library.add(variant.scheduled.kernel, spans)
            variants.append((variant.dim, variant.low, variant.high, name, variant.scheduled))
            reads.update(variant.scheduled.inputs.values())
        return _Launch(tuple(variants), frozenset(reads), group, spans)

    def ordered(self, launches: list[_Launch]) -> list[_Launch]:
        """Launches that write state come last: every other reader of the old value is done."""
        updated = {value for _, value in self.graph.updates}
        late: list[_Launch] = []
        early: list[_Launch] = []
        produced_late: set[Node] = set()
        for launch in launches:
            writes = set(launch.group.outputs)
            if writes & updated or launch.reads & produced_late:
                late.append(launch)
                produced_late |= writes
            else:
                early.append(launch)
        return early + late

    def place_roots(
        self, groups: Sequence[Group], launches: Sequence[_Launch]
    ) -> tuple[list[int], list[Step]]:
        """Give results and updates their memory; what is left is copied at the end."""
        copies: list[tuple[Node, int]] = []
        for old, new in self.graph.updates:
            state = self.slot_of[old]
            if new is old:
                continue
            if new not in self.slot_of and self.can_replace(old, new, launches):
                self.slot_of[new] = state
            else:
                copies.append((new, state))
        results = []
        for number, node in enumerate(self.graph.results):
            name = f"result{number}" if len(self.graph.results) > 1 else "result"
            slot = self.add_slot(name, "result", node)
            results.append(slot)
            if node in self.slot_of:
                copies.append((node, slot))
            else:
                self.slot_of[node] = slot
        for group in groups:
            for node in group.outputs:
                if node not in self.slot_of:
                    self.add_slot(node.op.name, "temporary", node)
        return results, self.copies(copies)

    def can_replace(self, old: Node, new: Node, launches: Sequence[_Launch]) -> bool:
        """Whether the new value of a state may be written over the old one.

        The launch that computes it must be the last to read the old value, and must read each
        of its elements at the very index it then writes.
        """
        writers = [i for i, launch in enumerate(launches) if new in launch.group.outputs]
        if not writers:
            return False
        writer = writers[0]
        if any(old in launch.reads for launch in launches[writer + 1 :]):
            return False
        return all(
            _overwrites_in_place(scheduled, old, new) for *_, scheduled in launches[writer].variants
        )

    def copies(self, moves: Sequence[tuple[Node, int]]) -> list[Step]:
        """Steps that copy stored nodes into further slots.

        A state may be copied from a state that is overwritten itself (a swap): every source
        goes through a temporary first where that can happen.
        """
        overwritten = {slot for _, slot in moves}
        first, second = [], []
        for node, slot in moves:
            source = self.slot_of[node]
            if source in overwritten:
                self.slots.append(Slot(node.op.name, "temporary", node.tensor))
                temporary = len(self.slots) - 1
                first.append(self.copy(node, source, temporary))
                source = temporary
            second.append(self.copy(node, source, slot))
        return first + second

    def copy(self, node: Node, source: int, target: int) -> Step:
        stored = graph_input("copied", node.dtype, node.shape)
        group = Group(GroupKind.POINTWISE, node.shape, (), (), (stored,))
        (variant,) = schedule_group(group, self.dialect)
        name = self.library.add(variant.scheduled.kernel, self.sources.spans(node))
        scalars = tuple(variant.scheduled.scalars[d] for d in variant.scheduled.kernel.scalars)
        grid = _grid(variant.scheduled)
        binding = Binding((source, target), scalars, grid)
        return Step(
            (Alternative(name, (binding,), (False, True)),), f"copy to {self.slots[target].name}"
        )

    def step(self, launch: _Launch) -> Step:
        alternatives = []
        for dim, low, high, name, scheduled in launch.variants:
            bound = {**scheduled.inputs, **scheduled.outputs}
            slots = tuple(self.slot_of[bound[buffer]] for buffer in scheduled.kernel.parameters)
            scalars = tuple(scheduled.scalars[dim] for dim in scheduled.kernel.scalars)
            binding = Binding(slots, scalars, _grid(scheduled))
            written = tuple(b in scheduled.kernel.written for b in scheduled.kernel.parameters)
            alternatives.append(Alternative(name, (binding,), written, dim, low, high))
        return Step(tuple(alternatives), ", ".join(map(str, launch.spans[:3])))

    # -- memory ------------------------------------------------------------------------------

    def place_temporaries(self, steps: Sequence[Step]) -> None:
        numbers = [i for i, slot in enumerate(self.slots) if slot.role == "temporary"]
        touched: dict[int, list[int]] = {i: [] for i in numbers}
        for position, step in enumerate(steps):
            for alternative in step.alternatives:
                for binding in alternative.bindings:
                    for slot in binding.slots:
                        if slot in touched:
                            touched[slot].append(position)
        lifetimes = []
        for number in numbers:
            nbytes = dims.bounds(self.slots[number].type.nbytes)[1]
            aligned = -(-nbytes // ALIGNMENT) * ALIGNMENT
            uses = touched[number] or [0]
            lifetimes.append(Lifetime(aligned, min(uses), max(uses)))
        for number, above in zip(numbers, place(lifetimes), strict=True):
            self.slots[number] = replace(self.slots[number], above=tuple(numbers[i] for i in above))


def _is_empty(group: Group) -> bool:
    """Whether there is nothing to compute: no output has elements."""
    return all(node.tensor.size == 0 for node in group.outputs)


def _grid(scheduled: Scheduled) -> DimLike:
    """The grid in the dims of the graph."""
    environment = {
        name: value
        for dim, value in scheduled.scalars.items()
        for name in dims.variables(dim)
        if value is not dim
    }
    return dims.substitute(scheduled.kernel.grid, environment, proved=False)


def _overwrites_in_place(scheduled: Scheduled, old: Node, new: Node) -> bool:
    sources = [buffer for buffer, node in scheduled.inputs.items() if node is old]
    if not sources:
        return True
    (target,) = [buffer for buffer, node in scheduled.outputs.items() if node is new]
    stores = [
        s for s in statements(scheduled.kernel.body) if isinstance(s, Store) and s.buffer is target
    ]
    written = {store.index for store in stores}
    if len(stores) != 1 or old.tensor is not new.tensor:
        return False
    # Only a kernel whose every read of the old value happens where it is replaced is safe.
    for statement in statements(scheduled.kernel.body):
        if isinstance(statement, Call) and any(
            isinstance(a, Address) and a.buffer in sources for a in statement.arguments
        ):
            return False
        for expr in walk(*expressions(statement)):
            if isinstance(expr, Load) and expr.buffer in sources and expr.index not in written:
                return False
    return True


def _merge_equal_kernels(steps: Sequence[Step]) -> list[Step]:
    """Run launches of one kernel that do not depend on each other as one launch.

    A launch moves up to an earlier one of the same kernel if nothing between them writes what
    it reads, or touches what it writes.
    """
    merged: list[Step] = []
    for step in steps:
        for position in reversed(range(len(merged))):
            candidate = merged[position]
            conflict = _conflict(candidate, step)
            if _same_kernels(candidate, step) and not conflict:
                merged[position] = _joined(candidate, step)
                break
            if conflict:
                merged.append(step)
                break
        else:
            merged.append(step)
    return merged


def _same_kernels(a: Step, b: Step) -> bool:
    def key(step: Step) -> list[tuple[str, DimLike, int, int]]:
        return [(x.kernel, x.dim, x.low, x.high) for x in step.alternatives]

    return key(a) == key(b)


def _conflict(before: Step, after: Step) -> bool:
    reads_before, writes_before = _touched(before)
    reads_after, writes_after = _touched(after)
    return bool(writes_before & reads_after or writes_after & (reads_before | writes_before))


def _touched(step: Step) -> tuple[set[int], set[int]]:
    """The slots that a step reads, and those that it writes."""
    reads: set[int] = set()
    writes: set[int] = set()
    for alternative in step.alternatives:
        for binding in alternative.bindings:
            for slot, written in zip(binding.slots, alternative.written, strict=True):
                (writes if written else reads).add(slot)
    return reads, writes


def _joined(a: Step, b: Step) -> Step:
    alternatives = tuple(
        replace(x, bindings=x.bindings + y.bindings)
        for x, y in zip(a.alternatives, b.alternatives, strict=True)
    )
    text = a.text if b.text in a.text else f"{a.text}, {b.text}"
    return Step(alternatives, text)
