"""A module is data, and a machine that misbehaves is explained."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc.errors import ModuleFormatError
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from tests.module_archives import archive_of, members_of

SOURCE = """
dim B: 1..8

def double(x: f32[B]) -> f32[B]:
    return x + x

export double = double
"""


def test_the_simulator_runs_nothing_of_a_modules_text() -> None:
    built = graphc.build(elaborate(SOURCE, "double.gc", library()), targets=["cuda"])
    hostile = replace(built.file, kernels={"cuda": '#error "text of the module was compiled"'})
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(graphc.load_file(hostile, "sim").double(x), x + x)


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from graphc.cli import main; raise SystemExit(main())", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(graphc.__file__).parent.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_compiler_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "double.gc").write_text(SOURCE)
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    assert run("build", "double.gc", cwd=tmp_path).returncode == 0
    for compiler in ("/bin/false", "/bin/true"):
        environment = {"GRAPHC_CC": compiler, "GRAPHC_CACHE_DIR": str(tmp_path / "cache")}
        command = ["run", "double.gcm", "double", "x=x.npy"]
        result = run(*command, "--device", "cpu", cwd=tmp_path, **environment)
        assert result.returncode == 1
        assert result.stderr.startswith("error[compiler-failed]")
        assert compiler in result.stderr
        assert "GRAPHC_CC" in result.stderr
        # Where no device was asked for, the evaluator takes over and says so.
        result = run(*command, cwd=tmp_path, **environment)
        assert (result.returncode, result.stdout) == (0, "[2. 2. 2.]\n")
        assert compiler in result.stderr


def test_a_compiler_that_is_not_there_or_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "double.gc").write_text(SOURCE)
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    assert run("build", "double.gc", cwd=tmp_path).returncode == 0
    text = tmp_path / "text"
    text.write_bytes(b"\0 no program")
    text.chmod(0o755)
    command = ["run", "double.gcm", "double", "x=x.npy", "--device", "cpu"]
    for compiler, code in (
        ("/nonexistent", "missing"),
        ("gcc --help", "missing"),
        (text, "failed"),
    ):
        result = run(*command, cwd=tmp_path, GRAPHC_CC=str(compiler))
        assert result.returncode == 1
        assert result.stderr.startswith(f"error[compiler-{code}]")
        assert str(compiler) in result.stderr
        assert "hint: set GRAPHC_CC to" in result.stderr


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "double.gc").write_text(SOURCE)
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    assert run("build", "double.gc", cwd=tmp_path).returncode == 0
    command = ["run", "double.gcm", "double", "x=x.npy", "--device", "cpu"]
    result = run(*command, cwd=tmp_path, GRAPHC_CACHE_DIR="/proc/none")
    assert (result.returncode, result.stdout) == (0, "[2. 2. 2.]\n")
    assert result.stderr.count("GRAPHC_CACHE_DIR") == 1
    assert "the cache directory /proc/none cannot be used" in result.stderr


def test_a_file_that_exports_nothing_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "empty.gc").write_text("")
    result = run("build", "empty.gc", cwd=tmp_path)
    assert result.returncode == 1
    assert "error[no-exports]" in result.stderr
    assert not (tmp_path / "empty.gcm").exists()


def test_an_edited_manifest_is_refused_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "double.gc").write_text(SOURCE)
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    assert run("build", "double.gc", cwd=tmp_path).returncode == 0
    path = tmp_path / "double.gcm"
    members = members_of(path.read_bytes())
    # Host code is made from the graphs: nobody would read a stored plan.
    assert not any(name.startswith("programs/") for name in members)
    edited = members["manifest.json"].replace(b'"doc": ""', b'"doc": "More than was built."')
    assert edited != members["manifest.json"]
    path.write_bytes(archive_of({**members, "manifest.json": edited}))
    for command in (["info"], ["run", "double", "x=x.npy"], ["show"]):
        result = run(command[0], "double.gcm", *command[1:], cwd=tmp_path)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("error[module-damaged]: double.gcm is not a whole")
        assert "manifest.json is not what the build wrote" in result.stderr
        assert "hint: build it again" in result.stderr
    with pytest.raises(ModuleFormatError, match=r"manifest\.json is not what"):
        graphc.load(path)
