"""Programs as data: through JSON and back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.errors import DTypeError, ModuleFormatError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.decompose import decompose
from graphc.runtime.program import ALIGNMENT, Entry, Program, Slot
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
    assert again.entries["test"].largest_dims() == {"B": 64, "L": 4096}


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


# -- loops and branches ---------------------------------------------------------------------------


def looping() -> dict[str, Any]:
    """Programs with a loop inside a loop, a condition, and branches."""
    names = ("cond_in_scan", "nested", "until")
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
    ],
)
def test_a_loop_that_would_leave_its_memory_is_refused(
    change: Callable[[Any], object], message: str
) -> None:
    data = looping()
    change(data)
    with pytest.raises(ModuleFormatError, match=message):
        Program.from_json(data)
