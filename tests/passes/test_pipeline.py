"""The runner of passes: order, verification, dumps, observation, and errors that name the pass."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphc.passes.pipeline as pipeline
from graphc.config import Settings
from graphc.errors import GraphcError, ShapeError, VerificationError
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.ops.elementwise.arithmetic import add, negative
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.pipeline import GRAPH_PASSES, Pass, Step, run

X = graph_input("x", dtypes.f32, (3,))


def graph_of(result: Node) -> Graph:
    return Graph("g", (X,), (), (result,))


def negating(graph: Graph, sources: SourceMap) -> Graph:
    return graph_of(negative(graph.results[0]))


NEGATE = Pass("negate", "Negates the result.", "one result", "it is negated", negating)
IDLE = Pass("idle", "Does nothing.", "any graph", "the same", lambda graph, sources: graph)


def test_runs_in_order_and_reports_each_step() -> None:
    steps: list[Step] = []
    result = run(graph_of(X), [NEGATE, IDLE, NEGATE], SourceMap(), observe=steps.append)
    assert result is graph_of(negative(negative(X)))
    assert [(step.number, step.step.name) for step in steps] == [
        (0, "negate"),
        (1, "idle"),
        (2, "negate"),
    ]
    assert steps[1].given is steps[1].made is steps[0].made
    assert all(step.seconds >= 0 for step in steps)
    assert steps[1].text() == "(unchanged)"
    assert steps[0].text().splitlines() == [
        "graph g",
        "  %0 = input(name='x', dtype=f32, shape=(3,)) : f32[3]",
        "  %1 = negative(%0) : f32[3]",
        "  return %1",
    ]


def test_dumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tmp_path, 1, dump_directory=tmp_path / "dump")
    monkeypatch.setattr(pipeline, "settings", lambda: settings)
    run(graph_of(X), [NEGATE, IDLE], SourceMap())
    texts = {path.name: path.read_text() for path in (tmp_path / "dump").iterdir()}
    assert texts.keys() == {"g-00-negate.txt", "g-01-idle.txt"}
    assert "%1 = negative(%0)" in texts["g-00-negate.txt"]
    assert texts["g-01-idle.txt"] == "(unchanged)\n"


def unlisting(graph: Graph, sources: SourceMap) -> Graph:
    return Graph("g", (), (), graph.results)


def refusing(graph: Graph, sources: SourceMap) -> Graph:
    add(X, graph_input("y", dtypes.f32, (4,)))
    return graph


def failing(graph: Graph, sources: SourceMap) -> Graph:
    raise ZeroDivisionError("a defect")


def test_verifies_after_each_pass() -> None:
    with pytest.raises(VerificationError, match="used and not listed") as caught:
        run(graph_of(X), [NEGATE, Pass("unlist", "", "", "", unlisting)], SourceMap())
    assert caught.value.notes[-1] == "after the pass 'unlist'"


def test_verification_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(tmp_path, 1, verify_passes=False)
    monkeypatch.setattr(pipeline, "settings", lambda: settings)
    result = run(graph_of(X), [Pass("unlist", "", "", "", unlisting)], SourceMap())
    assert result is Graph("g", (), (), (X,))


def test_errors_name_the_pass() -> None:
    with pytest.raises(ShapeError) as caught:
        run(graph_of(X), [Pass("refuse", "", "", "", refusing)], SourceMap())
    assert caught.value.notes == ("in the pass 'refuse' over graph 'g'",)
    with pytest.raises(ZeroDivisionError) as defect:
        run(graph_of(X), [Pass("fail", "", "", "", failing)], SourceMap())
    assert defect.value.__notes__ == ["in the pass 'fail' over graph 'g'"]


def test_a_broken_graph_is_refused_before_the_first_pass() -> None:
    with pytest.raises(GraphcError) as caught:
        run(Graph("g", (), (), (X,)), [NEGATE], SourceMap())
    assert not any("after the pass" in note for note in caught.value.notes)


def test_the_passes_over_graphs() -> None:
    assert [one.name for one in GRAPH_PASSES] == [
        "simplify",
        "control-flow",
        "decompose",
        "simplify-expanded",
        "split-reductions",
    ]
    for one in GRAPH_PASSES:
        assert one.description and one.before and one.after
