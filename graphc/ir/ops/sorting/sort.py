"""Stable sorting, and what follows from a sorted row: the largest elements, and ranks.

A row is sorted by positions: short runs are sorted by insertion, then neighbouring runs are merged,
twice as long each time. NaN counts as larger than every number, and is last (first where the order
is descending); equal elements keep their order in both directions. The positions are i64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    Decomposition,
    Op,
    Parameter,
    Refused,
    RowFunction,
    Sample,
    surface,
)
from graphc.ir.ops.broadcasting import normal_axis
from graphc.ir.ops.elementwise.declaration import BOOLEAN, REAL
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.reductions.reduction import kept
from graphc.ir.ops.views.rearrange import flatten, moveaxis
from graphc.ir.types import TensorType

__all__ = ["along", "argsort", "in_order", "sort"]

Array = np.ndarray[Any, Any]

_RUN = 16
"""Elements that are sorted by insertion; stretches of rows are multiples of it."""


def in_order(keys: Array, descending: bool) -> Array:
    """The stable order of the rows of `keys` along the last axis."""
    wide = keys.astype(np.float64) if keys.dtype.kind == "V" else keys
    if not descending:
        return np.argsort(wide, axis=-1, kind="stable")
    backwards = np.argsort(wide[..., ::-1], axis=-1, kind="stable")
    return np.asarray(keys.shape[-1] - 1 - backwards[..., ::-1])


# -- sorted runs, and their merging ---------------------------------------------------------------


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    if not 1 <= len(operands) <= 2:
        raise UsageError(f"{op.name} takes keys, and positions", code="argument-count")
    keys = operands[0].tensor
    if keys.dtype.kind not in REAL | BOOLEAN:
        raise DTypeError(
            f"{op.name} takes real numbers or bool, not {keys.dtype.name}",
            code="dtype-unsupported",
        )
    if not keys.shape:
        raise ShapeError(f"{op.name}: {keys} has no axis to sort along")
    positions = TensorType(dtypes.i64, keys.shape)
    if len(operands) > 1 and operands[1].type != positions:
        raise ShapeError(f"{op.name}: positions {operands[1].type} for keys {keys}")
    return positions


def _runs_reference(call: Call, keys: Array, *runs: Array) -> Array:
    """Runs of `width`; or the positions of such runs, of which two become one."""
    result = np.empty(keys.shape, np.int64)
    width = call["width"] * (1 + len(runs))
    given = runs[0] if runs else np.broadcast_to(np.arange(keys.shape[-1]), keys.shape)
    ordered = np.take_along_axis(keys, given, -1)
    for start in range(0, keys.shape[-1], width):
        part = slice(start, start + width)
        order = in_order(ordered[..., part], call["descending"])
        result[..., part] = np.take_along_axis(given[..., part], order, -1)
    return result


sort_runs = Op(
    "sort_runs",
    None,
    infer=_infer,
    reference=_runs_reference,
    lowering=RowFunction(
        lambda node: "gc_merge_runs" if len(node.inputs) > 1 else "gc_sort_runs",
        lambda node: (int(node["descending"]), node["width"]),
    ),
    gradient=lambda node, g: (None,) * len(node.inputs),
    parameters=(Parameter("width"), Parameter("descending", False)),
    # With positions it is tried as a part of argsort: not every array has some.
    samples=lambda: (
        Sample((one,), {"width": _RUN, "descending": descending}, smooth=False)
        for one in _rows()
        for descending in (False, True)
    ),
    refused=lambda: (
        *_refused({"width": _RUN}),
        Refused(
            (TensorType(dtypes.f32, (2,)), TensorType(dtypes.i32, (2,))),
            {"width": _RUN},
            ShapeError,
        ),
    ),
    doc="The positions that sort every `width` elements along the last axis; or, given those, "
    "the positions that sort every 2 `width` elements.",
)


def _rows() -> Iterable[TensorType]:
    for dtype in dtypes.computable():
        if dtype.kind in REAL | BOOLEAN:
            yield TensorType(dtype, (3, 37))
    for shape in ((1,), (0,), (2, 3, 16), (0, 5), (4, 0), (2, 150)):
        yield TensorType(dtypes.f32, shape)


def _refused(attributes: Mapping[str, Any]) -> Iterable[Refused]:
    yield Refused((TensorType(dtypes.c64, (2,)),), attributes, DTypeError)
    yield Refused((TensorType(dtypes.f32, ()),), attributes, ShapeError)


# -- argsort --------------------------------------------------------------------------------------


def _expand(node: Node) -> Node:
    keys, descending = node.inputs[0], node["descending"]
    positions = sort_runs(keys, width=_RUN, descending=descending)
    width, length = _RUN, dims.bounds(keys.shape[-1])[1]
    while width < length:
        positions = sort_runs(keys, positions, width=width, descending=descending)
        width *= 2
    return positions


argsort = Op(
    "argsort",
    1,
    infer=_infer,
    reference=lambda call, keys: in_order(keys, call["descending"]),
    lowering=Decomposition(_expand),
    gradient=lambda node, g: (None,),
    parameters=(Parameter("descending", False),),
    samples=lambda: (
        Sample((one,), {"descending": descending}, smooth=False)
        for one in _rows()
        for descending in (False, True)
    ),
    refused=lambda: _refused({}),
    doc="The positions that sort the rows along the last axis, stably; NaN is the largest.",
)


# -- sort -----------------------------------------------------------------------------------------


def _gathered(x: Node, positions: Node) -> Node:
    """The elements at positions along the last axis."""
    last = len(x.shape) - 1
    return gather(x, positions, axes=(last,), batch=last)


def _sort_gradient(node: Node, g: Node) -> tuple[Node]:
    """Each cotangent goes back to where its element came from: the inverse permutation sorts it."""
    positions = argsort(node.inputs[0], descending=node["descending"])
    return (_gathered(g, argsort(positions)),)


def _sort_reference(call: Call, x: Array) -> Array:
    return np.asarray(np.take_along_axis(x, in_order(x, call["descending"]), -1))


def _infer_sort(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    _infer(op, operands, attributes)
    return operands[0].tensor


sort = Op(
    "sort",
    1,
    infer=_infer_sort,
    reference=_sort_reference,
    lowering=Decomposition(
        lambda node: _gathered(
            node.inputs[0], argsort(node.inputs[0], descending=node["descending"])
        )
    ),
    gradient=_sort_gradient,
    parameters=(Parameter("descending", False),),
    samples=lambda: (
        Sample((one,), {"descending": descending})
        for one in _rows()
        for descending in (False, True)
    ),
    refused=lambda: _refused({}),
    doc="The elements of the rows along the last axis in order, stably; NaN is the largest.",
)


def along(x: Node, axis: int | None, name: str) -> tuple[Node, int]:
    """`x` with the axis last, and where the axis was; without an axis, flattened."""
    if axis is None:
        return flatten(x), 0
    place = normal_axis(axis, len(x.shape), name)
    return moveaxis(x, place, -1), place


@surface("sort")
def sort_along(
    x: Node, axis: int | None = -1, descending: bool = False, stable: bool = True
) -> Node:
    """The elements along an axis in order (of all of `x`, flattened, where axis is None).

    NaN counts as the largest. Every sort is stable.
    """
    rows, place = along(x, axis, "sort")
    return moveaxis(sort(rows, descending=descending), -1, place)


@surface("argsort")
def argsort_along(
    x: Node, axis: int | None = -1, descending: bool = False, stable: bool = True
) -> Node:
    """The positions along an axis that sort it; NaN counts as the largest, every sort is stable."""
    rows, place = along(x, axis, "argsort")
    return moveaxis(argsort(rows, descending=descending), -1, place)


@surface("msort")
def msort(x: Node) -> Node:
    """The elements along the first axis in order."""
    return sort_along(x, 0)


# -- parts of a sorted row ------------------------------------------------------------------------


def _first(x: Node, count: DimLike) -> Node:
    return index(x, (..., slice(0, count)))


@surface("topk")
def topk(
    x: Node, k: DimLike, axis: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Node, Node]:
    """The `k` largest (or smallest) elements along an axis, in order, and their positions.

    Of equal elements the first ones are taken.
    """
    rows, place = along(x, axis, "topk")
    if not dims.always_less_equal(0, k) or not dims.always_less_equal(k, rows.shape[-1]):
        raise ShapeError(
            f"topk: {k} elements of axis {place} of {x.type}",
            hint=f"k is 0 to {rows.shape[-1]}",
        )
    positions = _first(argsort(rows, descending=largest), k)
    values = _gathered(rows, positions)
    return moveaxis(values, -1, place), moveaxis(positions, -1, place)


@surface("kthvalue")
def kthvalue(x: Node, k: DimLike, axis: int = -1, keepdims: bool = False) -> tuple[Node, Node]:
    """The `k`-th smallest element along an axis, counted from 1, and its position."""
    rows, place = along(x, axis, "kthvalue")
    if not dims.always_less_equal(1, k) or not dims.always_less_equal(k, rows.shape[-1]):
        raise ShapeError(
            f"kthvalue: number {k} of axis {place} of {x.type}",
            hint=f"k is 1 to {rows.shape[-1]}",
        )
    position = index(argsort(rows), (..., slice(k - 1, k)))
    both = tuple(index(one, (..., 0)) for one in (_gathered(rows, position), position))
    if keepdims:
        both = tuple(kept(one, x.shape, (place,)) for one in both)
    return both[0], both[1]
