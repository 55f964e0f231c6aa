"""One program while it is elaborated: its definitions, and what is shared by all its parts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.annotations import Shapes, dtype_of, static_size
from graphc.frontend.elaboration.branches import conditional
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.expressions import PROGRAM, Evaluator
from graphc.frontend.elaboration.functions import UserFunction
from graphc.frontend.elaboration.graphs import GraphFunction
from graphc.frontend.elaboration.iterables import backward, enumerated, zipped
from graphc.frontend.elaboration.models import SourceModel, method_of, model_class
from graphc.frontend.elaboration.number_functions import STATIC_FUNCTIONS
from graphc.frontend.elaboration.refusal import Endless, TooLarge, described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.elaboration.statements import run_body
from graphc.frontend.graph_reader import read_definition
from graphc.frontend.index_notation import elaborate_named, elaborate_notation
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.source_map import SourceMap

__all__ = ["Program", "Run"]

MAX_STEPS = 200_000
"""Expressions and statements that are evaluated, those of unrolled loops counted each time."""
MAX_CALLS = 64
"""Functions and models that are inside of each other at one time."""
MAX_RECURSION = 32
"""Calls of one function that are inside of each other: enough for what halves a size of 32 bits."""
MAX_RANGE = 100_000
"""Numbers in a range that is known while the program is built."""


@dataclass
class Run:
    """What the files of one run of the compiler share.

    Attributes:
        sources: where nodes are recorded.
        reached: functions that have been called with success.
        exporting: whether a model that is named stands for its instance that is exported.
        makes_models: whether layers may be made.
        roots: the instances of models that exports share.
        stack: the functions and models that are being elaborated.
        steps: how many expressions and statements have been evaluated.
    """

    sources: SourceMap = field(default_factory=SourceMap)
    reached: set[syntax.Function] = field(default_factory=set)
    exporting: bool = False
    makes_models: bool = False
    roots: dict[type[SourceModel], SourceModel] = field(default_factory=dict)
    stack: list[tuple[object, object]] = field(default_factory=list)
    steps: int = 0


class Program:
    """The definitions of one file.

    Args:
        library: what names mean that no file defines.
        run: shared with the other files.

    Attributes:
        scope: what names mean at the top of the file.
        dims: the dims that the file declares.
        sources: where nodes are recorded.
    """

    def __init__(self, library: Mapping[str, object], run: Run | None = None) -> None:
        builtins: dict[str, Any] = {**_builtins(), **library, PROGRAM: self}
        self.scope = Scope(Scope(None, builtins))
        self.dims: dict[str, Dim] = {}
        self.run = Run() if run is None else run
        self.sources = self.run.sources
        self._graphs: dict[str, Graph] = {}

    # -- definitions

    def declare_dim(self, node: syntax.Dimension) -> None:
        """Define a dim of the file.

        Raises:
            GraphcError: a name or a range that no dim can have.
        """
        if node.name.startswith("_"):
            raise refused(
                f"a dim cannot be called {node.name!r}: names that begin with '_' are the "
                "compiler's own",
                "dim-name",
                node.span,
                f"call it {node.name.strip('_') or 'N'!r}",
            )
        given = (node.lower, node.upper, node.multiple)
        bounds = [1 if one is None else self._whole(one) for one in given]
        with self.sources.at(node.span):
            dim = dims.variable(node.name, *bounds)
        self.dims[node.name] = dim
        self.scope.define(node.name, dim, place=node.span)

    def _whole(self, node: syntax.Expression) -> int:
        size = static_size(node, self.scope)
        if isinstance(size, Dim):
            raise refused(
                f"a bound of a dim is a number, and {size} is a dim", "not-static", node.span
            )
        return size

    def declare_constant(self, node: syntax.Constant) -> None:
        """Define a constant of the file.

        Raises:
            GraphcError: its value is not known while the program is built.
        """
        value = Evaluator(self, self.scope).evaluate(node.value)
        if isinstance(value, Tensor | Module):
            raise refused(
                f"a const is a value known while the program is built, not {described(value)}",
                "not-static",
                node.value.span,
                "make tensors in functions, and layers in models",
            )
        self.scope.define(node.name, value, place=node.span)

    def declare_function(self, node: syntax.Function) -> None:
        """Define a function of the file."""
        function = self.function(node, self.scope)
        _ = function.signature
        self.scope.define(node.name, function)

    def declare_graph(self, node: syntax.Function) -> None:
        """Define a function that is marked as a graph."""
        graph = read_definition(node, self.dims, self._graphs, self.sources)
        self._graphs[node.name] = graph
        self.scope.define(node.name, GraphFunction(graph, self))

    def declare_model(self, node: syntax.Model) -> None:
        """Define a model of the file."""
        self.scope.define(node.name, model_class(self, node))

    def function(self, node: syntax.Function, scope: Scope) -> UserFunction:
        """A function that is defined in a scope."""
        return UserFunction(self, node, scope)

    # -- models

    def root(self, model: type[SourceModel]) -> SourceModel:
        """The instance of a model that exports share: made once, with its default arguments.

        Raises:
            SourceError: a parameter of the model has no default.
            GraphcError: whatever its body refuses.
        """
        if model not in self.run.roots:
            missing = [one.name for one in model.definition.parameters if one.default is None]
            if missing:
                raise refused(
                    f"{model.__name__} is exported with its default arguments, and "
                    f"{missing[0]!r} has none",
                    "model-arguments",
                    None,
                    "a model has no base class: leave it out"
                    if missing[0] == "Module"
                    else f"give it one: model {model.__name__}({missing[0]}=64)",
                )
            self.run.roots[model] = model()
        return self.run.roots[model]

    def instance_of(self, value: Any) -> Any:
        """A model itself; for the class of one, the instance that is exported.

        Raises:
            SourceError: a class stands where only a model that has been made has a meaning.
        """
        if not isinstance(value, type):
            return value
        if self.run.exporting and self.is_own_model(value):
            return self.root(value)
        raise refused(
            f"{value.__name__} is not made yet, so it has no members",
            "model-class",
            None,
            f"take one as an argument: net: {value.__name__}",
        )

    def is_own_model(self, value: object) -> bool:
        """Whether a value is the class of a model of a program."""
        return isinstance(value, type) and issubclass(value, SourceModel)

    def as_library_argument(self, function: Callable[..., Any], value: Any) -> Any:
        """An argument of a function of the library, which takes tensors and models."""
        if self.run.exporting and self.is_own_model(value):
            return self.root(value)
        if isinstance(value, numbers.Formula):
            return numbers.tensor_of(value)
        return value

    def own_function(self, value: Any) -> UserFunction | None:
        """The function of a program that a call of `value` runs, if there is one."""
        return method_of(value)

    def chosen(self, evaluator: Evaluator, node: syntax.Conditional, test: Tensor) -> Any:
        """The value of `a if test else b`, where the test is known at run time."""
        return conditional(evaluator, node, test, run_body)

    # -- limits

    def count(self, span: Span | None) -> None:
        """Count one step.

        Raises:
            TooLarge: there are too many.
        """
        self.run.steps += 1
        if self.run.steps > MAX_STEPS:
            raise TooLarge(
                f"the program unrolls into more than {MAX_STEPS} steps",
                span=span,
                hint="loops over numbers are unrolled: use fewer rounds, compute on whole tensors, "
                "or let the loop stay in the graph: for i in arange(n)",
            )

    def restart(self) -> None:
        """Begin to count anew."""
        self.run.steps = 0

    @contextmanager
    def inside(self, function: UserFunction, span: Span | None) -> Iterator[None]:
        """While a call of a function is elaborated; `Endless` if too many are inside of it."""
        entry = (function.definition, function.owner)
        calls = sum(entry[0] is one and entry[1] is owner for one, owner in self.run.stack)
        if calls >= MAX_RECURSION:
            raise Endless(
                f"{function.name} calls itself, {MAX_RECURSION} calls inside of each other",
                span=span,
                hint="calls are inlined: end them by a known number, if n == 0: return x; or "
                "repeat with `for i in range(n)`",
            )
        with self._deeper(entry, span):
            makes = self.run.makes_models
            yield
            self.run.makes_models = makes
        self.run.reached.add(function.definition)

    @contextmanager
    def making(self, model: SourceModel) -> Iterator[None]:
        """While the body of a model runs.

        Raises:
            SourceError: the model contains itself.
        """
        kind = type(model)
        if any(one is kind for one, _ in self.run.stack):
            raise refused(
                f"{kind.__name__} contains itself: making one would never end",
                "recursion",
                None,
                "make a list of parts: [Part(...) for _ in range(n)]",
            )
        run = self.run
        before, run.makes_models = run.makes_models, True
        exporting, run.exporting = run.exporting, False
        try:
            with self._deeper((kind, None), None):
                yield
        finally:
            run.makes_models, run.exporting = before, exporting

    @contextmanager
    def _deeper(self, entry: tuple[object, object], span: Span | None) -> Iterator[None]:
        if len(self.run.stack) >= MAX_CALLS:
            raise refused(
                f"more than {MAX_CALLS} functions and models are inside of each other",
                "too-deep",
                span,
            )
        self.run.stack.append(entry)
        try:
            yield
        finally:
            self.run.stack.pop()

    # -- what statements and expressions ask for

    def annotated(self, evaluator: Evaluator, value: Any, node: syntax.Assign) -> Any:
        """The value of an assignment with a type.

        Raises:
            GraphcError: it has another type.
        """
        if not isinstance(node.annotation, syntax.TensorType):
            return value
        if numbers.is_number(value) and not node.annotation.shape:
            value = numbers.tensor_of(value, dtype_of(node.annotation))
        if not isinstance(value, Tensor):
            raise refused(
                f"the value is {described(value)}, expected a tensor",
                "annotation",
                node.value.span,
            )
        what = f"{node.target.id!r}" if isinstance(node.target, syntax.Name) else "the value"
        shapes = Shapes(evaluator.scope, self.dims)
        shapes.require([(what, node.annotation, value.type, node.value.span)])
        return value

    def index_notation(self, evaluator: Evaluator, node: Any) -> Tensor:
        """The tensor that a statement or a reduction of index notation means."""
        return elaborate_notation(evaluator, node)

    def named_axes(
        self, evaluator: Evaluator, node: syntax.Expression
    ) -> tuple[Tensor, tuple[str, ...]] | None:
        """The value of an expression that names axes of its tensors, and the names of its own.

        None if it is no such expression.
        """
        return elaborate_named(evaluator, node)


# -- names that every program has -----------------------------------------------------------------


@functools.cache
def _builtins() -> Mapping[str, Any]:
    names = {*functions, *STATIC_FUNCTIONS}
    return {
        **{name: Operation(name) for name in sorted(names)},
        **{dtype.name: dtype for dtype in dtypes.ALL},
        "inf": math.inf,
        "nan": math.nan,
        "pi": math.pi,
        "range": _range,
        "len": _length,
        "zip": zipped,
        "enumerate": enumerated,
        "reversed": backward,
    }


def _range(start: Any, stop: Any = None, step: Any = 1) -> range:
    if stop is None:
        start, stop = 0, start
    for value in (start, stop, step):
        if isinstance(value, Tensor) and not value.dtype.is_integer:
            raise refused(
                f"a range with {described(value)}, expected whole numbers",
                "argument",
                None,
                "sizes are divided by '//'",
            )
        if isinstance(value, Dim | Tensor | numbers.Formula):
            raise not_supported(
                f"a range with {described(value)}, which is known at run time only,",
                None,
                "a loop that a tensor ends has a bound: while i < n, at most 100"
                if isinstance(value, Tensor)
                else "a loop over a dim begins at 0: for t in range(T), or "
                "for t in reversed(range(T))",
            )
        if isinstance(value, bool) or not isinstance(value, int):
            raise refused(f"{described(value)} is no whole number", "argument", None)
    result = range(start, stop, step)
    if max((stop - start) // step, 0) > MAX_RANGE:
        raise refused(
            f"a range of more than {MAX_RANGE} numbers",
            "too-large",
            None,
            "such a loop is unrolled; for i in arange(n) stays one loop in the graph",
        )
    return result


def _length(value: Any) -> DimLike:
    if isinstance(value, Tensor) and value.ndim:
        return value.shape[0]
    if isinstance(value, tuple | list | range | dict) or (
        isinstance(value, Module) and hasattr(value, "__len__")
    ):
        return len(value)
    raise refused(f"{described(value)} has no length", "argument", None)


_range.__name__, _length.__name__ = "range", "len"
