"""From the text of a `.gc` file to a unit: what its exports mean, or everything that is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphc.errors import GraphcError, Span, group, register_source
from graphc.frontend import syntax
from graphc.frontend.elaboration.exports import export_by_types, export_of
from graphc.frontend.elaboration.functions import UserFunction
from graphc.frontend.elaboration.imports import Imports, imported_names
from graphc.frontend.elaboration.models import SourceModel
from graphc.frontend.elaboration.program import Program
from graphc.frontend.elaboration.recovery import MAX_ERRORS
from graphc.frontend.elaboration.refusal import Consequence, TooLarge, refused
from graphc.frontend.elaboration.scope import UNKNOWN
from graphc.frontend.graph_reader import is_graph
from graphc.frontend.parsing.parser import parse
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.graph import Graph, Unit
from graphc.ir.sizes import check_sizes

__all__ = ["definitions", "elaborate"]


def elaborate(
    text: str,
    file: str,
    library: Mapping[str, object],
    read: Callable[[str], str] | None = None,
) -> Unit:
    """The exports of a program, as graphs that share state.

    Args:
        text: the program.
        file: its name, for spans and errors.
        library: what names mean that the program does not define: layers, optimizers.
        read: the text of a file that the program imports, by its path; raises `UsageError` where
            there is none. Without it, imports are refused.

    Raises:
        GraphcError: the one error of the program.
        ErrorGroup: several, in source order, at most twenty.
    """
    return _elaborated(text, file, library, read)[1]


def definitions(
    text: str,
    file: str,
    library: Mapping[str, object],
    read: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """What a program defines, by name, for Python: its models are classes of modules.

    Its docstring is there as `__doc__`.

    Arguments and errors as for `elaborate`; the program need not export anything.
    """
    elaboration, _ = _elaborated(text, file, library, read)
    scope = elaboration.program.scope
    kinds = (syntax.Model, syntax.Function, syntax.Constant, syntax.Dimension)
    names = [node.name for node in elaboration.module.body if isinstance(node, kinds)]
    doc = syntax.docstring(elaboration.module)
    return {**{name: scope.find(name) for name in names}, "__doc__": doc}


def _elaborated(
    text: str,
    file: str,
    library: Mapping[str, object],
    read: Callable[[str], str] | None,
) -> tuple[_Elaboration, Unit]:
    register_source(file, text)
    module = parse(text, file)
    elaboration = _Elaboration(module, file, library, read)
    try:
        unit = elaboration.run()
    except RecursionError:
        elaboration.errors.append(
            refused(
                "the program nests too deeply",
                "too-deep",
                module.span,
                "name its parts, and let fewer calls be inside of each other",
            )
        )
        unit = None
    errors = _distinct(elaboration.errors)
    if errors or unit is None:
        raise group(errors[:MAX_ERRORS])
    return elaboration, unit


def _distinct(errors: list[GraphcError]) -> list[GraphcError]:
    """The errors in source order, each place once."""
    found: dict[object, GraphcError] = {}
    for error in errors:
        found.setdefault((error.span, error.code), error)
    unplaced = Span("", 0, 0, 0, 0)
    return sorted(found.values(), key=lambda error: error.span or unplaced)


class _Elaboration:
    """One run over a program that collects its errors."""

    def __init__(
        self,
        module: syntax.Module,
        file: str,
        library: Mapping[str, object],
        read: Callable[[str], str] | None,
    ) -> None:
        self.module = module
        self.file = file
        self.imports = Imports(read, library, self._declare)
        self.program = Program(library)
        self.errors: list[GraphcError] = []
        self.exports: dict[str, tuple[Export, syntax.Export]] = {}

    def run(self) -> Unit | None:
        """The unit, if nothing is wrong."""
        try:
            self._declare(self.program, self.module, self.file)
            if not self.errors:
                self._evaluate_exports()
            unit = None if self.errors else self._built()
            self._check_definitions(everything=unit is None)
        except TooLarge as error:
            self.errors = [error]
            return None
        return None if self.errors else unit

    def _attempt(self, span: Span, action: Callable[..., Any], *arguments: Any) -> Any:
        """What the action gives, or `UNKNOWN` if it fails: the errors are kept, at `span` at least.

        That something fails because of another error is no error.
        """
        self.program.restart()
        try:
            return action(*arguments)
        except TooLarge:
            raise
        except Consequence:
            pass
        except GraphcError as error:
            self.errors += error.at(span).errors
        return UNKNOWN

    # -- definitions

    def _declare(self, program: Program, module: syntax.Module, file: str) -> None:
        """Define what a file says at its top; what is wrong with it is kept."""
        self._check_names(module)
        body = module.body
        define = functools.partial(self._define, program)
        for node in body:
            if isinstance(node, syntax.Import | syntax.ImportFrom):
                names = [name for name, _ in imported_names(node)]
                define(names, node.span, self.imports.define, program, node, file)
        # Functions and models may be named before they are defined, values and graphs may not.
        for node in body:
            if isinstance(node, syntax.Model):
                define([node.name], node.span.first_line(), program.declare_model, node)
            elif isinstance(node, syntax.Function) and not is_graph(node):
                define([node.name], node.span.first_line(), program.declare_function, node)
        for node in body:
            if isinstance(node, syntax.Dimension):
                define([node.name], node.span, program.declare_dim, node)
            elif isinstance(node, syntax.Constant):
                define([node.name], node.span, program.declare_constant, node)
            elif isinstance(node, syntax.Function) and is_graph(node):
                define([node.name], node.span.first_line(), program.declare_graph, node)

    def _define(
        self,
        program: Program,
        names: Sequence[str],
        span: Span,
        action: Callable[..., None],
        *arguments: Any,
    ) -> None:
        """Let an action define names; they are unknown where it fails."""
        if self._attempt(span, action, *arguments) is UNKNOWN:
            for name in names:
                program.scope.define(name, UNKNOWN)

    def _check_names(self, module: syntax.Module) -> None:
        seen: dict[str, Span] = {}
        exported: dict[str, Span] = {}
        for node in module.body:
            if isinstance(node, syntax.Import | syntax.ImportFrom):
                for name, span in imported_names(node):
                    self._check_name(name, span, seen)
            elif isinstance(
                node, syntax.Dimension | syntax.Constant | syntax.Model | syntax.Function
            ):
                self._check_name(node.name, node.span.first_line(), seen)
            elif isinstance(node, syntax.Export):
                self._check_name(node.name, node.span, exported)

    def _check_name(self, name: str, span: Span, seen: dict[str, Span]) -> None:
        if name in seen:
            self.errors.append(
                refused(
                    f"{name!r} is defined twice",
                    "duplicate",
                    span,
                    f"it is defined on line {seen[name].line} already; rename one of them",
                )
            )
        seen.setdefault(name, span)

    # -- exports

    def _evaluate_exports(self) -> None:
        for node in self.module.body:
            if isinstance(node, syntax.Export):
                export = self._attempt(node.span, export_of, self.program, node)
                if export is not UNKNOWN:
                    self.exports[node.name] = export, node

    def _built(self) -> Unit | None:
        """The unit of all exports; if that fails, what is wrong with each."""
        docs = {"": syntax.docstring(self.module) or ""}
        docs |= {name: export.body.__doc__ or "" for name, (export, _) in self.exports.items()}
        dimensions = (one for one in self.module.body if isinstance(one, syntax.Dimension))
        declared = {one.name: one.span for one in dimensions}
        try:
            self.program.restart()
            unit = build_unit(
                {name: export for name, (export, _) in self.exports.items()},
                dims=tuple(self.program.dims.values()),
                docs=docs,
                sources=self.program.sources,
            )
            for name, graph in unit.exports.items():
                check_sizes(graph, declared)
                _require_effect(name, graph, self.exports[name][1].span)
            return unit
        except TooLarge:
            raise
        except GraphcError as error:
            first = error
        for name, (export, node) in self.exports.items():
            unit = self._attempt(node.span, self._traced, name, export)
            if unit is not UNKNOWN:
                self._attempt(node.span, check_sizes, unit.exports[name], declared)
        if not self.errors:
            self.errors += first.at(self.module.span).errors
        return None

    def _traced(self, name: str, export: Export) -> Unit:
        return build_unit({name: export}, dims=tuple(self.program.dims.values()))

    # -- definitions that no export reaches, or all of them

    def _check_definitions(self, everything: bool) -> None:
        for function in self._functions():
            if everything or function.definition not in self.program.run.reached:
                self._attempt(function.definition.span, self._check, function)

    def _functions(self) -> Iterator[UserFunction]:
        for node in self.module.body:
            if not isinstance(node, syntax.Function | syntax.Model):
                continue
            if len(self.errors) >= MAX_ERRORS:
                return
            value = self.program.scope.find(node.name)
            if isinstance(value, UserFunction):
                yield value
            elif isinstance(node, syntax.Model) and self.program.is_own_model(value):
                if any(one.default is None for one in node.parameters):
                    continue
                model = self._attempt(node.span.first_line(), self.program.root, value)
                if model is not UNKNOWN:
                    yield from self._methods(model)

    def _methods(self, model: SourceModel) -> Iterator[UserFunction]:
        for name in model.methods:
            method: UserFunction = getattr(model, name)
            yield method

    def _check(self, function: UserFunction) -> None:
        """Trace the function by its types, if they say all that is needed."""
        export = export_by_types(self.program, function)
        if export is not None:
            self._traced("check", export)


def _require_effect(name: str, graph: Graph, span: Span) -> None:
    """Refuse an export that neither returns nor updates anything.

    Raises:
        SourceError: it does not.
    """
    if not graph.results and not graph.updates:
        raise refused(
            f"{name} returns nothing, and updates no state",
            "result",
            span,
            "end its function with `return value`",
        )
