"""An export of many launches is written in functions of bounded length, and computes the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.host import HOST, emit_unit
from graphc.codegen.plan import Library, plan_entry
from graphc.ir.graph import Graph
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from tests.emitted import emitted

COUNT = 90
FUNCTION = re.compile(r"^(?:static __attribute__\(\(noinline\)\) )?int (\w+)\(.*?^}", re.M | re.S)


def sorted_often(rows: Any) -> Any:
    for _ in range(COUNT):
        rows = gc.sort(rows * 0.75 - rows[:1] * 0.5, axis=0)
    return rows


def long_export(x: Any, s: Any) -> tuple[Any, Any]:
    """Launches, a loop and a branch whose bodies are long, and a call of the host at the end."""
    looped = gc.scan(lambda carry, row: (sorted_often(carry) + row, row), sorted_often(x), s)[0]
    chosen = gc.cond(gc.sum(x) > 0, sorted_often, lambda rows: rows, looped)
    return chosen, gc.linalg.eigh(chosen @ chosen.T)[0]


def graph() -> Graph:
    return gc.trace(long_export, gc.f64[4, 4], gc.f64[3, 4, 4]).graph


def inputs() -> tuple[np.ndarray[Any, Any], ...]:
    rng = np.random.default_rng(0)
    return np.abs(rng.standard_normal((4, 4))), rng.standard_normal((3, 4, 4))


def test_a_long_export_is_written_in_functions_of_bounded_length() -> None:
    library = Library()
    entry = plan_entry(decompose(graph(), SourceMap()), HOST, library)
    text = emit_unit(library.kernels, [entry]).source
    bodies = {match[1]: match[0] for match in FUNCTION.finditer(text)}
    launches = {name: body.count("gc_launch(runner") for name, body in bodies.items()}
    assert sum(launches.values()) > 3 * COUNT
    assert max(launches.values()) <= 64
    called = re.findall(r"if \((gc_steps_\w+)\(runner, slots, dims, call\)\) return 1;", text)
    assert sorted(called) == sorted(name for name in bodies if name.startswith("gc_steps_"))
    assert len(called) == len(set(called)) > 4


def test_parts_of_an_export_compute_what_it_says() -> None:
    x, s = inputs()
    (rows, values) = emitted([graph()]).call("long_export", [x, s])

    def sort_often(rows: Any) -> Any:
        for _ in range(COUNT):
            rows = np.sort(rows * 0.75 - rows[:1] * 0.5, axis=0)
        return rows

    wanted = sort_often(x)
    for row in s:
        wanted = sort_often(wanted) + row
    wanted = sort_often(wanted)
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(values, np.linalg.eigh(rows @ rows.T)[0], rtol=1e-9, atol=1e-12)


def test_a_call_that_fails_ends_all_parts_of_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no memory for the values")

    monkeypatch.setattr(np.linalg, "eigh", fail)
    with pytest.raises(MemoryError, match="no memory for the values"):
        emitted([graph()]).call("long_export", inputs())
