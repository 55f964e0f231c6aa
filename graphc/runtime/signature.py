"""What an export takes and gives, as the plain data that the manifest of a module says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphc.errors import ModuleFormatError
from graphc.ir import dims

if TYPE_CHECKING:
    from graphc.runtime.program import Entry

__all__ = ["check_entries", "mismatch", "signature"]


def signature(entry: Entry) -> dict[str, Any]:
    """Inputs and results with their types, names of state, dims with their ranges."""
    slots = entry.slots
    return {
        "inputs": [[slots[i].name, str(slots[i].type)] for i in entry.inputs],
        "results": [str(slots[i].type) for i in entry.results],
        "state": [slots[i].name for i in entry.state],
        "dims": {name: [str(dim), *dims.bounds(dim)] for name, dim in entry.dims.items()},
    }


def check_entries(
    exports: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Entry], origin: str
) -> None:
    """Whether a manifest says of each export what its entry is.

    Args:
        exports: what the manifest says.
        entries: what was made from the module's graphs, or a program that it holds.
        origin: what the entries come from, for the message.

    Raises:
        ModuleFormatError: they differ.
    """
    if set(entries) != set(exports):
        raise mismatch(
            f"its manifest lists the exports {_listed(exports)}, {origin} {_listed(entries)}"
        )
    for name, entry in entries.items():
        for key, found in signature(entry).items():
            said = exports[name][key]
            if said != found:
                raise mismatch(
                    f"its manifest says {said} of the {key} of {name!r}, {origin} {found}"
                )


def mismatch(what: str) -> ModuleFormatError:
    """The error for a module whose parts contradict each other."""
    return ModuleFormatError(
        f"the parts of the module do not belong together: {what}",
        code="module-damaged",
        hint="build it again with `graphc build`, or copy it again from where it came",
    )


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
