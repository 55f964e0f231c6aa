"""Guards: what the condition of a `where` says of the indices in each of its branches.

In `where(i > 0, x[i - 1], 0)` the sum `i - 1` is not negative where the element of x is taken, so
the access needs no element before the first. What it reads elsewhere nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any, TypeGuard

from graphc.frontend import syntax
from graphc.frontend.index_notation.positions import Position, Sizes, added, scaled, sum_of
from graphc.ir import dims
from graphc.ir.record import Record

__all__ = ["Fact", "facts_of", "is_guard", "is_never_negative"]

MAX_FACTS = 8
"""So many facts are tried in every combination, and no more."""

_OPPOSITE = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "is": "is not",
    "is not": "is",
}
_JOINED = {True: "&", False: "|"}


class Fact(Record):
    """That a sum of indices is not negative or, if `is_nonzero`, that it is not 0."""

    sum: Position
    is_nonzero: bool = False

    def at_least_zero(self, sizes: Sizes) -> Position | None:
        """A sum that is not negative, as the fact says, for indices of these sizes."""
        if not self.is_nonzero:
            return self.sum
        for one in (self.sum, scaled(self.sum, -1)):
            least = one.least(sizes)
            if least is not None and dims.always_less_equal(0, least):
                return added(one, Position({}, -1))
        return None


def is_guard(node: syntax.Node) -> TypeGuard[syntax.Call]:
    """Whether an expression is written as `where(condition, a, b)`."""
    return (
        isinstance(node, syntax.Call)
        and node.function == syntax.Name("where")
        and len(node.args) == 3
        and not node.keywords
    )


def facts_of(
    condition: syntax.Expression,
    holds: bool,
    names: Collection[str],
    evaluate: Callable[[syntax.Expression], Any],
) -> tuple[Fact, ...]:
    """What follows for indices where a condition holds, or where it does not.

    Args:
        condition: comparisons, joined by `&`, `|` and `~`; others say nothing.
        holds: whether it does.
        names: the indices.
        evaluate: the value of a part that mentions no index.
    """
    match condition:
        case syntax.Unary("~", operand):
            return facts_of(operand, not holds, names, evaluate)
        case syntax.Binary() if condition.operator == _JOINED[holds]:
            first, links = condition.chain()
            parts = [first, *(link.right for link in links)]
            return tuple(fact for one in parts for fact in facts_of(one, holds, names, evaluate))
        case syntax.Compare(left, operators, comparators) if holds or len(operators) == 1:
            sums = [_sum_of(one, names, evaluate) for one in (left, *comparators)]
            symbols = operators if holds else [_OPPOSITE[one] for one in operators]
            return tuple(
                fact
                for symbol, (a, b) in zip(symbols, pairwise(sums), strict=True)
                if a is not None and b is not None
                for fact in _compared(a, symbol, b)
            )
    return ()


def _sum_of(
    node: syntax.Expression,
    names: Collection[str],
    evaluate: Callable[[syntax.Expression], Any],
) -> Position | None:
    """The sum that an expression is. Calls are evaluated once, where they stand: they may draw."""
    pending: list[syntax.Node] = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Call):
            return None
        pending += syntax.children(one)
    return sum_of(node, names, evaluate)


def _compared(a: Position, symbol: str, b: Position) -> list[Fact]:
    """What `a symbol b` says."""
    rest = added(a, scaled(b, -1))
    if not rest.factors:
        return []
    if symbol == "!=":
        return [Fact(rest, is_nonzero=True)]
    found = []
    if symbol in (">", ">=", "=="):
        found.append(Fact(added(rest, Position({}, -1)) if symbol == ">" else rest))
    if symbol in ("<", "<=", "=="):
        rest = scaled(rest, -1)
        found.append(Fact(added(rest, Position({}, -1)) if symbol == "<" else rest))
    return found


def is_never_negative(value: Position, facts: Sequence[Fact], sizes: Sizes) -> bool:
    """Whether a sum is proved not to be negative: facts are taken from it, and the rest is not.

    Args:
        value: the sum.
        facts: what holds.
        sizes: how many values the indices take, as far as it is known.
    """
    least = value.least(sizes)
    if least is not None and dims.always_less_equal(0, least):
        return True
    facts = facts[:MAX_FACTS]
    for number, fact in enumerate(facts):
        known = fact.at_least_zero(sizes)
        times = 0 if known is None else _times(known, value)
        if known is not None and times:
            rest = added(value, scaled(known, -times))
            if is_never_negative(rest, facts[number + 1 :], sizes):
                return True
    return False


def _times(known: Position, value: Position) -> int:
    """How many times a sum may be taken from another, so that an index of both is left out."""
    both = [name for name in known.factors if known.factors[name] * value.factors.get(name, 0) > 0]
    return max((value.factors[name] // known.factors[name] for name in both), default=0)
