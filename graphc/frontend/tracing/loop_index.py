"""The index of a loop that stays in the graph."""

from __future__ import annotations

from collections.abc import Callable

from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.node import Node

__all__ = ["LoopIndex"]


class LoopIndex(Tensor):
    """The number of the iteration, from 0: a tensor, by which rows are read.

    Args:
        node: its value in the body.
        row_of: the row of a tensor in this iteration, or None where the loop cannot run over it.
    """

    __slots__ = ("row_of",)

    def __init__(self, node: Node, row_of: Callable[[Tensor], Tensor | None]) -> None:
        super().__init__(node)
        self.row_of = row_of
