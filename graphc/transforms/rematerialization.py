"""`checkpoint`: compute again for the gradient what would otherwise be kept until then."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.frontend.location import at_python_line
from graphc.frontend.tensor import Tensor
from graphc.frontend.trees import leaves, rebuilt
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.custom_gradient import custom_gradient, differentiable
from graphc.ir.ops.structural import input_, optimization_barrier
from graphc.passes import autodiff
from graphc.passes.rewrite import substitute
from graphc.transforms.custom import gradient_graph
from graphc.transforms.variables import apply_to_variables, fresh, result_nodes

__all__ = ["checkpoint"]


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a gradient keeps the tensors that the function is given, and nothing inside it.

    What it needs of the inside is computed again, once the gradient of what follows is known. The
    bits are the same; memory is traded for time. What the function computes of captured tensors
    and parameters alone is kept. A function with several results is computed again for each.

    Source: T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory
    cost" (2016).

    Raises (when the function is called):
        UsageError: a result is no tensor.

    >>> import graphc as gc
    >>> block = gc.checkpoint(lambda x: gc.tanh(gc.exp(x)))
    >>> round(float(gc.grad(block)(0.0)), 4)
    0.42
    """

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            chosen = [place for place, one in enumerate(arguments) if _holds_tensors(one)]
            applied = apply_to_variables(function, arguments, keywords, chosen)
            results = result_nodes(applied.result)
            values = applied.closed(results)
            inside = _inside(results, applied.variables)
            boundary = _boundary(results, inside)
            made = [
                custom_gradient(
                    value,
                    *applied.values,
                    *boundary,
                    gradient=_computed_again(result, applied.variables, boundary),
                )
                if result in inside and result.dtype.precision
                else value
                for result, value in zip(results, values, strict=True)
            ]
            return rebuilt(applied.result, map(Tensor, made))

    return derived


def _holds_tensors(argument: Any) -> bool:
    """Whether the argument is a tensor or a tree of them; models keep their parameters."""
    found = list(leaves(argument))
    return bool(found) and all(isinstance(one, Tensor | np.ndarray | np.generic) for one in found)


def _inside(results: Sequence[Node], variables: Sequence[Node]) -> set[Node]:
    """What is computed of the variables, and these."""
    found = set(variables)
    for node in topological(results):
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _boundary(results: Sequence[Node], inside: set[Node]) -> list[Node]:
    """What the inside is computed of besides, but for constants."""
    changing: set[Node] = set()
    found: dict[Node, None] = {}
    for node in topological(results):
        if node.op is input_ or not changing.isdisjoint(node.inputs):
            changing.add(node)
        if node in inside:
            found |= dict.fromkeys(o for o in node.inputs if o in changing and o not in inside)
    return list(found)


def _computed_again(result: Node, variables: Sequence[Node], boundary: Sequence[Node]) -> Graph:
    """The gradient of a result by the variables and the boundary, from nothing but these."""
    own = [fresh(one.dtype, one.shape) for one in (*variables, *boundary)]
    value, cotangent = (fresh(result.dtype, result.shape) for _ in range(2))
    begin = [optimization_barrier(one, cotangent) for one in own[: len(variables)]]
    given = [*begin, *own[len(variables) :]]
    (again,) = substitute([result], dict(zip((*variables, *boundary), given, strict=True)))
    nodes = autodiff.vjp([again], differentiable(given), [cotangent])
    return gradient_graph((*own, value, cotangent), nodes)
