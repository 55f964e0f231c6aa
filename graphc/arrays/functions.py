"""Functions of the registry as names of the package: on tensors of a trace, or on arrays.

Outside of a trace arrays are computed at once by the reference evaluator, in NumPy: one function
alone has nothing that could be fused, and compiling it would take longer than running it. What is
called often belongs into a `graphc.function`. NumPy's scalars are arrays without axes here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import numpy as np

from graphc.arrays import numpy_functions
from graphc.frontend.tracing import tensor
from graphc.frontend.tracing.active_trace import active_tracing
from graphc.frontend.tracing.arguments import first_names
from graphc.frontend.tracing.location import at_python_line, spans_from
from graphc.frontend.tracing.members import no_member
from graphc.frontend.tracing.trees import leaves, map_leaves
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.sizes import check_memory
from graphc.ir.source_map import SourceMap

__all__ = ["is_function", "member", "named", "on_arrays"]


def is_function(name: str) -> bool:
    """Whether the registry has a function of that name."""
    return name in functions


@functools.cache
def named(name: str) -> Callable[..., Any]:
    """The function of the registry called `name`, for tensors and for arrays."""
    return on_arrays(tensor.function(name), numpy_functions.BY_NAME.get(name))


def member(module: str, names: Collection[str], name: str) -> Callable[..., Any]:
    """The function `name` of a module that is nothing but the functions called `names`.

    Raises:
        AttributeError: the module has no such function.
    """
    if name not in names:
        raise no_member(module, name, names)
    return named(name)


def on_arrays(
    function: Callable[..., Any], of_values: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """The function with arrays for its tensors where nothing is being traced.

    Args:
        function: on tensors.
        of_values: what it does with arrays that a graph cannot; it gives `NotImplemented` for
            arguments with which it does nothing else.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.sum(np.ones((2, 3)), axis=1)
    array([3., 3.])
    """

    places = _tensor_places(function)
    rest = len(places) - 1

    @functools.wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        if active_tracing() is not None or any(
            isinstance(leaf, tensor.Tensor) for leaf in leaves((arguments, keywords))
        ):
            return function(*arguments, **keywords)
        given = [
            _without_scalars(one, places[min(place, rest)]) for place, one in enumerate(arguments)
        ]
        with spans_from(SourceMap()), at_python_line():
            if of_values is not None:
                keywords = first_names(function.__name__, function, keywords)
                # What NumPy refuses the function of a graph explains.
                with suppress(TypeError, ValueError, LookupError):
                    result = of_values(*given, **keywords)
                    if result is not NotImplemented:
                        return result
            return _evaluated(function(*given, **keywords))

    return called


def _tensor_places(function: Callable[..., Any]) -> list[str]:
    """What each positional argument may be: "Node", "Sequence[Node]", or something else.

    All arguments beyond these are what the last one is.
    """
    parameters = inspect.signature(function).parameters.values()
    places = []
    for one in parameters:
        kinds = ("Sequence[Node]", "Node", "Operand")
        places.append(next((kind for kind in kinds if kind in str(one.annotation)), ""))
        if one.kind is one.VAR_POSITIONAL:
            return places
    return [*places, ""]


def _without_scalars(value: Any, place: str) -> Any:
    """NumPy's scalars as arrays, where there is place for tensors."""
    if place and isinstance(value, np.generic):
        return np.asarray(value)
    if place == "Sequence[Node]" and isinstance(value, list | tuple):
        return [_without_scalars(one, "Node") for one in value]
    return value


def _evaluated(result: Any) -> Any:
    """The values of tensors that depend on no input."""
    nodes = [leaf.node for leaf in leaves(result) if isinstance(leaf, tensor.Tensor)]
    if not nodes:
        return result
    graph = Graph("main", (), (), tuple(nodes))
    check_memory(graph)
    values = iter(evaluate(graph, [])[0])
    return map_leaves(
        lambda leaf: _owned(next(values)) if isinstance(leaf, tensor.Tensor) else leaf, result
    )


def _owned(value: Any) -> np.ndarray[Any, Any]:
    """The value as an array that may be written to: views of constants may not."""
    array = np.asarray(value)
    return array if array.flags.writeable else array.copy()
