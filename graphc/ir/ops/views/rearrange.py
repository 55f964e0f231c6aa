"""The forgiving spellings of the views: those of the array API and those of PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast_shapes, normal_axes, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to, require_integers
from graphc.ir.ops.indexing.getitem import Item, index
from graphc.ir.ops.views import shape as views
from graphc.ir.ops.views import slicing

__all__ = [
    "concat",
    "expand_dims",
    "flatten",
    "moveaxis",
    "permute_dims",
    "reshape",
    "squeeze",
    "stack",
    "transpose",
]


def _flattened(first: Any, others: tuple[Any, ...]) -> tuple[Any, ...]:
    """`f(x, 2, 3)` and `f(x, (2, 3))` mean the same."""
    if not others and isinstance(first, list | tuple):
        return tuple(first)
    return (first, *others)


# -- shape and order of axes ----------------------------------------------------------------------


@surface("reshape", "view")
def reshape(
    x: Node, shape: DimLike | Sequence[DimLike] = (), *sizes: DimLike, copy: bool | None = None
) -> Node:
    """`x` under another shape; one dim may be -1, and is what the others leave.

    `copy` is an argument of the array API standard, and matters to arrays alone.

    Raises:
        ShapeError: the sizes differ, or the dim for -1 is not determined.
    """
    target = list(_flattened(shape, sizes))
    unknown = [axis for axis, size in enumerate(target) if isinstance(size, int) and size < 0]
    if any(target[axis] != -1 for axis in unknown) or len(unknown) > 1:
        raise ShapeError(
            f"reshape: {dims.shape_text(target)} is no shape", hint="one dim at most may be -1"
        )
    if unknown:
        rest = dims.product(size for size in target if not _is_unknown(size))
        if dims.bounds(rest)[0] < 1 or not dims.divides(x.tensor.size, rest):
            raise ShapeError(
                f"reshape: {x.type} to {dims.shape_text(target)}: {x.tensor.size} elements do "
                f"not split by {rest}",
                hint=views.divisible_hint(x.tensor.size, rest) or "write out the dim that is -1",
            )
        target[unknown[0]] = x.tensor.size // rest
    wanted = tuple(target)
    return x if wanted == x.shape else views.reshape(x, shape=wanted)


def _is_unknown(size: DimLike) -> bool:
    return isinstance(size, int) and size == -1


@surface("permute_dims", "permute")
def permute_dims(x: Node, axes: int | Sequence[int] = (), *others: int) -> Node:
    """Axis i of the result is axis axes[i] of `x`."""
    rank = len(x.shape)
    order = tuple(normal_axis(axis, rank, "permute_dims") for axis in _flattened(axes, others))
    return x if order == tuple(range(rank)) else views.permute_dims(x, axes=order)


@surface("transpose", "swapaxes")
@also_named(dim0="axis1", dim1="axis2")
def transpose(x: Node, axis1: int | None = None, axis2: int | None = None) -> Node:
    """Two axes exchanged; without axes, all of them in reverse order."""
    rank = len(x.shape)
    if axis1 is None or axis2 is None:
        if axis1 is not axis2:
            raise UsageError("transpose takes two axes, or none", code="argument-count")
        return permute_dims(x, *reversed(range(rank)))
    a, b = (normal_axis(axis, rank, "transpose") for axis in (axis1, axis2))
    order = list(range(rank))
    order[a], order[b] = b, a
    return permute_dims(x, *order)


@surface("moveaxis", "movedim")
def moveaxis(x: Node, source: int | Sequence[int], destination: int | Sequence[int]) -> Node:
    """The axes `source` at the places `destination`; the others keep their order."""
    rank = len(x.shape)
    pair = [(given,) if isinstance(given, int) else tuple(given) for given in (source, destination)]
    moved, places = ([normal_axis(axis, rank, "moveaxis") for axis in axes] for axes in pair)
    if len(moved) != len(places) or len(set(moved)) < len(moved) or len(set(places)) < len(places):
        raise ShapeError(f"moveaxis: axes {pair[0]} to {pair[1]} of {x.type}", code="axis")
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, *order)


@surface("rollaxis")
def rollaxis(x: Node, axis: int, start: int = 0) -> Node:
    """`x` with an axis moved before the one that stands at `start`."""
    rank = len(x.shape)
    place = normal_axis(axis, rank, "rollaxis")
    stop = rank if start == rank else normal_axis(start, rank, "rollaxis")
    return moveaxis(x, place, stop - (place < stop))


@surface("expand_dims", "unsqueeze")
def expand_dims(x: Node, axis: int | Sequence[int]) -> Node:
    """New axes of size 1 at the places `axis` of the result."""
    count = 1 if isinstance(axis, int) else len(axis)
    places = normal_axes(axis, len(x.shape) + count, "expand_dims")
    old = iter(x.shape)
    rank = len(x.shape) + count
    return reshape(x, *(1 if place in places else next(old) for place in range(rank)))


@surface("squeeze")
def squeeze(x: Node, axis: int | Sequence[int] | None = None) -> Node:
    """`x` without axes of size 1: those given (which must be 1), or all."""
    if axis is None:
        axes = tuple(place for place, size in enumerate(x.shape) if size == 1)
    else:
        axes = normal_axes(axis, len(x.shape), "squeeze")
    for place in axes:
        if x.shape[place] != 1:
            raise ShapeError(f"squeeze: axis {place} of {x.type} is {x.shape[place]}, not 1")
    return reshape(x, *(size for place, size in enumerate(x.shape) if place not in axes))


@surface("flatten")
@also_named(start_dim="start_axis", end_dim="end_axis")
def flatten(x: Node, start_axis: int = 0, end_axis: int = -1) -> Node:
    """The axes from `start_axis` to `end_axis`, both included, as one."""
    if not x.shape:
        return reshape(x, 1)
    rank = len(x.shape)
    first, last = (normal_axis(axis, rank, "flatten") for axis in (start_axis, end_axis))
    if first > last:
        raise ShapeError(f"flatten: axis {first} comes after axis {last}", code="axis")
    merged = dims.product(x.shape[first : last + 1])
    return reshape(x, *x.shape[:first], merged, *x.shape[last + 1 :])


@surface("unflatten")
def unflatten(x: Node, axis: int, sizes: Sequence[DimLike]) -> Node:
    """One axis as several of `sizes`, of which one may be -1."""
    place = normal_axis(axis, len(x.shape), "unflatten")
    known = dims.product(size for size in sizes if not _is_unknown(size))
    whole = x.shape[place]
    if not any(map(_is_unknown, sizes)) and dims.always_equal(known, whole):
        return reshape(x, *x.shape[:place], *sizes, *x.shape[place + 1 :])
    if dims.bounds(known)[0] < 1 or not dims.divides(x.shape[place], known):
        raise ShapeError(
            f"unflatten: axis {place} of {x.type} is {x.shape[place]}, which does not split by "
            f"{known}",
            hint=views.divisible_hint(x.shape[place], known),
        )
    split = (x.shape[place] // known if _is_unknown(size) else size for size in sizes)
    return reshape(x, *x.shape[:place], *split, *x.shape[place + 1 :])


@surface("broadcast_to", "expand")
def broadcast_to(x: Node, shape: DimLike | Sequence[DimLike] = (), *sizes: DimLike) -> Node:
    """`x` repeated to `shape`; -1 keeps the dim of `x`."""
    wanted = _flattened(shape, sizes)
    new = len(wanted) - len(x.shape)
    target = tuple(
        x.shape[place - new] if _is_unknown(size) and place >= new else size
        for place, size in enumerate(wanted)
    )
    return x if target == x.shape else views.broadcast_to(x, shape=target)


# -- joining, repeating ------------------------------------------------------------------


@surface("expand_as")
def expand_as(x: Node, other: Node) -> Node:
    """`x` repeated to the shape of another tensor."""
    return broadcast_to(x, *other.shape)


@surface("reshape_as", "view_as")
def reshape_as(x: Node, other: Node) -> Node:
    """The elements in the shape of another tensor."""
    return reshape(x, *other.shape)


@surface("concat", "cat", "concatenate")
def concat(tensors: Sequence[Node], axis: int | None = 0, *, dtype: DType | None = None) -> Node:
    """The tensors one after another along an axis; None flattens first.

    They are promoted to one dtype, or cast to the given one.
    """
    if not tensors:
        raise UsageError("concat takes one tensor at least", code="argument-count")
    nodes = promoted(*(tensors if dtype is None else [cast_to(one, dtype) for one in tensors]))
    if axis is None:
        return slicing.concat(*(flatten(node) for node in nodes), axis=0)
    return slicing.concat(*nodes, axis=normal_axis(axis, len(nodes[0].shape), "concat"))


@surface("stack")
def stack(tensors: Sequence[Node], axis: int = 0, *, dtype: DType | None = None) -> Node:
    """The tensors, of one shape, along a new axis; of dtypes as for `concat`.

    Raises:
        ShapeError: the shapes differ.
    """
    for one in tensors:
        if one.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: {tensors[0].type} and {one.type}",
                hint="give tensors of one shape; concat joins them along an axis that they have",
            )
    return concat([expand_dims(tensor, axis) for tensor in tensors], axis, dtype=dtype)


@surface("split", "split_with_sizes")
def split(x: Node, size: DimLike | Sequence[DimLike], axis: int = 0) -> tuple[Node, ...]:
    """Pieces of `size` along an axis (the last may be shorter), or pieces of the given sizes.

    Raises:
        ShapeError: the sizes are not those of the axis, or the number of pieces of one size
            differs from call to call.
    """
    place = normal_axis(axis, len(x.shape), "split")
    total = x.shape[place]
    if isinstance(size, int | Dim):
        size = _sizes_of_pieces(x, place, size)
    if not dims.always_equal(sum(size), total):
        raise ShapeError(
            f"split: sizes {dims.shape_text(size)} of axis {place} of {x.type}",
            hint=f"their sum is {sum(size)}, that of the axis {total}",
        )
    pieces: list[Node] = []
    start: DimLike = 0
    for one in size:
        before: tuple[Item, ...] = (slice(None),) * place
        pieces.append(index(x, (*before, slice(start, start + one))))
        start += one
    return tuple(pieces)


def _sizes_of_pieces(x: Node, axis: int, size: DimLike) -> list[DimLike]:
    total = x.shape[axis]
    count = dims.ceil_div(total, size) if dims.always_less_equal(1, size) else None
    if not isinstance(count, int):
        raise ShapeError(
            f"split: axis {axis} of {x.type} in pieces of {size}",
            hint="their number would differ from call to call; give the size of each piece, or "
            "take chunk(x, 3) of an axis of a fixed size"
            if count is not None
            else "a piece has one element at least",
        )
    return [*[size] * (count - 1), total - (count - 1) * size] if count else []


@surface("flip")
def flip(x: Node, axis: int | Sequence[int] | None = None) -> Node:
    """The elements in reverse order along axes (all by default)."""
    return views.flip(x, axes=normal_axes(axis, len(x.shape), "flip"))


@surface("roll")
def roll(
    x: Node, shift: DimLike | Sequence[DimLike], axis: int | Sequence[int] | None = None
) -> Node:
    """The elements moved `shift` places along axes, what leaves at the end enters at the start."""
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), *x.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int | Dim) else tuple(shift)
    if len(axes) != len(shifts):
        raise UsageError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for by, place in zip(shifts, axes, strict=True):
        at = normal_axis(place, len(x.shape), "roll")
        if x.shape[at] != 0:
            # An axis that may be empty is rolled by nothing where it is.
            cut = -by % dims.maximum(1, x.shape[at])
            before: tuple[Item, ...] = (slice(None),) * at
            tail, head = index(x, (*before, slice(cut, None))), index(x, (*before, slice(0, cut)))
            x = slicing.concat(tail, head, axis=at)
    return x


@surface("tile")
def tile(x: Node, repetitions: DimLike | Sequence[DimLike] = (), *others: DimLike) -> Node:
    """`x` repeated as a whole: repetitions[i] times along axis i, aligned from the right."""
    counts = _flattened(repetitions, others)
    counts = (1,) * (len(x.shape) - len(counts)) + counts
    sizes = (1,) * (len(counts) - len(x.shape)) + x.shape
    paired = [size for pair in zip(counts, sizes, strict=True) for size in pair]
    spread = [size for own in sizes for size in (1, own)]
    whole = [count * size for count, size in zip(counts, sizes, strict=True)]
    return reshape(broadcast_to(reshape(x, *spread), *paired), *whole)


@surface("repeat", "repeat_interleave")
@also_named(total_repeat_length="output_size")
def repeat(
    x: Node, repeats: DimLike | Node, axis: int | None = None, output_size: DimLike | None = None
) -> Node:
    """Each element `repeats` times in a row along an axis (of `x` flattened by default).

    A vector says it for each element; then `output_size` is how many there are in the result,
    which cannot depend on data: the rest is left out, or is 0.

    Raises:
        UsageError: a vector without `output_size`.
    """
    if axis is None:
        return repeat(flatten(x), repeats, 0, output_size)
    place = normal_axis(axis, len(x.shape), "repeat")
    if isinstance(repeats, Node):
        return _repeated_by_data(x, repeats, place, output_size)
    wide = expand_dims(x, place + 1)
    target = (*wide.shape[: place + 1], repeats, *wide.shape[place + 2 :])
    merged = (*x.shape[:place], x.shape[place] * repeats, *x.shape[place + 1 :])
    return reshape(broadcast_to(wide, *target), *merged)


def _repeated_by_data(x: Node, repeats: Node, axis: int, size: DimLike | None) -> Node:
    if size is None:
        raise UsageError(
            "repeat: the shape of the result depends on data, and shapes are known before a run",
            code="data-dependent-shape",
            hint="give the size of the result: repeat(x, repeats, output_size=n)",
        )
    require_integers("repeat", "repeats", repeats)
    if repeats.shape != (x.shape[axis],):
        raise ShapeError(f"repeat: {repeats.type} for axis {axis} of {x.type}")
    # An element stands before the first place that the sum of repeats so far does not reach.
    ends = functions["cumsum"](repeats, 0)
    counter = functions["arange"](size, dtype=ends.dtype)
    places = functions["searchsorted"](ends, counter, right=True)
    return functions["take"](x, places, axis)  # type: ignore[no-any-return]


@surface("broadcast_arrays", "broadcast_tensors")
def broadcast_arrays(*tensors: Node) -> tuple[Node, ...]:
    """The tensors repeated to the shape that all of them broadcast to."""
    shape = broadcast_shapes(*(tensor.shape for tensor in tensors))
    return tuple(broadcast_to(tensor, *shape) for tensor in tensors)
