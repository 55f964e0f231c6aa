"""What an export takes, gives and needs, as the plain data that a module's manifest says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from graphc.errors import GraphcError, ModuleFormatError
from graphc.ir import dims
from graphc.runtime.program import Entry, Program, launches_in

__all__ = [
    "check_graphs",
    "check_kernels",
    "check_program",
    "memory_of_calls",
    "mismatch",
    "signature",
    "variants_of",
]


def signature(entry: Entry) -> dict[str, Any]:
    """Inputs and results with their types, names of state, dims with their ranges."""
    slots = entry.slots
    return {
        "inputs": [[slots[i].name, str(slots[i].type)] for i in entry.inputs],
        "results": [str(slots[i].type) for i in entry.results],
        "state": [slots[i].name for i in entry.state],
        "dims": {name: [str(dim), *dims.bounds(dim)] for name, dim in entry.dims.items()},
    }


def memory_of_calls(program: Program) -> dict[str, int]:
    """Bytes that no call needs more than, by export and target."""
    return {
        f"{name} on {program.target}": program.memory(name, {})["peak"] for name in program.entries
    }


Variants = dict[str, list[list[int]]]
"""Ranges of sizes that have kernels of their own, lowest first, by the text of the size."""


def variants_of(program: Program) -> dict[str, Variants]:
    """The variants of each export that has any, by export and target."""
    found = {f"{n} on {program.target}": _variants(entry) for n, entry in program.entries.items()}
    return {what: variants for what, variants in found.items() if variants}


def _variants(entry: Entry) -> Variants:
    """Ranges within each of which every launch runs one kernel, as far as that size decides."""
    starts: dict[dims.Dim, set[int]] = {}
    for step in launches_in(entry.steps):
        for one in step.alternatives:
            if not isinstance(one.dim, int):
                starts.setdefault(one.dim, set()).update((one.low, one.high + 1))
    found: Variants = {}
    for size, cuts in starts.items():
        low, high = dims.bounds(size)
        inner = sorted(cut for cut in cuts if low < cut <= high)
        if inner:
            ends = [*(cut - 1 for cut in inner), high]
            found[str(size)] = [list(pair) for pair in zip([low, *inner], ends, strict=True)]
    return found


def check_program(facts: Mapping[str, Any], program: Program) -> None:
    """Whether a manifest says of each export what a program that the module holds makes of it.

    Raises:
        ModuleFormatError: they differ.
    """
    _check_entries(facts["exports"], program.entries, f"its program for {program.target}")
    for what, nbytes in memory_of_calls(program).items():
        said = facts["memory"].get(what)
        if said != nbytes:
            raise mismatch(
                f"its manifest says {said} of the memory of {what}, its program {nbytes}"
            )
    # Modules of earlier versions do not say it.
    listed = facts.get("variants")
    if listed is not None:
        variants, end = variants_of(program), f" on {program.target}"
        said = {what: listed[what] for what in listed if what.endswith(end)}
        if said != variants:
            raise mismatch(f"its manifest says {said} of the variants, its program {variants}")


def check_kernels(program: Program, binaries: Mapping[str, bytes]) -> None:
    """Whether the kernels that a program for a GPU launches are described, and in each cubin.

    Args:
        program: what launches them.
        binaries: the module's, by member name.

    Raises:
        ModuleFormatError: one is not.
    """
    steps = (step for entry in program.entries.values() for step in launches_in(entry.steps))
    kernels = {one.kernel for step in steps for one in step.alternatives}
    unknown = kernels - program.geometry.keys()
    if unknown:
        raise mismatch(f"its program launches {_listed(unknown)}, which it does not describe")
    for name, binary in binaries.items():
        # Each kernel is a section of its own, whose name is one of the file's strings.
        missing = {one for one in kernels if f"\0.text.{one}\0".encode() not in binary}
        if name.startswith("cubins/") and missing:
            raise mismatch(f"its program launches {_listed(missing)}, which {name} has not")


def check_graphs(
    facts: Mapping[str, Any], entries: Mapping[str, Entry], targets: Collection[str]
) -> None:
    """Whether a manifest says of each export what its graph is.

    A program for the CPU is no part of a module, and another version of graphc may have planned
    its memory: it is enough for what calls take and give, and for the state.

    Args:
        facts: what the manifest says.
        entries: what was made from the module's graphs.
        targets: those that the module has programs for.

    Raises:
        ModuleFormatError: they differ.
    """
    _check_entries(facts["exports"], entries, "its graphs")
    for what, variants in facts.get("variants", {}).items():
        entry = entries.get(what.rpartition(" on ")[0])
        for size, ranges in variants.items():
            if entry is None or not _are_ranges(ranges, size, entry):
                raise mismatch(f"its manifest says {ranges} of {size!r}, the variants of {what}")
    of_programs = {f"{name} on {target}" for name in entries for target in targets}
    said = {w: nbytes for w, nbytes in facts["memory"].items() if w not in of_programs}
    least = _tensors_of_calls(entries)
    if said and said.keys() != least.keys():
        raise mismatch(f"its manifest says what memory there is for {_listed(said)}")
    for what, nbytes in said.items():
        if nbytes < least[what]:
            raise mismatch(
                f"its manifest says {nbytes} of the memory of {what}, its inputs, results and "
                f"state are {least[what]}"
            )


def _are_ranges(ranges: Sequence[Sequence[int]], text: str, entry: Entry) -> bool:
    """Whether ranges follow each other from the least value of a size to the largest."""
    try:
        low, high = dims.bounds(dims.from_text(text, entry.dims))
    except GraphcError:
        return False
    starts, ends = [first for first, _ in ranges], [last for _, last in ranges]
    return [*starts, high + 1] == [low, *(end + 1 for end in ends)]


def _tensors_of_calls(entries: Mapping[str, Entry]) -> dict[str, int]:
    """Bytes of all but what the CPU needs for itself, by export and target."""
    state = Program("cpu", entries).state_bytes()
    given = {n: e.bytes_of("input") + e.bytes_of("result") for n, e in entries.items()}
    return {f"{name} on cpu": state + dims.bounds(size)[1] for name, size in given.items()}


def _check_entries(
    exports: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Entry], origin: str
) -> None:
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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
