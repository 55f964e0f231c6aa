"""Programs as data: through JSON and back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.errors import DTypeError, ModuleFormatError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.decompose import decompose
from graphc.runtime.program import ALIGNMENT, MOST_SCRATCH, Entry, Program, Slot
from tests.loops import GRAPHS
from tests.random_graphs import RandomGraph, graphs

F: Any = functions


def through_json(program: Program) -> Program:
    return Program.from_json(json.loads(json.dumps(program.to_json())))


@settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(graphs())
def test_programs_of_random_graphs_pass_through_json(case: RandomGraph) -> None:
    graph = decompose(case.graph, SourceMap())
    try:
        program = Program("cpu", {"random": plan_entry(graph, HOST, Library())})
    except DTypeError:
        return
    assert through_json(program) == program


def test_dims_of_every_form_pass_through_json() -> None:
    batch, length = dims.variable("B", 1, 64), dims.variable("L", 0, 4096, 128)
    x = graph_input("x", dtypes.f32, (batch, length))
    y = F["reshape"](F["add"](x, x), (batch * length,))
    graph = Graph("test", (x,), (), (F["pad"](y, ((0, length),)), F["sum"](x, 1)))
    program = Program("cpu", {"test": plan_entry(decompose(graph, SourceMap()), HOST, Library())})
    again = through_json(program)
    assert again == program
    assert {n: dims.bounds(d) for n, d in again.entries["test"].dims.items()} == {
        "B": (1, 64),
        "L": (0, 4096),
    }


# -- what is refused ------------------------------------------------------------------------------


def plain() -> dict[str, Any]:
    x = graph_input("x", dtypes.f32, (dims.variable("B", 1, 8), 3))
    graph = Graph("test", (x,), (), (F["sum"](F["exp"](x), 1),))
    entry = plan_entry(decompose(graph, SourceMap()), HOST, Library())
    data: dict[str, Any] = json.loads(json.dumps(Program("cpu", {"test": entry}).to_json()))
    return data


def slot(data: dict[str, Any]) -> Any:
    return data["entries"]["test"]["slots"][0]


def alternative(data: dict[str, Any]) -> Any:
    return data["entries"]["test"]["steps"][0]["alternatives"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("entries"),
        lambda d: d.update(entries=[1]),
        lambda d: d["entries"].update(test=None),
        lambda d: d["entries"]["test"].pop("steps"),
        lambda d: d["entries"]["test"].update(dims={"B": [8, 1, 1]}),
        lambda d: d["entries"]["test"].update(dims={"B": [1]}),
        lambda d: d["entries"]["test"].update(dims={}),
        lambda d: d["entries"]["test"].update(inputs=[99]),
        lambda d: d["entries"]["test"].update(results=[-1]),
        lambda d: slot(d).update(role="owner"),
        lambda d: slot(d).update(dtype="f33"),
        lambda d: slot(d).update(shape=["B +"]),
        lambda d: slot(d).update(shape=["__import__('os')"]),
        lambda d: slot(d).update(shape=["C"]),
        lambda d: slot(d).update(above=["0"]),
        lambda d: slot(d).update(above=[True]),
        lambda d: alternative(d)["bindings"][0].update(slots=[0, 7]),
        lambda d: alternative(d)["bindings"][0].update(slots=[0]),
        lambda d: alternative(d)["bindings"][0].update(grid="B // 0"),
        lambda d: alternative(d)["bindings"][0].update(grid="-1"),
        lambda d: alternative(d).update(when=["B"]),
        lambda d: alternative(d).update(written=1),
    ],
)
def test_programs_of_another_form_are_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    data = plain()
    assert Program.from_json(data)
    change(data)
    with pytest.raises(ModuleFormatError, match="not of the expected form"):
        Program.from_json(data)


# -- memory ---------------------------------------------------------------------------------------


def with_temporaries(*above: tuple[int, ...]) -> Entry:
    batch = dims.variable("B", 0, 1000)
    slots = tuple(
        Slot("t", "temporary", TensorType(dtypes.f32, (batch, i + 1)), below)
        for i, below in enumerate(above)
    )
    return Entry("test", {"B": batch}, slots, (), (), (), ())  # type: ignore[dict-item]


@pytest.mark.parametrize("batch", [0, 1, 63, 64, 65, 1000])
def test_offsets_follow_the_order_and_are_aligned(batch: int) -> None:
    layout = with_temporaries((1,), (), (0, 1)).layout({"B": batch})
    sizes = [-(-4 * batch * (i + 1) // ALIGNMENT) * ALIGNMENT for i in range(3)]
    assert layout.offsets == {1: 0, 0: sizes[1], 2: sizes[0] + sizes[1]}
    assert layout.arena_bytes == sum(sizes)


def test_a_circular_order_is_refused() -> None:
    with pytest.raises(ModuleFormatError, match="circular"):
        with_temporaries((1,), (0,)).layout({"B": 1})


def held_over(*sizes: tuple[Any, DimLike, tuple[int, ...]]) -> Program:
    """A program without steps over slots of a role, a length in bytes, and an order."""
    slots = tuple(
        Slot("x", role, TensorType(dtypes.u8, (size,)), above) for role, size, above in sizes
    )
    return Program("cpu", {"f": Entry("f", {}, slots, (), (), (), ())})


def test_sizes_that_fall_with_a_dim_are_largest_where_it_is_small() -> None:
    n = dims.variable("N", 1, 100)
    program = held_over(("input", n, ()), ("result", 1000 - 10 * n, ()))
    assert program.memory("f", {"N": 100}) == {
        "input": 100, "result": 0, "state": 0, "arena": 0, "scratch": 0, "peak": 100,
    }  # fmt: skip
    assert program.memory("f", {})["result"] == 990
    assert program.memory("f", {})["peak"] == 1090
    # What grows and falls in one part is seen together.
    program = held_over(("input", n, ()), ("input", 100 - n, ()))
    assert program.memory("f", {})["peak"] == 100


def test_every_thread_has_scratch_memory() -> None:
    program = replace(held_over(("input", 100, ())), scratch_bytes=64)
    for threads in (1, 3):
        parts = program.memory("f", {}, threads)
        assert (parts["scratch"], parts["peak"]) == (64 * threads, 100 + 64 * threads)
    data: dict[str, Any] = json.loads(json.dumps(program.to_json()))
    assert Program.from_json(data).scratch_bytes == 64
    del data["scratch"]
    assert Program.from_json(data).scratch_bytes == 0


@pytest.mark.parametrize("scratch", [-1, MOST_SCRATCH + 1, True, 1.5, "64", None])
def test_scratch_memory_of_no_size_is_refused(scratch: object) -> None:
    data = {**held_over(("input", 100, ())).to_json(), "scratch": scratch}
    with pytest.raises(ModuleFormatError, match="no size of scratch memory"):
        Program.from_json(data)


@pytest.mark.parametrize("wrong", [{"lanes": 0}, {"lanes": 1025}, {"index_bits": 16}, {"lane": 1}])
def test_a_kernel_of_no_geometry_is_refused(wrong: dict[str, int]) -> None:
    data = held_over(("input", 100, ())).to_json()
    data["kernels"] = {"k": {"lanes": 32}}
    assert Program.from_json(data).geometry["k"].lanes == 32
    data["kernels"] = {"k": {"lanes": 32, **wrong}}
    with pytest.raises(ModuleFormatError, match="not of the expected form"):
        Program.from_json(data)


N, M = dims.variable("N", 0, 9), dims.variable("M", 1, 7)
LENGTHS = st.sampled_from(
    [N, M, 9 - N, N * M, (9 - N) * M, (N + 1) // 2 * 300, N % 4, 7 * M - M * M, 500]
)  # fmt: skip
HELD = st.tuples(st.sampled_from(["input", "result", "temporary"]), LENGTHS)


@given(st.lists(HELD, min_size=1, max_size=5), st.data())
def test_no_call_needs_more_than_the_memory_over_all_dims(
    held: list[tuple[Any, DimLike]], data: st.DataObject
) -> None:
    """With some dims given, too; and with all of them it is what a call needs."""
    orders = [st.lists(st.integers(0, max(i - 1, 0)), max_size=i) for i in range(len(held))]
    temporaries = [i for i, (role, _) in enumerate(held) if role == "temporary"]
    above = [
        tuple(j for j in data.draw(order) if j in temporaries) if i in temporaries else ()
        for i, order in enumerate(orders)
    ]
    program = held_over(*((role, size, up) for (role, size), up in zip(held, above, strict=True)))
    entry = program.entries["f"]
    for n in range(10):
        for m in range(1, 8):
            given = {"N": n, "M": m}
            exact = program.memory("f", given)
            assert exact["arena"] == entry.layout(given).arena_bytes
            for role in ("input", "result"):
                sizes = [dims.evaluate(size, given) for one, size in held if one == role]
                assert exact[role] == sum(sizes)
            for known in ({}, {"N": n}, {"M": m}):
                assert all(exact[part] <= most for part, most in program.memory("f", known).items())


# -- loops and branches ---------------------------------------------------------------------------


def looping() -> dict[str, Any]:
    """Programs with a loop inside a loop, a condition, and branches."""
    names = ("cond_in_scan", "nested", "several_carries", "until")
    entries = {
        name: plan_entry(decompose(GRAPHS[name], SourceMap()), HOST, Library()) for name in names
    }
    program = Program("cpu", entries)
    assert through_json(program) == program
    data: dict[str, Any] = json.loads(json.dumps(program.to_json()))
    return data


def step_of(data: dict[str, Any], entry: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in data["entries"][entry]["steps"] if kind in s)
    return found


def loop(entry: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Any], object]:
    """A change of an entry's outermost loop."""
    return lambda data: change(step_of(data, entry, "loop"))


def deep(step: dict[str, Any]) -> None:
    inner = list(step["steps"])
    for _ in range(70):
        inner = [{"text": "", "branch": 0, "then": inner, "otherwise": []}]
    step["steps"] = inner


def swapped_with_another_type(data: dict[str, Any]) -> None:
    slots = [
        (number, slot["dtype"], slot["shape"])
        for number, slot in enumerate(data["entries"]["several_carries"]["slots"])
        if slot["role"] == "temporary"
    ]
    one, other = slots[0], next(slot for slot in slots if slot[1:] != slots[0][1:])
    step_of(data, "several_carries", "loop")["swaps"] = [[one[0], other[0]]]


def used_outside(data: dict[str, Any]) -> None:
    steps = data["entries"]["nested"]["steps"]
    steps += step_of(data, "nested", "loop")["steps"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (loop("until", lambda s: s.update(condition=0)), "a condition is"),
        (loop("until", lambda s: s.update(condition=None)), "without a condition"),
        (loop("until", lambda s: s.update(condition=10**6)), "out of range"),
        (loop("until", lambda s: s.update(loop="-1")), "less than no times"),
        (loop("until", lambda s: s.update(swaps=[[0, 1]])), "not alike"),
        (loop("nested", lambda s: s.update(loop="T + 1")), "not those of the slot"),
        (loop("nested", lambda s: s["rows"].append([0, 1, False])), "no row of it"),
        (loop("nested", lambda s: s.update(rows=[])), "outside of its loop"),
        (loop("nested", lambda s: s["rows"][0].__setitem__(0, -1)), "out of range"),
        (loop("cond_in_scan", deep), "too deep"),
        (used_outside, "outside of its loop"),
        (swapped_with_another_type, "not alike"),
    ],
)
def test_a_loop_that_would_leave_its_memory_is_refused(
    change: Callable[[Any], object], message: str
) -> None:
    data = looping()
    change(data)
    with pytest.raises(ModuleFormatError, match=message):
        Program.from_json(data)
