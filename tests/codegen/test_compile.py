"""The whole pipeline of a build: its order, and that every pass is verified, timed and dumped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphc.passes.pipeline as runner
from graphc.codegen.compile import PIPELINE
from graphc.codegen.plan import MEMORY, PLAN_PASSES
from graphc.compiler import compile_for
from graphc.config import Settings
from graphc.errors import VerificationError
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph, Unit
from graphc.ir.op import functions
from graphc.ir.ops.control_flow import scan
from graphc.ir.ops.creation.constants import tensor
from graphc.ir.ops.structural import graph_input, project
from graphc.passes.pipeline import TABLES, Pass, Step

F: Any = functions
ORDER = [
    "tables",
    "simplify",
    "control-flow",
    "decompose",
    "simplify-expanded",
    "split-reductions",
    "fuse",
    "schedule",
    "state-last",
    "donate",
    "bind",
    "merge-launches",
    "memory",
]
"""The passes of a build, in their order: a change of it is a decision."""

INSIDE = [one.name for one in PLAN_PASSES]


def unit() -> Unit:
    """A loop over a product and a table of numbers."""
    x, w = graph_input("x", dtypes.f32, (4, 4)), graph_input("w", dtypes.f32, (4, 4))
    carry, factor = (graph_input(name, dtypes.f32, (4, 4)) for name in ("carry0", "constant0"))
    body = Graph("body", (carry, factor), (), (F["matmul"](carry, factor),))
    loop = scan(x, w, body=body, carries=1, slices=0, length=20, reverse=False)
    table = tensor(data=bytes(range(16)), dtype=dtypes.f32, shape=(4,))
    graph = Graph("run", (x, w), (), (F["multiply"](project(loop, index=0), table),))
    return Unit({"run": graph}, {}, Graph("initial", (), (), ()))


def steps_of(target: str) -> list[Step[Any]]:
    steps: list[Step[Any]] = []
    compile_for(unit(), target, observe=steps.append)
    return steps


def test_the_order_of_the_passes() -> None:
    assert [one.name for one in PIPELINE] == ORDER
    for one in PIPELINE:
        assert one.description and one.before and one.after


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_every_pass_runs_in_this_order_and_over_the_bodies_of_loops(target: str) -> None:
    steps = steps_of(target)
    assert all(step.step.name == ORDER[step.number] for step in steps)
    assert all(step.seconds >= 0 and step.text() for step in steps)
    assert [step.step.name for step in steps if step.name != "run.body0"] == ORDER
    assert [step.step.name for step in steps if step.name == "run.body0"] == INSIDE
    # What a body becomes is a part of the step of its loop.
    names = [(step.name, step.step.name) for step in steps]
    assert names.index(("run.body0", "merge-launches")) < names.index(("run", "bind"))


def test_dumps_have_a_folder_for_each_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, 1, dump_directory=tmp_path)
    monkeypatch.setattr(runner, "settings", lambda: settings)
    for target in ("cpu", "cuda"):
        compile_for(unit(), target)
        found = sorted(path.name for path in (tmp_path / target).iterdir())
        expected = [
            f"{'unit' if number == 0 else 'run'}-{number:02}-{name}.txt"
            for number, name in enumerate(ORDER)
        ]
        expected += [
            f"run.body0-{number:02}-{name}.txt"
            for number, name in enumerate(ORDER)
            if name in INSIDE
        ]
        assert found == sorted(expected)
    groups = (tmp_path / "cpu" / "run-06-fuse.txt").read_text()
    assert "group 0: apart" in groups and "-> stored" in groups
    assert "bytes in all" in (tmp_path / "cpu" / "run-12-memory.txt").read_text()


@pytest.mark.parametrize("one", [TABLES, *PLAN_PASSES, MEMORY], ids=lambda one: one.name)
def test_every_pass_is_verified_unless_that_is_switched_off(
    one: Pass[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(given: Any, made: Any, sources: Any) -> None:
        raise VerificationError("refused")

    before = one.verify
    object.__setattr__(one, "verify", refuse)
    try:
        with pytest.raises(VerificationError, match="refused") as caught:
            compile_for(unit(), "cpu")
        settings = Settings(tmp_path, 1, verify_passes=False)
        monkeypatch.setattr(runner, "settings", lambda: settings)
        compile_for(unit(), "cpu")
    finally:
        object.__setattr__(one, "verify", before)
    assert caught.value.notes[0] == f"after the pass {one.name!r}"
