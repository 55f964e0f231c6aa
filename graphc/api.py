"""The public verbs: build, compile, load, and what they return."""

from __future__ import annotations

import ctypes
import functools
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import graphc
from graphc import config
from graphc.errors import DeviceError, ModuleFormatError, Span, ToolchainError, UsageError
from graphc.ir.graph import Graph, Unit
from graphc.ir.source_map import SourceMap
from graphc.lazy import (
    compiler,
    cpu_executor,
    cuda_executor,
    elaborate,
    graph_text,
    library,
    reference,
    simulator_executor,
)
from graphc.runtime.cache import content_key, stored_file
from graphc.runtime.cpu.compiler import compile_object, find_compiler
from graphc.runtime.loaded import Executor, LoadedModule
from graphc.runtime.module_file import ModuleFile, read_module
from graphc.runtime.program import Program

if TYPE_CHECKING:
    from graphc.compiler import Built

__all__ = [
    "DEVICES",
    "build",
    "load",
    "load_file",
    "module_path",
    "read_source",
    "source_unit",
    "unit_of",
]

DEVICES = ("auto", "cpu", "cuda", "sim", "reference")

Array = np.ndarray[Any, Any]


def load(path: str | Path, device: str | None = None) -> LoadedModule:
    """Load a module file onto a device.

    Args:
        path: a `.gcm` file. Nothing in it is executed as code of the host; what is wrong with
            it is reported, and nothing of it used.
        device: "cpu"; "cuda"; "sim", the CUDA kernels on the CPU; "reference", the evaluator;
            "auto" (the default): "cuda" where the module has cubins and there is a GPU, else
            "cpu".

    Raises:
        UsageError, ModuleFormatError: the file cannot be read, or is damaged.
        DeviceError: the device that was asked for is missing.
    """
    return load_file(read_module(Path(path)), device)


def load_file(file: ModuleFile, device: str | None = None) -> LoadedModule:
    """A module that was read or has just been built, on a device; see `load`."""
    wanted = device or config.settings().device
    if wanted not in DEVICES:
        raise DeviceError(
            f"there is no device {wanted!r}", hint=f"devices are {', '.join(DEVICES)}"
        )
    _check_weights(file)
    chosen = _automatic(file) if wanted == "auto" else wanted
    executor, chosen = _EXECUTORS[chosen](file)
    # The executor has its own copy of the state: the file's is let go.
    return LoadedModule(executor, replace(file, weights={}), chosen)


def _check_weights(file: ModuleFile) -> None:
    needed = {name for e in file.manifest["exports"].values() for name in e.get("state", [])}
    missing = sorted(needed - set(file.weights))
    if missing:
        raise ModuleFormatError(
            f"the module lacks the weight {missing[0]!r}",
            code="missing-weight",
            hint="build it again with `graphc build`",
        )


def _automatic(file: ModuleFile) -> str:
    if not any(name.startswith("cubins/") for name in file.binaries):
        return "cpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        _notice("no CUDA driver was found: the module runs on the CPU")
        return "cpu"
    return "cuda"


@functools.cache
def _notice(text: str) -> None:
    """Tell the user once."""
    logging.getLogger("graphc").warning("%s", text)


# -- devices ---------------------------------------------------------------------------------


def _on_cpu(file: ModuleFile) -> tuple[Executor, str]:

    try:
        find_compiler()
    except ToolchainError as error:
        _notice(f"{error.message}: the module runs by the reference evaluator, slowly")
        return _on_reference(file)

    program, library, symbols = _host_code(file)
    return cpu_executor.CpuExecutor(program, library, file.weights, symbols), "cpu"


def _host_code(file: ModuleFile) -> tuple[Program, Path, dict[str, str]]:
    """The CPU program of a module, its compiled kernels, and the C function of each export.

    Host code is made from the module's graphs, which are data. Only a module that this machine
    has not seen before needs the compiler's packages.
    """

    key = content_key(
        file.content_key(), graphc.__version__, _fingerprint(), find_compiler().identity
    )

    def produce(path: Path) -> None:
        code = compiler.compile_for(unit_of(file), "cpu")
        symbols = {name: compiler.entry_symbol(name) for name in code.program.entries}
        data = {"program": code.program.to_json(), "source": code.source, "symbols": symbols}
        path.write_text(json.dumps(data), encoding="utf-8")

    stored = json.loads(stored_file(f"programs/{key}.json", produce).read_text("utf-8"))
    program = Program.from_json(stored["program"])
    return program, compile_object(stored["source"]), stored["symbols"]


@functools.cache
def _fingerprint() -> str:
    """Changes whenever this installation of graphc does."""
    folder = Path(__file__).parent
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".h", ".lark", ".json"))
    return repr([(p.name, s.st_size, s.st_mtime_ns) for p in files if (s := p.stat())])


def _on_reference(file: ModuleFile) -> tuple[Executor, str]:

    return reference.ReferenceExecutor(unit_of(file).exports, file.weights), "reference"


def _on_simulator(file: ModuleFile) -> tuple[Executor, str]:

    if "cuda" in file.programs:
        program, source = Program.from_json(file.programs["cuda"]), file.kernels["cuda"]
    else:
        code = compiler.compile_for(unit_of(file), "cuda")
        program, source = code.program, code.source
    return simulator_executor.SimulatorExecutor(program, source, file.weights), "sim"


def _on_cuda(file: ModuleFile) -> tuple[Executor, str]:

    if "cuda" not in file.programs:
        raise DeviceError(
            "the module was built without CUDA kernels",
            code="target-missing",
            hint="build it with --target cuda",
        )
    cubins = {
        name.removeprefix("cubins/").removesuffix(".cubin"): data
        for name, data in file.binaries.items()
        if name.startswith("cubins/")
    }
    return cuda_executor.CudaExecutor(
        Program.from_json(file.programs["cuda"]), cubins, file.weights
    ), "cuda"


_EXECUTORS: Mapping[str, Callable[[ModuleFile], tuple[Executor, str]]] = {
    "cpu": _on_cpu,
    "cuda": _on_cuda,
    "sim": _on_simulator,
    "reference": _on_reference,
}


def unit_of(file: ModuleFile) -> Unit:
    """The unit of a module, read from its graphs."""

    graphs = {name: graph_text.read_graph(text, f"{name}.gc") for name, text in file.graphs.items()}
    state = {node["name"]: node.tensor for graph in graphs.values() for node in graph.state}
    sources = SourceMap()
    _restore_spans(sources, graphs, file.sources)
    nothing = Graph("initial", (), (), ())
    return Unit(graphs, state, nothing, sources, {})


def _restore_spans(
    sources: SourceMap, graphs: Mapping[str, Graph], data: Mapping[str, Any]
) -> None:

    for name, graph in graphs.items():
        for node, spans in zip(graph.nodes(), data.get(name, ()), strict=False):
            sources.add(node, [Span(*span) for span in spans])


def read_source(path: str | Path) -> str:
    """The text of a source file.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", code="file-missing") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def source_unit(path: str | Path) -> Unit:
    """The unit of a `.gc` file: checked completely, nothing compiled."""

    return elaborate.elaborate(read_source(path), str(path), library.library())


def module_path(path: Path) -> Path:
    """`path`, which must be that of a module file in a place that can be written."""
    if path.suffix != ".gcm":
        raise UsageError(f"{path}: a module file ends in .gcm", code="output-name")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{folder} is no directory", code="output-unwritable")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written", code="output-unwritable")
    return path


def build(
    source: Unit | str | Path,
    *,
    targets: Sequence[str] = ("cpu",),
    seed: int = 0,
    max_memory: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Built:
    """Compile a unit, or the `.gc` file at a path, to a module; see `compiler.build_module`."""

    unit = source_unit(source) if isinstance(source, str | Path) else source
    return compiler.build_module(
        unit, targets=targets, seed=seed, max_memory=max_memory, progress=progress
    )
