"""Show what graphc made of a model: a .gc or .gcm file, or package.module:Net in Python.

Of a module, every stage is made anew from its graphs; the kernels' text in it is not shown.

--stage graph      each export as a program of the language (default)
--stage passes     what each pass made of it, likewise; or one pass, by its name
--stage kernels    the kernels' text for the target
--stage ptx        the kernels as PTX, for the oldest architecture
--stage program    steps and memory for the target
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from graphc.api import unit_of
from graphc.cli.arguments import named_file
from graphc.codegen import nvrtc
from graphc.compiler import ARCHITECTURES, compile_for
from graphc.errors import UsageError
from graphc.from_python import unit_named
from graphc.frontend.graph_text import graph_text
from graphc.ir.graph import Unit
from graphc.passes import pipeline
from graphc.runtime.module_file import read_module
from graphc.runtime.program import BranchStep, HostCallStep, LoopStep, Step

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graphc show`."""
    parser.add_argument(
        "source", metavar="FILE", type=named_file, help="a .gc or .gcm file, or MODULE:NAME"
    )
    parser.add_argument("--export", help="only this one")
    passes = [one.name for one in pipeline.standard_passes()]
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
    return "\n\n".join(graph_text(graph) for graph in unit.exports.values())


def _passes(unit: Unit, target: str, only: str | None = None) -> str:
    parts: list[str] = []

    def show(step: pipeline.Step) -> None:
        if only in (None, step.step.name):
            is_news = step.made is not step.given or only is not None
            made = graph_text(step.made) if is_news else "# unchanged"
            parts.append(
                f"# {step.given.name}: {step.step.name}, {step.seconds * 1e3:.1f} ms\n"
                f"# {step.step.description}\n{made}"
            )

    compile_for(unit, target, observe=show)
    return "\n\n".join(part.rstrip("\n") for part in parts)


def _kernels(unit: Unit, target: str) -> str:
    return compile_for(unit, target).text.kernels


def _ptx(unit: Unit, target: str) -> str:
    source = compile_for(unit, "cuda").source
    oldest = ARCHITECTURES[0].replace("sm_", "compute_")
    return nvrtc.compile_ptx(source, oldest, name="module").code.rstrip(b"\0").decode()


def _program(unit: Unit, target: str) -> str:
    lines: list[str] = []
    for name, entry in compile_for(unit, target).program.entries.items():
        lines.append(f"{name}:")
        for number, slot in enumerate(entry.slots):
            above = f" above {list(slot.above)}" if slot.above else ""
            lines.append(f"  {number:4} {slot.role:9} {slot.type} {slot.name}{above}")
        lines += _steps(entry.steps, "  ")
    return "\n".join(lines)


def _steps(steps: Sequence[Step], indent: str) -> Iterator[str]:
    inner = indent + "  "
    for step in steps:
        yield f"{indent}# {step.text}" if step.text else f"{indent}#"
        if isinstance(step, LoopStep):
            yield f"{indent}loop {step.count} times:"
            yield from _steps(step.test, inner)
            if step.condition is not None:
                yield f"{inner}end unless {step.condition}"
            for row in step.rows:
                order = ", from the last" if row.reverse else ""
                yield f"{inner}{row.slot} is a row of {row.of}{order}"
            yield from _steps(step.steps, inner)
            for pair in step.swaps:
                yield f"{inner}swap {pair[0]} and {pair[1]}"
        elif isinstance(step, HostCallStep):
            given = ", ".join(map(str, step.operands))
            made = ", ".join(map(str, step.results))
            yield f"{inner}{made} = {step.op}({given}) on the host"
        elif isinstance(step, BranchStep):
            yield f"{indent}if {step.predicate}:"
            yield from _steps(step.then, inner)
            yield f"{indent}else:"
            yield from _steps(step.otherwise, inner)
        else:
            for one in step.alternatives:
                when = f" if {one.low} <= {one.dim} <= {one.high}" if one.dim != 0 else ""
                for binding in one.bindings:
                    slots = ", ".join(map(str, binding.slots))
                    yield f"{inner}{one.kernel}[{binding.grid}]({slots}){when}"


_STAGES = {
    "graph": _graph,
    "passes": _passes,
    "kernels": _kernels,
    "ptx": _ptx,
    "program": _program,
}
