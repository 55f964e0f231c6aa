"""What every node of the syntax tree is."""

from __future__ import annotations

from dataclasses import field

from graphc.errors import Span
from graphc.ir.record import Record

__all__ = [
    "Expression",
    "Node",
    "Statement",
    "Type",
]


_UNKNOWN = Span("<unknown>", 1, 1, 1, 1)


class Node(Record):
    """Anything with a place in the source, which is no part of what it is equal to."""

    span: Span = field(default=_UNKNOWN, compare=False, repr=False, kw_only=True)


class Expression(Node):
    """Something with a value."""


class Type(Node):
    """The annotation of a parameter, a result or a name."""


class Statement(Node):
    """One line, or a header with its block."""
