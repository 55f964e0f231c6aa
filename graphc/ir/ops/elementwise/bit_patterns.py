"""Whole numbers as rows of bits: packed, unpacked and counted."""

from __future__ import annotations

from typing import Literal

from graphc.errors import DTypeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import normal_axis
from graphc.ir.ops.conversion import cast_to

__all__: list[str] = []

F = functions

BitOrder = Literal["big", "little"]


def _last_axis(name: str, x: Node, axis: int | None) -> tuple[Node, int]:
    """`x` with an axis at its end, and where that was; flattened without one."""
    if axis is None:
        return F["flatten"](x), 0
    place = normal_axis(axis, len(x.shape), name)
    return F["moveaxis"](x, place, -1), place


def _shifts(name: str, order: str) -> Node:
    """By how much each of eight bits is shifted."""
    if order not in ("big", "little"):
        raise UsageError(f"{name}: bitorder is {order!r}", hint='use "big" or "little"')
    places = range(8) if order == "little" else range(7, -1, -1)
    return F["asarray"](list(places), dtypes.u8)  # type: ignore[no-any-return]


@surface("packbits")
def packbits(x: Node, axis: int | None = None, bitorder: BitOrder = "big") -> Node:
    """Each eight elements along an axis as the bits of a `u8`: 1 where they are not 0.

    The last ones are filled up with zeros; without an axis `x` is flattened. The first element is
    the highest bit, or with "little" the lowest.
    """
    if x.dtype.kind in ("float", "complex"):
        raise DTypeError(f"packbits: {x.type}, expected booleans or integers")
    rows, place = _last_axis("packbits", x, axis)
    size = rows.shape[-1]
    more = -size % 8 if isinstance(size, int) else 8 * ((size + 7) // 8) - size
    bits = cast_to(cast_to(rows, dtypes.bool_), dtypes.u8)
    bits = F["pad"](bits, (*((0, 0) for _ in rows.shape[1:]), (0, more)))
    eights = F["reshape"](bits, (*rows.shape[:-1], (size + more) // 8, 8))
    bytes_ = F["sum"](F["bitwise_left_shift"](eights, _shifts("packbits", bitorder)), axis=-1)
    return F["moveaxis"](cast_to(bytes_, dtypes.u8), -1, place)  # type: ignore[no-any-return]


@surface("unpackbits")
def unpackbits(
    x: Node, axis: int | None = None, count: int | None = None, bitorder: BitOrder = "big"
) -> Node:
    """The bits of `u8` along an axis, as `u8` of 0 and 1: the inverse of `packbits`.

    count: how many bits there are along the axis, cut or with zeros at the end; below 0, how many
    less than all.
    """
    if x.dtype is not dtypes.u8:
        raise DTypeError(f"unpackbits: {x.type}, expected u8")
    rows, place = _last_axis("unpackbits", x, axis)
    shifts = _shifts("unpackbits", bitorder)
    bits = F["bitwise_and"](F["bitwise_right_shift"](F["expand_dims"](rows, -1), shifts), 1)
    size = 8 * rows.shape[-1]
    flat = F["reshape"](bits, (*rows.shape[:-1], size))
    if count is not None:
        wanted = count if count >= 0 else size + count
        kept = F["index"](flat, (..., slice(0, dims.minimum(wanted, size))))
        more = wanted - kept.shape[-1]
        flat = F["pad"](kept, (*((0, 0) for _ in rows.shape[1:]), (0, more)))
    return F["moveaxis"](flat, -1, place)  # type: ignore[no-any-return]


@surface("bitwise_count")
def bitwise_count(x: Node) -> Node:
    """How many bits of the absolute value are 1, as `u8`.

    Sums of neighbouring bits, pairs and fours of them, all at once (H. Warren, "Hacker's delight",
    5-1).
    """
    if not x.dtype.is_integer:
        raise DTypeError(f"bitwise_count: {x.type}, expected integers")
    wide = x if x.dtype.kind == "unsigned" else F["abs"](cast_to(x, dtypes.i64))
    bits: Node = cast_to(wide, dtypes.u64)
    shifted, both = F["bitwise_right_shift"], F["bitwise_and"]
    bits = F["subtract"](bits, both(shifted(bits, 1), 0x5555555555555555))
    fours = 0x3333333333333333
    bits = F["add"](both(bits, fours), both(shifted(bits, 2), fours))
    bits = both(F["add"](bits, shifted(bits, 4)), 0x0F0F0F0F0F0F0F0F)
    return cast_to(shifted(F["multiply"](bits, 0x0101010101010101), 56), dtypes.u8)
