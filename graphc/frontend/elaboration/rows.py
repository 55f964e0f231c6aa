"""Rows of results that a loop stores: `ys[t] = row`, where t is the number of the iteration.

After the loop the name has the rows stacked, in the order of the numbers, whether the loop stays
in the graph or is unrolled. In the loop the name has no value: one that it had before is not what
is being made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from graphc.errors import DTypeError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.carries import alike
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.loop_index import LoopIndex
from graphc.frontend.tracing.state import State
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = ["Rows", "row_assigned", "rows_in"]

_VALUES = (Tensor, tuple, list, dict, str)
_WITHHELD = (
    "has no value in the loop that stores its rows",
    "carry the last row in a variable of its own: last = ..., and then y[t] = last",
)


class Rows:
    """What one loop stores.

    Args:
        scope: of the loop's body.
        node: the loop.

    Attributes:
        stored: by name and number, the row; the number is None in a loop that stays in the graph.
    """

    def __init__(self, scope: Scope, node: syntax.For) -> None:
        self.stored: dict[str, dict[int | None, Any]] = {}
        self._scope = scope
        self._counters = tuple(syntax.target_names(node.target))
        self._places = rows_in(node)
        self._before = {name: scope.find(name) for name in self._places}
        for name in self._places:
            scope.withhold(name, *_WITHHELD)

    def begin(self) -> None:
        """An iteration begins: the names of the numbers have been given their values."""
        for name in self._counters:
            value = self._scope.find(name)
            if type(value) is int or isinstance(value, LoopIndex):
                self._scope.count(name, self)

    def end(self, count: int) -> None:
        """An unrolled loop has ended: give the names what they have after it.

        Raises:
            SourceError: not every row below `count` is stored, or a name was something else.
            DTypeError, ShapeError: rows of different types.
        """
        for name in self._counters:
            self._scope.stop_counting(name)
        for name, before in self._before.items():
            if name in self.stored:
                self.define(self._scope, name, self._stacked(name, count))
            elif before is not Scope.MISSING:
                self._scope.define(name, before)

    def _stacked(self, name: str, count: int) -> Tensor:
        stored = self.stored[name]
        missing = [number for number in range(count) if number not in stored]
        if missing:
            raise refused(
                f"the loop stores no row {missing[0]} of {name!r}",
                "row",
                self._places[name],
                f"store each row from 0 to {count - 1}; rows of a tensor that there is have new "
                f"values by {name} = {name}.at[i].set(...)",
            )
        first, *others = rows = alike([stored[number] for number in range(count)])
        for number, row in enumerate(others, 1):
            if row.type is not first.type:
                error = DTypeError if row.dtype is not first.dtype else ShapeError
                raise error(
                    f"row 0 of {name!r} is {first.type}, and row {number} is {row.type}",
                    span=self._places[name],
                    hint="all rows have one dtype and shape; cast or broadcast",
                )
        found = call("stack", rows)
        assert isinstance(found, Tensor)
        return found

    def define(self, scope: Scope, name: str, stacked: Tensor) -> None:
        """Give a name its rows after the loop.

        Raises:
            SourceError: it was something else before.
        """
        before = self._before[name]
        is_value = numbers.is_number(before) or isinstance(before, _VALUES)
        has_type = isinstance(before, Tensor) and before.type is stacked.type
        if isinstance(before, State) or (is_value and not has_type):
            raise refused(
                f"{name!r} is {described(before)} before the loop, which stores the rows of a "
                f"{stacked.type}",
                "row",
                self._places[name],
                "leave the first value out, which nothing reads, or give the rows another name",
            )
        scope.define(name, stacked, place=self._places[name])


def rows_in(node: syntax.For) -> dict[str, Span]:
    """The names that the body of a loop stores rows of, by the loop's own number."""
    return dict(_stored(node.body, frozenset(syntax.target_names(node.target))))


def _stored(
    body: Sequence[syntax.Statement], counters: frozenset[str]
) -> Iterator[tuple[str, Span]]:
    for statement in body:
        match statement:
            case syntax.IndexAssign(name, indices) if indices and indices[0].id in counters:
                yield name, statement.span
            case syntax.For(target, _, inner):
                yield from _stored(inner, counters - {*syntax.target_names(target)})
            case syntax.While():
                yield from _stored(statement.body, counters)
            case syntax.If():
                links, orelse = statement.chain()
                for block in (*(one.body for one in links), orelse):
                    yield from _stored(block, counters)


def row_assigned(evaluator: Evaluator, node: syntax.IndexAssign) -> bool:
    """Whether the statement is `ys[t] = row` for the number of a loop, which is then done.

    Raises:
        GraphcError: it stands in a branch or a loop inside that loop, or is no tensor.
    """
    index = node.indices[0] if node.indices else None
    found = None if index is None else evaluator.scope.counted(index.id)
    if index is None or found is None:
        return False
    rows, scope = found
    if isinstance(index, syntax.Index):
        raise refused(
            f"the loop says how far {index.id!r} runs",
            "row",
            index.extent.span,
            f"write {node.name}[{index.id}]",
        )
    if scope is not evaluator.scope:
        raise not_supported(
            f"a row of {node.name!r} that is assigned in a block inside its loop",
            node.span,
            "assign the row to a name, and that to the row after the block",
        )
    if len(node.indices) > 1:
        rest = replace(node, indices=node.indices[1:])
        value = evaluator.program.index_notation(evaluator, rest)
    else:
        value = evaluator.evaluate(node.value)
    if not isinstance(value, Tensor) and not numbers.is_number(value):
        raise refused(
            f"{described(value)} is a row of {node.name!r}, expected a tensor",
            "row",
            node.value.span,
            "stack tensors, one for each iteration",
        )
    number = scope.find(index.id)
    rows.stored.setdefault(node.name, {})[None if isinstance(number, Tensor) else number] = value
    return True
