"""Loops and branches: ops that hold graphs in their attributes.

The graphs are closed: they see their inputs and nothing else, so what a body takes from outside
is an operand. The first inputs of a body are the carries, then come a row of each tensor that is
run over, then the constants.

Source: the operations follow `scan`, `while_loop` and `cond` of JAX, whose bodies are closed in
the same way (R. Frostig, M. Johnson and C. Leary, "Compiling machine learning programs via
high-level tracing", 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import (
    Branch,
    BranchParts,
    Call,
    Loop,
    LoopParts,
    Op,
    Parameter,
    Refused,
)
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.elementwise.logic import less
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType, TupleType

__all__ = ["cond", "scan", "while_loop"]

Array = np.ndarray[Any, Any]


# -- types ----------------------------------------------------------------------------------------


def _require_graph(op: Op, what: str, graph: Any) -> Graph:
    if not isinstance(graph, Graph):
        raise UsageError(f"{op.name}: {what} is {graph!r}, expected a graph")
    if graph.state or graph.updates:
        raise UsageError(f"{op.name}: {what} has state", hint="hand it over as an operand")
    return graph


def _require_inputs(
    op: Op, what: str, graph: Graph, expected: Sequence[tuple[str, TensorType]]
) -> None:
    """Refuse a graph whose inputs are not those that it will be given."""
    if len(graph.inputs) != len(expected):
        raise UsageError(
            f"{op.name}: {what} takes {len(graph.inputs)} inputs, it is given {len(expected)}",
            code="argument-count",
        )
    for node, (role, type_) in zip(graph.inputs, expected, strict=True):
        if node.tensor is not type_:
            error = DTypeError if node.dtype is not type_.dtype else ShapeError
            raise error(
                f"{op.name}: the input {node['name']!r} of {what} is {node.type}, "
                f"and its {role} {type_}"
            )


def _require_carries(op: Op, body: Graph, carries: int) -> None:
    """Refuse a body that gives its carries back with other types."""
    if len(body.results) < carries:
        raise UsageError(
            f"{op.name}: the body has {len(body.results)} results, and {carries} carries"
        )
    for number, (before, after) in enumerate(
        zip(body.inputs[:carries], body.results, strict=False)
    ):
        if before.tensor is not after.tensor:
            error = DTypeError if before.dtype is not after.dtype else ShapeError
            raise error(
                f"{op.name}: carry {number} begins as {before.type}, and the body makes it "
                f"{after.type}",
                code="carry-type",
                hint="what a loop carries keeps its dtype and shape; cast or broadcast it",
            )


def _require_counts(op: Op, given: int, **counts: Any) -> None:
    for name, count in counts.items():
        if type(count) is not int or count < 0:
            raise UsageError(f"{op.name}: {name} is {count!r}, expected a number of operands")
    if sum(counts.values()) > given:
        raise UsageError(
            f"{op.name}: {' and '.join(counts)} are more than the {given} operands",
            code="argument-count",
        )


def _require_length(op: Op, name: str, length: Any) -> None:
    is_size = isinstance(length, dims.Dim) or type(length) is int
    if not is_size or dims.bounds(length)[0] < 0:
        raise ShapeError(f"{op.name}: {name} is {length!r}, expected a size")


def _loop_type(parts: LoopParts) -> TupleType:
    carries = tuple(one.tensor for one in parts.init)
    rows = (result.tensor for result in parts.body.results[len(carries) :])
    stacked = tuple(TensorType(row.dtype, (parts.length, *row.shape)) for row in rows)
    return TupleType(carries + stacked)


def _infer_scan(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    carries, slices, length = attributes["carries"], attributes["slices"], attributes["length"]
    _require_counts(op, len(operands), carries=carries, slices=slices)
    _require_length(op, "length", length)
    body = _require_graph(op, "the body", attributes["body"])
    parts = _scan_parts_of(operands, attributes)
    for node in parts.slices:
        if not node.shape or node.shape[0] != length:
            raise ShapeError(
                f"scan: a {node.type} is run over, expected {length} rows",
                hint="the first axis of each tensor that a scan runs over is its length",
            )
    rows = [("row", TensorType(node.dtype, node.shape[1:])) for node in parts.slices]
    _require_inputs(op, "the body", body, [*_given(parts.init), *rows, *_given(parts.constants)])
    _require_carries(op, body, carries)
    return _loop_type(parts)


def _given(nodes: Sequence[Node]) -> Iterator[tuple[str, TensorType]]:
    return (("operand", node.tensor) for node in nodes)


def _infer_while(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    carries = attributes["carries"]
    _require_counts(op, len(operands), carries=carries)
    _require_length(op, "max_steps", attributes["max_steps"])
    body = _require_graph(op, "the body", attributes["body"])
    condition = _require_graph(op, "the condition", attributes["condition"])
    given = list(_given(operands))
    _require_inputs(op, "the condition", condition, given)
    _require_inputs(op, "the body", body, given)
    _require_predicate(op, "the condition", [node.tensor for node in condition.results])
    _require_carries(op, body, carries)
    return _loop_type(_while_parts_of(operands, attributes))


def _require_predicate(op: Op, what: str, types: Sequence[TensorType]) -> None:
    if len(types) != 1 or types[0] is not TensorType(dtypes.bool_, ()):
        found = ", ".join(map(str, types)) or "nothing"
        raise DTypeError(
            f"{op.name}: {what} gives {found}, expected bool[]",
            hint="a tensor becomes one value with all(...) or any(...)",
        )


def _infer_cond(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TupleType:
    if not operands:
        raise UsageError("cond needs a predicate", code="argument-count")
    _require_predicate(op, "the predicate", [operands[0].tensor])
    then = _require_graph(op, "the first graph", attributes["then"])
    otherwise = _require_graph(op, "the second graph", attributes["otherwise"])
    for what, graph in (("the first graph", then), ("the second graph", otherwise)):
        _require_inputs(op, what, graph, list(_given(operands[1:])))
    if len(then.results) != len(otherwise.results):
        raise UsageError(
            f"cond: one graph has {len(then.results)} results, the other {len(otherwise.results)}"
        )
    for number, (one, other) in enumerate(zip(then.results, otherwise.results, strict=True)):
        if one.tensor is not other.tensor:
            error = DTypeError if one.dtype is not other.dtype else ShapeError
            raise error(
                f"cond: result {number} is {one.type} if the predicate holds, and else "
                f"{other.type}",
                code="branch-type",
                hint="both branches give the same dtypes and shapes; cast or broadcast",
            )
    return TupleType(tuple(result.tensor for result in then.results))


# -- parts ----------------------------------------------------------------------------------------


def _scan_parts_of(operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> LoopParts:
    carries, slices = attributes["carries"], attributes["slices"]
    return LoopParts(
        attributes["body"],
        None,
        attributes["length"],
        attributes["reverse"],
        operands[:carries],
        operands[carries : carries + slices],
        operands[carries + slices :],
    )


def _while_parts_of(operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> LoopParts:
    carries = attributes["carries"]
    return LoopParts(
        attributes["body"],
        attributes["condition"],
        attributes["max_steps"],
        False,
        operands[:carries],
        (),
        operands[carries:],
    )


def _scan_parts(node: Node) -> LoopParts:
    return _scan_parts_of(node.inputs, dict(node.attributes))


def _while_parts(node: Node) -> LoopParts:
    return _while_parts_of(node.inputs, dict(node.attributes))


def _cond_parts(node: Node) -> BranchParts:
    return BranchParts(node.inputs[0], node["then"], node["otherwise"], node.inputs[1:])


# -- references -----------------------------------------------------------------------------------


def _run(call: Call, graph: Graph, arrays: Sequence[Array]) -> list[Array]:
    assert call.run is not None
    return [np.asarray(result) for result in call.run(graph, arrays)]


def _stacked(call: Call, number: int, rows: Mapping[int, Array]) -> Array:
    """Result `number` of a loop from its rows; those that are missing are zero."""
    assert isinstance(call.type, TupleType)
    type_ = call.type.elements[number]
    found = np.zeros([int(str(dim)) for dim in type_.shape], type_.dtype.numpy)
    for place, row in rows.items():
        found[place] = row
    return found


def _scan(call: Call, *operands: Array) -> tuple[Array, ...]:
    carries, slices, length = call["carries"], call["slices"], call["length"]
    carried = list(operands[:carries])
    constants = operands[carries + slices :]
    rows: list[dict[int, Array]] = [{} for _ in call["body"].results[carries:]]
    for place in reversed(range(length)) if call["reverse"] else range(length):
        given = [np.asarray(one[place]) for one in operands[carries : carries + slices]]
        results = _run(call, call["body"], [*carried, *given, *constants])
        carried = results[:carries]
        for row, result in zip(rows, results[carries:], strict=True):
            row[place] = result
    stacked = (_stacked(call, carries + number, row) for number, row in enumerate(rows))
    return (*carried, *stacked)


def _while(call: Call, *operands: Array) -> tuple[Array, ...]:
    carries = call["carries"]
    carried, constants = list(operands[:carries]), operands[carries:]
    rows: list[dict[int, Array]] = [{} for _ in call["body"].results[carries:]]
    for place in range(call["max_steps"]):
        (goes_on,) = _run(call, call["condition"], [*carried, *constants])
        if not goes_on:
            break
        results = _run(call, call["body"], [*carried, *constants])
        carried = results[:carries]
        for row, result in zip(rows, results[carries:], strict=True):
            row[place] = result
    stacked = (_stacked(call, carries + number, row) for number, row in enumerate(rows))
    return (*carried, *stacked)


def _cond(call: Call, predicate: Array, *operands: Array) -> tuple[Array, ...]:
    chosen = call["then"] if predicate else call["otherwise"]
    return tuple(_run(call, chosen, operands))


# -- what is refused ------------------------------------------------------------------------------


def _decay(dtype: dtypes.DType, size: int) -> Graph:
    """From a carry, a row and a factor to `carry * factor + row`, and that as a row of results."""
    vector = (dtype, (size,))
    carry, row = graph_input("carry0", *vector), graph_input("slice0", *vector)
    factor = graph_input("constant0", *vector)
    moved = add(multiply(carry, factor), row)
    return Graph("body", (carry, row, factor), (), (moved, multiply(moved, moved)))


def _scan_refused() -> Iterator[Refused]:
    vector = TensorType(dtypes.f32, (3,))
    known = {"body": _decay(dtypes.f32, 3), "carries": 1, "slices": 1, "length": 4}
    rows = TensorType(dtypes.f32, (4, 3))
    yield Refused((vector, TensorType(dtypes.f32, (5, 3)), vector), known, ShapeError)
    yield Refused((vector, TensorType(dtypes.f64, (4, 3)), vector), known, DTypeError)
    yield Refused((vector, rows), known, UsageError)
    yield Refused((vector, rows, vector), {**known, "carries": 3}, UsageError)
    carry = graph_input("carry0", dtypes.f32, (3,))
    wider = Graph("body", (carry,), (), (cast(carry, dtype=dtypes.f64),))
    attributes = {"body": wider, "carries": 1, "slices": 0, "length": 4}
    yield Refused((vector,), attributes, DTypeError)


def _while_refused() -> Iterator[Refused]:
    carry = graph_input("carry0", dtypes.f32, ())
    body = Graph("body", (carry,), (), (add(carry, carry),))
    attributes = {"condition": body, "body": body, "carries": 1, "max_steps": 2}
    yield Refused((TensorType(dtypes.f32, ()),), attributes, DTypeError)


def _cond_refused() -> Iterator[Refused]:
    x = graph_input("x", dtypes.f32, (3,))
    then = Graph("then", (x,), (), (add(x, x),))
    vector, flag = TensorType(dtypes.f32, (3,)), TensorType(dtypes.bool_, ())
    yield Refused((vector, vector), {"then": then, "otherwise": then}, DTypeError)
    other = Graph("otherwise", (x,), (), (less(x, x),))
    yield Refused((flag, vector), {"then": then, "otherwise": other}, DTypeError)
    yield Refused((flag, flag), {"then": then, "otherwise": then}, DTypeError)


# -- declarations ---------------------------------------------------------------------------------

scan = Op(
    "scan",
    None,
    infer=_infer_scan,
    reference=_scan,
    lowering=Loop(_scan_parts),
    parameters=(
        Parameter("body"),
        Parameter("carries"),
        Parameter("slices"),
        Parameter("length"),
        Parameter("reverse", False),
    ),
    refused=_scan_refused,
    doc="A body that runs `length` times over the rows of the `slices`, and hands `carries` on. "
    "Results: the last carries, and what each run gives besides, stacked.",
)

while_loop = Op(
    "while_loop",
    None,
    infer=_infer_while,
    reference=_while,
    lowering=Loop(_while_parts),
    parameters=(
        Parameter("condition"),
        Parameter("body"),
        Parameter("carries"),
        Parameter("max_steps"),
    ),
    refused=_while_refused,
    doc="A body that runs while a condition of the carries holds, and `max_steps` times at most. "
    "Results: the last carries, and what each run gives besides, stacked, with zeros for runs "
    "that did not take place.",
)

cond = Op(
    "cond",
    None,
    infer=_infer_cond,
    reference=_cond,
    lowering=Branch(_cond_parts),
    parameters=(Parameter("then"), Parameter("otherwise")),
    refused=_cond_refused,
    doc="The results of the graph `then` if the predicate holds, and else of `otherwise`, on the "
    "operands; the other one does not run.",
)
