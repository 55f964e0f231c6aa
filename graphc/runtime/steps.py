"""The steps of a program, as data: launches of kernels, loops, and branches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.record import Record

__all__ = [
    "Alternative",
    "Binding",
    "BranchStep",
    "HostCallStep",
    "LaunchStep",
    "LoopStep",
    "Row",
    "Step",
    "launches_in",
    "slot_number",
    "step_from_json",
    "step_to_json",
    "walk_steps",
]

_DEPTH_AT_MOST = 64
"""Loops and branches inside each other that a reader takes."""


class Binding(Record):
    """One run of a kernel over the slots that its parameters stand for."""

    slots: tuple[int, ...]
    scalars: tuple[DimLike, ...]
    grid: DimLike


class Alternative(Record):
    """A kernel and what it runs over, if `low <= dim <= high` (always, for dim 0).

    `written` says for each parameter of the kernel whether it is stored to.
    """

    kernel: str
    bindings: tuple[Binding, ...]
    written: tuple[bool, ...]
    dim: DimLike = 0
    low: int = 0
    high: int = 0

    def applies(self, environment: Mapping[str, int]) -> bool:
        """Whether the condition holds for given dims."""
        if self.dim == 0:
            return True
        return self.low <= dims.evaluate(self.dim, environment) <= self.high


class LaunchStep(Record):
    """One launch: the first alternative whose condition holds runs. `text` says what it does."""

    alternatives: tuple[Alternative, ...]
    text: str = ""

    def alternative(self, environment: Mapping[str, int]) -> Alternative | None:
        """The one that runs for given dims; None where the program has none."""
        return next((one for one in self.alternatives if one.applies(environment)), None)


class Row(Record):
    """A slot that is a row of another one: of the iteration, or counted from the last row."""

    slot: int
    of: int
    reverse: bool = False


class LoopStep(Record):
    """Steps that run `count` times.

    Attributes:
        count: iterations; at most, where there is a condition.
        test: steps before each iteration that compute the condition.
        condition: the slot of a bool that `test` writes: the loop ends where it is false.
        steps: one iteration.
        rows: slots that move on with each iteration.
        swaps: pairs of slots that change places after each iteration: what the iteration wrote
            is what the next one reads.
    """

    count: DimLike
    test: tuple[Step, ...]
    condition: int | None
    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    swaps: tuple[tuple[int, int], ...]
    text: str = ""


class BranchStep(Record):
    """`then` runs if the bool in the slot `predicate` is true, and else `otherwise`."""

    predicate: int
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]
    text: str = ""


class HostCallStep(Record):
    """The reference of an op, called on the host: from slots to slots.

    Attributes:
        op: its name.
        attributes: those of the node: numbers, truth values and None.
        operands, results: the slots that it reads, and those that it fills.
    """

    op: str
    attributes: tuple[tuple[str, Any], ...]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    text: str = ""


Step = LaunchStep | LoopStep | BranchStep | HostCallStep


def walk_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """All steps, each before those inside it."""
    for step in steps:
        yield step
        if isinstance(step, LoopStep):
            yield from walk_steps((*step.test, *step.steps))
        elif isinstance(step, BranchStep):
            yield from walk_steps((*step.then, *step.otherwise))


def launches_in(steps: Iterable[Step]) -> Iterator[LaunchStep]:
    """All launches, those inside loops and branches included, each once."""
    return (step for step in walk_steps(steps) if isinstance(step, LaunchStep))


# -- as plain data --------------------------------------------------------------------------------


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as plain data; dims are text of the language."""
    if isinstance(step, LoopStep):
        return {
            "text": step.text,
            "loop": str(step.count),
            "test": list(map(step_to_json, step.test)),
            "condition": step.condition,
            "steps": list(map(step_to_json, step.steps)),
            "rows": [[row.slot, row.of, row.reverse] for row in step.rows],
            "swaps": [list(pair) for pair in step.swaps],
        }
    if isinstance(step, BranchStep):
        return {
            "text": step.text,
            "branch": step.predicate,
            "then": list(map(step_to_json, step.then)),
            "otherwise": list(map(step_to_json, step.otherwise)),
        }
    if isinstance(step, HostCallStep):
        return {
            "text": step.text,
            "call": step.op,
            "attributes": dict(step.attributes),
            "operands": list(step.operands),
            "results": list(step.results),
        }
    return {"text": step.text, "alternatives": list(map(_alternative_to_json, step.alternatives))}


def _alternative_to_json(alternative: Alternative) -> dict[str, Any]:
    return {
        "kernel": alternative.kernel,
        "written": list(alternative.written),
        "when": [str(alternative.dim), alternative.low, alternative.high],
        "bindings": [
            {
                "slots": list(binding.slots),
                "scalars": [str(scalar) for scalar in binding.scalars],
                "grid": str(binding.grid),
            }
            for binding in alternative.bindings
        ],
    }


def step_from_json(
    data: Mapping[str, Any], dim: Callable[[str], DimLike], count: int, depth: int = 0
) -> Step:
    """The step that `step_to_json` wrote, over `count` slots.

    Raises:
        ValueError, KeyError, TypeError: it is nothing that `step_to_json` writes.
    """
    if depth > _DEPTH_AT_MOST:
        raise ValueError("steps lie inside each other too deep")

    def inner(key: str) -> tuple[Step, ...]:
        return tuple(step_from_json(step, dim, count, depth + 1) for step in data[key])

    if "loop" in data:
        condition = data["condition"]
        return LoopStep(
            dim(data["loop"]),
            inner("test"),
            None if condition is None else slot_number(condition, count),
            inner("steps"),
            tuple(
                Row(slot_number(slot, count), slot_number(of, count), bool(reverse))
                for slot, of, reverse in data["rows"]
            ),
            tuple((slot_number(a, count), slot_number(b, count)) for a, b in data["swaps"]),
            str(data["text"]),
        )
    if "branch" in data:
        predicate = slot_number(data["branch"], count)
        return BranchStep(predicate, inner("then"), inner("otherwise"), str(data["text"]))
    if "call" in data:
        return HostCallStep(
            str(data["call"]),
            tuple((str(name), _attribute(value)) for name, value in data["attributes"].items()),
            tuple(slot_number(slot, count) for slot in data["operands"]),
            tuple(slot_number(slot, count) for slot in data["results"]),
            str(data["text"]),
        )
    alternatives = tuple(_alternative_from_json(a, dim, count) for a in data["alternatives"])
    return LaunchStep(alternatives, str(data["text"]))


def _attribute(value: Any) -> bool | int | float | None:
    if value is None or type(value) in (bool, int, float):
        found: bool | int | float | None = value
        return found
    raise ValueError(f"{value!r} is no attribute of a call of the host")


def _alternative_from_json(
    data: Mapping[str, Any], dim: Callable[[str], DimLike], count: int
) -> Alternative:
    written = tuple(bool(w) for w in data["written"])
    bindings = tuple(
        Binding(
            tuple(slot_number(slot, count) for slot in b["slots"]),
            tuple(dim(scalar) for scalar in b["scalars"]),
            dim(b["grid"]),
        )
        for b in data["bindings"]
    )
    # Of a polynomial the lower bound may be too low: only what is always negative is nonsense.
    if any(dims.bounds(binding.grid)[1] < 0 for binding in bindings):
        raise ValueError("a launch has less than no grid steps")
    if any(len(binding.slots) != len(written) for binding in bindings):
        raise ValueError("a binding has another number of slots than the kernel has parameters")
    value, low, high = data["when"]
    return Alternative(str(data["kernel"]), bindings, written, dim(value), int(low), int(high))


def slot_number(number: Any, count: int) -> int:
    """A number of one of `count` slots.

    Raises:
        ValueError: it is none.
    """
    if type(number) is not int or not 0 <= number < count:
        raise ValueError("a slot number is out of range")
    return number
