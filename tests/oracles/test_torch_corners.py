"""The derivatives of the table of `tests/corners.py` against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.corners import CORNERS, Corner

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:std:UserWarning")]

COMPARED = {name: corner for name, corner in CORNERS.items() if not isinstance(corner.torch, str)}


@pytest.mark.parametrize("corner", COMPARED.values(), ids=list(COMPARED))
def test_derivatives_at_corners_are_those_of_torch(corner: Corner) -> None:
    given = [torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in corner.operands]
    assert not isinstance(corner.torch, str)
    found = torch.autograd.grad(corner.torch(torch, *given), given, allow_unused=True)
    for x, one, expected in zip(given, found, corner.slopes, strict=True):
        exact = torch.zeros_like(x) if one is None else one
        np.testing.assert_allclose(exact.numpy(), np.asarray(expected), rtol=1e-9, atol=1e-12)
