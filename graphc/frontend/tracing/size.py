"""`x.size` of a tensor: the number of its elements, and PyTorch's method that gives its shape."""

from __future__ import annotations

from typing import Any

from graphc.errors import OutOfRangeError
from graphc.frontend.tracing.location import at_python_line
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike

__all__ = ["NumericSize", "SymbolicSize", "size_of"]

Shape = tuple[DimLike, ...]


class NumericSize(int):
    """A number of elements that is known; called, it gives the shape, or the size of an axis.

    >>> size_of((2, 3)) + 1, size_of((2, 3))(), size_of((2, 3))(-1)
    (7, (2, 3), 3)
    """

    shape: Shape

    @property
    def plain(self) -> int:
        """The number alone."""
        return int(self)

    def __call__(self, axis: int | None = None, *, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return _of_axis(self.shape, axis, dim)


class SymbolicSize(Dim):
    """A number of elements that is a dim, with which it compares equal; else `NumericSize`.

    >>> N = dims.variable("N", 1, 64)
    >>> size_of((N, 3)) + 1, size_of((N, 3))(), size_of((N, 3)) == N * 3
    (N*3 + 1, (N, 3), True)
    """

    __slots__ = ("plain", "shape")

    plain: Dim
    """The one object that is this dim."""
    shape: Shape

    def __call__(self, axis: int | None = None, *, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return _of_axis(self.shape, axis, dim)

    def __eq__(self, other: object) -> bool:
        return self.plain is (other.plain if isinstance(other, SymbolicSize) else other)

    def __hash__(self) -> int:
        return hash(self.plain)

    def __pos__(self) -> Dim:
        return self.plain


def _of_axis(shape: Shape, axis: int | None, dim: int | None) -> Any:
    place = dim if axis is None else axis
    if place is None:
        return shape
    if not -len(shape) <= place < len(shape):
        with at_python_line():
            raise OutOfRangeError(
                f"size: there is no axis {place} in a tensor of {len(shape)} axes",
                code="axis",
                hint=f"axes are {-len(shape)} to {len(shape) - 1}",
            )
    return shape[place]


def size_of(shape: Shape) -> NumericSize | SymbolicSize:
    """The number of elements of a tensor of that shape."""
    count = dims.product(shape)
    if not isinstance(count, Dim):
        number = NumericSize(count)
        number.shape = shape
        return number
    size = object.__new__(SymbolicSize)
    facts = {name: getattr(count, name) for name in Dim.__slots__ if name != "__weakref__"}
    for name, fact in {**facts, "plain": count, "shape": shape}.items():
        object.__setattr__(size, name, fact)
    return size
