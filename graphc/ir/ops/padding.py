"""Padding with a tensor's own elements: views, as all padding is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops import shape as views
from graphc.ir.ops import slicing
from graphc.ir.ops.broadcasting import normal_axis
from graphc.ir.ops.indexing import index

__all__ = ["Mode", "pad"]

Mode = Literal["constant", "reflect", "symmetric", "replicate", "edge", "circular", "wrap"]


@surface("pad")
def pad(
    x: Node, widths: DimLike | Sequence[object], value: PythonScalar = 0, mode: Mode = "constant"
) -> Node:
    """`x` with elements around it: a pair of widths (before, after) for each axis, or one for all.

    One width is that of all sides.

    mode: "constant" puts `value` there; "reflect" goes back from the border without repeating it,
    "symmetric" repeating it; "replicate" (or "edge") repeats the border; "circular" (or "wrap")
    goes on at the other end.
    """
    pairs = _pairs(x, widths)
    if any(_is_cut(width) for pair in pairs for width in pair):
        more = [tuple(0 if _is_cut(width) else width for width in pair) for pair in pairs]
        return _cut(x, pad(x, more, value, mode), pairs)
    if mode == "constant":
        before, after = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        value = bool(value) if x.dtype.kind == "bool" else value
        return slicing.pad(x, before=before, after=after, value=value)
    if mode not in _BORDERS:
        known = ", ".join(f'"{name}"' for name in ("constant", *_BORDERS))
        raise UsageError(f"pad: mode is {mode!r}", hint=f"use one of {known}")
    for axis, pair in enumerate(pairs):
        x = _padded(x, axis, *pair, mode)
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


def _padded(x: Node, axis: int, before: DimLike, after: DimLike, mode: str) -> Node:
    if before == 0 and after == 0:
        return x
    ends, more = _BORDERS[mode]
    place, size = normal_axis(axis, len(x.shape), "pad"), x.shape[axis]
    for width in (before, after):
        least = 1 if more is None else width + more
        fits = width == 0 or dims.always_less_equal(least, size)
        if not fits or not dims.always_less_equal(0, width):
            raise ShapeError(
                f'pad: {width} elements by "{mode}" on axis {axis} of {x.type}',
                hint=f"the axis needs at least {least} elements",
            )
    head, tail = ends(x, place, before, after)
    parts = [part for part, width in ((head, before), (x, 1), (tail, after)) if width != 0]
    return slicing.concat(*parts, axis=place)
