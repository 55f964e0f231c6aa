"""Conversion between dtypes: what `cast` means, and the op.

A cast is a boundary of the numerics contract: it rounds where it stands, and no pass removes it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import dtype as dtypes
from graphc.ir.batching import same_attributes
from graphc.ir.dtype import DType
from graphc.ir.expr import Convert
from graphc.ir.node import Node
from graphc.ir.op import Call, Element, Op, Parameter, Refused, Sample, find, surface
from graphc.ir.types import TensorType

__all__ = [
    "cast",
    "computed_wide",
    "converted",
    "in_accumulator",
    "require_integers",
    "rounded_once",
    "whole_numbers",
    "widened",
]

Array = np.ndarray[Any, Any]


def converted(x: Array, target: DType) -> Array:
    """`x` converted as `cast` says."""
    source = dtypes.from_numpy(x.dtype)
    if source is target:
        return x
    with np.errstate(all="ignore"):
        if target.kind == "bool":
            return np.not_equal(x, np.zeros((), x.dtype))
        if target.is_integer and source.kind in ("float", "storage"):
            return _truncated(x, target)
        if (target.bits < 32 and target.precision) and source.kind != "storage":
            return _narrowed(x, target)
        return x.astype(target.numpy)


def _truncated(x: Array, target: DType) -> Array:
    """Floats to integers: toward zero, to the nearest end of the range, NaN to zero."""
    wide = np.trunc(x.astype(np.float64))
    low, high = int(target.minimum_value), int(target.maximum_value)
    # 2**63 - 1 and 2**64 - 1 are no floats: the comparison is with the power of two above.
    over, under = wide >= float(high), wide <= float(low)
    inside = np.where(over | under | np.isnan(wide), 0.0, wide).astype(target.numpy)
    result = np.where(over, np.array(high, target.numpy), inside)
    return np.where(under, np.array(low, target.numpy), result)


def _narrowed(x: Array, target: DType) -> Array:
    """To a narrow float without rounding twice.

    The conversions of NumPy and ml_dtypes may pass through f32. Rounding to odd there keeps the
    final rounding correct (S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded
    sums: proved algorithms using rounding to odd", 2008).
    """
    if x.dtype.kind in "iu" and x.dtype.itemsize > 2:
        # An integer that does not fit the 53 bits of f64 is rounded to odd on the way as well.
        wide = _to_odd(x, np.float64)
    else:
        wide = x.astype(np.float64)
    return _to_odd(wide, np.float32).astype(target.numpy)


def _to_odd(x: Array, float_type: type[np.floating[Any]]) -> Array:
    """`x` as a narrower float: exact, or the neighbour whose last bit is set."""
    near = x.astype(float_type)
    bits = near.view(np.uint64 if float_type is np.float64 else np.uint32)
    is_even = bits % 2 == 0
    if x.dtype.kind in "iu":
        # Compared as integers; the neighbour 2**63 or 2**64 itself is above every one of them.
        limit = 2.0 ** (x.dtype.itemsize * 8 - (x.dtype.kind == "i"))
        clipped = near >= limit
        back = np.where(clipped, 0, near).astype(x.dtype)
        above, below = clipped | (back > x), ~clipped & (back < x)
    else:
        above, below = near.astype(x.dtype) > x, near.astype(x.dtype) < x
    inexact = (above | below) & is_even & np.isfinite(near)
    neighbour = np.nextafter(near, np.where(above, -np.inf, np.inf).astype(float_type))
    return np.where(inexact, neighbour, near)


def _reference(call: Call, x: Array) -> Array:
    declared, target = call.operands[0], call["dtype"]
    assert isinstance(declared, TensorType)
    if x.dtype != declared.dtype.numpy and _holds(target, declared.dtype):
        # A precise evaluation carries more digits than the dtypes say, and keeps them.
        return x.astype(call.dtype.numpy, copy=False)
    return converted(x, target)


def _holds(target: DType, source: DType) -> bool:
    """Whether every value of one float dtype is a value of another."""
    is_wide = source.precision <= target.precision and source.max_exponent <= target.max_exponent
    return bool(source.precision) and is_wide


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    operand, target = operands[0].tensor, attributes["dtype"]
    if operand.dtype.kind == "complex" and target.kind not in ("complex", "bool"):
        raise DTypeError(
            f"cast: {operand} to {target.name} would drop the imaginary part",
            hint="say which part: cast(real(x), ...)",
        )
    return TensorType(target, operand.shape)


def _gradient(node: Node, g: Node) -> tuple[Node | None]:
    source, target = node.inputs[0].dtype, node.dtype
    if not source.precision or not target.precision:
        return (None,)
    if source.kind != "complex" and target.kind == "complex":
        g = find("real")(g)
    return (g if g.dtype is source else cast(g, dtype=source),)


def _samples() -> Iterable[Sample]:
    for source in dtypes.ALL:
        for target in dtypes.ALL:
            if source.kind != "complex" or target.kind in ("complex", "bool"):
                smooth = _holds(target, source)
                operand = TensorType(source, (2, 5))
                yield Sample((operand,), {"dtype": target}, (-300.0, 300.0), smooth)


cast = Op(
    "cast",
    1,
    infer=_infer,
    reference=_reference,
    lowering=Element(
        lambda node, index, read: Convert(read(0, index), node.dtype), cheap=True, in_place=True
    ),
    gradient=_gradient,
    batch=same_attributes,
    parameters=(Parameter("dtype"),),
    samples=_samples,
    refused=lambda: (Refused((TensorType(dtypes.c64, (2,)),), {"dtype": dtypes.f32}, DTypeError),),
    doc="x in another dtype. To floats: to the nearest, ties to even. From floats to integers: "
    "toward zero, beyond the range its nearest end, NaN gives 0. Between integers: modulo 2**n. "
    "To bool: whether it is not zero. Never removed by a pass.",
)


@surface("cast")
def cast_to(x: Node, dtype: DType) -> Node:
    """`x` in another dtype; `x` itself where it has that dtype already."""
    return x if x.dtype is dtype else cast(x, dtype=dtype)


def require_integers(name: str, what: str, x: Node) -> None:
    """Refuse floats, which would be cut, and masks, which would count as 0 and 1.

    Raises:
        DTypeError: `x` has no dtype of integers.
    """
    if not x.dtype.is_integer:
        raise DTypeError(
            f"{name}: the {what} are {x.type}, expected integers",
            hint=f"cast({what}, i64); choose by a mask with where(mask, x, y)",
        )


def whole_numbers(name: str, what: str, x: Node) -> Node:
    """Integers in 64 bits.

    Raises:
        DTypeError: `x` has no dtype of integers.
    """
    require_integers(name, what, x)
    return cast_to(x, dtypes.i64)


def widened(x: Node) -> Node:
    """`x` in f32 where it is f16 or bf16."""
    is_narrow = x.dtype.kind == "float" and x.dtype.accumulator is not x.dtype
    return cast_to(x, x.dtype.accumulator) if is_narrow else x


_P = ParamSpec("_P")
_R = TypeVar("_R")


def rounded_once(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator of a composition: of f16 or bf16 it computes in f32, and rounds its results alone.

    Their dtypes are those that the composition has of the operands as they are.
    """

    @functools.wraps(function)
    def compute(*operands: _P.args, **named: _P.kwargs) -> _R:
        plain = function(*operands, **named)
        given = [operands, list(named.values())]
        wide = _each_node(widened, given)
        if wide == given:
            return plain
        function_of_any: Callable[..., Any] = function
        result = function_of_any(*wide[0], **dict(zip(named, wide[1], strict=True)))
        return _each_node(lambda x, like: cast_to(x, like.dtype), result, plain)  # type: ignore[no-any-return]

    return compute


def _each_node(change: Callable[..., Node], tree: Any, *others: Any) -> Any:
    """The lists and tuples of `tree` around what becomes of its nodes, and of those of others."""
    if isinstance(tree, Node):
        return change(tree, *others)
    if not isinstance(tree, list | tuple):
        return tree
    parts = [_each_node(change, *beside) for beside in zip(tree, *others, strict=True)]
    return parts if isinstance(tree, list) else tuple(parts)


def in_accumulator(expand: Callable[[Node, Node], Node]) -> Callable[[Node], Node]:
    """An expansion that computes in the accumulator's dtype: `expand(node, wide operand)`."""

    def expanded(node: Node) -> Node:
        x = node.inputs[0]
        return cast_to(expand(node, cast_to(x, x.dtype.accumulator)), node.dtype)

    return expanded


def computed_wide(compute: Callable[..., Array]) -> Callable[..., Array]:
    """A reference that is given its operand in the accumulator's dtype, and rounded once."""

    def reference(call: Call, x: Array, *others: Array) -> Array:
        wide = x.astype(dtypes.from_numpy(x.dtype).accumulator.numpy, copy=False)
        with np.errstate(all="ignore"):
            return np.asarray(compute(call, wide, *others)).astype(call.dtype.numpy, copy=False)

    return reference
