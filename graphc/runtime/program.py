"""The program of an export: data, and nothing else.

Memory slots, the steps that run over them, and the sizes of both as expressions in the named
dims. A program is what the compiler leaves to the runtimes and what a module file stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any, Literal

from graphc.errors import GraphcError, ModuleFormatError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.record import Record
from graphc.ir.types import TensorType
from graphc.lazy import host_calls
from graphc.runtime.steps import (
    Alternative,
    Binding,
    BranchStep,
    HostCallStep,
    LaunchStep,
    LoopStep,
    Row,
    Step,
    launches_in,
    slot_number,
    step_from_json,
    step_to_json,
    walk_steps,
)

__all__ = [
    "ALIGNMENT",
    "MOST_SCRATCH",
    "Alternative",
    "Binding",
    "BranchStep",
    "Entry",
    "Geometry",
    "HostCallStep",
    "LaunchStep",
    "Layout",
    "LoopStep",
    "Program",
    "Row",
    "Slot",
    "Step",
    "aligned",
    "launches_in",
    "walk_steps",
]

ALIGNMENT = 256
"""Bytes that every slot of the arena is aligned to: a multiple of cache lines and of what bulk
copies on a GPU ask for."""

MOST_SCRATCH = 2**30
"""Bytes of scratch memory of a thread that a program may ask for at most."""

Role = Literal["input", "state", "result", "temporary", "constant", "row"]


def aligned(nbytes: int) -> int:
    """What memory of so many bytes takes, where further memory begins behind it."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Slot(Record):
    """A piece of memory that holds one tensor, contiguous and row-major.

    Attributes:
        name: the input, state or result it belongs to; what it holds, for a temporary.
        role: who owns it: the caller (input, result), the module (state, constant), or the
            arena (temporary); a "row" is the part of another slot that a loop is at.
        type: dtype and shape, in the dims of the entry.
        above: temporaries that it lies above in the arena. Its offset is the largest of their
            ends, so that one plan holds for every value of the dims.
    """

    name: str
    role: Role
    type: TensorType
    above: tuple[int, ...] = ()


class Layout(Record):
    """Where everything lies for given dims: offsets of temporaries, and the arena's size."""

    offsets: Mapping[int, int]
    arena_bytes: int


class Entry(Record):
    """One export.

    Attributes:
        dims: the named dims with their ranges; a call binds them.
        slots: all memory that the steps mention.
        inputs, state, results: their slots, in calling order.
        steps: in the order in which they run.
        limited: numbers of elements that no call may make more than 64 bits count.
    """

    name: str
    dims: Mapping[str, Dim]
    slots: tuple[Slot, ...]
    inputs: tuple[int, ...]
    state: tuple[int, ...]
    results: tuple[int, ...]
    steps: tuple[Step, ...]
    limited: tuple[Dim, ...] = ()

    def layout(self, environment: Mapping[str, int]) -> Layout:
        """Offsets of the temporaries for given dims, each aligned."""
        return self.layout_by(lambda size: dims.evaluate(size, environment))

    def layout_by(self, value: Callable[[DimLike], int]) -> Layout:
        """Offsets of the temporaries, where `value` says how many bytes a size stands for."""
        offsets: dict[int, int] = {}
        ends: dict[int, int] = {}
        pending = [i for i, slot in enumerate(self.slots) if slot.role == "temporary"]
        while pending:
            later = []
            for i in pending:
                above = self.slots[i].above
                if all(j in ends for j in above):
                    offsets[i] = max((ends[j] for j in above), default=0)
                    nbytes = value(self.slots[i].type.nbytes)
                    ends[i] = offsets[i] + aligned(nbytes)
                else:
                    later.append(i)
            if len(later) == len(pending):
                raise ModuleFormatError(f"the memory plan of {self.name!r} is circular")
            pending = later
        return Layout(offsets, max(ends.values(), default=0))

    def bytes_of(self, role: Role) -> DimLike:
        """Bytes of all slots of a role other than "temporary"."""
        sizes: Iterator[DimLike] = (s.type.nbytes for s in self.slots if s.role == role)
        return sum(sizes, start=0)


class Geometry(Record):
    """What a launch of a kernel must know of it.

    Attributes:
        lanes: lanes of a grid step: threads of a block on a GPU.
        shared_bytes: dynamic shared memory of a block.
        segments: 0 for a kernel that takes its parameters and scalars one by one; else the
            bindings that one launch takes at most, in a table.
        index_bits: width of the kernel's scalars, 32 or 64.
    """

    lanes: int
    shared_bytes: int = 0
    segments: int = 0
    index_bits: int = 64


class Program(Record):
    """All exports of a unit for one target.

    Attributes:
        target: the dialect's name.
        entries: exports by name.
        geometry: of each kernel, by its name.
        scratch_bytes: what each thread that runs kernels on the CPU keeps to itself; it depends
            on the program alone, never on the machine.
    """

    target: str
    entries: Mapping[str, Entry]
    geometry: Mapping[str, Geometry] = field(default_factory=dict)
    scratch_bytes: int = 0

    def memory(self, name: str, environment: Mapping[str, int], threads: int = 1) -> dict[str, int]:
        """Bytes that are held during a call of an export: by part, and "peak" for all together.

        State is that of all exports: it stays in memory whichever of them is called. So does
        the scratch memory of every thread.

        Args:
            name: the export.
            environment: values of its dims. Where one is not given, no value of it needs more
                than what is returned; one needs as much if all sizes grow with it.
            threads: how many run the kernels.

        Raises:
            DimensionError: a value out of its range.
        """
        entry = self.entries[name]

        def most(size: DimLike) -> int:
            return dims.bounds(dims.substitute(size, environment))[1]

        parts: dict[str, int] = {
            "input": most(entry.bytes_of("input")),
            "result": most(entry.bytes_of("result")),
            "state": self.state_bytes(),
            "arena": entry.layout_by(most).arena_bytes,
            "scratch": self.scratch_bytes * threads,
        }
        return {**parts, "peak": sum(parts.values())}

    def state_bytes(self) -> int:
        """Bytes of the state of all exports."""
        types = {
            entry.slots[slot].name: entry.slots[slot].type
            for entry in self.entries.values()
            for slot in entry.state
        }
        return sum(dims.evaluate(type_.nbytes, {}) for type_ in types.values())

    def to_json(self) -> dict[str, Any]:
        """The program as plain data; dims are text of the language."""
        return {
            "target": self.target,
            "scratch": self.scratch_bytes,
            "kernels": {name: asdict(geometry) for name, geometry in self.geometry.items()},
            "entries": {name: _entry_to_json(entry) for name, entry in self.entries.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """The program that `to_json` wrote; anything else is refused."""
        try:
            entries = {name: _entry_from_json(name, e) for name, e in data["entries"].items()}
            geometry = {str(name): _geometry(g) for name, g in data["kernels"].items()}
            scratch = _scratch(data.get("scratch", 0))
            return cls(str(data["target"]), entries, geometry, scratch)
        except (
            LookupError,
            TypeError,
            ArithmeticError,
            ValueError,
            AttributeError,
            GraphcError,
        ) as error:
            what = error.message if isinstance(error, GraphcError) else repr(error)
            raise ModuleFormatError(
                f"the program is not of the expected form: {what}",
                hint="build the module again",
            ) from error


def _geometry(data: Mapping[str, Any]) -> Geometry:
    found = Geometry(**{str(name): int(value) for name, value in data.items()})
    if not 1 <= found.lanes <= 1024 or found.index_bits not in (32, 64):
        raise ValueError(f"{found} is of no kernel")
    return found


def _scratch(nbytes: Any) -> int:
    if type(nbytes) is not int or not 0 <= nbytes <= MOST_SCRATCH:
        raise ValueError(f"{nbytes!r} is no size of scratch memory")
    return nbytes


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    def variable(dim: Dim) -> list[int]:
        low, high = dims.bounds(dim)
        return [low, high, math.gcd(*(c for _, c in dim.terms))]

    return {
        "dims": {name: variable(dim) for name, dim in entry.dims.items()},
        "slots": [
            {
                "name": slot.name,
                "role": slot.role,
                "dtype": slot.type.dtype.name,
                "shape": [str(dim) for dim in slot.type.shape],
                "above": list(slot.above),
            }
            for slot in entry.slots
        ],
        "inputs": list(entry.inputs),
        "state": list(entry.state),
        "results": list(entry.results),
        "steps": list(map(step_to_json, entry.steps)),
        "limited": list(map(str, entry.limited)),
    }


def _entry_from_json(name: str, data: Mapping[str, Any]) -> Entry:
    named: dict[str, Dim] = {}
    for dim_name, (low, high, multiple) in data["dims"].items():
        variable = dims.variable(dim_name, low, high, multiple)
        if isinstance(variable, Dim):
            named[dim_name] = variable

    def dim(text: str) -> DimLike:
        return dims.from_text(text, named)

    slots = tuple(
        Slot(
            str(s["name"]), _role(s["role"]), _type(s, dim), _slots(s["above"], len(data["slots"]))
        )
        for s in data["slots"]
    )
    steps = tuple(step_from_json(s, dim, len(slots)) for s in data["steps"])
    _check_steps(slots, steps)
    lists = (_slots(data[key], len(slots)) for key in ("inputs", "state", "results"))
    inputs, state, results = lists
    _check_places(slots, (*inputs, *state, *results), frozenset())
    # Programs of earlier versions have none.
    limited = (dim(text) for text in data.get("limited", ()))
    sizes = tuple(size for size in limited if isinstance(size, Dim))
    return Entry(name, named, slots, inputs, state, results, steps, sizes)


def _check_steps(
    slots: tuple[Slot, ...], steps: tuple[Step, ...], known: frozenset[int] = frozenset()
) -> None:
    """Refuse loops and branches that would leave the memory of their slots.

    `known` are the rows of the loops around: they have no place elsewhere.
    """
    for step in steps:
        if isinstance(step, BranchStep):
            _check_places(slots, [step.predicate], known)
            _check_flag(slots[step.predicate])
            _check_steps(slots, (*step.then, *step.otherwise), known)
        elif isinstance(step, LoopStep):
            _check_loop(slots, step, known)
        elif isinstance(step, HostCallStep):
            _check_places(slots, (*step.operands, *step.results), known)
            host_calls.called_node(step, [slot.type for slot in slots])
        else:
            for alternative in step.alternatives:
                for binding in alternative.bindings:
                    _check_places(slots, binding.slots, known)


def _check_loop(slots: tuple[Slot, ...], step: LoopStep, known: frozenset[int]) -> None:
    if dims.bounds(step.count)[0] < 0:
        raise ValueError("a loop may run less than no times")
    if step.condition is not None:
        _check_places(slots, [step.condition], known)
        _check_flag(slots[step.condition])
    elif step.test:
        raise ValueError("a loop without a condition computes one")
    for row in step.rows:
        part, whole = slots[row.slot], slots[row.of]
        _check_places(slots, [row.of], known)
        if part.role != "row" or row.slot in known:
            raise ValueError("a loop moves a slot that is no row of it")
        if whole.type is not TensorType(part.type.dtype, (step.count, *part.type.shape)):
            raise ValueError("the rows of a loop are not those of the slot")
    for one, other in step.swaps:
        pair = slots[one], slots[other]
        if pair[0].type is not pair[1].type or {slot.role for slot in pair} != {"temporary"}:
            raise ValueError("a loop swaps slots that are not alike")
    _check_steps(slots, step.test, known)
    _check_steps(slots, step.steps, known | {row.slot for row in step.rows})


def _check_places(slots: tuple[Slot, ...], used: Sequence[int], known: frozenset[int]) -> None:
    if any(slots[slot].role == "row" and slot not in known for slot in used):
        raise ValueError("a row is used outside of its loop")


def _check_flag(slot: Slot) -> None:
    if slot.type is not TensorType(dtypes.bool_, ()):
        raise ValueError(f"a condition is {slot.type}")


def _type(slot: Mapping[str, Any], dim: Callable[[str], DimLike]) -> TensorType:
    dtype: DType = dtypes.from_name(slot["dtype"])
    return TensorType(dtype, tuple(dim(text) for text in slot["shape"]))


def _role(text: str) -> Role:
    roles: tuple[Role, ...] = ("input", "state", "result", "temporary", "constant", "row")
    for role in roles:
        if role == text:
            return role
    raise ValueError(f"unknown role {text!r}")


def _slots(numbers: Sequence[Any], count: int) -> tuple[int, ...]:
    return tuple(slot_number(number, count) for number in numbers)
