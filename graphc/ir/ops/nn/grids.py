"""Sampling at places that are data: grids, and lines between elements at them.

M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial Transformer Networks" (2015).
Coordinates run from -1 to 1 across an image, the last axis of the image first.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import dim_value

__all__: list[str] = []

F = functions
Padding = Literal["zeros", "border", "reflection"]


@surface("affine_grid")
@rounded_once
def affine_grid(theta: Node, size: Sequence[DimLike], align_corners: bool = False) -> Node:
    """The places [N, *spatial, axes] to which matrices `theta` [N, axes, axes + 1] move a grid.

    Args:
        theta: one affine map for each image.
        size: [N, C, H, W] or [N, C, D, H, W] of the images to sample for.
        align_corners: whether -1 and 1 are the centres of the outer elements, not their edges.

    Raises:
        ShapeError: other shapes.
    """
    rank = len(size) - 2
    if rank not in (2, 3) or theta.shape[1:] != (rank, rank + 1):
        raise ShapeError(
            f"affine_grid: maps {theta.type} for images of {len(size)} axes",
            hint="give [N, 2, 3] and [N, C, H, W], or [N, 3, 4] and [N, C, D, H, W]",
        )
    spatial = tuple(size[2:])
    axes = []
    for axis in reversed(range(rank)):
        count = spatial[axis]
        place = F["cast"](F["arange"](count), theta.dtype)
        extent = dim_value(dim=count, dtype=theta.dtype)
        if align_corners:
            steps = F["maximum"](F["subtract"](extent, 1), 1)
            along = F["subtract"](F["divide"](F["multiply"](place, 2), steps), 1)
            # The one element of an axis lies in its middle.
            along = F["where"](F["equal"](extent, 1), 0.0, along)
        else:
            odd = F["add"](F["multiply"](place, 2), 1)
            along = F["subtract"](F["divide"](odd, extent), 1)
        shape = tuple(count if other == axis else 1 for other in range(rank))
        axes.append(F["broadcast_to"](F["reshape"](along, *shape), spatial))
    one = F["ones_like"](axes[0])
    points = F["reshape"](F["stack"]([*axes, one], axis=-1), -1, rank + 1)
    moved = F["matmul"](points, F["matrix_transpose"](theta))
    grid: Node = F["reshape"](moved, theta.shape[0], *spatial, rank)
    return grid


@surface("grid_sample")
@rounded_once
def grid_sample(
    x: Node,
    grid: Node,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    padding_mode: Padding = "zeros",
    align_corners: bool = False,
) -> Node:
    """The images `x` [N, C, H, W] at places [N, ..., 2]; or [N, C, D, H, W] at [N, ..., 3].

    Args:
        x: floats.
        grid: of the places of each image; -1 and 1 are its edges.
        mode: lines between the nearest elements, or the nearest element (ties to even).
        padding_mode: what lies outside: zeros, the nearest element, or the image reflected.
        align_corners: whether -1 and 1 are the centres of the outer elements, not their edges.

    Raises:
        ShapeError, UsageError: other shapes, or an unknown mode.
    """
    rank = len(x.shape) - 2
    fits = rank in (2, 3) and len(grid.shape) == rank + 2 and grid.shape[-1] == rank
    if not fits or not dims.always_equal(x.shape[0], grid.shape[0]):
        raise ShapeError(
            f"grid_sample: images {x.type} at places {grid.type}",
            hint="give [N, C, H, W] and [N, H', W', 2], or [N, C, D, H, W] and [N, D', H', W', 3]",
        )
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border", "reflection"):
        raise UsageError(
            f"grid_sample: mode {mode!r}, padding {padding_mode!r}",
            hint='modes are "bilinear" and "nearest"; paddings "zeros", "border" and "reflection"',
        )
    places = []
    for axis in range(rank):
        coordinate = F["index"](grid, (..., rank - 1 - axis))
        extent = dim_value(dim=x.shape[2 + axis], dtype=grid.dtype)
        place = _unnormalised(coordinate, extent, align_corners)
        if padding_mode == "reflection":
            place = _reflected(place, extent, align_corners)
        if padding_mode != "zeros":
            place = F["clip"](place, 0.0, F["subtract"](extent, 1.0))
        places.append(F["reshape"](place, x.shape[0], -1))
    if mode == "nearest":
        sampled = _at(x, [F["round"](place) for place in places])
    else:
        sampled = _between(x, places)
    result: Node = F["reshape"](sampled, *x.shape[:2], *grid.shape[1:-1])
    return result


def _unnormalised(coordinate: Node, extent: Node, align_corners: bool) -> Node:
    if align_corners:
        scale = F["multiply"](F["subtract"](extent, 1.0), 0.5)
        aligned: Node = F["multiply"](F["add"](coordinate, 1.0), scale)
        return aligned
    edges = F["multiply"](F["add"](coordinate, 1.0), extent)
    place: Node = F["multiply"](F["subtract"](edges, 1.0), 0.5)
    return place


def _reflected(place: Node, extent: Node, align_corners: bool) -> Node:
    """The place in an image that is reflected at its edges, or at its outer centres."""
    low = 0.0 if align_corners else -0.5
    span = F["subtract"](extent, 1.0) if align_corners else extent
    safe = F["maximum"](span, 1.0)
    distance = F["abs"](F["subtract"](place, low))
    turns = F["floor"](F["divide"](distance, safe))
    rest = F["subtract"](distance, F["multiply"](turns, safe))
    is_turned = F["not_equal"](F["remainder"](turns, 2.0), 0.0)
    inside = F["where"](is_turned, F["subtract"](safe, rest), rest)
    reflected: Node = F["where"](F["equal"](span, 0.0), 0.0, F["add"](inside, low))
    return reflected


def _between(x: Node, places: Sequence[Node]) -> Node:
    """Lines between the elements around each place."""
    floors = [F["floor"](place) for place in places]
    total: Node | None = None
    for corner in itertools.product((0, 1), repeat=len(places)):
        weight: Node | None = None
        for offset, place, floor in zip(corner, places, floors, strict=True):
            part = F["subtract"](place, floor)
            part = part if offset else F["subtract"](1.0, part)
            weight = part if weight is None else F["multiply"](weight, part)
        value = _at(x, [F["add"](f, float(o)) for f, o in zip(floors, corner, strict=True)])
        assert weight is not None
        term = F["multiply"](value, cast_to(F["expand_dims"](weight, 1), x.dtype))
        total = term if total is None else F["add"](total, term)
    assert total is not None
    return total


def _at(x: Node, places: Sequence[Node]) -> Node:
    """The elements [N, C, P] at whole places, of which each axis has [N, P]; 0 outside."""
    spatial = x.shape[2:]
    flat: Node | None = None
    inside: Node | None = None
    for place, extent in zip(places, spatial, strict=True):
        last = F["subtract"](dim_value(dim=extent, dtype=place.dtype), 1.0)
        here = F["logical_and"](F["greater_equal"](place, 0.0), F["less_equal"](place, last))
        inside = here if inside is None else F["logical_and"](inside, here)
        number = cast_to(F["clip"](place, 0.0, last), dtypes.i64)
        count = dim_value(dim=extent, dtype=dtypes.i64)
        flat = number if flat is None else F["add"](F["multiply"](flat, count), number)
    assert flat is not None and inside is not None
    rows = F["reshape"](x, *x.shape[:2], -1)
    shape = (*x.shape[:2], flat.shape[1])
    index = F["broadcast_to"](F["expand_dims"](flat, 1), shape)
    found = F["take_along_axis"](rows, index, axis=2)
    value: Node = F["where"](F["expand_dims"](inside, 1), found, 0.0)
    return value
