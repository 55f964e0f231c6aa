"""Reductions over nothing, over short axes, of reductions, and of repeated values."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Op
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import dim_value, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.reductions.reduction import (
    all_over,
    any_over,
    max_over,
    min_over,
    prod_over,
    sum_over,
)
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.passes.rules.rule import Rule, scalar_below

__all__ = ["RULES"]

_REDUCTIONS = (sum_over, prod_over, max_over, min_over, any_over, all_over)
# Ops whose value does not change when a value is combined with itself.
_IDEMPOTENT = (max_over, min_over, any_over, all_over)


def _takes(op: Op, dtype: DType) -> bool:
    if op in (any_over, all_over):
        return dtype.kind == "bool"
    if op in (max_over, min_over):
        return dtype.kind in ("float", "signed", "unsigned")
    return dtype.kind != "bool"


def _is_exact(dtype: DType) -> bool:
    """Whether a fold in this dtype gives the same bits in any order."""
    return not dtype.precision


def _short_axes(node: Node) -> Node | None:
    """Axes of size 1 are removed by a reshape, once another axis remains to fold over."""
    x, axes = node.inputs[0], node["axes"]
    long_axes = [axis for axis in axes if x.shape[axis] != 1]
    if len(long_axes) == len(axes) or not long_axes:
        return None
    gone = [axis for axis in axes if x.shape[axis] == 1]
    left = tuple(size for axis, size in enumerate(x.shape) if axis not in gone)
    moved = tuple(axis - sum(1 for one in gone if one < axis) for axis in long_axes)
    return node.op(reshape(x, shape=left), axes=moved)


def _nothing(node: Node) -> Node | None:
    """A fold over single elements combines each with the identity.

    That changes nothing, but for sums of floats, where 0.0 + -0.0 is 0.0, and for products of
    complex numbers, where (inf + 1j) * 1 is inf + NaN*j.
    """
    x = node.inputs[0]
    if node.op is prod_over and node.dtype.kind == "complex":
        return None
    if any(x.shape[axis] != 1 for axis in node["axes"]):
        return None
    single = reshape(x, shape=node.shape)
    if node.op is sum_over and node.dtype.precision:
        return add(single, zeros_like(single))
    return single


def _fold_of_fold(node: Node) -> Node | None:
    """Two folds are one where the order of combining does not matter."""
    inner = node.inputs[0]
    if inner.op is not node.op or not _is_exact(node.dtype):
        return None
    x = inner.inputs[0]
    left = [axis for axis in range(len(x.shape)) if axis not in inner["axes"]]
    axes = sorted({*inner["axes"], *(left[axis] for axis in node["axes"])})
    return node.op(x, axes=tuple(axes))


def _fold_of_filled(node: Node) -> Node | None:
    """A fold over repetitions of one number: that number, or a multiple of it."""
    x = node.inputs[0]
    scalar = scalar_below(x)
    if scalar is None or not node["axes"]:
        return None
    count = dims.product(x.shape[axis] for axis in node["axes"])
    if node.op in _IDEMPOTENT:
        # The fold over no elements is the identity, not the number.
        if not dims.always_less_equal(1, count):
            return None
        total = scalar
    elif node.op is sum_over and _is_exact(node.dtype):
        # Counted in 64 bits and wrapped, as a sum of that many would be.
        times = cast_to(dim_value(dim=count, dtype=dtypes.i64), node.dtype)
        total = multiply(scalar, times)
    else:
        return None
    return broadcast_to(total, shape=node.shape) if node.shape else total


def _short_axes_examples() -> Iterator[Node]:
    for op in _REDUCTIONS:
        for dtype in dtypes.computable():
            if _takes(op, dtype):
                yield op(graph_input("x", dtype, (3, 1, 4)), axes=(0, 1))
                yield op(graph_input("x", dtype, (1, 3, 1, 4)), axes=(0, 2, 3))


def _nothing_examples() -> Iterator[Node]:
    for op in _REDUCTIONS:
        for dtype in dtypes.computable():
            if _takes(op, dtype) and not (op is prod_over and dtype.kind == "complex"):
                for shape, axes in (((3, 1, 4), (1,)), ((1, 1), (0, 1)), ((5,), ()), ((), ())):
                    yield op(graph_input("x", dtype, shape), axes=axes)


def _fold_of_fold_examples() -> Iterator[Node]:
    for op in _REDUCTIONS:
        for dtype in dtypes.computable():
            if _takes(op, dtype) and _is_exact(dtype):
                x = graph_input("x", dtype, (2, 3, 4, 5))
                yield op(op(x, axes=(1, 3)), axes=(0,))
                yield op(op(x, axes=(0,)), axes=(1, 2))


def _filled_examples() -> Iterator[Node]:
    for op in (sum_over, *_IDEMPOTENT):
        for dtype in dtypes.computable():
            if _takes(op, dtype) and (op in _IDEMPOTENT or _is_exact(dtype)):
                x = broadcast_to(graph_input("x", dtype, ()), shape=(3, 100, 2))
                yield op(x, axes=(1,))
                yield op(x, axes=(0, 1, 2))
    yield sum_over(broadcast_to(graph_input("x", dtypes.i32, ()), shape=(0, 2)), axes=(0,))


RULES: tuple[Rule, ...] = (
    Rule("fold over some axes of size 1", _REDUCTIONS, _short_axes, _short_axes_examples),
    Rule("fold over axes of size 1 alone", _REDUCTIONS, _nothing, _nothing_examples),
    Rule("fold of fold", _REDUCTIONS, _fold_of_fold, _fold_of_fold_examples),
    Rule("fold of a filled tensor", _REDUCTIONS, _fold_of_filled, _filled_examples),
)
