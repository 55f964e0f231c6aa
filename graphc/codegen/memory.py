"""The memory plan of an entry: how long each temporary is needed, and what it lies above.

Two temporaries that are alive at the same time must not overlap. Placing the largest first, each
at the lowest free offset, comes close to the lower bound on real programs (Y. Pisarchyk and J.
Lee, "Efficient memory management for deep neural net inference", 2020, "greedy by size").

Sizes may depend on named dims, so the plan is not offsets but an order: for each pair that is
alive together, which one lies below. Offsets follow from the order for any dims, and for the
largest dims none is higher than in the greedy placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from graphc.ir import dims
from graphc.runtime.program import (
    BranchStep,
    HostCallStep,
    LaunchStep,
    LoopStep,
    Slot,
    Step,
    aligned,
)

__all__ = ["Lifetime", "place", "with_places"]


def with_places(slots: Sequence[Slot], steps: Sequence[Step]) -> list[Slot]:
    """The slots with the places of the temporaries among them."""
    numbers = [number for number, slot in enumerate(slots) if slot.role == "temporary"]
    uses = _Uses()
    uses.visit(steps)
    lifetimes = []
    for number in numbers:
        nbytes = dims.bounds(slots[number].type.nbytes)[1]
        first, last = uses.spans.get(number, (0, 0))
        lifetimes.append(Lifetime(aligned(nbytes), first, last))
    placed = list(slots)
    for number, above in zip(numbers, place(lifetimes), strict=True):
        placed[number] = replace(slots[number], above=tuple(numbers[i] for i in above))
    return placed


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A temporary: its bytes at the largest dims, and the first and last step that need it."""

    nbytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether both are alive during some step."""
        return self.first <= other.last and other.first <= self.last


def place(lifetimes: Sequence[Lifetime]) -> list[tuple[int, ...]]:
    """For each temporary, those that it lies directly above.

    >>> a, b, c = Lifetime(100, 0, 1), Lifetime(50, 1, 2), Lifetime(100, 2, 3)
    >>> place([a, b, c])  # a and c share the bottom; b lies above both
    [(), (0, 2), ()]
    """
    offsets = _greedy(lifetimes)
    order = sorted(range(len(lifetimes)), key=lambda i: (offsets[i], lifetimes[i].nbytes, i))
    below: dict[int, int] = {}
    found: list[tuple[int, ...]] = [()] * len(lifetimes)
    for number, i in enumerate(order):
        lower = [j for j in order[:number] if lifetimes[i].overlaps(lifetimes[j])]
        # Bits, so that those below one that is below are left out quickly: they follow from it.
        implied = 0
        for j in lower:
            implied |= below[j]
        found[i] = tuple(sorted(j for j in lower if not implied >> j & 1))
        below[i] = implied
        for j in lower:
            below[i] |= 1 << j
    return found


def _greedy(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Offsets: the largest first, each at the lowest place that is free while it lives."""
    offsets: dict[int, int] = {}
    for i in sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].nbytes, i)):
        offset = 0
        taken = sorted(
            (offsets[j], offsets[j] + lifetimes[j].nbytes)
            for j in offsets
            if lifetimes[i].overlaps(lifetimes[j])
        )
        for low, high in taken:
            if offset + lifetimes[i].nbytes <= low:
                break
            offset = max(offset, high)
        offsets[i] = offset
    return [offsets[i] for i in range(len(lifetimes))]


def _slots_of(step: LaunchStep) -> Iterator[int]:
    for alternative in step.alternatives:
        for binding in alternative.bindings:
            yield from binding.slots


@dataclass(frozen=True, slots=True)
class _LoopSpan:
    """When a loop begins and ends, what it touches, and what of that it hands on by itself."""

    begin: int
    end: int
    touched: frozenset[int]
    handed_on: frozenset[int]


class _Uses:
    """The first and last moment at which each slot is used; a launch is a moment.

    What a loop uses is needed from its beginning to its end, unless it is used nowhere else and
    each iteration writes it anew.
    """

    def __init__(self) -> None:
        self.spans: dict[int, tuple[int, int]] = {}
        self._now = 0
        self._whole: dict[int, int] = {}
        self._loops: list[_LoopSpan] = []
        self._swaps: list[tuple[int, int]] = []

    def visit(self, steps: Sequence[Step]) -> None:
        """Note the uses of an entry's steps."""
        self._steps(steps)
        # Slots that change places are one to what comes later: both live as long as either.
        changed = True
        while changed:
            before = dict(self.spans)
            # Loops end in the order in which they are noted: the inner ones first.
            for loop in self._loops:
                for slot in loop.touched:
                    first, last = self.spans[slot]
                    if slot in loop.handed_on or first < loop.begin or last > loop.end:
                        self._use(slot, loop.begin)
                        self._use(slot, loop.end)
            for one, other in self._swaps:
                for slot in (one, other):
                    for moment in (*self.spans[one], *self.spans[other]):
                        self._use(slot, moment)
            changed = before != self.spans

    def _use(self, slot: int, moment: int) -> None:
        first, last = self.spans.get(slot, (moment, moment))
        self.spans[slot] = min(first, moment), max(last, moment)

    def _steps(self, steps: Sequence[Step]) -> frozenset[int]:
        """Note the uses of steps; returns the slots that they touch."""
        found: set[int] = set()
        for step in steps:
            self._now += 1
            if isinstance(step, LoopStep):
                found |= self._loop(step)
            elif isinstance(step, BranchStep):
                self._use(step.predicate, self._now)
                found |= {step.predicate}
                found |= self._steps(step.then) | self._steps(step.otherwise)
            elif isinstance(step, HostCallStep):
                found |= self._moment((*step.operands, *step.results))
            else:
                found |= self._moment(_slots_of(step))
        return frozenset(found)

    def _moment(self, used: Iterable[int]) -> set[int]:
        # A row is a part of the tensor that it is a row of.
        slots = {self._whole.get(slot, slot) for slot in used}
        for slot in slots:
            self._use(slot, self._now)
        return slots

    def _loop(self, step: LoopStep) -> frozenset[int]:
        begin = self._now
        for row in step.rows:
            self._whole[row.slot] = self._whole.get(row.of, row.of)
        handed_on = {self._whole[row.slot] for row in step.rows}
        handed_on.update(slot for pair in step.swaps for slot in pair)
        self._swaps += step.swaps
        touched = self._steps(step.test)
        if step.condition is not None:
            self._use(step.condition, self._now)
        touched |= self._steps(step.steps) | handed_on
        self._now += 1
        for slot in handed_on:
            self._use(slot, begin)
        self._loops.append(_LoopSpan(begin, self._now, touched, frozenset(handed_on)))
        return touched
