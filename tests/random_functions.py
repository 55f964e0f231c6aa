"""Random Python functions of arrays, transforms and loops, each in two readings.

A function is a tree of steps on a value, a matrix [B, 3] or a vector [3]. It is *staged* with what
the library has: `checkpoint`, `custom_gradient`, `scan`, `while_loop`, `cond` and `vmap`. Read
*plainly* it is Python: loops are unrolled, parts are stacked, branches are chosen by `where`, what
is computed again is not, and arrays are what the graph is given. Both have the same values, and
the same derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphc as gc
from graphc.frontend.tracing.state import RANDOM_COUNTER
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph, Unit
from tests.random_programs import is_well_posed, with_updates

__all__ = ["RandomFunction", "functions"]

Array = np.ndarray[Any, Any]
Value = Any

_GRID = np.linspace(-1.0, 1.0, 18).reshape(3, 6)
ARRAYS: dict[str, Array] = {
    "number": np.array(0.75),
    "vector": np.array([0.5, -1.0, 1.25]),
    "backwards": np.array([0.25, 0.5, -0.75])[::-1],
    "strided": _GRID[:, ::2],
    "transposed": np.asfortranarray(_GRID[:, 1::2]).T,
    "broadcast": np.broadcast_to(np.array([0.5, 1.0, -0.5]), (3, 3)),
    "empty": np.zeros((0, 3)),
    "mask": np.array([True, False, True]),
    "places": np.array([2, 0, -1]),
    "repeated": np.array([0, 0, 2], np.int8)[::-1],
    "nowhere": np.zeros(0, np.int32),
}
"""What functions hold; each may be in several bodies."""


@dataclass
class Scope:
    """What a step sees.

    Attributes:
        plain: whether the function is read plainly.
        array: the array of a name.
        outer: values of the bodies around it, from the outermost.
        draws: whether both readings draw the same random numbers: it is in no loop or batch.
    """

    plain: bool
    array: Callable[[str], Any]
    outer: tuple[Value, ...] = ()
    draws: bool = True

    def inside(self, *outer: Value) -> Scope:
        return replace(self, outer=(*self.outer, *outer))

    def repeated(self, *outer: Value) -> Scope:
        return replace(self, outer=(*self.outer, *outer), draws=False)


@dataclass
class Step:
    """A step, the bodies that it applies, and a number that it uses as it likes."""

    kind: str
    bodies: tuple[tuple[Step, ...], ...] = ()
    choice: int = 0

    def __repr__(self) -> str:
        inner = "".join(f", {list(body)}" for body in self.bodies)
        return f"{self.kind}({self.choice}{inner})"


def applied(steps: Sequence[Step], x: Value, scope: Scope) -> Value:
    """The value after the steps."""
    for step in steps:
        x = KINDS[step.kind](step, x, scope)
    return x


# -- steps without bodies -------------------------------------------------------------------------

SIMPLE: dict[str, Callable[[Value, Scope], Value]] = {
    "sine": lambda x, s: gc.sin(x),
    "number": lambda x, s: x * s.array("number"),
    "vector": lambda x, s: gc.tanh(x + s.array("vector")),
    "backwards": lambda x, s: x - s.array("backwards") * gc.cos(x),
    "strided": lambda x, s: gc.sin(x) @ s.array("strided"),
    "transposed": lambda x, s: gc.tanh(x @ s.array("transposed")),
    "broadcast": lambda x, s: gc.cos(x @ s.array("broadcast")),
    "nothing summed": lambda x, s: x + gc.sum(s.array("empty"), axis=0),
    "nothing joined": lambda x, s: (
        x + gc.concat([x[..., None, :] * 0.5, _empty_like(x, s)], -2)[..., 0, :]
    ),
    "mask": lambda x, s: gc.where(s.array("mask"), x, x * x * 0.25),
    "choice": lambda x, s: x[..., s.array("places")] * 0.5,
    "take": lambda x, s: gc.take(x, s.array("repeated"), axis=-1) - x,
    "data": lambda x, s: x - gc.take(s.array("vector"), _whole(x)),
    "row of data": lambda x, s: x + gc.take(s.array("strided"), _whole(x)[..., 0], axis=0) * x,
    "added": lambda x, s: x.at[..., s.array("repeated")].add(gc.sin(x)),
    "multiplied": lambda x, s: x.at[..., s.array("places")].multiply(gc.cos(x)),
    "set": lambda x, s: x.at[..., s.array("places")].set(x * s.array("number")),
    "set nowhere": lambda x, s: x.at[..., s.array("nowhere")].set(0.0),
    # Cotangents in 8 bits would be rounded, and rounding is not linear.
    "f8": lambda x, s: x + 0.25 * gc.stop_gradient(x).astype(gc.f8e4m3).astype(gc.f64),
    "f8 table": lambda x, s: x * s.array("vector").astype(gc.f8e5m2).astype(gc.f64),
    "dropped": lambda x, s: gc.dropout(x, 0.25, seed=5),
    "noise": lambda x, s: gc.dropout(x, 0.25) if s.draws else x,
    "sorted": lambda x, s: gc.sort(x, axis=-1),
    "product": lambda x, s: x + gc.prod(gc.tanh(x), axis=-1, keepdims=True),
    "summed up": lambda x, s: gc.cumulative_sum(x, axis=-1) * 0.5,
    "softmax": lambda x, s: gc.softmax(x * s.array("vector"), axis=-1),
    "outermost": lambda x, s: x * gc.cos(_fitting(s.outer[0], x)) if s.outer else x,
    "innermost": lambda x, s: x + 0.5 * _fitting(s.outer[-1], x) if s.outer else x,
}


def _empty_like(x: Value, scope: Scope) -> Value:
    """No rows for each row of x."""
    return gc.broadcast_to(scope.array("empty"), (*x.shape[:-1], 0, 3))


def _whole(x: Value) -> Value:
    """Whole numbers of x, most of them from -3 to 2, and without a derivative."""
    return gc.floor(x * 2).astype(gc.i32)


def _fitting(outer: Value, x: Value) -> Value:
    """An outer value that x can be combined with."""
    return outer if len(outer.shape) <= len(x.shape) else gc.sum(outer, axis=0)


# -- steps with bodies ----------------------------------------------------------------------------


def _weights(x: Value, scope: Scope) -> Value:
    return x * scope.array("vector")


def _checkpoint(step: Step, x: Value, scope: Scope) -> Value:
    def body(y: Value) -> Value:
        return applied(step.bodies[0], y, scope.inside(x))

    return body(x) if scope.plain else gc.checkpoint(body)(x)


def _custom(step: Step, x: Value, scope: Scope) -> Value:
    """The gradient of another function, the sine times an array."""

    def body(y: Value) -> Value:
        return applied(step.bodies[0], y, scope.inside(x))

    if scope.plain:
        other = gc.sin(x) * scope.array("vector")
        return gc.stop_gradient(body(x) - other) + other

    def rule(y: Value, value: Value, g: Value) -> Value:
        return g * scope.array("vector") * gc.cos(y)

    return gc.custom_gradient(rule)(body)(x)


def _scan(step: Step, x: Value, scope: Scope) -> Value:
    """Over the rows of an array; rows are stacked where the choice is odd."""
    rows = scope.array(("strided", "transposed", "empty")[step.choice % 3])
    is_reversed = step.choice % 4 == 1

    def body(carry: Value, row: Value) -> tuple[Value, Value]:
        after = applied(step.bodies[0], carry + row, scope.repeated(x, carry))
        return gc.tanh(after), after * row

    if not scope.plain:
        last, stacked = gc.scan(body, x, rows, reverse=is_reversed)
    else:
        last, parts = x, []
        order = list(range(rows.shape[0]))
        for place in reversed(order) if is_reversed else order:
            last, part = body(last, rows[place])
            parts.append(part)
        parts = parts[::-1] if is_reversed else parts
        stacked = gc.stack(parts) if parts else gc.zeros((0, *x.shape), gc.f64)
    return last + gc.sum(stacked, axis=0) if step.choice % 2 else last


def _rows(step: Step, x: Value, scope: Scope) -> Value:
    """Over the rows of x itself, which may be many; the vector is one row."""
    table = scope.array("transposed")

    def body(carry: Value, row: Value) -> tuple[Value, Value]:
        after = applied(step.bodies[0], carry * 0.5 + row, scope.repeated(carry))
        return gc.sin(after), after + table[1]

    rows = x if len(x.shape) == 2 else x[None]
    carry = gc.zeros((3,), gc.f64) + scope.array("vector")
    if not scope.plain:
        carry, stacked = gc.scan(body, carry, rows)
    else:
        parts = []
        for place in range(rows.shape[0]):
            carry, part = body(carry, rows[place])
            parts.append(part)
        stacked = gc.stack(parts)
    stacked = stacked + carry
    return stacked if len(x.shape) == 2 else stacked[0]


def _while(step: Step, x: Value, scope: Scope) -> Value:
    def holds(y: Value) -> Value:
        return gc.sum(y * y) < 4.0 + scope.array("number")

    def body(y: Value) -> Value:
        return 1.5 * applied(step.bodies[0], y, scope.repeated(x))

    bound = 1 + step.choice % 3
    if not scope.plain:
        return gc.while_loop(holds, body, x, max_steps=bound)
    value, is_going = x, None
    for _ in range(bound):
        now = holds(value)
        is_going = now if is_going is None else is_going & now
        value = gc.where(is_going, body(value), value)
    return value


def _cond(step: Step, x: Value, scope: Scope) -> Value:
    def branch(body: Sequence[Step]) -> Callable[[Value], Value]:
        return lambda y: applied(body, y, scope.inside(x))

    is_then = gc.sum(x * scope.array("vector")) > 0.1
    then, otherwise = map(branch, step.bodies)
    if scope.plain:
        return gc.where(is_then, then(x), otherwise(x))
    return gc.cond(is_then, then, otherwise, x)


def _vmap(step: Step, x: Value, scope: Scope) -> Value:
    """Over the rows of a matrix; over two vectors that are made of one."""
    is_matrix = len(x.shape) == 2
    parts = x if is_matrix else gc.stack([x, x * scope.array("vector")])

    def body(y: Value) -> Value:
        outer = () if is_matrix else (x,)
        return applied(step.bodies[0], y, scope.repeated(*outer))

    if scope.plain:
        made = gc.stack([body(parts[place]) for place in range(parts.shape[0])])
    else:
        made = gc.vmap(body)(parts)
    return made if is_matrix else made[0] - made[1]


def _grad(step: Step, x: Value, scope: Scope) -> Value:
    def number(y: Value) -> Value:
        return gc.sum(_weights(applied(step.bodies[0], y, scope.inside(x)), scope))

    return gc.tanh(gc.grad(number)(x)) + x


def _jvp(step: Step, x: Value, scope: Scope) -> Value:
    def body(y: Value) -> Value:
        return applied(step.bodies[0], y, scope.inside(x))

    value, slope = gc.jvp(body, (x,), (gc.cos(x),))
    return value + gc.tanh(slope)


WITH_BODIES: dict[str, Callable[[Step, Value, Scope], Value]] = {
    "checkpoint": _checkpoint,
    "custom": _custom,
    "scan": _scan,
    "rows": _rows,
    "while": _while,
    "cond": _cond,
    "vmap": _vmap,
    "grad": _grad,
    "jvp": _jvp,
}


def _simple(step: Step, x: Value, scope: Scope) -> Value:
    return SIMPLE[step.kind](x, scope)


KINDS = {**dict.fromkeys(SIMPLE, _simple), **WITH_BODIES}


# -- functions ------------------------------------------------------------------------------------

Wrap = Callable[[Callable[[Value], Value], Value], Value]


def _gradient(f: Callable[[Value], Value], x: Value) -> Value:
    return gc.grad(lambda y: gc.sum(f(y) * _WEIGHTS))(x)


_WEIGHTS = np.array([1.0, -0.5, 0.25])

WRAPS: dict[str, Wrap] = {
    "value": lambda f, x: f(x),
    "gradient": _gradient,
    "second gradient": lambda f, x: _gradient(lambda y: _gradient(f, y), x),
    "jvp": lambda f, x: gc.jvp(f, (x,), (x * 0.5,))[1],
    "jvp of gradient": lambda f, x: gc.jvp(lambda y: _gradient(f, y), (x,), (x * 0.5,))[1],
}


@dataclass
class RandomFunction:
    """A function, what is asked of it, and the values that it is tried on.

    Attributes:
        steps: of the function.
        wrap: of `WRAPS`.
        rows: of the matrix that it is given.
        seed: of its values.
        with_dim: whether the number of rows has a name when the function is staged.
    """

    steps: tuple[Step, ...]
    wrap: str
    rows: int
    seed: int
    with_dim: bool

    def __repr__(self) -> str:
        size = "B" if self.with_dim else "no name"
        return f"{self.wrap} of {list(self.steps)}, {self.rows} rows ({size}), seed {self.seed}"

    def staged(self) -> Graph:
        """The graph of the function with transforms and loops; its inputs are those of `arrays`."""
        return with_updates(self.unit().exports["main"], "main")

    def unit(self) -> Unit:
        """The unit whose `main` is the function with transforms and loops."""
        rows = gc.dim("B", 1, 4) if self.with_dim else self.rows
        scope = Scope(False, ARRAYS.__getitem__)
        return _unit(lambda x: self._applied(x, scope), gc.f64[rows, 3])

    def plain(self) -> Graph:
        """The graph of the function read plainly, to which arrays are given."""

        def main(x: Value, arrays: Mapping[str, Value]) -> Value:
            return self._applied(x, Scope(True, arrays.__getitem__))

        types = {name: dtypes.from_numpy(one.dtype)[one.shape] for name, one in ARRAYS.items()}
        return with_updates(_unit(main, gc.f64[self.rows, 3], types).exports["main"], "main")

    def _applied(self, x: Value, scope: Scope) -> Value:
        return WRAPS[self.wrap](lambda y: applied(self.steps, y, scope), x)

    def arrays(self, graph: Graph, state: Mapping[str, Array] | None = None) -> list[Array]:
        """Values of the inputs of a graph of the function: the matrix, arrays and state."""
        matrix = np.random.default_rng(self.seed).uniform(-1.5, 1.5, (self.rows, 3))
        known = {"x": matrix, **(state or {}), RANDOM_COUNTER: np.array(self.seed, np.uint64)}
        known |= {f"arrays_{name}": one for name, one in ARRAYS.items()}
        return [known[node["name"]] for node in graph.inputs]

    def is_well_posed(
        self, graph: Graph, arrays: Sequence[Array], results: Sequence[Array]
    ) -> bool:
        """Whether rounding decides nothing in a graph that has these results."""
        is_small = all((abs(one) < 1e4).all() for one in results if one.dtype.kind == "f")
        return is_small and is_well_posed(graph, arrays, results)


def _unit(main: Callable[..., Value], *types: Any) -> Unit:
    return build_unit({"main": Export(main, types)})


def _drawn(random: Random, depth: int) -> tuple[Step, ...]:
    """Some steps, with bodies down to a depth."""
    steps = []
    for _ in range(random.randint(1, 3)):
        kind = random.choice(list(WITH_BODIES if depth and random.random() < 0.6 else SIMPLE))
        count = 0 if kind in SIMPLE else 2 if kind == "cond" else 1
        bodies = tuple(_drawn(random, depth - 1) for _ in range(count))
        steps.append(Step(kind, bodies, random.randrange(12)))
    return tuple(steps)


@st.composite
def functions(draw: st.DrawFn, *, depth: int = 3) -> RandomFunction:
    """Functions with bodies down to a depth, and what is asked of them; all equally likely."""
    random = draw(st.randoms(use_true_random=True))
    return RandomFunction(
        _drawn(random, depth),
        random.choice(list(WRAPS)),
        random.randint(1, 4),
        random.randrange(2**16),
        random.random() < 0.5,
    )
