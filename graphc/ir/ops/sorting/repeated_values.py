"""Values that occur several times: the different ones, as many as asked for, and the commonest.

How many values differ is data, so the size of a result is given. Sorting puts equal values beside
each other; each run of them is numbered by a sum over where runs begin.
"""

from __future__ import annotations

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import normal_axis
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, iota, number, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import subtract
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.indexing.take import take, take_along_axis
from graphc.ir.ops.reductions.cumulative import cumulative_max, cumulative_sum
from graphc.ir.ops.sorting.sort import argsort
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views.rearrange import expand_dims, moveaxis, squeeze

__all__ = ["begins"]

_I64 = dtypes.i64


def begins(rows: Node) -> Node:
    """Whether each element of rows along the last axis differs from the one before it."""
    shape = (*rows.shape[:-1], 1)
    first = views.broadcast_to(number(True, dtypes.bool_), shape=shape)
    changes = functions["not_equal"](
        functions["index"](rows, (..., slice(1, None))),
        functions["index"](rows, (..., slice(None, -1))),
    )
    return functions["concat"]((first, changes), -1)  # type: ignore[no-any-return]


def _require_elements(name: str, x: Node, axis: int) -> None:
    if not dims.always_less_equal(1, x.shape[axis]):
        raise ShapeError(f"{name}: axis {axis} of {x.type} may be empty", code="empty-axis")


@surface("mode")
def mode(x: Node, axis: int = -1, keepdims: bool = False) -> tuple[Node, Node]:
    """The value that occurs most often along an axis, and where it occurs last.

    Of several such values the smallest one. NaN differs from NaN.
    """
    place = normal_axis(axis, len(x.shape), "mode")
    _require_elements("mode", x, place)
    rows = moveaxis(x, place, -1)
    order = argsort(rows)
    ordered = take_along_axis(rows, order, -1)
    last = len(rows.shape) - 1
    counter = iota(shape=rows.shape, axis=last, dtype=_I64)
    begin = cumulative_max(where(begins(ordered), counter, zeros_like(counter)), axis=last)
    so_far = subtract(counter, begin)
    best = expand_dims(functions["argmax"](so_far, axis=-1), -1)
    found = []
    for one in (ordered, order):
        value = moveaxis(take_along_axis(one, best, -1), -1, place)
        found.append(value if keepdims else squeeze(value, place))
    return found[0], found[1]


@surface("unique")
@also_named(return_counts="with_counts", return_index="with_index", return_inverse="with_inverse")
def unique(
    x: Node,
    size: DimLike | None = None,
    fill_value: PythonScalar | None = None,
    with_inverse: bool = False,
    with_counts: bool = False,
    with_index: bool = False,
) -> Node | tuple[Node, ...]:
    """The first `size` of the different values of `x` in ascending order; NaN differs from NaN.

    Args:
        x: the tensor, of any shape.
        size: how many values there are in the result: the shape cannot depend on data.
        fill_value: what stands where there are fewer; 0, or False of truths, unless given.
        with_inverse: add, in the shape of `x`, the position of each element among the values; of
            those that are left out, a position beyond them.
        with_counts: add how often each value occurs; 0 where there are fewer.
        with_index: add, before these, where each value occurs first, counted in row-major order; -1
            where there are fewer.

    Raises:
        UsageError: there is no size.
    """
    if size is None:
        raise UsageError(
            "unique: the shape of the result depends on data, and shapes are known before a run",
            code="data-dependent-shape",
            hint="give a bound, unique(x, size=n), or count with bincount(x, length)",
        )
    flat: Node = functions["flatten"](x)
    order = argsort(flat)
    found = _runs(x, flat, order, size, fill_value, with_inverse, with_counts)
    if not with_index:
        return found
    values, *more = found if isinstance(found, tuple) else (found,)
    return values, _first_places(flat, order, size), *more


def _first_places(flat: Node, order: Node, size: DimLike) -> Node:
    """Where the first `size` values occur first; of equal ones a stable order has that in front."""
    is_first = begins(take(flat, order, 0))
    places = functions["flatnonzero"](is_first, size)
    found = take(order, functions["maximum"](places, 0), 0)
    return where(functions["greater_equal"](places, 0), found, places)


@surface("unique_consecutive")
@also_named(return_counts="with_counts", return_inverse="with_inverse")
def unique_consecutive(
    x: Node,
    size: DimLike,
    fill_value: PythonScalar | None = None,
    with_inverse: bool = False,
    with_counts: bool = False,
) -> Node | tuple[Node, ...]:
    """The first `size` values of `x`, flattened, without those equal to the one before them.

    See `unique` for the arguments.
    """
    flat: Node = functions["flatten"](x)
    order = iota(shape=flat.shape, axis=0, dtype=_I64)
    return _runs(x, flat, order, size, fill_value, with_inverse, with_counts)


def _runs(
    x: Node,
    flat: Node,
    order: Node,
    size: DimLike,
    fill_value: PythonScalar | None,
    with_inverse: bool,
    with_counts: bool,
) -> Node | tuple[Node, ...]:
    """One value for each run of equal elements, in an order that puts them beside each other."""
    _require_elements("unique", flat, 0)
    ordered = take(flat, order, 0)
    firsts = cast_to(begins(ordered), _I64)
    run = subtract(cumulative_sum(firsts, axis=0), ones_like(firsts))
    base = views.broadcast_to(number(0, _I64), shape=(size,))
    counts: Node = functions["index_add"](base, 0, run, ones_like(run))
    kind: Node = functions["zeros"]((size,), x.dtype)
    if fill_value is not None:
        kind = constant_like(fill_value, kind)
    # Of values that are set at one place the last one stays, and here the first of each run.
    backwards = (views.flip(one, axes=(0,)) for one in (run, ordered))
    results = [functions["index_copy"](kind, 0, *backwards)]
    if with_inverse:
        inverse: Node = functions["index_copy"](zeros_like(run), 0, order, run)
        results.append(views.reshape(inverse, shape=x.shape))
    if with_counts:
        results.append(counts)
    return results[0] if len(results) == 1 else tuple(results)
