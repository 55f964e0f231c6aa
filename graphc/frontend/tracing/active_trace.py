"""The trace that is active: which function is being traced, and whose tensors it may compute with.

A tensor belongs to the trace in which it was made. Nodes are interned, so that an input of one
graph may be the very node of an input of another one: where a tensor comes from is known by the
tensor alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from graphc.errors import UsageError
from graphc.frontend.tracing.location import at_python_line
from graphc.ir.node import Node, topological
from graphc.ir.ops.structural import input_

if TYPE_CHECKING:
    from graphc.frontend.tracing.state import Tracing

__all__ = ["activated", "active_tracing", "require_active", "tracing"]

_active: ContextVar[Tracing | None] = ContextVar("graphc_tracing", default=None)


@contextmanager
def activated(trace: Tracing) -> Iterator[None]:
    """Make a trace the active one inside."""
    token = _active.set(trace)
    try:
        yield
    finally:
        _active.reset(token)


def active_tracing() -> Tracing | None:
    """The active trace, if a function is being traced."""
    return _active.get()


def tracing() -> Tracing:
    """The active trace.

    Raises:
        UsageError: no function is being traced.
    """
    found = _active.get()
    if found is None:
        raise UsageError(
            "a model computes only while a function is traced",
            code="not-traced",
            hint="trace or compile it: graphc.compile(model, graphc.f32[...]) can be called with "
            "arrays",
        )
    return found


def require_active(node: Node, trace: Tracing) -> None:
    """Refuse a node of a trace that is not the active one; constants belong to no trace.

    Raises:
        UsageError: it depends on an argument or a state of that trace.
    """
    if all(one.op is not input_ for one in topological([node])):
        return
    error = UsageError(
        f"a tensor {node.type} of another trace is used"
        + ("" if _active.get() else ", where nothing is traced"),
        code="leaked-tensor",
        hint="hand it over as an argument, and keep no tensors in attributes or globals",
        notes=[f"it was made at {span}" for span in trace.sources.spans(node)[:1]],
    )
    with at_python_line():
        raise error
