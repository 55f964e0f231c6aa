"""Which computations keep every element at its place, which index notation must know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphc.frontend.elaboration.elementwise import is_elementwise
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input

F: Any = functions
N = dims.variable("N", 4, 9)
X = graph_input("x", dtypes.f32, (4, N))
ROW = graph_input("row", dtypes.f32, (N,))
COLUMN = graph_input("column", dtypes.f32, (4, 1))
Computation = Callable[[], Node]

KEPT: dict[str, Computation] = {
    "a row that is repeated": lambda: F["add"](X, F["broadcast_to"](ROW, (4, N))),
    "a column that is repeated": lambda: F["broadcast_to"](COLUMN, (4, N)),
    "broadcasting": lambda: F["multiply"](COLUMN, ROW),
    "a tensor held constant": lambda: F["multiply"](F["stop_gradient"](X), ROW),
    "a choice": lambda: F["where"](F["greater"](X, 0.0), X, ROW),
    "a composition": lambda: F["gelu"](X),
}
MOVED: dict[str, Computation] = {
    "rows turned around": lambda: F["flip"](X, axis=0),
    "elements moved on": lambda: F["roll"](X, 1, axis=1),
    "the first rows": lambda: F["narrow"](X, 0, 0, 3),
    "elements left out": lambda: F["tril"](X),
    "another order of axes": lambda: F["permute"](F["multiply"](COLUMN, ROW), (1, 0)),
    "rows as columns": lambda: F["broadcast_to"](F["reshape"](ROW, (N, 1)), (N, 4)),
    "places": lambda: F["add"](X, F["arange"](N, dtype=dtypes.f32)),
    "two tensors joined": lambda: F["concat"]((X, X)),
    "sums": lambda: F["sum"](X, axis=0),
}


@pytest.mark.parametrize("name", KEPT)
def test_elements_stay(name: str) -> None:
    assert is_elementwise(KEPT[name](), frozenset([X, ROW, COLUMN]), counts=False)


@pytest.mark.parametrize("name", MOVED)
def test_elements_move(name: str) -> None:
    assert not is_elementwise(MOVED[name](), frozenset([X, ROW, COLUMN]), counts=False)


def test_the_numbers_of_elements_may_be_operands() -> None:
    numbered = F["multiply"](X, F["arange"](N, dtype=dtypes.f32))
    assert is_elementwise(numbered, frozenset([X]), counts=True)
    assert not is_elementwise(numbered, frozenset([X]), counts=False)
