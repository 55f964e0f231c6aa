"""Checks of what lanes do together and apart."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir import dims
from graphc.ir.expr import Space
from graphc.ir.kernel import Barrier, Declare, Fold, Kernel, Loop, LoopKind, Store
from graphc.ir.kernels.scopes import Violation, buffers_used, name_of, opened, visits

__all__ = ["divergence", "lane_loops", "single_stores", "storage"]


def lane_loops(kernel: Kernel) -> Iterator[Violation]:
    """Loops over lanes are not nested."""
    for visit in visits(kernel):
        loop = visit.statement
        if isinstance(loop, Loop) and loop.kind is LoopKind.LANE and visit.scope.lane_loop:
            yield visit.violation("a loop over lanes inside another")


def divergence(kernel: Kernel) -> Iterator[Violation]:
    """All lanes meet at every barrier and every fold."""
    for visit in visits(kernel):
        if isinstance(visit.statement, Barrier | Fold) and visit.scope.lane_loop is not None:
            what = "barrier" if isinstance(visit.statement, Barrier) else "fold"
            yield visit.violation(f"a {what} in a loop over lanes")


def storage(kernel: Kernel) -> Iterator[Violation]:
    """Each lane uses its own LANE storage, and SHARED storage is declared for all lanes at once."""
    for visit in visits(kernel):
        own = [b for b in buffers_used(visit.statement) if b.space is Space.LANE]
        loop = visit.scope.lane_loop
        fits = loop is not None and dims.always_less_equal(loop.extent, kernel.lanes)
        if own and not fits:
            where = "outside of" if loop is None else "with more iterations than"
            text = f"{own[0].name} belongs to a lane, and is used {where} its lanes"
            yield visit.violation(text)
        statement = visit.statement
        if isinstance(statement, Declare):
            space = statement.buffer.space
            if space is Space.GLOBAL:
                yield visit.violation(f"{statement.buffer.name} is declared as GLOBAL")
            if space is Space.SHARED and loop is not None:
                text = f"{statement.buffer.name} is SHARED and declared by a lane"
                yield visit.violation(text)


def single_stores(kernel: Kernel) -> Iterator[Violation]:
    """An element of memory is stored to by one lane."""
    for visit in visits(kernel):
        store, loop = visit.statement, visit.scope.lane_loop
        if not isinstance(store, Store) or store.buffer.space not in (Space.GLOBAL, Space.SHARED):
            continue
        if loop is None:
            text = f"every lane stores to {store.buffer.name}: the store is in no loop over lanes"
            yield visit.violation(text)
        elif not dims.always_less_equal(loop.extent, 1):
            index = opened(store.index, visit.scope)
            if name_of(loop.variable) not in dims.variables(index):
                text = f"every lane stores to one element of {store.buffer.name}"
                yield visit.violation(text)
