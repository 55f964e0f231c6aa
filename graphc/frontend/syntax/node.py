"""What every node of the syntax tree is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from graphc.errors import Span

__all__ = [
    "Expression",
    "Node",
    "Statement",
    "Type",
]


_UNKNOWN = Span("<unknown>", 1, 1, 1, 1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """Anything with a place in the source.

    Equality, hash and text are here once: generating them for each of the many kinds of nodes
    would be a good part of the time that the package takes to start.
    """

    span: Span = field(default=_UNKNOWN, compare=False, repr=False, kw_only=True)

    def _compared(self) -> tuple[object, ...]:
        return tuple(getattr(self, item.name) for item in fields(self) if item.compare)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Node)
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), self._compared()))

    def __repr__(self) -> str:
        shown = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__name__}({', '.join(shown)})"


class Expression(Node):
    """Something with a value."""

    __slots__ = ()


class Type(Node):
    """The annotation of a parameter, a result or a name."""

    __slots__ = ()


class Statement(Node):
    """One line, or a header with its block."""

    __slots__ = ()
