"""A value whose gradient is said by a graph, instead of following from how it is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build
from graphc.ir.op import Decomposition, Op, Parameter, Refused, Sample
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.types import TensorType, Type, is_differentiable

__all__ = ["custom_gradient", "differentiable", "gradient_graph", "inlined"]

_F32 = dtypes.f32


def inlined(graph: Graph, arguments: Sequence[Node]) -> tuple[Node, ...]:
    """The results of a graph without state, computed from `arguments` in place of its inputs.

    Raises:
        UsageError: an argument has another type than its input, or there is none for an input.
    """
    _require_types(f"the graph {graph.name!r}", graph.inputs, [one.type for one in arguments])
    done = dict(zip(graph.inputs, arguments, strict=True))
    for node in graph.nodes():
        if node not in done:
            operands = tuple(done[operand] for operand in node.inputs)
            done[node] = build(node.op, operands, node.attributes)
    return tuple(done[result] for result in graph.results)


def gradient_graph(
    operands: Sequence[Node],
    values: Sequence[Node],
    cotangents: Sequence[Node],
    results: Sequence[Node],
) -> Graph:
    """The graph of a gradient, with inputs called alike in all: equal gradients are one graph.

    Args:
        operands, values: variables for what the function takes and gives.
        cotangents: variables for those of the float values.
        results: the cotangents of the float operands, computed of the variables.
    """
    variables = {"x": operands, "value": values, "g": cotangents}
    named = tuple(
        graph_input(f"{name}{number}" if name == "x" or number else name, one.dtype, one.shape)
        for name, row in variables.items()
        for number, one in enumerate(row)
    )
    plain = Graph("gradient", (*operands, *values, *cotangents), (), tuple(results))
    return Graph("gradient", named, (), inlined(plain, named))


def differentiable(operands: Iterable[Node]) -> tuple[Node, ...]:
    """Those of the operands that have derivatives: floats and complex numbers."""
    return tuple(one for one in operands if one.dtype.precision)


def _require_types(what: str, found: Sequence[Node], expected: Sequence[object]) -> None:
    if len(found) != len(expected):
        raise UsageError(f"{what} takes {len(found)} tensors, expected {len(expected)}")
    for node, type_ in zip(found, expected, strict=True):
        if node.type is not type_:
            error = DTypeError if _dtype(type_) is not node.dtype else ShapeError
            raise error(f"{what} takes {node.type}, expected {type_}")


def _dtype(type_: object) -> object:
    return type_.dtype if isinstance(type_, TensorType) else None


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> Type:
    if not operands:
        raise UsageError("custom_gradient takes a value and what its gradient is with respect to")
    value, *others = operands
    values = projections(value)
    gradient = attributes["gradient"]
    if not isinstance(gradient, Graph) or gradient.state or gradient.updates:
        raise UsageError("custom_gradient: the gradient is a graph without state")
    if not is_differentiable(value.type):
        raise DTypeError(
            f"custom_gradient: the value is {value.type}",
            hint="what has a gradient is a float or complex tensor",
        )
    given = [one.type for one in (*others, *values, *differentiable(values))]
    _require_types("the gradient", gradient.inputs, given)
    wanted = [one.type for one in differentiable(others)]
    if [one.type for one in gradient.results] != wanted:
        raise ShapeError(
            f"custom_gradient: the gradient returns {_listed(one.type for one in gradient.results)}"
            f", expected {_listed(wanted)}",
            hint="one cotangent for each float operand, of its type",
        )
    return value.type


def _listed(types: Iterable[object]) -> str:
    return f"({', '.join(map(str, types))})"


def _gradient(node: Node, *cotangents: Node | None) -> list[Node | None]:
    others = node.inputs[1:]
    given = [one for one in cotangents if one is not None]
    found = iter(inlined(node["gradient"], [*others, *projections(node), *given]))
    return [None, *(next(found) if one.dtype.precision else None for one in others)]


def _example(*operands: TensorType) -> Graph:
    """The gradient of the product of all float operands' first one with itself: 2*x*g."""
    inputs = tuple(graph_input(f"x{i}", one.dtype, one.shape) for i, one in enumerate(operands))
    value = graph_input("value", operands[0].dtype, operands[0].shape)
    g = graph_input("g", value.dtype, value.shape)
    results = (multiply(add(x, x), g) for x in differentiable(inputs))
    return Graph("gradient", (*inputs, value, g), (), tuple(results))


def _samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.precision:
            x = TensorType(dtype, (2, 3))
            yield Sample((x, x), {"gradient": _example(x)}, smooth=False)
    x = TensorType(_F32, (4,))
    counts = TensorType(dtypes.i32, (2,))
    yield Sample((x, x, counts), {"gradient": _example(x, counts)}, smooth=False)
    yield Sample((x,), {"gradient": _without_operands(x)}, smooth=False)


def _without_operands(x: TensorType) -> Graph:
    inputs = tuple(graph_input(name, x.dtype, x.shape) for name in ("value", "g"))
    return Graph("gradient", inputs, (), ())


def _refused() -> Iterable[Refused]:
    x, other = TensorType(_F32, (2, 3)), TensorType(_F32, (3,))
    gradient = _example(x)
    yield Refused((), {"gradient": gradient}, UsageError)
    yield Refused((x, x), {"gradient": None}, UsageError)
    yield Refused((x, x, x), {"gradient": gradient}, UsageError)
    yield Refused((x, other), {"gradient": gradient}, ShapeError)
    yield Refused((x, TensorType(dtypes.f16, (2, 3))), {"gradient": gradient}, DTypeError)
    yield Refused((TensorType(dtypes.i32, (2, 3)), x), {"gradient": gradient}, DTypeError)
    silent = Graph("gradient", gradient.inputs, (), ())
    yield Refused((x, x), {"gradient": silent}, ShapeError)


custom_gradient = Op(
    "custom_gradient",
    None,
    infer=_infer,
    reference=lambda call, value, *operands: value,
    lowering=Decomposition(lambda node: node.inputs[0]),
    gradient=_gradient,
    parameters=(Parameter("gradient"),),
    samples=_samples,
    refused=_refused,
    doc="The first operand, or the results that it has, with a gradient with respect to the other "
    "operands that the graph `gradient` says: from the other operands, the values and the "
    "cotangents of the float ones among these, the cotangents of the float operands. How the "
    "values were computed is not differentiated.",
)
