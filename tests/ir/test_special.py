"""Special functions against SciPy, at many places and at the special ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import graphc as gc

Array = np.ndarray[Any, Any]

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
POSITIVE = np.concatenate([np.linspace(0.01, 60, 400), [1e5, np.inf, np.nan]])
REAL = np.concatenate([np.linspace(-37, 37, 401), [-1e3, 1e3], SPECIAL])
SHARES = np.concatenate(
    [10.0 ** -np.arange(1, 300, 7), np.linspace(0, 1, 101), [1 - 1e-10, np.nan]]
)
SHARES = np.concatenate([SHARES, [-0.1, 1.1]])
GAMMA = np.concatenate([np.linspace(-5.37, 9.7, 151), SPECIAL, [-1.0, -2.0]])
PAIRS = tuple(np.meshgrid([-1.0, 0.0, 0.5, 2.0, np.nan], [-1.0, 0.0, 0.5, 2.0, np.inf]))
SMALL = tuple(np.meshgrid(np.linspace(0.1, 9, 9), np.linspace(0.1, 9, 9)))

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Array, ...]]] = {
    "betaln": (gc.betaln, scipy.special.betaln, SMALL),
    "erfcx": (gc.erfcx, scipy.special.erfcx, (np.concatenate([np.linspace(-6, 30, 99), [1e8]]),)),
    "factorial": (gc.factorial, scipy.special.factorial, (np.arange(-2.0, 20),)),
    "gamma": (gc.gamma, scipy.special.gamma, (GAMMA,)),
    "gammasgn": (gc.gammasgn, scipy.special.gammasgn, (GAMMA,)),
    "i0": (gc.i0, scipy.special.i0, (REAL,)),
    "i0e": (gc.i0e, scipy.special.i0e, (REAL,)),
    "i1": (gc.i1, scipy.special.i1, (REAL,)),
    "i1e": (gc.i1e, scipy.special.i1e, (REAL,)),
    "log_ndtr": (gc.log_ndtr, scipy.special.log_ndtr, (REAL,)),
    "multigammaln": (
        lambda x: gc.multigammaln(x, 3),
        lambda x: scipy.special.multigammaln(x, 3),
        (np.linspace(1.1, 9, 50),),
    ),
    "ndtr": (gc.ndtr, scipy.special.ndtr, (REAL,)),
    "ndtri": (gc.ndtri, scipy.special.ndtri, (SHARES,)),
    "poch": (gc.poch, scipy.special.poch, SMALL),
    "rel_entr": (gc.rel_entr, scipy.special.rel_entr, PAIRS),
    **{
        f"polygamma {n}": (
            lambda x, n=n: gc.polygamma(n, x),
            lambda x, n=n: scipy.special.polygamma(n, x),
            (np.linspace(0.01, 30, 99),),
        )
        for n in range(6)
    },
    **{
        f"zeta {s}": (
            lambda q, s=s: gc.zeta(np.full_like(q, s), q),
            lambda q, s=s: scipy.special.zeta(s, q),
            (np.concatenate([np.linspace(0.01, 30, 99), [-1.0, 0.0, 1e5]]),),
        )
        for s in (0.5, 1.0, 1.5, 2.0, 7.0)
    },
}


@pytest.mark.parametrize("name", CASES)
def test_special_functions_are_those_of_scipy(name: str) -> None:
    ours, theirs, operands = CASES[name]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(ours(*operands), theirs(*operands), rtol=2e-13, atol=1e-290)
