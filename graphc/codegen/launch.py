"""Launches of a plan before they are steps: what each reads and stores, and their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.kernel_library import Library
from graphc.codegen.schedules.schedule import Variant
from graphc.errors import Span
from graphc.ir.node import Node
from graphc.ir.source_map import SourceMap
from graphc.passes.fusion.group import Group, GroupKind

__all__ = ["Launch", "launch_of", "spans_of", "state_last"]


@dataclass(frozen=True)
class Launch:
    """A scheduled group, or a node that no kernel computes, with what it reads and stores.

    `apart` is that node: a loop, a branch or a call of the host; it has no variants.
    """

    group: Group
    variants: tuple[Variant, ...]
    reads: frozenset[Node]
    writes: tuple[Node, ...]
    spans: tuple[Span, ...]
    apart: Node | None = None


def launch_of(group: Group, dialect: Dialect, library: Library, sources: SourceMap) -> Launch:
    """The group with its kernels; a loop, branch or call of the host has none."""
    spans = spans_of(group.members, sources)
    if group.kind is GroupKind.APART:
        node = group.members[0]
        return Launch(group, (), frozenset(node.inputs), group.outputs, spans, node)
    variants = tuple(library.schedules.of(group, dialect))
    reads = frozenset(node for one in variants for node in one.scheduled.inputs.values())
    return Launch(group, variants, reads, group.outputs, spans)


def spans_of(nodes: Iterable[Node], sources: SourceMap) -> tuple[Span, ...]:
    """Where nodes come from, each place once."""
    return tuple(dict.fromkeys(span for node in nodes for span in sources.spans(node)))


def state_last(launches: Sequence[Launch], updates: Sequence[tuple[Node, Node]]) -> list[Launch]:
    """The launches with those that write state at the end, where other readers of it are done.

    Among them, one that writes the new value of a state waits for those that read the old one,
    as far as what they compute allows.
    """
    replaced: dict[Node, list[Node]] = {}
    for old, new in updates:
        replaced.setdefault(new, []).append(old)
    early: list[Launch] = []
    late: list[Launch] = []
    produced_late: set[Node] = set()
    for launch in launches:
        if launch.reads.isdisjoint(produced_late) and replaced.keys().isdisjoint(launch.writes):
            early.append(launch)
        else:
            late.append(launch)
            produced_late.update(launch.writes)
    readers = Counter(node for launch in late for node in launch.reads)
    missing = set(produced_late)
    ordered: list[Launch] = []
    while late:
        ready = [launch for launch in late if missing.isdisjoint(launch.reads)]
        launch = next((one for one in ready if not _is_awaited(one, replaced, readers)), ready[0])
        late.remove(launch)
        ordered.append(launch)
        readers.subtract(launch.reads)
        missing.difference_update(launch.writes)
    return early + ordered


def _is_awaited(
    launch: Launch, replaced: Mapping[Node, Sequence[Node]], readers: Mapping[Node, int]
) -> bool:
    """Whether another launch still reads a state that this one has the new value of."""
    return any(
        readers[old] > (old in launch.reads)
        for new in launch.writes
        for old in replaced.get(new, ())
    )
