"""Call an export of a module with arrays from .npy files.

    graphc run mlp.gcm predict x=images.npy --output logits.npy

Arguments are NAME=FILE.npy, or NAME=NUMBER, NAME=true, NAME=false for a scalar. Without --output
the results are printed. With --save the module, with its new state, is written to a file.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from graphc.api import load
from graphc.cli.arguments import NamedArguments, named_argument, named_file
from graphc.config import device_named
from graphc.errors import UsageError, did_you_mean
from graphc.ordinary_file import open_ordinary
from graphc.runtime.atomic_write import write_atomically
from graphc.runtime.output_path import array_path, check_output, module_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc run`."""
    parser.add_argument("module", metavar="MODULE", type=named_file, help="a .gcm file")
    parser.add_argument("export", metavar="EXPORT", help="the export to call")
    parser.add_argument(
        "arguments",
        metavar="NAME=VALUE",
        nargs="*",
        default={},
        type=named_argument,
        action=NamedArguments,
        help="its arguments",
    )
    parser.add_argument(
        "--device", type=device_named, default="auto", help="auto, cpu, cuda, sim or reference"
    )
    parser.add_argument("-o", "--output", type=array_path, help=".npy, or .npz for several results")
    parser.add_argument("--save", type=module_path, help="write the module with its new state")


def run(options: argparse.Namespace) -> int:
    """Load, call, print or write."""
    for path in (options.output, options.save):
        if path is not None:
            check_output(path)
    named = {
        name: _array(value) if isinstance(value, Path) else value
        for name, value in options.arguments.items()
    }
    module = load(options.module, options.device)
    if options.export not in module.exports:
        raise UsageError(
            f"{options.module} has no export {options.export!r}",
            code="unknown-export",
            hint=did_you_mean(options.export, module.exports)
            or f"it has {', '.join(module.exports)}",
        )
    result = module.exports[options.export](**named)
    results = result if isinstance(result, tuple) else (result,)
    if options.output is None:
        for value in results:
            print(np.array2string(value, threshold=100))
    else:
        _write(options.output, results)
    if options.save is not None:
        module.save(options.save)
    return 0


def _array(path: Path) -> Any:
    try:
        with open_ordinary(path, "a .npy file") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    # A header may promise an array for which there is no memory.
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}",
            code="file-unreadable",
            hint="write it with numpy.save(path, array)",
        ) from None


def _write(path: Path, results: tuple[Any, ...]) -> None:
    buffer = io.BytesIO()
    for value in results:
        if value.dtype.kind == "V":
            raise UsageError(
                f"{path}: .npy files have no {value.dtype.name}",
                hint="return the result as f32",
            )
    if path.suffix == ".npz":
        np.savez(buffer, *results)
    elif path.suffix == ".npy" and len(results) == 1:
        np.save(buffer, results[0])
    else:
        raise UsageError(
            f"{path}: there are {len(results)} results, and a .npy file holds one",
            code="output-name",
            hint=f"name it {path.with_suffix('.npz')}",
        )
    write_atomically(path, buffer.getvalue())
