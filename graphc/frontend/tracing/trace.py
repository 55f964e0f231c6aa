"""Tracing: a Python function runs once, on tensors without values; the graph is what it did."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import UsageError
from graphc.frontend.tracing.as_tensor import result_tensors
from graphc.frontend.tracing.location import at_definition, at_raising_line, spans_from
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.named_dims import named_dims
from graphc.frontend.tracing.parameters import signature_of
from graphc.frontend.tracing.state import Tracing
from graphc.frontend.tracing.state_table import StateTable
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, parts, with_parts
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.structural import graph_input, input_
from graphc.ir.source_map import SourceMap
from graphc.ir.spec import TensorSpec
from graphc.ir.types import TensorType
from graphc.ir.verify import verify

__all__ = [
    "Export",
    "function_name",
    "models_by_name",
    "run_traced",
    "state_table",
    "trace",
]


@dataclass(frozen=True, eq=False)
class Export:
    """What a graph is traced from.

    Attributes:
        function: a function, a model, or a method of a model.
        types: its arguments in order: types (`f32["B", 64]`), models, or plain Python values,
            which become constants of the graph. An array stands for its own type. What is
            missing is taken from the function's annotations, then from its defaults.
        training: whether layers that differ behave as in training (`Dropout`).
        models: models that the function uses without taking them as arguments.
        is_python: whether spans are the lines of the Python code that runs. Otherwise the
            function sets them itself, with `SourceMap.at`.
    """

    function: Callable[..., Any]
    types: tuple[Any, ...] = ()
    training: bool = False
    models: tuple[Module, ...] = ()
    is_python: bool = True

    @property
    def doc(self) -> str:
        """The docstring of the function; of a model, that of its `forward`, or else its class."""
        text = self.body.__doc__
        if isinstance(self.function, Module) and not text:
            # A class without a docstring would inherit that of `Module`.
            text = vars(type(self.function)).get("__doc__")
        return inspect.cleandoc(text or "")

    @property
    def body(self) -> Callable[..., Any]:
        """The function itself; of a model, its `forward`."""
        return self.function.forward if isinstance(self.function, Module) else self.function

    @property
    def declared_dims(self) -> tuple[Dim, ...]:
        """The dims that the `.gc` file of the function declares: names in `types` mean them."""
        return getattr(self.body, "declared_dims", ())

    def arguments(self) -> dict[str, Any]:
        """The value or type of every parameter, by name.

        Raises:
            UsageError: too many arguments, or a parameter without type, annotation or default.
        """
        signature = signature_of(self.body)
        name = getattr(self.body, "__name__", "the function")
        try:
            bound = signature.bind_partial(*self.types)
        except TypeError as error:
            raise UsageError(
                f"{name} is traced with {len(self.types)} arguments: {error}",
                code="argument-count",
                hint=f"give a model in place of its class: {name}(...)"
                if isinstance(self.function, type)
                else f"it is {name}{signature}",
            ) from error
        for parameter in signature.parameters.values():
            if parameter.name not in bound.arguments:
                annotated = _annotated_type(parameter, name)
                if annotated is not None:
                    bound.arguments[parameter.name] = annotated
        # In order of declaration; what is left out has a default.
        return {one: bound.arguments[one] for one in signature.parameters if one in bound.arguments}

    def root_models(self) -> Iterator[Module]:
        """The models among the function, what its method belongs to, arguments, and `models`."""
        owner = self.function if isinstance(self.function, Module) else None
        for candidate in (owner, getattr(self.function, "__self__", None), *self.models):
            if isinstance(candidate, Module):
                yield candidate
        for value in self.arguments().values():
            yield from (leaf for leaf in leaves(value) if isinstance(leaf, Module))


def _annotated_type(parameter: inspect.Parameter, function: str) -> Any:
    """The type that a parameter is annotated with; None where it needs none."""
    annotation = parameter.annotation
    if _is_type(annotation):
        return annotation
    if isinstance(annotation, DType):
        raise UsageError(
            f"{parameter.name!r} of {function} is annotated with a dtype, expected a type",
            code="argument-type",
            hint=f"a single number is {annotation.name}[()]",
        )
    is_optional = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    if is_optional or parameter.default is not parameter.empty:
        return None
    if isinstance(annotation, type) and issubclass(annotation, Module):
        raise UsageError(
            f"the argument {parameter.name!r} of {function} is a model, and none is given",
            code="argument-type",
            hint=f"give one in place of its type, {annotation.__name__}(...): its state becomes "
            "that of the module",
        )
    raise UsageError(
        f"the type of the argument {parameter.name!r} of {function} is not given",
        code="argument-type",
        hint=f'annotate it ({parameter.name}: f32["B", 64]), or give the type to the call that '
        "traces",
    )


def _is_type(value: Any) -> bool:
    if isinstance(value, tuple) and value:
        return all(map(_is_type, value))
    return isinstance(value, TensorSpec | TensorType)


def trace(
    function: Callable[..., Any],
    *types: Any,
    name: str | None = None,
    models: Sequence[Module] = (),
    training: bool = False,
) -> tuple[Graph, SourceMap]:
    """The graph of a Python function, and the lines that its nodes come from.

    Inputs are called like the parameters; the parts of a tuple or list `x` are `x_0`, `x_1`, ...
    and of a dict by its keys. Results are flattened in order. State is called by its path.

    >>> from graphc.ir.dtype import f32
    >>> graph, _ = trace(lambda x, y: (x @ y).sum(axis=-1), f32["B", 3], f32[3, 4])
    >>> graph.inputs, graph.results[0].type
    ((<input: f32[B, 3]>, <input: f32[3, 4]>), f32[B])

    Args:
        function: a function, a model, or a method of one.
        types: see `Export.types`.
        name: of the graph; by default that of the function.
        models: models that the function uses without taking them as arguments.
        training: whether layers that differ behave as in training.

    Raises:
        UsageError: arguments that do not fit, a result that is no tensor, or a value that only a
            running graph has.
        GraphcError: whatever an operation refuses, at the user's line.
    """
    export = Export(function, types, training, tuple(models))
    sources = SourceMap()
    table = state_table(models_by_name(export.root_models()))
    graph_name = name or function_name(export.body)
    named = named_dims(export.arguments().values(), known=export.declared_dims)
    return run_traced(export, graph_name, table, named, sources), sources


def function_name(function: Callable[..., Any]) -> str:
    """What the graph of a function is called: "main" where it has no name, as a lambda."""
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "main"


def models_by_name(
    models: Iterable[Module], given: Mapping[str, Module] | None = None
) -> dict[str, Module]:
    """The models by the names given for them, or else by the names of their classes.

    Raises:
        UsageError: two models of one name.
    """
    named = dict(given or {})
    known = set(map(id, named.values()))
    for model in dict.fromkeys(models):
        if id(model) in known:
            continue
        name = type(model).__name__
        if name in named:
            raise UsageError(
                f"two models are called {name}",
                code="model-name",
                hint='give them names: models={"first": ..., "second": ...}',
            )
        named[name] = model
    return named


def state_table(models: Mapping[str, Module]) -> StateTable:
    """The names of the state of `models`; a model inside another one is named as a part of it.

    One model that is inside no other needs no prefix; several have their names for prefixes.
    """
    inside = {
        name: {id(part) for _, part in model.named_modules()} for name, model in models.items()
    }
    roots: dict[str, Module] = {}
    # The largest first, so that a model is looked for in all that can contain it.
    for name in sorted(models, key=lambda one: -len(inside[one])):
        if not any(id(models[name]) in inside[root] for root in roots):
            roots[name] = models[name]
    roots = {name: models[name] for name in models if name in roots}
    table = StateTable()
    for name, model in roots.items():
        table.add_model(model, name if len(roots) > 1 else "")
    return table


def run_traced(
    export: Export,
    name: str,
    table: StateTable,
    named: Mapping[str, DimLike],
    sources: SourceMap,
) -> Graph:
    """The graph called `name` of an export, with state by the names of `table`.

    Raises:
        see `trace`.
    """
    tracing = Tracing(table, sources, export.training)
    inputs = _Inputs(named)
    with spans_from(sources if export.is_python else None), tracing.active():
        with at_definition(export.body):
            given = {one: inputs.add(one, value) for one, value in export.arguments().items()}
        result = _call(export.body, given)
        with at_definition(export.body):
            if result is None:
                raise UsageError("the result is None, expected a tensor", code="result")
            results = tuple(one.node for one in leaves(result_tensors(result)))
            updates = tracing.updates()
            roots = (*results, *updates.values())
            used = tracing.used(roots)
            state = tuple(tracing.before(one) for one in used)
            _require_closed(roots, (*inputs.nodes, *state), sources)
    pairs = tuple((tracing.before(one), value) for one, value in updates.items())
    graph = Graph(name, tuple(inputs.nodes), state, results, pairs)
    verify(graph, after="tracing", sources=sources)
    return graph


def _call(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    bound = inspect.BoundArguments(signature_of(function), OrderedDict(given))
    with at_raising_line():
        try:
            return function(*bound.args, **bound.kwargs)
        except TypeError as error:
            # Python says this of `x.T()` and `x.type(f16)`; a tensor that could be called would
            # be taken for a function elsewhere.
            if not str(error).startswith(_CALLED):
                raise
            raise UsageError(
                f"what is called is no function: {error}",
                code="not-callable",
                hint="x.T, x.shape, x.dtype and x.type are no methods; an element is x[i], a cast "
                "x.to(f16)",
            ).with_traceback(error.__traceback__) from None


_CALLED = ("'Tensor' object is not callable", "'TensorType' object is not callable")


class _Inputs:
    """The inputs of a graph, as its arguments are made from their types."""

    def __init__(self, named: Mapping[str, DimLike]) -> None:
        self.nodes: list[Node] = []
        self._named = named

    def add(self, name: str, value: Any) -> Any:
        """The argument called `name`: a tensor for a type, the same for what is no type."""
        if isinstance(value, TensorSpec):
            return self._tensor(name, value.dtype, value.sizes(self._named))
        if isinstance(value, TensorType):
            return self._tensor(name, value.dtype, value.shape)
        if isinstance(value, np.ndarray):
            return self._tensor(name, dtypes.from_numpy(value.dtype), value.shape)
        if (inside := parts(value)) is not None:
            return with_parts(
                value, {key: self.add(f"{name}_{key}", inside[key]) for key in inside}
            )
        if isinstance(value, Tensor):
            raise UsageError(
                f"the argument {name!r} is {value!r}, expected a type",
                code="argument-type",
                hint='give its type: f32["B", 64]',
            )
        if isinstance(value, DType):
            raise UsageError(
                f"the argument {name!r} is the dtype {value.name}, expected a type",
                code="argument-type",
                hint=f'give its shape too: {value.name}["B", 64]; a single number is '
                f"{value.name}[()]",
            )
        if isinstance(value, type) and issubclass(value, Module):
            raise UsageError(
                f"the argument {name!r} is {value.__name__}, a class of models, expected a model",
                code="argument-type",
                hint=f"make one: {value.__name__}(...)",
            )
        return value

    def _tensor(self, name: str, dtype: DType, shape: Sequence[DimLike]) -> Tensor:
        if any(node["name"] == name for node in self.nodes):
            raise UsageError(f"two arguments are called {name!r}", hint="rename one of them")
        node = graph_input(name, dtype, tuple(shape))
        self.nodes.append(node)
        return Tensor(node)


def _require_closed(roots: Sequence[Node], listed: Sequence[Node], sources: SourceMap) -> None:
    """Refuse what stands for a value inside a body or a transform, and is used outside of it."""
    known = set(listed)
    names = {node["name"] for node in listed}
    if len(names) != len(listed):
        twice = next(n for n in names if sum(node["name"] == n for node in listed) > 1)
        raise UsageError(
            f"an argument and a state are both called {twice!r}", hint="rename the argument"
        )
    for node in topological(roots):
        if node.op is input_ and node not in known:
            users = (one for one in topological(roots) if node in one.inputs)
            places = (span for one in users for span in sources.spans(one))
            raise UsageError(
                f"a tensor {node.type} of a loop's body, or of a function that is transformed, is "
                "used outside of it",
                code="leaked-tensor",
                span=next(places, None),
                hint="return it from there: scan stacks what its body gives beside the carry, and "
                "grad takes has_aux=True",
            )
