"""The space of a statement: one axis for each of its indices, which every tensor is brought into.

A tensor of the space has size 1 along the indices that it does not depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.errors import Span
from graphc.frontend.elaboration import numbers
from graphc.frontend.index_notation.extents import Extents
from graphc.frontend.index_notation.positions import Sizes
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dtype import DType
from graphc.ir.ops.creation.constants import iota

__all__ = ["Space"]


class Space:
    """The indices of one statement, each of which is an axis.

    Args:
        names: the indices, in the order of their axes.
        carried: tensors that are known by name and whose axes have the names of indices.
        stated: how far those indices run of which it is stated.
    """

    def __init__(
        self, names: Sequence[str], carried: Mapping[str, Sequence[str]], stated: Sizes
    ) -> None:
        self.names = tuple(names)
        self.carried = carried
        self.extents = Extents(names, stated)

    def placed(self, part: Tensor, order: Sequence[str]) -> Tensor:
        """A tensor whose axes are the indices `order`, with the axes of the space."""
        kept = self.in_order(order)
        axes = tuple(order.index(name) for name in kept)
        moved = part if axes == tuple(range(len(axes))) else call("permute_dims", part, *axes)
        sizes = {name: moved.shape[axis] for axis, name in enumerate(kept)}
        shape = tuple(sizes.get(name, 1) for name in self.names)
        return moved if shape == moved.shape else tensor(call("reshape", moved, shape))

    def in_order(self, names: Iterator[str] | Sequence[str]) -> list[str]:
        """Some of the indices, in the order of the space."""
        given = set(names)
        return [name for name in self.names if name in given]

    def axes(self, names: Sequence[str]) -> tuple[int, ...]:
        """The axes of some of the indices."""
        return tuple(self.names.index(name) for name in names)

    def counter(self, name: str, span: Span) -> numbers.Formula:
        """An index as a number."""
        size = self.extents.size(name, span)

        def build(dtype: DType) -> Tensor:
            return self.placed(Tensor(iota(shape=(size,), axis=0, dtype=dtype)), [name])

        return numbers.Formula(build, True, name)

    def spread(self, value: Tensor, names: Sequence[str], span: Span) -> Tensor:
        """The value repeated over indices that it does not depend on."""
        shape = list(value.shape)
        for name in names:
            shape[self.names.index(name)] = self.extents.size(name, span)
        if tuple(shape) == value.shape:
            return value
        return tensor(call("broadcast_to", value, tuple(shape)))

    def reduced(self, operator: str, value: Tensor, names: Sequence[str], span: Span) -> Tensor:
        """The value folded over indices; their axes stay, of size 1."""
        spread = self.spread(value, names, span)
        return tensor(call(operator, spread, self.axes(names), keepdims=True))

    def restricted(self, value: Tensor, names: Sequence[str], span: Span) -> Tensor:
        """The value with the axes of `names` alone, in this order; the others are of size 1."""
        spread = self.spread(value, names, span)
        kept = self.in_order(names)
        shape = tuple(spread.shape[axis] for axis in self.axes(kept))
        part = spread if shape == spread.shape else tensor(call("reshape", spread, shape))
        order = tuple(kept.index(name) for name in names)
        return (
            part
            if order == tuple(range(len(order)))
            else tensor(call("permute_dims", part, *order))
        )


def tensor(value: object) -> Tensor:
    """What a function of the registry returned, which is one tensor."""
    assert isinstance(value, Tensor)
    return value
