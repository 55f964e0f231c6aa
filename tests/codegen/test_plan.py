"""The plan: state, results and memory of whole graphs, run kernel by kernel in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.codegen.cuda import CUDA
from graphc.codegen.dialect import Dialect
from graphc.codegen.host import HOST
from graphc.codegen.plan import Library, plan_entry
from graphc.errors import DTypeError
from graphc.frontend.tracing.control_flow import scan
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import find, functions
from graphc.ir.ops.indexing.gather import gather
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.slicing import slice_
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.decompose import decompose
from graphc.passes.simplify import simplify
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.program import (
    ALIGNMENT,
    Entry,
    HostCallStep,
    LaunchStep,
    Program,
    Step,
)
from tests.random_graphs import RandomGraph, graphs
from tests.values import same_bits

F: Any = functions
Array = np.ndarray[Any, Any]
B = dims.variable("B", 0, 64)
often = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def planned(graph: Graph, dialect: Dialect = HOST) -> tuple[Entry, Library]:
    library = Library()
    return plan_entry(decompose(graph, SourceMap()), dialect, library), library


def run(
    graph: Graph, inputs: Sequence[Array], state: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """Results and state after one call."""
    entry, library = planned(graph)
    names = [node["name"] for node in graph.state]
    program = Program("cpu", {graph.name: entry})
    executor = Interpreter(program, library.kernels, dict(zip(names, state, strict=True)))
    return executor.call(graph.name, inputs), [executor.state[name] for name in names]


def i32(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.i32, shape)


def assert_agrees(graph: Graph, inputs: Sequence[Array], state: Sequence[Array]) -> None:
    """Results and state are those of the reference, bit for bit."""
    expected, after = evaluate(graph, inputs, state)
    found, found_after = run(graph, inputs, state)
    for a, b in zip((*found, *found_after), (*expected, *after), strict=True):
        assert same_bits(a, b), (a, b)


# -- state ----------------------------------------------------------------------------------------


def moved(x: Node) -> list[Node]:
    """The same numbers elsewhere, and reductions that every element of a row or column reads."""
    rows = F["broadcast_to"](F["expand_dims"](F["max"](x, axis=1), 1), (2, 3))
    columns = F["broadcast_to"](F["max"](x, axis=0), (2, 3))
    halves = F["concat"]([F["flip"](x, 0), x], 0)
    return [
        x, rows, columns, F["flip"](x, 0), F["flip"](x, 1),
        F["reshape"](F["permute"](x, (1, 0)), (2, 3)), F["maximum"](rows, columns),
        slice_(halves, start=(1, 0), stop=(3, 3), step=(1, 1)),
    ]  # fmt: skip


@st.composite
def updating(draw: st.DrawFn) -> Graph:
    """Whole numbers of one shape, so that every node may become every state."""
    state = tuple(i32(name, 2, 3) for name in "abc")
    nodes = [*state, i32("x", 2, 3)]
    for _ in range(draw(st.integers(1, 7))):
        left, right = (draw(st.sampled_from(nodes)) for _ in range(2))
        op = draw(st.sampled_from(["add", "multiply", "maximum", "subtract"]))
        nodes.append(F[op](draw(st.sampled_from(moved(left))), draw(st.sampled_from(moved(right)))))
    chosen = draw(st.lists(st.sampled_from(state), unique=True, min_size=1))
    updates = tuple((old, draw(st.sampled_from(nodes))) for old in chosen)
    results = tuple(draw(st.lists(st.sampled_from(nodes), max_size=3)))
    return Graph("step", (nodes[3],), state, results, updates)


@settings(often, max_examples=400)
@given(updating(), st.booleans())
def test_state_after_a_call_is_that_of_the_reference(graph: Graph, simplified: bool) -> None:
    if simplified:
        graph = simplify(graph, SourceMap())
    values = [np.arange(6, dtype=np.int32).reshape(2, 3) * k % 11 - 4 for k in (1, 3, 5, 7)]
    assert_agrees(graph, values[3:], values[:3])


X, A, C = (np.arange(6, dtype=np.int32) * k for k in (1, 10, 100))


def step(results: Sequence[Node], updates: Sequence[tuple[Node, Node]]) -> Graph:
    return Graph("step", (i32("x", 6),), (i32("a", 6), i32("c", 6)), tuple(results), tuple(updates))


x, a, c = i32("x", 6), i32("a", 6), i32("c", 6)


def check_step(results: Sequence[Node], updates: Sequence[tuple[Node, Node]]) -> Entry:
    graph = step(results, updates)
    assert_agrees(graph, [X], [A, C])
    return planned(graph)[0]


def roles_written(entry: Entry) -> list[str]:
    """The roles of the slots that each step writes."""
    return [
        entry.slots[slot].role
        for one in entry.steps
        for alternative in one.alternatives
        for binding in alternative.bindings
        for slot, written in zip(binding.slots, alternative.written, strict=True)
        if written
    ]


def test_a_new_value_is_written_over_the_old_one() -> None:
    entry = check_step([], [(a, F["add"](a, x))])
    assert roles_written(entry) == ["state"]


def test_states_are_swapped() -> None:
    check_step([], [(a, c), (c, a)])


def test_a_state_that_is_returned_as_it_was() -> None:
    check_step([a], [(a, F["add"](a, x))])


def test_a_state_that_becomes_the_old_value_of_another() -> None:
    check_step([], [(a, F["add"](a, x)), (c, a)])


def test_two_states_that_get_one_new_value() -> None:
    total = F["add"](a, c)
    check_step([total, total], [(a, total), (c, total)])


def test_a_state_that_becomes_an_input() -> None:
    check_step([x], [(a, x), (c, x)])


def test_a_state_that_stays() -> None:
    entry = check_step([], [(a, a)])
    assert not entry.steps


def test_a_state_that_is_read_backwards_is_not_overwritten() -> None:
    turned = F["flip"](a, 0)
    check_step([], [(a, F["add"](turned, a))])
    check_step([], [(a, turned)])


def test_crossed_updates() -> None:
    check_step([], [(a, F["multiply"](c, 2)), (c, F["multiply"](a, 3))])
    check_step([a, c], [(a, F["multiply"](c, 2)), (c, F["multiply"](a, 2))])


def test_a_reduction_and_an_update_of_the_same_state() -> None:
    check_step([F["max"](a)], [(a, F["add"](a, F["max"](a)))])
    check_step([F["max"](c)], [(c, F["add"](a, c)), (a, F["add"](F["max"](c), a))])


def test_who_reads_a_state_runs_before_it_is_replaced() -> None:
    count = i32("count")
    now = F["add"](count, 1)
    graph = Graph(
        "step", (x,), (count, a), (), ((count, now), (a, F["multiply"](F["flip"](x, 0), now)))
    )
    assert_agrees(graph, [X], [np.array(4, np.int32), A])
    assert roles_written(planned(graph)[0]) == ["state", "state"]


# -- results --------------------------------------------------------------------------------------


def test_results_that_are_inputs_constants_views_and_one_node_twice() -> None:
    total = F["add"](x, a)
    check_step([x, total, total, F["flip"](x, 0), F["full_like"](x, 7), a, c], [])


def test_empty_tensors_take_part() -> None:
    empty, y = i32("e", 0, 3), i32("y", 2, 3)
    stored = F["multiply"](F["add"](empty, 1), empty)
    results = (F["concat"]([stored, y], 0), F["sum"](stored, 0), F["sum"](stored), stored)
    graph = Graph("empty", (empty, y), (), results)
    assert_agrees(
        graph, [np.zeros((0, 3), np.int32), np.arange(6, dtype=np.int32).reshape(2, 3)], []
    )


def test_nothing_is_read_of_an_empty_tensor() -> None:
    y = graph_input("y", dtypes.bool_, (0,))
    grid = F["reshape"](y, (0, 3))
    graph = Graph("empty", (y,), (), (F["any"](grid), F["all"](F["logical_not"](grid))))
    assert_agrees(graph, [np.zeros(0, np.bool_)], [])


def test_a_new_value_without_elements() -> None:
    old = i32("old", 0)
    graph = Graph("empty", (x,), (old,), (F["add"](x, x),), ((old, F["add"](old, 1)),))
    assert_agrees(graph, [X], [np.zeros(0, np.int32)])


def test_a_dim_may_be_zero() -> None:
    y = i32("y", B, 3)
    results = (F["sum"](y, 0), F["sum"](y, 1), F["sum"](y), F["add"](F["permute"](y, (1, 0)), 1))
    graph = Graph("rows", (y,), (), results)
    for rows in (0, 1, 64):
        assert_agrees(graph, [np.arange(rows * 3, dtype=np.int32).reshape(rows, 3)], [])


# -- loops ----------------------------------------------------------------------------------------


def test_a_carry_takes_no_memory_that_is_needed_elsewhere() -> None:
    """Loops that begin with one value twice, one that is read afterwards, and one that is given."""

    def loops(h: Tensor, x: Tensor) -> Any:
        twice, again, given = h * 2, h * 3, h * 5
        pair, _ = scan(lambda c, row: ((c[1] + row, c[0] * row), None), (twice, twice), x)
        last, _ = scan(lambda c, row: (c * row, None), again, x)
        third, _ = scan(lambda c, row: (c - row, None), given, x)
        return *pair, last * again, given, third

    graph, _ = trace(loops, dtypes.i32[3], dtypes.i32[4, 3])
    rows = np.arange(12, dtype=np.int32).reshape(4, 3)
    assert_agrees(graph, [np.array([7, -2, 5], np.int32), rows], [])


# -- launches -------------------------------------------------------------------------------------


def test_launches_of_one_kernel_become_one() -> None:
    graph = Graph(
        "many",
        tuple(i32(f"x{i}", i + 2) for i in range(20)),
        (),
        tuple(F["multiply"](F["add"](i32(f"x{i}", i + 2), 1), 3) for i in range(20)),
    )
    entry, library = planned(graph)
    assert len(library.kernels) == len(entry.steps) == 1
    assert len(entry.steps[0].alternatives[0].bindings) == 20


def test_a_launch_stays_behind_what_it_needs() -> None:
    first = F["flip"](x, 0)
    second = F["multiply"](F["flip"](F["multiply"](F["flip"](F["add"](first, 1), 0), a), 0), c)
    check_step([first, second, F["multiply"](F["flip"](second, 0), a)], [])


# -- memory ---------------------------------------------------------------------------------------


def touched(step: Step) -> Iterator[int]:
    """The slots of a launch or of a call of the host."""
    if isinstance(step, HostCallStep):
        yield from (*step.operands, *step.results)
        return
    assert isinstance(step, LaunchStep)
    for alternative in step.alternatives:
        for binding in alternative.bindings:
            yield from binding.slots


@often
@given(graphs(steps=14), st.integers(1, 4), st.integers(0, 3))
def test_slots_that_live_together_do_not_overlap(case: RandomGraph, rows: int, length: int) -> None:
    graph = decompose(case.graph, SourceMap())
    try:
        for node in graph.nodes():
            if isinstance(node.type, TensorType):
                HOST.compute_type(node.dtype)
    except DTypeError:
        return
    entry = plan_entry(graph, HOST, Library())
    layout = entry.layout({"B": rows, "N": length})
    life: dict[int, list[int]] = {}
    for position, one in enumerate(entry.steps):
        for slot in touched(one):
            life.setdefault(slot, []).append(position)
    places = []
    for slot, offset in layout.offsets.items():
        size = dims.evaluate(entry.slots[slot].type.nbytes, {"B": rows, "N": length})
        assert offset % ALIGNMENT == 0 and offset + size <= layout.arena_bytes
        if slot in life and size:
            places.append((offset, offset + size, min(life[slot]), max(life[slot])))
    for i, (low, high, first, last) in enumerate(places):
        for low2, high2, first2, last2 in places[:i]:
            assert high <= low2 or high2 <= low or last < first2 or last2 < first


# -- scatters into state --------------------------------------------------------------------------


def rows_of(table: Node, places: Node) -> Node:
    return gather(table, places, axes=(0,))


def first_rows(table: Node) -> Node:
    return slice_(table, start=(0, 0), stop=(4, table.shape[1]), step=(1, 1))


def scattered(table: Node, updates: Node, places: Node, combine: str) -> Node:
    return find("scatter")(table, updates, places, axes=(0,), batch=0, combine=combine)


SCATTERS: dict[str, tuple[Callable[[Node, Node, Node], Node], int, int]] = {
    # What the new value of the table is; launches, and temporaries.
    "add": (lambda t, u, i: scattered(t, u, i, "add"), 1, 0),
    "set": (lambda t, u, i: scattered(t, F["multiply"](u, 3), i, "set"), 1, 0),
    "of what it reads": (
        lambda t, u, i: scattered(t, F["multiply"](rows_of(t, i), u), i, "add"), 2, 1,
    ),
    "of its first rows": (lambda t, u, i: scattered(t, first_rows(t), i, "set"), 2, 1),
    "of its own indices": (
        lambda t, u, i: scattered(t, u, F["sum"](first_rows(t), 1), "add"), 2, 1,
    ),
    "twice": (lambda t, u, i: scattered(scattered(t, u, i, "add"), u, i, "maximum"), 2, 1),
}  # fmt: skip


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("dialect", [HOST, CUDA], ids=lambda d: d.name)
@pytest.mark.parametrize("name", SCATTERS)
def test_a_scatter_into_state_copies_nothing(name: str, dialect: Dialect, columns: int) -> None:
    make, launches, temporaries = SCATTERS[name]
    table, updates = i32("table", 9, columns), i32("updates", 4, columns)
    places = graph_input("places", dtypes.i64, (4,))
    graph = Graph(
        "train", (updates, places), (table,), (F["sum"](table),),
        ((table, make(table, updates, places)),),
    )  # fmt: skip
    entry, _ = planned(graph, dialect)
    assert sum(slot.role == "temporary" for slot in entry.slots) == temporaries
    # The sum is a launch of its own, before what replaces the table.
    assert len(entry.steps) == launches + 1
    assert not any(step.text.startswith("copy to") for step in entry.steps)
    rng = np.random.default_rng(0)
    values = [
        rng.integers(-9, 9, (4, columns)).astype(np.int32),
        np.array([2, -1, 2, 40]),
    ]
    assert_agrees(graph, values, [rng.integers(-9, 9, (9, columns)).astype(np.int32)])


def test_a_scatter_into_what_is_also_a_result_leaves_it() -> None:
    table, updates = i32("table", 9), i32("updates", 4)
    places = graph_input("places", dtypes.i64, (4,))
    new = scattered(table, updates, places, "add")
    graph = Graph("train", (updates, places), (table,), (table, new), ((table, new),))
    values = [np.arange(4, dtype=np.int32), np.array([2, -1, 2, 40])]
    assert_agrees(graph, values, [np.arange(9, dtype=np.int32)])
