"""Models in Python on the command line, by the names of their modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import cli

SOURCE = """
import graphc as gc


class Net(gc.nn.Sequential):
    def __init__(self, width=4):
        super().__init__(gc.nn.Linear(3, width), gc.nn.ReLU(), gc.nn.Linear(width, 2))

    def forward(self, x: gc.f32["B", 3]):
        return super().forward(x)


class Wide(Net):
    def __init__(self, width):
        super().__init__(width)


class holder:
    inner = Net(5)


def loss(net, x: gc.f32["B", 3], y: gc.i32["B"]):
    return gc.cross_entropy(net(x), y)


def double(x: gc.f32["B"]):
    return x + x


def untyped(x):
    return x


def divided(x: gc.f32["B"]):
    return x * (1 // 0)


def mixed(x: gc.f32[3]):
    return x + gc.zeros((2,))


net = Net()
exports = {"predict": net, "train": gc.train_step(net, loss, gc.optim.sgd(0.1))}
nothing = {}
number = 3
"""
BROKEN = {
    "raises": "import math\n\ndef f():\n    return math.sqrt(-1.0)\n\nf()\n",
    "unwritten": "def f(:\n    pass\n",
    "imports": "import json\nimport there_is_no_such_module\n",
    "leaves": "raise SystemExit(3)\n",
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a command in a folder with a package `nets` and modules that are broken."""
    monkeypatch.chdir(tmp_path)
    Path("nets").mkdir()
    Path("nets/__init__.py").touch()
    Path("nets/small.py").write_text(SOURCE)
    for name, text in BROKEN.items():
        Path(f"{name}.py").write_text(text)
    before, path = set(sys.modules), list(sys.path)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    yield command
    assert sys.path == path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("nets", *BROKEN):
            del sys.modules[name]


def test_a_model_is_built_from_its_name(run: Run) -> None:
    code, output, _ = run("build", "nets.small:Net")
    assert code == 0 and "Net.gcm: " in output
    module = graphc.load("Net.gcm", "reference")
    assert module.forward(np.ones((2, 3), np.float32)).shape == (2, 2)


def test_exports_that_share_state_are_built_from_a_dict(run: Run) -> None:
    assert run("build", "nets.small:exports", "-o", "both.gcm", "--quiet") == (0, "", "")
    module = graphc.load("both.gcm", "reference")
    x, y = np.ones((2, 3), np.float32), np.zeros(2, np.int32)
    before = module.predict(x)
    module.train(x, y)
    assert not np.array_equal(module.predict(x), before)


@pytest.mark.parametrize("name", ["net", "Net", "holder.inner", "double"])
def test_what_can_be_named(run: Run, name: str) -> None:
    code, output, errors = run("check", f"nets.small:{name}")
    assert (code, errors) == (0, "")
    expected = "double(x: f32[B]) -> f32[B]" if name == "double" else "forward(x: f32[B, 3])"
    assert output.startswith(f"nets.small:{name}: {expected}")


def test_what_was_made_of_a_function_is_shown(run: Run) -> None:
    code, output, _ = run("show", "nets.small:double")
    assert code == 0 and "v0 = add(x, x)" in output


def test_a_file_whose_name_has_a_colon_is_a_file(run: Run) -> None:
    Path("a:b").write_text("export f = (\n")
    assert "--> a:b:1:" in run("check", "a:b")[2]


# The name, the error's code, and parts of its text.
FAILURES = (
    ("nets.none:Net", "module-missing", ("no Python module 'nets.none'", "nets/none.py")),
    ("none.small:Net", "module-missing", ("no Python module 'none'", "none/small.py")),
    ("nets.small:Nett", "name-unknown", ("nets.small has no 'Nett'", "did you mean 'Net'?")),
    ("nets.small:holder.outer", "name-unknown", ("has no 'outer'",)),
    ("nets.small:number", "argument-type", ("is a int, expected a model or a function",)),
    ("nets.small:nothing", "no-exports", ("exports nothing",)),
    ("nets.small:Wide", "argument-type", ("made with arguments", "'width'", "net = Wide(...)")),
    ("nets.small:untyped", "argument-type", ("the type of the argument 'x'",)),
    ("nets.small:divided", "import-failed", ("ZeroDivisionError", "small.py:35:5", "(1 // 0)")),
    ("nets.small:mixed", "shape-mismatch", ("small.py:39:", "gc.zeros((2,))", "^^^")),
    ("raises:f", "import-failed", ("raises cannot be imported: ValueError", "raises.py:4:5")),
    ("unwritten:f", "import-failed", ("unwritten cannot be imported", "unwritten.py:1:")),
    ("imports:f", "import-failed", ("there_is_no_such_module", "imports.py:2:1", "install")),
    ("leaves:f", "import-failed", ("SystemExit", "leaves.py:1:1")),
)


@pytest.mark.parametrize(("name", "code", "parts"), FAILURES, ids=[one[0] for one in FAILURES])
def test_failures(run: Run, name: str, code: str, parts: tuple[str, ...]) -> None:
    found, output, errors = run("build", name)
    assert (found, output) == (1, "")
    assert errors.startswith(f"error[{code}]: ")
    for part in parts:
        assert part in errors
    assert "Traceback" not in errors and "internal" not in errors
    assert not list(Path().glob("*.gcm"))
