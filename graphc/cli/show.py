"""Show what graphc made of a model: a .gc or .gcm file, or package.module:Net in Python.

Of a module, every stage is made anew from its graphs; the kernels' text in it is not shown.

--stage graph      each export as a program of the language (default)
--stage passes     what each pass made of it, in their order; or one pass, by its name:
                   graphs as programs, then groups (fuse), launches (schedule, state-last),
                   places (donate), steps (bind, merge-launches) and offsets (memory)
--stage kernels    the kernels' text for the target
--stage ptx        the kernels as PTX, for the oldest architecture
--stage program    steps and memory for the target
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphc.api import unit_of
from graphc.cli.arguments import named_file
from graphc.codegen import nvrtc
from graphc.codegen.compile import PIPELINE
from graphc.codegen.plan_listing import entry_text
from graphc.compiler import ARCHITECTURES, compile_for
from graphc.errors import UsageError
from graphc.from_python import unit_named
from graphc.frontend.graph_text import docstring_text, graph_text
from graphc.ir.graph import Graph, Unit
from graphc.passes import pipeline
from graphc.runtime.module_file import read_module

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc show`."""
    parser.add_argument(
        "source", metavar="FILE", type=named_file, help="a .gc or .gcm file, or MODULE:NAME"
    )
    parser.add_argument("--export", help="only this one")
    passes = [one.name for one in PIPELINE]
    parser.add_argument("--stage", default="graph", choices=[*_STAGES, *passes])
    parser.add_argument("--target", default="cpu", choices=["cpu", "cuda"])


def run(options: argparse.Namespace) -> int:
    """Print the stage that was asked for."""
    path = Path(options.source)
    is_module = path.suffix == ".gcm" or (path.is_file() and zipfile.is_zipfile(path))
    unit = unit_of(read_module(path)) if is_module else unit_named(options.source)
    if options.export is not None:
        if options.export not in unit.exports:
            raise UsageError(
                f"{options.source} has no export {options.export!r}",
                code="unknown-export",
                hint=f"it has {', '.join(unit.exports)}",
            )
        unit = replace(unit, exports={options.export: unit.exports[options.export]})
    if options.stage in _STAGES:
        text = _STAGES[options.stage](unit, options.target)
    else:
        text = _passes(unit, options.target, options.stage)
    if is_module:
        print(_comment(options) + " made anew from the module's graphs by this version")
    print(text.rstrip("\n"))
    return 0


def _comment(options: argparse.Namespace) -> str:
    """What begins a comment in the text of a stage."""
    return "//" if options.stage in ("kernels", "ptx") else "#"


def _graph(unit: Unit, target: str) -> str:
    parts = [docstring_text(unit.docs[""])] if unit.docs.get("") else []
    parts += [graph_text(graph, unit.docs.get(name, "")) for name, graph in unit.exports.items()]
    return "\n\n".join(parts)


def _passes(unit: Unit, target: str, only: str | None = None) -> str:
    parts: list[str] = []

    def show(step: pipeline.Step[Any]) -> None:
        if only in (None, step.step.name):
            is_news = step.made is not step.given or only is not None
            made = _made(step) if is_news else "# unchanged"
            parts.append(
                f"# {step.name}: {step.step.name}, {step.seconds * 1e3:.1f} ms\n"
                f"# {step.step.description}\n{made}"
            )

    compile_for(unit, target, observe=show)
    return "\n\n".join(part.rstrip("\n") for part in parts)


def _made(step: pipeline.Step[Any]) -> str:
    if isinstance(step.made, Unit):
        return "\n\n".join(map(graph_text, step.made.exports.values()))
    return graph_text(step.made) if isinstance(step.made, Graph) else step.step.text(step.made)


def _kernels(unit: Unit, target: str) -> str:
    return compile_for(unit, target).text.kernels


def _ptx(unit: Unit, target: str) -> str:
    source = compile_for(unit, "cuda").source
    oldest = ARCHITECTURES[0].replace("sm_", "compute_")
    return nvrtc.compile_ptx(source, oldest, name="module").code.rstrip(b"\0").decode()


def _program(unit: Unit, target: str) -> str:
    return "\n".join(map(entry_text, compile_for(unit, target).program.entries.values()))


_STAGES = {
    "graph": _graph,
    "passes": _passes,
    "kernels": _kernels,
    "ptx": _ptx,
    "program": _program,
}
