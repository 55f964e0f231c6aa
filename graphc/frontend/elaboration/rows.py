"""Rows of results that a loop stores: `ys[t] = row`, where t is the number of the iteration.

After the loop the name has the rows stacked, in the order of the numbers, whether the loop stays
in the graph or is unrolled. In the loop the name has no value: one that it had before is not what
is being made. In loops inside of each other, `ys[s, t] = row` stores rows of the inner loop, which
are stacked to a row of the outer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import Any

from graphc.errors import DTypeError, GraphcError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.carries import alike, is_inside
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.index_notation.mentions import names_in, text_of
from graphc.frontend.tracing.loop_index import LoopIndex
from graphc.frontend.tracing.state import State
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = ["Rows", "row_assigned", "rows_in", "told_of_numbers"]

Stored = tuple[str, tuple[str, ...]]
"""A name that rows are stored of, and the numbers of loops around that stand before the loop's."""

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
        places: what is stored, and where first.
        stored: the rows by their number, which is None in a loop that stays in the graph.
    """

    def __init__(self, scope: Scope, node: syntax.For) -> None:
        self.places = rows_in(scope, node)
        self.stored: dict[Stored, dict[int | None, Any]] = {}
        self._scope = scope
        self._counters = tuple(syntax.target_names(node.target))
        self._before = {name: scope.find(name) for name, _ in self.places}
        for name in self._before:
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
            if before is not Scope.MISSING:
                self._scope.define(name, before)
        for one in self.stored:
            self.define(self._scope, one, self._stacked(one, count))

    def _stacked(self, one: Stored, count: int) -> Tensor:
        stored, name = self.stored[one], one[0]
        missing = [number for number in range(count) if number not in stored]
        if missing:
            raise refused(
                f"the loop stores no row {missing[0]} of {name!r}",
                "row",
                self.places[one],
                f"store each row from 0 to {count - 1}; rows of a tensor that there is have new "
                f"values by {name} = {name}.at[i].set(...)",
            )
        first, *others = rows = alike([stored[number] for number in range(count)])
        for number, row in enumerate(others, 1):
            if row.type is not first.type:
                error = DTypeError if row.dtype is not first.dtype else ShapeError
                raise error(
                    f"row 0 of {name!r} is {first.type}, and row {number} is {row.type}",
                    span=self.places[one],
                    hint="all rows have one dtype and shape; cast or broadcast",
                )
        found = call("stack", rows)
        assert isinstance(found, Tensor)
        return found

    def define(self, scope: Scope, one: Stored, stacked: Tensor) -> None:
        """Give a name its rows after the loop, or make a row of them of a loop around.

        Raises:
            SourceError: it was something else before, or the loop around does not store it.
        """
        name, numbers_around = one
        if numbers_around:
            _store(scope, name, numbers_around, stacked, self.places[one])
            return
        before = self._before[name]
        is_value = numbers.is_number(before) or isinstance(before, _VALUES)
        has_type = isinstance(before, Tensor) and before.type is stacked.type
        if isinstance(before, State) or (is_value and not has_type):
            raise refused(
                f"{name!r} is {described(before)} before the loop, which stores the rows of a "
                f"{stacked.type}",
                "row",
                self.places[one],
                "leave the first value out, which nothing reads, or give the rows another name",
            )
        scope.define(name, stacked, place=self.places[one])


def rows_in(scope: Scope, node: syntax.For) -> dict[Stored, Span]:
    """What the body of a loop in a scope stores rows of, by the loop's own number."""
    return dict(_stored(node.body, frozenset(syntax.target_names(node.target)), scope))


def _stored(
    body: Sequence[syntax.Statement], counters: frozenset[str], scope: Scope
) -> Iterator[tuple[Stored, Span]]:
    for statement in body:
        match statement:
            case syntax.IndexAssign(name, indices):
                around = tuple(takewhile(lambda one: one not in counters, (i.id for i in indices)))
                if len(around) < len(indices) and all(map(scope.counted, around)):
                    yield (name, around), statement.span
            case syntax.For(target, _, inner):
                yield from _stored(inner, counters - {*syntax.target_names(target)}, scope)
            case syntax.While():
                yield from _stored(statement.body, counters, scope)
            case syntax.If():
                links, orelse = statement.chain()
                for block in (*(one.body for one in links), orelse):
                    yield from _stored(block, counters, scope)


@contextmanager
def told_of_numbers(node: syntax.For) -> Iterator[None]:
    """Say of an error in `ys[t] = row`, where the loop has no number t, how it has one."""
    try:
        yield
    except GraphcError as error:
        for statement in node.body:
            if isinstance(statement, syntax.IndexAssign):
                _tell_of_number(node, statement, error)
        raise


def _tell_of_number(node: syntax.For, statement: syntax.IndexAssign, error: GraphcError) -> None:
    index = statement.indices[0].id
    read = {one.id for one in names_in(statement.value)}
    if index in read or index in syntax.target_names(node.target):
        return
    for one in error.errors:
        if (
            one.code in ("index", "index-extent")
            and one.span
            and is_inside(one.span, statement.span)
        ):
            one.hint = (
                f"{index} is no number of the loop, which gives one by enumerate: "
                f"for {index}, {text_of(node.target)} in enumerate({text_of(node.iterable)}):"
            )


def row_assigned(evaluator: Evaluator, node: syntax.IndexAssign) -> bool:
    """Whether the statement is `ys[t] = row` for the number of a loop, which is then done.

    Raises:
        GraphcError: it stands in a branch or a loop inside that loop, or is no tensor.
    """
    indices = tuple(takewhile(lambda one: evaluator.scope.counted(one.id), node.indices))
    if not indices:
        return False
    for index in indices:
        if isinstance(index, syntax.Index):
            raise refused(
                f"the loop says how far {index.id!r} runs",
                "row",
                index.extent.span,
                f"write {node.name}[{index.id}]",
            )
    if len(indices) < len(node.indices):
        rest = replace(node, indices=node.indices[len(indices) :])
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
    _store(evaluator.scope, node.name, tuple(one.id for one in indices), value, node.span)
    return True


def _store(scope: Scope, name: str, counters: tuple[str, ...], value: Any, span: Span) -> None:
    """Keep a row, for the loop whose number is the last of these.

    Raises:
        SourceError: the loop does not store it, or it is assigned in a block inside of the loop.
    """
    *around, counter = counters
    one, found = (name, tuple(around)), scope.counted(counter)
    if found is None or one not in found[0].places:
        raise refused(
            f"{name}[{', '.join(counters)}] names the numbers of loops in another order",
            "row",
            span,
            "the loop of the first number stands outside: for i in ...: for j in ...: "
            f"{name}[i, j] = row",
        )
    rows, counted_in = found
    if counted_in is not scope:
        raise not_supported(
            f"a row of {name!r} that is assigned in a block inside its loop",
            span,
            "assign the row to a name, and that to the row after the block",
        )
    number = scope.find(counter)
    rows.stored.setdefault(one, {})[None if isinstance(number, Tensor) else number] = value
