"""Functions whose gradient is said, instead of following from how they compute."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.as_tensor import as_tensor, as_tensors, result_tensors
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.nesting import leaves_like
from graphc.frontend.tracing.parameters import in_order, require_function, require_parameters
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, map_leaves, rebuilt
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.custom_gradient import custom_gradient as with_gradient
from graphc.ir.ops.custom_gradient import gradient_graph
from graphc.ir.ops.structural import input_, projections, tuple_
from graphc.transforms.variables import fresh

__all__ = ["custom_gradient"]


_RULE = "the gradient is a function of the arguments, the value and its gradient: (x, value, g)"


def custom_gradient(gradient: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    """Decorator: give a function a gradient of its own.

    Args:
        gradient: `gradient(x, ..., value, g)` takes the function's arguments, of which whole
            numbers, texts and the like are as they are given; the value; and the gradient of what
            follows with respect to the value, in the same containers, with None for what has no
            derivative. It gives the gradient with
            respect to every float among the arguments: one tensor, a tuple of them in order, or
            trees like the arguments, without those that hold no float.
            It is differentiated itself where a higher derivative is asked for.

    Raises (when the function is called):
        UsageError: the function gives what is no tensor, or the gradient not what is expected.

    >>> import graphc as gc
    >>> @gc.custom_gradient(lambda x, value, g: g)
    ... def rounded(x):
    ...     return gc.round(x)
    >>> float(gc.grad(rounded)(0.7))
    1.0
    """
    require_function(gradient, "custom_gradient")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        require_function(function, "custom_gradient")

        @functools.wraps(function)
        def derived(*arguments: Any, **keywords: Any) -> Any:
            with at_python_line():
                given = map_leaves(_lifted, in_order(function, arguments, keywords))
                result = result_tensors(function(*given))
                values = [leaf.node for leaf in leaves(result)]
                require_parameters(gradient, "custom_gradient", len(given) + 2, _RULE)
                operands = [leaf.node for leaf in _tensors(given)]
                graph, captured = _graph(gradient, given, result)
                value = values[0] if len(values) == 1 else tuple_(*values)
                found = with_gradient(value, *operands, *captured, gradient=graph)
                return rebuilt(result, map(Tensor, projections(found)))

        return derived

    return decorate


def _lifted(leaf: Any) -> Any:
    """A tensor for what has, or may have, a gradient; all else as it is."""
    is_array = isinstance(leaf, np.ndarray | np.generic | float | complex)
    return as_tensor(leaf, "an argument") if is_array else leaf


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)]


def _graph(
    gradient: Callable[..., Any], given: Sequence[Any], result: Any
) -> tuple[Graph, list[Node]]:
    """The gradient over variables of its own, and what it captures from around it."""

    def variable(leaf: Any) -> Any:
        return Tensor(fresh(leaf.dtype, leaf.shape)) if isinstance(leaf, Tensor) else leaf

    arguments = map_leaves(variable, list(given))
    value, cotangent = map_leaves(variable, result), map_leaves(variable, _floats(result))
    own, values, cotangents = (
        [leaf.node for leaf in _tensors(tree)] for tree in (arguments, value, cotangent)
    )
    nodes = _cotangents(gradient(*arguments, value, cotangent), arguments)
    known = {*own, *values, *cotangents}
    captured = [n for n in topological(nodes) if n.op is input_ and n not in known]
    # What is captured has no gradient by this rule.
    nodes += [zeros_like(node) for node in captured if node.dtype.precision]
    return gradient_graph([*own, *captured], values, cotangents, nodes), captured


def _cotangents(found: Any, arguments: Sequence[Any]) -> list[Node]:
    tree = as_tensors(found, "the gradient")
    floats = [one for one in map(_floats, arguments) if any(True for _ in leaves(one))]
    wanted = [leaf.node for leaf in leaves(floats)]
    if _is_flat(tree):
        nodes = [leaf.node for leaf in leaves(tree)]
    else:
        form = floats[0] if len(floats) == 1 else tuple(floats)
        nodes = [leaf.node for leaf in leaves_like(tree, form, "the gradient")]
    if len(nodes) != len(wanted):
        raise UsageError(
            f"the gradient gives {len(nodes)} tensors for {len(wanted)} float arguments",
            code="custom-gradient",
            hint="return one for each, in order; zeros_like(x) where there is none",
        )
    for node, variable in zip(nodes, wanted, strict=True):
        if node.type is not variable.type:
            error = DTypeError if node.dtype is not variable.dtype else ShapeError
            raise error(f"the gradient by a {variable.type} is {node.type}")
    return nodes


def _floats(tree: Any) -> Any:
    """A tree with None for what has no gradient."""
    return map_leaves(
        lambda leaf: leaf if isinstance(leaf, Tensor) and leaf.dtype.precision else None, tree
    )


def _is_flat(tree: Any) -> bool:
    """Whether a tree is one tensor, or a row of them without names."""
    row = tree if type(tree) in (list, tuple) else (tree,)
    return all(isinstance(part, Tensor) for part in row)
