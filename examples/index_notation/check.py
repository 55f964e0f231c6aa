"""Build both programs, and compare what is written in index notation with the library's own.

    python examples/index_notation/check.py [--device auto]

Each program has one operation twice: spelled out in index notation, and by its name. Values and
gradients must agree.
"""

import argparse
from pathlib import Path

import numpy as np

import graphc

HERE = Path(__file__).parent

SHAPES = {
    "convolution": [(2, 32, 20, 20), (64, 32, 3, 3)],
    "attention": [(2, 8, 48, 64)] * 3,
}


def main() -> None:
    """Compare, and print the largest differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for name, shapes in SHAPES.items():
        module = graphc.load_file(graphc.build(HERE / f"{name}.gc").file, options.device)
        arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        compare(name, module.exports[name](*arrays), module.library(*arrays))
        compare(f"{name}, gradient", module.gradient(*arrays), module.library_gradient(*arrays))


def compare(what: str, found: object, expected: object) -> None:
    """Print how far two results are apart, relative to the largest element.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    apart = 0.0
    for one, other in zip(parts(found), parts(expected), strict=True):
        apart = max(apart, float(np.abs(one - other).max() / np.abs(other).max()))
    print(f"{what:24} differs by {apart:.1e} at most")
    if not apart < 1e-5:
        raise SystemExit(f"{what}: index notation and the library disagree")


def parts(result: object) -> list[np.ndarray]:
    """The arrays of a result."""
    arrays = result if isinstance(result, tuple) else (result,)
    return [np.asarray(one) for one in arrays]


if __name__ == "__main__":
    main()
