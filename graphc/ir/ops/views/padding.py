"""Padding with a tensor's own elements: views, as all padding is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import full_like, iota
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, subtract
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views import slicing

__all__ = ["Mode", "pad"]

F = functions

Mode = Literal[
    "constant", "reflect", "symmetric", "replicate", "edge", "circular", "wrap",
    "linear_ramp", "maximum", "mean", "median", "minimum",
]  # fmt: skip


@surface("pad")
@also_named(constant_values="value", end_values="value", pad_width="widths")
def pad(
    x: Node, widths: DimLike | Sequence[object], value: PythonScalar = 0, mode: Mode = "constant"
) -> Node:
    """`x` with elements around it: a pair of widths (before, after) for each axis, or one for all.

    One width is that of all sides.

    mode: "constant" puts `value` there; "reflect" goes back from the border without repeating it,
    "symmetric" repeating it; "replicate" (or "edge") repeats the border; "circular" (or "wrap")
    goes on at the other end. "linear_ramp" goes evenly from the border to `value`; "maximum",
    "mean", "median" and "minimum" put there what the axis has.
    """
    pairs = _pairs(x, widths)
    if any(_is_cut(width) for pair in pairs for width in pair):
        more = [tuple(0 if _is_cut(width) else width for width in pair) for pair in pairs]
        return _cut(x, pad(x, more, value, mode), pairs)
    if mode == "constant":
        before, after = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        value = bool(value) if x.dtype.kind == "bool" else value
        return slicing.pad(x, before=before, after=after, value=value)
    if mode not in get_args(Mode):
        known = ", ".join(f'"{name}"' for name in get_args(Mode))
        raise UsageError(f"pad: mode is {mode!r}", hint=f"use one of {known}")
    for axis, pair in enumerate(pairs):
        x = _padded(x, axis, *pair, mode, value)
    return x


def _is_cut(width: DimLike) -> bool:
    return isinstance(width, int) and width < 0


def _cut(x: Node, padded: Node, pairs: Sequence[tuple[DimLike, DimLike]]) -> Node:
    """What is left of a padded tensor where widths are below 0."""
    parts = []
    for (before, after), size, wide in zip(pairs, x.shape, padded.shape, strict=True):
        if not dims.always_less_equal(0, size + before + after):
            raise ShapeError(f"pad: widths {before} and {after} on an axis of {size} of {x.type}")
        start, less = (-width if _is_cut(width) else 0 for width in (before, after))
        parts.append(slice(start, wide - less))
    return index(padded, tuple(parts))


@surface("constant_pad_nd")
def constant_pad(x: Node, widths: Sequence[int], value: PythonScalar = 0) -> Node:
    """Padding in PyTorch's order: (before, after) of the last axis, of the one before it, ..."""
    if len(widths) % 2 or len(widths) > 2 * len(x.shape):
        raise UsageError(f"constant_pad_nd: {len(widths)} widths for {x.type}")
    given = [tuple(widths[i : i + 2]) for i in range(0, len(widths), 2)]
    pairs = [(0, 0)] * (len(x.shape) - len(given)) + given[::-1]
    return pad(x, pairs, value)


def _pairs(x: Node, widths: object) -> list[tuple[DimLike, DimLike]]:
    """As NumPy reads widths: those of each axis, of every axis, or of every side."""
    pairs = list(widths) if isinstance(widths, list | tuple) and not _is_pair(widths) else [widths]
    if len(pairs) == 1:
        pairs *= len(x.shape)
    found = []
    for pair in pairs:
        each = pair * 2 if isinstance(pair, list | tuple) and len(pair) == 1 else pair
        each = (each, each) if _is_width(each) else each
        if isinstance(each, list | tuple) and _is_pair(each):
            found.append((each[0], each[1]))
    if len(found) != len(x.shape) or len(found) != len(pairs):
        raise UsageError(
            f"pad: widths {widths} for {x.type}",
            hint="give a pair (before, after) for each axis, one for all, or one width",
        )
    return found


def _is_width(value: object) -> bool:
    return isinstance(value, int | dims.Dim) and not isinstance(value, bool)


def _is_pair(value: Sequence[object]) -> bool:
    return len(value) == 2 and all(map(_is_width, value))


def _part(x: Node, axis: int, start: DimLike, stop: DimLike) -> Node:
    return index(x, (*(slice(None),) * axis, slice(start, stop)))


def _reflected(x: Node, axis: int, before: DimLike, after: DimLike) -> tuple[Node, Node]:
    size = x.shape[axis]
    head, tail = _part(x, axis, 1, 1 + before), _part(x, axis, size - 1 - after, size - 1)
    return views.flip(head, axes=(axis,)), views.flip(tail, axes=(axis,))


def _mirrored(x: Node, axis: int, before: DimLike, after: DimLike) -> tuple[Node, Node]:
    size = x.shape[axis]
    head, tail = _part(x, axis, 0, before), _part(x, axis, size - after, size)
    return views.flip(head, axes=(axis,)), views.flip(tail, axes=(axis,))


def _repeated(x: Node, axis: int, before: DimLike, after: DimLike) -> tuple[Node, Node]:
    size = x.shape[axis]
    ends = []
    for width, start in ((before, 0), (after, size - 1)):
        border = _part(x, axis, start, start + 1)
        shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
        ends.append(views.broadcast_to(border, shape=shape))
    return ends[0], ends[1]


def _circular(x: Node, axis: int, before: DimLike, after: DimLike) -> tuple[Node, Node]:
    size = x.shape[axis]
    return _part(x, axis, size - before, size), _part(x, axis, 0, after)


# What lies before and after, and how many more elements the axis needs than are added to an end.
_BORDERS = {
    "reflect": (_reflected, 1),
    "symmetric": (_mirrored, 0),
    "replicate": (_repeated, None),
    "edge": (_repeated, None),
    "circular": (_circular, 0),
    "wrap": (_circular, 0),
}


def _padded(
    x: Node, axis: int, before: DimLike, after: DimLike, mode: str, value: PythonScalar
) -> Node:
    if before == 0 and after == 0:
        return x
    size = x.shape[axis]
    for width in (before, after):
        if not dims.always_less_equal(0, width) or not dims.always_less_equal(1, size):
            raise ShapeError(
                f'pad: {width} elements by "{mode}" on axis {axis} of {x.type}',
                hint="the axis needs at least 1 element, and the width is 0 or more",
            )
    if mode not in _BORDERS:
        sides = ((0, before), (size - 1, after))
        head, tail = (_computed(x, axis, *side, mode, value) for side in sides)
        head = views.flip(head, axes=(axis,))
    else:
        ends, more = _BORDERS[mode]
        widths = (width for width in (before, after) if width != 0)
        if more is not None and not all(
            dims.always_less_equal(width + more, size) for width in widths
        ):
            return _going_round(x, axis, before, after, mode)
        head, tail = ends(x, axis, before, after)
    parts = [part for part, width in ((head, before), (x, 1), (tail, after)) if width != 0]
    return slicing.concat(*parts, axis=axis)


def _going_round(x: Node, axis: int, before: DimLike, after: DimLike, mode: str) -> Node:
    """Padding that is longer than the axis, element by element: the pattern has a period."""
    size = x.shape[axis]
    place = iota(shape=(before + size + after,), axis=0, dtype=dtypes.i64)
    period = {"reflect": dims.maximum(1, 2 * size - 2), "symmetric": 2 * size}.get(mode, size)
    turn = full_like(place, period)
    way: Node = F["remainder"](subtract(place, full_like(place, before)), turn)
    if mode in ("reflect", "symmetric"):
        last = full_like(place, period if mode == "reflect" else period - 1)
        way = F["minimum"](way, subtract(last, way))
    return F["take"](x, way, axis)  # type: ignore[no-any-return]


def _computed(
    x: Node, axis: int, border: DimLike, width: DimLike, mode: str, value: PythonScalar
) -> Node:
    """What follows after one border of an axis, from the inside to the outside."""
    shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
    # Means of whole numbers are computed as floats, and rounded as NumPy does it.
    wide = cast_to(x, dtypes.f64) if x.dtype.is_integer and mode not in _EXTREMES else x
    if mode == "linear_ramp":
        edge = views.broadcast_to(_part(wide, axis, border, border + 1), shape=shape)
        place = iota(shape=shape, axis=axis, dtype=wide.dtype)
        share = divide(subtract(full_like(place, width - 1), place), full_like(place, width))
        end = full_like(edge, value)
        found: Node = add(end, multiply(subtract(edge, end), share))
        rounded = "floor"
    else:
        one: Node = F[_EXTREMES.get(mode, mode)](wide, axis, keepdims=True)
        found, rounded = views.broadcast_to(one, shape=shape), "round"
    return found if wide is x else cast_to(F[rounded](found), x.dtype)


_EXTREMES = {"maximum": "max", "minimum": "min"}
