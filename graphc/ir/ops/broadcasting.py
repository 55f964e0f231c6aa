"""What the forgiving surfaces do to operands: promote dtypes, broadcast shapes, count axes."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import OutOfRangeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import number
from graphc.ir.ops.views.shape import broadcast_to

__all__ = ["Operand", "broadcast", "broadcast_shapes", "normal_axes", "normal_axis", "promoted"]

Operand = Node | bool | int | float | complex


def promoted(*operands: Operand) -> tuple[Node, ...]:
    """The operands as nodes of one dtype, by the promotion rules of the array API standard.

    A Python number takes the dtype of the tensors beside it; numbers alone are `bool`, `i64`,
    `f32` or `c64`, the last of their kinds.

    Raises:
        DTypeError: the standard gives no common dtype; the hint says which cast to write.
    """
    for operand in operands:
        if not isinstance(operand, Operand):
            raise UsageError(
                f"{operand!r} ({type(operand).__name__}) is not an operand",
                hint="use a tensor of this graph, or a Python number",
            )
    nodes = [operand for operand in operands if isinstance(operand, Node)]
    numbers = [operand for operand in operands if not isinstance(operand, Node)]
    if nodes:
        target = dtypes.promote_all(node.dtype for node in nodes)
    else:
        target = dtypes.default(max(numbers, key=_rank))
    for value in numbers:
        dtypes.promote_scalar(target, value)
    return tuple(
        cast_to(operand, target) if isinstance(operand, Node) else number(operand, target)
        for operand in operands
    )


def _rank(value: bool | int | float | complex) -> int:
    """The place of a number's type among those of Python, which promotes to the last one."""
    kinds = (bool, int, float, complex)
    return next(place for place, kind in enumerate(kinds) if isinstance(value, kind))


def broadcast_shapes(*shapes: Sequence[DimLike]) -> tuple[DimLike, ...]:
    """The shape that all of `shapes` broadcast to, by NumPy's rules.

    Aligned from the right, dims are equal or one of them is 1. Named dims are equal only where
    that is proved for every value of their names.

    Raises:
        ShapeError: two dims differ; the message names both shapes.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    result: tuple[DimLike, ...] = ()
    for shape in shapes:
        result = _broadcast_pair(result, tuple(shape))
    return result


def _broadcast_pair(a: tuple[DimLike, ...], b: tuple[DimLike, ...]) -> tuple[DimLike, ...]:
    rank = max(len(a), len(b))
    rows = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    result: list[DimLike] = []
    for x, y in rows:
        if x != 1 and y != 1 and not dims.always_equal(x, y):
            raise ShapeError(
                f"shapes {dims.shape_text(a)} and {dims.shape_text(b)} do not broadcast: "
                f"{x} meets {y}",
                hint="aligned from the right, dims must be equal or 1",
            )
        result.append(y if x == 1 else x)
    return tuple(result)


def broadcast(*nodes: Node) -> tuple[Node, ...]:
    """The nodes, each with the `broadcast_to` that gives all of them one shape."""
    shape = broadcast_shapes(*(node.shape for node in nodes))
    return tuple(node if node.shape == shape else broadcast_to(node, shape=shape) for node in nodes)


def normal_axis(axis: int, rank: int, name: str) -> int:
    """An axis counted from 0; negative ones count from the end.

    Raises:
        OutOfRangeError: there is no such axis.
    """
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise UsageError(f"{name}: {axis!r} is no axis", hint="an axis is a whole number")
    if not -rank <= axis < rank:
        raise OutOfRangeError(
            f"{name}: there is no axis {axis} in a tensor of {rank} axes",
            code="axis",
            hint=f"axes are {-rank} to {rank - 1}" if rank else "it is a single number",
        )
    return axis % rank


def normal_axes(axis: int | Sequence[int] | None, rank: int, name: str) -> tuple[int, ...]:
    """Axes in increasing order, counted from 0; None means all.

    Raises:
        ShapeError: an axis does not exist, or occurs twice.
    """
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    axes = sorted(normal_axis(one, rank, name) for one in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: an axis occurs twice in {given}", code="axis")
    return tuple(axes)
