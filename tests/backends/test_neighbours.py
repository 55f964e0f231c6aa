"""The next float of 16 bits, for all of them, on every device that runs here."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphc as gc

LIMITS = (-np.inf, np.inf, 0.0, 1.0, np.nan, -3e-8, 65504.0)


@pytest.mark.parametrize("device", ["cpu", "sim", "reference"])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_neighbours_of_all_numbers_are_those_of_numpy(dtype: Any, device: str) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    # NumPy keeps the sign of zero beside zero in f16, and takes that of the limit in other dtypes.
    x = x[x.view(np.uint16) != 1 << 15]
    after = gc.function(lambda x, y: gc.nextafter(x, y), device=device)
    for limit in LIMITS:
        y = np.full(x.shape, limit).astype(dtype)
        with np.errstate(all="ignore"):
            expected = np.nextafter(x, y)
        found = after(x, y)
        assert found.dtype == x.dtype
        is_number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(found), ~is_number)
        np.testing.assert_array_equal(
            found[is_number].view(np.uint16), expected[is_number].view(np.uint16)
        )
