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

from graphc.api import load, module_path
from graphc.errors import UsageError
from graphc.runtime.module_file import write_atomically

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc run`."""
    parser.add_argument("module", metavar="MODULE", type=Path, help="a .gcm file")
    parser.add_argument("export", metavar="EXPORT", help="the export to call")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help="its arguments")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, sim or reference")
    parser.add_argument("-o", "--output", type=Path, help=".npy, or .npz for several results")
    parser.add_argument("--save", type=Path, help="write the module with its new state")


def run(options: argparse.Namespace) -> int:
    """Load, call, print or write."""
    named: dict[str, Any] = {}
    for text in options.arguments:
        name, value = _argument(text)
        if name in named:
            raise UsageError(f"the argument {name!r} is given twice", code="argument-count")
        named[name] = value
    if options.output is not None and options.output.suffix not in (".npy", ".npz"):
        raise UsageError(f"{options.output}: results go into a .npy or .npz file")
    if options.save is not None:
        module_path(options.save)
    module = load(options.module, options.device)
    if options.export not in module.exports:
        raise UsageError(
            f"{options.module} has no export {options.export!r}",
            code="unknown-export",
            hint=f"it has {', '.join(module.exports)}",
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


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise UsageError(
            f"{text!r} is no argument", hint="write NAME=FILE.npy, NAME=NUMBER or NAME=true"
        )
    if value in ("true", "false"):
        return name, value == "true"
    if not value.endswith(".npy"):
        try:
            return name, float(value) if set(value) & set(".einf") else int(value)
        except ValueError:
            raise UsageError(f"{text!r}: {value!r} is neither a number nor a .npy file") from None
    try:
        with open(value, "rb") as file:
            return name, np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{value} cannot be read: {error}", code="file-unreadable") from None


def _write(path: Path, results: tuple[Any, ...]) -> None:
    buffer = io.BytesIO()
    for value in results:
        if value.dtype.kind == "V":
            raise UsageError(
                f"{path}: .npy files have no {value.dtype.name}; return the result as f32"
            )
    if path.suffix == ".npz":
        np.savez(buffer, *results)
    elif path.suffix == ".npy" and len(results) == 1:
        np.save(buffer, results[0])
    else:
        raise UsageError(f"{path}: one result goes into a .npy file, several into a .npz file")
    write_atomically(path, buffer.getvalue())
