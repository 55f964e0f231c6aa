"""The range of an index that is computed of indices alone, and is no sum: `i * i % n`, `abs(i)`.

Interval arithmetic whose ends are dims says where it lies for any sizes. Where the sizes are
numbers and that is not enough, all its values are computed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.numbers import MAX_BITS
from graphc.frontend.index_notation.mentions import text_of
from graphc.frontend.index_notation.positions import Sizes, sum_of
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Source

__all__ = ["interval_of", "is_formula", "values_between"]

Interval = tuple[DimLike, DimLike]
Rule = Callable[..., Interval | None]

MAX_VALUES = 2**16
"""Of so many values the smallest and the largest are looked for, and not of more."""
_ANY: Interval = (-(2**63), 2**63 - 1)
MAX_POWER = 8
"""Higher powers have no known range if they depend on a dim."""


def is_formula(index: Node) -> bool:
    """Whether an index is computed of numbers alone, and not of tensors."""
    pending, seen = [index], {index}
    while pending:
        node = pending.pop()
        if not node.inputs and not isinstance(node.op.lowering, Source):
            return False
        new = [one for one in node.inputs if one not in seen]
        seen.update(new)
        pending += new
    return True


def values_between(index: Node) -> Interval | None:
    """The smallest and the largest value of a formula; None if it has too many or none."""
    graph = Graph("index", (), (), (index,))
    for node in graph.nodes():
        if any(isinstance(value, Dim) for value in (*node.shape, *_attributes(node))):
            return None
        if not 0 < dims.bounds(node.tensor.size)[1] <= MAX_VALUES:
            return None
    ((values,), _) = evaluate(graph, ())
    return int(values.min()), int(values.max())


def _attributes(node: Node) -> list[Any]:
    found: list[Any] = []
    for _, value in node.attributes:
        found += value if isinstance(value, tuple) else (value,)
    return found


def interval_of(
    node: syntax.Expression, sizes: Sizes, evaluate_outside: Callable[[syntax.Expression], Any]
) -> Interval | None:
    """Numbers that no value of an expression is below, or above; None if none are found.

    Args:
        node: the expression.
        sizes: of the indices.
        evaluate_outside: the value of a part that mentions no index.

    Raises:
        ShapeError: 64 bits, in which indices are computed, do not hold a part of it.
    """

    def interval(node: syntax.Expression) -> Interval | None:
        position = sum_of(node, sizes, evaluate_outside)
        if position is not None:
            return position.bounds(sizes)
        match node:
            case syntax.Binary(left, operator, right) if operator in _OPERATORS:
                rule, operands = _OPERATORS[operator], (left, right)
            case syntax.Call(syntax.Name(name) as function, operands, ()) if (
                name,
                len(operands),
            ) in _FUNCTIONS and evaluate_outside(function) == Operation(name):
                rule = _FUNCTIONS[name, len(operands)]
            case _:
                return None
        found = [interval(one) for one in operands]
        if found[0] is None and rule in (_remainder, _clipped):
            found[0] = _ANY
        known = [one for one in found if one is not None]
        result = rule(*known) if len(known) == len(found) else None
        return result and _in_64_bits(result, node)

    return interval(node)


def _in_64_bits(found: Interval, node: syntax.Expression) -> Interval:
    low, high = dims.bounds(found[0])[0], dims.bounds(found[1])[1]
    if low < -(2**63) or high >= 2**63:
        raise ShapeError(
            f"{text_of(node)} may be as large as {max(-low, high)}",
            code="index-range",
            span=node.span,
            hint="indices are computed in 64 bits: take a remainder before",
        )
    return found


# -- rules ----------------------------------------------------------------------------------------


def _product(a: Interval, b: Interval) -> Interval:
    if dims.always_less_equal(0, a[0]) and dims.always_less_equal(0, b[0]):
        return a[0] * b[0], a[1] * b[1]
    corners = [x * y for x, y in itertools.product(a, b)]
    return dims.minimum(*corners), dims.maximum(*corners)


def _quotient(a: Interval, b: Interval) -> Interval | None:
    if not dims.always_less_equal(1, b[0]):
        return None
    if b[0] == b[1] or dims.always_less_equal(0, a[0]):
        return a[0] // b[1], a[1] // b[0]
    corners = [x // y for x, y in itertools.product(a, b)]
    return dims.minimum(*corners), dims.maximum(*corners)


def _remainder(a: Interval, b: Interval) -> Interval | None:
    if not dims.always_less_equal(1, b[0]):
        return None
    is_unchanged = dims.always_less_equal(0, a[0]) and dims.always_less_equal(a[1] + 1, b[0])
    return a if is_unchanged else (0, b[1] - 1)


def _power(a: Interval, b: Interval) -> Interval | None:
    is_positive = dims.always_less_equal(0, a[0])
    exponent, largest = b[0], a[1] if is_positive else dims.maximum(-a[0], a[1])
    most = MAX_BITS if isinstance(largest, int) else MAX_POWER
    if exponent != b[1] or not isinstance(exponent, int) or not 0 <= exponent <= most:
        return None
    power = dims.product((largest,) * exponent)
    return 0 if is_positive or exponent % 2 == 0 else -power, power


def _clipped(a: Interval, low: Interval, high: Interval) -> Interval:
    return (
        dims.minimum(dims.maximum(a[0], low[0]), high[0]),
        dims.minimum(dims.maximum(a[1], low[1]), high[1]),
    )


_OPERATORS: Mapping[str, Rule] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "*": _product,
    "//": _quotient,
    "%": _remainder,
    "**": _power,
}
_FUNCTIONS: Mapping[tuple[str, int], Rule] = {
    ("abs", 1): lambda a: (0, dims.maximum(-a[0], a[1])),
    ("minimum", 2): lambda a, b: (dims.minimum(a[0], b[0]), dims.minimum(a[1], b[1])),
    ("maximum", 2): lambda a, b: (dims.maximum(a[0], b[0]), dims.maximum(a[1], b[1])),
    ("clip", 3): _clipped,
}
"""By the name of a function of the library, and the number of its operands."""
