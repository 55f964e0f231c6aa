"""Measure what a call of the perceptron adds to the memory of a process, beside what was printed.

    python benchmarks/memory.py [--export train] [--batch 4096]

A process that has loaded and called another module loads this one and calls it once. Measured is
how far the memory of the process rises at most in between (VmHWM of `/proc/self/status`, on Linux):
state, arguments, results, temporaries, scratch memory of every thread that takes part; and what is
not printed, machine code and the objects of Python, two or three tenths of a megabyte. Printed is
the "peak" of `module.memory(export)`. The figures are bytes, as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import graphc

HERE = Path(__file__).parent


def main() -> None:
    """Build both modules, then measure in a process that only loads and calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", choices=["predict", "train"], default="train")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--built", type=Path, help="the folder of the built modules")
    options = parser.parse_args()
    if options.built:
        figures = measure(options.built, options.export, options.batch)
        print(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("softmax", "mlp"):
            path = Path(folder, f"{name}.gcm")
            graphc.build(HERE / f"{name}.gc").file.write(path)
            graphc.load(path, device="cpu")  # Compiles what it runs, for the processes after this.
        command = [sys.executable, __file__, "--built", folder]
        command += ["--export", options.export, "--batch", str(options.batch)]
        subprocess.run(command, check=True)


def measure(folder: Path, export: str, batch: int) -> dict[str, int]:
    """Printed and measured bytes of one call."""
    graphc.load(folder / "softmax.gcm", device="cpu").rows(np.ones((4096, 4096), np.float32))
    before = forget_peak()
    module = graphc.load(folder / "mlp.gcm", device="cpu")
    arguments = [np.ones((batch, 784), np.float32)]
    if export == "train":
        arguments.append(np.ones(batch, np.int32))
    module.exports[export](*arguments)
    return {
        "printed": module.memory(export, B=batch)["peak"],
        "measured": peak_resident() - before,
    }


def forget_peak() -> int:
    """Let go of what nothing refers to, and forget the peak so far; returns what is resident."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return peak_resident()


def peak_resident() -> int:
    """The most bytes that were resident at once."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
