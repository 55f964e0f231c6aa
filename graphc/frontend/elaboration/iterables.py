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
from graphc.ir.dims import DimLike
from graphc.ir.record import Record

__all__ = ["InGraph", "Rounds", "Together", "backward", "enumerated", "length_of", "zipped"]


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


def enumerated(values: Any) -> list[Any] | Together:
    """The elements of a list, or the rows of a tensor, with their numbers."""
    if isinstance(values, InGraph):
        return Together((Rounds(length_of(values)), values))
    return list(enumerate(_sequence(values)))


def backward(values: Any) -> list[Any]:
    """The elements of a list from its end."""
    return list(reversed(_sequence(values)))


def _sequence(value: Any) -> Any:
    if isinstance(value, tuple | list | range):
        return value
    is_rows = isinstance(value, InGraph)
    raise refused(
        f"{described(value)} {'is no list' if is_rows else 'is nothing to loop over'}",
        "not-iterable",
        None,
        "the rows from the end are those of x[::-1]" if is_rows else None,
    )


zipped.__name__, enumerated.__name__, backward.__name__ = "zip", "enumerate", "reversed"
