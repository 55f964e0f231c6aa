"""Rematerialisation: values whose gradient computes their inside again, and keeps nothing of it.

What is computed again begins behind an `optimization_barrier` that waits for the gradient of what
follows: no pass can tell that it is the same value, and no kernel of it can run early.

Source: T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost"
(2016).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.custom_gradient import custom_gradient, differentiable, gradient_graph
from graphc.ir.ops.structural import graph_input, input_, optimization_barrier
from graphc.ir.source_map import SourceMap
from graphc.passes import autodiff
from graphc.passes.bodies import dependent
from graphc.passes.rewrite import substitute

__all__ = ["recomputed"]


def recomputed(
    results: Sequence[Node],
    variables: Sequence[Node],
    values: Sequence[Node],
    sources: SourceMap | None = None,
) -> list[Node]:
    """The results with `values` for the variables, computed again wherever a gradient needs them.

    What the results take besides the variables is kept, and has its gradient too. A result that
    depends on no variable, or has no derivative, is an ordinary value. Several results are
    computed again one by one.

    Args:
        results: computed of the variables.
        variables: inputs that stand for the values.
        sources: makes what is built inherit the spans of what it stands for.
    """
    made = substitute(results, dict(zip(variables, values, strict=True)), sources)
    inside = dependent(results, variables)
    boundary = _boundary(results, inside)
    found = []
    for result, value in zip(results, made, strict=True):
        if result in inside and result.dtype.precision:
            graph = _computed_again(result, variables, boundary)
            value = custom_gradient(value, *values, *boundary, gradient=graph)
        found.append(value)
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
    outside = (*variables, *boundary, result, result)
    *own, value, cotangent = (
        graph_input(f"recomputed {number}", one.dtype, one.shape)
        for number, one in enumerate(outside)
    )
    begin = [optimization_barrier(one, cotangent) for one in own[: len(variables)]]
    given = [*begin, *own[len(variables) :]]
    (again,) = substitute([result], dict(zip((*variables, *boundary), given, strict=True)))
    nodes = autodiff.vjp([again], differentiable(given), [cotangent])
    return gradient_graph((*own, value, cotangent), nodes)
