"""Run launches of one kernel that do not depend on each other as one launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.ir.dims import DimLike
from graphc.runtime.program import Alternative, BranchStep, HostCallStep, LaunchStep, LoopStep, Step

__all__ = ["merge_launches", "touched_slots"]


def merge_launches(steps: Sequence[Step]) -> list[Step]:
    """The steps with launches of equal kernels joined.

    A launch moves up to an earlier one of the same kernels if nothing from there on writes what
    it reads, or touches what it writes. Loops and branches stay where they are.
    """
    merged: list[_Merging] = []
    for step in steps:
        one = _Merging.of(step)
        position = _position(merged, one)
        if position is None:
            merged.append(one)
        else:
            merged[position] = merged[position].joined(one)
    return [one.step() for one in merged]


@dataclass(frozen=True)
class _Merging:
    """A step with the slots that it reads and writes, and the launches that it stands for.

    `kernels` is None for a loop or a branch, which joins nothing.
    """

    kernels: tuple[tuple[str, DimLike, int, int], ...] | None
    steps: tuple[Step, ...]
    reads: frozenset[int]
    writes: frozenset[int]

    @classmethod
    def of(cls, step: Step) -> _Merging:
        kernels = None
        if isinstance(step, LaunchStep):
            kernels = tuple((a.kernel, a.dim, a.low, a.high) for a in step.alternatives)
        reads, writes = touched_slots(step)
        return cls(kernels, (step,), frozenset(reads), frozenset(writes))

    def must_precede(self, after: _Merging) -> bool:
        """Whether `after` reads what this launch writes, or writes what it touches."""
        return not (
            self.writes.isdisjoint(after.reads)
            and after.writes.isdisjoint(self.reads)
            and after.writes.isdisjoint(self.writes)
        )

    def joined(self, other: _Merging) -> _Merging:
        """Both as one launch."""
        return replace(
            self,
            steps=self.steps + other.steps,
            reads=self.reads | other.reads,
            writes=self.writes | other.writes,
        )

    def step(self) -> Step:
        """One step for all of them; its text names the first few."""
        launches = [step for step in self.steps if isinstance(step, LaunchStep)]
        if not launches:
            return self.steps[0]
        alternatives = zip(*(step.alternatives for step in launches), strict=True)
        texts = list(dict.fromkeys(step.text for step in launches if step.text))
        return LaunchStep(tuple(map(_all_bindings, alternatives)), ", ".join(texts[:3]))


def touched_slots(step: Step) -> tuple[set[int], set[int]]:
    """The slots that a step reads, and those that it writes."""
    reads: set[int] = set()
    writes: set[int] = set()
    if isinstance(step, LaunchStep):
        for alternative in step.alternatives:
            for binding in alternative.bindings:
                for slot, written in zip(binding.slots, alternative.written, strict=True):
                    (writes if written else reads).add(slot)
        return reads, writes
    if isinstance(step, HostCallStep):
        return set(step.operands), set(step.results)
    inner: tuple[Step, ...]
    if isinstance(step, BranchStep):
        reads.add(step.predicate)
        inner = (*step.then, *step.otherwise)
    else:
        inner = (*step.test, *step.steps)
        writes.update(slot for pair in step.swaps for slot in pair)
    for one in inner:
        inner_reads, inner_writes = touched_slots(one)
        reads |= inner_reads
        writes |= inner_writes
    if isinstance(step, LoopStep):
        # Who touches a row touches the tensor that it is a row of.
        reads.update(row.of for row in step.rows if row.slot in reads)
        writes.update(row.of for row in step.rows if row.slot in writes)
    return reads, writes


def _position(merged: Sequence[_Merging], one: _Merging) -> int | None:
    """Where the launch can join an earlier one."""
    for position in reversed(range(len(merged))):
        if merged[position].must_precede(one):
            return None
        if one.kernels is not None and merged[position].kernels == one.kernels:
            return position
    return None


def _all_bindings(alternatives: Sequence[Alternative]) -> Alternative:
    """One alternative with the bindings of all."""
    bindings = tuple(binding for one in alternatives for binding in one.bindings)
    return replace(alternatives[0], bindings=bindings)
