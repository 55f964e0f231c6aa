"""Every operation, declared by family; importing this package fills the registry.

`ops.add(x, y)` is the strict op of that name, `functions["add"]` its forgiving surface.
"""

from __future__ import annotations

from graphc.ir.op import Op, registry
from graphc.ir.ops import (
    activations,
    arithmetic,
    broadcasting,
    channel_normalization,
    complex_numbers,
    contraction,
    control_flow,
    conversion,
    creation,
    cross_entropy,
    cumulative,
    custom_gradient,
    einsum,
    elementwise,
    gather,
    index_updates,
    indexing,
    logic,
    losses,
    margin_losses,
    normalization,
    norms,
    padding,
    pixels,
    products,
    random,
    rearrange,
    reduction,
    scatter,
    searching,
    sequences,
    shape,
    slicing,
    stacking,
    statistics,
    structural,
    take,
    transcendental,
    updates,
    window,
)

__all__ = [
    "activations",
    "arithmetic",
    "broadcasting",
    "channel_normalization",
    "complex_numbers",
    "contraction",
    "control_flow",
    "conversion",
    "creation",
    "cross_entropy",
    "cumulative",
    "custom_gradient",
    "einsum",
    "elementwise",
    "gather",
    "index_updates",
    "indexing",
    "logic",
    "losses",
    "margin_losses",
    "normalization",
    "norms",
    "padding",
    "pixels",
    "products",
    "random",
    "rearrange",
    "reduction",
    "scatter",
    "searching",
    "sequences",
    "shape",
    "slicing",
    "stacking",
    "statistics",
    "structural",
    "take",
    "transcendental",
    "updates",
    "window",
]


def __getattr__(name: str) -> Op:
    try:
        return registry[name]
    except KeyError:
        raise AttributeError(f"there is no op called {name!r}") from None
