"""Ops that look at the same elements under another shape or order of axes.

They compute nothing: every one is a `View`, an index map. Strict forms take attributes in one
normal form (axes counted from 0, all of them, in order), so that equal views are one node. The
forgiving spellings are in `rearrange.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import GraphcError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.batching import shifted_axes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dims.atoms import Variable
from graphc.ir.dims.dim import LARGEST_VALUE
from graphc.ir.expr import Expr, Index, Read
from graphc.ir.node import Node
from graphc.ir.op import Op, Parameter, Refused, Sample, View, find
from graphc.ir.ops.views.flat_index import regroup
from graphc.ir.types import TensorType

__all__ = ["broadcast_to", "flip", "permute_dims", "reshape"]

Array = np.ndarray[Any, Any]
Shape = tuple[DimLike, ...]

_F32 = dtypes.f32


def divisible_hint(size: DimLike, factor: DimLike) -> str | None:
    """How to declare the one dim of a size, where a number may not divide that.

    >>> divisible_hint(dims.variable("B", 1, 8) * 6, 4)
    'declare a dim that does: dim B: 1..8 multiple of 2, or in Python dim("B", 1, 8, multiple=2)'
    """
    if not isinstance(size, Dim) or len(size.names) != 1 or not isinstance(factor, int):
        return None
    (one,) = size.names.values()
    multiple = _least_multiple(size, one, factor) if factor > 1 else None
    if multiple is None:
        return None
    return (
        f"declare a dim that does: dim {one.name}: {one.lo}..{one.hi} multiple of {multiple}, "
        f'or in Python dim("{one.name}", {one.lo}, {one.hi}, multiple={multiple})'
    )


def _least_multiple(size: Dim, one: Variable, factor: int) -> int | None:
    """What a dim must be a multiple of for `factor` to divide a size; None if nothing does."""

    def suffices(multiple: int) -> bool:
        high = max(one.hi, one.lo + multiple)
        if high > LARGEST_VALUE:
            return False
        declared = dims.variable(one.name, one.lo, high, multiple)
        return dims.divides(dims.substitute(size, {one.name: declared}, proved=False), factor)

    # Coefficients count in what the dim is a multiple of already.
    found = factor // math.gcd(factor, *(number for _, number in size.terms))
    if not suffices(one.multiple * found):
        return None
    # Powers of the dim need less.
    for part in range(2, _LARGEST_PART):
        while found % part == 0 and suffices(one.multiple * (found // part)):
            found //= part
    multiple = one.multiple * found
    has_any = one.hi // multiple * multiple >= max(one.lo, 1)
    return multiple if has_any else None


# Whoever splits by the square of a larger prime is told of the whole square.
_LARGEST_PART = 1 << 10


def sampled(*pairs: tuple[Shape, Mapping[str, Any]]) -> Iterable[Sample]:
    """One sample for each pair of an operand shape and attributes, and one in every dtype."""
    for shape, attributes in pairs:
        yield Sample((TensorType(_F32, shape),), attributes)
    shape, attributes = pairs[0]
    for dtype in dtypes.ALL:
        if dtype is not _F32:
            yield Sample((TensorType(dtype, shape),), attributes)


def refusing(
    *cases: tuple[Shape, Mapping[str, Any], type[GraphcError]],
) -> Iterable[Refused]:
    """Operand shapes that are refused, each with attributes and the error."""
    for shape, attributes, error in cases:
        yield Refused((TensorType(_F32, shape),), attributes, error)


def require_length(op: Op, what: str, values: Sequence[Any], operand: Node) -> None:
    """Refuse an attribute that has not one value for each axis of the operand."""
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
            f"{dims.shape_text(shape)} has {dims.product(shape)}",
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
    batch=lambda node, xs, size: reshape(xs[0], shape=(size, *node.shape)),
    parameters=(Parameter("shape"),),
    samples=lambda: sampled(
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
    refused=lambda: refusing(((2, 3), {"shape": (7,)}, ShapeError)),
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
    batch=lambda node, xs, size: permute_dims(xs[0], axes=(0, *(a + 1 for a in node["axes"]))),
    parameters=(Parameter("axes"),),
    samples=lambda: sampled(
        ((2, 3, 4), {"axes": (2, 0, 1)}), ((2, 0), {"axes": (1, 0)}), ((), {"axes": ()})
    ),
    refused=lambda: refusing(
        ((2, 3), {"axes": (0, 0)}, ShapeError), ((2, 3), {"axes": (0,)}, ShapeError)
    ),
    doc="Axis i of the result is axis axes[i] of the operand.",
)


# -- broadcast_to ---------------------------------------------------------------------------------


def _infer_broadcast(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    operand, shape = operands[0].tensor, tuple(attributes["shape"])
    if any(dims.always_less_equal(size, -1) for size in shape):
        raise ShapeError(
            f"{dims.shape_text(shape)} is no shape", hint="a size is a whole number of 0 or more"
        )
    kept = shape[len(shape) - operand.rank :] if operand.rank else ()
    fits = len(shape) >= operand.rank and all(
        have == 1 or dims.always_equal(have, want)
        for have, want in zip(operand.shape, kept, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"broadcast_to: {operand} does not broadcast to {dims.shape_text(shape)}",
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


def _broadcast_batch(node: Node, operands: tuple[Node, ...], size: DimLike) -> Node:
    shape = node.inputs[0].shape
    # Shapes are aligned from the right: the new axis must stay left of those that are added.
    aligned = (size, *(1,) * (len(node.shape) - len(shape)), *shape)
    return broadcast_to(reshape(operands[0], shape=aligned), shape=(size, *node.shape))


broadcast_to = Op(
    "broadcast_to",
    1,
    infer=_infer_broadcast,
    reference=lambda call, x: np.broadcast_to(x, call.shape),
    lowering=View(_broadcast_element),
    gradient=_broadcast_gradient,
    batch=_broadcast_batch,
    parameters=(Parameter("shape"),),
    samples=lambda: sampled(
        ((3, 1), {"shape": (2, 3, 4)}),
        ((), {"shape": (2, 3)}),
        ((1, 3), {"shape": (0, 3)}),
        ((1, 3), {"shape": (1, 3)}),
    ),
    refused=lambda: refusing(
        ((2, 3), {"shape": (2, 4)}, ShapeError),
        ((2, 3), {"shape": (3,)}, ShapeError),
        ((), {"shape": (2, -1)}, ShapeError),
    ),
    doc="Repeats axes of size 1, and the whole along new leading axes (NumPy's rules).",
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
    batch=shifted_axes,
    parameters=(Parameter("axes"),),
    samples=lambda: sampled(
        ((2, 3, 4), {"axes": (0, 2)}), ((0, 3), {"axes": (0,)}), ((3,), {"axes": ()})
    ),
    refused=lambda: refusing(
        ((2, 3), {"axes": (2,)}, ShapeError), ((2, 3), {"axes": (1, 0)}, ShapeError)
    ),
    doc="The elements in reverse order along the axes.",
)
