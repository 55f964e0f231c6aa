"""Which lines of the user's source each node comes from.

Nodes are interned, and the same node can stem from several places, so spans are no part of a
node: a `SourceMap` beside the graph holds them. While a map is active, every node that is built
is recorded at the current span. A pass runs under `SourceMap.inherit`, so that what it builds
takes the spans of what it replaces, and merged nodes gather the spans of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.errors import GraphcError, Span

if TYPE_CHECKING:
    from graphc.ir.node import Node

__all__ = ["SourceMap", "inherit", "is_recorded", "nodes_built", "portable", "record"]

# A node merged from many places keeps the first few: enough to explain it, and bounded.
_SPANS_KEPT = 8


class SourceMap:
    """Spans of nodes, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._spans: dict[Node, tuple[Span, ...]] = {}
        self._files: dict[str, None] = {}
        self._names: dict[str, str] = {}

    def spans(self, node: Node) -> tuple[Span, ...]:
        """The places that `node` comes from; empty where the compiler made it from nothing."""
        found = self._spans.get(node, ())
        if not self._names:
            return found
        return tuple(replace(one, known_as=self._names.get(one.file, "")) for one in found)

    def add(self, node: Node, spans: Iterable[Span]) -> None:
        """Record that `node` comes from `spans` too."""
        known = self._spans.get(node, ())
        fresh = tuple(span for span in dict.fromkeys(spans) if span not in known)
        if fresh:
            self._spans[node] = (known + fresh)[:_SPANS_KEPT]
            if any(span.file not in self._files for span in fresh):
                self._files |= dict.fromkeys(span.file for span in fresh)
                self._names = _distinct_names(self._files)

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


def is_recorded() -> bool:
    """Whether some map records the nodes that are built."""
    return _current.get() is not None


def inherit(node: Node) -> AbstractContextManager[None]:
    """Record the nodes built inside at the spans of `node`, in the map that is active.

    Where that knows none of it, they are recorded where they would be without.
    """
    current = _current.get()
    known = current is not None and current[0].spans(node)
    return current[0].at(*known) if current is not None and known else nullcontext()


def portable(span: Span) -> Span:
    """The span as modules and generated code name it: by the file's name, without its folder.

    So the same model gives the same bytes wherever it lies, and tells nothing of the machine. Of
    files of one name each is named with as many folders as tell them apart. The name leads nowhere
    else, and is one line of characters that every text can hold: others are percent-encoded.

    >>> str(portable(Span("/home/ada/models/mlp.gc", 3, 5, 3, 9)))
    'mlp.gc:3:5'
    >>> portable(Span("m\\n.gc", 3, 5, 3, 9)).file
    'm%0A.gc'
    """
    return replace(span, file=_printable(span.known_as or _parts(span.file)[-1]))


def _printable(name: str) -> str:
    """The name with what cannot be printed as its bytes: what is no UTF-8 comes as surrogates."""
    return "".join(
        c if c.isprintable() else "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogatepass"))
        for c in name
    )


def _parts(file: str) -> list[str]:
    """Folders and name, without those that say where to look from."""
    return [p for p in re.split(r"[/\\]", file) if p not in ("", ".", "..")] or ["unnamed"]


def _distinct_names(files: Iterable[str]) -> dict[str, str]:
    """The shortest ends of paths that tell files of one name apart.

    >>> _distinct_names(["/m/one/net.gc", "/m/two/net.gc", "/m/main.gc"])
    {'/m/one/net.gc': 'one/net.gc', '/m/two/net.gc': 'two/net.gc'}
    """
    alike: dict[str, list[str]] = {}
    for file in files:
        alike.setdefault(_parts(file)[-1], []).append(file)
    found: dict[str, str] = {}
    for several in alike.values():
        paths = [_parts(file) for file in several]
        depth, deepest = 1, max(map(len, paths))
        while depth < deepest and len({tuple(path[-depth:]) for path in paths}) < len(paths):
            depth += 1
        if depth > 1:
            found |= {
                file: "/".join(path[-depth:]) for file, path in zip(several, paths, strict=True)
            }
    return found


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
