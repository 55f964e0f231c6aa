"""Updates in place: whether a kernel may write the new value of a state over the old one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules import scatter
from graphc.codegen.schedules.schedule import Scheduled, Variant
from graphc.ir import dims
from graphc.ir.dims import Dim
from graphc.ir.expr import Buffer, Load, walk
from graphc.ir.graph import Graph
from graphc.ir.kernel import (
    Address,
    Block,
    Call,
    Fold,
    If,
    Loop,
    LoopKind,
    Statement,
    Store,
    expressions,
)
from graphc.ir.node import Node
from graphc.ir.op import Scatter
from graphc.passes.bodies import dependent
from graphc.passes.fusion.group import Group, GroupKind

__all__ = ["overwrites_in_place", "scatter_in_place", "scatters_into", "stored_before"]


def stored_before(graph: Graph, updates: Sequence[tuple[Node, Node]]) -> set[Node]:
    """What must be stored before scatters write the new values of state over the old ones.

    These are updates and indices that are computed from the old value: a kernel that reads them
    element by element would meet elements that it has replaced.
    """
    found: set[Node] = set()
    for old, new in updates:
        if scatters_into(new, old) and old not in graph.roots:
            found.update(dependent(new.inputs, (old,)).intersection(new.inputs[1:]))
    return found


def scatter_in_place(group: Group, old: Node, dialect: Dialect) -> Variant | None:
    """The kernel that scatters into the memory of `old`; None if the group is none that can."""
    if group.kind is not GroupKind.SCATTER or not scatters_into(group.anchor, old):
        return None
    scheduled = scatter.schedule(group, dialect, in_place=True)
    return None if old in scheduled.inputs.values() else Variant(scheduled)


def scatters_into(new: Node, old: Node) -> bool:
    """Whether `new` is the tensor `old` with some of its elements replaced or added to."""
    return isinstance(new.op.lowering, Scatter) and new.inputs[0] is old


def overwrites_in_place(scheduled: Scheduled, old: Node, new: Node) -> bool:
    """Whether `new` may be bound to the memory of `old`, which the kernel may read.

    It may if every element is read for the last time by the lane that then replaces it: at the
    index at which it is written, and before. The values of neighbouring stores are all computed
    before the first is written.
    """
    sources = {buffer for buffer, node in scheduled.inputs.items() if node is old}
    if not sources:
        return True
    if old.tensor is not new.tensor:
        return False
    (target,) = (buffer for buffer, node in scheduled.outputs.items() if node is new)
    runs = list(_runs(scheduled.kernel.body, None))
    places = [
        (number, statement, run.lane)
        for number, run in enumerate(runs)
        for statement in run.statements
        if isinstance(statement, Store) and statement.buffer is target
    ]
    if len(places) != 1:
        return False
    ((place, store, lane),) = places
    for number, run in enumerate(runs):
        for statement in run.statements:
            if _passes_address(statement, sources):
                return False
            for load in _loads(statement, sources):
                if number > place or load.index != store.index:
                    return False
                # Another lane may be late to read an element that does not belong to it.
                own = lane is not None and not _names(lane).isdisjoint(_names(store.index))
                if number < place and not own and not isinstance(statement, Fold):
                    return False
    return True


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring stores, or one other statement; and the innermost loop over lanes around."""

    statements: tuple[Statement, ...]
    lane: Dim | None


def _runs(block: Block, lane: Dim | None) -> Iterator[_Run]:
    """All statements in the order in which they stand."""
    for are_stores, group in itertools.groupby(block, lambda s: isinstance(s, Store)):
        statements = tuple(group)
        if are_stores:
            yield _Run(statements, lane)
            continue
        for statement in statements:
            yield _Run((statement,), lane)
            if isinstance(statement, Loop):
                over_lanes = statement.kind is LoopKind.LANE
                yield from _runs(statement.body, statement.variable if over_lanes else lane)
            elif isinstance(statement, If):
                yield from _runs(statement.body, lane)


def _passes_address(statement: Statement, sources: set[Buffer]) -> bool:
    return isinstance(statement, Call) and any(
        isinstance(argument, Address) and argument.buffer in sources
        for argument in statement.arguments
    )


def _loads(statement: Statement, sources: set[Buffer]) -> Iterator[Load]:
    for expr in walk(*expressions(statement)):
        if isinstance(expr, Load) and expr.buffer in sources:
            yield expr


def _names(index: object) -> frozenset[str]:
    return frozenset(dims.variables(index)) if isinstance(index, Dim) else frozenset()
