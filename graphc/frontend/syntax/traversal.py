"""Walks over the syntax tree, and the bounds within which they may recurse."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from graphc.errors import Span
from graphc.frontend.syntax.expressions import Binary, Name, Tuple
from graphc.frontend.syntax.node import Expression, Node, Statement
from graphc.frontend.syntax.statements import (
    Assign,
    AugmentedAssign,
    For,
    If,
    IndexAssign,
    While,
)

__all__ = [
    "MAX_BLOCK_DEPTH",
    "MAX_EXPRESSION_DEPTH",
    "MAX_POSTFIX_LENGTH",
    "assigned",
    "children",
    "target_names",
]

MAX_EXPRESSION_DEPTH = 100
"""Expressions inside of each other; the operands of a chain, `a + b - c`, are equally deep."""
MAX_POSTFIX_LENGTH = 1000
"""Members, calls and elements behind each other, as in `x.relu().sum()`."""
MAX_BLOCK_DEPTH = 32
"""Blocks inside of each other; those of an `if` and its `elif`s are equally deep."""


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below a node, in the order of their fields.

    Those of an operation are the operands of its whole chain, however long it is.

    >>> from graphc.frontend.syntax import Unary
    >>> list(children(Unary("-", Name("x"))))
    [Name(id='x')]
    >>> x = Name("x")
    >>> list(children(Binary(Binary(x, "+", Name("y")), "-", x)))
    [Name(id='x'), Name(id='y'), Name(id='x')]
    """
    if isinstance(node, Binary):
        first, links = node.chain()
        yield first
        yield from (link.right for link in links)
        return
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (child for child in value if isinstance(child, Node))


def assigned(body: Sequence[Statement]) -> Iterator[tuple[str, Span]]:
    """The names that statements assign, with the place of each assignment."""
    for statement in body:
        match statement:
            case Assign():
                yield from ((name, statement.span) for name in target_names(statement.target))
            case AugmentedAssign() | IndexAssign():
                yield statement.name, statement.span
            case For():
                yield from ((name, statement.span) for name in target_names(statement.target))
                yield from assigned(statement.body)
            case While():
                yield from assigned(statement.body)
            case If():
                links, orelse = statement.chain()
                for one in links:
                    yield from assigned(one.body)
                yield from assigned(orelse)


def target_names(target: Expression) -> Iterator[str]:
    """The names that a target binds, of an assignment or a loop.

    >>> list(target_names(Tuple((Name("i"), Tuple((Name("a"), Name("b")))))))
    ['i', 'a', 'b']
    """
    if isinstance(target, Name):
        yield target.id
    elif isinstance(target, Tuple):
        for one in target.elements:
            yield from target_names(one)
