"""An optimizer's step of all parameters is one launch, and training allocates memory once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.api import source_unit
from graphc.compiler import compile_for
from graphc.frontend.tracing.initializers import normal, ones
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.graph import Unit
from graphc.passes.tables import lift_tables
from graphc.runtime.loaded import LoadedModule
from graphc.runtime.program import Entry, LaunchStep, launches_in

DIGITS = Path(__file__).parents[2] / "examples/digits/mlp.gc"
OPTIMIZERS = {
    "adam": gc.optim.adam(),
    "adamw": gc.optim.adamw(),
    "scheduled": gc.optim.adamw(lambda step: 1e-3 / (1.0 + step)),
    "momentum": gc.optim.sgd(0.1, momentum=0.9),
}


class FiveLayers(gc.nn.Module):
    """Parameters of one to four axes, whose sizes are odd."""

    def __init__(self) -> None:
        self.filters = Parameter((5, 1, 3, 3), init=normal(0.1))
        self.narrow = Parameter((7, 5, 3, 1), init=normal(0.1))
        self.shift = Parameter((7,))
        self.hidden = gc.nn.Linear(7 * 6 * 8, 11)
        self.scale = Parameter((11,), init=ones())
        self.out = gc.nn.Linear(11, 3)

    def forward(self, x):
        x = gc.relu(gc.conv2d(x, self.filters))
        x = gc.relu(gc.conv2d(x, self.narrow) + self.shift[:, None, None])
        return self.out(gc.tanh(self.hidden(x.reshape(x.shape[0], -1))) * self.scale)


def loss(net, x: gc.f32["B", 1, 10, 10], y: gc.i32["B"]):
    return gc.cross_entropy(net(x), y)


def five_layers(optimizer: gc.optim.Optimizer) -> Unit:
    return build_unit({"train": gc.train_step(FiveLayers(), loss, optimizer)})


def slots_written(entry: Entry, step: LaunchStep) -> list[set[str]]:
    """For each binding of a launch the names of the state that it writes."""
    state = set(entry.state)
    alternative = step.alternatives[0]
    return [
        {
            entry.slots[slot].name
            for slot, written in zip(binding.slots, alternative.written, strict=True)
            if written and slot in state
        }
        for binding in alternative.bindings
    ]


def require_one_launch(unit: Unit, target: str, single: frozenset[str] = frozenset()) -> None:
    """All updates are one launch; those of parameters with a `single` element are another."""
    entry = compile_for(lift_tables(unit), target).program.entries["train"]
    state = {entry.slots[number].name for number in entry.state}
    counters = {"optimizer.step"} & state
    parameters = {name for name in state if not name.startswith("optimizer.")}
    writing = [
        written
        for step in launches_in(entry.steps)
        if any(written := slots_written(entry, step)) and set().union(*written) != counters
    ]
    slots = sorted({name.split(".")[1] for name in state - counters - parameters})
    expected = [
        sorted(sorted({name, *(f"optimizer.{slot}.{name}" for slot in slots)}) for name in names)
        for names in (parameters - single, parameters & single)
        if names
    ]
    found = [sorted(map(sorted, bindings)) for bindings in writing]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_all_parameters_is_one_launch(name: str, target: str) -> None:
    require_one_launch(five_layers(OPTIMIZERS[name]), target)


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_step_in_the_language_is_one_launch(target: str) -> None:
    require_one_launch(source_unit(DIGITS), target)


class OneOutput(gc.nn.Module):
    """Parameters among which two have one element, one of them no axes."""

    def __init__(self) -> None:
        self.out = gc.nn.Linear(6, 1)
        self.scale = Parameter((), init=ones())

    def forward(self, x):
        return self.out(x) * self.scale


def squares(net, x: gc.f32["B", 6]):
    return gc.mean(gc.square(net(x) - 1.0))


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_of_one_element_share_a_launch(name: str, target: str) -> None:
    unit = build_unit({"train": gc.train_step(OneOutput(), squares, OPTIMIZERS[name])})
    require_one_launch(unit, target, frozenset({"out.bias", "scale"}))


def modules() -> dict[str, tuple[LoadedModule, tuple[np.ndarray, ...]]]:
    digits = gc.load_file(gc.build(DIGITS).file, "cpu")
    layers = gc.load_file(gc.build(five_layers(gc.optim.adam())).file, "cpu")
    return {
        "language": (digits, (np.ones((32, 64), np.float32), np.zeros(32, np.int32))),
        "Python": (layers, (np.ones((8, 1, 10, 10), np.float32), np.zeros(8, np.int32))),
    }


def test_training_allocates_nothing_after_the_first_call() -> None:
    for module, arguments in modules().values():
        first = module.train(*arguments)
        before = module.allocations
        assert before > 0
        for rows in (None, 1, None, 3):
            last = module.train(*(one[:rows] for one in arguments))
        assert module.allocations == before
        assert last < first


STEPS_MEASURED = """
import gc, re, sys, tracemalloc
from pathlib import Path
import numpy as np
import graphc

def resident():
    found = re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024

# Others would have their scratch memory from when they first come in time to take part.
graphc.set_threads(1)
module = graphc.load_file(graphc.build(sys.argv[1]).file, "cpu")
x, y = np.ones((32, 64), np.float32), np.zeros(32, np.int32)
for _ in range(20):
    module.train(x, y)
gc.collect()
before = resident()
for _ in range(50):
    module.train(x, y)
grown = resident() - before
tracemalloc.start()
module.train(x, y)
held, _ = tracemalloc.get_traced_memory()
tracemalloc.reset_peak()
for _ in range(50):
    module.train(x, y)
after, peak = tracemalloc.get_traced_memory()
print(grown, after - held, peak - held, module.memory("train", B=32)["arena"])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_memory_of_the_process_stays_over_training_steps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEPS_MEASURED, str(DIGITS)],
        capture_output=True,
        text=True,
        check=True,
    )
    resident, net, peak, arena = map(int, done.stdout.split())
    # Objects of a call, and no tensor: the arena alone would be far more.
    assert net < 1024 and peak < 8192 < arena // 8
    assert resident <= 64 * 1024
