"""The plan: a graph's groups become kernels, launches, and places in memory.

groups --schedules--> kernels and launches --order--> steps --place--> slots in an arena
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.dialect import Dialect
from graphc.codegen.in_place import overwrites_in_place
from graphc.codegen.merge_launches import merge_launches
from graphc.codegen.schedules import schedule_group
from graphc.codegen.schedules.schedule import Scheduled
from graphc.config import settings
from graphc.errors import Span
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.kernel import Kernel
from graphc.ir.kernels.verify import verify_kernel
from graphc.ir.node import Node
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap, portable
from graphc.passes.fuse import Group, GroupKind, fuse
from graphc.passes.memory import Lifetime, place
from graphc.runtime.program import ALIGNMENT, Alternative, Binding, Entry, Role, Slot, Step

__all__ = ["Library", "plan_entry"]


class Library:
    """The kernels of a unit: equal ones are kept once, and every name is used once."""

    def __init__(self) -> None:
        self.kernels: dict[str, Kernel] = {}
        self._names: dict[Kernel, str] = {}
        self._taken: Counter[str] = Counter()

    def add(self, kernel: Kernel, spans: Iterable[Span]) -> str:
        """The name under which the kernel is kept.

        Raises:
            VerificationError: the kernel breaks an invariant (where passes are verified).
        """
        name = self._names.get(kernel)
        if name is None:
            if settings().verify_passes:
                verify_kernel(replace(kernel, spans=tuple(spans)))
            name = self._fresh_name(kernel.name)
            self._names[kernel] = name
            self.kernels[name] = replace(kernel, name=name, spans=tuple(spans))
        else:
            known = self.kernels[name]
            self.kernels[name] = replace(known, spans=tuple(dict.fromkeys((*known.spans, *spans))))
        return name

    def _fresh_name(self, wanted: str) -> str:
        name = wanted
        while name in self.kernels:
            self._taken[wanted] += 1
            name = f"{wanted}_{self._taken[wanted]}"
        return name


@dataclass(frozen=True)
class _Variant:
    """A kernel of the library that computes a group if `low <= dim <= high`."""

    kernel: str
    scheduled: Scheduled
    dim: DimLike
    low: int
    high: int


@dataclass(frozen=True)
class _Launch:
    """A scheduled group with the nodes that it reads and those that it stores."""

    variants: tuple[_Variant, ...]
    reads: frozenset[Node]
    writes: tuple[Node, ...]
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
        launches = [self.launch(group) for group in groups if not _is_empty(group)]
        launches = _state_last(launches, self.graph)
        copies = self.place_updates(launches)
        results = self.place_results(copies)
        for node in dict.fromkeys(node for group in groups for node in group.outputs):
            if node not in self.slot_of:
                self.add_slot(node.op.name, "temporary", node)
        steps = merge_launches([self.step(launch) for launch in launches] + self.copies(copies))
        self.place_temporaries(steps)
        return Entry(
            self.graph.name, self.graph.dims(), tuple(self.slots), tuple(inputs), tuple(state),
            tuple(results), tuple(steps),
        )  # fmt: skip

    def add_slot(self, name: str, role: Role, node: Node) -> int:
        """A slot for the node, which is where it is found unless it has one already."""
        self.slots.append(Slot(name, role, node.tensor))
        number = len(self.slots) - 1
        self.slot_of.setdefault(node, number)
        return number

    # -- launches ----------------------------------------------------------------------------

    def launch(self, group: Group) -> _Launch:
        spans = self.spans(group.members)
        variants = tuple(
            _Variant(
                self.library.add(one.scheduled.kernel, spans),
                one.scheduled, one.dim, one.low, one.high,
            )
            for one in schedule_group(group, self.dialect)
        )  # fmt: skip
        reads = frozenset(node for one in variants for node in one.scheduled.inputs.values())
        return _Launch(variants, reads, group.outputs, spans)

    def spans(self, nodes: Iterable[Node]) -> tuple[Span, ...]:
        """Where the nodes come from; the same wherever the model's files lie."""
        found = (portable(span) for node in nodes for span in self.sources.spans(node))
        return tuple(dict.fromkeys(found))

    def step(self, launch: _Launch) -> Step:
        alternatives = []
        for one in launch.variants:
            bound = {**one.scheduled.inputs, **one.scheduled.outputs}
            slots = tuple(self.slot_of[bound[p]] for p in one.scheduled.kernel.parameters)
            alternatives.append(
                Alternative(
                    one.kernel,
                    (_binding(one.scheduled, slots),),
                    _written(one.scheduled),
                    one.dim, one.low, one.high,
                )
            )  # fmt: skip
        return Step(tuple(alternatives), ", ".join(map(str, launch.spans[:3])))

    # -- state and results -------------------------------------------------------------------

    def place_updates(self, launches: Sequence[_Launch]) -> list[tuple[Node, int]]:
        """Write new values of state in place where that is right; the others' moves at the end."""
        moves: list[tuple[Node, int]] = []
        for old, new in self.graph.updates:
            if new is old:
                continue
            state = self.slot_of[old]
            if new not in self.slot_of and self.can_replace(old, new, launches):
                self.slot_of[new] = state
            else:
                moves.append((new, state))
        return moves

    def place_results(self, moves: list[tuple[Node, int]]) -> list[int]:
        """Slots of the results. A node that has a place already is moved at the end."""
        several = len(self.graph.results) > 1
        slots = []
        for number, node in enumerate(self.graph.results):
            slot = self.add_slot(f"result{number}" if several else "result", "result", node)
            if self.slot_of[node] != slot:
                moves.append((node, slot))
            slots.append(slot)
        return slots

    def can_replace(self, old: Node, new: Node, launches: Sequence[_Launch]) -> bool:
        """Whether the new value of a state may be written over the old one.

        The launch that computes it must be the last to read the old value, and must read each
        of its elements at the very index it then writes. Nor may the old value be a result, or
        the new value of another state: those are moved at the end.
        """
        if old in self.graph.roots:
            return False
        writers = [number for number, launch in enumerate(launches) if new in launch.writes]
        if not writers:
            return False
        (writer,) = writers
        return not any(old in launch.reads for launch in launches[writer + 1 :]) and all(
            overwrites_in_place(one.scheduled, old, new) for one in launches[writer].variants
        )

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
        return Step((Alternative(name, (binding,), written),), f"copy to {self.slots[target].name}")

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


def _state_last(launches: Sequence[_Launch], graph: Graph) -> list[_Launch]:
    """The launches with those that write state at the end, where other readers of it are done.

    Among them, one that writes the new value of a state waits for those that read the old one,
    as far as what they compute allows.
    """
    replaced: dict[Node, list[Node]] = {}
    for old, new in graph.updates:
        replaced.setdefault(new, []).append(old)
    early: list[_Launch] = []
    late: list[_Launch] = []
    produced_late: set[Node] = set()
    for launch in launches:
        if launch.reads.isdisjoint(produced_late) and replaced.keys().isdisjoint(launch.writes):
            early.append(launch)
        else:
            late.append(launch)
            produced_late.update(launch.writes)
    readers = Counter(node for launch in late for node in launch.reads)
    missing = set(produced_late)
    ordered: list[_Launch] = []
    while late:
        ready = [launch for launch in late if missing.isdisjoint(launch.reads)]
        launch = next((one for one in ready if not _is_awaited(one, replaced, readers)), ready[0])
        late.remove(launch)
        ordered.append(launch)
        readers.subtract(launch.reads)
        missing.difference_update(launch.writes)
    return early + ordered


def _is_awaited(
    launch: _Launch, replaced: Mapping[Node, Sequence[Node]], readers: Mapping[Node, int]
) -> bool:
    """Whether another launch still reads a state that this one has the new value of."""
    return any(
        readers[old] > (old in launch.reads)
        for new in launch.writes
        for old in replaced.get(new, ())
    )


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
