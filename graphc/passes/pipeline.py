"""Passes as named values, those from graph to graph, and the runner.

The runner verifies what each pass made, times it, writes what came out as text, and names the
pass in every error. The passes that follow, from groups to memory, are in `codegen/plan.py`; the
whole list of a build is `PIPELINE` in `codegen/compile.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from graphc.config import settings
from graphc.errors import GraphcError, UsageError, VerificationError
from graphc.ir.graph import Graph, Unit
from graphc.ir.listing import listing
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify
from graphc.passes.control_flow import tidy_control_flow
from graphc.passes.decompose import decompose
from graphc.passes.simplify import simplify
from graphc.passes.split_reductions import split_reductions
from graphc.passes.tables import lift_tables

__all__ = ["GRAPH_PASSES", "TABLES", "Observer", "Pass", "Runner", "Step", "run"]

T = TypeVar("T")


def _verify_graph(given: Graph, made: Graph, sources: SourceMap) -> None:
    verify(made, sources=sources)


@dataclass(frozen=True, slots=True)
class Pass(Generic[T]):
    """A step from graph to graph, or from what is known of how a graph runs to more of it.

    Attributes:
        name: in dumps, timings and errors.
        description: what it does.
        before: what it expects of the graph, in words.
        after: what it guarantees, in words.
        function: the pass itself. It records the spans of what it builds in the source map.
        verify: raises a VerificationError where what was made (the second argument) of what was
            given (the first) breaks an invariant.
        text: what was made, for people.
    """

    name: str
    description: str
    before: str
    after: str
    function: Callable[[T, SourceMap], T]
    verify: Callable[[Any, Any, SourceMap], None] = _verify_graph
    text: Callable[[Any], str] = listing


def _verify_unit(given: Unit, made: Unit, sources: SourceMap) -> None:
    for graph in made.exports.values():
        verify(graph, sources=sources)


TABLES: Pass[Unit] = Pass(
    "tables",
    "Turns the dense data that graphs hold into state that is never updated.",
    before="any unit",
    after="no graph holds the elements of a tensor",
    function=lambda unit, sources: lift_tables(unit),
    verify=_verify_unit,
    text=lambda unit: "\n\n".join(map(listing, unit.exports.values())),
)
"""The pass over all graphs of a unit, before those over each."""


GRAPH_PASSES: tuple[Pass[Graph], ...] = (
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
        after="no composite op is left",
        function=decompose,
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
        before="no composite op is left",
        after="no reduction of a large tensor has a single result",
        function=split_reductions,
    ),
)
"""The passes from graph to graph, in their order."""


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """One pass that has run.

    Attributes:
        step: the pass.
        name: of the graph, as it is called in dumps and errors.
        number: of the pass, in the order of all.
        given, made: what it was given, and what it made of that.
        seconds: the time that it took, without that of passes that ran inside it.
    """

    step: Pass[T]
    name: str
    number: int
    given: T
    made: T
    seconds: float

    def text(self) -> str:
        """What came out, or `(unchanged)`."""
        return "(unchanged)" if self.made is self.given else self.step.text(self.made)


Observer = Callable[[Step[Any]], None]
"""Told about each pass once it has run and been verified."""


class Runner:
    """Runs passes, and verifies, times and dumps what they make.

    Args:
        sources: where nodes come from; passes add to it.
        observe: told about each pass.
        folder: within the folder for dumps: what is made for one target.
    """

    def __init__(
        self, sources: SourceMap, observe: Observer | None = None, folder: str = ""
    ) -> None:
        self.sources = sources
        self._observe = observe
        self._folder = folder
        self._seconds_inside = 0.0

    def run(self, name: str, value: T, passes: Iterable[Pass[T]], first: int = 0) -> T:
        """What passes make of a value, one after another.

        Args:
            name: of the value, in dumps and errors.
            value: what the first pass is given.
            passes: in the order in which they run.
            first: number of the first of them.

        Raises:
            VerificationError: a pass made what breaks an invariant; a note names the pass.
            GraphcError: whatever a pass refuses, with a note that names the pass.
        """
        configured = settings()
        for number, one in enumerate(passes, start=first):
            step = self._run_one(one, name, number, value)
            if configured.verify_passes:
                self._verify(step)
            if configured.dump_directory is not None:
                _dump(configured.dump_directory / self._folder, step)
            if self._observe is not None:
                self._observe(step)
            value = step.made
        return value

    def _run_one(self, one: Pass[T], name: str, number: int, value: T) -> Step[T]:
        before, self._seconds_inside = self._seconds_inside, 0.0
        begin = time.perf_counter()
        place = f"in the pass {one.name!r} over graph {name!r}"
        try:
            made = one.function(value, self.sources)
        except GraphcError as error:
            raise error.note(place) from error.__cause__
        except Exception as error:
            error.add_note(place)
            raise
        seconds = time.perf_counter() - begin
        own = seconds - self._seconds_inside
        self._seconds_inside = before + seconds
        return Step(one, name, number, value, made, own)

    def _verify(self, step: Step[T]) -> None:
        begin = time.perf_counter()
        try:
            step.step.verify(step.given, step.made, self.sources)
        except VerificationError as error:
            raise error.note(f"after the pass {step.step.name!r}") from error.__cause__
        self._seconds_inside += time.perf_counter() - begin


def run(
    graph: Graph,
    passes: Iterable[Pass[Graph]],
    sources: SourceMap,
    *,
    observe: Observer | None = None,
    folder: str = "",
    first: int = 0,
) -> Graph:
    """Run passes over a graph, which is verified before the first of them as well.

    The arguments are those of `Runner` and its `run`.
    """
    if settings().verify_passes:
        verify(graph, sources=sources)
    return Runner(sources, observe, folder).run(graph.name, graph, passes, first)


def _dump(directory: Path, step: Step[Any]) -> None:
    path = directory / f"{step.name}-{step.number:02}-{step.step.name}.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text() + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            code="output-unwritable",
            hint="set GRAPHC_DUMP to a folder that can be written, or unset it",
        ) from error
