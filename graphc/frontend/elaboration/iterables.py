"""What loops run over: lists, which are unrolled, and what stays one loop in the graph.

The rows of a tensor and the numbers of a dim stay in the graph, and so does what `zip` and
`enumerate` make of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from graphc.errors import ShapeError
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.ops.creation.sequences import arange
from graphc.ir.record import Record

__all__ = [
    "InGraph",
    "Rounds",
    "Together",
    "backward",
    "enumerated",
    "indices",
    "length_of",
    "zipped",
]


class Rounds(Record):
    """The numbers of the iterations of a loop that stays in the graph, from 0 or down to 0."""

    length: DimLike
    reverse: bool = False


class Together(Record):
    """What a loop in the graph takes at once from several."""

    parts: tuple[InGraph, ...]

    def __repr__(self) -> str:
        return f"<the rows of {' and '.join(map(described, self.tensors()))}>"

    def tensors(self) -> Iterator[Tensor]:
        """The tensors that the loop runs over."""
        for one in self.parts:
            if isinstance(one, Together):
                yield from one.tensors()
            elif isinstance(one, Tensor):
                yield one


InGraph: TypeAlias = Tensor | Rounds | Together


def length_of(over: InGraph) -> DimLike:
    """How many iterations a loop has.

    Raises:
        ShapeError: a tensor has no axes.
    """
    if isinstance(over, Rounds):
        return over.length
    if isinstance(over, Together):
        return length_of(over.parts[0])
    if not over.type.shape:
        raise ShapeError(f"a {over.type} has no rows to loop over")
    return over.type.shape[0]


def zipped(*values: Any) -> list[Any] | Together:
    """The elements of several lists, or the rows of several tensors, beside each other.

    Raises:
        SourceError: lists beside tensors; ShapeError: tensors of different lengths.
    """
    if not any(isinstance(one, InGraph) for one in values):
        return list(zip(*map(_sequence, values), strict=True))
    for one in values:
        if not isinstance(one, InGraph):
            raise refused(
                f"zip of a tensor and {described(one)}: the rows of a tensor stay in the graph, "
                "a list is known while the program is built",
                "not-iterable",
                None,
                "make a tensor of the list, stack(values); or take rows by number, x[i]",
            )
        if not dims.always_equal(length_of(one), length_of(values[0])):
            raise ShapeError(
                f"zip: {described(values[0])} has {length_of(values[0])} rows, {described(one)} "
                f"has {length_of(one)}",
                hint="loop over slices of one length",
            )
    return Together(values)


def enumerated(values: Any, start: Any = 0) -> list[Any] | Together:
    """The elements of a list, or the rows of a tensor, with their numbers from `start` on.

    Raises:
        SourceError: what has no elements, or a start that is no whole number or dim.
    """
    if isinstance(start, bool) or not isinstance(start, int | Dim):
        raise refused(
            f"enumerate: start is {described(start)}, expected a whole number",
            "argument",
            None,
            "what is counted in other steps is computed: for i, row in enumerate(x): y = a + b * i",
        )
    if not isinstance(values, InGraph):
        return [(start + number, one) for number, one in enumerate(_sequence(values))]
    length = length_of(values)
    return Together((Rounds(length) if start == 0 else indices(length, start), values))


def indices(length: DimLike, start: DimLike = 0) -> Tensor:
    """The numbers of the iterations of a loop in the graph."""
    low, high = dims.bounds(start)[0], dims.bounds(start + length)[1]
    dtype = dtypes.i32 if low >= -(2**31) and high < 2**31 else dtypes.i64
    return Tensor(arange(start, start + length, dtype=dtype))


def backward(values: Any) -> list[Any] | Tensor:
    """The elements of a list, or the rows of a tensor, from the end.

    Raises:
        SourceError: what has no elements, or the rows of several tensors.
        ShapeError: a tensor without axes.
    """
    if isinstance(values, Tensor):
        length_of(values)
        rows = values[::-1]
        assert isinstance(rows, Tensor)
        return rows
    return list(reversed(_sequence(values)))


def _sequence(value: Any) -> Any:
    if isinstance(value, tuple | list | range | dict):
        return list(value)
    if isinstance(value, Together):
        raise refused(
            f"{described(value)} are taken from the first on",
            "not-iterable",
            None,
            "turn each tensor: zip(reversed(x), reversed(y))",
        )
    raise refused(f"{described(value)} is nothing to loop over", "not-iterable", None)


zipped.__name__, enumerated.__name__, backward.__name__ = "zip", "enumerate", "reversed"
