"""The partial inverse of maximum pooling: each maximum goes back to where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface

__all__: list[str] = []

Widths = int | Sequence[int]
F = functions


def _widths(name: str, value: Widths, rank: int) -> tuple[int, ...]:
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) != rank:
        raise ShapeError(f"{name}: {value} for {rank} axes")
    return found


def _unpooled(
    name: str,
    rank: int,
    x: Node,
    indices: Node,
    kernel_size: Widths,
    stride: Widths | None,
    padding: Widths,
    output_size: Sequence[DimLike] | None,
) -> Node:
    if len(x.shape) not in (rank + 1, rank + 2) or x.shape != indices.shape:
        raise ShapeError(f"{name}: maxima {x.type} and places {indices.type}")
    if not indices.dtype.is_integer:
        raise DTypeError(f"{name}: places {indices.type}, expected whole numbers")
    taps, pads = _widths(name, kernel_size, rank), _widths(name, padding, rank)
    steps = taps if stride is None else _widths(name, stride, rank)
    lead, spatial = x.shape[:-rank], x.shape[-rank:]
    if output_size is None:
        size: tuple[DimLike, ...] = tuple(
            (n - 1) * step - 2 * pad + tap
            for n, step, pad, tap in zip(spatial, steps, pads, taps, strict=True)
        )
    else:
        size = tuple(output_size)[-rank:]
    rows = F["reshape"](x, dims.product(lead), dims.product(spatial))
    places = F["reshape"](indices, *rows.shape)
    empty = F["zeros"]((rows.shape[0], dims.product(size)), x.dtype)
    result: Node = F["reshape"](F["scatter"](empty, 1, places, rows), *lead, *size)
    return result


def _declare(rank: int) -> None:
    name = f"max_unpool{rank}d"

    def unpool(
        x: Node,
        indices: Node,
        kernel_size: Widths,
        stride: Widths | None = None,
        padding: Widths = 0,
        output_size: Sequence[DimLike] | None = None,
    ) -> Node:
        return _unpooled(name, rank, x, indices, kernel_size, stride, padding, output_size)

    function: Callable[..., Node] = unpool
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The maxima of `max_pool{rank}d(..., return_indices=True)` at the places where they were, "
        "and zeros elsewhere. `output_size` says the size where several pool to one."
    )
    surface(name)(function)


for _rank in (1, 2, 3):
    _declare(_rank)
