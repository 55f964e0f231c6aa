"""Say what a module file contains: exports, dims, state, memory, targets, members."""

from __future__ import annotations

import argparse
from pathlib import Path

from graphc.api import read_description
from graphc.cli.arguments import named_file
from graphc.cli.text import quantity, table, variants
from graphc.ir.types import signature_text

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc info`."""
    parser.add_argument("module", metavar="MODULE", type=named_file, help="a .gcm file")
    parser.add_argument("--weights", action="store_true", help="list all state")


def run(options: argparse.Namespace) -> int:
    """Print the facts of a module file."""
    manifest, unit = read_description(Path(options.module))
    facts = manifest.facts
    if facts["doc"]:
        print(facts["doc"].strip(), end="\n\n")
    for name, export in facts["exports"].items():
        print(signature_text(name, export["inputs"], export["results"]))
        for dim, variable in unit.exports[name].dims().items():
            print(f"    {dim}: {variable.names[dim].range_text()}")
        if export["doc"].strip():
            print(f"    {export['doc'].strip().splitlines()[0]}")
    print(f"\nstate: {len(manifest.weights)} tensors, {quantity(manifest.weight_bytes)}")
    if options.weights:
        rows = [["name", "dtype", "shape"]]
        rows += [[name, dtype, str(shape)] for name, (dtype, shape) in manifest.weights.items()]
        print(table(rows))
    for what, nbytes in facts["memory"].items():
        print(f"peak memory of {what}: at most {quantity(nbytes)}")
    print(variants(facts.get("variants", {})), end="")
    binaries = [
        [name, quantity(member.nbytes)]
        for name, member in manifest.members.items()
        if name.startswith(("cubins/", "ptx/"))
    ]
    if binaries:
        print(table([["binary", "size"], *binaries]))
    return 0
