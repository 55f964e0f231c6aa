"""Which lines of the user's source each node comes from.

Nodes are interned, and the same node can stem from several places, so spans are no part of a
node: a `SourceMap` beside the graph holds them. While a map is active, every node that is built
is recorded at the current span. A pass runs under `SourceMap.inherit`, so that what it builds
takes the spans of what it replaces, and merged nodes gather the spans of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.errors import GraphcError, Span

if TYPE_CHECKING:
    from graphc.ir.node import Node

__all__ = ["SourceMap", "nodes_built", "portable", "record"]

# A node merged from many places keeps the first few: enough to explain it, and bounded.
_SPANS_KEPT = 8


class SourceMap:
    """Spans of nodes, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._spans: dict[Node, tuple[Span, ...]] = {}

    def spans(self, node: Node) -> tuple[Span, ...]:
        """The places that `node` comes from; empty where the compiler made it from nothing."""
        return self._spans.get(node, ())

    def add(self, node: Node, spans: Iterable[Span]) -> None:
        """Record that `node` comes from `spans` too."""
        known = self._spans.get(node, ())
        fresh = tuple(span for span in dict.fromkeys(spans) if span not in known)
        if fresh:
            self._spans[node] = (known + fresh)[:_SPANS_KEPT]

    @contextmanager
    def at(self, *spans: Span) -> Iterator[None]:
        """Record the nodes built inside at `spans`, and place errors raised inside there."""
        token = _current.set((self, spans))
        try:
            yield
        except GraphcError as error:
            raise error.at(spans[0] if spans else None) from error.__cause__
        finally:
            _current.reset(token)

    def inherit(self, node: Node) -> AbstractContextManager[None]:
        """Record the nodes built inside at the spans of `node`."""
        return self.at(*self.spans(node))


def portable(span: Span) -> Span:
    """The span as modules and generated code name it: by the file's name, without its folder.

    So the same model gives the same bytes wherever it lies, and tells nothing of the machine.

    >>> str(portable(Span("/home/ada/models/mlp.gc", 3, 5, 3, 9)))
    'mlp.gc:3:5'
    """
    return replace(span, file=re.split(r"[/\\]", span.file)[-1])


_current: ContextVar[tuple[SourceMap, tuple[Span, ...]] | None] = ContextVar(
    "graphc_source_map", default=None
)


_collecting: ContextVar[tuple[set[Node], ...]] = ContextVar("graphc_nodes_built", default=())


@contextmanager
def nodes_built() -> Iterator[set[Node]]:
    """Collect the nodes that are built inside, those among them that there were before as well."""
    found: set[Node] = set()
    token = _collecting.set((*_collecting.get(), found))
    try:
        yield found
    finally:
        _collecting.reset(token)


def record(node: Node) -> None:
    """Note the current span for a node that has just been built."""
    for found in _collecting.get():
        found.add(node)
    current = _current.get()
    if current is not None and current[1]:
        current[0].add(node, current[1])
