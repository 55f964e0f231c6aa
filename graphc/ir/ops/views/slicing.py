"""Ops that cut tensors, join them and surround them: `View`s, as those of `shape.py` are.

The forgiving spellings are in `rearrange.py`, `x[...]` is in `indexing/getitem.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.batching import shifted_axes
from graphc.ir.dims import DimLike
from graphc.ir.expr import Constant, Expr, Guard, Index, Inside, Read
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Parameter, Refused, Sample, View
from graphc.ir.ops.views.shape import (
    refusing,
    require_axes,
    require_length,
    reshape,
    sampled,
)
from graphc.ir.types import TensorType

__all__ = ["concat", "pad", "slice_"]

Array = np.ndarray[Any, Any]

_F32 = dtypes.f32


# -- slice ----------------------------------------------------------------------------------------


def _infer_slice(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    start, stop, step = (tuple(attributes[name]) for name in ("start", "stop", "step"))
    for what, values in (("start", start), ("stop", stop), ("step", step)):
        require_length(op, what, values, operand)
    shape = []
    for axis, (a, b, by, size) in enumerate(zip(start, stop, step, operand.shape, strict=True)):
        inside = dims.always_less_equal(0, a) and dims.always_less_equal(b, size)
        if by < 1 or not inside or not dims.always_less_equal(a, b):
            raise ShapeError(
                f"slice: {a}:{b}:{by} on axis {axis} of {operand.type}",
                code="slice",
                hint=f"expected 0 <= start <= stop <= {size} and a step of 1 or more",
            )
        shape.append(dims.ceil_div(b - a, by))
    return TensorType(operand.dtype, tuple(shape))


def _slice_reference(call: Call, x: Array) -> Array:
    bounds = zip(call["start"], call["stop"], call["step"], strict=True)
    # The dots keep a tensor without axes an array.
    items: tuple[Any, ...] = (*(slice(*bound) for bound in bounds), ...)
    return np.asarray(x[items])


def _slice_element(node: Node, index: Index, read: Read) -> Expr:
    moved = zip(index, node["start"], node["step"], strict=True)
    return read(0, tuple(start + step * i for i, start, step in moved))


def _slice_gradient(node: Node, g: Node) -> tuple[Node]:
    """Spread the cotangent to where its elements came from, with zeros between and around."""
    for axis, step in enumerate(node["step"]):
        if step != 1:
            g = _spread(g, axis, step)
    operand = node.inputs[0].shape
    after, stop = [], []
    for start, size, have in zip(node["start"], operand, g.shape, strict=True):
        # The last element of a strided slice is followed by zeros that may reach over the end.
        kept = dims.minimum(have, size - start)
        stop.append(kept)
        after.append(size - start - kept)
    if tuple(stop) != g.shape:
        zeros, ones = (0,) * len(stop), (1,) * len(stop)
        g = slice_(g, start=zeros, stop=tuple(stop), step=ones)
    if any(width != 0 for width in (*node["start"], *after)):
        g = pad(g, before=node["start"], after=tuple(after), value=0)
    return (g,)


def _spread(g: Node, axis: int, step: int) -> Node:
    """`step - 1` zeros after each element along an axis."""
    shape = g.shape
    column = reshape(g, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    before = (0,) * column.tensor.rank
    after = tuple(step - 1 if i == axis + 1 else 0 for i in range(column.tensor.rank))
    spread = pad(column, before=before, after=after, value=0)
    return reshape(spread, shape=(*shape[:axis], shape[axis] * step, *shape[axis + 1 :]))


def _slice_batch(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    start, stop, step = (0, *node["start"]), (size, *node["stop"]), (1, *node["step"])
    return slice_(operands[0], start=start, stop=stop, step=step)


slice_ = Op(
    "slice",
    1,
    infer=_infer_slice,
    reference=_slice_reference,
    lowering=View(_slice_element),
    gradient=_slice_gradient,
    batch=_slice_batch,
    parameters=(Parameter("start"), Parameter("stop"), Parameter("step")),
    samples=lambda: sampled(
        ((5, 7), {"start": (1, 2), "stop": (4, 7), "step": (1, 3)}),
        ((5, 7), {"start": (0, 1), "stop": (5, 6), "step": (2, 2)}),
        ((5,), {"start": (3,), "stop": (3,), "step": (1,)}),
        ((0, 2), {"start": (0, 0), "stop": (0, 1), "step": (1, 1)}),
        ((), {"start": (), "stop": (), "step": ()}),
    ),
    refused=lambda: refusing(
        ((5,), {"start": (0,), "stop": (6,), "step": (1,)}, ShapeError),
        ((5,), {"start": (-1,), "stop": (3,), "step": (1,)}, ShapeError),
        ((5,), {"start": (4,), "stop": (3,), "step": (1,)}, ShapeError),
        ((5,), {"start": (0,), "stop": (3,), "step": (0,)}, ShapeError),
        ((5, 2), {"start": (0,), "stop": (3,), "step": (1,)}, ShapeError),
    ),
    doc="Elements start, start + step, ... below stop, on every axis.",
)


# -- concat ---------------------------------------------------------------------------------------


def _infer_concat(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    if not operands:
        raise UsageError("concat takes one operand at least", code="argument-count")
    first, axis = operands[0].tensor, attributes["axis"]
    require_axes(op, (axis,), operands[0])
    total: DimLike = 0
    for operand in operands:
        other = operand.tensor
        agrees = other.rank == first.rank and all(
            i == axis or dims.always_equal(a, b)
            for i, (a, b) in enumerate(zip(other.shape, first.shape, strict=True))
        )
        if not agrees:
            raise ShapeError(
                f"concat: {first} and {other} on axis {axis}",
                hint="all other axes must be equal",
            )
        if other.dtype is not first.dtype:
            raise DTypeError(f"concat: dtypes differ: {first} and {other}")
        total = total + other.shape[axis]
    return TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _concat_element(node: Node, index: Index, read: Read) -> Expr:
    axis = node["axis"]
    starts: list[DimLike] = [0]
    for operand in node.inputs[:-1]:
        starts.append(starts[-1] + operand.shape[axis])

    def part(number: int) -> Expr:
        place = index[axis] - starts[number]
        return read(number, (*index[:axis], place, *index[axis + 1 :]))

    value = part(len(starts) - 1)
    for number in reversed(range(len(starts) - 1)):
        here = Inside(index[axis], starts[number], starts[number + 1])
        value = Guard(here, part(number), value)
    return value


def _concat_gradient(node: Node, g: Node) -> tuple[Node, ...]:
    axis, parts = node["axis"], []
    offset: DimLike = 0
    for operand in node.inputs:
        start = tuple(offset if i == axis else 0 for i in range(len(g.shape)))
        end: DimLike = offset + operand.shape[axis]
        stop = tuple(end if i == axis else size for i, size in enumerate(g.shape))
        parts.append(slice_(g, start=start, stop=stop, step=(1,) * len(start)))
        offset = end
    return tuple(parts)


def _concat_samples() -> Iterable[Sample]:
    for dtype in dtypes.ALL:
        shapes = ((2, 3), (2, 0), (2, 4))
        yield Sample(tuple(TensorType(dtype, shape) for shape in shapes), {"axis": 1})
    yield Sample((TensorType(_F32, (2, 3)),), {"axis": 0})


def _concat_refused() -> Iterable[Refused]:
    a, b = TensorType(_F32, (2, 3)), TensorType(_F32, (2, 4))
    yield Refused((a, b), {"axis": 0}, ShapeError)
    yield Refused((a, a), {"axis": 2}, ShapeError)
    yield Refused((a, TensorType(dtypes.f64, (2, 3))), {"axis": 0}, DTypeError)
    yield Refused((), {"axis": 0}, UsageError)


concat = Op(
    "concat",
    None,
    infer=_infer_concat,
    reference=lambda call, *parts: np.concatenate(parts, axis=call["axis"]),
    lowering=View(_concat_element),
    gradient=_concat_gradient,
    batch=shifted_axes,
    parameters=(Parameter("axis", 0),),
    samples=_concat_samples,
    refused=_concat_refused,
    doc="The operands one after another along an axis.",
)


# -- pad ------------------------------------------------------------------------------------------


def _infer_pad(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    before, after = tuple(attributes["before"]), tuple(attributes["after"])
    require_length(op, "before", before, operand)
    require_length(op, "after", after, operand)
    if any(not dims.always_less_equal(0, width) for width in (*before, *after)):
        raise ShapeError(
            f"pad: widths {dims.shape_text(before)} before and {dims.shape_text(after)} after",
            hint="widths are not negative; slice to remove elements",
        )
    if operand.dtype.kind != "storage":
        # Moved, not computed with: any finite number will do where a float is stored.
        value = attributes["value"]
        dtypes.promote_scalar(operand.dtype, bool(value) if operand.dtype.kind == "bool" else value)
    sizes = zip(before, operand.shape, after, strict=True)
    return TensorType(operand.dtype, tuple(a + size + b for a, size, b in sizes))


def _pad_reference(call: Call, x: Array) -> Array:
    result = np.full(call.shape, np.asarray(call["value"]).astype(x.dtype), x.dtype)
    result[tuple(slice(a, a + size) for a, size in zip(call["before"], x.shape, strict=True))] = x
    return result


def _pad_element(node: Node, index: Index, read: Read) -> Expr:
    shape, before = node.inputs[0].shape, node["before"]
    value = read(0, tuple(i - a for i, a in zip(index, before, strict=True)))
    outside = Constant(node["value"], node.dtype)
    for axis, (i, a, size) in enumerate(zip(index, before, shape, strict=True)):
        if (a, node["after"][axis]) != (0, 0):
            value = Guard(Inside(i, a, a + size), value, outside)
    return value


def _pad_gradient(node: Node, g: Node) -> tuple[Node]:
    shape = node.inputs[0].shape
    stop = tuple(a + size for a, size in zip(node["before"], shape, strict=True))
    return (slice_(g, start=tuple(node["before"]), stop=stop, step=(1,) * len(stop)),)


def _pad_batch(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    before, after = (0, *node["before"]), (0, *node["after"])
    return pad(operands[0], before=before, after=after, value=node["value"])


pad = Op(
    "pad",
    1,
    infer=_infer_pad,
    reference=_pad_reference,
    lowering=View(_pad_element),
    gradient=_pad_gradient,
    batch=_pad_batch,
    parameters=(Parameter("before"), Parameter("after"), Parameter("value", 0)),
    samples=lambda: (
        *sampled(
            ((2, 3), {"before": (1, 0), "after": (0, 2)}),
            ((2, 0), {"before": (0, 2), "after": (1, 0)}),
            ((), {"before": (), "after": ()}),
        ),
        Sample(
            (TensorType(_F32, (3,)),),
            {"before": (2,), "after": (1,), "value": float("-inf")},
            smooth=False,
        ),
    ),
    refused=lambda: (
        *refusing(
            ((2,), {"before": (-1,), "after": (0,)}, ShapeError),
            ((2,), {"before": (1,), "after": ()}, ShapeError),
        ),
        Refused(
            (TensorType(dtypes.i32, (2,)),),
            {"before": (1,), "after": (0,), "value": 0.5},
            DTypeError,
        ),
    ),
    doc="`value` around the elements: before[i] and after[i] of them on axis i.",
)
