"""Time operations in index notation beside the library's own, forward and gradient.

    python benchmarks/index_notation.py [--rounds 9] [--device cpu]

The programs are those of `examples/index_notation`. The two run in turn, so that a machine that
slows down slows both; the fastest call of each is shown, in milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import graphc

PROGRAMS = Path(__file__).parent.parent / "examples" / "index_notation"

Shapes = Sequence[tuple[int, ...]]

WORKLOADS: dict[str, Sequence[Shapes]] = {
    "convolution": (
        ((8, 32, 32, 32), (64, 32, 3, 3)),
        ((1, 32, 56, 56), (64, 32, 3, 3)),
    ),
    "attention": (((2, 8, 256, 64),) * 3, ((1, 8, 1024, 64),) * 3),
}


def main() -> None:
    """Time every workload and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(f"{'':44} {'notation':>10} {'library':>10} {'ratio':>7}")
    rng = np.random.default_rng(0)
    for name, workloads in WORKLOADS.items():
        module = graphc.load_file(graphc.build(PROGRAMS / f"{name}.gc").file, options.device)
        for shapes in workloads:
            arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
            for export, peer in ((name, "library"), ("gradient", "library_gradient")):
                calls = [module.exports[one] for one in (export, peer)]
                notation, library = fastest(calls, arrays, options.rounds)
                what = name if export == name else f"{name}, {export}"
                row = f"{what}, {' x '.join(map(str, shapes[0]))}"
                print(f"{row:44} {notation:10.2f} {library:10.2f} {notation / library:7.2f}")


def fastest(
    calls: Sequence[Callable[..., Any]], arrays: Sequence[np.ndarray], rounds: int
) -> list[float]:
    """The shortest time of each call in milliseconds, the calls taking turns."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call(*arrays)
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            start = time.perf_counter()
            call(*arrays)
            found.append(time.perf_counter() - start)
    return [1e3 * min(found) for found in times]


if __name__ == "__main__":
    main()
