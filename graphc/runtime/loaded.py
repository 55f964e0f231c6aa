"""A module that can be called: its exports as methods, its state beside them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphc.errors import DTypeError, NameLookupError, ShapeError, UsageError, did_you_mean
from graphc.ir import dims
from graphc.ir.types import signature_text
from graphc.runtime.arguments import ordered_arguments
from graphc.runtime.cpu import pool
from graphc.runtime.module_file import ModuleFile
from graphc.runtime.program import Program

__all__ = ["Executor", "Export", "LoadedModule"]

Array = np.ndarray[Any, Any]


class Executor(Protocol):
    """What a device offers to a module.

    Attributes:
        program: its entries are the contracts of the exports.
        state: current values by name. On a GPU, reading an item copies it to the host.
        allocations: how often memory was allocated for calls.
    """

    program: Program
    allocations: int

    @property
    def state(self) -> Mapping[str, Array]:
        """Current values of all state."""

    def call(self, name: str, arguments: Sequence[Any]) -> list[Array]:
        """Run an export."""

    def set_state(self, values: Mapping[str, Array]) -> None:
        """Replace values of state in place."""


class Export:
    """One exported function of a loaded module; call it with arrays."""

    def __init__(
        self, executor: Executor, name: str, doc: str, turns: AbstractContextManager[Any]
    ) -> None:
        self._executor = executor
        self._turns = turns
        self._entry = executor.program.entries[name]
        self._name = name
        self.__name__ = name
        self.__doc__ = doc or None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run it: one array, or a tuple of arrays where it has several results."""
        ordered = ordered_arguments(self._entry, arguments, named)
        with self._turns:
            results = self._executor.call(self._name, ordered)
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def signature(self) -> str:
        """Inputs and results with their types."""
        entry = self._entry
        inputs = [(entry.slots[i].name, entry.slots[i].type) for i in entry.inputs]
        results = [entry.slots[i].type for i in entry.results]
        return signature_text(self._name, inputs, results)

    def __repr__(self) -> str:
        return f"<export {self.signature}>"


class LoadedModule:
    """A module on a device. Exports are attributes: `module.predict(x)`.

    An export that is called like a method of this class is reached as `module.exports["save"]`.
    Several threads may call it: calls of exports that have state take turns, also with reading
    and replacing the state.
    """

    def __init__(self, executor: Executor, file: ModuleFile, device: str) -> None:
        self._executor = executor
        self._file = file
        self.device = device
        self.__doc__ = str(file.manifest.get("doc", "")) or None
        docs = {name: str(e.get("doc", "")) for name, e in file.manifest["exports"].items()}
        self._turns = threading.RLock()
        self.exports: dict[str, Export] = {
            name: Export(
                executor, name, docs.get(name, ""), self._turns if entry.state else nullcontext()
            )
            for name, entry in executor.program.entries.items()
        }

    def __getattr__(self, name: str) -> Export:
        exports = self.__dict__.get("exports", {})
        if name in exports:
            export: Export = exports[name]
            return export
        near = did_you_mean(name, exports)
        listed = f"it has {', '.join(exports) or 'none'}"
        raise AttributeError(f"the module has no export {name!r}; {near or listed}")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the export of a module that has one.

        Raises:
            UsageError: it has several, or none.
        """
        if len(self.exports) != 1:
            raise UsageError(
                f"the module has {len(self.exports)} exports, and the call names none",
                code="which-export",
                hint=f"call one by name: {', '.join(self.exports) or 'there is none'}",
            )
        (only,) = self.exports.values()
        return only(*arguments, **named)

    def __repr__(self) -> str:
        lines = [f"<module on {self.device}>"]
        return "\n  ".join([*lines, *(e.signature for e in self.exports.values())])

    @property
    def allocations(self) -> int:
        """How often memory was allocated for calls: it stays after the largest call."""
        return self._executor.allocations

    def memory(self, name: str, threads: int | None = None, /, **dim_values: int) -> dict[str, int]:
        """Bytes that a call of an export needs, known before it runs.

        Args:
            name: the export.
            threads: how many run kernels on the CPU, each with scratch memory of its own; by
                default as many as are set.
            dim_values: values of its dims. Where one is not given, no value of it needs more than
                what is returned.

        Raises:
            NameLookupError: no such export or dim.
            DimensionError: a value out of its range.
        """
        entry = self._executor.program.entries.get(name)
        if entry is None:
            raise NameLookupError(
                f"the module has no export {name!r}", hint=f"it has {', '.join(self.exports)}"
            )
        unknown = sorted(set(dim_values) - set(entry.dims))
        if unknown:
            known = ", ".join(entry.dims) or "none"
            raise NameLookupError(f"{name} has no dim {unknown[0]!r}", hint=f"it has {known}")
        for dim in dim_values:
            dims.evaluate(entry.dims[dim], dim_values)
        count = pool.threads() if threads is None else threads
        return self._executor.program.memory(name, dim_values, count)

    def state_dict(self) -> dict[str, Array]:
        """A copy of all state by name, as it is between two calls."""
        with self._turns:
            return {name: np.array(value) for name, value in self._executor.state.items()}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Replace state by name; names, dtypes and shapes must be those of the module.

        Raises:
            NameLookupError: a name is missing or unknown. Nothing has changed then.
            ShapeError, DTypeError: a value does not fit. Nothing has changed then.
        """
        arrays = {name: np.asarray(value) for name, value in values.items()}
        with self._turns:
            state = self._executor.state
            _check_names(state, arrays)
            for name, array in arrays.items():
                _check_value(name, array, state[name])
            self._executor.set_state(arrays)

    def save(self, path: str | Path) -> Path:
        """Write the module with its present state, whole or not at all; returns the path.

        Raises:
            UsageError: not the path of a `.gcm` file, or a place that cannot be written.
        """
        replace(self._file, weights=self.state_dict()).write(path)
        return Path(path)


def _check_names(state: Mapping[str, Array], values: Mapping[str, Array]) -> None:
    missing = sorted(set(state) - set(values))
    unknown = sorted(set(values) - set(state))
    if missing or unknown:
        raise NameLookupError(
            f"the state does not fit: missing {', '.join(missing) or 'none'}, "
            f"unknown {', '.join(unknown) or 'none'}",
            code="missing-weight" if missing else "unknown-weight",
            hint="change values in what state_dict() gives: it has every name",
        )


def _check_value(name: str, value: Array, present: Array) -> None:
    if value.shape != present.shape:
        raise ShapeError(
            f"{name} is {value.shape}, expected {present.shape}",
            hint="state_dict() has every value in its shape: is it the state of another model?",
        )
    if value.dtype.newbyteorder("=") != present.dtype:
        raise DTypeError(
            f"{name} is {value.dtype.name}, expected {present.dtype.name}",
            hint=f"convert it: value.astype({present.dtype.name!r})",
        )
