"""Every operation, declared by family; importing this package fills the registry.

`ops.add(x, y)` is the strict op of that name, `functions["add"]` its forgiving surface.
"""

from __future__ import annotations

from graphc.ir.op import Op, registry
from graphc.ir.ops import (
    arithmetic,
    broadcasting,
    complex_numbers,
    contraction,
    conversion,
    creation,
    einsum,
    elementwise,
    indexing,
    logic,
    nn,
    normalization,
    random,
    rearrange,
    reduction,
    sequences,
    shape,
    slicing,
    statistics,
    structural,
    transcendental,
)

__all__ = [
    "arithmetic",
    "broadcasting",
    "complex_numbers",
    "contraction",
    "conversion",
    "creation",
    "einsum",
    "elementwise",
    "indexing",
    "logic",
    "nn",
    "normalization",
    "random",
    "rearrange",
    "reduction",
    "sequences",
    "shape",
    "slicing",
    "statistics",
    "structural",
    "transcendental",
]


def __getattr__(name: str) -> Op:
    try:
        return registry[name]
    except KeyError:
        raise AttributeError(f"there is no op called {name!r}") from None
