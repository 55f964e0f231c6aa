"""Ops that move elements and compute nothing: every one is a `View`, an index map.

Strict forms take attributes in one normal form (axes counted from 0 and in full, a start, stop
and step for every axis), so that equal views are one node. The forgiving spellings are in
`rearrange.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, GraphcError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.expr import Constant, Expr, Guard, Index, Inside, Read
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Parameter, Refused, Sample, View, find
from graphc.ir.ops.flat_index import regroup
from graphc.ir.types import TensorType

__all__ = ["broadcast_to", "concat", "flip", "pad", "permute_dims", "reshape", "slice_"]

Array = np.ndarray[Any, Any]
Shape = tuple[DimLike, ...]

_F32 = dtypes.f32


def shape_text(shape: Sequence[DimLike]) -> str:
    """A shape as errors write it."""
    return f"[{', '.join(map(str, shape))}]"


def _sampled(*pairs: tuple[Shape, Mapping[str, Any]]) -> Iterable[Sample]:
    """One sample for each pair of an operand shape and attributes, and one in every dtype."""
    for shape, attributes in pairs:
        yield Sample((TensorType(_F32, shape),), attributes)
    shape, attributes = pairs[0]
    for dtype in dtypes.ALL:
        if dtype is not _F32:
            yield Sample((TensorType(dtype, shape),), attributes)


def _refusing(
    *cases: tuple[Shape, Mapping[str, Any], type[GraphcError]],
) -> Iterable[Refused]:
    for shape, attributes, error in cases:
        yield Refused((TensorType(_F32, shape),), attributes, error)


def _require_length(op: Op, what: str, values: Sequence[Any], operand: Node) -> None:
    if len(values) != operand.tensor.rank:
        raise ShapeError(
            f"{op.name}: {len(values)} values of {what} for {operand.type}",
            hint=f"give one for each of its {operand.tensor.rank} axes",
        )


def require_axes(op: Op, axes: Sequence[int], operand: Node) -> None:
    """Refuse axes that are not increasing, or not axes of the operand."""
    rank = operand.tensor.rank
    if any(not 0 <= axis < rank for axis in axes) or list(axes) != sorted(set(axes)):
        raise ShapeError(
            f"{op.name}: axes {tuple(axes)} of {operand.type}",
            code="axis",
            hint=f"the strict form takes increasing axes from 0 to {rank - 1}",
        )


# -- reshape --------------------------------------------------------------------------------------


def _infer_reshape(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand, shape = operands[0].tensor, tuple(attributes["shape"])
    if not dims.always_equal(operand.size, dims.product(shape)):
        raise ShapeError(
            f"reshape: {operand} has {operand.size} elements, "
            f"{shape_text(shape)} has {dims.product(shape)}",
            hint="the number of elements must stay the same",
        )
    return TensorType(operand.dtype, shape)


def _reshape_element(node: Node, index: Index, read: Read) -> Expr:
    return read(0, regroup(index, node.shape, node.inputs[0].shape))


reshape: Op = Op(
    "reshape",
    1,
    infer=_infer_reshape,
    reference=lambda call, x: np.reshape(x, call.shape),
    lowering=View(_reshape_element),
    gradient=lambda node, g: (reshape(g, shape=node.inputs[0].shape),),
    parameters=(Parameter("shape"),),
    samples=lambda: _sampled(
        ((2, 3, 4), {"shape": (6, 4)}),
        ((6, 4), {"shape": (2, 3, 4)}),
        ((1, 5, 1), {"shape": (5,)}),
        ((5,), {"shape": (1, 5, 1)}),
        ((4, 6), {"shape": (3, 8)}),
        ((2, 6, 5), {"shape": (4, 3, 5)}),
        ((3, 0, 2), {"shape": (0, 7)}),
        ((), {"shape": (1, 1)}),
        ((1,), {"shape": ()}),
    ),
    refused=lambda: _refusing(((2, 3), {"shape": (7,)}, ShapeError)),
    doc="The same elements in row-major order under another shape.",
)


# -- permute_dims ---------------------------------------------------------------------------------


def _infer_permute(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand, axes = operands[0].tensor, tuple(attributes["axes"])
    if sorted(axes) != list(range(operand.rank)):
        raise ShapeError(
            f"permute_dims: axes {axes} of {operand}",
            code="axis",
            hint=f"name each axis from 0 to {operand.rank - 1} once",
        )
    return TensorType(operand.dtype, tuple(operand.shape[axis] for axis in axes))


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=lambda position: axes[position]))


permute_dims: Op = Op(
    "permute_dims",
    1,
    infer=_infer_permute,
    reference=lambda call, x: np.transpose(x, call["axes"]),
    lowering=View(
        lambda node, index, read: read(0, tuple(index[i] for i in _inverse(node["axes"])))
    ),
    gradient=lambda node, g: (permute_dims(g, axes=_inverse(node["axes"])),),
    parameters=(Parameter("axes"),),
    samples=lambda: _sampled(
        ((2, 3, 4), {"axes": (2, 0, 1)}), ((2, 0), {"axes": (1, 0)}), ((), {"axes": ()})
    ),
    refused=lambda: _refusing(
        ((2, 3), {"axes": (0, 0)}, ShapeError), ((2, 3), {"axes": (0,)}, ShapeError)
    ),
    doc="Axis i of the result is axis axes[i] of the operand.",
)


# -- broadcast_to ---------------------------------------------------------------------------------


def _infer_broadcast(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    operand, shape = operands[0].tensor, tuple(attributes["shape"])
    kept = shape[len(shape) - operand.rank :] if operand.rank else ()
    fits = len(shape) >= operand.rank and all(
        have == 1 or dims.always_equal(have, want)
        for have, want in zip(operand.shape, kept, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"broadcast_to: {operand} does not broadcast to {shape_text(shape)}",
            hint="aligned from the right, each axis must be equal to the target's, or 1",
        )
    return TensorType(operand.dtype, shape)


def _broadcast_element(node: Node, index: Index, read: Read) -> Expr:
    shape = node.inputs[0].shape
    kept = index[len(index) - len(shape) :] if shape else ()
    return read(0, tuple(0 if d == 1 else i for d, i in zip(shape, kept, strict=True)))


def _broadcast_gradient(node: Node, g: Node) -> tuple[Node]:
    operand = node.inputs[0]
    new = len(node.shape) - len(operand.shape)
    stretched = tuple(
        axis
        for axis, size in enumerate(node.shape)
        if axis < new or (operand.shape[axis - new] == 1 and size != 1)
    )
    if stretched:
        # The dtypes for storage are summed in their accumulator.
        wide = g if g.dtype.kind != "storage" else find("cast")(g, dtype=g.dtype.accumulator)
        total = find("sum")(wide, axes=stretched)
        g = total if total.dtype is g.dtype else find("cast")(total, dtype=g.dtype)
    return (g if g.shape == operand.shape else reshape(g, shape=operand.shape),)


broadcast_to = Op(
    "broadcast_to",
    1,
    infer=_infer_broadcast,
    reference=lambda call, x: np.broadcast_to(x, call.shape),
    lowering=View(_broadcast_element),
    gradient=_broadcast_gradient,
    parameters=(Parameter("shape"),),
    samples=lambda: _sampled(
        ((3, 1), {"shape": (2, 3, 4)}),
        ((), {"shape": (2, 3)}),
        ((1, 3), {"shape": (0, 3)}),
        ((1, 3), {"shape": (1, 3)}),
    ),
    refused=lambda: _refusing(
        ((2, 3), {"shape": (2, 4)}, ShapeError), ((2, 3), {"shape": (3,)}, ShapeError)
    ),
    doc="Repeats axes of size 1, and the whole along new leading axes (NumPy's rules).",
)


# -- slice ----------------------------------------------------------------------------------------


def _infer_slice(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    start, stop, step = (tuple(attributes[name]) for name in ("start", "stop", "step"))
    for what, values in (("start", start), ("stop", stop), ("step", step)):
        _require_length(op, what, values, operand)
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


slice_ = Op(
    "slice",
    1,
    infer=_infer_slice,
    reference=_slice_reference,
    lowering=View(_slice_element),
    gradient=_slice_gradient,
    parameters=(Parameter("start"), Parameter("stop"), Parameter("step")),
    samples=lambda: _sampled(
        ((5, 7), {"start": (1, 2), "stop": (4, 7), "step": (1, 3)}),
        ((5, 7), {"start": (0, 1), "stop": (5, 6), "step": (2, 2)}),
        ((5,), {"start": (3,), "stop": (3,), "step": (1,)}),
        ((0, 2), {"start": (0, 0), "stop": (0, 1), "step": (1, 1)}),
        ((), {"start": (), "stop": (), "step": ()}),
    ),
    refused=lambda: _refusing(
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
    parameters=(Parameter("axis", 0),),
    samples=_concat_samples,
    refused=_concat_refused,
    doc="The operands one after another along an axis.",
)


# -- flip -----------------------------------------------------------------------------------------


def _infer_flip(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    require_axes(op, attributes["axes"], operands[0])
    return operands[0].tensor


def _flip_element(node: Node, index: Index, read: Read) -> Expr:
    flipped = node["axes"]
    return read(
        0,
        tuple(node.shape[axis] - 1 - i if axis in flipped else i for axis, i in enumerate(index)),
    )


flip: Op = Op(
    "flip",
    1,
    infer=_infer_flip,
    reference=lambda call, x: np.flip(x, call["axes"]),
    lowering=View(_flip_element),
    gradient=lambda node, g: (flip(g, axes=node["axes"]),),
    parameters=(Parameter("axes"),),
    samples=lambda: _sampled(
        ((2, 3, 4), {"axes": (0, 2)}), ((0, 3), {"axes": (0,)}), ((3,), {"axes": ()})
    ),
    refused=lambda: _refusing(
        ((2, 3), {"axes": (2,)}, ShapeError), ((2, 3), {"axes": (1, 0)}, ShapeError)
    ),
    doc="The elements in reverse order along the axes.",
)


# -- pad ------------------------------------------------------------------------------------------


def _infer_pad(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    before, after = tuple(attributes["before"]), tuple(attributes["after"])
    _require_length(op, "before", before, operand)
    _require_length(op, "after", after, operand)
    if any(not dims.always_less_equal(0, width) for width in (*before, *after)):
        raise ShapeError(
            f"pad: widths {shape_text(before)} before and {shape_text(after)} after",
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


pad = Op(
    "pad",
    1,
    infer=_infer_pad,
    reference=_pad_reference,
    lowering=View(_pad_element),
    gradient=_pad_gradient,
    parameters=(Parameter("before"), Parameter("after"), Parameter("value", 0)),
    samples=lambda: (
        *_sampled(
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
        *_refusing(
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
