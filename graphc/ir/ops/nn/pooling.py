"""Pooling: maxima, means and norms of windows, over one, two and three axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.argument_names import offer
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full_like, iota, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    add,
    divide,
    floor_divide,
    maximum,
    multiply,
    subtract,
)
from graphc.ir.ops.elementwise.logic import less, where
from graphc.ir.ops.nn.convolution import Widths, padded, per_axis
from graphc.ir.ops.reductions.norms import root
from graphc.ir.ops.reductions.reduction import lowest, max_over, sum_over
from graphc.ir.ops.reductions.statistics import mean_over
from graphc.ir.ops.views.shape import broadcast_to, permute_dims, reshape
from graphc.ir.ops.views.window import window
from graphc.ir.record import Record
from graphc.ir.sizes import require_steps

__all__: list[str] = []

_RANKS = (1, 2, 3)


class _Windows(Record):
    """Where windows lie, for each spatial axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @classmethod
    def of(
        cls,
        name: str,
        rank: int,
        kernel_size: Widths,
        stride: Widths | None,
        padding: Widths = 0,
        dilation: Widths = 1,
        ceil_mode: bool = False,
    ) -> _Windows:
        size = per_axis(name, "kernel_size", kernel_size, rank, 1)
        steps = size if stride is None else per_axis(name, "stride", stride, rank, 1)
        borders = per_axis(name, "padding", padding, rank, 0)
        apart = per_axis(name, "dilation", dilation, rank, 1)
        if any(2 * border > k for border, k in zip(borders, size, strict=True)):
            raise UsageError(
                f"{name}: padding of {padding!r} around windows of {kernel_size!r}",
                code="window",
                hint="padding is at most half the window, so that no window is padding alone",
            )
        return cls(size, steps, borders, apart, ceil_mode)

    def widths(self, shape: Sequence[DimLike]) -> list[tuple[DimLike, DimLike]]:
        """How much to pad each axis; ceil_mode keeps the window that begins inside but ends out."""
        found: list[tuple[DimLike, DimLike]] = []
        parts = zip(shape, self.size, self.stride, self.padding, self.dilation, strict=True)
        for length, size, stride, border, dilation in parts:
            more: DimLike = 0
            if self.ceil_mode:
                span = (size - 1) * dilation + 1
                left = length + 2 * border - span
                count = dims.ceil_div(left, stride) + 1
                # The last window begins inside the tensor or its padding before it.
                last = dims.minimum(count, dims.ceil_div(length + border, stride))
                more = dims.maximum(0, (last - 1) * stride - left)
            found.append((border, border + more))
        return found

    def over(self, x: Node) -> Node:
        """[..., place, ..., tap, ...]: all places, then all taps."""
        rank = len(self.size)
        lead = len(x.shape) - rank
        for axis in range(rank):
            x = window(x, lead + 2 * axis, self.size[axis], self.stride[axis], self.dilation[axis])
        places = [lead + 2 * axis for axis in range(rank)]
        return permute_dims(x, axes=(*range(lead), *places, *(place + 1 for place in places)))

    @property
    def taps(self) -> tuple[int, ...]:
        """The axes of the taps, from the end."""
        return tuple(range(-len(self.size), 0))


def _require_rank(name: str, x: Node, rank: int) -> None:
    if len(x.shape) not in (rank + 1, rank + 2):
        axes = ", ".join("DHW"[3 - rank :])
        raise ShapeError(
            f"{name}: the operand is {x.type}, expected [N, C, {axes}] or [C, {axes}]", code="rank"
        )


def _last(x: Node, count: int) -> tuple[int, ...]:
    return tuple(range(len(x.shape) - count, len(x.shape)))


# -- maxima ---------------------------------------------------------------------------------------


def _max_pool(name: str, x: Node, windows: _Windows) -> Node:
    rank = len(windows.size)
    filled = padded(x, windows.widths(x.shape[-rank:]), lowest(x.dtype))
    seen = windows.over(filled)
    return max_over(seen, axes=_last(seen, rank))


def _max_places(x: Node, windows: _Windows) -> Node:
    """Where each maximum lies: its row-major place among the spatial axes of `x`."""
    rank = len(windows.size)
    shape = x.shape[-rank:]
    # argmax counts inside a window; the place of the window and the tap give that in the tensor.
    seen = windows.over(padded(x, windows.widths(shape), lowest(x.dtype)))
    flat = reshape(seen, shape=(*seen.shape[:-rank], dims.product(windows.size)))
    best = functions["argmax"](flat, axis=-1)
    place, taps = zeros_like(best), best
    for axis in range(rank):
        inner = dims.product(windows.size[axis + 1 :])
        tap = functions["floor_divide"](taps, inner)
        taps = functions["remainder"](taps, inner)
        at = iota(shape=best.shape, axis=len(best.shape) - rank + axis, dtype=best.dtype)
        begin = functions["subtract"](
            functions["multiply"](at, windows.stride[axis]), windows.padding[axis]
        )
        inside = add(begin, functions["multiply"](tap, windows.dilation[axis]))
        place = add(_scaled(place, shape[axis]), inside)
    return place


def _scaled(place: Node, size: DimLike) -> Node:
    return multiply(place, full_like(place, size))


def _declare_max_pool(rank: int) -> None:
    name = f"max_pool{rank}d"

    def pool(
        x: Node,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        dilation: Widths = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Node | tuple[Node, Node]:
        _require_rank(name, x, rank)
        windows = _Windows.of(name, rank, kernel_size, stride, padding, dilation, ceil_mode)
        best = _max_pool(name, x, windows)
        return (best, _max_places(x, windows)) if return_indices else best

    offer(
        pool,
        name,
        "The maximum of each window; windows lie `stride` apart (their own size unless given). "
        "return_indices: also where each lies among the spatial axes, in row-major order.",
    )


# -- means and norms ------------------------------------------------------------------------------


def _sum_pool(x: Node, windows: _Windows) -> Node:
    """The sums of windows, in the accumulator of the dtype."""
    rank = len(windows.size)
    wide = cast_to(x, x.dtype.accumulator)
    seen = windows.over(padded(wide, windows.widths(x.shape[-rank:])))
    return sum_over(seen, axes=_last(seen, rank))


def _counted(x: Node, windows: _Windows, include_padding: bool) -> Node:
    """How many elements each window has, of the tensor's spatial axes alone."""
    rank = len(windows.size)
    spatial = x.shape[-rank:]
    one = ones_like(iota(shape=spatial, axis=0, dtype=x.dtype.accumulator))
    if include_padding:
        # The padding that was asked for counts; what ceil_mode adds after it does not.
        one = padded(one, [(border, border) for border in windows.padding], 1)
        widths = windows.widths(spatial)
        more = [
            (0, after - border) for (_, after), border in zip(widths, windows.padding, strict=True)
        ]
        seen = windows.over(padded(one, more))
    else:
        seen = windows.over(padded(one, windows.widths(spatial)))
    return sum_over(seen, axes=_last(seen, rank))


def _declare_mean_pool(rank: int) -> None:
    name = f"avg_pool{rank}d"

    def pool(
        x: Node,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Node:
        _require_rank(name, x, rank)
        _require_float(name, x)
        windows = _Windows.of(name, rank, kernel_size, stride, padding, 1, ceil_mode)
        total = _sum_pool(x, windows)
        if divisor_override is not None:
            if divisor_override == 0:
                raise UsageError(f"{name}: divisor_override is 0")
            return cast_to(divide(total, constant_like(divisor_override, total)), x.dtype)
        is_even = count_include_pad or not any(windows.padding)
        if is_even and not ceil_mode:
            mean = divide(total, constant_like(math.prod(windows.size), total))
        else:
            mean = divide(*broadcast(total, _counted(x, windows, count_include_pad)))
        return cast_to(mean, x.dtype)

    offer(
        pool,
        name,
        "The mean of each window. Padding counts as zeros, or not at all without "
        "count_include_pad; divisor_override is divided by instead of the count.",
    )


def _require_float(name: str, x: Node) -> None:
    if x.dtype.kind != "float":
        from_ = x.dtype.name
        raise UsageError(f"{name} takes floats, not {from_}", hint="cast the operand first")


def _declare_norm_pool(rank: int) -> None:
    name = f"lp_pool{rank}d"

    def pool(
        x: Node,
        norm_type: float,
        kernel_size: Widths,
        stride: Widths | None = None,
        ceil_mode: bool = False,
    ) -> Node:
        _require_rank(name, x, rank)
        _require_float(name, x)
        if norm_type == 0:
            raise UsageError(f"{name}: norm_type is 0", hint="it is any other number")
        windows = _Windows.of(name, rank, kernel_size, stride, ceil_mode=ceil_mode)
        powers = functions["pow"](cast_to(x, x.dtype.accumulator), float(norm_type))
        total = maximum(*_with_zero(_sum_pool(powers, windows)))
        return cast_to(root(total, norm_type), x.dtype)

    offer(
        pool,
        name,
        "(sum of x**p)**(1/p) over each window, for p = `norm_type`; where "
        "that is 0 its derivatives are 0.",
    )


def _with_zero(x: Node) -> tuple[Node, Node]:
    return x, zeros_like(x)


# -- adaptive -------------------------------------------------------------------------------------


_Sizes = DimLike | Sequence[DimLike | None]


def _sizes(name: str, output_size: _Sizes, x: Node, rank: int) -> tuple[DimLike, ...]:
    """The spatial size of the result; None keeps that of the operand."""
    given = [output_size] if isinstance(output_size, int | Dim) else list(output_size)
    if len(given) == 1:
        given *= rank
    if len(given) != rank:
        raise UsageError(f"{name}: output_size is {output_size!r}, expected {rank} of them")
    return tuple(
        length if size is None else size
        for size, length in zip(given, x.shape[-rank:], strict=True)
    )


def _adaptive_windows(name: str, x: Node, axis: int, count: DimLike) -> tuple[Node, Node | None]:
    """`axis` as (place, tap), and which taps are inside their window (None: all of them).

    Window i reaches from floor(i*L/n) to ceil((i+1)*L/n), so neighbours may share elements.
    """
    length = x.shape[axis]
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if not dims.always_less_equal(1, count):
        raise ShapeError(f"{name}: {count} windows, expected 1 or more", code="window")
    if dims.divides(length, count):
        return reshape(x, shape=(*before, count, length // count, *after)), None
    # A window that begins inside an element of L/n and ends inside another has one more.
    shape = (count, dims.ceil_div(length, count) + 1)
    tap, row = (iota(shape=shape, axis=a, dtype=dtypes.i64) for a in (1, 0))
    begin = _quotient(_scaled(row, length), count)
    last = add(_scaled(add(row, ones_like(row)), length), full_like(row, count - 1))
    inside = less(tap, subtract(_quotient(last, count), begin))
    if isinstance(length, int) and isinstance(count, int):
        require_steps(name, count)
        rows = [(padded_after(x, axis, shape[1]), i * length // count) for i in range(count)]
        parts = [functions["narrow"](row, axis, start, shape[1]) for row, start in rows]
        return functions["stack"](parts, axis=axis), inside
    return functions["take"](x, add(begin, tap), axis), inside


def padded_after(x: Node, axis: int, width: DimLike) -> Node:
    """`x` with `width` zeros after the end of `axis`."""
    return padded(x, [(0, width), *[(0, 0)] * (len(x.shape) - axis - 1)])


def _quotient(number: Node, divisor: DimLike) -> Node:
    return floor_divide(number, full_like(number, divisor))


def _adaptive(
    name: str,
    x: Node,
    output_size: _Sizes,
    rank: int,
    reduce: Callable[[Node, Node | None, int], Node],
) -> Node:
    """Pool axis by axis: a maximum of maxima, or a mean of means of equal weight."""
    _require_rank(name, x, rank)
    sizes = _sizes(name, output_size, x, rank)
    lead = len(x.shape) - rank
    for number, count in enumerate(sizes):
        seen, inside = _adaptive_windows(name, x, lead + number, count)
        if inside is not None:
            trail = (1,) * (len(seen.shape) - lead - number - 2)
            inside = broadcast_to(reshape(inside, shape=(*inside.shape, *trail)), shape=seen.shape)
        x = reduce(seen, inside, lead + number + 1)
    return x


def _mean_of(seen: Node, inside: Node | None, axis: int) -> Node:
    if inside is None:
        return mean_over(seen, (axis,))
    total = sum_over(where(inside, seen, zeros_like(seen)), axes=(axis,))
    count = sum_over(cast_to(inside, seen.dtype), axes=(axis,))
    return divide(total, count)


def _max_of(seen: Node, inside: Node | None, axis: int) -> Node:
    if inside is not None:
        seen = where(inside, seen, constant_like(lowest(seen.dtype), seen))
    return max_over(seen, axes=(axis,))


def _largest_places(name: str, x: Node, output_size: _Sizes, rank: int) -> tuple[Node, Node]:
    """The maxima, and where they lie in the spatial axes, counted in row-major order."""
    _require_rank(name, x, rank)
    sizes, lead = _sizes(name, output_size, x, rank), len(x.shape) - rank
    count = dims.product(x.shape[lead:])
    counter = reshape(iota(shape=(count,), axis=0, dtype=dtypes.i64), shape=x.shape[lead:])
    places = broadcast_to(reshape(counter, shape=(*(1,) * lead, *counter.shape)), shape=x.shape)
    for axis, size in enumerate(sizes, start=lead):
        seen, inside = _adaptive_windows(name, x, axis, size)
        if inside is not None:
            mask = reshape(inside, shape=(*inside.shape, *(1,) * (len(seen.shape) - axis - 2)))
            outside = constant_like(lowest(seen.dtype), seen)
            seen = where(broadcast_to(mask, shape=seen.shape), seen, outside)
        best = functions["argmax"](seen, axis=axis + 1, keepdims=True)
        both = (seen, _adaptive_windows(name, places, axis, size)[0])
        x, places = (
            functions["squeeze"](functions["take_along_axis"](one, best, axis + 1), axis + 1)
            for one in both
        )
    return x, places


def _declare_adaptive(rank: int) -> None:
    def mean_pool(x: Node, output_size: _Sizes) -> Node:
        name = f"adaptive_avg_pool{rank}d"
        _require_float(name, x)
        wide = cast_to(x, x.dtype.accumulator)
        return cast_to(_adaptive(name, wide, output_size, rank, _mean_of), x.dtype)

    def max_pool(
        x: Node, output_size: _Sizes, return_indices: bool = False
    ) -> Node | tuple[Node, Node]:
        name = f"adaptive_max_pool{rank}d"
        if not return_indices:
            return _adaptive(name, x, output_size, rank, _max_of)
        return _largest_places(name, x, output_size, rank)

    text = "of windows that divide the spatial axes into `output_size` parts, as evenly as can be."
    offer(mean_pool, f"adaptive_avg_pool{rank}d", f"The means {text}")
    offer(max_pool, f"adaptive_max_pool{rank}d", f"The maxima {text}")


for _rank in _RANKS:
    _declare_max_pool(_rank)
    _declare_mean_pool(_rank)
    _declare_norm_pool(_rank)
    _declare_adaptive(_rank)
