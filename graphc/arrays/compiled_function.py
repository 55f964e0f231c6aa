"""`graphc.function`: a Python function that is traced once for each signature, and compiled."""

from __future__ import annotations

import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.arrays.captured import captured_values
from graphc.arrays.value_keys import Path, Plain, changes, value_key, value_keys
from graphc.errors import GraphcError, UsageError
from graphc.from_python import on_device
from graphc.frontend.tracing.active_trace import active_tracing
from graphc.frontend.tracing.arguments import refuse_call, usage
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.location import at_python_line, python_span
from graphc.frontend.tracing.parameters import require_function, signature_of
from graphc.frontend.tracing.shown import tree_text
from graphc.frontend.tracing.state import RANDOM_COUNTER
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trace import Export, function_name
from graphc.frontend.tracing.trees import (
    leaves,
    map_leaves,
    named_leaves,
    pairs,
    parts,
    rebuilt,
    statics,
)
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dtype as dtypes
from graphc.ir.dlpack import from_dlpack, has_dlpack
from graphc.ir.graph import Graph, Unit
from graphc.ir.spec import TensorSpec
from graphc.ir.types import TensorType
from graphc.runtime.loaded import LoadedModule

__all__ = ["MAX_GRAPHS", "Function", "compiled", "function", "is_traced"]

MAX_GRAPHS = 32
"""How many graphs a function may have, unless it says otherwise."""

_MOST_TRACES = 8
"""How often a signature is traced anew for what other threads change meanwhile."""

_SHOWN_VALUES = 8
"""How many captured values tell two signatures apart in a message."""


@dataclass(frozen=True)
class _Compiled:
    """A signature that has been met: its module, its graph, and the containers of its results."""

    module: LoadedModule
    graph: Graph
    result: Any


class Function:
    """See `function`.

    Attributes:
        function: the Python function.
        device: what the compiled graphs run on, see `graphc.load`.
        max_graphs: how many graphs there may be.
    """

    def __init__(self, function: Callable[..., Any], device: str | None, max_graphs: int) -> None:
        require_function(function, "function", "write @graphc.function above a function")
        if max_graphs < 1:
            raise UsageError(f"max_graphs is {max_graphs}, expected 1 or more")
        # Its names alone: its other attributes may be those of a `Function`.
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.device = device
        self.max_graphs = max_graphs
        self._compiled: dict[Any, tuple[str, _Compiled]] = {}
        # What the function changed while it was traced, which is no part of its signature.
        self._changing: set[Path] = set()
        self._turns = threading.RLock()
        self.__name__: str = getattr(function, "__name__", function_name(function))

    @property
    def graphs(self) -> Mapping[str, Graph]:
        """The graphs that have been traced so far, by their signatures."""
        return MappingProxyType({text: one.graph for text, one in self._compiled.values()})

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Inside a trace, a part of it; otherwise compiled for the signature, and run.

        Raises:
            UsageError: too many signatures, or a function that updates state.
            GraphcError: whatever tracing, building and running refuse.
        """
        if is_traced((arguments, keywords)):
            given, named = map_leaves(_constant, (arguments, keywords))
            return self.function(*given, **named)
        try:
            return self._run(arguments, keywords)
        except GraphcError as error:
            error.at(python_span())
            raise

    def _run(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        bound = _bound(self.function, self._signature, arguments, keywords)
        parameters = self._signature.parameters
        types = {
            name: _typed(value, parameters[name].annotation)
            for name, value in bound.arguments.items()
        }
        found = self._for(types, len(arguments))
        arrays = _arrays(list(bound.arguments.values()), list(types.values()))
        results = found.module.exports[found.graph.name](*arrays)
        return rebuilt(found.result, results if isinstance(results, tuple) else [results])

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        # Of the first call: annotations may name what is defined after the function.
        return signature_of(self.function)

    def _for(self, types: Mapping[str, Any], by_position: int) -> _Compiled:
        found = self._compiled.get(self._met(types, by_position)[0])
        if found is not None:
            return found[1]
        with self._turns:
            # Another thread may have traced it meanwhile, and changed what is read.
            key, around = self._met(types, by_position)
            if key not in self._compiled:
                text = self._new_text(types, around)
                self._require_room(text)
                unit, result, key = self._traced(types, by_position, around)
                self._compiled[key] = text, self._on_device(unit, result)
            return self._compiled[key][1]

    def _met(
        self, types: Mapping[str, Any], by_position: int
    ) -> tuple[Hashable, Mapping[Path, Any]]:
        """What tells the signature apart, and what the function captures."""
        around = captured_values(self.function, dict(_objects(types)))
        return (by_position, _key(types), self._captured_key(around)), around

    def _captured_key(self, captured: Mapping[Path, Any]) -> Any:
        return tuple(
            (path, value_key(value))
            for path, value in captured.items()
            if not self._is_changing(path)
        )

    def _is_changing(self, path: Path) -> bool:
        changing = self._changing
        return bool(changing) and any(path[:end] in changing for end in range(1, len(path) + 1))

    def _new_text(self, types: Mapping[str, Any], captured: Mapping[Path, Any]) -> str:
        """The signature, with the constants that the function captures where these are new."""
        text = ", ".join(f"{name}: {tree_text(value)}" for name, value in types.items())
        known = {text for text, _ in self._compiled.values()}
        if text not in known:
            return text
        values = [
            f"{'.'.join(map(str, path))} = {tree_text(value)}"
            for path, value in captured.items()
            if isinstance(value, Plain | np.generic | np.ndarray)
        ]
        if len(values) > _SHOWN_VALUES:
            values[_SHOWN_VALUES:] = ["..."]
        text = f"{text}; {', '.join(values)}" if values else text
        return text if text not in known else f"{text} (graph {len(known) + 1})"

    def _require_room(self, text: str) -> None:
        if len(self._compiled) < self.max_graphs:
            return
        last = [f"met before: ({known})" for known, _ in list(self._compiled.values())[-3:]]
        raise UsageError(
            f"{self.__name__} has {self.max_graphs} graphs already, and ({text}) would be one more",
            code="too-many-graphs",
            hint='annotate sizes that change by name, x: graphc.f32["B", 64], and hand over '
            "numbers that change as arrays; or allow more: function(f, max_graphs=...)",
            notes=last,
        )

    def _traced(
        self, types: Mapping[str, Any], by_position: int, around: Mapping[Path, Any]
    ) -> tuple[Unit, Any, Hashable]:
        """The graph and the results of a signature, and its key.

        What changes whenever the function is traced the function changes itself, and it is no part
        of the key. What changes once another thread has changed: then the trace may have read
        both values, and is made anew.
        """
        suspected: set[Path] = set()
        for _ in range(_MOST_TRACES):
            before = value_keys(around)
            unit, result = self._unit(types, by_position)
            _, around = self._met(types, by_position)
            changed = changes(before, value_keys(around))
            self._changing |= changed & suspected
            changed = {path for path in changed if not self._is_changing(path)}
            if not changed:
                break
            suspected |= changed
        self._changing |= changed
        return unit, result, (by_position, _key(types), self._captured_key(around))

    def _unit(self, types: Mapping[str, Any], by_position: int) -> tuple[Unit, Any]:
        traced: list[Any] = []

        def body(*given: Any) -> Any:
            values = OrderedDict(zip(types, given, strict=True))
            positional, named = _as_called(self._signature, values, by_position)
            result = self.function(*positional, **named)
            traced.append(result)
            return result

        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in types
        ]
        body.__name__, body.__doc__ = self.__name__, self.__doc__
        body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        body.__wrapped__ = self.function  # type: ignore[attr-defined]
        name = function_name(self.function)
        unit = build_unit({name: Export(body, tuple(types.values()))})
        graph = unit.exports[name]
        for state, _ in graph.updates:
            if state["name"] != RANDOM_COUNTER:
                raise UsageError(
                    f"{self.__name__} updates state, {state['name']!r}, and a function keeps none "
                    "between its calls",
                    code="function-state",
                    hint="compile it: module = graphc.compile(...) keeps state",
                )
        return unit, map_leaves(lambda leaf: 0, traced[0])

    def _on_device(self, unit: Unit, result: Any) -> _Compiled:
        module = on_device(unit, self.device)
        values = module.state_dict()
        if RANDOM_COUNTER in values:
            # Each graph has a counter of its own, and no two of them meet.
            distance = np.uint64(len(self._compiled) << 48)
            module.load_state_dict({**values, RANDOM_COUNTER: values[RANDOM_COUNTER] + distance})
        (graph,) = unit.exports.values()
        return _Compiled(module, graph, result)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # A method: each instance is an argument like any other.
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        count = len(self._compiled)
        graphs = f"{count} graph{'s' * (count != 1)}"
        return f"<function {self.__name__} with {graphs} of at most {self.max_graphs}>"


def function(
    function: Callable[..., Any] | None = None,
    *,
    device: str | None = None,
    max_graphs: int = MAX_GRAPHS,
    **others: Any,
) -> Any:
    """Decorator: trace a function once for each signature, compile it, and run it on arrays.

    The signature is the types of the arguments: those of annotations where there are some, else
    dtype and shape of the arrays. Python numbers, texts and models are constants of the graph,
    each value a signature of its own. What the function reads from around it, in its closure, its
    module and its models, is a part of the signature too: numbers, texts and arrays by content,
    and so containers of them, and of objects the attributes that its code names. See
    `docs/python.md` for what is not looked at. Called inside a trace, a function is a part of it.
    Random numbers are new at each call, and the same in each run of the program.

    Args:
        device: as for `graphc.load`.
        max_graphs: how many signatures there may be; one more is an error that says which.
        others: refused.

    Raises:
        UsageError: an argument that it has not.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.function
    ... def total(x: gc.f32["B", 3]):
    ...     return gc.sum(gc.exp(x), axis=-1)
    >>> total(np.zeros((2, 3), np.float32))
    array([3., 3.], dtype=float32)
    >>> list(total.graphs)
    ['x: f32[B, 3]']
    """
    with at_python_line():
        refuse_call("function", inspect.signature(Function), (function, device, max_graphs), others)
    if function is None:
        return lambda given: Function(given, device, max_graphs)
    return Function(function, device, max_graphs)


def compiled(transform: Callable[..., Callable[..., Any]]) -> Callable[..., Function]:
    """The transform with a result that can be called with arrays."""

    @functools.wraps(transform)
    def transformed(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Function:
        _bound(transform, signature_of(transform), (function, *arguments), keywords)
        plain = function.function if isinstance(function, Function) else function
        device = function.device if isinstance(function, Function) else None
        return Function(transform(plain, *arguments, **keywords), device, MAX_GRAPHS)

    return transformed


def is_traced(arguments: Any) -> bool:
    """Whether a call with these arguments is a part of a graph, and not one with arrays."""
    return active_tracing() is not None or any(
        isinstance(leaf, Tensor) for leaf in leaves(arguments)
    )


def _constant(leaf: Any) -> Any:
    return as_tensor(leaf, "an argument") if isinstance(leaf, np.ndarray | np.generic) else leaf


def _bound(
    function: Callable[..., Any],
    signature: inspect.Signature,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> inspect.BoundArguments:
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        raise UsageError(
            f"{name}: {error}", code="argument-count", hint=f"it is {usage(name, signature)}"
        ) from error
    return bound


def _as_called(
    signature: inspect.Signature, values: OrderedDict[str, Any], by_position: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by position and by name as they were given: `vmap` tells them apart."""
    call = inspect.BoundArguments(signature, values)
    names = list(signature.parameters)[by_position : len(call.args)]
    named = dict(zip(names, call.args[by_position:], strict=True))
    return call.args[:by_position], {**named, **call.kwargs}


def _typed(value: Any, annotation: Any) -> Any:
    """The type of an argument; what is no array is itself, and becomes a constant."""
    if isinstance(annotation, TensorSpec | TensorType):
        return annotation
    if type(value) is tuple and isinstance(annotation, tuple) and len(annotation) == len(value):
        return tuple(map(_typed, value, annotation))
    return map_leaves(_type_of, value)


def _arrays(value: Any, type_: Any) -> Iterator[Any]:
    """What an argument hands to the graph: whatever has a type, and no constants."""
    if isinstance(type_, TensorSpec | TensorType):
        yield value
    else:
        for _, part, one in pairs(value, type_) or ():
            yield from _arrays(part, one)


def _type_of(leaf: Any) -> Any:
    if isinstance(leaf, bool | int | float | complex) and not isinstance(leaf, np.generic):
        return leaf
    if isinstance(leaf, np.ndarray | np.generic) or has_dlpack(leaf):
        array = leaf if isinstance(leaf, np.ndarray | np.generic) else from_dlpack(leaf)
        return TensorType(dtypes.from_numpy(array.dtype), tuple(map(int, array.shape)))
    return leaf


def _objects(types: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is neither tensor nor number among the arguments, so that more than its key is read."""
    for name, argument in types.items():
        for place, leaf in named_leaves(argument, name):
            if not isinstance(leaf, TensorSpec | TensorType | Plain):
                yield place, leaf


def _key(value: Any) -> Any:
    """What tells signatures apart: types, containers, and constants by value or identity."""
    inside = parts(value)
    if inside is not None:
        return type(value), *(
            (key, _key(one)) for key, one in (*inside.items(), *statics(value).items())
        )
    return value if isinstance(value, TensorSpec | TensorType) else value_key(value)
