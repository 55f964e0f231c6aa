"""The text of kernels is the same in every process and folder, for every function there is."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import graphc

_EMIT = """
import hashlib
from graphc.codegen import cuda, host
from graphc.codegen.kernel_library import Library
from graphc.codegen.plan import plan_entry
from graphc.errors import GraphcError
from graphc.frontend.graph_text import graph_text
from graphc.ir.source_map import SourceMap
from graphc.ir.graph import Graph, Unit
from graphc.passes import pipeline
from graphc.passes.tables import lift_tables
from tests.surface_calls import NAMES, calls_of

for name in NAMES:
    for one in calls_of(name)[:1]:
        unit = Unit({name: one.graph()}, {}, Graph("initial", (), (), ()))
        (graph,) = lift_tables(unit).exports.values()
        graph = pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())
        texts = [graph_text(graph)]
        for dialect, emit in ((host.HOST, host.emit_unit), (cuda.CUDA, cuda.emit_unit)):
            kernels = Library()
            try:
                entry = plan_entry(graph, dialect, kernels)
            except GraphcError as refused:  # what the host computes is refused on a GPU
                texts.append(str(refused))
            else:
                texts.append(str(emit(kernels.kernels, [entry])))
        print(name, hashlib.sha256(chr(0).join(texts).encode()).hexdigest())
"""


def _emitted(folder: Path, seed: str) -> dict[str, str]:
    """The digest of what each function becomes, in a fresh interpreter."""
    root = str(Path(graphc.__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-c", _EMIT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return dict(line.split() for line in result.stdout.splitlines())


def test_texts_are_the_same_in_two_places_and_orders_of_hashing(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        here, there = pool.map(_emitted, (tmp_path, Path("/")), ("1", "2"))
    assert len(here) > 300
    assert [name for name in here if here[name] != there.get(name)] == []
    assert here.keys() == there.keys()
