"""The plan: a graph's groups become kernels, launches, steps, and places in memory.

The passes are those of `PLAN_PASSES` over an entry's graph and, as its loops and branches become
steps, over the graphs inside; then `MEMORY` over the entry as a whole.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.codegen import plan_listing
from graphc.codegen.bind import bind
from graphc.codegen.dialect import Dialect
from graphc.codegen.donate import donate
from graphc.codegen.graph_plan import EntryDraft, GraphPlan
from graphc.codegen.in_place import stored_before
from graphc.codegen.kernel_library import Library
from graphc.codegen.launch import launch_of, state_last
from graphc.codegen.memory import with_places
from graphc.codegen.merge_launches import merge_launches
from graphc.codegen.verify_memory import verify_memory
from graphc.codegen.verify_plan import (
    verify_bound,
    verify_donated,
    verify_fused,
    verify_merged,
    verify_ordered,
    verify_scheduled,
)
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.sizes import limited_sizes
from graphc.ir.source_map import SourceMap
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import Group
from graphc.passes.pipeline import GRAPH_PASSES, Observer, Pass, Runner
from graphc.runtime.program import Entry

__all__ = ["MEMORY", "PLAN_PASSES", "Library", "plan_entry"]

_FIRST = 1 + len(GRAPH_PASSES)
"""The number of the first pass here: behind that over the unit and those from graph to graph."""


def _fuse(plan: GraphPlan, sources: SourceMap) -> GraphPlan:
    groups = fuse(plan.graph, stored_before(plan.graph, plan.updates))
    return replace(plan, groups=tuple(groups))


def _schedule(plan: GraphPlan, sources: SourceMap) -> GraphPlan:
    entry = plan.entry
    launches = (
        launch_of(group, entry.dialect, entry.library, sources)
        for group in plan.groups
        if not _is_empty(group)
    )
    return replace(plan, launches=tuple(launches))


def _is_empty(group: Group) -> bool:
    """Whether there is nothing to compute: no output has elements."""
    return all(node.tensor.size == 0 for node in group.outputs)


def _order(plan: GraphPlan, sources: SourceMap) -> GraphPlan:
    return replace(plan, launches=tuple(state_last(plan.launches, plan.updates)))


def _merge(plan: GraphPlan, sources: SourceMap) -> GraphPlan:
    return replace(plan, steps=tuple(merge_launches(plan.steps)))


def _place(entry: Entry, sources: SourceMap) -> Entry:
    return replace(entry, slots=tuple(with_places(entry.slots, entry.steps)))


PLAN_PASSES: tuple[Pass[GraphPlan], ...] = (
    Pass(
        "fuse",
        "Decides which nodes one kernel computes, and in which order kernels run.",
        before="no composite op is left",
        after="every node is stored once, or computed in exactly the groups that read it",
        function=_fuse,
        verify=verify_fused,
        text=plan_listing.groups_text,
    ),
    Pass(
        "schedule",
        "Makes a kernel of each group, or one for each range of a dim.",
        before="groups in an order in which they can run",
        after="kernels are sound, and read and write what their groups do",
        function=_schedule,
        verify=verify_scheduled,
        text=plan_listing.launches_text,
    ),
    Pass(
        "state-last",
        "Moves what writes state behind what reads it, as far as values allow.",
        before="launches in the order of groups",
        after="no launch reads what a later one stores",
        function=_order,
        verify=verify_ordered,
        text=plan_listing.launches_text,
    ),
    Pass(
        "donate",
        "Gives new values of state and carries the memory of the old ones; other nodes get slots.",
        before="launches in the order in which they run",
        after="what a launch reads is still there, and at the end state and results are",
        function=lambda plan, sources: donate(plan),
        verify=verify_donated,
        text=plan_listing.slots_text,
    ),
    Pass(
        "bind",
        "Makes steps of launches, those of loops and branches by these passes, and copies.",
        before="every node that is stored has a slot",
        after="kernels are bound to slots of their parameters' types",
        function=bind,
        verify=verify_bound,
        text=plan_listing.steps_text,
    ),
    Pass(
        "merge-launches",
        "Runs launches of one kernel that do not depend on each other as one launch.",
        before="steps in an order in which they can run",
        after="every slot holds the values that it held without merging",
        function=_merge,
        verify=verify_merged,
        text=plan_listing.steps_text,
    ),
)
"""From a decomposed graph to steps, in their order."""

MEMORY: Pass[Entry] = Pass(
    "memory",
    "Places the temporaries of an entry in one arena.",
    before="the steps of an entry with those of its loops and branches",
    after="what a step reads is intact, for any dims, and the peak is what offsets say",
    function=_place,
    verify=verify_memory,
    text=plan_listing.memory_text,
)
"""The last pass, over the whole of an entry."""


def plan_entry(
    graph: Graph,
    dialect: Dialect,
    library: Library,
    sources: SourceMap | None = None,
    *,
    observe: Observer | None = None,
) -> Entry:
    """The steps and memory of a decomposed graph; its kernels go into the library.

    Args:
        sources: where nodes come from.
        observe: told about each pass.
    """
    runner = Runner(sources or SourceMap(), observe, dialect.name)

    def run(plan: GraphPlan) -> GraphPlan:
        return runner.run(plan.name, plan, PLAN_PASSES, _FIRST)

    entry = _unplaced_entry(graph, EntryDraft(dialect, library, run))
    return runner.run(graph.name, entry, (MEMORY,), _FIRST + len(PLAN_PASSES))


def _unplaced_entry(graph: Graph, draft: EntryDraft) -> Entry:
    """The entry of a graph, whose temporaries have no places yet."""
    slot_of: dict[Node, int] = {}
    inputs = [draft.add_slot(slot_of, n["name"], "input", n) for n in graph.inputs]
    state = [draft.add_slot(slot_of, n["name"], "state", n) for n in graph.state]
    several = len(graph.results) > 1
    results = []
    for number, node in enumerate(graph.results):
        name = f"result{number}" if several else "result"
        results.append(draft.new_slot(name, "result", node.tensor))
    plan = draft.run(
        GraphPlan(
            graph.name, draft, graph, graph.updates,
            list(zip(graph.results, results, strict=True)), slot_of=slot_of,
        )
    )  # fmt: skip
    return Entry(
        graph.name, graph.dims(), tuple(draft.slots), tuple(inputs), tuple(state),
        tuple(results), tuple(plan.steps), limited_sizes(graph),
    )  # fmt: skip
