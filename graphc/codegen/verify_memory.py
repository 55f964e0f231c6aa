"""The verifier of the memory plan: the steps of an entry run over intervals of the arena.

It knows nothing of lifetimes. A step takes the memory of what it writes from whatever lay there,
and what it reads must still be there, whole. Loops run several times, since what one iteration
leaves may be what a later one breaks; branches are tried both. This is done for small and large
dims, and mixtures of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping

from graphc.codegen.merge_launches import touched_slots
from graphc.errors import GraphcError
from graphc.ir import dims
from graphc.ir.sizes import LARGEST_SIZE
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import Check, Violation, run_checks
from graphc.runtime.program import (
    BranchStep,
    Entry,
    HostCallStep,
    LaunchStep,
    Layout,
    LoopStep,
    Step,
    aligned,
    walk_steps,
)

__all__ = ["CHECKS", "verify_memory"]


def verify_memory(given: Entry, made: Entry, sources: SourceMap) -> None:
    """Check every invariant of an entry whose temporaries have places.

    Raises:
        VerificationError: the first check that fails, in the order of `CHECKS`.
    """
    run_checks(CHECKS, made, f"the memory of {made.name!r}")


def _samples(entry: Entry) -> list[dict[str, int]]:
    """Values of the dims: all small, all large, every other one large, and all in the middle.

    They are those of a call: where the large ones are too large together, as large as they can be.
    """
    known = entry.dims
    low = {name: dims.bounds(dim)[0] for name, dim in known.items()}
    high = {name: dims.bounds(dim)[1] for name, dim in known.items()}
    middle = {}
    for name, dim in known.items():
        step = math.gcd(*(factor for _, factor in dim.terms))
        middle[name] = low[name] + (high[name] - low[name]) // (2 * step) * step
    mixed = [
        {name: (low, high)[(place + shift) % 2][name] for place, name in enumerate(known)}
        for shift in (0, 1)
    ]
    found = [_callable(entry, one) for one in (high, low, middle, *mixed)]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def _callable(entry: Entry, sample: dict[str, int]) -> dict[str, int]:
    """The values, those that are largest halved until 64 bits count every tensor's bytes."""
    sizes = (*entry.limited, *(slot.type.nbytes for slot in entry.slots))
    while any(dims.evaluate(size, sample) > LARGEST_SIZE for size in sizes):
        name = max(sample, key=lambda one: sample[one] - dims.bounds(entry.dims[one])[0])
        dim = entry.dims[name]
        step = math.gcd(*(factor for _, factor in dim.terms))
        least = dims.bounds(dim)[0]
        if sample[name] == least:
            break
        sample = sample | {name: least + (sample[name] - least) // (2 * step) * step}
    return sample


def _placed(entry: Entry) -> Iterator[Violation]:
    try:
        entry.layout_by(lambda size: dims.bounds(size)[1])
    except GraphcError as error:
        yield Violation(error.message)


def _peak(entry: Entry) -> Iterator[Violation]:
    most = entry.layout_by(lambda size: dims.bounds(size)[1]).arena_bytes
    for sample in _samples(entry):
        layout = entry.layout(sample)
        ends = [layout.offsets[slot] + _size(entry, slot, sample) for slot in layout.offsets]
        if layout.arena_bytes != max(ends, default=0):
            yield Violation(f"the arena has {layout.arena_bytes} bytes at {sample}, not its end")
        if layout.arena_bytes > most:
            yield Violation(f"{sample} needs {layout.arena_bytes} bytes, more than {most}")


def _intact(entry: Entry) -> Iterator[Violation]:
    has_loops = any(isinstance(step, LoopStep) for step in walk_steps(entry.steps))
    for sample in _samples(entry):
        # Slots that change places are back after an even number of iterations.
        for iterations in (2, 3) if has_loops else (1,):
            run = _Run(entry, sample, entry.layout(sample), iterations)
            run.steps(entry.steps)
            yield from run.violations


def _size(entry: Entry, slot: int, sample: Mapping[str, int]) -> int:
    return aligned(dims.evaluate(entry.slots[slot].type.nbytes, sample))


class _Arena:
    """Who wrote each byte last: intervals from each of `starts` to the next."""

    def __init__(self) -> None:
        self.starts = [0]
        self.owners: list[int | None] = [None]

    def copy(self) -> _Arena:
        other = _Arena()
        other.starts, other.owners = self.starts.copy(), self.owners.copy()
        return other

    def write(self, low: int, high: int, owner: int | None) -> None:
        first, last = bisect_left(self.starts, low), bisect_left(self.starts, high)
        starts, owners = [low], [owner]
        if last == len(self.starts) or self.starts[last] != high:
            starts.append(high)
            owners.append(self.owners[last - 1])
        self.starts[first:last] = starts
        self.owners[first:last] = owners

    def belongs_to(self, low: int, high: int, owner: int) -> bool:
        place = bisect_right(self.starts, low) - 1
        while low < high and place < len(self.starts) and self.starts[place] < high:
            if self.owners[place] != owner:
                return False
            place += 1
        return True


class _Run:
    """One run of an entry for given dims."""

    def __init__(
        self, entry: Entry, sample: Mapping[str, int], layout: Layout, iterations: int
    ) -> None:
        self.entry = entry
        self.sample = sample
        self.iterations = iterations
        self.violations: list[Violation] = []
        self.arena = _Arena()
        self.places = {
            slot: (low, low + _size(entry, slot, sample)) for slot, low in layout.offsets.items()
        }
        # Of slots that change places: whose place a slot has now.
        self.home = {slot: slot for slot in self.places}
        self.whole: dict[int, int] = {}

    def steps(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, LaunchStep):
                self.launch(step)
            elif isinstance(step, HostCallStep):
                self.moment(step, step.operands, step.results)
            elif isinstance(step, BranchStep):
                self.branch(step)
            else:
                self.loop(step)

    def is_intact(self, slot: int) -> bool:
        if slot not in self.places:
            return True
        home = self.home[slot]
        low, high = self.places[home]
        return self.arena.belongs_to(low, high, home)

    def write(self, slot: int, owner: int | None) -> None:
        low, high = self.places[self.home[slot]]
        if low < high:
            self.arena.write(low, high, owner)

    def launch(self, step: LaunchStep) -> None:
        chosen = step.alternative(self.sample)
        if chosen is None:
            self.violations.append(Violation(f"no kernel of {step.text!r} is for {self.sample}"))
            return
        bound = [
            pair
            for binding in chosen.bindings
            for pair in zip(binding.slots, chosen.written, strict=True)
        ]
        self.moment(
            step,
            (slot for slot, written in bound if not written),
            (slot for slot, written in bound if written),
        )

    def moment(
        self, step: LaunchStep | HostCallStep, reads: Iterable[int], writes: Iterable[int]
    ) -> None:
        """What happens at once: all that is read or written lies apart."""
        # A row is a part of the tensor that it is a row of, which is to stay what it is.
        written = list(writes)
        rows = {self.whole[slot] for slot in written if slot in self.whole}
        read = {self.whole.get(slot, slot) for slot in reads} | rows
        self.check(step, read)
        new = [slot for slot in written if slot in self.places]
        for slot in new:
            self.write(slot, self.home[slot])
        self.check(step, {*read, *new}, "beside what it writes")

    def check(self, step: Step, slots: Iterable[int], where: str = "") -> None:
        for slot in slots:
            if not self.is_intact(slot):
                name = f"{slot} ({self.entry.slots[slot].name})"
                self.violations.append(
                    Violation(f"{step.text!r} finds slot {name} overwritten {where}".rstrip())
                )

    def branch(self, step: BranchStep) -> None:
        self.check(step, [step.predicate])
        before = self.arena.copy()
        self.steps(step.then)
        kept = {slot for slot in self.places if self.is_intact(slot)}
        self.arena = before
        self.steps(step.otherwise)
        for slot in self.places.keys() - kept:
            if self.is_intact(slot):
                self.write(slot, None)

    def loop(self, step: LoopStep) -> None:
        """Several iterations; each finds what was there before, and what the last handed on."""
        reads: set[int] = set()
        writes: set[int] = set()
        for inner in (*step.test, *step.steps):
            touched = touched_slots(inner)
            reads |= touched[0]
            writes |= touched[1]
        self.whole |= {row.slot: self.whole.get(row.of, row.of) for row in step.rows}
        handed_on = {slot for pair in step.swaps for slot in pair}
        for row in step.rows:
            slot = self.whole[row.slot]
            handed_on.add(slot)
            is_filled = step.condition is None and row.slot in writes
            if is_filled and slot in self.places and not self.is_intact(slot):
                self.write(slot, self.home[slot])
        used = {self.whole.get(slot, slot) for slot in reads | writes} & self.places.keys()
        there = {slot for slot in used if self.is_intact(slot)} - handed_on
        fresh = used - there - handed_on
        for _ in range(self.iterations):
            for slot in fresh:
                if self.is_intact(slot):
                    self.write(slot, None)
            self.check(step, there)
            self.steps(step.test)
            if step.condition is not None:
                self.check(step, [step.condition])
            self.steps(step.steps)
            for pair in step.swaps:
                self.home |= {pair[0]: self.home[pair[1]], pair[1]: self.home[pair[0]]}


CHECKS: tuple[Check[Entry], ...] = (
    Check("placed", "no temporary lies above itself", _placed),
    Check("peak", "the arena ends where its temporaries do, and never beyond its bound", _peak),
    Check("intact", "what a step reads is what was written, for any dims", _intact),
)
"""Every invariant, in the order in which they are checked."""
