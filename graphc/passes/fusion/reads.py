"""What computing a node reads, and at which indices: found by running the ops' own lowerings."""

from __future__ import annotations

from collections.abc import Container

from graphc.ir.expr import Constant, Expr, Index, Scalar
from graphc.ir.node import Node
from graphc.ir.op import (
    Branch,
    Cumulative,
    Element,
    Elementwise,
    HostCall,
    Loop,
    Reduction,
    RowFunction,
    Scatter,
    Source,
    View,
)
from graphc.passes.fusion.group import is_transparent

__all__ = ["indices_read", "is_apart", "operands_read", "reads_memory"]


def is_apart(node: Node) -> bool:
    """Whether no kernel computes the node: a loop or branch, or a call of the host."""
    return isinstance(node.op.lowering, Loop | Branch | HostCall)


def reads_memory(node: Node) -> bool:
    """Whether the node is given whole tensors, and not elements at indices that are known."""
    return is_apart(node) or isinstance(node.op.lowering, RowFunction)


def operands_read(node: Node, stored: Container[Node] = ()) -> list[Node]:
    """The nodes that computing `node` reads, through transparent ones that are not stored."""
    found: dict[Node, None] = {}
    pending = list(node.inputs)
    seen: set[Node] = set()
    while pending:
        operand = pending.pop()
        if operand in seen:
            continue
        seen.add(operand)
        if is_transparent(operand) and operand not in stored:
            pending.extend(operand.inputs)
        else:
            found[operand] = None
    return list(found)


def indices_read(user: Node, index: Index, stored: Container[Node] = ()) -> dict[Node, set[Index]]:
    """What `user`, computed at `index`, reads, and at which indices.

    It reads through transparent nodes that are not stored. For a reduction, `index` is that of
    its operand; for a scatter, that of its updates, and what else it reads is not found.
    """
    found: dict[Node, set[Index]] = {}
    pending: list[tuple[Node, Index]] = []

    def visit(node: Node, at: Index) -> Expr:
        found.setdefault(node, set()).add(at)
        if is_transparent(node) and node not in stored:
            pending.append((node, at))
        # What it is may decide an index: then equal names are equal values.
        is_index = node.dtype.is_integer
        return Scalar(f"{id(node)} {at}", node.dtype) if is_index else Constant(0, node.dtype)

    def expand(node: Node, at: Index) -> None:
        match node.op.lowering:
            case Elementwise() | Reduction() | Cumulative():
                for operand in node.inputs:
                    visit(operand, at)
            case Scatter():
                visit(node.inputs[1], at)
            case View(element) | Source(element) | Element(element):
                element(node, at, lambda i, inner: visit(node.inputs[i], inner))

    expand(user, index)
    seen: set[tuple[Node, Index]] = set()
    while pending:
        step = pending.pop()
        if step not in seen:
            seen.add(step)
            expand(*step)
    return found
