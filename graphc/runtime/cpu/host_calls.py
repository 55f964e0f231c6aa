"""Calls of the host from within the native function of an export."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from graphc.ir.node import Node
from graphc.lazy import host_calls
from graphc.runtime.aligned import array_at
from graphc.runtime.launches import shape_of
from graphc.runtime.program import Entry, HostCallStep, walk_steps

__all__ = ["HostCallback", "HostCalls"]

HostCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p))
"""int call(int64_t number, void **slots): the call of that number; not 0 where it failed."""


class HostCalls:
    """The calls of one entry for given dims.

    A call that fails ends the native function; `raise_failure` then says why.
    """

    def __init__(self, entry: Entry, environment: Mapping[str, int], nodes: list[Node]) -> None:
        self._steps = [step for step in walk_steps(entry.steps) if isinstance(step, HostCallStep)]
        self._nodes = nodes
        self._environment = environment
        types = [slot.type for slot in entry.slots]
        self._arrays = {
            slot: (shape_of(types[slot], environment), types[slot].dtype.numpy)
            for step in self._steps
            for slot in (*step.operands, *step.results)
        }
        self._failure: BaseException | None = None
        self.callback = HostCallback(self._run)

    @classmethod
    def of(cls, entry: Entry, environment: Mapping[str, int]) -> HostCalls | None:
        """The calls of an entry; None if it has none."""
        types = [slot.type for slot in entry.slots]
        steps = [step for step in walk_steps(entry.steps) if isinstance(step, HostCallStep)]
        if not steps:
            return None
        return cls(entry, environment, [host_calls.called_node(step, types) for step in steps])

    def raise_failure(self) -> None:
        """Raise what the last run of the native function ended with, if it was cut short."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self, number: int, slots: Any) -> int:
        step = self._steps[number]
        try:
            operands, results = (
                [array_at(slots[slot] or 0, *self._arrays[slot]) for slot in places]
                for places in (step.operands, step.results)
            )
            host_calls.run_host_call(self._nodes[number], operands, results, self._environment)
        except BaseException as error:  # it cannot pass through native code
            self._failure = error
            return 1
        return 0
