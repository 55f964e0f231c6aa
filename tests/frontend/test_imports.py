"""Imports between files: what names mean, where files are, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphc.api import source_unit
from graphc.errors import ErrorGroup, GraphcError
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Unit

LAYERS = """
dim N: 1..64
const SCALE = 3
def double(x: f32[N]) -> f32[N]:
    return x * 2
def scaled(x, by=SCALE):
    return double(x) * by
model Shift(size=4, by=SCALE):
    param bias: f32[size] = by
    def forward(self_x: f32[B, size]) -> f32[B, size]:
        return self_x + bias
"""


def written(folder: Path, **files: str) -> Unit:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".gc")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    return source_unit(folder / "main.gc")


def value(unit: Unit, *arrays: np.ndarray) -> np.ndarray:
    graph = unit.exports["f"]
    assert read_graph(graph_text(graph), "printed.gc") is graph
    return evaluate(graph, arrays, [np.full(4, 3, np.float32)] * len(graph.state))[0][0]


X = np.array([1, 2, 3, 4], np.float32)

FORMS = {
    "import layers\ndim N: 1..9\ndef f(x: f32[N]) -> f32[N]:\n    return layers.scaled(x)": X * 6,
    "import layers as l\ndim N: 1..9\ndef f(x: f32[N]) -> f32[N]:\n    return l.double(x)": X * 2,
    "from layers import double as twice, SCALE\ndim N: 1..9\n"
    "def f(x: f32[N]) -> f32[N]:\n    return twice(x) + SCALE": X * 2 + 3,
    "from layers import (N, double)\ndef f(x: f32[N]) -> f32[N]:\n    return double(x)": X * 2,
}


@pytest.mark.parametrize("text", FORMS)
def test_names_of_another_file(tmp_path: Path, text: str):
    unit = written(tmp_path, main=text + "\nexport f = f\n", layers=LAYERS)
    np.testing.assert_array_equal(value(unit, X), FORMS[text])


def test_models_and_their_types(tmp_path: Path):
    main = """
from layers import Shift
import layers
dim B: 1..8
model Net():
    shifts = [Shift(4) for _ in range(2)]
    last = layers.Shift()
    def forward(x: f32[B, 4]) -> f32[B, 4]:
        for shift in shifts:
            x = shift(x)
        return through(last, x)
def through(one: layers.Shift, x):
    return one(x)
export f = Net.forward
"""
    unit = written(tmp_path, main=main, layers=LAYERS)
    assert list(unit.state) == ["shifts.0.bias", "shifts.1.bias", "last.bias"]
    np.testing.assert_array_equal(value(unit, np.zeros((2, 4), np.float32)), np.full((2, 4), 9))


def test_an_imported_model_is_exported(tmp_path: Path):
    main = "import layers\nexport f = layers.Shift.forward\nexport g = layers.Shift\n"
    unit = written(tmp_path, main=main, layers=LAYERS.replace("dim N", "dim B: 1..8\ndim N"))
    assert list(unit.state) == ["bias"] and list(unit.exports) == ["f", "g"]


def test_paths_lead_downwards_from_the_file_that_imports(tmp_path: Path):
    unit = written(
        tmp_path,
        main="from parts.outer import outer as f\nexport f = f\n",
        parts__outer="from inner import inner\ndim N: 1..9\n"
        "def outer(x: f32[N]) -> f32[N]:\n    return inner(x) + 1\n",
        parts__inner="def inner(x):\n    return x * 5\n",
        inner="def inner(x):\n    return x * 0\n",
    )
    np.testing.assert_array_equal(value(unit, X), X * 5 + 1)
    files = {
        Path(span.file).name
        for node in unit.exports["f"].nodes()
        for span in unit.sources.spans(node)
    }
    assert {"outer.gc", "inner.gc"} <= files


def test_a_file_is_read_once(tmp_path: Path):
    unit = written(
        tmp_path,
        main="from a import A\nfrom b import check\ndim B: 1..8\nmodel M():\n    a = A()\n"
        "    def forward(x: f32[B, 4]) -> f32[B, 4]:\n        return check(a, x)\n"
        "export f = M.forward\n",
        a="model A():\n    param w: f32[4] = 1.0\n    def forward(x):\n        return x * w\n",
        b="from a import A\ndef check(a: A, x):\n    return a(x)\n",
    )
    assert list(unit.state) == ["a.w"]


REFUSED = {
    ("import layer\n", ""): ("import", "main.gc", 1, "layer is not imported"),
    ("from layers import Shit\n", ""): ("unknown-name", "main.gc", 1, "defines no 'Shit'"),
    ("from layers import scope\n", ""): ("unknown-name", "main.gc", 1, "defines no 'scope'"),
    ("import layers\nimport layers\n", ""): ("duplicate", "main.gc", 2, "defined twice"),
    ("import layers\ndef layers(x):\n    return x\n", ""): ("duplicate", "main.gc", 2, ""),
    ("import parts.layers\n", ""): ("import-name", "main.gc", 1, "needs a name"),
    ("import main\n", ""): ("import-cycle", "main.gc", 1, "main.gc imports main.gc"),
    ("import other\n", "import main\n"): (
        "import-cycle",
        "other.gc",
        1,
        "main.gc imports other.gc imports main.gc",
    ),
    ("import other\n", "const A = 1 +\n"): ("syntax", "other.gc", 1, ""),
    ("import other\n", "const C = 1\nconst A = B\n"): ("unknown-name", "other.gc", 2, "'B'"),
    ("import layers\nconst A = layers.SCALED\n", ""): ("unknown-name", "main.gc", 2, "SCALED"),
    ("import layers\nconst A = layers + 1\n", ""): ("operand", "main.gc", 2, "the file layers.gc"),
}


@pytest.mark.parametrize("texts", REFUSED)
def test_what_is_refused(tmp_path: Path, texts: tuple[str, str]):
    code, file, line, message = REFUSED[texts]
    main, other = texts
    end = "def f(x: f32[4]) -> f32[4]:\n    return x\nexport f = f\n"
    with pytest.raises(GraphcError) as caught:
        written(tmp_path, main=main + end, layers=LAYERS, other=other)
    error = caught.value
    first = error.errors[0] if isinstance(error, ErrorGroup) else error
    assert first.span is not None
    assert (first.code, Path(first.span.file).name, first.span.line) == (code, file, line)
    assert message in first.message


def test_an_error_inside_says_where_the_call_is(tmp_path: Path):
    main = "from layers import double\nexport f = g\ndef g(x: i32[4]):\n    return double(x)\n"
    with pytest.raises(GraphcError) as caught:
        written(tmp_path, main=main, layers=LAYERS)
    assert "'x' of double is i32[4]" in caught.value.message
    assert caught.value.span and Path(caught.value.span.file).name == "main.gc"
