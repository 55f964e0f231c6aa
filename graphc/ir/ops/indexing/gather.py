"""Gather: elements of a tensor at indices that are data.

An index counts from the end where it is negative. One that is out of range, below -n or above
n - 1, touches no memory: what is read there is 0 (False), and nothing is written there. So
gather and scatter are adjoint to each other for all indices, and `take` is the product with
`one_hot` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.batching import shifted_axes
from graphc.ir.dims import DimLike
from graphc.ir.expr import (
    Apply,
    Constant,
    Expr,
    Guard,
    Index,
    Read,
    Unknown,
    with_index,
)
from graphc.ir.node import Node
from graphc.ir.op import Call, Element, Op, Parameter, Refused, Sample, find
from graphc.ir.ops.conversion import cast_to, require_integers
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.indexing.positions import kept_axes, position_of
from graphc.ir.types import TensorType

__all__ = [
    "gather",
    "gathered_shape",
    "index_samples",
    "positions",
    "require_indices",
]

Array = np.ndarray[Any, Any]

_F32, _I32, _I64 = dtypes.f32, dtypes.i32, dtypes.i64


# -- shapes ---------------------------------------------------------------------------------------


def require_indices(
    op: Op, x: Node, indices: Sequence[Node], attributes: Mapping[str, Any]
) -> None:
    """Refuse axes and indices that do not fit the tensor that is indexed.

    Raises:
        UsageError, ShapeError, DTypeError: what does not fit.
    """
    axes, batch, rank = attributes["axes"], attributes["batch"], len(x.shape)
    if not indices or len(indices) != len(axes):
        raise UsageError(
            f"{op.name} takes one tensor of indices for each of its {len(axes)} axes, "
            f"{len(indices)} were given",
            code="argument-count",
        )
    if list(axes) != sorted(set(axes)) or not 0 <= batch <= axes[0] or axes[-1] >= rank:
        raise ShapeError(
            f"{op.name}: axes {dims.shape_text(axes)} after {batch} aligned ones of {x.type}",
            code="axis",
            hint="axes are counted from 0, in increasing order, after the aligned ones",
        )
    shape = indices[0].shape
    for index in indices:
        require_integers(op.name, "indices", index)
        if index.shape != shape:
            raise ShapeError(f"{op.name}: indices {indices[0].type} and {index.type}")
    if shape[:batch] != x.shape[:batch]:
        raise ShapeError(
            f"{op.name}: indices {indices[0].type} for {x.type}",
            hint=f"the first {batch} axes of both are to be equal",
        )


def gathered_shape(x: Node, index: Node, axes: Sequence[int], batch: int) -> tuple[DimLike, ...]:
    """The shape of what `gather` reads: that of the indices, and then the axes that are kept."""
    return (*index.shape, *(x.shape[axis] for axis in kept_axes(len(x.shape), axes, batch)))


# -- positions ------------------------------------------------------------------------------------


def _read_at(index: Expr, size: DimLike, zero: Constant, body: Callable[[DimLike], Expr]) -> Expr:
    """`body(i)` for the index i that data gives; zero where it is out of range."""
    if isinstance(index, Unknown):
        return Unknown(zero.dtype)
    if size == 0:
        return zero
    position = position_of(index, size)
    value, inside = position.value, position.inside
    if inside is None:
        return with_index(value, size, body)
    if dims.bounds(size)[0] < 1:
        return Guard(inside, with_index(value, size, body), zero)
    # There is an element 0, which can be read in place of none: no branch is needed.
    safe = Apply(where, (inside, value, Constant(0, value.dtype)), value.dtype)
    return Apply(where, (inside, with_index(safe, size, body), zero), zero.dtype)


def positions(index: Array, size: int) -> tuple[Array, Array]:
    """Positions counted from 0, 0 where an index is out of range; and whether it is in range."""
    if index.dtype.kind == "u":
        inside = index < np.uint64(size)
    else:
        index = index.astype(np.int64)
        index = np.where(index < 0, index + size, index)
        inside = (index >= 0) & (index < size)
    return np.where(inside, index, 0).astype(np.int64), inside


# -- gather ---------------------------------------------------------------------------------------


def _infer_gather(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    if not operands:
        raise UsageError("gather takes a tensor and its indices", code="argument-count")
    x, *indices = operands
    require_indices(op, x, indices, attributes)
    shape = gathered_shape(x, indices[0], attributes["axes"], attributes["batch"])
    return TensorType(x.dtype, shape)


def _gather_reference(call: Call, x: Array, *indices: Array) -> Array:
    axes, batch = call["axes"], call["batch"]
    order = (*range(batch), *axes, *kept_axes(x.ndim, axes, batch))
    found = [positions(i, x.shape[axis]) for i, axis in zip(indices, axes, strict=True)]
    inside = np.logical_and.reduce([one[1] for one in found])
    result = np.zeros(call.shape, x.dtype)
    if not inside.any():
        return result
    aligned = np.indices(indices[0].shape[:batch], sparse=True)
    rank = indices[0].ndim
    first = [one.reshape(one.shape + (1,) * (rank - batch)) for one in aligned]
    read = x.transpose(order)[(*first, *(one[0] for one in found))]
    result[inside] = read[inside]
    return result


def _gather_element(node: Node, index: Index, read: Read) -> Expr:
    x, first = node.inputs[0], node.inputs[1]
    axes, batch = node["axes"], node["batch"]
    where_read: Index = index[: len(first.shape)]
    rest = index[len(first.shape) :]
    zero = Constant(False if x.dtype is dtypes.bool_ else 0, x.dtype)
    place: dict[int, DimLike] = dict(enumerate(where_read[:batch]))
    place |= dict(zip(kept_axes(len(x.shape), axes, batch), rest, strict=True))

    def nested(number: int) -> Expr:
        if number == len(axes):
            return read(0, tuple(place[axis] for axis in range(len(x.shape))))
        axis = axes[number]

        def at(position: DimLike) -> Expr:
            place[axis] = position
            return nested(number + 1)

        return _read_at(read(number + 1, where_read), x.shape[axis], zero, at)

    return nested(0)


def _gather_gradient(node: Node, g: Node) -> tuple[Node | None, ...]:
    """Each cotangent is added to the element that was read; f16 and bf16 are summed in f32."""
    x, *indices = node.inputs
    wide = cast_to(g, g.dtype.accumulator)
    start = zeros_like(cast_to(x, wide.dtype))
    added = find("scatter")(
        start, wide, *indices, axes=node["axes"], batch=node["batch"], combine="add"
    )
    return (cast_to(added, x.dtype), *(None for _ in indices))


def index_samples() -> Iterable[tuple[tuple[int, ...], tuple[TensorType, ...], dict[str, Any]]]:
    """Shapes of tensors, indices and attributes to try gather and scatter on.

    Random indices are small whole numbers of both signs: some are out of range, many repeat.
    """
    for dtype in (d for d in dtypes.computable() if d.is_integer):
        yield (6, 3), (TensorType(dtype, (5,)),), {"axes": (0,), "batch": 0}
    pair = (TensorType(_I64, (2, 4)), TensorType(_I32, (2, 4)))
    yield (7, 5), pair, {"axes": (0, 1), "batch": 0}
    yield (4, 3, 6), pair, {"axes": (0, 2), "batch": 0}
    yield (3, 5), (TensorType(_I64, (3, 4)),), {"axes": (1,), "batch": 1}
    yield (2, 3, 5, 2), (TensorType(_I64, (2, 2, 2)),), {"axes": (2,), "batch": 1}
    yield (9,), (TensorType(_I64, ()),), {"axes": (0,), "batch": 0}
    yield (1, 4), (TensorType(_I32, (3,)),), {"axes": (0,), "batch": 0}
    yield (0, 2), (TensorType(_I32, (3,)),), {"axes": (0,), "batch": 0}
    yield (5, 0), (TensorType(_I64, (3,)),), {"axes": (0,), "batch": 0}
    yield (5, 2), (TensorType(_I64, (0,)),), {"axes": (1,), "batch": 0}


def _gather_samples() -> Iterable[Sample]:
    for shape, indices, attributes in index_samples():
        yield Sample((TensorType(_F32, shape), *indices), attributes)
    for dtype in dtypes.ALL:
        operands = TensorType(dtype, (5, 3)), TensorType(_I64, (4,))
        yield Sample(operands, {"axes": (0,), "batch": 0})


def _gather_refused() -> Iterable[Refused]:
    x, i = TensorType(_F32, (5, 3)), TensorType(_I64, (4,))
    one = {"axes": (0,), "batch": 0}
    yield Refused((x,), {"axes": (), "batch": 0}, UsageError)
    yield Refused((x, i, i), one, UsageError)
    yield Refused((x, TensorType(_F32, (4,))), one, DTypeError)
    yield Refused((x, TensorType(dtypes.bool_, (5,))), one, DTypeError)
    yield Refused((x, i), {"axes": (2,), "batch": 0}, ShapeError)
    yield Refused((x, i, i), {"axes": (1, 0), "batch": 0}, ShapeError)
    yield Refused((x, i), {"axes": (0,), "batch": 1}, ShapeError)
    yield Refused((x, i), {"axes": (1,), "batch": 1}, ShapeError)
    yield Refused((x, i, TensorType(_I64, (3,))), {"axes": (0, 1), "batch": 0}, ShapeError)


gather = Op(
    "gather",
    None,
    infer=_infer_gather,
    reference=_gather_reference,
    lowering=Element(_gather_element, cheap=True),
    gradient=_gather_gradient,
    batch=shifted_axes,
    parameters=(Parameter("axes"), Parameter("batch", 0)),
    samples=_gather_samples,
    refused=_gather_refused,
    doc=(
        "The elements of x at whole numbers of data, one tensor of them for each of `axes`; "
        "0 where one is out of range. The first `batch` axes of x are those of the indices; the "
        "axes of x that are left follow those of the indices."
    ),
)
