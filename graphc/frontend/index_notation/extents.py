"""How far indices run: as is stated, or as follows from the axes that they are used on.

An index that stands alone on an axis, `x[i]`, runs over that axis; all axes that it stands alone
on agree. It stops earlier where an axis that it is shifted along ends earlier: in
`x[i + 1] - x[i]` before the last element. An index that stands alone nowhere runs as far as every
element that is read exists: in `x[i + u] * w[u]` u runs over w, and i over what is left of x.
Then every access is proved to stay inside of its axis, or to be guarded where it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.errors import ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import refused
from graphc.frontend.index_notation.guards import Fact, is_never_negative
from graphc.frontend.index_notation.mentions import text_of
from graphc.frontend.index_notation.positions import Position, Sizes, added, fits, scaled
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
        facts: what is known of the indices where the element is taken.
    """

    type: TensorType
    number: int
    access: syntax.Expression
    index: syntax.Expression
    position: Position
    facts: Sequence[Fact] = ()

    @property
    def size(self) -> DimLike:
        """How many elements there are."""
        return self.type.shape[self.number]

    @property
    def note(self) -> str:
        """Which axis it is, in words."""
        return f"it is axis {self.number} of {text_of(self.access)}: {self.type}"

    @property
    def _ends(self) -> tuple[Position, Position]:
        """Sums that are not negative where the access has not left the axis below, and above."""
        below = Position(self.position.factors, self.position.offset)
        last = self.position.room(self.size) - 1
        return below, added(Position({}, last), scaled(below, -1))

    def is_guarded(self, sizes: Sizes) -> bool:
        """Whether guards keep the sum inside of the axis, for indices that run so far."""
        return self._has_elements and all(
            is_never_negative(end, self.facts, sizes) for end in self._ends
        )

    def is_free(self, name: str, sizes: Sizes) -> bool:
        """Whether guards let an index run on, to where the sum has left the axis."""
        end = self._ends[self.position.factors[name] > 0]
        return self._has_elements and is_never_negative(end, self.facts, sizes)

    @property
    def _has_elements(self) -> bool:
        """Whether there are guards, and an element to read where they do not hold."""
        return bool(self.facts) and dims.always_less_equal(1, self.size)


class Extents:
    """The sizes of the indices of one statement.

    Args:
        names: the indices.
        stated: how far those run of which it is stated.
    """

    def __init__(self, names: Sequence[str], stated: Sizes) -> None:
        self._names = tuple(names)
        self._stated = stated
        self._sizes: dict[str, DimLike] = dict(stated)
        self._alone: dict[str, Axis] = {}
        self._carried: set[str] = set()
        self._sums: list[Axis] = []

    def add(self, axis: Axis) -> None:
        """Learn from an axis.

        Raises:
            ShapeError: an index stands alone on it, and on an axis of another size.
        """
        name = next(iter(axis.position.factors))
        if not axis.position.is_plain or name in self._stated:
            self._sums.append(axis)
            return
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
        self._carried.add(name)
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
        for name in self._alone:
            if name not in self._carried:
                self._shorten(name)
        while found := {
            name: dims.minimum(*rooms)
            for name in self._names
            if name not in self._sizes and (rooms := list(self._rooms(name, self._sizes)))
        }:
            self._sizes.update(found)
        for axis in self._sums:
            if all(name in self._sizes for name in axis.position.factors):
                self._check(axis)

    def _shorten(self, name: str) -> None:
        """Let an index that stands alone stop where another axis is known to end earlier."""
        for room in self._rooms(name, self._stated):
            if dims.always_less_equal(room, self._sizes[name]):
                self._sizes[name] = room

    def _rooms(self, name: str, known: Sizes) -> Iterator[DimLike]:
        """How far an index may run for each sum with other indices of known sizes alone.

        Raises:
            ShapeError: no place is left for it.
        """
        for axis in self._sums:
            position = axis.position
            others = position.factors.keys() - {name}
            if name not in position.factors or position.modulus != 0 or others - known.keys():
                continue
            if axis.is_free(name, self._sizes):
                continue
            room = position.largest_size(name, known, axis.size)
            if not dims.always_less_equal(1 if others else 0, room):
                raise ShapeError(
                    f"{text_of(axis.index)} has no place in an axis of {axis.size}: the index "
                    f"{name!r} would have {room} values",
                    code="index-range",
                    span=axis.index.span,
                    hint="pad the axis, or let the dim's range begin at what is read of it",
                ).note(axis.note)
            yield room

    def _check(self, axis: Axis) -> None:
        position = axis.position
        low, high = position.bounds(self._sizes)
        if position.modulus != 0:
            low, high = 0, position.modulus - 1
        self._require_windows(axis)
        # A condition guards what it compares, which is no remainder.
        is_guarded = position.modulus == 0 and axis.is_guarded(self._sizes)
        if fits(low, high, position.room(axis.size)) or is_guarded:
            return
        first, last = low // position.divisor, high // position.divisor
        raise ShapeError(
            f"{text_of(axis.index)} reads elements {first} to {last} of an axis of {axis.size}",
            code="index-range",
            span=axis.index.span,
            hint=f"elements are counted from 0: {self._instead(axis, low)}",
        ).note(axis.note)

    def _require_windows(self, axis: Axis) -> None:
        """Refuse a window that may have no element."""
        for name in axis.position.factors:
            size = self._sizes[name]
            if len(axis.position.factors) > 1 and not dims.always_less_equal(1, size):
                raise ShapeError(
                    f"{text_of(axis.index)} is a window, and its index {name!r} runs over {size}, "
                    "which may be 0",
                    code="index-range",
                    span=axis.index.span,
                    hint="let the dim's range begin at 1",
                ).note(axis.note)

    def _instead(self, axis: Axis, low: DimLike) -> str:
        """What to do about an access that leaves its axis."""
        position, index = axis.position, text_of(axis.index)
        if position.modulus != 0:
            return f"take the remainder by {axis.size}, or pad the axis"
        if axis.facts and not dims.always_less_equal(1, axis.size):
            return "pad the axis, or let the dim's range begin at 1: without elements none is read"
        guard = "pad the axis, or guard the element, where({}, ..., 0)"
        if not dims.always_less_equal(0, low):
            return f"shift all indices, {guard.format(f'{index} >= 0')}"
        guard = guard.format(f"{index} < {axis.size}")
        for name, factor in position.factors.items():
            room = position.largest_size(name, self._sizes, axis.size)
            if factor > 0 and dims.always_less_equal(0, room):
                return f"state where {name!r} ends, {name}: {room}, {guard}"
        return guard

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
                f"state it where the index is introduced, {name}: 8, or use it as the index of "
                "an axis",
            )
        return self._sizes[name]
