"""`vmap`: a function of one example as a function of many."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from graphc.errors import GraphcError, OutOfRangeError, ShapeError, UsageError
from graphc.frontend.tracing.active_trace import active_tracing
from graphc.frontend.tracing.as_tensor import as_tensor, result_tensors
from graphc.frontend.tracing.initializers import SEED_DTYPE
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function, signature_of
from graphc.frontend.tracing.random_draws import each_iteration
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, named_leaves, pairs, rebuilt
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.broadcasting import normal_axis
from graphc.passes.batch import batched
from graphc.transforms.variables import fresh

__all__ = ["vmap"]

Axes = Any
"""An axis, None, or a tree of them: each stands for all below it."""


def vmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    axis_size: DimLike | None = None,
) -> Callable[..., Any]:
    """A function that applies `function` to every part of its arguments along an axis at once.

    Each part draws random numbers of its own, those that an iteration of `scan` in its place would
    draw; what is drawn outside of the function, or with a seed that is no part of an argument, is
    the same for all. State is shared by all parts: it may be read, and updated once for all by
    what is the same for each. A part has state of its own where that is an argument; see
    `stateless_call`.

    Args:
        function: of tensors without that axis, or of trees of them.
            Numbers, texts and models may be given to it by name, and are the same for each part.
        in_axes: the axis of every tensor of an argument, None for an argument that is given
            whole; one for all positional arguments, or a list or tuple with one for each. That
            of an argument may be nested as the argument is: `({"w": 0, "b": None}, None)`.
        out_axes: where the results have the axis, nested as the result is or one for all; None
            for what is the same for each part, which has no axis.
        axis_size: how many parts there are, where no argument has the axis and says it.

    Raises (when it is called):
        ShapeError: an argument lacks the axis, or the sizes along it differ.
        UsageError: nothing has an axis; axes are not nested as what they are of; a result
            without an axis, or state that the function sets, differs between parts.
        GraphcError: an op has no rule for it (code `no-batching`).
    """
    require_function(function, "vmap")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            _require_whole(keywords)
            named = list(named_leaves(arguments, "arguments"))
            axes = _with_axes(_axes(in_axes, arguments), arguments, "in_axes")
            fronts = {
                name: _in_front(name, leaf, axis)
                for (name, leaf), (_, axis) in zip(named, axes, strict=True)
                if axis is not None
            }
            size = _size(fronts, axis_size)
            parts = {name: fresh(one.dtype, one.shape[1:]) for name, one in fronts.items()}
            variables = dict(zip(parts.values(), fronts.values(), strict=True))
            number = fresh(SEED_DTYPE, ())
            variables[number] = functions["arange"](size, dtype=SEED_DTYPE)
            given = rebuilt(
                arguments, [Tensor(parts[name]) if name in parts else leaf for name, leaf in named]
            )
            with each_iteration(lambda: number):
                result = result_tensors(function(*given, **keywords))
            _require_no_updates(variables)
            active = active_tracing()
            sources = None if active is None else active.sources
            nodes = [leaf.node for leaf in leaves(result)]
            places = [axis for _, axis in _with_axes(out_axes, result, "out_axes")]
            whole = batched(nodes, variables, size, sources)
            made = [_placed(*one, variables) for one in zip(nodes, whole, places, strict=True)]
            return rebuilt(result, map(Tensor, made))

    derived.__signature__ = _without_types(function)  # type: ignore[attr-defined]
    return derived


def _require_whole(keywords: Mapping[str, Any]) -> None:
    """Refuse by name what has an axis, along which it would be mapped elsewhere."""
    for name, value in keywords.items():
        is_row = isinstance(value, list) and len(value) > 0
        if is_row or any(getattr(leaf, "ndim", 0) for leaf in leaves(value)):
            raise UsageError(
                f"vmap: {name}={shown(value)} is given by name, which is given whole to each part",
                code="argument",
                hint="give it by position: in_axes says which axis is mapped, None for the whole",
            )


def _without_types(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, in which the types of parts do not stand for those of all of them."""
    try:
        signature = signature_of(function)
    except GraphcError:
        return None
    empty = inspect.Parameter.empty
    parameters = [one.replace(annotation=empty) for one in signature.parameters.values()]
    return inspect.Signature(parameters)


def _axes(in_axes: Axes, arguments: Sequence[Any]) -> Axes:
    """The axes as nested as the tuple of all arguments."""
    if not isinstance(in_axes, list | tuple):
        return in_axes
    if len(in_axes) != len(arguments):
        raise UsageError(
            f"vmap: in_axes has {len(in_axes)} axes for {len(arguments)} arguments",
            code="argument-count",
            hint="give one for each positional argument, None for those without the axis",
        )
    return tuple(in_axes)


def _with_axes(axes: Axes, tree: Any, what: str) -> Iterator[tuple[Any, int | None]]:
    """Each leaf of a tree with its axis.

    Raises:
        UsageError: the axes are nested in another way than the tree.
    """
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        yield from ((leaf, axes) for leaf in leaves(tree))
    elif (both := pairs(axes, tree)) is not None:
        for place, one, part in both:
            yield from _with_axes(one, part, f"{what}{place}")
    else:
        raise UsageError(
            f"vmap: {what} is {shown(axes)} for {shown(tree)}",
            code="argument",
            hint="an axis is a whole number or None, for all tensors below it; or give "
            "containers of axes that are nested as the tensors are",
        )


def _in_front(name: str, leaf: Any, axis: int) -> Node:
    """The tensor that is called `name`, with its axis before all others."""
    whole = as_tensor(leaf, name).node
    rank = len(whole.shape)
    if not -rank <= axis < rank:
        raise OutOfRangeError(
            f"vmap: {name} is {whole.type}, which has no axis {axis}",
            code="axis",
            hint="an argument that is given whole has the axis None: in_axes=(0, None)",
        )
    return _moved(whole, axis % rank, 0)


def _placed(part: Node, whole: Node, axis: int | None, variables: Container[Node]) -> Node:
    """A result with its axis at the place, or without it, where it is the same for each part."""
    if axis is not None:
        return _moved(whole, 0, normal_axis(axis, len(whole.shape), "vmap"))
    if any(one in variables for one in topological([part])):
        raise UsageError(
            f"vmap: a result {part.type} has no axis, and each part has one of its own",
            code="argument",
            hint="out_axes=0 stacks the results of all parts",
        )
    return part


def _moved(node: Node, source: int, target: int) -> Node:
    moved: Node = functions["moveaxis"](node, source, target)
    return moved


def _size(fronts: Mapping[str, Node], stated: DimLike | None) -> DimLike:
    sizes = {name: one.shape[0] for name, one in fronts.items()}
    if stated is not None:
        sizes = {"axis_size": stated, **sizes}
    if not sizes:
        raise UsageError(
            "vmap: no argument has an axis",
            code="argument",
            hint="in_axes says which axis of each argument is meant, axis_size its size if none is",
        )
    (first, size), *others = sizes.items()
    for name, other in others:
        if not dims.always_equal(other, size):
            raise ShapeError(f"vmap: {first} has {size} parts, and {name} has {other}")
    return size


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
