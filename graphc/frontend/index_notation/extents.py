"""How far indices run: said by the axes that they are used on, or by what stays inside of them.

An index that stands alone on an axis, `x[i]`, runs over that axis exactly; all axes that it
stands alone on agree. An index that stands alone nowhere runs as far as every element that is
read exists: in `x[i + u] * w[u]` u runs over w, and i over what is left of x. Then every access
is proved to stay inside of its axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.errors import ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import refused
from graphc.frontend.index_notation.mentions import text_of
from graphc.frontend.index_notation.positions import Position, fits
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.record import Record
from graphc.ir.types import TensorType

__all__ = ["Axis", "Extents"]


class Axis(Record):
    """An axis of an access, with the expression that stands as its index.

    Attributes:
        type: of the tensor that is read.
        number: which axis of the tensor it is.
        access: the tensor with all its indices, as they are written.
        index: the expression.
        position: what it means.
    """

    type: TensorType
    number: int
    access: syntax.Expression
    index: syntax.Expression
    position: Position

    @property
    def size(self) -> DimLike:
        """How many elements there are."""
        return self.type.shape[self.number]

    @property
    def note(self) -> str:
        """Which axis it is, in words."""
        return f"it is axis {self.number} of {text_of(self.access)}: {self.type}"


class Extents:
    """The sizes of the indices of one statement."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._sizes: dict[str, DimLike] = {}
        self._alone: dict[str, Axis] = {}
        self._sums: list[Axis] = []

    def add(self, axis: Axis) -> None:
        """Learn from an axis.

        Raises:
            ShapeError: an index stands alone on it, and on an axis of another size.
        """
        if not axis.position.is_plain:
            self._sums.append(axis)
            return
        (name,) = axis.position.factors
        known = self._alone.setdefault(name, axis)
        if not dims.always_equal(known.size, axis.size):
            raise (
                ShapeError(
                    f"the index {name!r} runs over {known.size} and over {axis.size}",
                    span=axis.index.span,
                    hint="give one of them another index, or slice the longer axis",
                )
                .note(known.note)
                .note(axis.note)
            )
        self._sizes[name] = axis.size

    def carry(self, name: str, size: DimLike, span: Span) -> None:
        """Learn from an axis that carries the name of an index.

        Raises:
            ShapeError: the index has another size.
        """
        known = self._sizes.setdefault(name, size)
        if not dims.always_equal(known, size):
            raise ShapeError(
                f"the index {name!r} runs over {known} and over {size}",
                span=span,
                hint="give one of them another index",
            )

    def solve(self) -> None:
        """Find the sizes that sums determine, and prove that every access stays inside.

        Raises:
            ShapeError: one does not.
        """
        while name := next(self._determined(), None):
            self._sizes[name] = self._largest(name)
        for axis in self._sums:
            if all(name in self._sizes for name in axis.position.factors):
                self._check(axis)

    def _determined(self) -> Iterator[str]:
        """Indices that a sum limits whose other indices are known."""
        for name in self._names:
            if name not in self._sizes and any(self._limits(name)):
                yield name

    def _limits(self, name: str) -> Iterator[Axis]:
        for axis in self._sums:
            factors = axis.position.factors
            others = (one for one in factors if one != name)
            if (
                name in factors
                and not axis.position.modulus
                and all(o in self._sizes for o in others)
            ):
                yield axis

    def _largest(self, name: str) -> DimLike:
        size: DimLike | None = None
        for axis in self._limits(name):
            room = axis.position.largest_size(name, self._sizes, axis.size)
            size = room if size is None else dims.minimum(size, room)
            if not dims.always_less_equal(1, room):
                raise ShapeError(
                    f"{text_of(axis.index)} has no place in an axis of {axis.size}: the index "
                    f"{name!r} would have {room} values",
                    code="index-range",
                    span=axis.index.span,
                    hint="pad the axis, or let the dim's range begin at what is read of it",
                ).note(axis.note)
        assert size is not None
        return size

    def _check(self, axis: Axis) -> None:
        position = axis.position
        low, high = position.bounds(self._sizes)
        if position.modulus:
            if dims.always_less_equal(position.modulus, axis.size):
                return
            low, high = 0, position.modulus - 1
        if not fits(low, high, position.room(axis.size)):
            first, last = low // position.divisor, high // position.divisor
            raise ShapeError(
                f"{text_of(axis.index)} reads elements {first} to {last} of an axis of {axis.size}",
                code="index-range",
                span=axis.index.span,
                hint="elements are counted from 0; pad the axis where something else is read "
                "outside, or slice the tensor whose axis the index runs over",
            ).note(axis.note)

    @property
    def sizes(self) -> Mapping[str, DimLike]:
        """The sizes that are known."""
        return self._sizes

    def size(self, name: str, span: Span) -> DimLike:
        """How many values an index has.

        Raises:
            SourceError: no axis says.
        """
        if name not in self._sizes:
            raise refused(
                f"how far the index {name!r} runs is not known",
                "index-extent",
                span,
                "use it as the index of an axis",
            )
        return self._sizes[name]
