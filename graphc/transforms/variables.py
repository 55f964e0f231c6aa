"""A function applied to variables of its own in place of its arguments.

Differentiation with respect to the argument's node itself would also follow uses of it that the
function does not make through its argument (in a closure, or outside). Fresh variables keep the
two apart, however deeply transforms nest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from graphc.errors import DTypeError, UsageError
from graphc.frontend.tracing.active_trace import active_tracing
from graphc.frontend.tracing.as_tensor import as_tensor, result_tensors
from graphc.frontend.tracing.closures import stand_ins
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.state import State
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, map_leaves, named_leaves, rebuilt
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.record import Record
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.rewrite import substitute

__all__ = [
    "Applied",
    "apply_to_variables",
    "fresh",
]


def fresh(dtype: DType, shape: tuple[DimLike, ...]) -> Node:
    """A variable that nothing depends on yet."""
    (node,) = stand_ins("variable", [TensorType(dtype, shape)])
    return node


class Applied(Record):
    """What a function made of its variables.

    Attributes:
        variables: one for each tensor of the chosen arguments, in order.
        values: what they stand for.
        result: of the function, over the variables: a tree of tensors.
        aux: a tree of tensors that the function gives beside it, or None.
        tree: the chosen arguments with a tensor at each leaf; a model is a dict from the paths
            of its trainable parameters.
    """

    variables: tuple[Node, ...]
    values: tuple[Node, ...]
    result: Any
    aux: Any
    tree: Any

    @property
    def outputs(self) -> list[Node]:
        """The nodes of the result, in order."""
        return [leaf.node for leaf in leaves(self.result)]

    @property
    def sources(self) -> SourceMap | None:
        """Where nodes are recorded."""
        active = active_tracing()
        return None if active is None else active.sources

    def closed(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The nodes with what the variables stand for in their place."""
        mapping = dict(zip(self.variables, self.values, strict=True))
        return substitute(nodes, mapping, self.sources)

    def closed_tree(self, tree: Any) -> Any:
        """`closed` for every tensor of a tree."""
        nodes = self.closed([leaf.node for leaf in leaves(tree)])
        return rebuilt(tree, map(Tensor, nodes))


def apply_to_variables(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    chosen: Sequence[int],
    has_aux: bool = False,
    differentiated: bool = True,
) -> Applied:
    """Call the function with variables for every tensor of the arguments at places `chosen`.

    Args:
        has_aux: whether the function gives a pair of the result and something else.
        differentiated: whether derivatives with respect to the variables are asked for.

    Raises:
        DTypeError: such a tensor is no float.
        UsageError: a leaf of such an argument, or of what the function gives, that is no tensor,
            array or number; no pair.
    """
    given = list(arguments)
    values: list[Node] = []
    variables: list[Node] = []
    states: dict[State, Node] = {}
    trees: list[Any] = []

    def variable(value: Tensor) -> Node:
        made = fresh(value.dtype, value.shape)
        values.append(value.node)
        variables.append(made)
        return made

    def replaced(leaf: Any) -> Any:
        if isinstance(leaf, Module):
            for one in leaf.parameters():
                if one.trainable:
                    states[one] = variable(one)
            return leaf
        return Tensor(variable(leaf))

    for place in chosen:
        argument = _tensors_and_models(given[place], f"arguments[{place}]")
        if differentiated:
            _require_floats(argument, f"arguments[{place}]")
        trees.append(map_leaves(_opened, argument))
        given[place] = map_leaves(replaced, argument)
    active = active_tracing()
    with nullcontext() if active is None or not states else active.standing_in(states):
        result = function(*given, **keywords)
        result, aux = _pair(result) if has_aux else (result, None)
        result, aux = result_tensors(result), result_tensors(aux)
    if active is not None:
        active.replace(dict(zip(variables, values, strict=True)))
    return Applied(
        variables=tuple(variables),
        values=tuple(values),
        result=result,
        aux=aux,
        tree=tuple(trees),
    )


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise UsageError(
            f"the function returned {shown(result)}, expected a pair of the value and the rest",
            code="result",
            hint="with has_aux=True return (value, rest)",
        )
    value, rest = result
    return value, rest


def _tensors_and_models(tree: Any, name: str) -> Any:
    found = named_leaves(tree, name)
    return rebuilt(tree, [x if isinstance(x, Module) else as_tensor(x, one) for one, x in found])


def _require_floats(argument: Any, name: str) -> None:
    for one, leaf in named_leaves(argument, name):
        if isinstance(leaf, Tensor) and not leaf.dtype.precision:
            raise DTypeError(
                f"a derivative with respect to {one}, {leaf.type}, is asked for",
                code="gradient-of-integers",
                hint="differentiate by floats: cast the argument, choose others with argnums, or "
                "let a field be static: field(metadata={'static': True})",
            )


def _opened(leaf: Any) -> Any:
    """A model as the trainable parameters that it holds, by path."""
    if not isinstance(leaf, Module):
        return leaf
    return {path: one for path, one in leaf.named_parameters() if one.trainable}
