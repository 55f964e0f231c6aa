"""Random programs of the language on every backend, against the reference.

All programs share one unit of text for each backend. They are computed in f64, and compared at 1e-9
where rounding decides nothing (`is_well_posed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import build_module, initial_state
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.passes import pipeline
from graphc.passes.tables import lift_tables
from graphc.runtime.module_file import read_module
from tests.backends.test_random_graphs import drawn
from tests.emitted import emitted
from tests.fuzzing import count
from tests.interpreted import interpreted
from tests.random_programs import Program, is_well_posed, programs, with_updates
from tests.simulated import simulated
from tests.values import same_bits

Array = np.ndarray[Any, Any]

PROGRAMS = count(12)
UNITS = max(PROGRAMS // 12, 1)
MODULES = PROGRAMS // 6
EXPORTS = ("main", "net", "tracked", "train")
"""All but `narrow`, which is not in f64."""


@dataclass(frozen=True)
class Case:
    """An export of a program, with its state as inputs, and what it gives."""

    program: Program
    graph: Graph
    arrays: Sequence[Array]
    expected: Sequence[Array]


@cache
def cases(number: int) -> list[Case]:
    """The exports of the programs of a unit, where rounding decides nothing."""
    drawn_here = all_programs()[number::UNITS]
    found = []
    for place, program in enumerate(drawn_here):
        unit = lift_tables(program.unit())
        state = initial_state(unit, 0)
        for name in EXPORTS:
            graph = with_updates(unit.exports[name], f"{name}_{place}")
            arrays = program.arrays(graph, state)
            expected, _ = evaluate(graph, arrays)
            if is_well_posed(graph, arrays, expected):
                found.append(Case(program, graph, arrays, expected))
    assert len(found) > 0.9 * len(EXPORTS) * len(drawn_here)
    return found


@cache
def all_programs() -> list[Program]:
    return drawn(programs(dtypes=("f64",)), PROGRAMS)


def prepared(graph: Graph) -> Graph:
    """The graph as a build has it."""
    return pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())


BACKENDS: dict[str, Callable[[Sequence[Graph]], Any]] = {
    "interpreter": interpreted,
    "cpu": emitted,
    "sim": lambda graphs: simulated(graphs, check=True),
}


def assert_close(found: Sequence[Array], expected: Sequence[Array], program: Program) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=repr(program))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", range(UNITS))
def test_programs_have_the_values_of_the_reference(backend: str, number: int) -> None:
    executor = BACKENDS[backend]([prepared(case.graph) for case in cases(number)])
    for case in cases(number):
        found = executor.call(case.graph.name, case.arrays)
        assert_close(found, case.expected, case.program)


@pytest.mark.parametrize("number", range(MODULES))
def test_modules_of_programs_have_the_values_and_the_state_of_the_reference(
    number: int, tmp_path: Path
) -> None:
    """Written and read, a module goes through several calls as the reference does."""
    program = all_programs()[number]
    unit = program.unit()
    path = tmp_path / "program.gcm"
    build_module(unit).file.write(path)
    assert read_module(path).to_bytes() == path.read_bytes()
    reference, *others = [gc.load(path, device) for device in ("reference", "cpu", "sim")]
    for name in ("train", "tracked", "main", "train"):
        graph = unit.exports[name]
        arrays = program.arrays(graph, {})
        whole = with_updates(graph, name)
        given = program.arrays(whole, reference.state_dict())
        if not is_well_posed(whole, given, evaluate(whole, given)[0]):
            break
        expected = as_tuple(getattr(reference, name)(*arrays))
        for module in others:
            assert_close(as_tuple(getattr(module, name)(*arrays)), expected, program)
            new, state = reference.state_dict(), module.state_dict()
            assert list(new) == list(state)
            assert_close(list(state.values()), list(new.values()), program)
    for module in others:
        module.save(path)
        again = gc.load(path, "reference").state_dict()
        for one, other in zip(again.values(), module.state_dict().values(), strict=True):
            assert same_bits(one, other)


def as_tuple(results: Any) -> tuple[Array, ...]:
    return results if isinstance(results, tuple) else (results,)
