"""Walking the steps of an entry, for executors that launch kernels one by one.

What a slot's place is (an array, an address) is the executor's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from graphc.ir import dims
from graphc.runtime.program import BranchStep, Entry, HostCallStep, LaunchStep, LoopStep, Step

__all__ = ["Walk", "known_launches"]

P = TypeVar("P")


def known_launches(steps: Iterable[Step], environment: Mapping[str, int]) -> int | None:
    """The launches of steps, if the dims alone say what is launched: nothing waits for a value."""
    total = 0
    for step in steps:
        if isinstance(step, LaunchStep):
            total += 1
            continue
        if not isinstance(step, LoopStep) or step.condition is not None:
            return None
        inner = known_launches(step.steps, environment)
        if inner is None:
            return None
        total += inner * dims.evaluate(step.count, environment)
    return total


@dataclass(frozen=True)
class Walk(Generic[P]):
    """How one call of an entry is run.

    Attributes:
        entry: its slots are found in `memory`, which loops change while they run.
        environment: values of its dims.
        memory: the place of each slot.
        launch: runs one launch.
        is_true: reads the bool at a place.
        row: the part of a place that begins at a byte and has a number of bytes.
        call: runs one call of the host.
    """

    entry: Entry
    environment: Mapping[str, int]
    memory: dict[int, P]
    launch: Callable[[LaunchStep], None]
    is_true: Callable[[P], bool]
    row: Callable[[P, int, int], P]
    call: Callable[[HostCallStep], None]

    def run(self, steps: Sequence[Step]) -> None:
        """Run steps in order."""
        for step in steps:
            if isinstance(step, LaunchStep):
                self.launch(step)
            elif isinstance(step, HostCallStep):
                self.call(step)
            elif isinstance(step, BranchStep):
                holds = self.is_true(self.memory[step.predicate])
                self.run(step.then if holds else step.otherwise)
            else:
                self._loop(step)

    def _loop(self, step: LoopStep) -> None:
        count = dims.evaluate(step.count, self.environment)
        sizes = {
            row.slot: dims.evaluate(self.entry.slots[row.slot].type.nbytes, self.environment)
            for row in step.rows
        }
        for iteration in range(count):
            self.run(step.test)
            if step.condition is not None and not self.is_true(self.memory[step.condition]):
                break
            for row in step.rows:
                place = count - 1 - iteration if row.reverse else iteration
                nbytes = sizes[row.slot]
                self.memory[row.slot] = self.row(self.memory[row.of], place * nbytes, nbytes)
            self.run(step.steps)
            for one, other in step.swaps:
                memory = self.memory
                memory[one], memory[other] = memory[other], memory[one]
