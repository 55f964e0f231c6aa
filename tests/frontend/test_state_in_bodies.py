"""State that loops and branches update is carried from one iteration to the next, and chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import UsageError
from graphc.frontend.tracing.state import Buffer, Parameter
from graphc.frontend.tracing.trace import trace
from tests.values import same_bits

Array = np.ndarray[Any, Any]

T = gc.dim("T", 0, 64)
SIZES = (0, 1, 7)


class Counter(gc.nn.Module):
    """Counts how often it is called, and how often with something positive."""

    def __init__(self) -> None:
        self.calls = Buffer((), gc.i32)
        self.positive = Buffer((), gc.i32)
        self.total = Buffer((3,), gc.f64)

    def forward(self, x: Any) -> Any:
        self.calls.update(self.calls + 1)
        self.total.update(self.total + x)
        gc.cond(x.sum() > 0, lambda: self.positive.update(self.positive + 1) or x, lambda: x)
        return x * self.total

    def scanned(self, h: gc.f64[3], x: gc.f64[T, 3]) -> Any:
        return gc.scan(lambda c, row: (c + self(row), self.total.sum()), h, x)

    def written_out(self, h: gc.f64[3], x: gc.f64[7, 3]) -> Any:
        rows = []
        for place in range(7):
            h = h + self(x[place])
            rows.append(self.total.sum())
        return h, gc.stack(rows)

    def nested(self, h: gc.f64[3], x: gc.f64[T, 3]) -> Any:
        def outer(c: Any, row: Any) -> Any:
            self.calls.update(self.calls * 2)
            return gc.scan(lambda d, _: (d + self(row), None), c, length=3)[0], None

        return gc.scan(outer, h, x)[0]

    def until(self, h: gc.f64[3]) -> Any:
        return gc.while_loop(
            lambda c: self.calls < 5, lambda c: c + self(c * 0 + 1), h, max_steps=9
        )


def compiled(model: gc.nn.Module, name: str, device: str) -> Any:
    return gc.compile({name: getattr(model, name)}, device=device)


def state(module: Any) -> dict[str, Array]:
    return dict(module.state_dict())


DEVICES = ("cpu", "reference", "sim")


@pytest.mark.parametrize("device", DEVICES)
def test_a_loop_updates_state_in_each_iteration(device: str) -> None:
    module = compiled(Counter(), "scanned", device)
    rng = np.random.default_rng(0)
    calls, positive, total = 0, 0, np.zeros(3)
    for length in (7, 0, 1, 7):
        x, h = rng.normal(size=(length, 3)), rng.normal(size=3)
        found, rows = module.scanned(h, x)
        expected = []
        for row in x:
            total, calls, positive = total + row, calls + 1, positive + int(row.sum() > 0)
            h = h + row * total
            expected.append(total.sum())
        np.testing.assert_allclose(found, h, rtol=1e-12)
        np.testing.assert_allclose(rows, expected, rtol=1e-9, atol=1e-12)
        after = state(module)
        assert (after["calls"], after["positive"]) == (calls, positive)
        np.testing.assert_allclose(after["total"], total, rtol=1e-12)


def test_a_loop_leaves_what_its_steps_written_out_leave() -> None:
    one, other = (compiled(Counter(), name, "cpu") for name in ("scanned", "written_out"))
    rng = np.random.default_rng(1)
    h, x = rng.normal(size=3), rng.normal(size=(7, 3))
    for _ in range(2):
        pairs = zip(one.scanned(h, x), other.written_out(h, x), strict=True)
        assert all(same_bits(a, b) for a, b in pairs)
    for name, value in state(one).items():
        assert same_bits(value, state(other)[name])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("length", SIZES)
def test_loops_in_loops_update_state(device: str, length: int) -> None:
    module = compiled(Counter(), "nested", device)
    module.nested(np.zeros(3), np.ones((length, 3)))
    calls = 0
    for _ in range(length):
        calls = 2 * calls + 3
    assert (state(module)["calls"], state(module)["positive"]) == (calls, 3 * length)


@pytest.mark.parametrize("device", DEVICES)
def test_a_condition_reads_what_the_body_updates(device: str) -> None:
    module = compiled(Counter(), "until", device)
    np.testing.assert_array_equal(module.until(np.zeros(3)), np.full(3, 15.0))
    assert state(module)["calls"] == 5
    np.testing.assert_array_equal(module.until(np.zeros(3)), np.zeros(3))
    assert state(module)["calls"] == 5


def test_a_condition_updates_no_state() -> None:
    counter = Counter()
    with pytest.raises(UsageError, match="'calls' is updated in the condition of a loop"):
        gc.trace(
            lambda h: gc.while_loop(
                lambda c: counter(c).sum() < 3, lambda c: c + 1, h, max_steps=4
            ),
            gc.f64[3],
            models=[counter],
        )


# -- branches -------------------------------------------------------------------------------------


class Switch(gc.nn.Module):
    def __init__(self) -> None:
        self.left, self.right, self.both = (Buffer((), gc.i32) for _ in range(3))

    def forward(self, x: gc.f32[()]) -> Any:
        def left() -> Any:
            self.left.update(self.left + 1)
            self.both.update(self.both + 10)
            return x * 2

        def right() -> Any:
            self.right.update(self.right + 1)
            self.both.update(self.both * 2)
            return x + self.right.astype(gc.f32)

        return gc.cond(x > 0, left, right)


@pytest.mark.parametrize("device", DEVICES)
def test_the_branch_that_runs_updates_state(device: str) -> None:
    module = gc.compile({"run": Switch()}, device=device)
    for x, result, after in (
        (1.0, 2.0, (1, 0, 10)),
        (-1.0, 0.0, (1, 1, 20)),
        (-1.0, 1.0, (1, 2, 40)),
        (2.0, 4.0, (2, 2, 50)),
    ):
        assert module.run(np.float32(x)) == result
        assert tuple(int(state(module)[name]) for name in ("left", "right", "both")) == after


# -- what reads state -----------------------------------------------------------------------------


class Table(gc.nn.Module):
    """A table whose rows a loop reads by the number of the iteration, and may change."""

    def __init__(self) -> None:
        self.rows = Buffer((5, 3), gc.f64, gc.initializers.full(2.0))

    def read(self, h: gc.f64[3]) -> Any:
        return gc.scan(lambda c, t: (c * self.rows[t], None), h, gc.arange(5))[0]

    def changed(self, h: gc.f64[3]) -> Any:
        def step(c: Any, t: Any) -> Any:
            c = c * self.rows[t]
            self.rows.update(self.rows + 1)
            return c, None

        return gc.scan(step, h, gc.arange(5))[0]


TABLE = """
model Table():
    state rows: f64[5, 3] = full(2.0)

    def read(h: f64[3]):
        for t in arange(5):
            h = h * rows[t]
        return h

    def changed(h: f64[3]):
        for t in arange(5):
            h = h * rows[t]
            update rows = rows + 1.0
        return h

    def some(h: f64[3], bound: f64[]):
        while sum(h) < bound, at most 20:
            h = h * rows[0]
            if sum(h) > 20.0:
                update rows = rows + 1.0
        return h


export read = Table.read
export changed = Table.changed
export some = Table.some
"""


def from_python(_: Path) -> Any:
    table = Table()
    return gc.compile({"read": table.read, "changed": table.changed}, device="cpu")


def from_source(folder: Path) -> Any:
    (folder / "table.gc").write_text(TABLE)
    return gc.load_file(gc.build(folder / "table.gc").file, "cpu")


@pytest.mark.parametrize("module", [from_python, from_source])
def test_rows_of_state_are_those_of_the_iteration(
    module: Callable[[Path], Any], tmp_path: Path
) -> None:
    made = module(tmp_path)
    h = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(made.read(h), h * 2**5)
    np.testing.assert_array_equal(made.changed(h), h * 2 * 3 * 4 * 5 * 6)
    np.testing.assert_array_equal(made.read(h), h * 7**5)


def test_a_branch_in_a_loop_of_the_language_updates_state(tmp_path: Path) -> None:
    made = from_source(tmp_path)
    rows, h, total = 2.0, np.ones(3), np.ones(3)
    while total.sum() < 1000:
        total = total * rows
        rows += total.sum() > 20
    np.testing.assert_array_equal(made.some(h, np.float64(1000)), total)
    np.testing.assert_array_equal(state(made)["rows"], np.full((5, 3), rows))


# -- layers and training --------------------------------------------------------------------------


class Normed(gc.nn.Module):
    """Normalised inputs along time: a loop, or its steps written out."""

    def __init__(self) -> None:
        self.norm = gc.nn.BatchNorm1d(3)
        self.scale = Parameter((3,), gc.f32, gc.initializers.full(0.5))

    def step(self, c: Any, row: Any) -> Any:
        return gc.tanh(self.norm(row) * self.scale + c)

    def looped(self, x: Any) -> Any:
        return gc.scan(lambda c, row: (self.step(c, row), None), x[0] * 0, x)[0]

    def written_out(self, x: Any) -> Any:
        c = x[0] * 0
        for place in range(10):
            c = self.step(c, x[place])
        return c


def test_a_layer_with_running_moments_trains_in_a_loop() -> None:
    def step(name: str) -> Any:
        def loss(net: Normed, x: gc.f32[10, 4, 3]) -> Any:
            return (getattr(net, name)(x) ** 2).mean()

        return gc.compile(
            {"train": gc.train_step(Normed(), loss, gc.optim.sgd(lr=0.5))}, device="cpu"
        )

    loop, steps = step("looped"), step("written_out")
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.standard_normal((10, 4, 3)).astype(np.float32)
        np.testing.assert_allclose(loop.train(x), steps.train(x), rtol=1e-5)
    assert state(loop)["norm.num_batches_tracked"] == 30
    for name, value in state(steps).items():
        np.testing.assert_allclose(state(loop)[name], value, rtol=1e-4, atol=1e-6)


class Line(gc.nn.Module):
    """A line that an optimizer fits, row by row or in a loop over rows."""

    def __init__(self) -> None:
        self.w = Parameter((3,), gc.f64, gc.initializers.full(0.25))
        self._optimizer = gc.optim.adam(lr=0.05)

    def once(self, row: gc.f64[3]) -> Any:
        slope = gc.grad(lambda line: ((line.w * row).sum() - 1) ** 2)(self)
        self._optimizer.apply([self.w], [slope["w"]])
        return row.sum()

    def looped(self, x: gc.f64[T, 3]) -> Any:
        return gc.scan(lambda c, row: (c + self.once(row), None), x.sum() * 0, x)[0]


def test_steps_of_an_optimizer_in_a_loop_are_those_of_several_calls() -> None:
    whole, single = (compiled(Line(), name, "cpu") for name in ("looped", "once"))
    x = np.random.default_rng(0).normal(size=(12, 3))
    whole.looped(x)
    for row in x:
        single.once(row)
    assert state(whole)["optimizer.step"] == 12
    assert state(whole).keys() == state(single).keys()
    for name, value in state(single).items():
        np.testing.assert_allclose(state(whole)[name], value, rtol=1e-12)


def test_gradients_pass_through_state_that_a_loop_updates() -> None:
    class Sum(gc.nn.Module):
        def __init__(self) -> None:
            self.total = Buffer((), gc.f64)

        def loss(self, x: gc.f64[T]) -> Any:
            def f(x: Any) -> Any:
                self.total.update(self.total * 0)

                def step(c: Any, row: Any) -> Any:
                    self.total.update(self.total + row * row)
                    return c + self.total, None

                return gc.scan(step, x.sum() * 0, x)[0]

            return gc.value_and_grad(f)(x)

    module = compiled(Sum(), "loss", "cpu")
    x = np.arange(1.0, 6.0)
    value, slope = module.loss(x)
    assert value == np.cumsum(x * x).sum()
    np.testing.assert_allclose(slope, 2 * x * np.arange(5, 0, -1))
    assert state(module)["total"] == (x * x).sum()


def test_state_that_is_only_read_is_no_carry() -> None:
    table = Table()
    graph, _ = trace(table.read, gc.f64[3])
    (loop,) = (node for node in graph.nodes() if node.op.name == "scan")
    assert loop["carries"] == 1
    assert not graph.updates
