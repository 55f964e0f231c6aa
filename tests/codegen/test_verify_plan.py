"""Each check of launches, places, steps and memory refuses a plan that is broken by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from graphc.codegen.host import HOST
from graphc.codegen.kernel_library import Library
from graphc.codegen.plan import plan_entry
from graphc.codegen.verify_memory import CHECKS as MEMORY
from graphc.codegen.verify_memory import verify_memory
from graphc.codegen.verify_plan import (
    DONATED,
    MERGED,
    ORDERED,
    SCHEDULED,
    STEPS,
    verify_bound,
    verify_donated,
    verify_merged,
    verify_ordered,
    verify_scheduled,
)
from graphc.errors import VerificationError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.control_flow import cond, scan
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.pipeline import Step
from graphc.runtime.program import Entry, LaunchStep, LoopStep

F: Any = functions
B = dims.variable("B", 1, 64)
SOURCES = SourceMap()


def f32(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.f32, shape)


def planned(graph: Graph) -> dict[str, Step[Any]]:
    """What each pass made of the graph itself, by the name of the pass."""
    steps: list[Step[Any]] = []
    plan_entry(graph, HOST, Library(), observe=steps.append)
    return {step.step.name: step for step in steps if step.name == graph.name}


# A product, what two others read of it, and two states that change places.
X, W, A, C = f32("x", B, 8), f32("w", 8, 8), f32("a", 8), f32("c", 8)
PRODUCT = F["matmul"](X, W)
TURNED = F["matmul"](F["exp"](PRODUCT), W)
STEP = Graph(
    "step",
    (X,),
    (W, A, C),
    (F["sum"](F["sin"](TURNED), axis=(0,)), TURNED),
    ((A, C), (C, A), (W, F["multiply"](W, 0.5))),
)
PLANS = planned(STEP)
# Two results of one launch.
RISEN = F["exp"](X)
PAIR = planned(Graph("pair", (X,), (), (RISEN, F["sin"](RISEN))))["donate"].made


def plan_after(name: str, **parts: Any) -> Any:
    return replace(PLANS[name].made, **parts)


def launches(name: str) -> list[Any]:
    return list(PLANS[name].made.launches)


def with_launch(name: str, number: int, **parts: Any) -> Any:
    found = launches(name)
    found[number] = replace(found[number], **parts)
    return plan_after(name, launches=found)


def with_kernel(number: int, **parts: Any) -> Any:
    (variant, *more) = launches("schedule")[number].variants
    scheduled = replace(variant.scheduled, **parts)
    return with_launch("schedule", number, variants=(replace(variant, scheduled=scheduled), *more))


def with_group(number: int, **parts: Any) -> Any:
    old = launches("schedule")[number].group
    new = replace(old, **parts)
    groups = [new if one is old else one for one in PLANS["schedule"].made.groups]
    return replace(with_launch("schedule", number, group=new), groups=groups)


def scheduled(number: int) -> Any:
    return launches("schedule")[number].variants[0].scheduled


def swapped(mapping: Any) -> Any:
    """The mapping with its first value made that of another dtype."""
    (key, node), *more = mapping.items()
    return {key: F["cast"](node, dtypes.i32), **dict(more)}


def last_writer() -> int:
    """The launch of the new weights, which is in place."""
    return next(n for n, one in enumerate(launches("donate")) if NEW in one.writes)


def with_slot(node: Node, slot: int) -> Any:
    return plan_after("donate", slot_of={**PLANS["donate"].made.slot_of, node: slot})


SLOT = PLANS["donate"].made.slot_of
NEW = STEP.updates[2][1]
Broken = Callable[[], Any]
BROKEN: dict[str, list[Broken]] = {
    "launched": [
        lambda: plan_after("schedule", launches=launches("schedule")[1:]),
        lambda: plan_after("schedule", launches=launches("schedule") * 2),
    ],
    "bound": [
        lambda: with_kernel(0, inputs={}),
        lambda: with_kernel(0, scalars={}),
        lambda: with_kernel(0, inputs=swapped(scheduled(0).inputs)),
    ],
    "agreed": [
        lambda: with_launch("schedule", 0, writes=()),
        lambda: with_group(0, outputs=(W,)),
        lambda: with_kernel(0, outputs=dict.fromkeys(scheduled(0).outputs, W)),
        lambda: with_launch("schedule", 0, reads=frozenset()),
        lambda: with_kernel(0, kernel=replace(scheduled(0).kernel, written=frozenset())),
    ],
    "loaded": [
        lambda: with_launch("schedule", 0, reads=launches("schedule")[0].reads | {A}),
    ],
    "complete": [
        lambda: with_launch(
            "schedule", 0, variants=(replace(launches("schedule")[0].variants[0], dim=B, high=3),)
        ),
        lambda: with_launch("schedule", 0, variants=()),
    ],
    "order": [lambda: plan_after("state-last", launches=launches("state-last")[::-1])],
    "found": [
        # The weights are replaced before the products that read them.
        lambda: plan_after(
            "donate",
            launches=[
                launches("donate")[last_writer()],
                *(one for n, one in enumerate(launches("donate")) if n != last_writer()),
            ],
        ),
    ],
    "slots": [lambda: plan_after("donate", slot_of={})],
    "in-place": [
        lambda: with_slot(launches("donate")[0].writes[0], SLOT[X]),
        lambda: replace(
            PAIR, slot_of={**PAIR.slot_of, **dict.fromkeys(PAIR.launches[0].writes, 9)}
        ),
    ],
    "left": [
        lambda: plan_after("donate", moves=()),
        lambda: plan_after("donate", moves=[(node, 0) for node, _ in PLANS["donate"].made.moves]),
        # The new weights are stored over a result, and moved from there.
        lambda: replace(
            with_slot(NEW, SLOT[TURNED]), moves=(*PLANS["donate"].made.moves, (NEW, SLOT[W]))
        ),
    ],
    "typed": [
        lambda: with_step(0, lambda one: replace(one, kernel="nothing")),
        lambda: with_step(0, lambda one: replace(one, written=one.written[::-1])),
        lambda: with_step(0, lambda one: replace(one, bindings=(short_of_scalars(one),))),
        lambda: with_type(PLANS["bind"].made, SLOT[X], dtypes.i32),
    ],
    "rows": [
        lambda: with_loop(lambda step: replace(step, count=7)),
        lambda: with_type(LOOP["bind"].made, loop_step().rows[0].of, dtypes.i32),
        lambda: with_type(LOOP["bind"].made, loop_step().swaps[0][0], shape=(64,)),
        lambda: with_loop(lambda step: replace(step, swaps=((0, step.swaps[0][1]),))),
        lambda: with_loop(
            lambda step: replace(step, swaps=((step.swaps[0][0], step.rows[0].slot),))
        ),
    ],
    "copied": [
        # The first of two states that change places is overwritten before it is saved.
        lambda: plan_after("bind", copies=PLANS["bind"].made.copies[1:]),
        lambda: plan_after("bind", copies=PLANS["bind"].made.copies[::-1]),
    ],
}
VERIFIERS: list[tuple[Sequence[Any], Callable[..., None], str]] = [
    (SCHEDULED, verify_scheduled, "schedule"),
    (ORDERED, verify_ordered, "state-last"),
    (DONATED, verify_donated, "donate"),
    (STEPS, verify_bound, "bind"),
]
CASES = [
    pytest.param(check, verify, id=check.name)
    for checks, verify, _ in VERIFIERS
    for check in checks
]


def with_step(number: int, change: Callable[[Any], Any]) -> Any:
    steps = list(PLANS["bind"].made.steps)
    alternatives = tuple(map(change, steps[number].alternatives))
    steps[number] = replace(steps[number], alternatives=alternatives)
    return plan_after("bind", steps=steps)


def short_of_scalars(one: Any) -> Any:
    return replace(one.bindings[0], scalars=(*one.bindings[0].scalars, 1))


def looping() -> Graph:
    """A carry that is multiplied from both sides, so that it has two slots, and its row sums."""
    start, rows, factor = f32("start", 8, 8), f32("rows", 5, 8), f32("factor", 8, 8)
    carry, row, inner = f32("carry0", 8, 8), f32("slice0", 8), f32("constant0", 8, 8)
    moved = F["matmul"](carry, inner)
    sums = F["sum"](F["matmul"](F["add"](moved, row), inner), axis=1)
    body = Graph("body", (carry, row, inner), (), (moved, sums))
    loop = scan(start, rows, factor, body=body, carries=1, slices=1, length=5, reverse=False)
    results = (F["cos"](project(loop, index=0)), project(loop, index=1))
    return Graph("loop", (start, rows, factor), (), results)


LOOP = planned(looping())


def loop_step() -> LoopStep:
    (found,) = (step for step in LOOP["bind"].made.steps if isinstance(step, LoopStep))
    return found


def with_type(plan: Any, number: int, dtype: Any = dtypes.f32, shape: Any = None) -> Any:
    """The plan with a slot of another type."""
    slots = list(plan.entry.slots)
    type_ = TensorType(dtype, slots[number].type.shape if shape is None else shape)
    slots[number] = replace(slots[number], type=type_)
    return replace(plan, entry=replace(plan.entry, slots=slots))


def with_loop(change: Callable[[LoopStep], LoopStep]) -> Any:
    plan = LOOP["bind"].made
    steps = [change(one) if isinstance(one, LoopStep) else one for one in plan.steps]
    return replace(plan, steps=steps)


@pytest.mark.parametrize(("check", "verify"), CASES)
def test_every_check_refuses_what_breaks_it(check: Any, verify: Callable[..., None]) -> None:
    for broken in BROKEN[check.name]:
        plan = broken()
        with pytest.raises(VerificationError, match=r"the plan of ") as caught:
            verify(plan, plan, SOURCES)
        assert caught.value.notes[0] == f"check {check.name}: {check.guarantee}"


@pytest.mark.parametrize("found", [PLANS, LOOP], ids=["step", "loop"])
def test_the_plans_are_sound(found: dict[str, Step[Any]]) -> None:
    for step in found.values():
        step.step.verify(step.given, step.made, SOURCES)


# -- merged launches ------------------------------------------------------------------------------


def merged_with(
    change: Callable[[list[Any]], Sequence[Any]], plans: dict[str, Step[Any]] = PLANS
) -> tuple[Any, Any]:
    given, made = plans["merge-launches"].given, plans["merge-launches"].made
    return given, replace(made, steps=change(list(made.steps)))


def joined(steps: list[Any], target: int, source: int) -> list[Any]:
    """The steps with the bindings of one added to another's."""
    (one,), (other,) = steps[target].alternatives, steps[source].alternatives
    both = replace(one, bindings=(*one.bindings, *other.bindings))
    steps[target] = replace(steps[target], alternatives=(both,))
    return [step for number, step in enumerate(steps) if number != source]


def doubled(steps: list[Any], number: int) -> list[Any]:
    return joined([*steps, steps[number]], number, len(steps))


def copies(steps: list[Any]) -> list[int]:
    return [number for number, step in enumerate(steps) if step.text.startswith("copy")]


def without_loops(steps: list[Any]) -> list[Any]:
    return [step for step in steps if not isinstance(step, LoopStep)]


BROKEN_MERGES: dict[str, list[Callable[[], tuple[Any, Any]]]] = {
    # Saving a state and overwriting it are copies by one kernel, and yet no one launch.
    "apart": [
        lambda: merged_with(lambda steps: joined(steps, *copies(steps)[:2])),
        lambda: merged_with(lambda steps: doubled(steps, copies(steps)[0])),
    ],
    "values": [
        lambda: merged_with(lambda steps: steps[1:]),
        lambda: merged_with(lambda steps: steps[::-1]),
        lambda: merged_with(lambda steps: [*steps, steps[0]]),
        lambda: merged_with(without_loops, LOOP),
    ],
}


@pytest.mark.parametrize("check", MERGED, ids=lambda check: check.name)
def test_every_check_refuses_a_merge_that_breaks_it(check: Any) -> None:
    for broken in BROKEN_MERGES[check.name]:
        given, made = broken()
        with pytest.raises(VerificationError) as caught:
            verify_merged(given, made, SOURCES)
        assert caught.value.notes[0] == f"check {check.name}: {check.guarantee}"


# -- memory ---------------------------------------------------------------------------------------


def branching() -> Graph:
    """A temporary that both branches read, and that is read after them."""
    x, w, flag = f32("x", B, 16), f32("w", 16, 16), graph_input("flag", dtypes.bool_, ())
    given, factor = f32("operand0", B, 16), f32("operand1", 16, 16)
    twice = F["matmul"](F["matmul"](given, factor), factor)
    then = Graph("then", (given, factor), (), (twice,))
    otherwise = Graph("otherwise", (given, factor), (), (F["exp"](given),))
    start = F["matmul"](x, w)
    chosen = project(cond(flag, start, w, then=then, otherwise=otherwise), index=0)
    return Graph("branch", (x, flag), (w,), (F["add"](F["matmul"](chosen, w), start),))


ENTRIES: dict[str, Entry] = {
    "chain": PLANS["memory"].made,
    "loop": LOOP["memory"].made,
    "branch": planned(branching())["memory"].made,
}


def with_above(entry: Entry, number: int, above: tuple[int, ...]) -> Entry:
    slots = list(entry.slots)
    slots[number] = replace(slots[number], above=above)
    return replace(entry, slots=tuple(slots))


def refusal(entry: Entry, text: str = "") -> str:
    """The check that refuses an entry, with an error that holds the text."""
    with pytest.raises(VerificationError, match=f"the memory of .*{text}") as caught:
        verify_memory(entry, entry, SOURCES)
    return caught.value.notes[0].removeprefix("check ").partition(":")[0]


@pytest.mark.parametrize("name", ENTRIES)
def test_no_temporary_can_be_moved_down(name: str) -> None:
    entry = ENTRIES[name]
    lying = [number for number, slot in enumerate(entry.slots) if slot.above]
    assert lying
    for number in lying:
        assert refusal(with_above(entry, number, ())) == "intact"


def test_a_temporary_above_itself_is_refused() -> None:
    entry = ENTRIES["chain"]
    number = next(number for number, slot in enumerate(entry.slots) if slot.role == "temporary")
    assert refusal(with_above(entry, number, (number,))) == "placed"


def test_a_wrong_peak_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Entry.layout_by

    def wrong(entry: Entry, value: Any) -> Any:
        layout = right(entry, value)
        return replace(layout, arena_bytes=layout.arena_bytes - 1)

    monkeypatch.setattr(Entry, "layout_by", wrong)
    assert refusal(ENTRIES["chain"]) == "peak"


def test_a_bound_that_sizes_exceed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = dims.bounds

    def wrong(dim: dims.DimLike) -> tuple[int, int]:
        low, high = right(dim)
        return low, high if dim is B else low

    monkeypatch.setattr(dims, "bounds", wrong)
    assert refusal(ENTRIES["chain"], "more than") == "peak"


def test_a_step_that_runs_before_what_it_reads_is_refused() -> None:
    for entry in ENTRIES.values():
        assert refusal(replace(entry, steps=entry.steps[::-1])) == "intact"
        assert refusal(replace(entry, steps=entry.steps[1:])) == "intact"


def test_dims_without_a_kernel_are_refused() -> None:
    entry = ENTRIES["chain"]
    first = entry.steps[0]
    assert isinstance(first, LaunchStep)
    narrow = replace(first.alternatives[0], dim=B, low=1, high=3)
    steps = (replace(first, alternatives=(narrow,)), *entry.steps[1:])
    assert refusal(replace(entry, steps=steps), "no kernel of") == "intact"


def test_what_an_iteration_hands_on_is_not_taken_by_another_slot() -> None:
    """The second slot of a carry, laid over a tensor that every iteration reads."""
    entry = ENTRIES["loop"]
    (loop,) = (step for step in entry.steps if isinstance(step, LoopStep))
    ((one, other),) = loop.swaps
    assert refusal(with_above(entry, other, entry.slots[one].above)) == "intact"


def test_every_check_of_memory_is_tried() -> None:
    assert [check.name for check in MEMORY] == ["placed", "peak", "intact"]
