"""The examples of the language reference: each builds, prints, formats, and has a value."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from graphc.frontend.elaborate import elaborate
from graphc.frontend.formatting.formatter import format_source
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir import dims
from graphc.ir.evaluate import evaluate
from graphc.ir.node import Node
from graphc.library import library

TEXT = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```gc\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def zeros(node: Node) -> np.ndarray:
    shape = [dims.bounds(size)[0] for size in node.shape]
    return np.zeros(shape, node.dtype.numpy)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples(number: int):
    text = EXAMPLES[number]
    unit = elaborate(text, "example.gc", library())
    assert format_source(text, "example.gc") == text
    for graph in unit.exports.values():
        assert read_graph(graph_text(graph), "printed.gc") is graph
        results, _ = evaluate(graph, list(map(zeros, graph.inputs)), list(map(zeros, graph.state)))
        assert all(np.isfinite(one).all() for one in results)


def test_docstrings_belong_to_the_unit():
    assert elaborate(EXAMPLES[0], "example.gc", library()).docs[""] == "Scales rows."
