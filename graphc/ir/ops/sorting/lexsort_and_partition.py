"""Orders by several keys, and those of which a place alone matters."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import UsageError
from graphc.ir import dims
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import normal_axis

__all__: list[str] = []

F = functions


@surface("lexsort")
def lexsort(keys: Sequence[Node] | Node, axis: int = -1) -> Node:
    """The positions along an axis that sort by the last key, and of equal ones by that before it.

    keys: tensors of one shape, in a list or along the first axis of a tensor.
    """
    rows = list(F["unstack"](keys)) if isinstance(keys, Node) else list(keys)
    if not rows or any(one.shape != rows[0].shape for one in rows):
        raise UsageError("lexsort: keys of several shapes, or none", hint="give keys of one shape")
    order: Node = F["argsort"](rows[0], axis)
    for key in rows[1:]:
        again = F["argsort"](F["take_along_axis"](key, order, axis=axis), axis)
        order = F["take_along_axis"](order, again, axis=axis)
    return order


def _require_place(name: str, x: Node, kth: int, axis: int) -> None:
    size = x.shape[normal_axis(axis, len(x.shape), name)]
    if not (dims.always_less_equal(-size, kth) and dims.always_less_equal(kth + 1, size)):
        raise UsageError(
            f"{name}: place {kth} of {size}",
            code="axis",
            hint=f"a place is -{size} to {size} - 1, for every size that a call may choose",
        )


@surface("partition")
def partition(x: Node, kth: int, axis: int = -1) -> Node:
    """`x` in an order along an axis in which no element before place `kth` is greater than it.

    Nor is one after it less. The elements are sorted, which is such an order.
    """
    _require_place("partition", x, kth, axis)
    return F["sort"](x, axis)  # type: ignore[no-any-return]


@surface("argpartition")
def argpartition(x: Node, kth: int, axis: int = -1) -> Node:
    """The positions of the elements of `partition`."""
    _require_place("argpartition", x, kth, axis)
    return F["argsort"](x, axis)  # type: ignore[no-any-return]
