"""The verbs for models written in Python: trace, compile, and those of a `.gc` file by name."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from graphc import api, config
from graphc.errors import UsageError
from graphc.frontend import trace as tracer
from graphc.frontend.elaborate import definitions
from graphc.frontend.graph_text import graph_text
from graphc.frontend.module import Module
from graphc.frontend.trace import Export
from graphc.frontend.unit import build_unit
from graphc.ir.graph import Graph, Unit
from graphc.ir.source_map import SourceMap
from graphc.lazy import compiler, library
from graphc.runtime.loaded import LoadedModule

__all__ = ["Traced", "compile", "on_device", "python_unit", "source", "trace"]


@dataclass(frozen=True)
class Traced:
    """The graph of a Python function.

    Attributes:
        graph: what it computes.
        sources: the lines of Python that its nodes come from.
    """

    graph: Graph
    sources: SourceMap

    def text(self) -> str:
        """The graph in the language."""
        return graph_text(self.graph)

    def __repr__(self) -> str:
        return self.text()


def trace(
    function: Callable[..., Any],
    *types: Any,
    models: Sequence[Module] = (),
    training: bool = False,
) -> Traced:
    """The graph of a function or a model, for inspection.

    Args:
        function: a function, a model, or a method of one.
        types: of its arguments, where annotations do not say them.
        models: models that the function uses without taking them as arguments.
        training: whether layers that differ behave as in training.

    >>> import graphc as gc
    >>> print(gc.trace(lambda x: x + x, gc.f32[3]).text(), end="")
    @graph
    def main(x: f32[3]) -> f32[3]:
        v0 = add(x, x)  # f32[3]
        return v0
    """
    return Traced(*tracer.trace(_plain(function), *types, models=models, training=training))


def compile(
    what: Callable[..., Any] | Mapping[str, Any],
    *types: Any,
    device: str | None = None,
    seed: int = 0,
    models: Mapping[str, Module] | None = None,
) -> LoadedModule:
    """Compile a model or a function, or several exports that share state, for a device.

    The module that comes back is called with arrays, keeps the state, and is saved by
    `module.save("model.gcm")`. Results that are containers come as a tuple of their tensors.

    Args:
        what: a model (its export is called `forward`), a function (by its own name), or a mapping
            from names to models, functions, `train_step(...)`s and `Export`s.
        types: of the arguments of the one model or function, where annotations do not say them.
        device: as for `graphc.load`.
        seed: of the first values of the state.
        models: names for models, where several share a class.

    >>> import numpy as np
    >>> import graphc as gc
    >>> double = gc.compile(lambda x: 2 * x, gc.f32["B"])
    >>> double(np.ones(3, np.float32))
    array([2., 2., 2.], dtype=float32)
    """
    if isinstance(what, Mapping):
        if types:
            raise UsageError(
                "types are given beside a mapping of exports",
                code="argument-type",
                hint="give them to each: graphc.Export(function, (graphc.f32[3],))",
            )
        exports = {name: _export(one) for name, one in what.items()}
    else:
        export = _export(what, types)
        exports = {_name(export): export}
    return on_device(build_unit(exports, models=models), device, seed=seed)


def _plain(what: Any) -> Any:
    """The Python function behind a `graphc.function`."""
    return getattr(what, "function", what) if not isinstance(what, Module) else what


def _export(what: Any, types: tuple[Any, ...] = ()) -> Export:
    return what if isinstance(what, Export) else Export(_plain(what), types)


def _name(export: Export) -> str:
    name = getattr(export.body, "__name__", "main")
    return name if name.isidentifier() else "main"


def on_device(unit: Unit, device: str | None = None, *, seed: int = 0) -> LoadedModule:
    """A unit compiled for a device and loaded; see `graphc.load` for devices."""
    wanted = config.settings().device if device in (None, "auto") else device
    # The other devices make their code from the graphs of the module.
    targets = ("cuda",) if wanted == "cuda" else ()
    return api.load_file(compiler.build_module(unit, targets=targets, seed=seed).file, device)


def source(path: str | Path) -> SimpleNamespace:
    """What a `.gc` file defines, as attributes: its models are classes to be used in Python.

    Raises:
        GraphcError: the file cannot be read, or something is wrong in it.
    """
    text = api.read_source(path)
    return SimpleNamespace(**definitions(text, str(path), library.library(), api.read_source))


def python_unit(name: str) -> Unit:
    """The unit of a model or function in Python, named as `package.module:Net`.

    What is named may be a model, a class of models made without arguments, a function whose
    annotations say its types, or a mapping of exports as `compile` takes it. The module is
    imported, from the current folder too.

    Raises:
        UsageError: there is no such thing, or it is none of these.
    """
    module_name, _, attribute = name.partition(":")
    with _current_folder():
        try:
            found: Any = importlib.import_module(module_name)
        except ImportError as error:
            raise UsageError(f"{module_name} cannot be imported: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module_name} has no {attribute!r}", code="name-unknown")
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, Module):
        found = found()
    if isinstance(found, Mapping):
        return build_unit({key: _export(one) for key, one in found.items()})
    if not callable(found) and not isinstance(found, Export):
        raise UsageError(
            f"{name} is a {type(found).__name__}, expected a model or a function",
            hint="name a model, a function with annotations, or a dict of exports",
        )
    export = _export(found)
    return build_unit({_name(export): export})


class _current_folder:
    """Let modules of the current folder be imported."""

    def __enter__(self) -> None:
        self._path = os.getcwd()
        sys.path.insert(0, self._path)

    def __exit__(self, *exception: object) -> None:
        sys.path.remove(self._path)
