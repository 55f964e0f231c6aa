"""Convolutions over one, two and three axes, as matrix products with windows.

What networks call a convolution is a correlation: y[n, o, p] = sum[c, k] x[n, c, stride*p +
dilation*k - padding] * w[o, c, k]. Windows are views, so the product reads `x` where it lies and
its gradients are products too: the transposed convolution is the adjoint, which sums overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.argument_names import offer
from graphc.ir.ops.broadcasting import broadcast, promoted
from graphc.ir.ops.contraction.matmul import matrix_transpose, widened_product
from graphc.ir.ops.conversion import cast_to, rounded_once, widened
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.views import slicing
from graphc.ir.ops.views.shape import permute_dims, reshape
from graphc.ir.ops.views.window import overlap_add, window
from graphc.ir.record import Record

__all__ = ["Widths", "convolution", "per_axis", "transposed_convolution", "widths_of"]

Widths = int | Sequence[int]


def per_axis(name: str, what: str, value: Widths, rank: int, least: int) -> tuple[int, ...]:
    """A whole number for each spatial axis: one for all of them, or as many as there are.

    Raises:
        UsageError: another number of them, or one below `least`.

    >>> per_axis("conv2d", "stride", 2, rank=2, least=1)
    (2, 2)
    """
    given = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(given) == 1:
        given *= rank
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in given)
    if len(given) != rank or not whole or min(given) < least:
        raise UsageError(
            f"{name}: {what} is {value!r}",
            code="window",
            hint=f"give a whole number of {least} or more, or {rank} of them",
        )
    return given


def widths_of(
    name: str,
    padding: Widths | str,
    size: Sequence[DimLike],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[tuple[DimLike, DimLike], ...]:
    """How much to pad each spatial axis, before and after.

    "valid" pads nothing; "same" gives results of the operand's size, and pads one more after than
    before where the sum is odd.
    """
    rank = len(size)
    if not isinstance(padding, str):
        return tuple((one, one) for one in per_axis(name, "padding", padding, rank, 0))
    if padding == "valid":
        return ((0, 0),) * rank
    if padding != "same":
        raise UsageError(
            f'{name}: padding is "{padding}"', hint='use "valid", "same" or whole numbers'
        )
    if any(step != 1 for step in stride):
        raise UsageError(
            f'{name}: padding "same" with a stride of {tuple(stride)}',
            hint='"same" is for a stride of 1; give the padding as numbers',
        )
    total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    return tuple((one // 2, one - one // 2) for one in total)


def padded(x: Node, widths: Sequence[tuple[DimLike, DimLike]], value: float | int = 0) -> Node:
    """`x` with `value` around its last axes."""
    if all(pair == (0, 0) for pair in widths):
        return x
    lead = (0,) * (len(x.shape) - len(widths))
    before, after = ((*lead, *(pair[side] for pair in widths)) for side in (0, 1))
    return slicing.pad(x, before=before, after=after, value=value)


class _Sizes(Record):
    """The operands of a convolution in their parts; spatial sizes are those of the filter."""

    groups: int
    inside: DimLike
    outside: DimLike
    spatial: tuple[DimLike, ...]

    @property
    def taps(self) -> DimLike:
        return dims.product(self.spatial)


def _batched(name: str, x: Node, rank: int) -> tuple[Node, bool]:
    """`x` with a batch axis, and whether that was added."""
    if len(x.shape) == rank + 2:
        return x, False
    if len(x.shape) == rank + 1:
        return reshape(x, shape=(1, *x.shape)), True
    axes = ", ".join("DHW"[3 - rank :])
    raise ShapeError(
        f"{name}: the operand is {x.type}, expected [N, C, {axes}] or [C, {axes}]", code="rank"
    )


def _require_channels(
    name: str, x: Node, weight: Node, groups: int, expected: DimLike, divided: DimLike
) -> None:
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise UsageError(f"{name}: groups is {groups!r}", hint="a whole number of 1 or more")
    if not dims.divides(divided, groups) or not dims.always_equal(x.shape[1], expected):
        raise ShapeError(
            f"{name}: {x.shape[1]} channels in {groups} groups do not fit the weight "
            f"{weight.type}, which takes {expected}",
            hint="the operand is [N, channels, ...]; see the order of the weight's axes",
        )


def _require_bias(name: str, bias: Node | None, channels: DimLike) -> None:
    if bias is None:
        return
    if len(bias.shape) != 1 or not dims.always_equal(bias.shape[0], channels):
        raise ShapeError(f"{name}: the bias is {bias.type}, expected [{channels}]")


def _with_bias(y: Node, bias: Node | None, dtype: DType) -> Node:
    """Sums [N, O, ...] of products of `dtype` with their bias, rounded after it."""
    if bias is None:
        return cast_to(y, dtype)
    column = reshape(bias, shape=(bias.shape[0], *(1,) * (len(y.shape) - 2)))
    total = add(*broadcast(*promoted(y, widened(column))))
    return cast_to(total, dtypes.promote(dtype, bias.dtype))


def convolution(
    name: str,
    rank: int,
    x: Node,
    weight: Node,
    bias: Node | None,
    stride: Widths,
    padding: Widths | str,
    dilation: Widths,
    groups: int,
) -> Node:
    """The convolution of `x` [N, C, ...] with `weight` [O, C/groups, ...] over `rank` axes."""
    x, weight = promoted(x, weight)
    x, alone = _batched(name, x, rank)
    if len(weight.shape) != rank + 2:
        raise ShapeError(f"{name}: the weight is {weight.type}, expected {rank + 2} axes")
    _require_channels(name, x, weight, groups, weight.shape[1] * groups, weight.shape[0])
    require_computable(name, x.dtype)
    steps = per_axis(name, "stride", stride, rank, 1)
    apart = per_axis(name, "dilation", dilation, rank, 1)
    sizes = _Sizes(groups, weight.shape[1], weight.shape[0] // groups, weight.shape[2:])
    x = padded(x, widths_of(name, padding, sizes.spatial, steps, apart))
    # The last axis first: the gradient then sums overlaps of whole rows before those within one.
    for axis in reversed(range(rank)):
        x = window(x, 2 + axis, sizes.spatial[axis], steps[axis], apart[axis])
    _require_bias(name, bias, weight.shape[0])
    product = _depthwise if sizes.inside == 1 else _product
    y = product(x, weight, bias, sizes)
    return reshape(y, shape=y.shape[1:]) if alone else y


def _split(windows: Node, sizes: _Sizes) -> tuple[Node, list[int], list[int]]:
    """[N, groups, channels, place, tap, place, tap, ...], and the axes of places and of taps."""
    shape = (windows.shape[0], sizes.groups, sizes.inside, *windows.shape[2:])
    rank = len(sizes.spatial)
    places = [3 + 2 * axis for axis in range(rank)]
    return reshape(windows, shape=shape), places, [place + 1 for place in places]


def _product(windows: Node, weight: Node, bias: Node | None, sizes: _Sizes) -> Node:
    """Rows are the places of all pictures, columns the channels of the result."""
    x, places, taps = _split(windows, sizes)
    batch, groups = x.shape[0], sizes.groups
    where = tuple(x.shape[place] for place in places)
    rows, depth = batch * dims.product(where), sizes.inside * sizes.taps
    x = permute_dims(x, axes=(1, 0, *places, 2, *taps))
    left = reshape(x, shape=(groups, rows, depth) if groups > 1 else (rows, depth))
    filters = (groups, sizes.outside, depth) if groups > 1 else (sizes.outside, depth)
    right = matrix_transpose(reshape(weight, shape=filters))
    dtype = x.dtype
    if bias is not None:
        # Added, and rounded, before channels move in front: in the kernel of the product.
        dtype = dtypes.promote(dtype, bias.dtype)
        bias = reshape(bias, shape=(groups, 1, sizes.outside) if groups > 1 else bias.shape)
    y = cast_to(widened_product(left, right, bias), dtype)
    y = reshape(y, shape=(groups, batch, *where, sizes.outside))
    y = permute_dims(y, axes=(1, 0, 2 + len(where), *range(2, 2 + len(where))))
    return reshape(y, shape=(batch, groups * sizes.outside, *where))


def _depthwise(windows: Node, weight: Node, bias: Node | None, sizes: _Sizes) -> Node:
    """One channel for each group: too little for a matrix product, so a sum over the taps."""
    x, places, taps = _split(windows, sizes)
    where = tuple(x.shape[place] for place in places)
    axes = [size for place in places for size in (1, x.shape[place + 1])]
    filters = reshape(weight, shape=(1, sizes.groups, sizes.outside, *axes))
    both = broadcast(widened(x), widened(filters))
    y = sum_over(multiply(*both), axes=tuple(taps))
    y = reshape(y, shape=(x.shape[0], sizes.groups * sizes.outside, *where))
    return _with_bias(y, bias, x.dtype)


def transposed_convolution(
    name: str,
    rank: int,
    x: Node,
    weight: Node,
    bias: Node | None,
    stride: Widths,
    padding: Widths,
    output_padding: Widths,
    groups: int,
    dilation: Widths,
) -> Node:
    """The adjoint of a convolution, `weight` being [C, O/groups, ...], with a bias."""
    x, weight = promoted(x, weight)
    x, alone = _batched(name, x, rank)
    if len(weight.shape) != rank + 2:
        raise ShapeError(f"{name}: the weight is {weight.type}, expected {rank + 2} axes")
    _require_channels(name, x, weight, groups, weight.shape[0], x.shape[1])
    steps = per_axis(name, "stride", stride, rank, 1)
    apart = per_axis(name, "dilation", dilation, rank, 1)
    borders = per_axis(name, "padding", padding, rank, 0)
    extra = per_axis(name, "output_padding", output_padding, rank, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, apart, strict=True)):
        raise UsageError(
            f"{name}: output_padding is {output_padding!r}",
            code="window",
            hint="it is smaller than the stride or the dilation",
        )
    sizes = _Sizes(groups, x.shape[1] // groups, weight.shape[1], weight.shape[2:])
    _require_bias(name, bias, groups * weight.shape[1])
    y = _spread(x, weight, sizes)
    for axis in range(rank):
        count, size = y.shape[2 + axis], y.shape[3 + axis]
        length = (count - 1) * steps[axis] + (size - 1) * apart[axis] + 1
        y = overlap_add(y, 2 + axis, length, steps[axis], apart[axis])
    y = _with_bias(_cropped(y, borders, extra), bias, x.dtype)
    return reshape(y, shape=y.shape[1:]) if alone else y


def _spread(x: Node, weight: Node, sizes: _Sizes) -> Node:
    """What each element gives to each tap: [N, O, place, tap, place, tap, ...]."""
    batch, where, groups = x.shape[0], x.shape[2:], sizes.groups
    rank = len(where)
    split = reshape(x, shape=(batch, groups, sizes.inside, *where))
    rows = permute_dims(split, axes=(1, 0, *range(3, 3 + rank), 2))
    count, width = batch * dims.product(where), sizes.outside * sizes.taps
    left = (groups, count, sizes.inside) if groups > 1 else (count, sizes.inside)
    right = (groups, sizes.inside, width) if groups > 1 else (sizes.inside, width)
    y = widened_product(reshape(rows, shape=left), reshape(weight, shape=right))
    y = reshape(y, shape=(groups, batch, *where, sizes.outside, *sizes.spatial))
    pairs = [axis for place in range(rank) for axis in (2 + place, 3 + rank + place)]
    y = permute_dims(y, axes=(1, 0, 2 + rank, *pairs))
    return reshape(y, shape=(batch, groups * sizes.outside, *y.shape[3:]))


def _cropped(y: Node, borders: Sequence[int], extra: Sequence[int]) -> Node:
    """`y` without its borders, and with `extra` more elements at the ends, as far as it goes."""
    y = padded(y, [(0, max(0, e - b)) for b, e in zip(borders, extra, strict=True)])
    lead = len(y.shape) - len(borders)
    cuts = [max(0, b - e) for b, e in zip(borders, extra, strict=True)]
    ends = [length - cut for length, cut in zip(y.shape[lead:], cuts, strict=True)]
    for length, border, end in zip(y.shape[lead:], borders, ends, strict=True):
        if not dims.always_less_equal(border, end):
            raise ShapeError(f"padding of {border} leaves nothing of {length} elements")
    start, stop = (*(0,) * lead, *borders), (*y.shape[:lead], *ends)
    if start == (0,) * len(start) and stop == y.shape:
        return y
    return slicing.slice_(y, start=start, stop=stop, step=(1,) * len(start))


# -- surfaces -------------------------------------------------------------------------------------


def _declare(rank: int) -> None:
    axes = ", ".join("DHW"[3 - rank :])
    taps = ", ".join(("KD", "KH", "KW")[3 - rank :])

    def conv(
        x: Node,
        weight: Node,
        bias: Node | None = None,
        stride: Widths = 1,
        padding: Widths | str = 0,
        dilation: Widths = 1,
        groups: int = 1,
    ) -> Node:
        return convolution(f"conv{rank}d", rank, x, weight, bias, stride, padding, dilation, groups)

    def conv_transpose(
        x: Node,
        weight: Node,
        bias: Node | None = None,
        stride: Widths = 1,
        padding: Widths = 0,
        output_padding: Widths = 0,
        groups: int = 1,
        dilation: Widths = 1,
    ) -> Node:
        return transposed_convolution(
            f"conv_transpose{rank}d",
            rank,
            x,
            weight,
            bias,
            stride,
            padding,
            output_padding,
            groups,
            dilation,
        )

    offer(
        conv,
        f"conv{rank}d",
        f"The convolution of `x` [N, C, {axes}] with `weight` [O, C/groups, {taps}], plus `bias` "
        '[O]; without N for one alone. padding: whole numbers, "valid" or "same".',
    )
    offer(
        conv_transpose,
        f"conv_transpose{rank}d",
        f"The adjoint of `conv{rank}d`: `x` [N, C, {axes}], `weight` [C, O/groups, {taps}], plus "
        "`bias` [O]. `output_padding` makes the result longer at its end.",
    )


for _rank in (1, 2, 3):
    _declare(_rank)


@surface("unfold")
def unfold(
    x: Node, kernel_size: Widths, dilation: Widths = 1, padding: Widths = 0, stride: Widths = 1
) -> Node:
    """The windows of pictures `x` [N, C, H, W] as columns: [N, C*KH*KW, windows]."""
    x, alone = _batched("unfold", x, 2)
    size = per_axis("unfold", "kernel_size", kernel_size, 2, 1)
    steps = per_axis("unfold", "stride", stride, 2, 1)
    apart = per_axis("unfold", "dilation", dilation, 2, 1)
    x = padded(x, widths_of("unfold", padding, size, steps, apart))
    for axis in range(2):
        x = window(x, 2 + 2 * axis, size[axis], steps[axis], apart[axis])
    batch, channels, rows, _, columns, _ = x.shape
    x = permute_dims(x, axes=(0, 1, 3, 5, 2, 4))
    shape = (channels * size[0] * size[1], rows * columns)
    return reshape(x, shape=shape if alone else (batch, *shape))


@surface("fold")
@rounded_once
def fold(
    x: Node,
    output_size: Widths,
    kernel_size: Widths,
    dilation: Widths = 1,
    padding: Widths = 0,
    stride: Widths = 1,
) -> Node:
    """The adjoint of `unfold`: columns [N, C*KH*KW, windows] summed to pictures [N, C, H, W]."""
    if len(x.shape) not in (2, 3):
        raise ShapeError(f"fold: {x.type} is not [N, channels * taps, windows]")
    alone = len(x.shape) == 2
    batch = 1 if alone else x.shape[0]
    length = per_axis("fold", "output_size", output_size, 2, 1)
    size = per_axis("fold", "kernel_size", kernel_size, 2, 1)
    steps = per_axis("fold", "stride", stride, 2, 1)
    apart = per_axis("fold", "dilation", dilation, 2, 1)
    borders = per_axis("fold", "padding", padding, 2, 0)
    whole = [one + 2 * border for one, border in zip(length, borders, strict=True)]
    counts = [
        (total - (k - 1) * d - 1) // s + 1
        for total, k, d, s in zip(whole, size, apart, steps, strict=True)
    ]
    taps = size[0] * size[1]
    if not dims.divides(x.shape[-2], taps) or not dims.always_equal(
        x.shape[-1], counts[0] * counts[1]
    ):
        raise ShapeError(
            f"fold: {x.type} is not [N, channels * {taps}, {counts[0] * counts[1]}]",
            hint=f"pictures of {length} have {counts[0]} by {counts[1]} such windows",
        )
    channels = x.shape[-2] // taps
    y = reshape(x, shape=(batch, channels, *size, *counts))
    y = permute_dims(y, axes=(0, 1, 4, 2, 5, 3))
    for axis in range(2):
        y = overlap_add(y, 2 + axis, whole[axis], steps[axis], apart[axis])
    y = _cropped(y, borders, (0, 0))
    return reshape(y, shape=y.shape[1:]) if alone else y
