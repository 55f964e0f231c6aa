"""What every node of the syntax tree is."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.errors import Span

__all__ = [
    "Expression",
    "Node",
    "Statement",
    "Type",
]


_UNKNOWN = Span("<unknown>", 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Node:
    """Anything with a place in the source."""

    span: Span = field(default=_UNKNOWN, compare=False, repr=False, kw_only=True)


class Expression(Node):
    """Something with a value."""

    __slots__ = ()


class Type(Node):
    """The annotation of a parameter, a result or a name."""

    __slots__ = ()


class Statement(Node):
    """One line, or a header with its block."""

    __slots__ = ()
