"""The documents that are made from declarations are current, and the examples for Python run."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import graphc
from tests.surface_facts import Facts, facts_of

ROOT = Path(__file__).parent.parent
LIST_OPS = ROOT / "docs" / "list_ops.py"
TOUR = ROOT / "docs" / "python.md"
DIGITS = ROOT / "examples" / "digits" / "mlp.gc"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_ops_is_current() -> None:
    list_ops = loaded(LIST_OPS)
    assert list_ops.PATH.read_text(encoding="utf-8") == list_ops.text(), (
        "run python docs/list_ops.py"
    )


FACTS = {
    "abs": ("numbers", "`x`: any order", "all"),
    "argmax": ("integers, floats", "none", "all"),
    "bitwise_and": ("bool, integers", "none", "all"),
    "cast": ("all", "`x`: any order", "all"),
    "cholesky": ("f32, f64, complex", "`x`: any order", "all; `cholesky` on the host"),
    "clip": ("integers, floats", "`x`, `min`, `max`: any order", "all"),
    "concat": ("all", "`tensors`: any order", "all"),
    "conv2d": ("numbers", "`x`, `weight`, `bias`: any order", "all"),
    "copysign": ("floats", "`x1`: any order; `x2`: zero", "all"),
    "cross_entropy": (
        "`logits`: floats; `weight`, `labels`: integers, floats",
        "`logits`, `weight`, `labels`: any order",
        "all",
    ),
    "embedding": ("`ids`: integers; `weight`: all", "`weight`: any order", "all"),
    "exp": ("floats, complex", "`x`: any order", "all"),
    "eye": ("`dtype`: all", "none", "all"),
    "fft": ("all but f8", "`x`: any order", "all; `fourier_transform` on the host"),
    "floor_divide": ("integers, floats", "`x1`, `x2`: zero", "all"),
    "gammainc": ("floats", "`x`: any order; `a`: refused", "all"),
    "gather": ("`x`: all; `index`: integers", "`x`: any order", "all"),
    "isnan": ("all but f8", "none", "all"),
    "layer_norm": ("floats", "`x`, `normalized_shape`, `weight`, `bias`: any order", "all"),
    "ldexp": ("`x`: floats; `exponent`: integers, floats", "`x`, `exponent`: any order", "all"),
    "masked_scatter": (
        "`x`, `values`: all but f8; `mask`: bool",
        "`x`, `values`: any order",
        "all",
    ),
    "matmul": ("numbers", "`a`, `b`: any order", "all"),
    "matrix_norm": ("floats, complex", "`x`: any order", "all; `svd` on the host in some calls"),
    "max_pool2d": ("integers, floats", "`x`: any order", "all"),
    "one_hot": ("integers", "none", "all"),
    "qr": (
        "f32, f64, complex",
        "`x`: any order, refused in some calls",
        "all; `qr` on the host",
    ),
    "randint": ("`dtype`: integers", "none", "all"),
    "softmax": ("`x`: floats; `where`: bool", "`x`: any order", "all"),
    "solve": ("f32, f64, complex", "`a`, `b`: any order", "all; `solve` on the host"),
    "sort": ("bool, integers, floats", "`x`: any order", "all"),
    "stop_gradient": ("all", "`x`: zero", "all"),
    "tril_indices": ("gives i64", "none", "all"),
    "unpackbits": ("u8", "none", "all"),
    "view_as_complex": ("f32, f64", "`x`: any order", "all"),
    "view_as_real": ("complex", "`z`: any order", "all"),
    "where": ("`condition`: bool; `x`, `y`: all", "`x`, `y`: any order", "all"),
}
"""Rows of the table that were worked out by hand."""


@pytest.mark.parametrize("name", FACTS)
def test_what_is_found_of_functions_is_what_they_do(name: str) -> None:
    assert facts_of(name) == Facts(*FACTS[name])


def blocks(path: Path, language: str) -> list[str]:
    """The examples of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S)


def test_the_tour_gives_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n".join(blocks(TOUR, "pycon"))
    tour = doctest.DocTestParser().get_doctest(text, {}, TOUR.name, str(TOUR), 0)
    assert len(tour.examples) > 40
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(tour, out=report.append)
    assert not report, "".join(report)


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("examples/digits").mkdir(parents=True)
    graphc.build(DIGITS).file.write(Path("examples/digits/trained.gcm"))
    (example,) = blocks(ROOT / "README.md", "python")
    images, labels = np.ones((3, 64), np.float32), np.zeros(3, np.int32)
    known: dict[str, object] = {"images": images, "labels": labels}
    exec(compile(example, "README.md", "exec"), known)
    assert Path("further.gcm").exists() and Path("net.gcm").exists()
    assert np.shape(known["slopes"]) == (32, 64)
