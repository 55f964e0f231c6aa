"""Check .gc files, or models in Python (package.module:Net): syntax, names, dtypes, shapes.

Nothing is compiled; a Python module is imported, so its code runs. All errors that can be told
apart are reported in one run.
"""

from __future__ import annotations

import argparse

from graphc.cli.arguments import named_file
from graphc.cli.streams import tell
from graphc.errors import GraphcError
from graphc.from_python import unit_named
from graphc.ir.types import signature_text

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc check`."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", type=named_file, help=".gc files, or MODULE:NAME"
    )


def run(options: argparse.Namespace) -> int:
    """Check each file; print its exports, or its errors."""
    failed = False
    for source in options.sources:
        try:
            unit = unit_named(source)
        except GraphcError as error:
            failed = True
            tell(error.render())
            continue
        for name, graph in unit.exports.items():
            inputs = [(node["name"], node.type) for node in graph.inputs]
            results = [node.type for node in graph.results]
            print(f"{source}: {signature_text(name, inputs, results)}")
    return 1 if failed else 0
