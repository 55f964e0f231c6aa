"""The reference evaluator: a graph run node by node in NumPy.

It is the oracle that every backend is compared with, and the runtime of last resort. Dtypes are
exact. With `precise=True` floats are computed in float64 and complex numbers in complex128, and
rounded only where the graph casts to a narrower float: the value that kernels approximate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphc.errors import DimensionError, DTypeError, InternalError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.blas import one_thread
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Call, Contraction, HostCall
from graphc.ir.types import TensorType, TupleType, Type

__all__ = ["bind_dims", "evaluate", "evaluate_node"]

Array = np.ndarray[Any, Any]
Value = Array | tuple[Array, ...]


def evaluate(
    graph: Graph,
    inputs: Sequence[Any],
    state: Sequence[Any] = (),
    *,
    precise: bool = False,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Run a graph on arrays.

    Args:
        graph: the graph; its named dims take their values from the shapes of the arrays.
        inputs, state: one array for each of the graph's, of its dtype and shape.
        precise: compute in float64 and complex128.

    Returns:
        The results, and the state after the call (what the graph does not update stays).

    Raises:
        UsageError: another number of arrays.
        DTypeError: an array of another dtype.
        DimensionError: a shape that does not fit; the message names the input and the dim.
    """
    names = ("input", graph.inputs, inputs), ("state", graph.state, state)
    given: dict[Node, Array] = {}
    for what, nodes, arrays in names:
        if len(nodes) != len(arrays):
            raise UsageError(
                f"{graph.name} takes {len(nodes)} arrays of {what}, {len(arrays)} were given",
                code="argument-count",
            )
        given |= {node: _checked(node, array) for node, array in zip(nodes, arrays, strict=True)}
    environment = bind_dims(given)
    values = _run(graph, given, environment, precise)
    results = tuple(_single(values[node]) for node in graph.results)
    updates = {old: _single(values[new]) for old, new in graph.updates}
    after = tuple(updates.get(node, given[node]) for node in graph.state)
    return results, after


def bind_dims(arrays: Mapping[Node, Array]) -> dict[str, int]:
    """The values of named dims that the shapes of the arrays given for `input` nodes imply.

    Shapes that determine a dim are read first, whatever their order.

    Raises:
        DimensionError: shapes that do not fit, or do not determine a dim.
    """
    known: dict[str, int] = {}
    waiting = list(arrays.items())
    while waiting:
        later = []
        failure: DimensionError | None = None
        for node, array in waiting:
            try:
                known = dims.bind(node.shape, array.shape, known, f"{node['name']!r}")
            except DimensionError as error:
                if error.code != "dim-unsolvable":
                    raise
                failure = error
                later.append((node, array))
        if failure is not None and len(later) == len(waiting):
            raise failure
        waiting = later
    return known


def _checked(node: Node, array: Any) -> Array:
    found = np.asarray(array)
    dtype = dtypes.from_numpy(found.dtype)
    if dtype is not node.dtype:
        raise DTypeError(
            f"{node['name']!r} is an array of {dtype.name}, expected {node.type}",
            hint=f"convert it: x.astype({node.dtype.array_api_name!r})",
        )
    return found


def _single(value: Value) -> Array:
    if isinstance(value, tuple):
        raise InternalError("a result or new state is a tuple; take its parts with `project`")
    return value


def _run(
    graph: Graph, given: Mapping[Node, Array], environment: Mapping[str, int], precise: bool
) -> dict[Node, Value]:
    """The values of the graph's roots; others are dropped after their last use."""
    order = list(graph.nodes())
    uses = Counter(operand for node in order for operand in node.inputs)
    uses.update(graph.roots)
    values: dict[Node, Value] = {}
    for node in order:
        if node in given:
            values[node] = _widened(given[node]) if precise else given[node]
        else:
            operands = [values[operand] for operand in node.inputs]
            values[node] = evaluate_node(node, operands, environment, precise=precise)
        for operand in node.inputs:
            uses[operand] -= 1
            if not uses[operand]:
                del values[operand]
    return values


def evaluate_node(
    node: Node,
    operands: Sequence[Value],
    environment: Mapping[str, int],
    *,
    precise: bool = False,
) -> Value:
    """The value of one node from those of its operands, checked against its type."""
    attributes = {name: _concrete(value, environment) for name, value in node.attributes}
    declared = _concrete_type(node.type, environment)
    type_ = _wide_type(declared) if precise else declared
    types = tuple(_concrete_type(operand.type, environment) for operand in node.inputs)

    def run(graph: Graph, arrays: Sequence[Array]) -> tuple[Array, ...]:
        given = dict(zip(graph.inputs, arrays, strict=True))
        values = _run(graph, given, environment, precise)
        return tuple(_single(values[result]) for result in graph.results)

    call = Call(attributes, type_, types, run)
    calls_a_library = isinstance(node.op.lowering, HostCall | Contraction)
    # Overflow, NaN and division by zero are values, not warnings.
    with np.errstate(all="ignore"), one_thread if calls_a_library else nullcontext():
        value: Value = node.op.reference(call, *operands)
    if precise:
        value = tuple(map(_widened, value)) if isinstance(value, tuple) else _widened(value)
    _check_result(node, value, type_)
    return value


def _check_result(node: Node, value: Value, type_: Type) -> None:
    if isinstance(type_, TupleType):
        assert isinstance(value, tuple)
        for part, element in zip(value, type_.elements, strict=True):
            _check_result(node, part, element)
        return
    assert not isinstance(value, tuple)
    found = f"{dtypes.from_numpy(value.dtype)}[{', '.join(map(str, value.shape))}]"
    if found != str(type_):
        raise InternalError(f"the reference of {node.op.name} gave {found}, not {type_}")


def _concrete(value: Any, environment: Mapping[str, int]) -> Any:
    """An attribute with its dims replaced by numbers."""
    if isinstance(value, Dim):
        return dims.evaluate(value, environment)
    if isinstance(value, tuple):
        return tuple(_concrete(element, environment) for element in value)
    return value


def _concrete_type(type_: Type, environment: Mapping[str, int]) -> Type:
    if isinstance(type_, TupleType):
        elements = (_concrete_type(element, environment) for element in type_.elements)
        return TupleType(tuple(e for e in elements if isinstance(e, TensorType)))
    return TensorType(type_.dtype, tuple(dims.evaluate(dim, environment) for dim in type_.shape))


def _wide(dtype: DType) -> DType:
    if not dtype.precision:
        return dtype
    return dtypes.c128 if dtype.kind == "complex" else dtypes.f64


def _wide_type(type_: Type) -> Type:
    if isinstance(type_, TupleType):
        return TupleType(tuple(TensorType(_wide(e.dtype), e.shape) for e in type_.elements))
    return TensorType(_wide(type_.dtype), type_.shape)


def _widened(array: Array) -> Array:
    return array.astype(_wide(dtypes.from_numpy(array.dtype)).numpy, copy=False)
