"""The place along an axis that an index expression names: `2*i + u - 1`, `i // 2`, `T - 1 - i`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from graphc.frontend import syntax
from graphc.frontend.index_notation.mentions import mentions
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.record import Record

__all__ = ["Position", "Sizes", "added", "constant_of", "fits", "position_of", "scaled", "sum_of"]

Sizes = Mapping[str, DimLike]


class Position(Record):
    """A sum of indices with whole factors, `offset + sum(factor * index)`, and what follows it.

    Attributes:
        factors: by index, none of them 0.
        offset: what is added.
        divisor: the sum is divided by this, rounded down.
        modulus: of the sum the remainder is taken; 0 where it is not. One of both at most.
    """

    factors: Mapping[str, int]
    offset: DimLike = 0
    divisor: DimLike = 1
    modulus: DimLike = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is an index alone."""
        values = (list(self.factors.values()), self.offset, self.divisor, self.modulus)
        return values == ([1], 0, 1, 0)

    def room(self, size: DimLike) -> DimLike:
        """The size of the axis that the sum itself runs along, for an axis of `size`."""
        return size * self.divisor

    def bounds(self, sizes: Sizes) -> tuple[DimLike, DimLike]:
        """The smallest and the largest sum, for indices that take every value below their size."""
        low = high = self.offset
        for name, factor in self.factors.items():
            reach = factor * (sizes[name] - 1)
            low, high = (low + reach, high) if factor < 0 else (low, high + reach)
        return low, high

    def least(self, sizes: Sizes) -> DimLike | None:
        """The smallest sum; None where the index that it falls with has no known size."""
        falling = {name: factor for name, factor in self.factors.items() if factor < 0}
        if not all(name in sizes for name in falling):
            return None
        return Position(falling, self.offset).bounds(sizes)[0]

    def wrapped(self, sizes: Sizes) -> tuple[Position, DimLike]:
        """The position among repetitions of the first `modulus` elements, and how many it needs."""
        low, high = self.bounds(sizes)
        period, start = self.modulus, low % self.modulus
        stop = start + high + 1 - low
        times = dims.ceil_div(stop, period)
        if not dims.always_less_equal(stop, times * period):
            times = 1 + dims.ceil_div(high - low, period)
        return replace(self, offset=self.offset + start - low), times

    def largest_size(self, name: str, sizes: Sizes, axis: DimLike) -> DimLike:
        """How many values an index may take so that no sum leaves the axis, given the others.

        What it may take at least is left to a check of the bounds.
        """
        others = Position({n: f for n, f in self.factors.items() if n != name}, self.offset)
        low, high = others.bounds(sizes)
        factor = self.factors[name]
        if factor > 0:
            return (self.room(axis) - 1 - high) // factor + 1
        return low // -factor + 1


def position_of(
    node: syntax.Expression,
    names: Collection[str],
    evaluate: Callable[[syntax.Expression], Any],
) -> Position | None:
    """The position that an index expression is, or None if it is another function of the indices.

    Args:
        node: the expression.
        names: the indices.
        evaluate: the value of a part that mentions no index.
    """
    if isinstance(node, syntax.Binary) and node.operator in ("//", "%"):
        inner, by = sum_of(node.left, names, evaluate), constant_of(node.right, names, evaluate)
        if inner is None or by is None or not dims.always_less_equal(1, by):
            return None
        if node.operator == "//":
            return Position(inner.factors, inner.offset, divisor=by)
        return Position(inner.factors, inner.offset, modulus=by)
    return sum_of(node, names, evaluate)


def constant_of(
    node: syntax.Expression,
    names: Collection[str],
    evaluate: Callable[[syntax.Expression], Any],
) -> DimLike | None:
    """The whole number that is the same for all elements; None for any other expression."""
    if mentions(node, names):
        return None
    value = evaluate(node)
    if isinstance(value, bool) or not isinstance(value, int | Dim):
        return None
    constant: DimLike = value
    return constant


def sum_of(
    node: syntax.Expression,
    names: Collection[str],
    evaluate: Callable[[syntax.Expression], Any],
) -> Position | None:
    """The sum of indices that an expression is; None if it is another function of them."""
    if isinstance(node, syntax.Name) and node.id in names:
        return Position({node.id: 1})
    if not mentions(node, names):
        constant = constant_of(node, names, evaluate)
        return None if constant is None else Position({}, constant)
    match node:
        case syntax.Unary("-", operand):
            inner = sum_of(operand, names, evaluate)
            return None if inner is None else scaled(inner, -1)
        case syntax.Binary(left, "+" | "-" as sign, right):
            a, b = sum_of(left, names, evaluate), sum_of(right, names, evaluate)
            if a is None or b is None:
                return None
            return added(a, scaled(b, 1 if sign == "+" else -1))
        case syntax.Binary(left, "*", right):
            a, b = sum_of(left, names, evaluate), sum_of(right, names, evaluate)
            if a is None or b is None or (a.factors and b.factors):
                return None
            inner, factor = (a, b.offset) if a.factors else (b, a.offset)
            if not inner.factors:
                return Position({}, inner.offset * factor)
            return scaled(inner, factor) if isinstance(factor, int) else None
    return None


def scaled(position: Position, factor: int) -> Position:
    """A sum, a whole number of times."""
    if not factor:
        return Position({})
    scaled = {name: one * factor for name, one in position.factors.items()}
    return Position(scaled, position.offset * factor)


def added(a: Position, b: Position) -> Position:
    """The sum of two sums."""
    factors = dict(a.factors)
    for name, factor in b.factors.items():
        factors[name] = factors.get(name, 0) + factor
    return Position({name: one for name, one in factors.items() if one}, a.offset + b.offset)


def fits(low: DimLike, high: DimLike, size: DimLike) -> bool:
    """Whether everything from `low` to `high` is proved to be a place of an axis."""
    return dims.always_less_equal(0, low) and dims.always_less_equal(high + 1, size)
