"""Compile a model to one .gcm file.

SOURCE is a .gc file, or names a model in Python, as package.module:Net; that module is imported, so
its code runs. The report at the end says what was made: exports, variants, kernels, memory, size
and time.
"""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from graphc.api import build
from graphc.cli.arguments import named_file, number_of_bytes, seed, targets
from graphc.cli.text import quantity, table, variants
from graphc.errors import SourceError
from graphc.from_python import output_for, unit_named
from graphc.runtime.output_path import check_output, module_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc build`."""
    parser.add_argument(
        "source", metavar="SOURCE", type=named_file, help="a .gc file, or MODULE:NAME"
    )
    parser.add_argument(
        "-o", "--output", type=module_path, help="the module (default: SOURCE.gcm, or NAME.gcm)"
    )
    parser.add_argument(
        "-t",
        "--target",
        type=targets,
        default=("cpu",),
        help="comma-separated: cpu, cuda (sm_80, sm_90a and sm_100), or architectures by name",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the initial weights (default 0)")
    parser.add_argument(
        "--max-memory", metavar="BYTES", type=number_of_bytes, help="refuse a build that needs more"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no report")


def run(options: argparse.Namespace) -> int:
    """Build, write, report."""
    if options.output is not None:
        check_output(options.output)
    unit = unit_named(options.source)
    if not unit.exports:
        raise SourceError(
            f"{options.source} exports nothing",
            code="no-exports",
            hint="name what to compile: export predict = Model.forward",
        )
    output = options.output or output_for(options.source)
    check_output(output)
    with tqdm(
        bar_format="{desc} [{elapsed}]", file=sys.stderr, disable=options.quiet or None, leave=False
    ) as bar:
        built = build(
            unit,
            targets=options.target,
            seed=options.seed,
            max_memory=options.max_memory,
            progress=bar.set_description_str,
        )
    size = built.file.write(output)
    if options.quiet:
        return 0
    rows = [["export", "target", "steps", "kernels", "variants", "arena", "scratch/thread", "peak"]]
    for one in built.reports:
        counts = [str(one.steps), str(one.kernels), str(one.variants)]
        memory = [quantity(n) for n in (one.arena_bytes, one.scratch_bytes, one.peak_bytes)]
        rows.append([one.name, one.target, *counts, *memory])
    print(table(rows))
    print(variants(built.file.manifest["variants"]), end="")
    print(f"{output}: {quantity(size)}, built in {built.seconds:.2f} s")
    return 0
