"""Scatter: a tensor with updates combined into elements at indices that are data.

Updates are combined one after another, in row-major order of the indices, so that the result is
the same bits on every device: of several updates that are set, the last one stays. What is out of
range is dropped (see `gather.py`).
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
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Parameter, Refused, Sample, Scatter, find
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import iota, number, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import divide, multiply, subtract
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.indexing.gather import (
    gather,
    gathered_shape,
    index_samples,
    positions,
    require_indices,
)
from graphc.ir.ops.indexing.positions import kept_axes
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.ir.types import TensorType

__all__ = ["COMBINATIONS", "scatter"]

Array = np.ndarray[Any, Any]

_F32, _I64 = dtypes.f32, dtypes.i64

COMBINATIONS = ("set", "add", "multiply", "minimum", "maximum")
"""How an update meets what is there: in place of it, or by the elementwise op of that name."""


def _require_numbers(dtype: DType, combine: str) -> None:
    kinds = ["float", "signed", "unsigned"]
    if combine in ("add", "multiply"):
        kinds.append("complex")
    if combine != "set" and dtype.kind not in kinds:
        raise DTypeError(
            f"scatter: {combine} does not combine {dtype.name}",
            hint="cast to a number first, or combine by setting",
        )


def _infer_scatter(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    if len(operands) < 2:
        raise UsageError("scatter takes a tensor, updates and indices", code="argument-count")
    base, updates, *indices = operands
    combine = attributes["combine"]
    if combine not in COMBINATIONS:
        raise UsageError(
            f"scatter: there is no combination {combine!r}",
            hint=f"there are {', '.join(COMBINATIONS)}",
        )
    require_indices(op, base, indices, attributes)
    expected = gathered_shape(base, indices[0], attributes["axes"], attributes["batch"])
    if updates.shape != expected:
        raise ShapeError(
            f"scatter: updates {updates.type}, expected {TensorType(base.dtype, expected)}",
            hint="the shape of the indices, and then the axes of the tensor that are kept",
        )
    if updates.dtype is not base.dtype:
        raise DTypeError(f"scatter: dtypes differ: {base.type} and {updates.type}")
    _require_numbers(base.dtype, combine)
    return base.tensor


def _scatter_reference(call: Call, base: Array, updates: Array, *indices: Array) -> Array:
    axes, batch = call["axes"], call["batch"]
    order = (*range(batch), *axes, *kept_axes(base.ndim, axes, batch))
    result = base.copy()
    found = [positions(i, base.shape[axis]) for i, axis in zip(indices, axes, strict=True)]
    inside = np.logical_and.reduce([one[1] for one in found])
    aligned = np.indices(indices[0].shape, sparse=False)[:batch]
    target = result.transpose(order)
    places = (*(one[inside] for one in aligned), *(one[0][inside] for one in found))
    for turn, update in enumerate(updates[inside]):
        # A slice, so that a single element is an array as well.
        at = tuple(slice(place[turn], place[turn] + 1) for place in places)
        part = target[at]
        part[...] = update if call["combine"] == "set" else _combined(call, part, update)
    return result


def _combined(call: Call, part: Array, update: Array) -> Array:
    op = find(call["combine"])
    type_ = TensorType(dtypes.from_numpy(part.dtype), part.shape)
    value = op.reference(Call({}, type_, (type_, type_)), part, np.broadcast_to(update, part.shape))
    return np.asarray(value)


# -- gradients ------------------------------------------------------------------------------------


def _scatter_gradient(node: Node, g: Node) -> tuple[Node | None, ...]:
    rule = {"set": _set_gradient, "add": _add_gradient, "multiply": _multiply_gradient}.get(
        node["combine"], _extreme_gradient
    )
    return (*rule(node, g), *(None for _ in node.inputs[2:]))


def _read(node: Node, x: Node) -> Node:
    """The elements of `x` that the updates of a scatter meet, in the updates' shape."""
    return gather(x, *node.inputs[2:], axes=node["axes"], batch=node["batch"])


def _combine(node: Node, base: Node, updates: Node, combine: str) -> Node:
    """Other updates at the places of a scatter."""
    return scatter(
        base, updates, *node.inputs[2:], axes=node["axes"], batch=node["batch"], combine=combine
    )


def _add_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    return g, _read(node, g)


def _set_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """Nothing reaches what is replaced: neither the tensor nor an update that a later one hides."""
    base, updates, *indices = node.inputs
    axes, batch = node["axes"], node["batch"]
    around = _combine(node, g, zeros_like(updates), "set")
    # Updates numbered in order: of those that meet, the last number stays.
    shape = indices[0].shape
    numbers = reshape(iota(shape=(dims.product(shape),), axis=0, dtype=_I64), shape=shape)
    places = (*base.shape[:batch], *(base.shape[axis] for axis in axes))
    nothing = broadcast_to(number(-1, _I64), shape=places)
    attributes = {"axes": tuple(range(batch, batch + len(axes))), "batch": batch}
    last = scatter(nothing, numbers, *indices, **attributes, combine="set")
    stays = equal(gather(last, *indices, **attributes), numbers)
    rank = len(shape)
    column = reshape(stays, shape=(*shape, *(1 for _ in updates.shape[rank:])))
    spread = broadcast_to(column, shape=updates.shape)
    return around, where(spread, _read(node, g), zeros_like(updates))


def _multiply_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """The product of the others, exact where one update of a place, or several, are zero.

    It is that of the others that are not zero, and of the zero among them: a factor whose value is
    known and whose derivative is not zero. Where two of the others are zero, the product and its
    first derivatives are; its second ones, which are third ones of the scatter, are taken for zero.
    """
    base, updates, *_ = node.inputs
    ones, none = ones_like(base), zeros_like(base)
    is_zero = equal(updates, zeros_like(updates))
    others = where(is_zero, ones_like(updates), updates)
    product = _read(node, _combine(node, ones, others, "multiply"))
    own = where(is_zero, product, divide(product, others))

    def of_the_others(values: Node) -> Node:
        return subtract(_read(node, _combine(node, none, values, "add")), values)

    count = of_the_others(cast_to(is_zero, base.dtype))
    zero = of_the_others(where(is_zero, updates, zeros_like(updates)))
    has_one = equal(count, ones_like(count))
    with_zero = where(has_one, multiply(own, zero), zeros_like(own))
    share = where(equal(count, zeros_like(count)), own, with_zero)
    return (
        multiply(g, _combine(node, ones, updates, "multiply")),
        multiply(_read(node, multiply(g, base)), share),
    )


def _extreme_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """What is equal to the extreme shares its cotangent."""
    base, updates, *_ = node.inputs
    wide = base.dtype.accumulator
    held = equal(base, node)
    won = equal(updates, _read(node, node))
    count = _combine(node, cast_to(held, wide), cast_to(won, wide), "add")
    # A place that no update and no element equals (NaN) has nobody to give a share to.
    safe = where(equal(count, zeros_like(count)), ones_like(count), count)
    share = cast_to(divide(cast_to(g, wide), safe), base.dtype)
    none = zeros_like(share)
    return where(held, share, none), where(won, _read(node, share), zeros_like(updates))


# -- the op ---------------------------------------------------------------------------------------


def _sample(
    dtype: DType, shape: tuple[int, ...], indices: tuple[TensorType, ...],
    attributes: Mapping[str, Any], combine: str,
) -> Sample:  # fmt: skip
    kept: list[DimLike] = [
        shape[axis] for axis in kept_axes(len(shape), attributes["axes"], attributes["batch"])
    ]
    updates = TensorType(dtype, (*indices[0].shape, *kept))
    return Sample((TensorType(dtype, shape), updates, *indices), {**attributes, "combine": combine})


def _scatter_samples() -> Iterable[Sample]:
    for combine in COMBINATIONS:
        for shape, indices, attributes in index_samples():
            yield _sample(_F32, shape, indices, attributes, combine)
    index = (TensorType(_I64, (4,)),)
    for dtype in dtypes.ALL:
        for combine in COMBINATIONS:
            is_number = dtype.kind not in ("bool", "complex", "storage")
            if combine == "set" or is_number:
                yield _sample(dtype, (5, 3), index, {"axes": (0,), "batch": 0}, combine)


def _scatter_refused() -> Iterable[Refused]:
    x, u, i = TensorType(_F32, (5, 3)), TensorType(_F32, (4, 3)), TensorType(_I64, (4,))
    one = {"axes": (0,), "batch": 0, "combine": "set"}
    yield Refused((x,), one, UsageError)
    yield Refused((x, u), one, UsageError)
    yield Refused((x, u, i), {**one, "combine": "mean"}, UsageError)
    yield Refused((x, TensorType(_F32, (4,)), i), one, ShapeError)
    yield Refused((x, TensorType(dtypes.f64, (4, 3)), i), one, DTypeError)
    yield Refused((x, u, TensorType(_F32, (4,))), one, DTypeError)
    for dtype in (dtypes.bool_, dtypes.f8e4m3):
        operands = TensorType(dtype, (5, 3)), TensorType(dtype, (4, 3)), i
        yield Refused(operands, {**one, "combine": "add"}, DTypeError)


scatter = Op(
    "scatter",
    None,
    infer=_infer_scatter,
    reference=_scatter_reference,
    lowering=Scatter(),
    gradient=_scatter_gradient,
    batch=shifted_axes,
    parameters=(Parameter("axes"), Parameter("batch", 0), Parameter("combine", "set")),
    samples=_scatter_samples,
    refused=_scatter_refused,
    doc=(
        "x with updates combined into the elements that `gather` would read, in row-major order "
        "of the indices; what is out of range is dropped."
    ),
)
