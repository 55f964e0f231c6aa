"""Rematerialisation: values whose gradient computes their inside again, and keeps nothing of it.

What is computed again begins behind an `optimization_barrier` that waits for the gradient of what
follows: no pass can tell that it is the same value, and no kernel of it can run early.

Source: T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost"
(2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import compress

from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.ops.custom_gradient import custom_gradient, differentiable, gradient_graph
from graphc.ir.ops.structural import (
    graph_input,
    input_,
    optimization_barrier,
    projections,
    tuple_,
)
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
    depends on no variable, or has no derivative, is an ordinary value.

    Args:
        results: computed of the variables.
        variables: inputs that stand for the values.
        sources: makes what is built inherit the spans of what it stands for.
    """
    made = substitute(results, dict(zip(variables, values, strict=True)), sources)
    inside = dependent(results, variables)
    boundary = _boundary(results, inside)
    again = [one in inside and bool(one.dtype.precision) for one in results]
    if not any(again):
        return list(made)
    graph = _computed_again(tuple(compress(results, again)), variables, boundary)
    value = custom_gradient(tuple_(*compress(made, again)), *values, *boundary, gradient=graph)
    found = iter(projections(value))
    return [next(found) if one else plain for one, plain in zip(again, made, strict=True)]


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


def _computed_again(
    results: Sequence[Node], variables: Sequence[Node], boundary: Sequence[Node]
) -> Graph:
    """The gradient of results by the variables and the boundary, from nothing but these."""
    changing, kept, made, cotangents = (
        [
            graph_input(f"recomputed {name}{number}", one.dtype, one.shape)
            for number, one in enumerate(row)
        ]
        for name, row in (("x", variables), ("y", boundary), ("value", results), ("g", results))
    )
    begin = [reduce(optimization_barrier, cotangents, one) for one in changing]
    mapping = dict(zip((*variables, *boundary), (*begin, *kept), strict=True))
    again = substitute(results, mapping)
    nodes = autodiff.vjp(again, differentiable([*begin, *kept]), cotangents)
    return gradient_graph([*changing, *kept], made, cotangents, nodes)
