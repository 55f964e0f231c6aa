"""Index notation: a tensor defined by the expression of its elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import not_supported
from graphc.frontend.tensor import Tensor

if TYPE_CHECKING:
    from graphc.frontend.elaboration.expressions import Evaluator

__all__ = ["elaborate_notation"]


def elaborate_notation(evaluator: Evaluator, node: syntax.IndexAssign | syntax.Reduction) -> Tensor:
    """The tensor that a statement or a reduction of index notation means."""
    raise not_supported("index notation", node.span, "use einsum, sum and broadcasting")
