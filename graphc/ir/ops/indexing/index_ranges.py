"""Indices that are known to be out of range while the graph is built.

Numbers, counters such as `arange` and the number of an iteration, and what is computed of these
have known values. Where such an index leaves its axis for certain, at some sizes in the ranges of
the dims, it is refused like a number. All else is data.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from graphc.errors import OutOfRangeError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Op
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import constant, iota, known_values
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    floor_divide,
    maximum,
    minimum,
    multiply,
    negative,
    remainder,
    subtract,
)
from graphc.ir.ops.views.shape import broadcast_to, flip, permute_dims, reshape
from graphc.ir.record import Record

__all__ = ["require_inside", "rows_of"]

MAX_DEPTH = 24
"""What is computed by more steps than these is data."""


class Range(Record):
    """Where the values of a tensor lie.

    Attributes:
        low, high: the ends.
        counters: what the values follow, each of which takes all its values with each of the
            others; None where it is not known that the ends are among the values.
    """

    low: DimLike
    high: DimLike
    counters: frozenset[Node] | None

    def within(self, low: DimLike, high: DimLike) -> bool:
        """Whether all values lie between two."""
        return dims.always_less_equal(low, self.low) and dims.always_less_equal(self.high, high)


Rows = MutableMapping[Node, Node]

_rows: ContextVar[Rows | None] = ContextVar("graphc_rows", default=None)


@contextmanager
def rows_of(rows: Rows | None) -> Iterator[None]:
    """Say inside what tensor the variables of a loop are rows of; None where it need not run."""
    around = _rows.get()
    token = _rows.set(rows if rows is None or around is None else ChainMap(rows, around))
    try:
        yield
    finally:
        _rows.reset(token)


def require_inside(name: str, x: Node, axis: int, index: Node) -> None:
    """Refuse an index that reads or writes beyond an axis for certain.

    Raises:
        OutOfRangeError: it does.
    """
    if not index.dtype.is_integer:
        return
    found = _range(index, {})
    size = x.shape[axis]
    if found.within(-size, size - 1) or index.tensor.size == 0:
        return
    # Data leaves an empty axis whatever it is: functions with a bound read 0 there.
    is_beyond = not dims.always_less_equal(size, 0) and (
        dims.always_less_equal(size, found.low) or dims.always_less_equal(found.high, -size - 1)
    )
    if found.counters is None and not is_beyond:
        return
    error = OutOfRangeError(
        f"{name}: indices from {found.low} to {found.high} leave axis {axis} of {x.type}",
        code="index",
        hint=f"axis {axis} has {size} elements, counted from 0, or from -1 at its end; "
        f"clip(i, 0, {size - 1}) keeps an index inside",
    )
    error.axis = axis
    raise error


# -- ranges ---------------------------------------------------------------------------------------


def _range(node: Node, known: dict[Node, Range], depth: int = 0) -> Range:
    """Where the values of a tensor of integers lie."""
    if node not in known:
        low, high = int(node.dtype.minimum_value), int(node.dtype.maximum_value)
        found = None if depth == MAX_DEPTH else _followed(node, known, depth + 1)
        is_held = found is not None and found.within(low, high)
        known[node] = found if found is not None and is_held else Range(low, high, None)
    return known[node]


def _followed(node: Node, known: dict[Node, Range], depth: int) -> Range | None:
    """Where the values lie that are computed of counters and numbers; None for data."""
    values, rows = known_values(node), _rows.get() or {}
    if values is not None:
        table = frozenset((node,))
        return Range(int(values.min()), int(values.max()), table) if values.size else None
    if node.op is constant:
        return Range(node["value"], node["value"], frozenset())
    if node.op is iota:
        return Range(0, node.shape[node["axis"]] - 1, frozenset((node,)))
    if node in rows:
        found = _range(rows[node], known, depth)
        return replace(found, counters=found.counters and frozenset((node,)))
    rule = _RULES.get(node.op)
    if rule is None or not all(one.dtype.is_integer for one in node.inputs):
        return None
    return rule(*(_range(one, known, depth) for one in node.inputs))


def _shared(a: Range, b: Range) -> frozenset[Node] | None:
    """What both follow, where the values of one come with all values of the other."""
    if a.counters is None or b.counters is None or not a.counters.isdisjoint(b.counters):
        return None
    return a.counters | b.counters


def _product(a: Range, b: Range) -> Range:
    ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Range(dims.minimum(*ends), dims.maximum(*ends), _shared(a, b))


def _quotient(a: Range, b: Range) -> Range | None:
    if b.low != b.high or not dims.always_less_equal(1, b.low):
        return None
    return Range(a.low // b.low, a.high // b.low, a.counters)


def _remainder(a: Range, b: Range) -> Range | None:
    if b.low != b.high or not dims.always_less_equal(1, b.low):
        return None
    return a if a.within(0, b.low - 1) else Range(0, b.low - 1, None)


_RULES: Mapping[Op, Callable[..., Range | None]] = {
    **dict.fromkeys((broadcast_to, cast, flip, permute_dims, reshape), lambda a: a),
    add: lambda a, b: Range(a.low + b.low, a.high + b.high, _shared(a, b)),
    subtract: lambda a, b: Range(a.low - b.high, a.high - b.low, _shared(a, b)),
    negative: lambda a: Range(-a.high, -a.low, a.counters),
    multiply: _product,
    floor_divide: _quotient,
    remainder: _remainder,
    minimum: lambda a, b: Range(
        dims.minimum(a.low, b.low), dims.minimum(a.high, b.high), _shared(a, b)
    ),
    maximum: lambda a, b: Range(
        dims.maximum(a.low, b.low), dims.maximum(a.high, b.high), _shared(a, b)
    ),
}
