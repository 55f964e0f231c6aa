"""Axes of size 1 that elementwise nodes need not have.

Index notation gives every value an axis for each index of its statement, and folds keep theirs
until a value is broadcast. What is computed on more axes than it has elements for would be no
part of a kernel over fewer of them, so the axes are added behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, build
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import full
from graphc.ir.ops.elementwise.arithmetic import multiply
from graphc.ir.ops.elementwise.logic import less, where
from graphc.ir.ops.elementwise.transcendental import exp
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.passes.rules.rule import Rule, scalar_below

__all__ = ["RULES"]

Shape = tuple[DimLike, ...]


def _elementwise_of_added_axes(node: Node) -> Node | None:
    """f(reshape(x), reshape(y), 2) is reshape(f(x, y, 2)) where all reshapes add the same axes."""
    if not node.op.is_elementwise:
        return None
    shape: Shape | None = None
    for operand in node.inputs:
        if operand.op is reshape and shape in (None, operand.inputs[0].shape):
            shape = operand.inputs[0].shape
        elif scalar_below(operand) is None:
            return None
    if shape is None or len(shape) >= len(node.shape) or _long(shape) != _long(node.shape):
        return None
    operands = tuple(_on(operand, shape) for operand in node.inputs)
    return reshape(build(node.op, operands, node.attributes), shape=node.shape)


def _long(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _on(operand: Node, shape: Shape) -> Node:
    """The operand before its axes were added; a scalar repeated over `shape`."""
    if operand.op is reshape:
        return operand.inputs[0]
    scalar = scalar_below(operand)
    assert scalar is not None
    return broadcast_to(scalar, shape=shape) if shape else scalar


def _examples() -> Iterator[Node]:
    for shape, wide in (
        ((2, 3), (2, 1, 3)),
        ((), (1, 1)),
        ((3, 0), (3, 0, 1)),
        ((1, 2), (1, 2, 1)),
    ):
        x, y = (reshape(graph_input(name, dtypes.f32, shape), shape=wide) for name in "xy")
        yield exp(x)
        yield cast(x, dtype=dtypes.i32)
        yield multiply(x, full(wide, 0.125))
        yield less(x, y)
        yield where(reshape(less(*x.inputs, *y.inputs), shape=wide), full(wide, -0.0), y)


RULES: tuple[Rule, ...] = (
    Rule(
        "elementwise node of added axes of size 1",
        (),
        _elementwise_of_added_axes,
        _examples,
    ),
)
