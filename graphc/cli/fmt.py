"""Format .gc files in place; with --check, only say which would change."""

from __future__ import annotations

import argparse
from pathlib import Path

from graphc.cli.arguments import named_file
from graphc.frontend.formatting.formatter import format_source
from graphc.runtime.atomic_write import write_atomically
from graphc.source_file import read_source

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc fmt`."""
    parser.add_argument("sources", metavar="SOURCE", nargs="+", type=named_file, help=".gc files")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if needed")


def run(options: argparse.Namespace) -> int:
    """Format each file."""
    changed = 0
    for path in map(Path, options.sources):
        text = read_source(path)
        formatted = format_source(text, str(path))
        if formatted != text:
            changed += 1
            print(f"{'would format' if options.check else 'formatted'} {path}")
            if not options.check:
                write_atomically(path, formatted.encode())
    return 1 if options.check and changed else 0
