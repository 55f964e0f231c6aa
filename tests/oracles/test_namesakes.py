"""Every function against those of the same name in NumPy, SciPy, PyTorch and JAX.

Nothing here makes a call: those of `surface_calls.py` are made again with the other library's
function in place of ours, on the same arrays. What a library does not take is no comparison; a
function that none of them takes needs a row in `ELSEWHERE`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from tests.surface_calls import (
    DOMAINS,
    LISTED,
    NAMES,
    REFUSED,
    SurfaceCall,
    aliases,
    calls_of,
    of_one_type,
    operand_count,
)

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings("ignore")

OF_ARRAYS = ("numpy", "numpy.linalg", "numpy.fft", "scipy.special", "scipy.linalg")
OF_TENSORS = ("torch", "torch.nn.functional", "torch.special", "torch.linalg")
TRACED = (
    *("jax.numpy", "jax.numpy.linalg", "jax.scipy.special", "jax.scipy.linalg"),
    *("jax.nn", "jax.lax"),
)

SHAPES = ((3, 4), (4, 4), (0, 3), (1, 4), (), (2, 3, 4))
DTYPES = (dtypes.f64, dtypes.f32, dtypes.i64, dtypes.u8, dtypes.bool_, dtypes.c128)

OTHERS = {
    ("jax.nn", "dot_product_attention"): "in single precision",
    ("scipy.linalg", "cho_factor"): "leaves numbers of the matrix in the other triangle",
    ("scipy.linalg", "lu_factor"): "counts the rows from 0",
    ("jax.scipy.linalg", "lu_factor"): "counts the rows from 0",
    ("scipy.special", "kl_div"): "of elements",
    ("jax.scipy.special", "kl_div"): "of elements",
    ("torch", "kl_div"): "a private function with other arguments",
    ("scipy.special", "log_softmax"): "over all axes",
    ("scipy.special", "softmax"): "over all axes",
    ("torch.nn.functional", "log_softmax"): "along an axis that depends on their number",
    ("torch.nn.functional", "softmax"): "along an axis that depends on their number",
    ("torch.nn.functional", "softmin"): "along an axis that depends on their number",
    ("torch", "std_mean"): "corrected by 1",
    ("torch", "var_mean"): "corrected by 1",
    ("torch.linalg", "vander"): "the powers ascend",
    ("torch", "instance_norm"): "a private function with other arguments",
}
"""Namesakes that are other functions, have other defaults, or promise less."""

_ELSEWHERE = {
    "random numbers are others in every library; their distributions are tested": """
        alpha_dropout bernoulli categorical dropout dropout1d dropout2d dropout3d exponential
        feature_alpha_dropout gumbel gumbel_softmax multinomial normal rand rand_like randint
        randint_like randn randn_like randperm uniform""",
    "no library has it, or none by this name": """
        airy_ai_slope at_add at_max at_min at_multiply at_set cast constant cosine_integral
        diagonal_matrix dynamic_slice dynamic_update_slice expand_as fresnel_c fresnel_s index
        linear_recurrence overlap_add reshape_as sine_integral slice_scatter squareplus
        sum_to_size triangular_solve window""",
    "SciPy's windows are in a module of their own: tests/ir/test_windows_of_signals.py": """
        barthann_window blackmanharris_window bohman_window cosine_window exponential_window
        flattop_window gaussian_window general_cosine_window general_hamming_window nuttall_window
        tukey_window""",
    "libraries have it for one axis alone": "hfft2 hfftn ihfft2 ihfftn",
    "sizes, or what the results are, are said in other arguments": """
        argwhere bincount broadcast_to cosine_embedding_loss cummax cummin dot_product_attention
        fill_diagonal flatnonzero kl_div lstsq nonzero permute_dims
        put_along_axis select softmin std_mean tile unique unique_consecutive vander
        var_mean""",
    "the calls make what it takes with other functions of graphc": """
        betainc cholesky cholesky_solve eigh eigvalsh interp logdet lu_solve lu_unpack matrix_power
        max_unpool1d max_unpool2d max_unpool3d ormqr ravel_multi_index""",
    "its values come in any order": "eig",
    "PyTorch's takes no array as its mask: tests/test_array_api.py": "masked_select",
    "the calls give it numbers that are not sorted": "bucketize searchsorted",
    "the calls give it what is no factor": "cholesky_inverse",
}
FFTS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")

ELSEWHERE: Mapping[str, str] = {
    name: reason for reason, names in _ELSEWHERE.items() for name in names.split()
}
"""Functions that no other library has under this name and with these arguments."""

_ONE_ROW = "a matrix of one variable gives a matrix, as one of several does"
_ORDER = "sums overflow, or add infinities, in another order"
_PARTS = "libraries differ in the parts of complex infinities"
_POLES = "at poles, and of huge numbers, libraries differ"
_FFT = "sums in another order, with huge numbers among the others"
APART: Mapping[str, tuple[str, str]] = {
    **{f"{kind}{axes}": ("special", _FFT) for kind in FFTS for axes in ("", "2", "n")},
    **dict.fromkeys(("addmm", "convolve", "inner", "matmul", "vecdot"), ("special", _ORDER)),
    **dict.fromkeys(
        ("addcmul", "cond", "logaddexp", "nancumprod", "rsub", "sign"), ("complex", _PARTS)
    ),
    **dict.fromkeys(("airy_ai", "fresnel", "log1mexp", "poch", "spence"), ("special", _POLES)),
    **dict.fromkeys(("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"), ("special", _POLES)),
    **dict.fromkeys(("beta", "betaln", "boxcox1p"), ("special", _POLES)),
    "gelu": ("special", "PyTorch overflows at the greatest numbers"),
    "lerp": ("special", "PyTorch changes its form at 1/2, which shows at infinities"),
    "lgamma": ("special", "inf at -inf, as in C and PyTorch"),
    "sgn": ("special", "PyTorch has 0 for NaN"),
    "zeta": ("special", "NaN for exponents of 1 and less"),
    "polymul": ("special", "NumPy leaves out leading zeros"),
    "qr": ("special", "the vectors of what is not finite"),
    "corrcoef": ("row special", _ONE_ROW),
    "cov": ("row special", _ONE_ROW),
}
"""Functions of which some arrays are not compared: `special` values, those of `complex` dtypes, or
a single `row`; and why."""


@functools.cache
def library(name: str) -> Any:
    """A library's namespace; None where it is not installed."""
    if importlib.util.find_spec(name.split(".")[0]) is None:
        return None
    if name.startswith("jax"):
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def namesakes(name: str, libraries: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for place in libraries:
        names = [alias for alias in aliases(name) if (place, alias) not in OTHERS]
        found = (getattr(library(place), alias, None) for alias in names)
        function = next((one for one in found if callable(one)), None)
        if function is not None:
            yield place, function


def results_of(value: Any) -> list[Array]:
    if isinstance(value, tuple | list):
        return [one for item in value for one in results_of(item)]
    return [np.asarray(value)]


def may_crash(one: SurfaceCall) -> bool:
    """Whether PyTorch may end the process: LAPACK does, and the least of whole numbers by -1."""
    is_of_matrices = hasattr(library("torch.linalg"), one.name)
    return is_of_matrices or any(type.dtype.is_integer for type in one.types)


def is_harmless(array: Array) -> bool:
    return bool(array.size) and bool((np.abs(array.astype(np.complex128)) < 1e9).all())


def theirs(place: str, function: Any, one: SurfaceCall, arrays: Sequence[Array]) -> list[Array]:
    """What the other library gives; nothing where it takes something else, or gives no numbers."""
    given: Iterable[Any] = arrays
    if place in TRACED and not all(map(is_harmless, arrays)):
        return []  # some of JAX's loops do not end
    if place in OF_TENSORS:
        if may_crash(one) and not all(map(is_harmless, arrays)):
            return []
        given = map(library("torch").tensor, arrays)
    try:
        found = results_of(one.body(function, *given))
    except Exception:  # each library refuses in its own way
        return []
    return found if all(result.dtype.kind in "biufc" for result in found) else []


def difference(ours: Sequence[Array], other: Sequence[Array]) -> str:
    """Where two lists of results differ, or nothing."""
    for x, y in zip(ours, other, strict=True):
        tolerance = 1e-4 if x.dtype in (np.float32, np.complex64) else 1e-7
        if x.shape != y.shape:
            return f"{x.shape} here, {y.shape} there"
        try:
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance / 10)
        except AssertionError as error:
            return str(error)
    return ""


def left_out(name: str) -> list[str]:
    """What is not compared of a function."""
    return APART.get(name, ("", ""))[0].split()


def arrays_of(one: SurfaceCall, graph: Graph) -> Iterator[list[Array]]:
    """Numbers of which the function has numbers; and special values where all are of one type."""
    given: list[Array] = []
    for domain in DOMAINS:
        given = one.arrays(domain)
        results = evaluate(graph, given)[0]
        if all(np.isfinite(x).all() for x in results if x.dtype.kind in "fc"):
            break
    yield given
    what = left_out(one.name)
    is_left_out = "special" in what or ("complex" in what and one.types[0].dtype.kind == "complex")
    if one.name not in LISTED and one.types and not is_left_out:
        yield one.arrays(DOMAINS[0], special=True)


def all_calls(name: str) -> Iterator[tuple[SurfaceCall, Graph]]:
    """The calls of a function; those of any type where its tensors may be of one type."""
    for one in calls_of(name):
        yield one, one.graph()
    if name in LISTED or not operand_count(name):
        return
    what = left_out(name)
    for dtype, shape in itertools.product(DTYPES, SHAPES):
        if "row" in what and shape[:1] == (1,):
            continue
        one = of_one_type(name, dtype, shape)
        try:
            graph = one.graph()
        except GraphcError:
            continue
        yield one, graph


def compared(name: str, libraries: Sequence[str]) -> int:
    """How many calls agree with those of a namesake.

    Raises:
        AssertionError: a call has namesakes that take it, and agrees with none.
    """
    count = 0
    for one, graph in all_calls(name):
        for arrays in arrays_of(one, graph):
            try:
                with np.errstate(all="ignore"):
                    ours = evaluate(graph, arrays)[0]
            except GraphcError:
                continue
            found = {}
            for place, function in namesakes(name, libraries):
                other = theirs(place, function, one, arrays)
                if len(other) == len(ours):
                    found[place] = difference(ours, other)
                    if not found[place]:
                        break
            assert not found or "" in found.values(), f"{one}: {found}"
            count += bool(found)
    return count


CALLED = [name for name in NAMES if name not in REFUSED and name not in ELSEWHERE]
OF_NUMPY = [name for name in CALLED if any(namesakes(name, OF_ARRAYS))]


@pytest.mark.parametrize("name", OF_NUMPY)
def test_functions_of_numpy_and_scipy(name: str) -> None:
    compared(name, OF_ARRAYS)


@pytest.mark.torch
@pytest.mark.parametrize("name", CALLED)
def test_functions_of_every_library(name: str) -> None:
    """Each function has a namesake that takes one of the calls, or a row in `ELSEWHERE`."""
    libraries = [*OF_ARRAYS, *OF_TENSORS, *TRACED]
    count = compared(name, [place for place in libraries if library(place) is not None])
    assert count or importlib.util.find_spec("jax") is None


def test_the_tables_name_functions_that_there_are() -> None:
    assert set(ELSEWHERE) | set(APART) <= set(functions)
