"""Names of files that are written: all who write a module refuse the same, with the same hint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import graphc
from graphc import cli
from graphc.errors import UsageError
from graphc.runtime.output_path import array_path, module_path

# What is given, and what is hinted at.
NAMES = (
    ("x.txt", "x.gcm"),
    ("x", "x.gcm"),
    ("x.GCM", "x.gcm"),
    ("folder/x.tar.gz", "folder/x.tar.gcm"),
    (".", "model.gcm"),
    ("folder/..", "folder/../model.gcm"),
    ("/", "/model.gcm"),
)
MODEL = "export double = f\n\ndef f(x: f32[2]):\n    return 2 * x\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "double.gc"
    path.write_text(MODEL)
    graphc.build(path).file.write(path.with_suffix(".gcm"))
    return path


def call(source: Path, *words: str) -> int:
    return cli.main(["run", str(source.with_suffix(".gcm")), "double", *words])


WRITERS: Mapping[str, Callable[[Path, str], object]] = {
    "file.write": lambda source, name: graphc.build(source).file.write(name),
    "module.save": lambda source, name: graphc.load(source.with_suffix(".gcm"), "reference").save(
        name
    ),
    "build -o": lambda source, name: cli.main(["build", str(source), "-o", name, "-q"]),
    "run --save": lambda source, name: call(source, "--save", name),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("name", "near"), NAMES)
def test_what_is_no_name_of_a_module_is_refused(
    name: str, near: str, writer: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert WRITERS[writer](source, name) == 2
        text = capsys.readouterr().err.rstrip()
    except UsageError as error:
        text = error.render()
    assert text == (
        f"error[output-name]: {str(Path(name))!r}: a module file ends in .gcm\n"
        f"  = hint: name it {near}"
    )
    assert not Path(name).is_file()


@pytest.mark.parametrize(
    ("name", "near"), [("x.txt", "x.npy or x.npz"), (".", "results.npy or results.npz")]
)
def test_what_is_no_name_of_results_is_refused(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        array_path(name)
    assert caught.value.code == "output-name" and caught.value.hint == f"name it {near}"


def test_right_names() -> None:
    for name in ("x.gcm", "a/b.c.gcm", ".gcm"):
        assert module_path(name) == module_path(Path(name)) == Path(name)
    for name in ("x.npy", "a/x.npz"):
        assert array_path(name) == Path(name)
