"""Windows that slide along an axis, and their adjoint, which sums what overlaps.

Everything that looks at neighbourhoods is written with them: convolution and pooling multiply or
reduce windows, `overlap_add` puts the gradients of windows back. Both are made from one pair of
views, each of which is the gradient of the other:

    skew    y[o, k] = x[stride*o + dilation*k, k]
    unskew  x[p, k] = y[(p - dilation*k) / stride, k], or 0 where no o gives p

`window` skews an axis that is repeated `size` times; `overlap_add` unskews and sums over k. So no
two lanes ever write to one element, and the sum has one order. (The name is from loop skewing:
M. Wolfe, "Loop skewing: the wavefront method revisited", 1986.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir.batching import shifted_axes
from graphc.ir.dims import DimLike
from graphc.ir.expr import Constant, Expr, Guard, Index, Inside, Read
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Parameter, View, surface
from graphc.ir.ops.broadcasting import normal_axis
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.views.shape import broadcast_to, refusing, reshape, sampled
from graphc.ir.types import TensorType

__all__ = ["overlap_add", "skew", "unskew", "window", "window_count"]

Array = np.ndarray[Any, Any]


def window_count(length: DimLike, size: DimLike, stride: int = 1, dilation: int = 1) -> DimLike:
    """How many windows fit into an axis.

    >>> window_count(10, 3), window_count(10, 3, stride=2), window_count(10, 3, dilation=4)
    (8, 4, 2)
    """
    return (length - _span(size, dilation)) // stride + 1


def _span(size: DimLike, dilation: int) -> DimLike:
    """The distance from the first to the last element of a window, both counted."""
    return (size - 1) * dilation + 1


def _require(op: Op, operand: Node, attributes: Mapping[str, Any]) -> None:
    """Refuse an axis that is not followed by another, and steps that are no steps."""
    axis = attributes["axis"]
    if (
        isinstance(axis, bool)
        or not isinstance(axis, int)
        or not 0 <= axis < len(operand.shape) - 1
    ):
        raise ShapeError(
            f"{op.name}: axis {axis!r} of {operand.type}, and the one after it",
            code="axis",
            hint="the axis of the positions comes just before that of the offsets",
        )
    _require_steps(op.name, attributes["stride"], attributes["dilation"])


def _require_steps(name: str, stride: Any, dilation: Any) -> None:
    for what, step in (("stride", stride), ("dilation", dilation)):
        if isinstance(step, bool) or not isinstance(step, int) or step < 1:
            raise ShapeError(
                f"{name}: a {what} of {step!r}",
                code="window",
                hint=f"a {what} is a whole number of 1 or more",
            )


def _require_fits(name: str, size: DimLike, length: DimLike, dilation: int) -> None:
    span = _span(size, dilation)
    if not dims.always_less_equal(1, size) or not dims.always_less_equal(span, length):
        raise ShapeError(
            f"{name}: windows of {size} elements, {dilation} apart, are not proved to fit into "
            f"an axis of {length}",
            code="window",
            hint="pad the axis, or let the dim's range begin at the size of the window",
        )


# -- skew -----------------------------------------------------------------------------------------


def _infer_skew(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    _require(op, operand, attributes)
    axis, stride, dilation = (attributes[name] for name in ("axis", "stride", "dilation"))
    length, size = operand.shape[axis : axis + 2]
    _require_fits(op.name, size, length, dilation)
    count = window_count(length, size, stride, dilation)
    return TensorType(operand.dtype, (*operand.shape[:axis], count, *operand.shape[axis + 1 :]))


def _places(count: int, size: int, stride: int, dilation: int) -> tuple[Array, Array]:
    """stride*o + dilation*k and k, for every o and k: what is read at (o, k)."""
    offsets = np.arange(size)
    return stride * np.arange(count)[:, None] + dilation * offsets, offsets[None, :]


def _leading(x: Array, axis: int) -> Array:
    """A view of x whose first axes are `axis` and the one after it."""
    return np.moveaxis(x, (axis, axis + 1), (0, 1))


def _skew_reference(call: Call, x: Array) -> Array:
    axis = call["axis"]
    count, size = call.shape[axis : axis + 2]
    read = _leading(x, axis)[_places(count, size, call["stride"], call["dilation"])]
    return np.ascontiguousarray(np.moveaxis(read, (0, 1), (axis, axis + 1)))


def _skew_element(node: Node, index: Index, read: Read) -> Expr:
    axis = node["axis"]
    place = node["stride"] * index[axis] + node["dilation"] * index[axis + 1]
    return read(0, (*index[:axis], place, *index[axis + 1 :]))


def _skew_gradient(node: Node, g: Node) -> tuple[Node]:
    return (unskew(g, length=node.inputs[0].shape[node["axis"]], **_steps(node)),)


def _steps(node: Node) -> dict[str, int]:
    return {name: node[name] for name in ("axis", "stride", "dilation")}


skew = Op(
    "skew",
    1,
    infer=_infer_skew,
    reference=_skew_reference,
    lowering=View(_skew_element),
    gradient=_skew_gradient,
    batch=shifted_axes,
    parameters=(Parameter("axis"), Parameter("stride", 1), Parameter("dilation", 1)),
    samples=lambda: sampled(
        ((2, 7, 3), {"axis": 1, "stride": 2, "dilation": 1}),
        ((7, 3), {"axis": 0}),
        ((7, 3), {"axis": 0, "dilation": 3}),
        ((8, 2, 2), {"axis": 0, "stride": 3, "dilation": 2}),
        ((4, 1), {"axis": 0, "stride": 5}),
        ((4, 2, 0), {"axis": 0}),
    ),
    refused=lambda: refusing(
        ((7,), {"axis": 0}, ShapeError),
        ((7, 3), {"axis": 1}, ShapeError),
        ((7, 3), {"axis": -2}, ShapeError),
        ((2, 3), {"axis": 0}, ShapeError),
        ((7, 0), {"axis": 0}, ShapeError),
        ((7, 3), {"axis": 0, "stride": 0}, ShapeError),
        ((7, 3), {"axis": 0, "dilation": 4}, ShapeError),
    ),
    doc="Element (o, k) of the axes `axis` and `axis + 1` is that at (stride*o + dilation*k, k).",
)


# -- unskew ---------------------------------------------------------------------------------------


def _infer_unskew(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand = operands[0]
    _require(op, operand, attributes)
    names = ("axis", "length", "stride", "dilation")
    axis, length, stride, dilation = (attributes[name] for name in names)
    count, size = operand.shape[axis : axis + 2]
    _require_fits(op.name, size, length, dilation)
    expected = window_count(length, size, stride, dilation)
    if not dims.always_equal(count, expected):
        raise ShapeError(
            f"{op.name}: {count} windows along axis {axis} of {operand.type}; an axis of {length} "
            f"has {expected} of them",
            code="window",
            hint=f"give {expected} windows, or another length",
        )
    return TensorType(operand.dtype, (*operand.shape[:axis], length, *operand.shape[axis + 1 :]))


def _unskew_reference(call: Call, y: Array) -> Array:
    result, axis = np.zeros(call.shape, y.dtype), call["axis"]
    count, size = y.shape[axis : axis + 2]
    places = _places(count, size, call["stride"], call["dilation"])
    _leading(result, axis)[places] = _leading(y, axis)
    return result


def _unskew_element(node: Node, index: Index, read: Read) -> Expr:
    axis, stride = node["axis"], node["stride"]
    distance = index[axis] - node["dilation"] * index[axis + 1]
    place = distance if stride == 1 else distance // stride
    zero = Constant(0, node.dtype)
    value = read(0, (*index[:axis], place, *index[axis + 1 :]))
    if stride != 1:
        value = Guard(Inside(distance % stride, 0, 1), value, zero)
    return Guard(Inside(distance, 0, stride * node.inputs[0].shape[axis]), value, zero)


def _unskew_gradient(node: Node, g: Node) -> tuple[Node]:
    return (skew(g, **_steps(node)),)


unskew = Op(
    "unskew",
    1,
    infer=_infer_unskew,
    reference=_unskew_reference,
    lowering=View(_unskew_element),
    gradient=_unskew_gradient,
    batch=shifted_axes,
    parameters=(
        Parameter("axis"),
        Parameter("length"),
        Parameter("stride", 1),
        Parameter("dilation", 1),
    ),
    samples=lambda: sampled(
        ((2, 3, 3), {"axis": 1, "length": 8, "stride": 2, "dilation": 1}),
        ((5, 3), {"axis": 0, "length": 7}),
        ((1, 3), {"axis": 0, "length": 7, "dilation": 3}),
        ((2, 2, 2), {"axis": 0, "length": 8, "stride": 3, "dilation": 2}),
        ((1, 1), {"axis": 0, "length": 4, "stride": 5}),
        ((3, 2, 0), {"axis": 0, "length": 4}),
    ),
    refused=lambda: refusing(
        ((5, 3), {"axis": 0, "length": 8}, ShapeError),
        ((5, 3), {"axis": 0, "length": 2}, ShapeError),
        ((5,), {"axis": 0, "length": 5}, ShapeError),
        ((5, 3), {"axis": 0, "length": 7, "stride": 0}, ShapeError),
    ),
    doc="The adjoint of `skew`: element (o, k) moves to (stride*o + dilation*k, k) of an axis of "
    "`length`, with zeros elsewhere.",
)


# -- surfaces -------------------------------------------------------------------------------------


@surface("window")
def window(x: Node, axis: int, size: DimLike, stride: int = 1, dilation: int = 1) -> Node:
    """Windows of `size` elements along an axis: [..., L, ...] to [..., windows, size, ...].

    Window o begins at element stride*o, and its elements are `dilation` apart; there are as many
    as fit. Nothing is copied: windows are an index map.

    Raises:
        ShapeError: a window is not proved to fit into the axis.

    >>> from graphc.ir import dtype
    >>> from graphc.ir.ops.structural import graph_input
    >>> window(graph_input("x", dtype.f32, (2, 10)), axis=1, size=3, stride=2).type
    f32[2, 4, 3]
    """
    place = normal_axis(axis, len(x.shape), "window")
    _require_steps("window", stride, dilation)
    _require_fits("window", size, x.shape[place], dilation)
    before, length, after = x.shape[:place], x.shape[place], x.shape[place + 1 :]
    column = reshape(x, shape=(*before, length, 1, *after))
    repeated = broadcast_to(column, shape=(*before, length, size, *after))
    return skew(repeated, axis=place, stride=stride, dilation=dilation)


@surface("overlap_add")
def overlap_add(x: Node, axis: int, length: DimLike, stride: int = 1, dilation: int = 1) -> Node:
    """The adjoint of `window`: [..., windows, size, ...] to [..., length, ...].

    Each element of the result is the sum of all elements of windows that lie over it. `axis` is
    that of the windows, and of the result; negative ones count from the end of the result.

    Raises:
        ShapeError: an axis of `length` has another number of such windows.
        DTypeError: booleans, which have no sum.
    """
    if len(x.shape) < 2:
        raise ShapeError(
            f"overlap_add: {x.type} has no axis of windows followed by one of their elements"
        )
    place = normal_axis(axis, len(x.shape) - 1, "overlap_add")
    apart = unskew(x, axis=place, length=length, stride=stride, dilation=dilation)
    # The dtypes for storage are summed in their accumulator.
    wide = cast_to(apart, x.dtype.accumulator) if x.dtype.kind == "storage" else apart
    return cast_to(sum_over(wide, axes=(place + 1,)), x.dtype)
