"""Structural ops: inputs of graphs, several results, gradient stops, barriers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from graphc.errors import InternalError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.batching import same_attributes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Apply, Constant, Convert, Expr, Guard, Index, Inside, Read
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    Element,
    Op,
    Parameter,
    Sample,
    Structural,
    View,
    find,
    surface,
)
from graphc.ir.types import TensorType, TupleType

__all__ = [
    "graph_input",
    "input_",
    "optimization_barrier",
    "project",
    "projections",
    "stop_gradient",
    "tuple_",
]


def _infer_input(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    return TensorType(attributes["dtype"], tuple(attributes["shape"]))


def _unbound(call: Call) -> NoReturn:
    raise InternalError(f"the input {call['name']!r} is not among the graph's inputs and state")


input_ = Op(
    "input",
    0,
    infer=_infer_input,
    reference=_unbound,
    lowering=Structural(),
    parameters=(Parameter("name"), Parameter("dtype"), Parameter("shape")),
    doc="A tensor given from outside: an argument of a graph, or a part of its state.",
)


def graph_input(name: str, dtype: DType, shape: tuple[DimLike, ...]) -> Node:
    """The `input` node of this name and type."""
    return input_(name=name, dtype=dtype, shape=tuple(shape))


def _infer_project(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = operands[0].type
    if not isinstance(type_, TupleType):
        raise UsageError(f"project takes one of several results, and there is one: {type_}")
    index = attributes["index"]
    if not 0 <= index < len(type_.elements):
        raise UsageError(
            f"project: there is no result {index}",
            hint=f"the results are numbered 0 to {len(type_.elements) - 1}: {type_}",
        )
    element: TensorType = type_.elements[index]
    return element


def _project(call: Call, operand: tuple[np.ndarray[Any, Any], ...]) -> np.ndarray[Any, Any]:
    index: int = call["index"]
    return operand[index]


project = Op(
    "project",
    1,
    infer=_infer_project,
    reference=_project,
    lowering=Structural(),
    parameters=(Parameter("index"),),
    doc="Result number `index` of an operation that has several.",
)


def projections(node: Node) -> tuple[Node, ...]:
    """The results of an operation, each a tensor, however many it has."""
    if not isinstance(node.type, TupleType):
        return (node,)
    return tuple(project(node, index=index) for index in range(len(node.type.elements)))


tuple_: Op = Op(
    "tuple",
    None,
    infer=lambda op, operands, attributes: TupleType(tuple(one.tensor for one in operands)),
    reference=lambda call, *values: values,
    lowering=Structural(),
    gradient=lambda node, *cotangents: cotangents,
    batch=lambda node, parts, size: tuple_(*parts),
    samples=lambda: (
        Sample((TensorType(dtype, (2, 3)), TensorType(dtypes.i32, (0,))), smooth=False)
        for dtype in dtypes.ALL
    ),
    doc="Values that count as the results of one operation, of which `project` gives each.",
)


stop_gradient = Op(
    "stop_gradient",
    1,
    infer=lambda op, operands, attributes: operands[0].tensor,
    reference=lambda call, x: x,
    lowering=View(lambda node, index, read: read(0, index)),
    gradient=lambda node, g: (None,),
    batch=same_attributes,
    samples=lambda: (Sample((TensorType(dtype, (2, 3)),), smooth=False) for dtype in dtypes.ALL),
    doc="x, held constant by differentiation.",
)


@surface("stop_gradient", "detach")
def held_constant(x: Node) -> Node:
    """`x`, held constant by differentiation."""
    return stop_gradient(x)


def _element_once_known(node: Node, index: Index, read: Read) -> Expr:
    """The element, whatever a comparison of the other operand's first one says.

    So the kernel is given both operands, and runs once the second is computed.
    """
    x, after = read(0, index), node.inputs[1].tensor
    first = read(1, (0,) * after.rank)
    for size in after.shape:
        if dims.bounds(size)[0] == 0:
            first = Guard(Inside(0, 0, size), first, Constant(0, after.dtype))
    if after.dtype.kind == "storage":
        first = Convert(first, after.dtype.accumulator)
    return Guard(Apply(find("equal"), (first, first), dtypes.bool_), x, x)


optimization_barrier = Op(
    "optimization_barrier",
    2,
    infer=lambda op, operands, attributes: operands[0].tensor,
    reference=lambda call, x, after: x,
    lowering=Element(_element_once_known),
    gradient=lambda node, g: (g, None),
    batch=same_attributes,
    samples=lambda: (
        Sample((TensorType(dtype, shape), TensorType(dtype, other)))
        for dtype in dtypes.ALL
        for shape, other in (((2, 3), (4,)), ((), (2, 0)), ((0, 3), ()))
        if dtype.precision or shape
    ),
    doc="x, computed anew once the second operand is known: no pass sees that it is x, so that "
    "what is computed from it is computed again, and not before.",
)
