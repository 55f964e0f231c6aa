"""Grids, unpooling, distances and integrals against those of the same name in PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.oracles.test_torch import Case, normal, ours, theirs

# PyTorch says that it changed a case that this one agrees with.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Since version 1.3.0")]

PICTURE, VOLUME = normal(2, 3, 5, 4), normal(2, 2, 4, 3, 5)
GRID, GRID_3 = normal(2, 6, 2, 2) * 0.7, normal(2, 3, 2, 2, 3) * 0.7
A, B = normal(5, 7), normal(5, 7)
PLACES = np.cumsum(np.abs(normal(7)) + 0.1)

CASES = [
    *(
        Case("grid_sample", operands, {"mode": mode, "padding_mode": pad, "align_corners": aligned})
        for operands in ((PICTURE, GRID), (VOLUME, GRID_3))
        for mode, pad, aligned in itertools.product(
            ("bilinear", "nearest"), ("zeros", "border", "reflection"), (False, True)
        )
    ),
    *(
        Case("affine_grid", (theta,), {"size": size, "align_corners": aligned})
        for theta, size in ((normal(2, 2, 3), (2, 3, 5, 4)), (normal(1, 3, 4), (1, 2, 3, 1, 4)))
        for aligned in (False, True)
    ),
    Case("pdist", (A,)),
    Case("pdist", (A,), {"p": 1.0}),
    Case("pdist", (A,), {"p": 3.0}),
    Case("dist", (A, B), {"p": 3.0}),
    Case("corrcoef", (A,)),
    Case("trapezoid", (A,), {"dim": 0}, ours={"dx": 0.5}, theirs={"dx": 0.5}),
    Case("trapezoid", (A, PLACES)),
    Case("cumulative_trapezoid", (A, PLACES)),
    Case("fmod", (A, B)),
    Case("histc", (A,), {"bins": 6, "min": -2.0, "max": 2.0}, fixed=(0,)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_torch(case: Case) -> None:
    (found, slopes), (expected, exact) = ours(case), theirs(case)
    for one, other in zip([*found, *slopes], [*expected, *exact], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
