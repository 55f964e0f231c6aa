"""The verbs for models written in Python: trace and compile."""

from __future__ import annotations

import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from graphc import api, config
from graphc.errors import GraphcError, Span, UsageError, did_you_mean
from graphc.frontend.graph_text import graph_text
from graphc.frontend.tracing import trace as tracer
from graphc.frontend.tracing.location import line_span
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.parameters import require_function, signature_of
from graphc.frontend.tracing.trace import Export, function_name
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.graph import Graph, Unit
from graphc.ir.record import Record
from graphc.ir.source_map import SourceMap
from graphc.lazy import compiler

if TYPE_CHECKING:
    from graphc.runtime.loaded import LoadedModule

__all__ = [
    "Traced",
    "compile",
    "on_device",
    "output_for",
    "python_unit",
    "trace",
    "unit_named",
]

_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_PYTHON_NAME = re.compile(f"{_DOTTED}:{_DOTTED}")
_PACKAGE = str(Path(__file__).parent) + os.sep
_LIBRARIES = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib"))


class Traced(Record):
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
    **others: Any,
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
    if not callable(function):
        raise UsageError(
            f"what is traced is {type(function).__name__}, expected a function or a model",
            code="argument-type",
            hint="the sum of a diagonal is graphc.linalg.trace(x)",
        )
    if others:
        raise UsageError(f"trace has no argument {next(iter(others))!r}", code="argument-unknown")
    return Traced(*tracer.trace(_plain(function), *types, models=models, training=training))


_COMPILE = (
    "give a model or a function, compile(model, graphc.f32[64]); `graphc build model.gc` compiles "
    "a file of the language, for graphc.load"
)


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
        exports = {function_name(export.body): export}
    return on_device(build_unit(exports, models=models), device, seed=seed)


def _plain(what: Any) -> Any:
    """The Python function behind a `graphc.function`."""
    return getattr(what, "function", what) if not isinstance(what, Module) else what


def _export(what: Any, types: tuple[Any, ...] = ()) -> Export:
    if isinstance(what, Export):
        return what
    require_function(what, "compile", _COMPILE)
    return Export(_plain(what), types)


def on_device(unit: Unit, device: str | None = None, *, seed: int = 0) -> LoadedModule:
    """A unit compiled for a device and loaded; see `graphc.load` for devices."""
    wanted = config.device_named(device)
    # The other devices make their code from the graphs of the module.
    targets = ("cuda",) if wanted == "cuda" else ()
    return api.load_file(compiler.build_module(unit, targets=targets, seed=seed).file, wanted)


def unit_named(name: str) -> Unit:
    """The unit of a `.gc` file at a path, or of what `package.module:Net` names in Python."""
    is_python = _PYTHON_NAME.fullmatch(name) is not None and not Path(name).exists()
    return python_unit(name) if is_python else api.source_unit(name)


def output_for(name: str) -> Path:
    """Where `graphc build` writes the module of what `unit_named` finds.

    >>> str(output_for("nets/mlp.gc")), str(output_for("nets.digits:Net"))
    ('nets/mlp.gcm', 'Net.gcm')
    """
    if _PYTHON_NAME.fullmatch(name) is not None and not Path(name).exists():
        return Path(name.rpartition(":")[2].rpartition(".")[2] + ".gcm")
    return Path(name).with_suffix(".gcm")


def python_unit(name: str) -> Unit:
    """The unit of a model or function in Python, named as `package.module:Net`.

    What is named may be a model, a class of models made without arguments, a function whose
    annotations say its types, an `Export` or `train_step(...)`, or a mapping from names of exports
    to any of these. The module is imported, from the current folder too: its code runs.

    Raises:
        UsageError: there is no such thing, it is none of these, or its code raises an error.
    """
    module_name, _, attribute = name.partition(":")
    with _current_folder():
        module = _imported(module_name)
        found = _attribute(module, attribute)
        with _explained(f"{name} cannot be built"):
            if isinstance(found, type) and issubclass(found, Module):
                found = _made(found, name)
            given = found if isinstance(found, Mapping) else {_key_of(found, name): found}
            return build_unit({str(key): _export(one) for key, one in given.items()})


def _imported(name: str) -> ModuleType:
    try:
        with _explained(f"{name} cannot be imported"):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise UsageError(
                f"{name} cannot be imported: it imports {missing!r}, and there is no such module",
                code="import-failed",
                span=_place(error),
                hint=f"install what provides {missing}, or run from the folder that contains it",
            ) from None
        file = Path(*name.split(".")).with_suffix(".py")
        raise UsageError(
            f"there is no Python module {missing!r}",
            code="module-missing",
            hint=f"it is looked for as {file} in the current folder, and among what is installed",
        ) from None


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            owner = module.__name__ if found is module else type(found).__name__
            names = [one for one in dir(found) if not one.startswith("_")]
            raise UsageError(
                f"{owner} has no {part!r}",
                code="name-unknown",
                hint=did_you_mean(part, names) or "it names a model, as in nets:Net",
            )
        found = getattr(found, part)
    return found


def _made(model: type[Module], name: str) -> Module:
    try:
        signature_of(model).bind()
    except TypeError as error:
        raise UsageError(
            f"{name} is a class whose models are made with arguments: {error}",
            code="argument-type",
            hint=f"make one in the module, net = {model.__name__}(...), and name that",
        ) from None
    return model()


def _key_of(found: Any, name: str) -> str:
    """What the one export of `found` is called."""
    if not isinstance(found, Export) and not callable(found):
        raise UsageError(
            f"{name} is a {type(found).__name__}, expected a model or a function",
            code="argument-type",
            hint="name a model, a function with annotations, or a dict of exports",
        )
    return function_name(_export(found).body)


@contextmanager
def _explained(failed: str) -> Iterator[None]:
    """Say which line of the user's code raised an error, in place of a traceback."""
    try:
        yield
    except (GraphcError, ModuleNotFoundError):
        raise
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        end = max(error.end_offset or 0, column + 1)
        raise UsageError(
            f"{failed}: {error.msg}",
            code="import-failed",
            span=Span(error.filename, line, column, line, end) if error.filename else None,
        ) from None
    except (Exception, SystemExit) as error:
        span = _place(error)
        # What a library raises for the user's code is his; what graphc raises itself is a defect.
        if span is None or _raised_by_graphc(error):
            raise
        text = f": {error}" if str(error) else ""
        raise UsageError(
            f"{failed}: {type(error).__name__}{text}", code="import-failed", span=span
        ) from error


def _raised_by_graphc(error: BaseException) -> bool:
    return traceback.extract_tb(error.__traceback__)[-1].filename.startswith(_PACKAGE)


def _place(error: BaseException) -> Span | None:
    """The innermost line of the user's code that an error went through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        is_file = frame.lineno is not None and not frame.filename.startswith("<")
        if is_file and not frame.filename.startswith((_PACKAGE, *_LIBRARIES)):
            return line_span(frame.filename, frame.lineno or 1)
    return None


class _current_folder:
    """Let modules of the current folder be imported."""

    def __enter__(self) -> None:
        self._path = os.getcwd()
        sys.path.insert(0, self._path)

    def __exit__(self, *exception: object) -> None:
        sys.path.remove(self._path)
