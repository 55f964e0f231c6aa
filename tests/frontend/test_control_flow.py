"""Loops and branches in the language: what they compute, train and save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import api
from graphc.compiler import compile_for
from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.tensor import Tensor, function
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims, dtype
from graphc.ir.dtype import f32, i32
from graphc.ir.evaluate import evaluate
from graphc.ir.node import topological
from graphc.library import library
from graphc.runtime.module_file import read_module
from graphc.runtime.program import BranchStep, LoopStep, Program

SOURCE = '''
"""Loops and branches that stay in the graph."""

dim T: 0..64
dim B: 1..8

model GRU(n_in=3, n=4):
    gates = Linear(n_in + n, 2 * n)
    candidate = Linear(n_in + n, n)

    def forward(x: f32[B, n_in], h: f32[B, n]) -> f32[B, n]:
        both = sigmoid(gates(concat((x, h), axis=1)))
        reset = both[:, :n]
        keep = both[:, n:]
        new = tanh(candidate(concat((x, reset * h), axis=1)))
        return keep * h + (1 - keep) * new

model Recurrent():
    cell = GRU()
    out = Linear(4, 1)

    def forward(x: f32[T, B, 3], h: f32[B, 4]) -> f32[B, 1]:
        for t in range(T):
            h = cell(x[t], h)
        return out(h)

def loss(net: Recurrent, x: f32[T, B, 3], h: f32[B, 4], y: f32[B, 1]) -> f32[]:
    return mean((net(x, h) - y) ** 2)

def running(x: f32[T, 3]) -> (f32[3], f32[T, 3]):
    total = zeros((3,))
    for t in range(T):
        total += x[t]
        sums[t] = total
    return total, sums

def newton(x: f32[]) -> f32[]:
    y = x
    while abs(y * y - x) > 1e-4, at most 50:
        y = 0.5 * (y + x / y)
    return y

def larger(x: f32[3], y: f32[3]) -> f32[3]:
    if sum(x) > sum(y):
        z = x * 2
    else:
        z = y - x
    return z

def positive(x: f32[T, 3]) -> f32[3]:
    total = zeros((3,))
    for row in x:
        if sum(row) > 0:
            total = total + row
    return total

def counted(x: f32[]) -> (f32[], i64[]):
    steps = 0
    time = 0.0
    while time < x, at most 50:
        time += 0.75
        steps += 1
    return time, steps

def records(x: f32[T]) -> (f32[T], f32[], i64[T]):
    best = -inf
    for t in range(T):
        if x[t] > best:
            best = x[t]
            mark = 1
        else:
            mark = 0.5
        for i in range(2):
            mark += i
        marks[t] = mark
        threes[t] = 3
    return marks, best, threes

def nested(x: f32[T]) -> (f32[], f32[], f32[T]):
    state = (zeros(()), [0.5])
    for t in reversed(range(T)):
        state = (state[0] + x[t], [2 * state[1][0]])
        sums[t] = state[0]
    return state[0], state[1][0], sums

def either(x: f32[]) -> (f32[], f32[]):
    if x > 0:
        pair = (x, 1)
    else:
        pair = (0, x)
    return pair

def never(x: f32[]) -> f32[]:
    for i in reversed(arange(-3)):
        x = x + 1
    return x

def counting(x: f32[]) -> (f32[], f32[7]):
    for i in arange(7):
        x = x + f32(i)
        sums[i] = x
    return x, sums

def positive_part(x: f32[]) -> f32[]:
    if x > 0:
        return x
    else:
        return 0

export predict = Recurrent.forward
export train = train_step(Recurrent, loss, adamw(lr=1e-2))
export running = running
export newton = newton
export larger = larger
export positive = positive
export counted = counted
export records = records
export positive_part = positive_part
export nested = nested
export either = either
export counting = counting
export never = never
'''


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loops")
    (folder / "loops.gc").write_text(SOURCE, encoding="utf-8")
    target = folder / "loops.gcm"
    api.build(folder / "loops.gc").file.write(target)
    return target


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_language_computes_what_it_says(module: Path, device: str) -> None:
    loaded = graphc.load(module, device=device)
    rng = np.random.default_rng(0)
    for length in (0, 1, 9):
        x = rng.normal(size=(length, 3)).astype(np.float32)
        total, sums = loaded.running(x)
        np.testing.assert_allclose(total, x.sum(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(sums, np.cumsum(x, 0), rtol=1e-5, atol=1e-5)
        expected = x[x.sum(1) > 0].sum(0)
        np.testing.assert_allclose(loaded.positive(x), expected, rtol=1e-5, atol=1e-5)
    assert loaded.newton(np.float32(2)) == pytest.approx(2**0.5, abs=1e-4)
    one, five = np.ones(3, np.float32), np.full(3, 5, np.float32)
    np.testing.assert_array_equal(loaded.larger(five, one), five * 2)
    np.testing.assert_array_equal(loaded.larger(one, five), five - one)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_numbers_and_containers_are_carried_and_chosen(module: Path, device: str) -> None:
    loaded = graphc.load(module, device=device)
    assert [one.tolist() for one in loaded.counted(np.float32(3.1))] == [3.75, 5]
    assert loaded.counted(np.float32(3.1))[1].dtype == np.int64
    for x in ([], [1, 0, 3, 2]):
        marks, best, threes = loaded.records(np.array(x, np.float32))
        assert marks.tolist() == [2, 1.5, 2, 1.5][: len(x)]
        assert best == max(x, default=-np.inf)
        assert threes.tolist() == [3] * len(x)
        total, scale, sums = loaded.nested(np.array(x, np.float32))
        assert (float(total), float(scale)) == (sum(x), 0.5 * 2 ** len(x))
        assert sums.tolist() == np.cumsum(x[::-1])[::-1].tolist()
    assert [[one.tolist() for one in loaded.either(np.float32(x))] for x in (2, -3)] == [
        [2, 1],
        [0, -3],
    ]
    assert loaded.never(np.float32(1)) == 1
    last, sums = loaded.counting(np.float32(1))
    assert (float(last), sums.tolist()) == (22, [1, 2, 4, 7, 11, 16, 22])
    assert [float(loaded.positive_part(np.float32(x))) for x in (-2, 2)] == [0, 2]


def test_a_recurrent_model_trains_and_allocates_nothing_more(module: Path) -> None:
    on_cpu, reference = (graphc.load(module, device=one) for one in ("cpu", "reference"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 4, 3)).astype(np.float32)
    h, y = np.zeros((4, 4), np.float32), np.ones((4, 1), np.float32)
    losses = [float(on_cpu.train(x, h, y))]
    np.testing.assert_allclose(losses[0], reference.train(x, h, y), rtol=1e-5)
    for name, value in reference.state_dict().items():
        np.testing.assert_allclose(on_cpu.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    allocations = on_cpu.allocations
    losses += [float(on_cpu.train(x, h, y)) for _ in range(40)]
    assert on_cpu.allocations == allocations
    assert losses[-1] < 0.2 * losses[0]


def test_the_program_is_data_and_reads_back(module: Path) -> None:
    code = compile_for(api.unit_of(read_module(module)), "cpu")
    data = json.loads(json.dumps(code.program.to_json()))
    assert Program.from_json(data) == code.program
    kinds = {
        name: [type(step) for step in entry.steps if isinstance(step, LoopStep | BranchStep)]
        for name, entry in code.program.entries.items()
    }
    assert kinds == {
        "predict": [LoopStep],
        "train": [LoopStep, LoopStep],
        "running": [LoopStep],
        "newton": [LoopStep],
        "larger": [BranchStep],
        "positive": [LoopStep],
        "counted": [LoopStep],
        "records": [LoopStep],
        "positive_part": [BranchStep],
        "nested": [LoopStep],
        "either": [BranchStep],
        "counting": [],
        "never": [],
    }
    (loop,) = (step for step in data["entries"]["running"]["steps"] if "loop" in step)
    assert set(loop) == {"condition", "loop", "rows", "steps", "swaps", "test", "text"}
    assert (loop["loop"], loop["condition"], loop["test"]) == ("T", None, [])
    roles = [data["entries"]["running"]["slots"][slot]["role"] for slot, _, _ in loop["rows"]]
    assert roles == ["row", "row"]


# -- from Python ----------------------------------------------------------------------------------


X, Y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2, 0, 5], np.float32)
NUMBERED = np.arange(3)[:, None] * X
TOGETHER: dict[str, tuple[tuple[str, ...], list[Any]]] = {
    "rows of two": (("for a, b in zip(x, y):", "    s = s + a * b"), [Y @ X]),
    "rows with their number": (
        ("for i, a in enumerate(x):", "    s = s + f32(i) * a"),
        [NUMBERED.sum(0)],
    ),
    "rows that are stored by number": (
        ("for i, a in enumerate(x):", "    z[i] = y[i] * a", "s = z"),
        [Y[:, None] * X],
    ),
    "rows of two with their number": (
        ("for i, (a, b) in enumerate(zip(x, y)):", "    s = s + f32(i) * a * b"),
        [Y @ NUMBERED],
    ),
    "rows beside numbered ones": (
        ("for b, (i, a) in zip(y, enumerate(x)):", "    s = s + f32(i) * a * b"),
        [Y @ NUMBERED],
    ),
    "rows of one twice, and from the end": (
        ("for a, b, c in zip(x, x, x[::-1]):", "    s = s + a * b * c"),
        [(X * X * X[::-1]).sum(0)],
    ),
    "pairs": (("for pair in zip(x, y):", "    s = s + pair[0] * pair[1]"), [Y @ X]),
}


@pytest.mark.parametrize("sizes", [("T", "T"), (3, 3)])
@pytest.mark.parametrize("name", TOGETHER)
def test_rows_of_several_tensors_and_their_numbers_are_looped_over(
    name: str, sizes: tuple[Any, Any]
) -> None:
    lines, expected = TOGETHER[name]
    header = f"dim T: 1..9\ndef f(x: f32[{sizes[0]}, 2], y: f32[{sizes[1]}]):\n    s = zeros(2)\n"
    text = header + "".join(f"    {line}\n" for line in lines) + "    return s\nexport f = f\n"
    graph = elaborate(text, "together.gc", library()).exports["f"]
    assert sum(node.op.name == "scan" for node in topological(graph.results)) == 1
    found, _ = evaluate(graph, [X, Y], [])
    np.testing.assert_allclose(found, expected)


where = function("where")
ROWS = ("f64", "f32", "f16", "bf16", "c64", "c128", "i64", "i32", "i8", "u8")


@pytest.mark.parametrize(
    ("init", "rows"),
    [
        *(("0", rows) for rows in ROWS),
        *((init, rows) for init in ("0.0", "(0, [0.0])") for rows in ROWS[:6]),
    ],
)
def test_a_number_is_carried_in_the_dtype_of_what_it_meets(init: str, rows: str) -> None:
    step = "(s[1][0] + v, [s[0] + v])" if init.startswith("(") else "s + v"
    header = f"dim T: 1..9\ndef f(x: {rows}[T]):\n    s = {init}\n"
    text = f"{header}    for v in x:\n        s = {step}\n    return s\nexport f = f\n"
    unit = elaborate(text, "carried.gc", library())
    after = eval(f"lambda s, v: ({step}, None)")
    graph, _ = trace(lambda x: scan(after, eval(init), x)[0], dtype.from_name(rows)["T"])
    for results in (unit.exports["f"].results, graph.results):
        assert {one.dtype.name for one in results} == {rows}


BLOCKS = {
    "a loop inside": "for t in range(T):\n    for v in x[t]:\n        s = s + v",
    "a loop of rows inside": "for row in x:\n    for v in row:\n        s = s + v",
    "a branch": "for v in x[0]:\n    if v > 0:\n        s = s + v",
    "a branch of two sides": "for v in x[0]:\n    s = s + v if v > 0 else s",
    "a branch on the number": (
        "for v in x[0]:\n    if s < v:\n        s = s + v\n    else:\n        s = 1.0"
    ),
    "a function": "for v in x[0]:\n    s = maximum(s, v)",
    "another number": "n = 0.5\nfor v in x[0]:\n    s = n\n    n = n + v",
    "a number that counts": "n = 0\nfor v in x[0]:\n    n = n + 1\n    s = 0.9 * s + v / n",
    "a loop inside that counts": (
        "for v in x[0]:\n    n = 0\n    for t in range(T):\n        n = n + 1\n"
        "    if n > 2:\n        s = s + v"
    ),
    "a loop inside of two numbers": (
        "for row in x:\n    n = 0.5\n    for v in row:\n        s = n\n        n = n + v"
    ),
    "a bound": "while s < 3, at most 4:\n    s = s + x[0, 0]",
    "a bound inside": "for v in x[0]:\n    while s < v, at most 4:\n        s = s + v",
    "a tensor in the block": "for v in x[0]:\n    s = sum(s + v)",
    "a method of the number": "for v in x[0]:\n    s = s.astype(v.dtype) + v",
}


@pytest.mark.parametrize("rows", ["f64", "f32", "f16", "bf16"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_number_meets_its_dtype_in_blocks_inside(block: str, rows: str) -> None:
    lines = ("s = 0.0", *BLOCKS[block].splitlines(), "return s")
    body = "".join(f"    {line}\n" for line in lines)
    text = f"dim T: 1..9\ndef f(x: {rows}[T, 3]):\n{body}export f = f\n"
    unit = elaborate(text, "blocks.gc", library())
    assert str(unit.exports["f"].results[0].type) == f"{rows}[]"


@pytest.mark.parametrize("rows", ["f64", "f32", "f16", "bf16"])
@pytest.mark.parametrize(
    "after",
    [
        lambda c, row: (scan(lambda d, v: (d + v, None), c, row)[0], None),
        lambda c, row: (cond(row[0] > 0, lambda: c + row[0], lambda: c), None),
        lambda c, row: (where(row[0] > 0, c + row[0], c), None),
        lambda c, row: (
            while_loop(lambda d: d < row[0], lambda d: d + row[1], c, max_steps=3),
            None,
        ),
        lambda c, row: (c.astype(row.dtype) + row[0], None),
    ],
)
def test_a_number_of_python_meets_its_dtype_in_functions_inside(after: Any, rows: str) -> None:
    graph, _ = trace(lambda x: scan(after, 0.0, x)[0], dtype.from_name(rows)["T", 3])
    assert str(graph.results[0].type) == f"{rows}[]"


def test_loops_with_numbers_inside_of_each_other_are_traced_a_few_times() -> None:
    depth, calls = 6, 0

    def nested(x: Tensor, level: int) -> Tensor:
        nonlocal calls
        if level == depth:
            calls += 1
            return x
        found: Tensor = scan(lambda c, v: (c + nested(v, level + 1), None), 0.0, x)[0]
        return found

    graph, _ = trace(lambda x: nested(x, 0), dtype.f16[(2,) * depth])
    assert str(graph.results[0].type) == "f16[]"
    assert calls == depth + 1


def test_a_loop_that_is_traced_again_draws_what_it_would_have_drawn() -> None:
    text = "def f(x: f32[9]):\n    s = {}\n    for v in x:\n        s = s + v * rand(())\n"
    one, other = (
        elaborate(f"{text.format(init)}    return s\nexport f = f\n", "draws.gc", library())
        for init in ("0.0", "f32(0.0)")
    )
    assert one.exports["f"].results == other.exports["f"].results


def test_a_number_in_a_bounded_loop_has_the_dtype_of_what_it_meets() -> None:
    text = "def f(x: f64[]):\n    s = 0.0\n    while s < x, at most 9:\n        s = s + x\n"
    unit = elaborate(f"{text}    return s\nexport f = f\n", "bounded.gc", library())
    assert str(unit.exports["f"].results[0].type) == "f64[]"


T = dims.variable("T", 0, 8)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (lambda x: 2.0, lambda x: 3, "f32[]"),
        (lambda x: 2, lambda x: 3, "i64[]"),
        (lambda x: x[0], lambda x: 3, "f16[]"),
        (lambda x: 0.1, lambda x: x[0], "f16[]"),
    ],
)
def test_a_number_of_one_branch_has_the_dtype_of_the_other(
    one: Any, other: Any, expected: str
) -> None:
    graph, _ = trace(lambda x: cond(x[0] > 0, one, other, x), dtype.f16[3])
    assert str(graph.results[0].type) == expected
    for x in ([1, 2, 3], [-1, 2, 3]):
        given = np.array(x, np.float16)
        (found,), _ = evaluate(graph, [given])
        assert found == np.asarray(one(given) if x[0] > 0 else other(given), found.dtype)


def test_what_python_functions_are_refused() -> None:
    with pytest.raises(DTypeError, match=r"begins with init as f32\[3\], and makes it i32\[3\]"):
        trace(lambda x: while_loop(lambda c: c.sum() > 0, _to_i32, x, max_steps=2), f32[3])
    with pytest.raises(ShapeError, match=r"f32\[4\] is run over, expected T rows"):
        trace(lambda x, y: scan(lambda c, r: (c, None), x, (x, y))[0], f32[T], f32[4])
    with pytest.raises(UsageError, match="has no length"):
        trace(lambda x: scan(lambda c, r: (c, None), x)[0], f32[3])
    with pytest.raises(UsageError, match="expected a pair"):
        trace(lambda x: scan(lambda c, r: c, x, length=2)[0], f32[3])
    with pytest.raises(UsageError, match="expected the form of"):
        trace(lambda x: cond(x.sum() > 0, lambda: x, lambda: (x, x)), f32[3])
    with pytest.raises(DTypeError, match=r"expected bool\[\]"):
        trace(lambda x: cond(x, lambda: x, lambda: x), f32[3])


def _to_i32(x: Tensor) -> Tensor:
    return x.astype(i32)


def test_one_body_is_one_graph_whatever_it_was_traced_from() -> None:
    def twice(x: Tensor) -> Any:
        return scan(lambda c, r: (c + r, None), x.sum(axis=0), x)[0]

    first, second = (trace(twice, f32[T, 3])[0] for _ in range(2))
    assert first is second


def test_what_is_computed_before_a_branch_is_its_operand() -> None:
    steps = "".join(f"    if sum(x) > {i}:\n        x = x * {i} - 1\n" for i in range(20))
    text = f"def f(x: f32[3]):\n{steps}    return x\nexport f = f\n"
    (graph,) = elaborate(text, "branches.gc", library()).exports.values()
    branches = [node for node in graph.nodes() if node.op.name == "cond"]
    assert len(branches) == 20
    for one in branches:
        inner = {node.op.name for name in ("then", "otherwise") for node in one[name].nodes()}
        assert inner <= {"input", "constant", "broadcast_to", "multiply", "subtract"}
