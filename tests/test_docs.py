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
