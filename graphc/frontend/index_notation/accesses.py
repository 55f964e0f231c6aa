"""Accesses: `x[b, 2*i + u, ids[t]]`, the elements of a tensor that a statement reads.

An index that is a position (see `positions.py`) is a view of the tensor. At any other whole number
the elements are gathered: it is data, an element of a tensor of integers above all, or a formula
of the indices, which is proved to stay inside of the axis (see `formulas.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from graphc.errors import ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.index_notation.extents import Axis
from graphc.frontend.index_notation.formulas import interval_of, is_formula, values_between
from graphc.frontend.index_notation.guards import Fact
from graphc.frontend.index_notation.mentions import mentions, require_bound, text_of
from graphc.frontend.index_notation.positions import Position, fits, position_of
from graphc.frontend.index_notation.space import Space, tensor
from graphc.frontend.index_notation.views import viewed
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dims import DimLike
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.indexing.index_ranges import require_inside
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.frontend.index_notation.evaluator import IndexEvaluator

__all__ = ["Access", "accesses_in", "is_access"]


def is_access(node: syntax.Node, names: Sequence[str]) -> bool:
    """Whether an expression is a subscript with an index variable among its indices."""
    return isinstance(node, syntax.Subscript) and any(mentions(one, names) for one in node.indices)


Facts = tuple[Fact, ...]


def accesses_in(
    node: syntax.Node,
    names: Sequence[str],
    facts_in: Callable[[syntax.Node], Sequence[Facts | None]],
    known: Facts | None = None,
) -> Iterator[tuple[syntax.Subscript | syntax.ListComprehension, Facts | None]]:
    """The accesses in an expression, those in the indices of others too, and what is known there.

    A comprehension is given as a whole: what it reads depends on the item.

    Args:
        node: the expression.
        names: the indices.
        facts_in: what a guard says of each child of a node, None for what it does not guard;
            empty where the node is no guard.
        known: what is known where the expression stands.
    """
    pending: list[tuple[syntax.Node, Facts | None]] = [(node, known)]
    while pending:
        one, facts = pending.pop()
        if isinstance(one, syntax.Subscript) and is_access(one, names):
            yield one, facts
            pending += [(index, facts) for index in reversed(one.indices)]
            continue
        if isinstance(one, syntax.ListComprehension):
            yield one, facts
            continue
        inner = list(syntax.children(one))
        added = facts_in(one) or [None] * len(inner)
        pending += [
            (child, facts if new is None else (*(facts or ()), *new))
            for child, new in reversed(list(zip(inner, added, strict=True)))
        ]


class Access:
    """One access of a statement.

    Args:
        node: the subscript.
        facts: what is known of the indices where the element is taken.
        evaluator: of the statement.

    Raises:
        SourceError, ShapeError: what is indexed is no tensor, or has another number of axes.
    """

    def __init__(
        self, node: syntax.Subscript, facts: Facts | None, evaluator: IndexEvaluator
    ) -> None:
        self.node = node
        self.facts = facts or ()
        self.is_guarded = facts is not None
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
        both = zip(node.indices, self.positions, strict=True)
        self._positioned = {id(index) for index, position in both if position is not None}

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
                space.extents.add(
                    Axis(self.tensor.type, number, self.node, index, position, self.facts)
                )

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
        axes = [axis for axis, name in enumerate(names) if name is None]
        places = [
            self._inside(one, part.shape[axis], evaluator)
            for one, axis in zip(data, axes, strict=True)
        ]
        over = space.in_order([name for one in data for name in evaluator.indices_of(one)])
        aligned = [name for name in over if name in names]
        rest = [name for name in over if name not in names]
        kept = [name for name in names if name is not None and name not in aligned]
        order = [*map(names.index, aligned), *axes, *map(names.index, kept)]
        moved = call("permute_dims", part, *order)
        looked_up = [
            space.restricted(place, [*aligned, *rest], one.span).node
            for place, one in zip(places, data, strict=True)
        ]
        batch = len(aligned)
        if not self.is_guarded:
            for number, (index, one) in enumerate(zip(looked_up, data, strict=True), batch):
                with evaluator.program.sources.at(one.span):
                    require_inside(text_of(one), moved.node, number, index)
        indexed = tuple(range(batch, batch + len(axes)))
        found = gather(moved.node, *looked_up, axes=indexed, batch=batch)
        return Tensor(found), [*aligned, *rest, *kept]

    def _inside(self, index: syntax.Expression, size: DimLike, evaluator: IndexEvaluator) -> Tensor:
        """An index that is data, or a formula that is proved to stay inside of an axis.

        Raises:
            ShapeError: that is not proved.
        """
        number = evaluator.whole_number(index)
        if id(index) in self._positioned:
            last = numbers.tensor_of(size - 1, number.dtype)
            return tensor(call("clip", number, 0, last)) if self.facts else number
        if not mentions(index, self.names) or not is_formula(number.node):
            return number
        reach = interval_of(index, evaluator.space.extents.sizes, evaluator.outside.evaluate)
        if reach is None or not fits(*reach, size):
            reach = values_between(number.node) or reach
        if reach is None or not fits(*reach, size):
            read = f"reads elements {reach[0]} to {reach[1]} of" if reach else "may leave"
            raise ShapeError(
                f"{text_of(index)} {read} an axis of {size}",
                code="index-range",
                span=index.span,
                hint=f"elements are counted from 0: take the remainder by {size}, or keep the "
                f"index inside, clip(..., 0, {size - 1})",
            )
        return number
