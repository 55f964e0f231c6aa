"""Passes as named values, the list that every build runs, and the runner.

The runner verifies the graph after each pass, times it, writes what came out as text, and names
the pass in every error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from graphc.config import settings
from graphc.errors import GraphcError, UsageError
from graphc.ir.graph import Graph
from graphc.ir.listing import listing
from graphc.ir.node import Node
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.control_flow import tidy_control_flow
from graphc.passes.decompose import decompose
from graphc.passes.simplify import simplify
from graphc.passes.split_reductions import split_reductions

__all__ = ["Pass", "Step", "run", "standard_passes"]


@dataclass(frozen=True, slots=True)
class Pass:
    """A step from graph to graph.

    Attributes:
        name: in dumps, timings and errors.
        description: what it does.
        before: what it expects of the graph, in words.
        after: what it guarantees, in words.
        function: the pass itself. It records the spans of what it builds in the source map.
    """

    name: str
    description: str
    before: str
    after: str
    function: Callable[[Graph, SourceMap], Graph]


def standard_passes(claimed: Callable[[Node], bool] | None = None) -> tuple[Pass, ...]:
    """The passes of every build, in their order.

    Args:
        claimed: the nodes that schedules compile whole, though they could be decomposed.
    """
    return (
        Pass(
            "simplify",
            "Applies the rules before composite ops are opened, while they are easy to see.",
            before="any graph",
            after="no rule applies",
            function=simplify,
        ),
        Pass(
            "control-flow",
            "Joins loops that compute alike, drops what nobody reads of them, unrolls short ones.",
            before="any graph",
            after="every result, carry and operand of a loop or branch is needed",
            function=tidy_control_flow,
        ),
        Pass(
            "decompose",
            "Writes composite ops with the ops that kernels are made from.",
            before="any graph",
            after="the only composite ops left are those that a schedule claims",
            function=lambda graph, sources: decompose(graph, sources, keep=claimed),
        ),
        Pass(
            "simplify-expanded",
            "Applies the rules to what composite ops were made from.",
            before="any graph",
            after="no rule applies",
            function=simplify,
        ),
        Pass(
            "split-reductions",
            "Folds all of a large tensor in chunks, which run side by side, and then those.",
            before="the only composite ops left are those that a schedule claims",
            after="no reduction of a large tensor has a single result",
            function=split_reductions,
        ),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that has run: what it was given, what it made, and the time it took."""

    step: Pass
    number: int
    given: Graph
    made: Graph
    seconds: float

    def text(self) -> str:
        """The graph that came out, or `(unchanged)`."""
        return "(unchanged)" if self.made is self.given else listing(self.made)


def run(
    graph: Graph,
    passes: Iterable[Pass],
    sources: SourceMap,
    *,
    observe: Callable[[Step], None] | None = None,
) -> Graph:
    """Run passes one after another.

    Args:
        graph: verified before the first pass, and after each.
        passes: in the order in which they run.
        sources: where nodes come from; passes add to it.
        observe: told about each pass once it has run and been verified.

    Raises:
        VerificationError: a pass made a graph that breaks an invariant; a note names the pass.
        GraphcError: whatever a pass refuses, with a note that names the pass.
    """
    configured = settings()
    if configured.verify_passes:
        verify(graph, sources=sources)
    for number, one in enumerate(passes):
        step = _run_one(one, number, graph, sources)
        if configured.verify_passes:
            verify(step.made, after=one.name, sources=sources)
        if configured.dump_directory is not None:
            _dump(configured.dump_directory, step)
        if observe is not None:
            observe(step)
        graph = step.made
    return graph


def _run_one(one: Pass, number: int, graph: Graph, sources: SourceMap) -> Step:
    begin = time.perf_counter()
    place = f"in the pass {one.name!r} over graph {graph.name!r}"
    try:
        made = one.function(graph, sources)
    except GraphcError as error:
        raise error.note(place) from error.__cause__
    except Exception as error:
        error.add_note(place)
        raise
    return Step(one, number, graph, made, time.perf_counter() - begin)


def _dump(directory: Path, step: Step) -> None:
    path = directory / f"{step.given.name}-{step.number:02}-{step.step.name}.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text() + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            code="output-unwritable",
            hint="set GRAPHC_DUMP to a folder that can be written, or unset it",
        ) from error
