"""Accesses: `x[b, 2*i + u, ids[t]]`, the elements of a tensor that a statement reads.

An index that is a position (see `positions.py`) is a view of the tensor. Any other whole number,
an element of a tensor of integers above all, is data: its elements are gathered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from graphc.errors import ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.index_notation.extents import Axis
from graphc.frontend.index_notation.mentions import mentions, require_bound
from graphc.frontend.index_notation.positions import Position, position_of
from graphc.frontend.index_notation.space import Space
from graphc.frontend.index_notation.views import viewed
from graphc.frontend.tensor import Tensor, call
from graphc.ir.ops.gather import gather
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.frontend.index_notation.evaluator import IndexEvaluator

__all__ = ["Access", "accesses_in", "is_access"]


def is_access(node: syntax.Node, names: Sequence[str]) -> bool:
    """Whether an expression is a subscript with an index variable among its indices."""
    return isinstance(node, syntax.Subscript) and any(mentions(one, names) for one in node.indices)


def accesses_in(node: syntax.Node, names: Sequence[str]) -> Iterator[syntax.Subscript]:
    """The accesses in an expression; those in the indices of others too."""
    pending = [node]
    while pending:
        one = pending.pop()
        inner: Sequence[syntax.Node] = list(syntax.children(one))
        if isinstance(one, syntax.Subscript) and is_access(one, names):
            yield one
            inner = one.indices
        pending += reversed(inner)


class Access:
    """One access of a statement.

    Raises:
        SourceError, ShapeError: what is indexed is no tensor, or has another number of axes.
    """

    def __init__(self, node: syntax.Subscript, evaluator: IndexEvaluator) -> None:
        self.node = node
        self.names = evaluator.space.names
        if mentions(node.value, self.names):
            raise not_supported(
                "an index of what depends on an index",
                node.value.span,
                "define the inner tensor by a statement of its own",
            )
        tensor = evaluator.outside.evaluate(node.value)
        if not isinstance(tensor, Tensor):
            raise refused(f"{described(tensor)} is no tensor", "index", node.value.span)
        if len(node.indices) != tensor.ndim:
            raise ShapeError(
                f"{len(node.indices)} indices for {tensor.type}, which has {tensor.ndim} axes",
                code="index",
                span=node.span,
                hint="index notation names every axis",
            )
        self.tensor = tensor
        self.positions = [self._position(index, evaluator) for index in node.indices]

    def _position(self, index: syntax.Expression, evaluator: IndexEvaluator) -> Position | None:
        """Where the index is; None for data and for what mentions no index variable."""
        require_bound(index, self.names, evaluator.scope)
        if not mentions(index, self.names):
            return None
        if isinstance(index, syntax.Slice):
            raise refused(
                "a slice mentions an index", "index", index.span, "slice the tensor: x[1:][i]"
            )
        return position_of(index, self.names, evaluator.outside.evaluate)

    def measure(self, space: Space) -> None:
        """Let the sizes of the axes say how far the indices run.

        Raises:
            ShapeError: they do not agree with others.
        """
        assert isinstance(self.tensor.type, TensorType)
        for number, (index, position) in enumerate(
            zip(self.node.indices, self.positions, strict=True)
        ):
            if position is not None and position.factors:
                space.extents.add(Axis(self.tensor.type, number, self.node, index, position))

    def read(self, evaluator: IndexEvaluator) -> Tensor:
        """The elements, as a tensor of the space.

        Raises:
            SourceError: how far an index runs is not known.
        """
        space = evaluator.space
        for index, position in zip(self.node.indices, self.positions, strict=True):
            for name in position.factors if position is not None else ():
                space.extents.size(name, index.span)
        part, order = self._fixed(evaluator)
        order = self._with_data_of_repeated(order)
        node = part.node
        names: list[str | None] = [None] * len(order)
        # From the last axis to the first, so that new axes do not move those that are left.
        for axis in reversed(range(len(order))):
            _, position = order[axis]
            if position is not None and position.factors:
                node, inner = viewed(node, axis, position, space.extents.sizes)
                names[axis : axis + 1] = inner
        data = [index for index, position in order if position is None or not position.factors]
        part = Tensor(node)
        if data:
            part, found = self._gathered(part, names, data, evaluator)
        else:
            found = [name for name in names if name is not None]
        return space.placed(part, found)

    def _fixed(
        self, evaluator: IndexEvaluator
    ) -> tuple[Tensor, list[tuple[syntax.Expression, Position | None]]]:
        """The tensor at the indices that are the same for all elements, and the other indices."""
        items: list[object] = []
        order: list[tuple[syntax.Expression, Position | None]] = []
        for index, position in zip(self.node.indices, self.positions, strict=True):
            if position is None and not mentions(index, self.names):
                value = evaluator.outside.evaluate(index)
                if isinstance(value, Tensor):
                    # A number of data.
                    items.append(slice(None))
                    order.append((index, None))
                else:
                    items.append(value)
            else:
                items.append(slice(None))
                order.append((index, position))
        if len(order) == self.tensor.ndim:
            return self.tensor, order
        return self.tensor[tuple(items)], order

    def _with_data_of_repeated(
        self, order: list[tuple[syntax.Expression, Position | None]]
    ) -> list[tuple[syntax.Expression, Position | None]]:
        """A diagonal is gathered: where an index occurs again it is data."""
        seen: set[str] = set()
        result: list[tuple[syntax.Expression, Position | None]] = []
        for index, position in order:
            if position is not None and not seen.isdisjoint(position.factors):
                position = None
            seen.update(position.factors if position is not None else ())
            result.append((index, position))
        return result

    def _gathered(
        self,
        part: Tensor,
        names: list[str | None],
        data: list[syntax.Expression],
        evaluator: IndexEvaluator,
    ) -> tuple[Tensor, list[str]]:
        """The tensor with the axes that have no name read at data, and the names of all axes."""
        space = evaluator.space
        numbers = [evaluator.whole_number(one) for one in data]
        over = space.in_order([name for one in data for name in evaluator.indices_of(one)])
        aligned = [name for name in over if name in names]
        rest = [name for name in over if name not in names]
        kept = [name for name in names if name is not None and name not in aligned]
        axes = [axis for axis, name in enumerate(names) if name is None]
        order = [*map(names.index, aligned), *axes, *map(names.index, kept)]
        moved = call("permute_dims", part, *order)
        places = [
            space.restricted(number, [*aligned, *rest], one.span).node
            for number, one in zip(numbers, data, strict=True)
        ]
        batch = len(aligned)
        looked_up = tuple(range(batch, batch + len(axes)))
        found = gather(moved.node, *places, axes=looked_up, batch=batch)
        return Tensor(found), [*aligned, *rest, *kept]
