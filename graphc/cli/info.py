"""Say what a module file contains: exports, dims, state, memory, targets, members."""

from __future__ import annotations

import argparse
from pathlib import Path

from graphc.cli.text import quantity, table
from graphc.runtime.module_file import read_module

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc info`."""
    parser.add_argument("module", metavar="MODULE", type=Path, help="a .gcm file")
    parser.add_argument("--weights", action="store_true", help="list all state")


def run(options: argparse.Namespace) -> int:
    """Print the facts of a module file."""
    file = read_module(options.module)
    if file.manifest.get("doc"):
        print(file.manifest["doc"].strip(), end="\n\n")
    for name, export in file.manifest["exports"].items():
        inputs = ", ".join(f"{n}: {t}" for n, t in export["inputs"])
        print(f"{name}({inputs}) -> {', '.join(export['results'])}")
        for dim, (text, low, high) in export["dims"].items():
            print(f"    {dim}: {low}..{high}" + ("" if text == dim else f" ({text})"))
        if export.get("doc"):
            print(f"    {export['doc'].strip().splitlines()[0]}")
    total = sum(value.nbytes for value in file.weights.values())
    print(f"\nstate: {len(file.weights)} tensors, {quantity(total)}")
    if options.weights:
        rows = [["name", "dtype", "shape"]]
        rows += [[n, v.dtype.name, str(v.shape)] for n, v in file.weights.items()]
        print(table(rows))
    for what, nbytes in file.manifest.get("memory", {}).items():
        print(f"peak memory of {what}: {quantity(nbytes)}")
    binaries = [[name, quantity(len(data))] for name, data in file.binaries.items()]
    if binaries:
        print(table([["binary", "size"], *binaries]))
    return 0
