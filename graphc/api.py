"""The public verbs: build, compile, load, and what they return."""

from __future__ import annotations

import ctypes
import functools
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc import __version__, config
from graphc.errors import (
    DeviceError,
    ModuleFormatError,
    Span,
    ToolchainError,
)
from graphc.ir.graph import Graph, Unit
from graphc.ir.source_map import SourceMap
from graphc.lazy import (
    aligned,
    cache,
    compiler,
    cpu_executor,
    cuda_executor,
    elaborate,
    graph_text,
    host_compiler,
    library,
    loaded,
    module_file,
    program_data,
    reference,
    signature,
    simulator_executor,
)
from graphc.source_file import read_source

if TYPE_CHECKING:
    from graphc.compiler import Built
    from graphc.runtime.loaded import Executor, LoadedModule
    from graphc.runtime.manifest import Manifest
    from graphc.runtime.module_file import ModuleFile
    from graphc.runtime.program import Program

__all__ = [
    "build",
    "load",
    "load_file",
    "read_description",
    "source_unit",
    "unit_of",
]

Array = np.ndarray[Any, Any]

_LAST_LINE = 2**31 - 1
"""The last line that C's `#line` can name."""


def load(path: str | Path, device: str | None = None) -> LoadedModule:
    """Load a module file onto a device.

    Args:
        path: a `.gcm` file. Nothing in it is executed as code of the host; what is wrong with
            it is reported, and nothing of it used.
        device: "cpu"; "cuda"; "sim", the CUDA kernels on the CPU; "reference", the evaluator;
            "auto" (the default, unless `GRAPHC_DEVICE` names another): the first that this
            machine has of "cuda" (if the module has cubins), "cpu" and "reference". What is
            missing is said once, by the logger "graphc".

    Raises:
        UsageError, ModuleFormatError: the file cannot be read, or is damaged.
        DeviceError, ToolchainError: the device that was asked for, or what it needs, is missing.
    """
    file = module_file.read_module(Path(path))
    _check_programs(file)
    return _on_device(file, device)


def load_file(file: ModuleFile, device: str | None = None) -> LoadedModule:
    """A module that has just been built, on a device; see `load`. The file stays as it is."""
    return _on_device(replace(file, weights=aligned.aligned_copies(file.weights)), device)


def _on_device(file: ModuleFile, device: str | None) -> LoadedModule:
    """A module on a device, which takes the weights over."""
    wanted = config.device_named(device)
    _check_names(file)
    executor, chosen = _automatic(file) if wanted == "auto" else (_EXECUTORS[wanted](file), wanted)
    _check_weights(file, executor.program)
    return loaded.LoadedModule(executor, replace(file, weights={}), chosen)


def read_description(path: Path) -> tuple[Manifest, Unit]:
    """What a module file says of itself, compared with its graphs and programs, and its graphs.

    The weights are not read, however large they are.

    Raises:
        UsageError, ModuleFormatError: the file cannot be read, or its parts contradict each other.
    """
    manifest = module_file.read_manifest(path)
    file = module_file.read_module(path, with_weights=False)
    unit = unit_of(file)
    _check_programs(file)
    for name, type_ in unit.state.items():
        said = manifest.weights.get(name)
        if said != (type_.dtype.name, type_.shape):
            raise signature.mismatch(
                f"its manifest says {said} of the weight {name!r}, its graphs {type_}"
            )
    return manifest, unit


def _check_programs(file: ModuleFile) -> None:
    """Whether the programs of GPU targets are programs, and those that are described."""
    for target, data in file.programs.items():
        program = program_data.Program.from_json(data)
        if program.target != target:
            raise signature.mismatch(f"programs/{target}.json is a program for {program.target!r}")
        signature.check_program(file.manifest, program)
        signature.check_kernels(program, file.binaries)


def _check_names(file: ModuleFile) -> None:
    needed = {name for e in file.manifest["exports"].values() for name in e["state"]}
    missing = sorted(needed - set(file.weights))
    if missing:
        raise ModuleFormatError(
            f"the module lacks the weight {missing[0]!r}",
            code="missing-weight",
            hint="build it again with `graphc build`",
        )


def _check_weights(file: ModuleFile, program: Program) -> None:
    """Whether each weight is of the type that the program reads."""
    slots = (e.slots[number] for e in program.entries.values() for number in e.state)
    for slot in slots:
        weight = file.weights.get(slot.name)
        if (
            weight is None
            or weight.dtype != slot.type.dtype.numpy
            or weight.shape != slot.type.shape
        ):
            found = "missing" if weight is None else f"{weight.dtype.name}{list(weight.shape)}"
            raise ModuleFormatError(
                f"the weight {slot.name!r} is {found}, expected {slot.type}",
                code="weight-mismatch",
                hint="build the module again with `graphc build`",
            )


def _automatic(file: ModuleFile) -> tuple[Executor, str]:
    """The first device that this machine has."""
    has_cubins = any(name.startswith("cubins/") for name in file.binaries)
    for device in ("cuda", "cpu") if has_cubins else ("cpu",):
        try:
            return _EXECUTORS[device](file), device
        except (DeviceError, ToolchainError) as error:
            _notice(f"the module does not run on {device!r}: {error.message}")
    return _on_reference(file), "reference"


@functools.cache
def _notice(text: str) -> None:
    """Tell the user once."""
    logging.getLogger("graphc").warning("%s", text)


# -- devices ---------------------------------------------------------------------------------


def _on_cpu(file: ModuleFile) -> Executor:
    program, source, symbols = _host_code(file)
    # A module that the cache knows: its graphs are not read again, what was made of them is here.
    signature.check_graphs(file.manifest, program.entries, file.programs)
    return cpu_executor.CpuExecutor(
        program, host_compiler.compile_object(source), file.weights, symbols
    )


def _host_code(file: ModuleFile) -> tuple[Program, str, dict[str, str]]:
    """The CPU program of a module, the text of its kernels, and the C function of each export.

    Host code is made from the module's graphs, which are data. Only a module that this machine
    has not seen before needs the compiler's packages.
    """
    key = cache.content_key(
        file.content_key(),
        __version__,
        _fingerprint(),
        host_compiler.find_compiler().identity,
    )
    name = f"programs/{key}.json"

    def produce(path: Path) -> None:
        code = compiler.compile_for(unit_of(file), "cpu")
        symbols = {name: compiler.entry_symbol(name) for name in code.program.entries}
        data = {"program": code.program.to_json(), "source": code.source, "symbols": symbols}
        path.write_text(json.dumps(data), encoding="utf-8")

    stored = cache.stored_file(name, produce)
    try:
        return _parsed_code(stored)
    except (LookupError, TypeError, ValueError, ModuleFormatError):
        # A disk that was full, say.
        cache.discard(stored)
        return _parsed_code(cache.stored_file(name, produce))


def _parsed_code(path: Path) -> tuple[Program, str, dict[str, str]]:
    stored = json.loads(path.read_text("utf-8"))
    return program_data.Program.from_json(stored["program"]), stored["source"], stored["symbols"]


@functools.cache
def _fingerprint() -> str:
    """Changes whenever this installation of graphc does."""
    files = []
    for folder, _, names in os.walk(Path(__file__).parent):
        for name in names:
            if name.endswith((".py", ".h", ".c", ".lark", ".json")):
                facts = os.stat(os.path.join(folder, name))
                files.append((name, facts.st_size, facts.st_mtime_ns))
    return repr(sorted(files))


def _on_reference(file: ModuleFile) -> Executor:
    executor: Executor = reference.ReferenceExecutor(unit_of(file).exports, file.weights)
    return executor


def _on_simulator(file: ModuleFile) -> Executor:
    # The text in the file is for people: what runs on the host is made from the graphs.
    code = compiler.compile_for(unit_of(file), "cuda")
    executor: Executor = simulator_executor.SimulatorExecutor(
        code.program, code.source, file.weights
    )
    return executor


def _on_cuda(file: ModuleFile) -> Executor:
    if "cuda" not in file.programs:
        raise DeviceError(
            "the module was built without CUDA kernels",
            code="target-missing",
            hint="build it with --target cuda",
        )
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise DeviceError(
            "no CUDA driver was found (libcuda.so.1)",
            code="driver-missing",
            hint="`graphc doctor` says what this machine has",
        ) from None
    cubins = {
        name.removeprefix("cubins/").removesuffix(".cubin"): data
        for name, data in file.binaries.items()
        if name.startswith("cubins/")
    }
    unit_of(file)
    executor: Executor = cuda_executor.CudaExecutor(
        program_data.Program.from_json(file.programs["cuda"]), cubins, file.weights
    )
    return executor


_EXECUTORS: Mapping[str, Callable[[ModuleFile], Executor]] = {
    "cpu": _on_cpu,
    "cuda": _on_cuda,
    "sim": _on_simulator,
    "reference": _on_reference,
}


def unit_of(file: ModuleFile) -> Unit:
    """The unit of a module, read from its graphs.

    Raises:
        ModuleFormatError: a graph is not that of its export, or not what the manifest says.
        GraphcError: a graph is no graph.
    """
    graphs = {name: graph_text.read_graph(text, f"{name}.gc") for name, text in file.graphs.items()}
    for name, graph in graphs.items():
        if graph.name != name:
            raise signature.mismatch(
                f"graphs/{name}.gc is the graph {graph.name!r}, expected {name!r}"
            )
    contracts = {name: reference.contract(graph) for name, graph in graphs.items()}
    signature.check_graphs(file.manifest, contracts, file.programs)
    state = {node["name"]: node.tensor for graph in graphs.values() for node in graph.state}
    sources = SourceMap()
    _restore_spans(sources, graphs, file.sources)
    nothing = Graph("initial", (), (), ())
    docs = {name: export["doc"] for name, export in file.manifest["exports"].items()}
    return Unit(graphs, state, nothing, sources, {**docs, "": file.manifest["doc"]})


def _restore_spans(
    sources: SourceMap, graphs: Mapping[str, Graph], data: Mapping[str, Any]
) -> None:
    try:
        for name, graph in graphs.items():
            nodes = (node for part in graph.with_nested() for node in part.nodes())
            for node, spans in zip(nodes, data.get(name, ()), strict=False):
                sources.add(node, [_span(*place) for place in spans])
    except (AttributeError, TypeError, ValueError) as error:
        raise ModuleFormatError(
            f"the source lines of the module are not of the expected form: {error}",
            code="module-damaged",
            hint="build it again with `graphc build`",
        ) from error


def _span(file: str, *place: int) -> Span:
    """A span as builds write it: it goes into text for compilers and into messages."""
    span = Span(file, *place)
    if not file.isprintable() or {"", ".", ".."} & set(re.split(r"[/\\]", file)):
        raise ValueError(f"{file!r} is no name of a source")
    if any(type(number) is not int or not 1 <= number <= _LAST_LINE for number in place):
        raise ValueError(f"{place} is no place in a source")
    return span


def source_unit(path: str | Path) -> Unit:
    """The unit of a `.gc` file: checked completely, nothing compiled."""
    return elaborate.elaborate(read_source(path), str(path), library.library(), read_source)


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
