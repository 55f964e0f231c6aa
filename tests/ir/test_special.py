"""Special functions against SciPy, at many places and at the special ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.special

import graphc as gc
from graphc.errors import GraphcError
from graphc.ir.ops.special_functions.error_and_gamma import EULER, lgamma_of

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
WIDE = np.concatenate([np.linspace(-60, 60, 997), 10.0 ** -np.arange(1, 300, 23), [0.0, np.nan]])
BOTH_SIGNS = tuple(np.meshgrid(np.linspace(-3.3, 9, 9), np.linspace(-2.7, 9, 9)))
SHAPES = tuple(
    np.meshgrid(
        [0.0, 1e-300, 0.01, 0.5, 1.0, 7.3, 9.99, 40.0, 199.0, 201.0, 1e4, np.inf, np.nan, -1.0],
        [0.0, 1e-300, 0.01, 0.5, 1.0, 7.0, 14.0, 41.0, 180.0, 205.0, 9.9e3, np.inf, np.nan, -1.0],
    )
)
SHAPES_AND_SHARES = tuple(
    np.meshgrid(
        [0.0, 0.01, 0.5, 1.0, 7.3, 60.0, np.inf, np.nan, -1.0],
        [0.0, 0.01, 0.5, 2.0, 9.1, 55.0, np.inf, np.nan],
        np.linspace(-0.1, 1.1, 25),
    )
)
ORDERS = tuple(np.meshgrid(np.arange(30), np.concatenate([POSITIVE[::9], [0.0, 0.5, np.nan]])))
POWERS = tuple(np.meshgrid(np.linspace(0.01, 9, 17), np.linspace(-3, 3, 13)))
DEGREES = {
    "degrees that are data": tuple(np.meshgrid(np.linspace(-1.6, 1.6, 33), np.arange(9))),
    "one degree": (np.linspace(-1.6, 1.6, 33), np.array(11)),
}
WITH_ZEROS = (
    "airy",
    "bessel",
    "beta",
    "cosine",
    "expi",
    "fresnel",
    "gammainc",
    "spence",
    "spherical",
)
"""Functions that are accurate to so much of 1 and not of themselves: near zeros, and 1 less 1."""

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Array, ...]]] = {
    "airy_ai": (gc.airy_ai, lambda x: scipy.special.airy(x)[0], (WIDE,)),
    "airy_ai_slope": (gc.airy_ai_slope, lambda x: scipy.special.airy(x)[1], (WIDE,)),
    "bessel_j0": (gc.bessel_j0, scipy.special.j0, (WIDE,)),
    "bessel_j1": (gc.bessel_j1, scipy.special.j1, (WIDE,)),
    "bessel_y0": (gc.bessel_y0, scipy.special.y0, (WIDE,)),
    "bessel_y1": (gc.bessel_y1, scipy.special.y1, (WIDE,)),
    "beta": (gc.beta, scipy.special.beta, BOTH_SIGNS),
    "betainc": (gc.betainc, scipy.special.betainc, SHAPES_AND_SHARES),
    "boxcox": (gc.boxcox, scipy.special.boxcox, POWERS),
    "boxcox1p": (gc.boxcox1p, scipy.special.boxcox1p, POWERS),
    "comb": (
        gc.comb,
        scipy.special.comb,
        tuple(np.meshgrid(np.arange(-1.0, 9), np.arange(-1.0, 9))),
    ),
    "cosine_integral": (gc.cosine_integral, lambda x: scipy.special.sici(x)[1], (WIDE,)),
    "dawsn": (gc.dawsn, scipy.special.dawsn, (REAL,)),
    "expi": (gc.expi, scipy.special.expi, (REAL,)),
    "exp1": (gc.exp1, scipy.special.exp1, (POSITIVE,)),
    "expn": (gc.expn, scipy.special.expn, ORDERS),
    "fresnel_c": (gc.fresnel_c, lambda x: scipy.special.fresnel(x)[1], (WIDE,)),
    "fresnel_s": (gc.fresnel_s, lambda x: scipy.special.fresnel(x)[0], (WIDE,)),
    "gammainc": (gc.gammainc, scipy.special.gammainc, SHAPES),
    "gammaincc": (gc.gammaincc, scipy.special.gammaincc, SHAPES),
    "k0": (gc.k0, scipy.special.k0, (REAL,)),
    "k0e": (gc.k0e, scipy.special.k0e, (REAL,)),
    "k1": (gc.k1, scipy.special.k1, (REAL,)),
    "k1e": (gc.k1e, scipy.special.k1e, (REAL,)),
    "sine_integral": (gc.sine_integral, lambda x: scipy.special.sici(x)[0], (WIDE,)),
    # At inf, where it is -inf, SciPy has NaN.
    "spence": (gc.spence, scipy.special.spence, (POSITIVE[~np.isinf(POSITIVE)],)),
    "spherical_bessel_j0": (
        gc.spherical_bessel_j0,
        lambda x: scipy.special.spherical_jn(0, x),
        (np.linspace(-40, 40, 400),),
    ),
    **{
        f"{name} of {kind}": (ours, lambda x, n, theirs=theirs: theirs(n, x), operands)
        for name, (ours, theirs) in {
            "chebyshev_polynomial_t": (gc.chebyshev_polynomial_t, scipy.special.eval_chebyt),
            "chebyshev_polynomial_u": (gc.chebyshev_polynomial_u, scipy.special.eval_chebyu),
            "hermite_polynomial_h": (gc.hermite_polynomial_h, scipy.special.eval_hermite),
            "hermite_polynomial_he": (gc.hermite_polynomial_he, scipy.special.eval_hermitenorm),
            "laguerre_polynomial_l": (gc.laguerre_polynomial_l, scipy.special.eval_laguerre),
            "legendre_polynomial_p": (gc.legendre_polynomial_p, scipy.special.eval_legendre),
            "shifted_chebyshev_polynomial_t": (
                gc.shifted_chebyshev_polynomial_t,
                scipy.special.eval_sh_chebyt,
            ),
            "shifted_chebyshev_polynomial_u": (
                gc.shifted_chebyshev_polynomial_u,
                scipy.special.eval_sh_chebyu,
            ),
        }.items()
        for kind, operands in DEGREES.items()
    },
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
    nothing = 2e-14 if name.startswith(WITH_ZEROS) or "polynomial" in name else 1e-290
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(ours(*operands), theirs(*operands), rtol=2e-13, atol=nothing)


@pytest.mark.parametrize("name", ["i0", "i1", "i0e", "i1e"])
def test_modified_functions_of_narrow_floats_round_those_of_doubles(name: str) -> None:
    function, exact = getattr(gc, name), getattr(scipy.special, name)
    x = np.array([0, 0.5, -1, 5, 11, -30, 40, np.nan], np.float16)
    with np.errstate(over="ignore"):
        wanted = exact(x.astype(np.float64)).astype(np.float16)
    np.testing.assert_array_equal(function(x), wanted)
    bend = gc.grad(lambda x: gc.grad(lambda x: function(x).sum())(x).sum())
    # As it is rounded, not as it is compiled: the text of these is long.
    evaluated = gc.function(bend, device="reference")
    wide = evaluated(x[1:5].astype(np.float64))
    np.testing.assert_allclose(evaluated(x[1:5]), wide, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("zero", [1, 2])
def test_the_reference_of_lgamma_is_accurate_beside_its_zeros(zero: int) -> None:
    """There log(gamma) is d times digamma, and a square (Abramowitz and Stegun, 6.1.33)."""
    x = zero + np.outer([1, -1], 0.3 ** np.arange(10, 30))
    d = x - zero
    slope, bend = zero - 1 - EULER, np.pi**2 / 12 - (zero - 1) / 2
    np.testing.assert_allclose(lgamma_of(x), d * (slope + bend * d), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("name", ["gcd", "lcm"])
def test_divisors_and_multiples_are_those_of_numpy(name: str, dtype: str) -> None:
    ends = np.iinfo(dtype)
    numbers = np.array([ends.min, ends.min // 2, 0, 1, 4, 6, ends.max - 1, ends.max], dtype)
    pairs = tuple(map(np.ascontiguousarray, np.meshgrid(numbers, numbers)))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(getattr(gc, name)(*pairs), getattr(np, name)(*pairs))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_mantissas_and_exponents_are_those_of_numpy(dtype: str) -> None:
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    x = np.array([0.0, -0.0, 1.0, -3.0, 0.3, tiny, -huge, np.inf, np.nan], dtype)
    mantissas, exponents = gc.frexp(x)
    np.testing.assert_array_equal(mantissas, np.frexp(x)[0])
    np.testing.assert_array_equal(exponents[:-2], np.frexp(x)[1][:-2])
    assert exponents.dtype == np.int32 and not exponents[-2:].any()


PARAMETERS: list[Callable[[Any], Any]] = [
    lambda a: gc.gammainc(a, 0.5),
    lambda a: gc.gammaincc(a, 0.5),
    lambda a: gc.betainc(a, 2.0, 0.5),
    lambda a: gc.betainc(2.0, a, 0.5),
]


@pytest.mark.parametrize("function", PARAMETERS)
def test_derivatives_by_shape_parameters_are_refused(function: Callable[[Any], Any]) -> None:
    with pytest.raises(GraphcError) as refused:
        gc.grad(function)(1.5)
    assert refused.value.code == "no-gradient"


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
def test_subnormal_numbers_and_signs_of_zeros_are_kept(device: str) -> None:
    tiny = np.array([1e-45, -1e-45, 3e-40, -1e-38, 0.0, -0.0], np.float32)
    found = gc.function(gc.expm1, device=device)(tiny)
    np.testing.assert_array_equal(found.view(np.uint32), tiny.view(np.uint32))
    zero = np.array([0.0, -0.0, 0.0], np.float32)
    shares = np.array([0.5, 0.5, 0.0], np.float32)
    for found in (
        gc.function(gc.xlogy, device=device)(zero, shares),
        gc.function(gc.entr, device=device)(zero),
    ):
        np.testing.assert_array_equal(found.view(np.uint32), 0)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats_are_put_together_from_their_parts(dtype: str) -> None:
    facts = np.finfo(dtype)
    x = np.array([facts.max, -facts.tiny, facts.smallest_subnormal, 0.3, -0.0, np.inf], dtype)
    np.testing.assert_array_equal(gc.ldexp(*gc.frexp(x)), x)
    np.testing.assert_array_equal(gc.grad(lambda x: gc.ldexp(x, 2).sum())(x[:5]), 4)


def test_the_modified_function_reaches_the_end_of_the_range() -> None:
    np.testing.assert_allclose(gc.i0(np.float32(89)), scipy.special.i0(89.0), rtol=1e-5)


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_ratios_of_gamma_functions_of_large_numbers_lose_nothing(dtype: str, device: str) -> None:
    """For whole a the beta function of a and b is (a - 1)! / (b (b + 1) ... (b + a - 1))."""
    pairs = [(a, b) for a in (1, 2, 9, 11, 14) for b in (1.0, 9.75, 10.0, 33.0, 1e3, 1e6)]
    exact = [
        float(math.factorial(a - 1) / math.prod(Fraction(b) + i for i in range(a)))
        for a, b in pairs
    ]
    left, right = np.array(pairs, dtype).T.copy()
    rising = [float(math.prod(Fraction(b) + i for i in range(a))) for a, b in pairs]
    # The exponential multiplies the error of its argument, which is up to 170 here.
    bound = 2e-13 if dtype == "f8" else 1e-7

    def all_of_them(a: Any, b: Any) -> tuple[Any, ...]:
        return gc.beta(a, b), gc.betaln(a, b), gc.poch(b, a), gc.comb(a + b, a)

    with np.errstate(over="ignore"):
        wanted = {
            "beta": exact,
            "betaln": np.log(exact),
            "poch": np.array(rising, dtype),
            "comb": scipy.special.comb(left + right, left),
        }
        values = gc.function(all_of_them, device=device)(left, right)
    for (name, expected), found in zip(wanted.items(), values, strict=True):
        np.testing.assert_allclose(found, expected, rtol=bound, atol=bound / 100, err_msg=name)


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
def test_beta_and_its_kin_have_values_at_poles(device: str) -> None:
    """By products of whole numbers: what two poles leave, 0 and inf where there is one alone."""
    rising = [(-1, 1, -1), (0, 0, 1), (-3, 2, 6), (-1, -2, 1 / 6), (-5, 7, 0), (-2, 0.5, 0),
              (0.5, -1.5, np.inf)]  # fmt: skip
    pairs = [(-1, 1, -1), (2, -2, 0.5), (-3, 3, -1 / 3), (-1, 2, np.inf), (-2, 0.5, np.inf),
             (-1, -2, np.inf), (0.5, -0.5, 0), (np.inf, 0, np.inf), (np.inf, 2, 0),
             (np.inf, np.inf, 0)]  # fmt: skip
    for name, rows in (("poch", rising), ("beta", pairs)):
        x, y, expected = np.array(rows, float).T.copy()
        found = gc.function(getattr(gc, name), device=device)(x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=name)
    with np.errstate(divide="ignore"):
        logarithms = np.log(np.abs(expected))
    found = gc.function(gc.betaln, device=device)(x, y)
    np.testing.assert_allclose(found, logarithms, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
def test_shares_of_large_parameters_have_digits(device: str) -> None:
    """As many as the share leaves them: it changes by sqrt(a) of itself where x does by 1."""
    sizes = [201.0, 3e4, 1e8]
    a, b, away = (
        side.reshape(-1) for side in np.meshgrid(sizes, [0.3, 40.0, *sizes], [-6.0, -1.0, 0.0, 2.0])
    )
    a, b = np.concatenate([a, b]), np.concatenate([b, a])
    away = np.tile(away, 2)
    middle = a / (a + b)
    x = middle + away * np.sqrt(middle * b / (a + b) / (a + b + 1))
    is_inside = (x > 0) & (x < 1)
    a, b, x = a[is_inside], b[is_inside], x[is_inside]
    shares = gc.compile(gc.betainc, *[gc.f64["N"]] * 3, device=device)
    found = shares(a, b, x)
    expected = scipy.special.betainc(a, b, x)
    bound = 1e-13 + 1e-15 * np.sqrt(np.minimum(a, b))
    assert (np.abs(found - expected) <= 20 * bound * expected).all()
    a = np.array([1e3, 1e8, 1e15, 1e100, 1e300])
    found = shares(a, a, np.full(5, 0.5))
    np.testing.assert_allclose(found, 0.5, rtol=1e-12)
    # The normal distribution, where SciPy's values have lost the digits that are tested.
    a = np.repeat([1e12, 1e15], 4)
    x = 0.5 + np.tile([-6.0, -1.0, 0.5, 2.0], 2) / np.sqrt(8 * a)
    found = shares(a, a, x)
    expected = scipy.special.ndtr((x - 0.5) * np.sqrt(8 * a + 4))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_powers_of_two_of_complex_infinities() -> None:
    z = np.array([np.inf, -np.inf, 2, np.nan]) + 0j
    for device in ("reference", "cpu", "sim"):
        np.testing.assert_array_equal(gc.function(gc.exp2, device=device)(z), np.exp2(z))


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
def test_upper_shares_of_little_shapes_have_digits(device: str) -> None:
    """For little a the share is a times the exponential integral."""
    a, x = (side.reshape(-1) for side in np.meshgrid([1e-300, 1e-30, 1e-17], [1e-9, 0.1, 0.3, 7.0]))
    upper = gc.compile(gc.gammaincc, gc.f64["N"], gc.f64["N"], device=device)
    found = upper(a, x)
    np.testing.assert_allclose(found, a * scipy.special.exp1(x), rtol=1e-13)
    a, x = (
        side.reshape(-1) for side in np.meshgrid([1e-3, 0.05, 0.0999, 0.11], [1e-9, 0.2, 0.3, 2])
    )
    found = upper(a, x)
    np.testing.assert_allclose(found, scipy.special.gammaincc(a, x), rtol=1e-12)
    lower = gc.function(gc.gammainc, device=device)(a, x)
    np.testing.assert_allclose(lower, scipy.special.gammainc(a, x), rtol=1e-12)
