"""Functions composed from ops against NumPy and SciPy: one table, a row for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.spatial
import scipy.special

from graphc.errors import DTypeError, GraphcError, ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 7))
P = RNG.uniform(0.05, 0.95, (5, 7))
CUBE = RNG.normal(size=(2, 3, 4))
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-30, 40.0])
X, Y = (side.reshape(-1) for side in np.meshgrid(SPECIAL, SPECIAL))
GRID = np.linspace(-3.7, 8.3, 61)
BARREN = np.array([[np.nan, np.nan], [np.nan, 1.0]])
LINE = RNG.permutation(np.repeat(np.arange(9.0), 3))
TINY = np.outer([1, -1], [0.0, 1e-300, 1e-30, 1e-18, 1e-12, 1e-6, 0.3, 0.5]).reshape(-1)
# Fractions of the largest and of the least floats, by powers that lead from the one to the other.
POWERS = tuple(
    side.reshape(-1)
    for side in np.meshgrid(
        [0.0, -0.0, 1e300, -1.7e308, 0.7, 5e-324, 3e-310, np.inf, np.nan],
        [0, 1, -1, 1024, -1074, -1075, 2098, -2098, 2**31, -(2**31)],
    )
)
expit = scipy.special.expit


def results_of(name: str, operands: tuple[Array, ...], **keywords: Any) -> list[Array]:
    nodes = tuple(
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(operands)
    )
    function = functions[name]
    order = keywords.pop("n", None) if name == "polygamma" else None
    given = function(*nodes, **keywords) if order is None else function(order, *nodes)
    results = tuple(given) if isinstance(given, tuple | list) else (given,)
    return list(evaluate(Graph("g", nodes, (), results), operands)[0])


SEVERAL = ("unstack", "tensor_split", "meshgrid")
"""Functions with several results."""

Row = tuple[str, tuple[Array, ...], dict[str, Any], Callable[..., Any]]

TABLE: list[Row] = [
    # elementwise
    ("erfc", (np.append(SPECIAL, GRID),), {}, scipy.special.erfc),
    ("erfinv", (np.linspace(-1.25, 1.25, 41),), {}, scipy.special.erfinv),
    # At -inf C99 and PyTorch have inf, SciPy -inf.
    ("lgamma", (np.append(SPECIAL[~np.isneginf(SPECIAL)], GRID),), {}, scipy.special.gammaln),
    ("digamma", (GRID,), {}, scipy.special.digamma),
    ("polygamma", (GRID,), {"n": 1}, lambda x: scipy.special.polygamma(1, x)),
    ("logaddexp", (X, Y), {}, np.logaddexp),
    ("logaddexp2", (X, Y), {}, np.logaddexp2),
    ("logit", (P,), {}, scipy.special.logit),
    ("xlogy", (X, Y), {}, scipy.special.xlogy),
    ("xlog1py", (X, Y), {}, scipy.special.xlog1py),
    ("entr", (SPECIAL,), {}, scipy.special.entr),
    ("sinc", (GRID,), {}, np.sinc),
    ("signbit", (SPECIAL,), {}, np.signbit),
    ("nextafter", (X, Y), {}, np.nextafter),
    ("fmax", (X, Y), {}, np.fmax),
    ("fmin", (X, Y), {}, np.fmin),
    ("heaviside", (X, Y), {}, np.heaviside),
    ("nan_to_num", (SPECIAL,), {}, np.nan_to_num),
    ("nansum", (SPECIAL > 0,), {}, np.nansum),
    ("nancumsum", (SPECIAL > 0,), {}, np.nancumsum),
    ("isposinf", (SPECIAL,), {}, np.isposinf),
    ("isneginf", (SPECIAL,), {}, np.isneginf),
    ("isclose", (X, Y), {"equal_nan": True}, lambda x, y: np.isclose(x, y, equal_nan=True)),
    ("digamma", (TINY,), {}, scipy.special.digamma),
    ("zeta", (np.array([2.0, 1.0, 7.0]), np.full(3, np.inf)), {}, scipy.special.zeta),
    ("ldexp", POWERS, {}, np.ldexp),
    ("ldexp", (A, B), {}, lambda x, y: x * 2.0**y),
    # Neither end of the range is left on the way.
    ("ldexp", (np.array([1.7e308, 5e-324, 5e-324]), np.array([-0.5, 60.5, 1100.5])), {},
     lambda x, y: x * 2.0 ** (y / 2) * 2.0 ** (y / 2)),
    ("lerp", (A, B, P), {}, lambda x, y, w: x + w * (y - x)),
    ("float_power", (P, A), {}, np.float_power),
    # Of one exponent for all NumPy makes a square root, which is NaN at -inf.
    ("power", (SPECIAL, np.array(0.5)), {}, lambda x, y: np.power(x, np.full(x.shape, y))),
    ("power", (np.array(-np.inf), np.array(0.5)), {}, lambda x, y: np.array(np.inf)),
    # activations
    ("hardtanh", (GRID,), {}, lambda x: np.clip(x, -1, 1)),
    ("relu6", (GRID,), {}, lambda x: np.clip(x, 0, 6)),
    ("hardswish", (GRID,), {}, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ("softplus", (GRID,), {"beta": 2.0}, lambda x: np.logaddexp(2 * x, 0) / 2),
    ("logsigmoid", (SPECIAL,), {}, lambda x: -np.logaddexp(-x, 0)),
    ("mish", (GRID,), {}, lambda x: x * np.tanh(np.logaddexp(x, 0))),
    ("celu", (GRID,), {"alpha": 2.0}, lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
    ("softsign", (GRID,), {}, lambda x: x / (1 + np.abs(x))),
    ("softmin", (A,), {}, lambda x: scipy.special.softmax(-x, -1)),
    ("glu", (A[:, :6],), {}, lambda x: x[:, :3] * expit(x[:, 3:])),
    # views
    ("unstack", (CUBE,), {"axis": 1}, lambda x: [x[:, i] for i in range(3)]),
    ("tensor_split", (A,), {"sections": 3, "axis": 1}, lambda x: np.array_split(x, 3, 1)),
    ("meshgrid", (A[0], B[:, 0]), {}, np.meshgrid),
    ("rot90", (CUBE,), {"k": 3, "axes": (0, 2)}, lambda x: np.rot90(x, 3, (0, 2))),
    ("diff", (A,), {"n": 2, "axis": 0}, lambda x: np.diff(x, 2, 0)),
    ("narrow", (A,), {"axis": 1, "start": -3, "length": 2}, lambda x: x[:, -3:-1]),
    *(
        ("pad", (A,), {"widths": ((2, 1), (0, 3)), "mode": mode},
         lambda x, mode=mode: np.pad(x, ((2, 1), (0, 3)), mode))
        for mode in ("constant", "reflect", "symmetric", "edge", "wrap")
    ),
    ("pad", (A,), {"widths": (5, 5), "mode": "reflect"}, lambda x: np.pad(x, 5, "reflect")),
    # products
    ("kron", (A[:2], CUBE[0]), {}, np.kron),
    ("tensordot", (CUBE, CUBE), {"axes": ([0, 2], [0, 2])},
     lambda x, y: np.tensordot(x, y, ([0, 2], [0, 2]))),
    ("cross", (A[:, :3], B[:, :3]), {}, np.cross),
    ("vecdot", (A, B), {}, lambda x, y: (x * y).sum(-1)),
    ("trace", (A[:, :5],), {"k": 1}, lambda x: np.trace(x, 1)),
    # reductions
    *(
        ("vector_norm", (A,), {"ord": order, "axis": 1},
         lambda x, order=order: np.linalg.norm(x, order, 1))
        for order in (0, 0.5, 1, 2, 3, -1, np.inf, -np.inf)
    ),
    *(
        ("matrix_norm", (A,), {"ord": order}, lambda x, order=order: np.linalg.norm(x, order))
        for order in ("fro", 1, -1, np.inf, -np.inf)
    ),
    *(
        ("vector_norm", (A[:, :0],), {"ord": order, "axis": 1}, lambda x: np.zeros(5))
        for order in (1, 2, 3, np.inf)
    ),
    *(
        ("matrix_norm", (np.zeros(shape),), {"ord": order}, lambda x: 0.0)
        for order in ("fro", "nuc", 1, 2, np.inf)
        for shape in ((0, 0), (0, 3), (3, 0))
    ),
    ("count_nonzero", (np.sign(A).astype(np.int8),), {"axis": 0},
     lambda x: np.count_nonzero(x, axis=0)),
    ("nansum", (np.append(SPECIAL[:6], np.nan),), {}, np.nansum),
    ("nanmean", (np.where(A > 1, np.nan, A),), {"axis": 0}, lambda x: np.nanmean(x, 0)),
    ("nanmax", (np.where(A > 1, np.nan, A),), {"axis": 1}, lambda x: np.nanmax(x, 1)),
    ("nanmean", (np.array([1 + 2j, complex(np.nan, 1), 3]),), {}, np.nanmean),
    ("nanmax", (BARREN,), {"axis": 1}, lambda x: np.array([np.nan, 1])),
    ("nanmin", (BARREN,), {"axis": 1}, lambda x: np.array([np.nan, 1])),
    ("cov", (A,), {}, np.cov),
    # scans
    ("cumulative_sum", (A,), {"axis": 1, "include_initial": True},
     lambda x: np.cumsum(np.pad(x, ((0, 0), (1, 0))), 1)),
    ("cumulative_prod", (A,), {"axis": 0}, lambda x: np.cumprod(x, 0)),
    ("cumulative_sum", (np.full(300, 100, np.int8),), {}, lambda x: np.cumsum(x, dtype=np.int64)),
    ("logcumsumexp", (A * 500,), {"axis": 1}, lambda x: np.logaddexp.accumulate(x, 1)),
    ("linear_recurrence", (np.full(7, 0.5), A[0]), {},
     lambda a, b: [sum(0.5 ** (i - j) * b[j] for j in range(i + 1)) for i in range(7)]),
    # order
    ("sort", (CUBE,), {"axis": 1}, lambda x: np.sort(x, 1)),
    ("sort", (CUBE,), {"axis": None}, lambda x: np.sort(x, None)),
    ("argsort", (LINE,), {}, lambda x: np.argsort(x, kind="stable")),
    ("argsort", (LINE,), {"descending": True}, lambda x: np.argsort(-x, kind="stable")),
    ("median", (A[:, :6],), {"axis": 1}, lambda x: np.median(x, 1)),
    ("median", (np.where(A > 1.5, np.nan, A),), {"axis": 0}, lambda x: np.median(x, 0)),
    *(
        ("quantile", (A,), {"q": 0.3, "axis": 1, "method": method},
         lambda x, method=method: np.quantile(x, 0.3, 1, method=method))
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
    ),
    *(
        (name, (np.where(A > 1, np.nan, A),), {"q": [0.0, 0.7], "axis": axis, "keepdims": True},
         lambda x, name=name, axis=axis: getattr(np, name)(x, [0.0, 0.7], axis, keepdims=True))
        for name in ("quantile", "nanquantile")
        for axis in (None, 0, (0, 1))
    ),
    ("quantile", (A, np.array([0.5, 1.0])), {"axis": 0}, lambda x, q: np.quantile(x, q, 0)),
    ("percentile", (A,), {"q": [30, 60]}, lambda x: np.percentile(x, [30, 60])),
    ("nanpercentile", (A,), {"q": ()}, lambda x: np.zeros(0)),
    # widths of padding
    ("pad", (A,), {"widths": 2}, lambda x: np.pad(x, 2)),
    ("pad", (A,), {"widths": (1, 2)}, lambda x: np.pad(x, (1, 2))),
    ("pad", (A,), {"widths": ((2,), (1,))}, lambda x: np.pad(x, ((2, 2), (1, 1)))),
    ("pad", (A,), {"widths": ((1, 2),), "mode": "edge"}, lambda x: np.pad(x, ((1, 2),), "edge")),
    # losses and distances
    ("huber_loss", (A, B), {"delta": 0.75},
     lambda x, y: np.mean(scipy.special.huber(0.75, x - y))),
    ("kl_div", (np.log(P), P[::-1]), {"reduction": "sum"},
     lambda x, y: np.sum(scipy.special.rel_entr(y, np.exp(x)))),
    ("cdist", (A, B), {}, scipy.spatial.distance.cdist),
    ("cdist", (A, B), {"p": 1}, lambda x, y: scipy.spatial.distance.cdist(x, y, "cityblock")),
    ("cosine_similarity", (A, B), {},
     lambda x, y: [1 - scipy.spatial.distance.cosine(a, b) for a, b in zip(x, y, strict=True)]),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}({row[2]})")
def test_functions_are_those_of_numpy_and_scipy(row: Row) -> None:
    name, operands, keywords, expected = row
    with np.errstate(all="ignore"):
        wanted = expected(*operands)
    parts = list(wanted) if name in SEVERAL else [wanted]
    found = results_of(name, operands, **keywords)
    assert len(found) == len(parts)
    for one, other in zip(found, parts, strict=True):
        assert one.shape == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


REFUSED: list[tuple[str, tuple[Array, ...], dict[str, Any], type[GraphcError]]] = [
    ("topk", (A,), {"k": 8}, ShapeError),
    ("quantile", (A,), {"q": 1.5}, UsageError),
    ("quantile", (A,), {"q": [0.5, -0.1]}, UsageError),
    ("quantile", (A,), {"q": [[0.5], [0.1, 0.2]]}, UsageError),
    ("quantile", (A,), {"q": np.array([1.5])}, UsageError),
    ("quantile", (A, A > 0), {}, DTypeError),
    ("pad", (A,), {"widths": ((1, 2), (1, 2), (1, 2))}, UsageError),
    ("quantile", (LINE.astype(np.int32),), {"q": 0.5}, DTypeError),
    ("median", (A[:, :0],), {"axis": 1}, ShapeError),
    ("cumulative_sum", (A,), {}, ShapeError),
    ("glu", (A,), {}, ShapeError),
    ("pad", (A,), {"widths": (1, 1), "mode": "mirror"}, UsageError),
    ("pad", (A,), {"widths": (-9, 1)}, ShapeError),
    ("matrix_norm", (A,), {"ord": "fru"}, UsageError),
    ("matrix_norm", (A[:0],), {"ord": -2}, ShapeError),
    ("vector_norm", (A[:, :0],), {"ord": -np.inf, "axis": 1}, ShapeError),
    ("narrow", (A,), {"axis": 1, "start": 5, "length": 3}, ShapeError),
    ("narrow", (A,), {"axis": 1, "start": -8, "length": 3}, ShapeError),
    ("gaussian_nll_loss", (CUBE, CUBE, np.ones(4)), {}, ShapeError),
    ("vector_norm", (LINE.astype(np.int32),), {}, DTypeError),
    ("cdist", (A, B[:, :3]), {}, ShapeError),
    ("cross", (A, B), {}, ShapeError),
    ("pixel_shuffle", (CUBE,), {"upscale_factor": 2}, ShapeError),
    ("interpolate", (CUBE,), {}, UsageError),
    ("group_norm", (CUBE,), {"num_groups": 2}, ShapeError),
    ("cross_entropy", (A, np.zeros(5, np.int64)), {"label_smoothing": 2.0}, UsageError),
    ("mse_loss", (A, B), {"reduction": "median"}, UsageError),
    *(
        (name, (A, P[:, 0]), {}, DTypeError)
        for name in ("nll_loss", "multi_margin_loss", "cross_entropy")
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]}({case[2]})")
def test_arguments_that_do_not_fit_are_refused(case: Any) -> None:
    name, operands, keywords, error = case
    with pytest.raises(error):
        results_of(name, operands, **keywords)
