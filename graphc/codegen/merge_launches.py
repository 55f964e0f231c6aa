"""Run launches of one kernel that do not depend on each other as one launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.ir.dims import DimLike
from graphc.runtime.program import Alternative, Step

__all__ = ["merge_launches"]


def merge_launches(steps: Sequence[Step]) -> list[Step]:
    """The steps with launches of equal kernels joined.

    A launch moves up to an earlier one of the same kernels if nothing from there on writes what
    it reads, or touches what it writes.
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
    """A launch with the slots that it reads and writes, and the launches that it stands for."""

    kernels: tuple[tuple[str, DimLike, int, int], ...]
    steps: tuple[Step, ...]
    reads: frozenset[int]
    writes: frozenset[int]

    @classmethod
    def of(cls, step: Step) -> _Merging:
        touched = [
            (slot, written)
            for alternative in step.alternatives
            for binding in alternative.bindings
            for slot, written in zip(binding.slots, alternative.written, strict=True)
        ]
        return cls(
            tuple((a.kernel, a.dim, a.low, a.high) for a in step.alternatives),
            (step,),
            frozenset(slot for slot, written in touched if not written),
            frozenset(slot for slot, written in touched if written),
        )

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
        alternatives = zip(*(step.alternatives for step in self.steps), strict=True)
        texts = list(dict.fromkeys(step.text for step in self.steps if step.text))
        return Step(tuple(map(_all_bindings, alternatives)), ", ".join(texts[:3]))


def _position(merged: Sequence[_Merging], one: _Merging) -> int | None:
    """Where the launch can join an earlier one."""
    for position in reversed(range(len(merged))):
        if merged[position].must_precede(one):
            return None
        if merged[position].kernels == one.kernels:
            return position
    return None


def _all_bindings(alternatives: Sequence[Alternative]) -> Alternative:
    """One alternative with the bindings of all."""
    bindings = tuple(binding for one in alternatives for binding in one.bindings)
    return replace(alternatives[0], bindings=bindings)
