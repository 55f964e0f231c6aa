"""Processes that are killed, or that do the same thing at once: whole files or none."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from graphc.runtime.atomic_write import write_atomically
from graphc.runtime.module_file import read_module

SOURCE = """
model Layer():
    fc = Linear(300, 300)

    def forward(x: f32[300]) -> f32[300]:
        return fc(x)

export predict = Layer.forward
"""

SAVING = """
import graphc, sys
module = graphc.load("model.gcm", "reference")
print("ready", flush=True)
while True:
    module.save("model.gcm")
"""

BUILDING = """
from graphc.cli import main
while main(["build", "model.gc", "--quiet"]) == 0:
    print("ready", flush=True)
"""

CALLING = """
import graphc, numpy
print(graphc.load("model.gcm", "cpu").predict(numpy.ones(300, numpy.float32)).tobytes().hex())
"""


def started(program: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(graphc.__file__).parent.parent), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.gc").write_text(SOURCE)
    unit = elaborate(SOURCE, "model.gc", library())
    graphc.build(unit).file.write(tmp_path / "model.gcm")
    return tmp_path


@pytest.mark.parametrize("program", [SAVING, BUILDING], ids=["save", "build"])
def test_a_killed_process_leaves_a_whole_module(program: str, folder: Path) -> None:
    rng = random.Random(program)
    for _ in range(4):
        process = started(program, folder)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        read_module(folder / "model.gcm")
    # Whatever they left goes with the next one that is written.
    graphc.load(folder / "model.gcm", "reference").save(folder / "model.gcm")
    assert sorted(path.name for path in folder.iterdir()) == ["model.gc", "model.gcm"]


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    place = tmp_path / "model[1].gcm"
    abandoned = tmp_path / ".model[1].gcm.abandoned.tmp"
    abandoned.write_bytes(b"half of")
    living = tmp_path / ".model[1].gcm.living.tmp"
    other = tmp_path / ".model1.gcm.other.tmp"
    other.write_bytes(b"of another module")
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomically(place, b"whole")
        assert living.exists()
    assert not abandoned.exists() and other.exists()
    write_atomically(place, b"again")
    assert sorted(tmp_path.iterdir()) == sorted([other, place])
    assert place.read_bytes() == b"again"


def test_a_file_that_is_taken_for_abandoned_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Path] = []
    real = fcntl.flock

    def late(file: Any, operation: int) -> None:
        if not taken:
            taken.extend(tmp_path.glob(".x.gcm.*.tmp"))
            taken[0].unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    write_atomically(tmp_path / "x.gcm", b"whole")
    assert taken and [path.name for path in tmp_path.iterdir()] == ["x.gcm"]
    assert (tmp_path / "x.gcm").read_bytes() == b"whole"


def test_a_disk_without_locks_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    write_atomically(tmp_path / "x.gcm", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x.gcm"]


def test_processes_that_compile_the_same_kernels_at_once(folder: Path) -> None:
    cache = folder / "cache"
    processes = [started(CALLING, folder, GRAPHC_CACHE_DIR=str(cache)) for _ in range(3)]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 3
    (output,) = outputs
    expected = graphc.load(folder / "model.gcm", "reference").predict(np.ones(300, np.float32))
    found = np.frombuffer(bytes.fromhex(output), np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # One entry for the program, its kernels and the thread pool, and nothing beside them.
    names = [path.suffix for path in cache.rglob("*") if path.is_file()]
    assert sorted(names) == [".json", ".so", ".so"]
    assert not list(cache.rglob(".*"))
