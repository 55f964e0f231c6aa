"""`vmap`: a function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.active_trace import active_tracing
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import map_leaves, rebuilt
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.broadcasting import normal_axis
from graphc.passes.batch import batched
from graphc.transforms.variables import fresh, require_function, result_nodes

__all__ = ["vmap"]

Axes = int | None | Sequence[int | None]


def vmap(function: Callable[..., Any], in_axes: Axes = 0, out_axes: int = 0) -> Callable[..., Any]:
    """A function that applies `function` to every part of its arguments along an axis at once.

    Random numbers are the same for each part, unless their seed is one of the arguments. State is
    shared by all parts: it may be read, and updated once for all by what is the same for each. A
    part has state of its own where that is an argument; see `stateless_call`.

    Args:
        function: of tensors without that axis, or of trees of them.
        in_axes: the axis of every tensor of an argument, None for an argument that is given
            whole; one for all positional arguments, or one for each.
        out_axes: where the results have the axis.

    Raises (when it is called):
        ShapeError: an argument lacks the axis, or the sizes along it differ.
        UsageError: nothing has an axis, or the function sets state to what differs between parts.
        GraphcError: an op has no rule for it (code `no-batching`).
    """
    require_function(function, "vmap")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        axes = _axes(in_axes, len(arguments))
        with at_python_line():
            variables: dict[Node, Node] = {}
            given = [
                one if axis is None else map_leaves(_part(variables, axis), one)
                for one, axis in zip(arguments, axes, strict=True)
            ]
            size = _size(variables)
            result = function(*given, **keywords)
            _require_no_updates(variables)
            active = active_tracing()
            sources = None if active is None else active.sources
            nodes = batched(result_nodes(result), variables, size, sources)
            return rebuilt(result, (Tensor(_moved(one, 0, out_axes)) for one in nodes))

    return derived


def _axes(in_axes: Axes, count: int) -> Sequence[int | None]:
    if in_axes is None or isinstance(in_axes, int):
        return [in_axes] * count
    if len(in_axes) != count:
        raise UsageError(
            f"vmap: in_axes has {len(in_axes)} axes for {count} arguments",
            code="argument-count",
            hint="give one for each positional argument, None for those without the axis",
        )
    return in_axes


def _part(variables: dict[Node, Node], axis: int) -> Callable[[Any], Any]:
    """Makes of a tensor a variable without its `axis`, and notes what that stands for."""

    def part(leaf: Any) -> Tensor:
        whole = as_tensor(leaf, "an argument of vmap").node
        front = _moved(whole, normal_axis(axis, len(whole.shape), "vmap"), 0)
        variable = fresh(front.dtype, front.shape[1:])
        variables[variable] = front
        return Tensor(variable)

    return part


def _moved(node: Node, source: int, target: int) -> Node:
    moved: Node = functions["moveaxis"](node, source, target)
    return moved


def _size(variables: dict[Node, Node]) -> DimLike:
    sizes = [front.shape[0] for front in variables.values()]
    if not sizes:
        raise UsageError(
            "vmap: no argument has an axis",
            code="argument",
            hint="in_axes says which axis of each argument is meant",
        )
    for size in sizes[1:]:
        if not dims.always_equal(size, sizes[0]):
            raise ShapeError(f"vmap: the axes have the sizes {sizes[0]} and {size}")
    return sizes[0]


def _require_no_updates(variables: dict[Node, Node]) -> None:
    active = active_tracing()
    if active is None:
        return
    differing = [
        active.table.path(state)
        for state, value in active.updates().items()
        if any(node in variables for node in topological([value]))
    ]
    if differing:
        raise UsageError(
            f"vmap: the function sets {', '.join(differing)} to what each part has of its own",
            code="state-in-vmap",
            hint="call the layer outside of vmap, on all parts; or return the value, and update "
            "the state outside; or give each part state of its own, with stateless_call",
        )
