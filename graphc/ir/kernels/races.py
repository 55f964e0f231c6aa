"""Barriers that are missing: SHARED elements that one lane touches after another without one.

Two accesses are in order if the same lane makes them, which is known where both are at one index
that the lane decides. Otherwise a barrier must lie between, or a device function that all lanes
meet at. The body of a serial loop is looked at twice, for what meets in neighbouring iterations.
The check is conservative, but for two cases that it takes to be sound: a device function without a
meaning, and an index that a modulo of a loop variable switches between parts of a buffer (double
buffering). The simulator checks those as they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dims.atoms import Opaque
from graphc.ir.expr import Buffer, Load, Space, walk
from graphc.ir.kernel import (
    Address,
    Barrier,
    Block,
    Call,
    Fold,
    If,
    Kernel,
    LetIndex,
    Loop,
    LoopKind,
    Statement,
    Store,
    expressions,
    statements,
)
from graphc.ir.kernels.functions import find_function
from graphc.ir.kernels.scopes import Violation, name_of

__all__ = ["barriers"]

_LANE = dims.variable("_any_lane", 0, 2**62)


@dataclass(frozen=True, slots=True)
class _Access:
    """A read or write of SHARED memory.

    Attributes:
        index: in terms of `_LANE`; None where a function decides it.
        extent: the first element that it may touch, and the first beyond the last.
        position: number of the statement that makes it.
    """

    buffer: Buffer
    index: DimLike | None
    extent: tuple[int, int]
    writes: bool
    position: int

    def races_with(self, earlier: _Access) -> bool:
        """Whether another lane may have made an earlier access that this one must wait for."""
        if self.buffer is not earlier.buffer or not (self.writes or earlier.writes):
            return False
        if self.position == earlier.position and self.writes and earlier.writes:
            return False  # one store in two iterations of a serial loop
        if self.index is None or earlier.index is None:
            return True
        if self.extent[1] <= earlier.extent[0] or earlier.extent[1] <= self.extent[0]:
            return False
        if _switches(self.index) or _switches(earlier.index):
            return False
        return self.index != earlier.index or _LANE not in dims.variables(self.index).values()


def _switches(index: DimLike) -> bool:
    """Whether a modulo selects a part of the buffer."""
    if isinstance(index, int):
        return False
    atoms = (atom for monomial, _ in index.terms for atom in monomial)
    return any(
        isinstance(atom, Opaque)
        and atom.kind == "%"
        and not any(_LANE in dims.variables(part).values() for part in atom.arguments)
        for atom in atoms
    )


def barriers(kernel: Kernel) -> Iterator[Violation]:
    """Between two lanes that touch an element of SHARED memory is a barrier."""
    yield from dict.fromkeys(_Race(kernel).found)


class _Race:
    """A walk along the statements, with the accesses since the last barrier."""

    def __init__(self, kernel: Kernel) -> None:
        self.found: list[Violation] = []
        self.block(kernel.body, 0, [], {}, None)

    def block(
        self,
        block: Block,
        position: int,
        before: Sequence[_Access],
        known: dict[str, DimLike],
        lane: Dim | None,
    ) -> list[_Access]:
        """The accesses after the block that no barrier has ordered.

        Args:
            block: the statements.
            position: the number of the first of them.
            before: the accesses before it that no barrier has ordered.
            known: what the index variables that `LetIndex` defines stand for.
            lane: the variable of the LANE loop around the block.
        """
        pending, known = list(before), dict(known)
        for statement in block:
            match statement:
                case Barrier():
                    pending = []
                case LetIndex(variable, index):
                    known[name_of(variable)] = dims.substitute(index, known, proved=False)
                case If(_, body):
                    pending = self.touch(statement, position, pending, known, lane)
                    inner = self.block(body, position + 1, pending, known, lane)
                    pending += [access for access in inner if access not in pending]
                case Loop(variable, _, kind, body):
                    inner_lane = variable if kind is LoopKind.LANE else lane
                    # Lanes meet at no barrier: what meets in two iterations meets in one.
                    for _ in range(1 if inner_lane is not None else 2):
                        pending = self.block(body, position + 1, pending, known, inner_lane)
                case Call() if _synchronizes(statement):
                    pending = []
                case _:
                    pending = self.touch(statement, position, pending, known, lane)
            position += _length(statement)
        return pending

    def touch(
        self,
        statement: Statement,
        position: int,
        pending: Sequence[_Access],
        known: dict[str, DimLike],
        lane: Dim | None,
    ) -> list[_Access]:
        """Note the statement's accesses, and which of the earlier ones they race with."""
        if isinstance(statement, Fold) and statement.loops:
            lane = statement.loops[-1][0]
        after = list(pending)
        for touched in _accesses(statement, lane is not None):
            if touched.buffer.space is not Space.SHARED:
                continue
            index, extent = None, (0, 0)
            if touched.index is not None:
                index = dims.substitute(touched.index, known, proved=False)
                low, high = dims.bounds(index)
                extent = low, high + touched.width
                if lane is not None:
                    index = dims.substitute(index, {name_of(lane): _LANE}, proved=False)
            access = _Access(touched.buffer, index, extent, touched.writes, position)
            if any(access.races_with(earlier) for earlier in pending):
                verb = "stores to" if access.writes else "reads"
                text = (
                    f"a lane {verb} {access.buffer.name}, which another has touched since a barrier"
                )
                self.found.append(Violation(text, position))
            if access not in after:
                after.append(access)
        return after


def _synchronizes(call: Call) -> bool:
    function = find_function(call.function)
    return function is not None and function.synchronizes


def _length(statement: Statement) -> int:
    """How many statements there are in it, itself included."""
    return sum(1 for _ in statements((statement,)))


@dataclass(frozen=True, slots=True)
class _Touched:
    """What a statement reads or writes: `width` elements from an index on, if it is known."""

    buffer: Buffer
    index: DimLike | None
    width: int
    writes: bool


def _accesses(statement: Statement, is_in_lanes: bool) -> Iterator[_Touched]:
    """The statement's own accesses."""
    for expr in walk(*expressions(statement)):
        if isinstance(expr, Load):
            yield _Touched(expr.buffer, expr.index, 1, writes=False)
    if isinstance(statement, Store):
        yield _Touched(statement.buffer, statement.index, 1, writes=True)
    function = find_function(statement.function) if isinstance(statement, Call) else None
    if isinstance(statement, Call) and function is not None:
        for number, argument in enumerate(statement.arguments):
            if isinstance(argument, Address):
                index = argument.index if is_in_lanes else None
                if number in function.reads:
                    yield _Touched(argument.buffer, index, function.width, writes=False)
                if number in function.writes:
                    yield _Touched(argument.buffer, index, function.width, writes=True)
