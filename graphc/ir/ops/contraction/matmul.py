"""Matrix products, and what is written with them: vectors, batches, linear layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Call, Contraction, Op, Refused, Sample, surface
from graphc.ir.ops.broadcasting import broadcast, broadcast_shapes, promoted
from graphc.ir.ops.conversion import cast, cast_to, widened
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.elementwise.declaration import NUMERIC
from graphc.ir.ops.views.shape import broadcast_to, permute_dims, reshape
from graphc.ir.types import TensorType

__all__ = [
    "linear",
    "matmul",
    "matrix_product",
    "matrix_transpose",
    "wide_linear",
    "widened_product",
    "widening_matmul",
]

Array = np.ndarray[Any, Any]


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    a, b = operands[0].tensor, operands[1].tensor
    if a.rank < 2 or b.rank < 2:
        raise ShapeError(f"matmul: {a} and {b}; the strict form takes matrices or stacks of them")
    if a.dtype is not b.dtype:
        raise DTypeError(f"matmul: dtypes differ: {a} and {b}")
    if a.dtype.kind not in NUMERIC:
        raise DTypeError(
            f"matmul takes numbers, not {a.dtype.name}",
            code="dtype-unsupported",
            hint="cast the operands first",
        )
    if not dims.always_equal(a.shape[-1], b.shape[-2]):
        raise ShapeError(
            f"matmul: the inner dimensions differ, {a.shape[-1]} and {b.shape[-2]}: {a} and {b}",
            hint="the last dim of the first operand meets the second to last of the second",
        )
    if a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(f"matmul: the batch dimensions differ: {a} and {b}")
    return TensorType(a.dtype, (*a.shape[:-1], b.shape[-1]))


def _infer_wide(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    found = _infer(op, operands, attributes)
    if found.dtype.accumulator is found.dtype:
        raise DTypeError(
            f"{op.name} takes f16 or bf16, not {found.dtype.name}", code="dtype-unsupported"
        )
    return TensorType(found.dtype.accumulator, found.shape)


def _reference(call: Call, a: Array, b: Array) -> Array:
    accumulator = dtypes.from_numpy(a.dtype).accumulator.numpy
    result = call.dtype.numpy
    with np.errstate(all="ignore"):
        product = _product(a.astype(accumulator, copy=False), b.astype(accumulator, copy=False))
    return product.astype(result, copy=False)


def _product(a: Array, b: Array) -> Array:
    if a.dtype.kind != "c":
        return np.asarray(np.matmul(a, b))
    # Of the parts: a BLAS scales complex sums by 1 + 0i, which makes NaN of infinities.
    result = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    result.real = np.matmul(a.real, b.real) - np.matmul(a.imag, b.imag)
    result.imag = np.matmul(a.real, b.imag) + np.matmul(a.imag, b.real)
    return result


def matrix_transpose(x: Node) -> Node:
    """`x` with its last two axes exchanged."""
    rank = len(x.shape)
    return permute_dims(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _gradient(node: Node, g: Node) -> tuple[Node, Node]:
    a, b = node.inputs
    return matmul(g, matrix_transpose(b)), matmul(matrix_transpose(a), g)


def _wide_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    return _gradient(node, cast(g, dtype=node.inputs[0].dtype))


_PAIRS = (
    ((3, 5), (5, 4)),
    ((1, 1), (1, 1)),
    ((2, 3, 5), (2, 5, 4)),
    ((3, 0), (0, 4)),
    ((0, 3), (3, 2)),
    ((2, 1, 17, 33), (2, 1, 33, 9)),
)


def _samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind in NUMERIC:
            for a, b in _PAIRS:
                yield Sample((TensorType(dtype, a), TensorType(dtype, b)))


def _wide_samples() -> Iterable[Sample]:
    for dtype in (dtypes.f16, dtypes.bf16):
        for a, b in _PAIRS:
            yield Sample((TensorType(dtype, a), TensorType(dtype, b)))


def _wide_refused() -> Iterable[Refused]:
    f16 = TensorType(dtypes.f16, (2, 3))
    yield Refused((f16, f16), {}, ShapeError)
    yield Refused((f16, TensorType(dtypes.bf16, (3, 2))), {}, DTypeError)
    yield Refused((TensorType(dtypes.f32, (2, 2)),) * 2, {}, DTypeError)


def _refused() -> Iterable[Refused]:
    f32 = dtypes.f32
    matrix = TensorType(f32, (2, 3))
    yield Refused((matrix, matrix), {}, ShapeError)
    yield Refused((matrix, TensorType(f32, (3,))), {}, ShapeError)
    yield Refused((matrix, TensorType(dtypes.f64, (3, 2))), {}, DTypeError)
    yield Refused((TensorType(f32, (4, 2, 3)), TensorType(f32, (3, 2))), {}, ShapeError)
    yield Refused((TensorType(dtypes.bool_, (2, 2)),) * 2, {}, DTypeError)
    yield Refused((TensorType(dtypes.f8e4m3, (2, 2)),) * 2, {}, DTypeError)


def _batch(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    """Where a matrix is the same for all parts, their rows or columns make one product."""
    a, b = operands
    left, right = (_without_repeats(one) if len(one.shape) == 3 else None for one in operands)
    if right is not None:
        return _stacked_rows(a, right, node.op)
    if left is not None:
        columns = permute_dims(b, axes=(1, 0, 2))
        wide = reshape(columns, shape=(b.shape[1], size * b.shape[2]))
        product = reshape(node.op(left, wide), shape=(a.shape[1], size, b.shape[2]))
        return permute_dims(product, axes=(1, 0, 2))
    return node.op(a, b)


def _without_repeats(x: Node) -> Node | None:
    """The matrix that `x` repeats along its first axis."""
    if x.op is not broadcast_to or x.inputs[0].shape != (1, *x.shape[1:]):
        return None
    return reshape(x.inputs[0], shape=x.shape[1:])


matmul: Op = Op(
    "matmul",
    2,
    infer=_infer,
    reference=_reference,
    lowering=Contraction(),
    gradient=_gradient,
    batch=_batch,
    samples=_samples,
    refused=_refused,
    doc="The product of matrices (..., M, K) and (..., K, N) of one batch shape. f16 and bf16 "
    "accumulate in f32 and round once, at the end.",
)
widening_matmul: Op = Op(
    "widening_matmul",
    2,
    infer=_infer_wide,
    reference=_reference,
    lowering=Contraction(),
    gradient=_wide_gradient,
    batch=_batch,
    samples=_wide_samples,
    refused=_wide_refused,
    doc="The product of matrices of f16 or bf16 in f32, in which it is computed: what `matmul` "
    "gives of operands that are cast before, without their copies. Its gradients are products of "
    "narrow operands too: they round the cotangent to that dtype.",
)


@surface("matmul", "mm", "bmm")
def matrix_product(a: Node, b: Node) -> Node:
    """The matrix product by NumPy's rules: vectors are rows or columns, batches broadcast.

    Raises:
        ShapeError: an operand without axes, or shapes that do not fit.
    """
    a, b = promoted(a, b)
    return _batched(a, b, matmul)


def widened_product(a: Node, b: Node, bias: Node | None = None) -> Node:
    """`a @ b + bias`, in the dtype in which the product of operands promoted to one is summed."""
    a, b = promoted(a, b)
    product = _batched(a, b, matmul if a.dtype.accumulator is a.dtype else widening_matmul)
    return product if bias is None else add(*broadcast(*promoted(product, widened(bias))))


def _batched(a: Node, b: Node, op: Op) -> Node:
    """The product of operands of one dtype, by NumPy's rules of shapes."""
    if not a.shape or not b.shape:
        raise ShapeError(
            f"matmul: {a.type} and {b.type}; an operand has no axes",
            hint="multiply by a number with *",
        )
    if len(b.shape) == 2 < len(a.shape):
        return _stacked_rows(a, b, op)
    row, column = len(a.shape) == 1, len(b.shape) == 1
    left = reshape(a, shape=(1, *a.shape)) if row else a
    right = reshape(b, shape=(*b.shape, 1)) if column else b
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    product = op(_in_batch(left, batch), _in_batch(right, batch))
    kept = (*batch, *(() if row else a.shape[-2:-1]), *(() if column else b.shape[-1:]))
    return reshape(product, shape=kept) if row or column else product


def _stacked_rows(a: Node, b: Node, product: Op) -> Node:
    """A stack of matrices times one matrix: the rows of all of them make one tall matrix."""
    rows = reshape(a, shape=(dims.product(a.shape[:-1]), a.shape[-1]))
    return reshape(product(rows, b), shape=(*a.shape[:-1], b.shape[-1]))


def _in_batch(x: Node, batch: tuple[DimLike, ...]) -> Node:
    if x.shape[:-2] == batch:
        return x
    return broadcast_to(x, shape=(*batch, *x.shape[-2:]))


@surface("matrix_transpose")
def _matrix_transpose(x: Node) -> Node:
    """The last two axes exchanged."""
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_transpose: {x.type} has no two axes")
    return matrix_transpose(x)


@surface("linear")
def linear(x: Node, weight: Node, bias: Node | None = None) -> Node:
    """`x @ weight.T + bias`, with `weight` [out, in] as PyTorch keeps it and `x` [..., in].

    Of f16 and bf16 it is rounded once, with the bias.
    """
    given = (x, weight) if bias is None else (x, weight, bias)
    dtype = dtypes.promote_all(one.dtype for one in given)
    # The rows of a stack as one matrix: the bias is added in the shape of the product.
    is_stack = len(x.shape) > 2 and (bias is None or len(bias.shape) < 2)
    rows = reshape(x, shape=(dims.product(x.shape[:-1]), x.shape[-1])) if is_stack else x
    result = cast_to(wide_linear(rows, weight, bias), dtype)
    return reshape(result, shape=(*x.shape[:-1], weight.shape[0])) if is_stack else result


def wide_linear(x: Node, weight: Node, bias: Node | None = None) -> Node:
    """`linear` before it is rounded."""
    if len(weight.shape) != 2:
        raise ShapeError(f"linear: the weight is {weight.type}, expected [out, in]")
    return widened_product(x, matrix_transpose(weight), bias)
