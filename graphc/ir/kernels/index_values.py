"""Values of indices, one for each lane at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from graphc.ir.dims import DimLike
from graphc.ir.dims.atoms import Atom, Variable

__all__ = ["Number", "index_value"]

Number = int | np.ndarray[Any, Any]
"""A value for the whole step, or one for each lane."""


def index_value(index: DimLike, values: Mapping[str, Number]) -> Number:
    """The value of an index; for each lane, where a variable has one for each lane."""
    if isinstance(index, int):
        return index
    total: Number = 0
    for monomial, coefficient in index.terms:
        total = total + coefficient * math.prod(_atom(atom, values) for atom in monomial)
    return total


def _atom(atom: Atom, values: Mapping[str, Number]) -> Any:
    if isinstance(atom, Variable):
        return values[atom.name] // atom.multiple
    arguments = [index_value(argument, values) for argument in atom.arguments]
    match atom.kind:
        case "//":
            return arguments[0] // arguments[1]
        case "%":
            return arguments[0] % arguments[1]
        case "max":
            return reduce(_larger, arguments)
        case "min":
            return -reduce(_larger, [-argument for argument in arguments])


def _larger(a: Number, b: Number) -> Number:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else np.maximum(a, b)
