"""Graphs with loops and branches, traced from Python, for the tests of every room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.tensor import Tensor, function
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir.dtype import f64, i32
from graphc.ir.graph import Graph

__all__ = ["GRAPHS", "SHORT", "SIZES", "graph_of"]

tanh, full_like = function("tanh"), function("full_like")
H, X, W = f64[3], f64[dims.variable("T", 0, 64), 3], f64[3, 3]

SIZES = (0, 1, 2, 7)
"""Lengths of the loops over the dim T."""


def rnn(h: Tensor, x: Tensor, w: Tensor) -> Any:
    def step(carry: Tensor, row: Tensor) -> Any:
        after = tanh(w @ carry + row)
        return after, after * carry

    return scan(step, h, x)


def backwards(h: Tensor, x: Tensor, w: Tensor) -> Any:
    last, rows = scan(lambda c, row: (tanh(w @ c) + row, (c, row * 2)), h, x, reverse=True)
    return last, rows[0] + x, rows[1]


def other_way(h: Tensor, x: Tensor, w: Tensor) -> Any:
    """Rows that lie the other way around, and some that do not."""

    def step(carry: Tensor, rows: Any) -> Any:
        one, other, few = rows
        return tanh(w @ carry + one * other) + few, carry

    last, rows = scan(step, h, (x[::-1], x[::-1] * 2, x[:, :1]))
    return last, rows[::-1] * x


def several_carries(a: Tensor, b: Tensor, x: Tensor) -> Any:
    """The carries change places, one stays, and one is counted in integers."""

    def step(carry: Any, row: Tensor) -> Any:
        one, other, same, count = carry
        return (other, one + row, same, count + 1), other

    zero = full_like(b.sum(), 0).astype(i32)
    (one, other, same, count), rows = scan(step, (a, b, b, zero), x)
    return one, other, same, count, rows


def nested(h: Tensor, x: Tensor, w: Tensor) -> Any:
    def outer(carry: Tensor, row: Tensor) -> Any:
        inner, trail = scan(lambda c, r: (c * 0.5 + r * row, c), carry, w)
        return inner, trail.sum(axis=0)

    return scan(outer, h, x)


def cond_in_scan(h: Tensor, x: Tensor) -> Any:
    def step(carry: Tensor, row: Tensor) -> Any:
        after = cond(row.sum() > 0, lambda: tanh(carry + row), lambda: carry * row)
        return after, cond(after.sum() > 0, lambda: after, lambda: row)

    return scan(step, h, x)


def scan_in_cond(h: Tensor, x: Tensor) -> Any:
    return cond(
        h.sum() > 0,
        lambda: scan(lambda c, row: (tanh(c + row), None), h, x)[0],
        lambda: h * x.sum(axis=0),
    )


def until(h: Tensor, limit: Tensor) -> Tensor:
    """A loop that stops early, or at its bound."""
    return while_loop(lambda c: c.sum() < limit, lambda c: c * 1.5 + 0.25, h, max_steps=9)


def until_in_scan(h: Tensor, x: Tensor, limit: Tensor) -> Any:
    def step(carry: Tensor, row: Tensor) -> Any:
        after = while_loop(
            lambda c: (c * c).sum() < limit, lambda c: c * 2 + row, carry, max_steps=4
        )
        return tanh(after), after

    return scan(step, h, x)


def writes(h: Tensor, x: Tensor) -> Any:
    """Each iteration writes over one element of a carry, and reads others."""

    def step(carry: Any, row: Tensor) -> Any:
        table, place = carry
        after = table.at[place].add(row.sum() * table[place - 1])
        return (after, (place + 1) % 5 - 1), None

    zero = full_like(h.sum(), 0).astype(i32)
    (table, _), _ = scan(step, (h, zero), x)
    return table


_TYPES: dict[Callable[..., Any], tuple[Any, ...]] = {
    rnn: (H, X, W),
    backwards: (H, X, W),
    other_way: (H, X, W),
    several_carries: (H, H, X),
    nested: (H, X, W),
    cond_in_scan: (H, X),
    scan_in_cond: (H, X),
    until: (H, f64[()]),
    until_in_scan: (H, X, f64[()]),
    writes: (H, X),
}


def graph_of(function: Callable[..., Any], length: int | None = None) -> Graph:
    """The graph of one of the functions above, for any length of its loops or for one."""
    types = [f64[length, 3] if type_ is X and length else type_ for type_ in _TYPES[function]]
    return trace(function, *types)[0]


GRAPHS: dict[str, Graph] = {one.__name__: graph_of(one) for one in _TYPES}
SHORT: dict[str, Graph] = {one.__name__: graph_of(one, 5) for one in _TYPES}
"""Loops of five iterations."""
