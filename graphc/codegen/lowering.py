"""From nodes to scalar expressions: the value of a node at an index.

What another kernel has stored is loaded; everything else is computed on the spot by the op's
own lowering, so a group's interior never exists in memory. Equal expressions are one object,
hence sharing needs no bookkeeping here.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Apply, Buffer, Expr, Index, Load, Unknown
from graphc.ir.node import Node
from graphc.ir.op import Element, Elementwise, Source, View
from graphc.passes.fusion.group import Group, is_transparent

__all__ = ["Lowering", "flat_index"]


def flat_index(shape: tuple[DimLike, ...], index: Index) -> DimLike:
    """The position of an element in a contiguous row-major tensor."""
    flat: DimLike = 0
    for extent, i in zip(shape, index, strict=True):
        flat = dims.joined(flat, i, extent)
    return flat


class Lowering:
    """Values of a group's nodes as expressions.

    Nodes that are read from memory become parameters of the kernel, named `a0`, `a1`, ... in
    the order in which they are first read. The names say nothing of the model, so that groups
    that compute alike give one kernel.

    Args:
        group: the nodes to compute.
        computed: gives the value of a node that the schedule computes itself (the result of a
            reduction, an accumulator of a matrix product), or None.
    """

    def __init__(
        self,
        group: Group,
        computed: Callable[[Node, Index], Expr | None] = lambda node, index: None,
    ) -> None:
        self.inputs: dict[Node, Buffer] = {}
        self._members = frozenset(group.members)
        self._stored_views = group.stored_views
        self._computed = computed
        self._values: dict[tuple[Node, Index], Expr] = {}

    def load(self, node: Node, index: Index) -> Expr:
        """The stored value of `node` at `index`."""
        buffer = self.inputs.get(node)
        if buffer is None:
            buffer = Buffer(f"a{len(self.inputs)}", node.dtype, 0)
            self.inputs[node] = buffer
        return Load(buffer, flat_index(node.shape, index))

    def value(self, node: Node, index: Index) -> Expr:
        """The value of `node` at `index`."""
        # Graphs are deeper than Python's stack: they are walked with a stack of their own.
        stack = [(node, index)]
        while stack:
            top, at = stack[-1]
            missing: list[tuple[Node, Index]] = []
            value = None if (top, at) in self._values else self._expand(top, at, missing)
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            if value is not None:
                self._values[top, at] = value
        return self._values[node, index]

    def _is_stored(self, node: Node) -> bool:
        if node in self._members:
            return False
        return not is_transparent(node) or node in self._stored_views

    def _expand(self, node: Node, index: Index, missing: list[tuple[Node, Index]]) -> Expr:
        """The value of a node; what it needs and is not known yet becomes a part of `missing`.

        What is read may depend on a value that is missing: then it is missing the next time.
        """

        def read(number: int, at: Index) -> Expr:
            operand = node.inputs[number]
            known = self._values.get((operand, at))
            if known is None:
                missing.append((operand, at))
                return Unknown(operand.dtype)
            return known

        computed = self._computed(node, index)
        if computed is not None:
            return computed
        if self._is_stored(node):
            return self.load(node, index)
        match node.op.lowering:
            case Elementwise():
                operands = tuple(read(number, index) for number in range(len(node.inputs)))
                return Apply(node.op, operands, node.dtype)
            case View(element) | Source(element) | Element(element):
                return element(node, index, read)
        raise InternalError(f"{node!r} is neither stored nor computed by this kernel")
