"""Running on the simulator: checking mode, order of threads and blocks, state, and memory."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.errors import SimulatorError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.runtime.aligned import aligned_copies
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.backends.op_samples import UNITS, cases, graphs_of
from tests.simulated import cuda_code, simulated
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]
f32 = dtypes.f32
B = dims.variable("B", 0, 64)


def training() -> Graph:
    """Two layers, a softmax, a loss, and updates of weights of several shapes in one launch."""
    x, target = graph_input("x", f32, (B, 33)), graph_input("target", f32, (B, 10))
    first, second = graph_input("first", f32, (21, 33)), graph_input("second", f32, (10, 21))
    bias, step = graph_input("bias", f32, (21,)), graph_input("step", f32, ())
    hidden = functions["relu"](functions["linear"](x, first, bias))
    scores = functions["softmax"](functions["linear"](hidden, second), axis=-1)
    loss = functions["mean"](functions["square"](functions["sub"](scores, target)))
    weights = [first, second, bias]
    updates = [(w, functions["sub"](w, functions["mul"](w, step))) for w in weights]
    updates.append((step, functions["mul"](step, 0.5)))
    return Graph("train", (x, target), (*weights, step), (loss, scores), tuple(updates))


def state() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {n["name"]: random_array(n.tensor, rng, special=False) for n in training().state}


def inputs(batch: int) -> list[Array]:
    rng = np.random.default_rng(batch)
    return [rng.random((batch, width), np.float32) for width in (33, 10)]


def run(executor: SimulatorExecutor) -> list[Array]:
    """The results and the state of a few calls."""
    found: list[Array] = []
    for batch in (5, 64, 1):
        found += executor.call("train", inputs(batch))
        found += [value.copy() for value in executor.state.values()]
    return found


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(UNITS)))
def test_the_kernels_of_every_op_keep_the_rules(number: int) -> None:
    """Bounds, races, uninitialised shared memory, barriers: a finding is an error of the call."""
    graphs = graphs_of(UNITS[number])
    executor = simulated(graphs, check=True)
    ran = sum(1 for op in UNITS[number] for _ in cases(op, executor.call, special=True))
    assert ran == len(graphs)


def test_a_training_step_keeps_the_rules() -> None:
    checked = run(simulated([training()], state(), check=True))
    for a, b in zip(checked, run(simulated([training()], state())), strict=True):
        assert same_bits(a, b)


def row_sums() -> Graph:
    x = graph_input("x", f32, (B, 700))
    return Graph("rows", (x,), (), (functions["sum"](x, axis=-1),))


BREAKAGES = {
    "race-in-block": (r"__syncthreads\(\);", ";"),
    "out-of-bounds": (r"\ba0\[", "a0[1 + "),
}


@pytest.mark.parametrize("check", BREAKAGES)
def test_a_broken_kernel_is_found_out(check: str) -> None:
    code = cuda_code([row_sums()])
    broken = re.sub(*BREAKAGES[check], code.source)
    assert broken != code.source
    executor = SimulatorExecutor(code.program, broken, {}, check=True)
    with pytest.raises(SimulatorError) as caught:
        executor.call("rows", [np.ones((4, 700), np.float32)])
    assert check in {finding.check for finding in caught.value.findings}


# -- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"blocks": 1}, {"blocks": 3}, {"seed": 1}, {"seed": 2}])
def test_no_bit_depends_on_the_order_of_threads_or_the_number_of_blocks(
    options: dict[str, int],
) -> None:
    changed = run(simulated([training()], state(), **options))
    for a, b in zip(changed, run(simulated([training()], state())), strict=True):
        assert same_bits(a, b)


def test_callers_in_several_threads_take_turns() -> None:
    executor = simulated([row_sums()])
    x = np.random.default_rng(1).random((9, 700), np.float32)
    (expected,) = executor.call("rows", [x])
    wrong: list[Array] = []

    def call() -> None:
        for _ in range(5):
            (found,) = executor.call("rows", [x])
            if not same_bits(found, expected):
                wrong.append(found)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- launches, state and memory -------------------------------------------------------------------


def test_one_launch_updates_all_weights_through_a_table() -> None:
    code = cuda_code([training()])
    merged = [
        alternative
        for step in code.program.entries["train"].steps
        for alternative in step.alternatives
        if len(alternative.bindings) > 1
    ]
    assert len(merged) == 1
    assert code.program.geometry[merged[0].kernel].segments == len(merged[0].bindings) == 3


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_table_too_small_for_all_bindings_makes_several_launches(capacity: int) -> None:
    """Each launch has its own count; what is left over runs in the last."""
    code = cuda_code([training()])
    (name,) = (n for n, geometry in code.program.geometry.items() if geometry.segments)
    smaller = code.source.replace("segment[3];", f"segment[{capacity}];")
    assert smaller != code.source
    geometry = {**code.program.geometry}
    geometry[name] = replace(geometry[name], segments=capacity)
    program = replace(code.program, geometry=geometry)
    changed = run(SimulatorExecutor(program, smaller, aligned_copies(state())))
    for a, b in zip(changed, run(simulated([training()], state())), strict=True):
        assert same_bits(a, b)


def test_a_call_without_elements_launches_nothing_and_updates_state() -> None:
    executor = simulated([training()], state(), check=True)
    loss, scores = executor.call("train", inputs(0))
    assert scores.shape == (0, 10)
    assert np.isnan(loss)
    expected = state()["bias"] - state()["bias"] * state()["step"]
    assert same_bits(executor.state["bias"], expected)


def test_the_arena_grows_to_the_largest_call_and_stays() -> None:
    executor = simulated([training()], state())
    for batch in (2, 64, 3, 64):
        executor.call("train", inputs(batch))
    assert executor.allocations == 2


def test_state_is_the_executors_own_and_replaced_in_place() -> None:
    given = state()
    executor = simulated([training()], given)
    executor.call("train", inputs(2))
    for name, value in state().items():
        assert same_bits(given[name], value)
    held = executor.state["first"]
    executor.set_state(state())
    assert same_bits(held, state()["first"])


def test_inputs_need_no_alignment_and_are_not_written() -> None:
    executor = simulated([training()], state())
    expected = executor.call("train", inputs(5))
    executor.set_state(state())
    shifted = [np.empty(a.size + 1, np.float32)[1:].reshape(a.shape) for a in inputs(5)]
    for array, value in zip(shifted, inputs(5), strict=True):
        array[...] = value
        array.flags.writeable = False
    for a, b in zip(executor.call("train", shifted), expected, strict=True):
        assert same_bits(a, b)
