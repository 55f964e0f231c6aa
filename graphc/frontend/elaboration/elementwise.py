"""Which computations keep every element at its place."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.ir.expr import Constant, Expr, Index, Scalar
from graphc.ir.node import Node
from graphc.ir.op import Decomposition, Source, View
from graphc.passes.fusion.group import domain_of

__all__ = ["is_elementwise"]


def is_elementwise(result: Node, operands: frozenset[Node], *, counts: bool) -> bool:
    """Whether each element of the result depends on those at the same place alone.

    Args:
        counts: whether the operands are beside the numbers of elements, which may then occur.
    """
    depends = _dependent(result, operands)
    pending, seen = [result], set[Node]()
    while pending:
        node = pending.pop()
        if node in seen or node in operands:
            continue
        seen.add(node)
        if not depends[node]:
            if _is_placed(node) and not (counts and isinstance(node.op.lowering, Source)):
                return False
            pending += node.inputs
            continue
        if isinstance(node.op.lowering, Decomposition):
            expanded = node.op.lowering.expand(node)
            if not is_elementwise(expanded, operands, counts=counts):
                return False
            continue
        if not node.op.is_elementwise and not _keeps_places(node):
            return False
        pending += node.inputs
    return True


def _dependent(result: Node, operands: frozenset[Node]) -> Mapping[Node, bool]:
    """For each node below the result whether it depends on an operand."""
    found: dict[Node, bool] = {}
    stack = [(result, iter(result.inputs))]
    while stack:
        node, inputs = stack[-1]
        pending = next((one for one in inputs if one not in found), None)
        if pending is None:
            stack.pop()
            found[node] = node in operands or any(found[one] for one in node.inputs)
        elif pending in operands:
            found[pending] = True
        else:
            stack.append((pending, iter(pending.inputs)))
    return found


def _keeps_places(node: Node) -> bool:
    """Whether it is a view that reads each element at its own place, of axes that are repeated."""
    rule = node.op.lowering
    new = len(node.shape) - len(node.inputs[0].shape)
    if not isinstance(rule, View) or len(node.inputs) != 1 or new < 0:
        return False
    (operand,) = node.inputs
    axes = list(zip(operand.shape, node.shape[new:], domain_of(node.shape)[new:], strict=True))
    if any(extent not in (1, wanted) for extent, wanted, _ in axes):
        return False
    places = tuple(0 if extent == 1 else i for extent, _, i in axes)
    element = Scalar("element", operand.dtype)

    def read(number: int, at: Index) -> Expr:
        return element if tuple(at) == places else Constant(0, operand.dtype)

    return rule.element(node, domain_of(node.shape), read) is element


def _is_placed(node: Node) -> bool:
    """Whether a node without operands has elements that differ, so that axes are no matter of
    choice."""
    return not node.inputs and any(size != 1 for size in node.shape)
