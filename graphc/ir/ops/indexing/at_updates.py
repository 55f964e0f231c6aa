"""`x.at[items].set(value)` and its like: a tensor in which what an index chooses is new.

A mask of booleans may stand for the index, and be data: the shape of the result does not depend
on it.
"""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import find, surface
from graphc.ir.ops.broadcasting import Operand, broadcast_shapes
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import known_values, number, ones_like
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.indexing.getitem import Item, Selection, as_mask, split
from graphc.ir.ops.indexing.updates_by_axis import combined
from graphc.ir.ops.views import shape as views

__all__ = ["update"]


def update(x: Node, items: Item | tuple[Item, ...], value: Operand, combine: str) -> Node:
    """`x` with a value combined into the elements that `x[items]` reads.

    The value broadcasts to the shape of `x[items]`, and is taken in the dtype of `x`. Several
    values for one element meet in row-major order. What is out of range is dropped.

    Raises:
        ShapeError: the value does not broadcast.
    """
    given = items if isinstance(items, tuple) else (items,)
    mask = as_mask(given[0]) if len(given) == 1 else None
    if mask is not None:
        is_one = not isinstance(value, Node) or len(value.shape) <= len(x.shape) - len(mask.shape)
        if is_one or known_values(mask) is None:
            return _masked(x, mask, value, combine)
    selection, lookup = split(x, items)
    part = selection.read(x)
    if lookup is None:
        return _into(x, selection, _fitted(value, x, part.shape), combine)
    updates = lookup.as_read(_fitted(value, x, lookup.read(part).shape))
    new = combined(part, updates, *lookup.indices, axes=lookup.axes, batch=0, combine=combine)
    return new if part is x else _into(x, selection, new, "set")


def _fitted(value: Operand, x: Node, shape: tuple[DimLike, ...]) -> Node:
    node = cast_to(value, x.dtype) if isinstance(value, Node) else number(value, x.dtype)
    if broadcast_shapes(node.shape, shape) != shape:
        raise ShapeError(f"a value of {node.type} for elements of shape {list(shape)}")
    return node if node.shape == shape else views.broadcast_to(node, shape=shape)


def _met(x: Node, value: Node, combine: str) -> Node:
    if combine == "set":
        return value
    return find(combine)(x, value)


def _masked(x: Node, mask: Node, value: Operand, combine: str) -> Node:
    rank = len(mask.shape)
    if mask.shape != x.shape[:rank]:
        raise ShapeError(
            f"a mask {mask.type} for {x.type}", hint="its axes are the first ones of the tensor"
        )
    node = cast_to(value, x.dtype) if isinstance(value, Node) else number(value, x.dtype)
    if len(node.shape) > len(x.shape) - rank:
        raise ShapeError(
            f"a value of {node.type} for the elements of {x.type} at a mask {mask.type}",
            hint="one value for all places of the mask; where(mask, value, x) takes one for each",
        )
    wide = views.reshape(mask, shape=(*mask.shape, *(1 for _ in x.shape[rank:])))
    spread = views.broadcast_to(wide, shape=x.shape)
    return where(spread, _met(x, _fitted(node, x, x.shape), combine), x)


def _into(x: Node, selection: Selection, value: Node, combine: str) -> Node:
    """A value combined into what a selection reads: a view, and no scatter."""
    if value.shape == x.shape and selection.read(x) is x:
        return _met(x, value, combine)
    flags = ones_like(cast_to(value, dtypes.bool_))
    spread, chosen = (_spread(x, selection, one) for one in (value, flags))
    return where(chosen, _met(x, spread, combine), x)


def _spread(x: Node, selection: Selection, value: Node) -> Node:
    """A value at the places that a selection reads, with zeros elsewhere."""
    like = find("input")(name="like", dtype=value.dtype, shape=x.shape)
    part = selection.read(like)
    chain: list[Node] = []
    while part is not like:
        chain.append(part)
        part = part.inputs[0]
    for node in chain:
        assert node.op.gradient is not None
        (spread,) = node.op.gradient(node, value)
        assert spread is not None
        value = spread
    return value


def _declare(name: str, combine: str, meaning: str) -> None:
    def function(x: Node, items: Item | tuple[Item, ...], value: Operand) -> Node:
        return update(x, items, value, combine)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`x` in which what `x[items]` reads is {meaning}: `x.at[items]` in Python."
    surface(name)(function)


_declare("at_set", "set", "the value")
_declare("at_add", "add", "increased by the value")
_declare("at_multiply", "multiply", "multiplied by the value")
_declare("at_min", "minimum", "the value where that is less")
_declare("at_max", "maximum", "the value where that is greater")
