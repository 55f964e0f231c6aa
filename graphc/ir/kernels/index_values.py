"""Values of indices, one for each lane at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.ir.dims import DimLike

__all__ = ["Number", "index_value"]

Number = int | np.ndarray[Any, Any]
"""A value for the whole step, or one for each lane."""


def index_value(index: DimLike, values: Mapping[str, Number]) -> Number:
    """The value of an index; for each lane, where a variable has one for each lane."""
    value: Number = dims.value_of(index, values, _largest)
    return value


def _largest(numbers: Sequence[Number]) -> Number:
    return reduce(_larger, numbers)


def _larger(a: Number, b: Number) -> Number:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else np.maximum(a, b)
