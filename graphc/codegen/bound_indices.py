"""Names of the indices that data decides, in a finished kernel: `_at0`, `_at1`, ... in order.

While expressions are built such a variable is named after its value (see `ir/expr.py`). In a
kernel it is numbered, so that kernels that compute alike are equal, whatever they were built
from, and their text can be read. Statements have variables of their own, since what one stores
may change what the next one reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Expr, WithIndex, substitute, walk
from graphc.ir.kernel import (
    Block,
    Call,
    Fold,
    If,
    Let,
    Loop,
    ReadIndex,
    Statement,
    Store,
    expressions,
)

__all__ = ["numbered"]


def numbered(block: Block, numbers: Iterator[int] | None = None) -> Block:
    """The block with the indices that data decides numbered."""
    numbers = itertools.count() if numbers is None else numbers
    done: list[Statement] = []
    for statement in block:
        names: dict[str, DimLike] = {}
        for expr in walk(*expressions(statement)):
            if isinstance(expr, WithIndex):
                (name,) = dims.variables(expr.variable)
                if name not in names:
                    last = dims.bounds(expr.variable)[1]
                    names[name] = dims.variable(f"_at{next(numbers)}", 0, last)
        if names:
            statement = _mapped(statement, _renaming(names))
        if isinstance(statement, Loop | If):
            statement = replace(statement, body=numbered(statement.body, numbers))
        done.append(statement)
    return tuple(done)


def _renaming(names: Mapping[str, DimLike]) -> Callable[[Expr], Expr]:
    return lambda expr: substitute(expr, names)


def _mapped(statement: Statement, change: Callable[[Expr], Expr]) -> Statement:
    """The statement with its own expressions changed."""
    match statement:
        case Let(_, value) | ReadIndex(_, value) | Store(_, _, value):
            return replace(statement, value=change(value))
        case If(condition, _):
            return replace(statement, condition=change(condition))
        case Fold(_, terms):
            changed = tuple(replace(term, value=change(term.value)) for term in terms)
            return replace(statement, terms=changed)
        case Call(_, arguments):
            return replace(
                statement,
                arguments=tuple(change(a) if isinstance(a, Expr) else a for a in arguments),
            )
    return statement
