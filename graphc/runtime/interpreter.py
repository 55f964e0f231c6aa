"""The interpreter: a program's kernels run in NumPy, over memory laid out as the program says.

Slower than the reference runtime by far. It shows what the kernels mean where a backend and the
reference disagree: a wrong value is then known to come from before the kernels or from after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.ir.kernel import Kernel
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.host_calls import called_node, run_host_call
from graphc.runtime.host_state import HostState
from graphc.runtime.launches import shape_of
from graphc.runtime.program import Entry, HostCallStep, LaunchStep, Program
from graphc.runtime.walk import Walk

__all__ = ["Interpreter", "evaluate_entry"]

Array = np.ndarray[Any, Any]

# What the arena holds before a call: as bytes of any dtype a number that no kernel means.
_UNSET_BYTE = 0xA5


class Interpreter(HostState):
    """The exports of a program, run kernel by kernel in NumPy.

    Args:
        program: for any target.
        kernels: its kernels in the kernel IR, by name.
        state: the first values of all state, by name; copied.
    """

    allocations = 0

    def __init__(
        self, program: Program, kernels: Mapping[str, Kernel], state: Mapping[str, Array]
    ) -> None:
        super().__init__({name: np.array(value) for name, value in state.items()})
        self.program = program
        self._kernels = kernels

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export; new state is left in place."""
        with self._lock:
            entry = self.program.entries[name]
            return evaluate_entry(entry, self._kernels, arguments, self.state)


def evaluate_entry(
    entry: Entry,
    kernels: Mapping[str, Kernel],
    arguments: Sequence[Any],
    state: Mapping[str, Array],
) -> list[Array]:
    """Run one export of a program in NumPy.

    Args:
        entry: the export.
        kernels: those that its steps name.
        arguments: one array for each input.
        state: contiguous arrays by name, which are updated in place.

    Returns:
        The results, as new arrays.

    Raises:
        DTypeError, ShapeError, DimensionError: an argument does not fit.
        InternalError: a kernel does what no target defines.
    """
    arrays, environment = bind_arguments(entry, arguments)
    memory = _memory(entry, arrays, state, environment)

    def launch(step: LaunchStep) -> None:
        _launch(step, kernels, memory, environment)

    def call(step: HostCallStep) -> None:
        node = called_node(step, [slot.type for slot in entry.slots])
        operands, results = (
            [memory[slot].reshape(shape_of(entry.slots[slot].type, environment)) for slot in slots]
            for slots in (step.operands, step.results)
        )
        run_host_call(node, operands, results, environment)

    walk = Walk(entry, environment, memory, launch, lambda place: bool(place[0]), _row, call)
    walk.run(entry.steps)
    return [
        memory[number].reshape(shape_of(entry.slots[number].type, environment))
        for number in entry.results
    ]


def _memory(
    entry: Entry,
    arrays: Sequence[Array],
    state: Mapping[str, Array],
    environment: Mapping[str, int],
) -> dict[int, Array]:
    """Flat memory for every slot; temporaries share an arena as the plan says."""
    memory = {slot: array.reshape(-1) for slot, array in zip(entry.inputs, arrays, strict=True)}
    memory |= {slot: state[entry.slots[slot].name].reshape(-1) for slot in entry.state}
    layout = entry.layout(environment)
    arena = np.full(layout.arena_bytes, _UNSET_BYTE, np.uint8)
    for number in (*entry.results, *layout.offsets):
        slot = entry.slots[number]
        nbytes = dims.evaluate(slot.type.nbytes, environment)
        offset = layout.offsets.get(number)
        part = (
            np.full(nbytes, _UNSET_BYTE, np.uint8)
            if offset is None
            else arena[offset : offset + nbytes]
        )
        memory[number] = part.view(slot.type.dtype.numpy)
    return memory


def _row(place: Array, begin: int, nbytes: int) -> Array:
    size = place.dtype.itemsize
    return place[begin // size : (begin + nbytes) // size]


def _launch(
    step: LaunchStep,
    kernels: Mapping[str, Kernel],
    memory: Mapping[int, Array],
    environment: Mapping[str, int],
) -> None:
    chosen = step.alternative(environment)
    assert chosen is not None
    for binding in chosen.bindings:
        evaluate_kernel(
            kernels[chosen.kernel],
            [memory[slot] for slot in binding.slots],
            [dims.evaluate(scalar, environment) for scalar in binding.scalars],
        )
