"""Closing the bodies of loops and branches: what they take from outside becomes an operand."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from graphc.ir.node import Node, topological
from graphc.ir.op import Structural
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType

__all__ = ["captured", "stand_ins", "stand_ins_made"]

_numbers = itertools.count()

_collecting: ContextVar[tuple[set[Node], ...]] = ContextVar("graphc_stand_ins", default=())


def stand_ins(role: str, types: Iterable[TensorType]) -> list[Node]:
    """Inputs for a body while it is traced, unlike all others: bodies may lie inside each other."""
    made = [graph_input(f"{role} {next(_numbers)}", one.dtype, one.shape) for one in types]
    for found in _collecting.get():
        found.update(made)
    return made


@contextmanager
def stand_ins_made() -> Iterator[set[Node]]:
    """Collect the inputs for bodies that are made inside."""
    found: set[Node] = set()
    token = _collecting.set((*_collecting.get(), found))
    try:
        yield found
    finally:
        _collecting.reset(token)


def captured(roots: Sequence[Node], inputs: Sequence[Node], built: Collection[Node]) -> list[Node]:
    """The nodes that `roots` take from outside, in the order in which they are met.

    Args:
        roots: what the body gives.
        inputs: its own inputs.
        built: what was built while it was traced. Constants belong to the body as well.
    """
    own = set(inputs)
    bound: set[Node] = set()
    moving, inside = set(inputs), set(inputs)
    for node in topological(roots):
        if node in own:
            continue
        if isinstance(node.op.lowering, Structural) and not node.inputs:
            bound.add(node)
            continue
        if not bound.isdisjoint(node.inputs):
            bound.add(node)
        # What needs no input of anybody is a constant.
        if not moving.isdisjoint(node.inputs) or (node in bound and node in built):
            moving.add(node)
        if node in moving or node not in bound:
            inside.add(node)
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    pending = list(reversed(roots))
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node not in inside:
            found[node] = None
        elif node not in own:
            pending.extend(reversed(node.inputs))
    return list(found)
