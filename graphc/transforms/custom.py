"""Functions whose gradient is said, instead of following from how they compute."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.as_tensor import as_tensors
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function, require_parameters
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, map_leaves
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.creation import zeros_like
from graphc.ir.ops.custom_gradient import custom_gradient as with_gradient
from graphc.ir.ops.custom_gradient import gradient_graph
from graphc.ir.ops.structural import input_
from graphc.transforms.variables import fresh

__all__ = ["custom_gradient"]


_RULE = "the gradient is a function of the arguments, the value and its gradient: (x, value, g)"


def custom_gradient(gradient: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    """Decorator: give a function a gradient of its own.

    Args:
        gradient: `gradient(x, ..., value, g)` takes the function's arguments, the value, and the
            gradient of what follows with respect to the value. It gives the gradient with
            respect to every float among the arguments: one tensor, or a tuple of them in order.
            It is differentiated itself where a higher derivative is asked for.

    Raises (when the function is called):
        UsageError: the function gives no single tensor, or the gradient not what is expected.

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
        def derived(*arguments: Any) -> Tensor:
            with at_python_line():
                given = as_tensors(list(arguments), "arguments")
                value = function(*given)
                if not isinstance(value, Tensor):
                    raise UsageError(
                        "a function with a gradient of its own returned "
                        f"{shown(value)}, expected one tensor",
                        code="result",
                        hint="write one function for each of several results",
                    )
                require_parameters(gradient, "custom_gradient", len(given) + 2, _RULE)
                operands = [leaf.node for leaf in leaves(given)]
                graph, captured = _graph(gradient, given, value)
                return Tensor(with_gradient(value.node, *operands, *captured, gradient=graph))

        return derived

    return decorate


def _graph(
    gradient: Callable[..., Any], given: Sequence[Any], value: Tensor
) -> tuple[Graph, list[Node]]:
    """The gradient over variables of its own, and what it captures from around it."""

    def variable(tensor: Tensor) -> Tensor:
        return Tensor(fresh(tensor.dtype, tensor.shape))

    arguments = map_leaves(variable, list(given))
    own = [leaf.node for leaf in leaves(arguments)]
    result, cotangent = variable(value), variable(value)
    nodes = _cotangents(gradient(*arguments, result, cotangent), own)
    known = {*own, result.node, cotangent.node}
    captured = [n for n in topological(nodes) if n.op is input_ and n not in known]
    # What is captured has no gradient by this rule.
    nodes += [zeros_like(node) for node in captured if node.dtype.precision]
    inputs = (*own, *captured, result.node, cotangent.node)
    return gradient_graph(inputs, nodes), captured


def _cotangents(found: Any, own: Sequence[Node]) -> list[Node]:
    nodes = [leaf.node for leaf in leaves(as_tensors(found, "the gradient"))]
    wanted = [node for node in own if node.dtype.precision]
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
