"""Reductions: folds over axes, and what is composed from them.

The dtype of a result is its operand's. f16 and bf16 accumulate in f32 and round once, at the
end (`DType.accumulator`); a fold over no elements gives the identity of its operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import (
    Call,
    GradientRule,
    Op,
    Parameter,
    Reduction,
    Refused,
    Sample,
    find,
    functions,
    surface,
)
from graphc.ir.ops.broadcasting import normal_axes
from graphc.ir.ops.conversion import cast, cast_to
from graphc.ir.ops.creation.constants import constant_like, number, zeros_like
from graphc.ir.ops.elementwise.arithmetic import divide, extreme, multiply
from graphc.ir.ops.elementwise.declaration import BOOLEAN, NUMERIC, REAL
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.views.shape import broadcast_to, flip, permute_dims, require_axes, reshape
from graphc.ir.ops.views.slicing import pad, slice_
from graphc.ir.types import TensorType

__all__ = [
    "Axis",
    "all_over",
    "among",
    "any_over",
    "kept",
    "max_over",
    "min_over",
    "prod_over",
    "reduce",
    "reduced_shape",
    "restored",
    "sum_over",
]

Array = np.ndarray[Any, Any]
Axis = int | Sequence[int] | None


def reduced_shape(shape: Sequence[DimLike], axes: Sequence[int]) -> tuple[DimLike, ...]:
    """The shape without the axes."""
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def kept(x: Node, shape: Sequence[DimLike], axes: Sequence[int]) -> Node:
    """`x`, reduced from `shape` over `axes`, with those axes back as axes of size 1."""
    return reshape(x, shape=tuple(1 if axis in axes else d for axis, d in enumerate(shape)))


def restored(x: Node, shape: Sequence[DimLike], axes: Sequence[int]) -> Node:
    """`x`, reduced from `shape` over `axes`, repeated along them to `shape` again."""
    return broadcast_to(kept(x, shape, axes), shape=tuple(shape))


# -- declaration ----------------------------------------------------------------------------------


def _infer(kinds: frozenset[str]) -> Callable[..., TensorType]:
    def infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
        operand, axes = operands[0].tensor, attributes["axes"]
        require_axes(op, axes, operands[0])
        if operand.dtype.kind not in kinds:
            raise DTypeError(
                f"{op.name} takes {' or '.join(sorted(kinds))} operands, not {operand.dtype.name}",
                code="dtype-unsupported",
                hint="compare first: x != 0" if kinds == BOOLEAN else "cast the operand first",
            )
        return TensorType(operand.dtype, reduced_shape(operand.shape, axes))

    return infer


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((3, 5), (1,)),
    ((3, 5), (0,)),
    ((3, 5), (0, 1)),
    ((2, 4, 3), (0, 2)),
    ((3, 5), ()),
    ((), ()),
    ((3, 0), (1,)),
    ((0, 3), (1,)),
    ((17, 1), (0,)),
)


def _samples(kinds: frozenset[str]) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterable[Sample]:
        for dtype in dtypes.computable():
            if dtype.kind in kinds:
                for shape, axes in _CASES if dtype.bits >= 32 else _CASES[:3]:
                    # Over no elements the extremes are infinite, and have no derivative.
                    smooth = 0 not in (shape[axis] for axis in axes)
                    yield Sample((TensorType(dtype, shape),), {"axes": axes}, smooth=smooth)

    return samples


def _refused(kinds: frozenset[str]) -> Callable[[], Iterable[Refused]]:
    def refused() -> Iterable[Refused]:
        accepted = next(dtype for dtype in dtypes.computable() if dtype.kind in kinds)
        operand = TensorType(accepted, (2, 3))
        for axes in ((2,), (-1,), (1, 0), (0, 0)):
            yield Refused((operand,), {"axes": axes}, ShapeError)
        for dtype in dtypes.ALL:
            if dtype.kind not in kinds:
                yield Refused((TensorType(dtype, (2, 3)),), {"axes": (0,)}, DTypeError)

    return refused


def _reduction(
    name: str,
    combine: str,
    fold: Callable[..., Any],
    identity: Callable[[DType], bool | int | float],
    doc: str,
    *,
    kinds: frozenset[str],
    gradient: GradientRule | None = None,
) -> Op:
    """Declare a fold; `fold(x, axis=, initial=)` is NumPy's."""

    def reference(call: Call, x: Array) -> Array:
        dtype = dtypes.from_numpy(x.dtype)
        accumulator = dtype.accumulator.numpy
        with np.errstate(all="ignore"):
            start = np.asarray(identity(dtype)).astype(accumulator)
            folded = fold(x.astype(accumulator, copy=False), axis=call["axes"], initial=start)
            return np.asarray(folded).astype(x.dtype, copy=False)

    return Op(
        name,
        1,
        infer=_infer(kinds),
        reference=reference,
        lowering=Reduction(combine, identity),
        gradient=gradient,
        parameters=(Parameter("axes"),),
        samples=_samples(kinds),
        refused=_refused(kinds),
        doc=doc,
    )


def lowest(dtype: DType) -> int | float:
    """The value that `maximum` changes nothing with."""
    return float("-inf") if dtype.kind == "float" else int(dtype.minimum_value)


def highest(dtype: DType) -> int | float:
    """The value that `minimum` changes nothing with."""
    return float("inf") if dtype.kind == "float" else int(dtype.maximum_value)


# -- gradients ------------------------------------------------------------------------------------


def _sum_gradient(node: Node, g: Node) -> tuple[Node]:
    return (restored(g, node.inputs[0].shape, node["axes"]),)


def _prod_gradient(node: Node, g: Node) -> tuple[Node]:
    """What stands before an element times what follows it: exact where elements are zero.

    Dividing the product by the element would be wrong there.
    """
    x, axes = node.inputs[0], node["axes"]
    # The reduced axes move to the end and become one axis.
    order = (*(a for a in range(len(x.shape)) if a not in axes), *axes)
    inner: DimLike = dims.product(x.shape[axis] for axis in axes)
    moved = permute_dims(cast_to(x, x.dtype.accumulator), axes=order)
    rows = reshape(moved, shape=(*reduced_shape(x.shape, axes), inner))
    last = (len(rows.shape) - 1,)
    after = flip(_product_before(flip(rows, axes=last)), axes=last)
    others = reshape(multiply(_product_before(rows), after), shape=moved.shape)
    back = permute_dims(others, axes=tuple(np.argsort(order).tolist()))
    return (multiply(restored(g, x.shape, axes), cast_to(back, x.dtype)),)


def _product_before(rows: Node) -> Node:
    """The product of the elements that stand before each, along the last axis."""
    rank = len(rows.shape)
    none, one = (0,) * rank, (*(0,) * (rank - 1), 1)
    shifted = slice_(
        pad(rows, before=one, after=none, value=1), start=none, stop=rows.shape, step=(1,) * rank
    )
    return find("cumulative_prod")(shifted, axis=rank - 1)


def _extreme_gradient(node: Node, g: Node) -> tuple[Node]:
    """Elements that are equal to the extreme share its cotangent."""
    x, axes = node.inputs[0], node["axes"]
    hit = equal(x, restored(node, x.shape, axes))
    # Counted in the accumulator's dtype: f16 counts to 2048 only.
    count = sum_over(cast(hit, dtype=x.dtype.accumulator), axes=axes)
    share = cast_to(divide(cast_to(g, count.dtype), count), x.dtype)
    return (where(hit, restored(share, x.shape, axes), zeros_like(x)),)


sum_over = _reduction(
    "sum",
    "add",
    np.sum,
    lambda dtype: 0,
    "The sum over the axes.",
    kinds=NUMERIC,
    gradient=_sum_gradient,
)
prod_over = _reduction(
    "prod",
    "multiply",
    np.prod,
    lambda dtype: 1,
    "The product over the axes.",
    kinds=NUMERIC,
    gradient=_prod_gradient,
)
max_over = _reduction(
    "max",
    "maximum",
    extreme(np.maximum, "reduce"),
    lowest,
    "The largest over the axes; NaN if there is one. Equal elements share the gradient.",
    kinds=REAL,
    gradient=_extreme_gradient,
)
min_over = _reduction(
    "min",
    "minimum",
    extreme(np.minimum, "reduce"),
    highest,
    "The smallest over the axes; NaN if there is one. Equal elements share the gradient.",
    kinds=REAL,
    gradient=_extreme_gradient,
)
any_over = _reduction(
    "any",
    "logical_or",
    np.logical_or.reduce,
    lambda dtype: False,
    "Whether an element over the axes is True.",
    kinds=BOOLEAN,
)
all_over = _reduction(
    "all",
    "logical_and",
    np.logical_and.reduce,
    lambda dtype: True,
    "Whether all elements over the axes are True.",
    kinds=BOOLEAN,
)

# -- surfaces -------------------------------------------------------------------------------------


def reduce(
    op: Op, x: Node, axis: Axis, keepdims: bool, initial: PythonScalar | Node | None = None
) -> Node:
    """`op` over axes that may be negative, one, several, or None for all.

    initial: an element more.
    """
    axes = normal_axes(axis, len(x.shape), op.name)
    if initial is None and op in (max_over, min_over):
        _refuse_no_elements(op, x, axes)
    result = op(x, axes=axes)
    if initial is not None:
        combine: Callable[..., Node] = functions[_fold(op).combine]
        result = combine(
            result, cast_to(initial, x.dtype) if isinstance(initial, Node) else initial
        )
    return kept(result, x.shape, axes) if keepdims else result


def _fold(op: Op) -> Reduction:
    assert isinstance(op.lowering, Reduction)
    return op.lowering


def among(x: Node, mask: Node | bool | None, others: PythonScalar) -> Node:
    """`x` with `others` in place of the elements for which the mask, which broadcasts, is False."""
    if mask is None:
        return x
    chosen: Node = mask if isinstance(mask, Node) else number(mask, dtypes.bool_)
    wide: Node = functions["broadcast_to"](chosen, x.shape)
    return where(wide, x, constant_like(others, x))


def _refuse_no_elements(op: Op, x: Node, axes: Iterable[int]) -> None:
    """An extreme of what is known to be nothing is a mistake; of a dim's rows it may happen."""
    for axis in axes:
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{op.name}: axis {axis} of {x.tensor} is empty",
                code="empty-axis",
                hint="give it one element at least, as in concat([x, other])",
            )


def _fold_surface(op: Op, *aliases: str, widen: bool = False, of_truth: bool = False) -> None:
    identity = _fold(op).identity

    def fold(
        x: Node,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DType | None = None,
        *,
        initial: PythonScalar | Node | None = None,
        where: Node | bool | None = None,
    ) -> Node:
        if widen:
            x = cast_to(x, dtype or dtypes.sum_dtype(x.dtype))
        elif dtype is not None:
            x = cast_to(x, dtype)
        if where is not None and initial is None and not widen:
            raise UsageError(
                f"{op.name}: with where there may be no element",
                code="argument-missing",
                hint="say what it is then: initial=...",
            )
        return reduce(op, among(x, where, identity(x.dtype)), axis, keepdims, initial)

    def truth(
        x: Node,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DType | None = None,
        *,
        where: Node | bool | None = None,
    ) -> Node:
        x = cast_to(x if dtype is None else cast_to(x, dtype), dtypes.bool_)
        return reduce(op, among(x, where, identity(x.dtype)), axis, keepdims)

    call = truth if of_truth else fold
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.doc + (
        " Narrow integers and bool are summed in 64 bits unless dtype says otherwise."
        if widen
        else " Numbers are true unless they are 0."
        if of_truth
        else " Over a dim that is 0 in a call it is the number that changes no other; "
        "an axis that is always empty is refused."
    )
    call.__doc__ += " Elements where `where` is False take no part" + (
        "." if of_truth else "; `initial` is an element more."
    )
    surface(op.name, *aliases)(call)


_fold_surface(sum_over, widen=True)
_fold_surface(prod_over, widen=True)
_fold_surface(max_over, "amax")
_fold_surface(min_over, "amin")
_fold_surface(any_over, of_truth=True)
_fold_surface(all_over, of_truth=True)
