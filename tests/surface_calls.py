"""Calls of every function of the language: made from its signature where that says enough.

A function whose tensors may all be of one type, and whose other arguments have defaults, is called
so, of the other functions `LISTED` has calls. `calls_of` gives nothing where neither is there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import numpy as np

import graphc.ir.ops  # noqa: F401  (declares the functions)
from graphc.errors import GraphcError
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir.dtype import DType, bf16, bool_, c128, f16, f32, f64, i8, i64, u8, u64
from graphc.ir.graph import Graph
from graphc.ir.op import functions, registry
from graphc.ir.ops.reductions.quantiles import Interpolation
from graphc.ir.types import TensorType
from tests.values import random_array

__all__ = [
    "DOMAINS",
    "LISTED",
    "NAMES",
    "REFUSED",
    "SurfaceCall",
    "aliases",
    "calls_of",
    "of_one_type",
]

Array = np.ndarray[Any, Any]
Spec = Any  # f64[3, 4]

SHAPES: Sequence[tuple[int, ...]] = ((3, 4), (4, 4), (2, 3, 4), (2, 3, 4, 4), (2, 2, 4, 4, 4), (4,))
"""What functions of tensors of one type are called with, where they take it; or else ()."""

DTYPES: Sequence[DType] = (f64, i64, bool_, c128)
"""The dtypes of these tensors: the first that is taken."""

DOMAINS: Sequence[tuple[float, float]] = ((-1.7, 1.7), (0.2, 0.9), (1.1, 2.0))
"""Where real numbers are drawn from: the first of these where all results are numbers."""

SEED = u64[()]

NAMES = {id(function): name for name, function in reversed(functions.items())}
NAMES = sorted(NAMES.values())
"""The functions, each under the first of its names."""


@dataclass(frozen=True)
class SurfaceCall:
    """A call of a function.

    Attributes:
        name: of the function.
        types: of its tensors.
        body: calls what it is given first with the tensors that follow.
    """

    name: str
    types: tuple[Spec, ...]
    body: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.types))})"

    def graph(self, name: str = "call", **keywords: Any) -> Graph:
        """The graph of the call, with some keywords beside its own."""
        function = functools.partial(call, self.name, **keywords)
        if not self.types:
            return trace(lambda: self.body(function), name=name)[0]
        return trace(lambda x: self.body(function, *x), self.types, name=name)[0]

    def arrays(self, domain: tuple[float, float], *, special: bool = False) -> list[Array]:
        """Values of its tensors, the same ones at every call."""
        rng = np.random.default_rng(len(str(self)))
        return [_values(one.dtype, one.shape, rng, domain, special) for one in self.types]


def _values(
    dtype: DType, shape: Any, rng: np.random.Generator, domain: tuple[float, float], special: bool
) -> Array:
    if dtype.is_integer and not special:
        # Small enough to be labels, or indices of any axis.
        return np.asarray(rng.integers(0, 3, shape)).astype(dtype.numpy)
    return random_array(TensorType(dtype, shape), rng, domain=domain, special=special)


@cache
def calls_of(name: str) -> tuple[SurfaceCall, ...]:
    """The calls to try a function on."""
    if name in LISTED:
        return tuple(SurfaceCall(name, tuple(types), body) for body, *types in LISTED[name])
    return generated(name)


# -- from signatures ------------------------------------------------------------------------------


@cache
def operand_count(name: str) -> int | None:
    """How many tensors a function must be given, if it needs nothing else; None if it does."""
    count = 0
    for parameter in inspect.signature(functions[name]).parameters.values():
        annotation = str(parameter.annotation)
        if parameter.kind is parameter.VAR_POSITIONAL and annotation in ("Operand", "Node"):
            op = next((registry[n] for n in aliases(name) if n in registry), None)
            count += 2 if op is None or op.arity is None else op.arity
        elif parameter.default is not parameter.empty or parameter.name in ("seed", "stream"):
            continue
        elif annotation in ("Node", "Operand", str(parameter.empty)):
            count += 1
        else:
            return None
    return count or None


@cache
def aliases(name: str) -> list[str]:
    """The names of a function, this one among them."""
    return [other for other, function in functions.items() if function is functions[name]]


def body_of(name: str) -> Callable[..., Any]:
    """How a function that needs only tensors is called; a random one is given its seed last."""
    if "seed" in inspect.signature(functions[name]).parameters:
        return lambda f, *x: f(*x[:-1], seed=x[-1], stream=3)
    return lambda f, *x: f(*x)


def of_one_type(name: str, dtype: DType, shape: tuple[int, ...]) -> SurfaceCall:
    """The call with tensors of one type."""
    is_random = "seed" in inspect.signature(functions[name]).parameters
    types = (dtype[shape],) * (operand_count(name) or 0)
    return SurfaceCall(name, (*types, *(SEED,) * is_random), body_of(name))


def generated(name: str) -> tuple[SurfaceCall, ...]:
    """Calls with tensors of one type: the first two shapes that are taken."""
    if operand_count(name) is None:
        return ()
    for dtype in DTYPES:
        found = [
            one for shape in (*SHAPES, ()) if _is_taken(one := of_one_type(name, dtype, shape))
        ]
        if found:
            return tuple(found[:2])
    return ()


def _is_taken(one: SurfaceCall) -> bool:
    try:
        one.graph()
    except GraphcError:
        return False
    return True


# -- listed ---------------------------------------------------------------------------------------

X, Y = f64[3, 4], f64[4, 4]
IMAGE, LINE, SOLID = f64[2, 4, 5, 5], f64[2, 3, 6], f64[1, 2, 4, 4, 4]
ROWS, LABELS = i64[2, 4], i64[3]
MASK = bool_[3, 4]


def symmetric(x: Any) -> Any:
    """A symmetric matrix with eigenvalues of at least one."""
    return x @ call("matrix_transpose", x) + call("eye", x.shape[-1], dtype=f64)


LISTED: dict[str, list[Any]] = {
    # made from numbers
    "arange": [(lambda f: f(2, 11, 3),), (lambda f: f(0.0, 1.0, 0.25),), (lambda f: f(0),),
               (lambda f: f(1, end=4),)],
    "asarray": [(lambda f, x: f(x), X), (lambda f: f([[1.5, 2.0]], f64),), (lambda f: f([]),)],
    "constant": [(lambda f: f(1.5, f64),)],
    "eye": [(lambda f: f(3, 5, k=1),), (lambda f: f(0),)],
    "full": [
        (lambda f: f((2, 3), 1.5),),
        (lambda f: f((), 2),),
        (lambda f: f((0, 2), 1),),
        (lambda f, x: f((2, *x.shape), x), X),
    ],
    "full_like": [(lambda f, x: f(x, 1.5), X), (lambda f, x: f(x, 1.5, shape=(2, 3)), X)],
    **{name: [(lambda f, x: f(x), X), (lambda f, x: f(x, shape=5), X)]
       for name in ("ones_like", "zeros_like")},
    "linspace": [(lambda f: f(0.0, 1.0, 5),), (lambda f: f(0.0, 1.0, 1),),
                 (lambda f: f(0.0, -7.0, 5, dtype=i64),),
                 (lambda f, x, y: f(x, y, 5, axis=1), X, f64[4]),
                 (lambda f, x: f(2, x, num=3, axis=-1, endpoint=False), c128[3]),
                 (lambda f, x: f(x, 9, 1), i64[3])],
    "one_hot": [(lambda f, x: f(x, 3), LABELS), (lambda f, x: f(x, 3, axis=0), LABELS)],
    "ones": [(lambda f: f((2, 3)),), (lambda f: f(2, 3, dtype=i64),), (lambda f: f(3, f64),)],
    "zeros": [(lambda f: f((2, 3)),), (lambda f: f(2, 3),), (lambda f: f((2, 3), bool_),)],
    # elements that take part, and one more
    **{name: [(lambda f, x: f(x), X),
              (lambda f, x, m: f(x, axis=1, keepdims=True, where=m, initial=0.5), X, MASK),
              (lambda f, x, m: f(x, where=m, initial=2.5), X, bool_[4])]
       for fold in ("sum", "prod", "max", "min") for name in (fold, f"nan{fold}")},
    **{name: [(lambda f, x: f(x), X), (lambda f, x, m: f(x, axis=1, where=m | (x > 0)), X, MASK)]
       for name in ("mean", "var", "std", "any", "all")},
    **{name: [(lambda f, x: f(x, axis=0), X),
              (lambda f, x, m: f(x, where=m), X, bool_[4])]
       for name in ("nanmean", "nanvar", "nanstd")},
    **{name: [(lambda f, x: f(x), X), (lambda f, x: f(x, axis=(0, 2)), LINE),
              (lambda f, x: f(x, axis=None), X)]
       for name in ("softmax", "log_softmax")},
    "logsumexp": [(lambda f, x: f(x), X), (lambda f, x, b: f(x, 1, b=b * b), X, f64[4]),
                  (lambda f, x, b: f(x, (0, -1), b=b, return_sign=True), LINE, LINE),
                  (lambda f, x, m: f(x, axis=1, keepdims=True, where=m), X, MASK),
                  (lambda f, x: f(x, 0), c128[3, 4])],
    "logmeanexp": [(lambda f, x: f(x), X), (lambda f, x, m: f(x, 1, where=m), X, MASK)],
    **{name: [(lambda f, x: f(x, 1), X), (lambda f, x: f(x, 0, reverse=True), X)]
       for name in ("cumulative_sum", "cumulative_prod", "logcumsumexp", "cummax", "cummin")},
    "angle": [(lambda f, x: f(x), X), (lambda f, x: f(x, deg=True), c128[3, 4])],
    **{
        name: [
            (lambda f, x: f(x, correction=1), X),
            (lambda f, x: f(x, 1, 0, keepdims=True), X),
            (lambda f, x: f(x, axis=0, unbiased=True), X),
        ]
        for name in ("std_mean", "var_mean")
    },
    "cov": [(lambda f, x: f(x), X), (lambda f, x, y: f(x, y, bias=True), X, f64[4]),
            (lambda f, x: f(x, rowvar=False, ddof=0), X),
            (lambda f, x, n, w: f(x, None, True, False, 2, n, w * w, dtype=f64),
             f32[3, 4], i64[4], f64[4])],
    "corrcoef": [(lambda f, x: f(x), X), (lambda f, x: f(x, dtype=f64), f32[3, 4])],
    "average": [(lambda f, x: f(x, returned=True), X),
                (lambda f, x, w: f(x, axis=1, weights=w * w, returned=True), X, f64[4])],
    # samples, grids and distances
    "affine_grid": [(lambda f, t: f(t, (2, 3, 4, 5)), f64[2, 2, 3]),
                    (lambda f, t: f(t, (2, 3, 4, 1), True), f64[2, 2, 3])],
    "embedding_bag": [(lambda f, i, w: f(i, w), ROWS, X),
                      (lambda f, i, w, k: f(i, w, mode="sum", per_sample_weights=k),
                       ROWS, X, f64[2, 4])],
    "grid_sample": [(lambda f, x, g: f(x, g), IMAGE, f64[2, 3, 2, 2]),
                    (lambda f, x, g: f(x, g, padding_mode="reflection", align_corners=True), IMAGE,
                     f64[2, 3, 2, 2])],
    "histc": [(lambda f, x: f(x, 5, -1.0, 1.5), X), (lambda f, x: f(x, 3), X)],
    "histogram": [(lambda f, x: f(x, 3, (-1.0, 1.5)), X),
                  (lambda f, x, e: f(x, call("sort", e)), X, f64[4])],
    "histogram2d": [(lambda f, x, y, w: f(x, y, (2, 3), weights=w), *(f64[9],) * 3)],
    "histogramdd": [(lambda f, x: f(x, (2, 3)), f64[9, 2]),
                    (lambda f, x, w: f(x, 2, weights=w, density=True), f64[9, 2], f64[9])],
    "interp": [(lambda f, x, y, keywords=keywords: f(
        x, call("cumulative_sum", call("exp", y)), y, **keywords), X, f64[3])
        for keywords in ({}, {"left": -1.0, "right": 2.0}, {"period": 2.5})],
    "isin": [(lambda f, x, y: f(x, y), ROWS, LABELS)],
    **{f"max_unpool{rank}d": [(lambda f, x, i=rank: f(
        *call(f"max_pool{i}d", x, 2, return_indices=True), 2), operand)]
       for rank, operand in ((1, LINE), (2, IMAGE), (3, SOLID))},
    "poly": [(lambda f, x: f(x), f64[3])],
    "polydiv": [(lambda f, p, q: f(p, q), f64[4], f64[2])],
    "polyfit": [(lambda f, x, y, w: f(x, y, 2, w=w), f64[6], f64[6, 2], f64[6])],
    "polyval": [(lambda f, p, x: f(p, x), f64[4], X)],
    "trapezoid": [(lambda f, y: f(y, dx=0.5), X), (lambda f, y, x: f(y, x, axis=0), X, f64[3])],
    "cumulative_trapezoid": [(lambda f, y: f(y, axis=0), X)],
    # parts written, windows, values that repeat
    "as_strided": [(lambda f, x: f(x, (2, 3), (4, 1), 1), X)],
    "diagonal_scatter": [(lambda f, x, y: f(x, y), X, f64[3])],
    "index_put": [(lambda f, x, i, y: f(x, (i,), y, True), X, i64[5], f64[5, 4])],
    "index_reduce": [(lambda f, x, i, y: f(x, 0, i, y, "amax"), X, i64[2], f64[2, 4])],
    "select_scatter": [(lambda f, x, y: f(x, y, 1, 2), X, f64[3])],
    "sum_to_size": [(lambda f, x: f(x, 3, 1), X)],
    "unique": [(lambda f, x: f(x, 3, with_counts=True, with_inverse=True), ROWS),
               (lambda f, x: f(x, 6, -1, with_index=True), ROWS),
               (lambda f, x: f(x, 3), MASK)],
    "unique_consecutive": [(lambda f, x: f(x, 9, -1), ROWS)],
    "logspace": [(lambda f: f(0.0, 1.5, 5),), (lambda f: f(0.0, 1.0, 3, 2.0, f64),),
                 (lambda f: f(0.0, 1.0, 3, base=2.0, endpoint=False),)],
    "geomspace": [(lambda f: f(1.0, 8.0, 4),), (lambda f: f(-1.0, -8.0, 4),),
                  (lambda f: f(1.0, 8.0, 3, endpoint=False),)],
    "tril_indices": [(lambda f: f(3),), (lambda f: f(3, 1, 4),)],
    "triu_indices": [(lambda f: f(3),), (lambda f: f(3, -1, 4),)],
    "upsample_bilinear": [(lambda f, x: f(x, (3, 7)), IMAGE)],
    "upsample_nearest": [(lambda f, x: f(x, scale_factor=1.5), LINE)],
    "unravel_index": [(lambda f, i: f(i, (2, 3)), ROWS)],
    "ravel_multi_index": [(lambda f, i, j: f((i, j), (2, 3)), ROWS, ROWS)],
    "dynamic_slice": [(lambda f, x, i: f(x, (i, 1), (2, 2)), X, i64[()])],
    "dynamic_update_slice": [(lambda f, x, y, i: f(x, y, (i, 1)), X, f64[2, 2], i64[()])],
    "multi_head_attention_forward": [(lambda f, q, k, w, b, o: f(
        q, k, k, 4, 2, w, b, None, None, True, 0.0, o, None), f64[3, 2, 4], f64[5, 2, 4],
        f64[12, 4], f64[12], f64[4, 4])],
    "identity": [(lambda f: f(3),)],
    "tri": [(lambda f: f(3, 4, 1),)],
    "append": [(lambda f, x, y: f(x, y, 1), X, X)],
    "flatnonzero": [(lambda f, x: f(x, 5), MASK)],
    "matvec": [(lambda f, x, y: f(x, y), X, f64[4])],
    "vecmat": [(lambda f, x, y: f(x, y), f64[3], X)],
    "percentile": [(lambda f, x: f(x, 30, axis=1), X)],
    "nanpercentile": [(lambda f, x: f(x, 30, axis=1), X)],
    "addbmm": [(lambda f, x, y, z: f(x, y, z), f64[3, 3], f64[2, 3, 4], f64[2, 4, 3])],
    **{name: [(lambda f: f(5),), (lambda f: f(1),)] for name in (
        "bartlett", "bartlett_window", "barthann_window", "blackman", "blackman_window",
        "blackmanharris_window", "bohman_window", "cosine_window", "exponential_window",
        "flattop_window", "gaussian_window", "general_hamming_window", "hamming", "hamming_window",
        "hann_window", "hanning", "kaiser_window", "nuttall_window", "tukey_window")},
    "general_cosine_window": [(lambda f: f(6, (0.5, 0.3, 0.2)),)],
    "stft": [(lambda f, x, w: f(x, 4, 1, 3, w), f64[2, 9], f64[3]),
             (lambda f, x: f(x, 5, 2, center=False, normalized=True), c128[2, 9])],
    "istft": [(lambda f, x, w: f(x, 4, 1, 3, w * w + 1), c128[2, 3, 9], f64[3]),
              (lambda f, x: f(x, 5, 2, center=False, return_complex=True), c128[5, 4])],
    "kaiser": [(lambda f: f(6, 3.0),)],
    **{name: [(lambda f, x: f(x, 2), f64[4, 2, 6])] for name in ("dsplit", "hsplit", "vsplit")},
    "meshgrid": [(lambda f, x, y: f(x, y), f64[3], f64[4]),
                 (lambda f, x, y: f([x, y], indexing="ij"), f64[3], f64[4]),
                 (lambda f, x, y: f(x, y, sparse=True), f64[3], f64[4])],
    "multigammaln": [(lambda f, x: f(x, 3), X), (lambda f, x: f(x, p=2), X)],
    "nanquantile": [(lambda f, x: f(x, 0.3, axis=1), X)],
    "renorm": [(lambda f, x: f(x, 2, 0, 0.5), X)],
    # steps of recurrent networks
    **{f"{kind}_cell": [(lambda f, x, h, w, u: f(x, h, w, u), X, f64[3, 2], f64[rows, 4],
                         f64[rows, 2]),
                        (lambda f, x, h, w, u, b, c: f(x, h, w, u, b, c), X, f64[3, 2],
                         f64[rows, 4], f64[rows, 2], f64[rows], f64[rows])]
       for kind, rows in (("gru", 6), ("rnn_relu", 2), ("rnn_tanh", 2))},
    "lstm_cell": [(lambda f, x, h, c, w, u: f(x, (h, c), w, u), X, f64[3, 2], f64[3, 2], f64[8, 4],
                   f64[8, 2])],
    # random numbers
    "bernoulli": [(lambda f, s: f((3, 4), 0.3, seed=s, stream=1), SEED)],
    "exponential": [(lambda f, s: f((3, 4), 2.0, f64, seed=s, stream=1), SEED)],
    "gumbel": [(lambda f, s: f((3, 4), dtype=f64, seed=s, stream=1), SEED)],
    "multinomial": [(lambda f, x, s: f(x * x, 2, seed=s, stream=1), X, SEED)],
    "normal": [(lambda f, s: f((3, 4), 1.0, 2.0, f64, seed=s, stream=1), SEED),
               (lambda f, x, y, s: f(x, y * y, seed=s, stream=1), X, f64[4], SEED)],
    "rand": [(lambda f, s: f(3, 4, seed=s, stream=1), SEED)],
    "randint": [(lambda f, s: f(-3, 9, (3, 4), seed=s, stream=1), SEED)],
    "randint_like": [
        (lambda f, x, s: f(x, -3, 9, seed=s, stream=1), X, SEED),
        (lambda f, x, s: f(x, 9, dtype=i8, seed=s, stream=1), X, SEED),
    ],
    **{
        name: [
            (lambda f, x, s: f(x, seed=s, stream=1), X, SEED),
            (lambda f, x, s: f(x, dtype=f64, seed=s, stream=1), X, SEED),
        ]
        for name in ("rand_like", "randn_like")
    },
    "randn": [(lambda f, s: f(3, 4, seed=s, stream=1), SEED)],
    "randperm": [(lambda f, s: f(7, seed=s, stream=1), SEED)],
    "uniform": [(lambda f, s: f((3, 4), -1.0, 2.0, f64, seed=s, stream=1), SEED)],
    # shapes
    "broadcast_to": [(lambda f, x: f(x, 2, *x.shape), X)],
    "cast": [(lambda f, x: f(x, f64), X), (lambda f, x: f(x, i64), X), (lambda f, x: f(x, f32), X)],
    "chunk": [(lambda f, x: f(x, 2, axis=1), X), (lambda f, x: f(x, 2), X)],
    "column_stack": [(lambda f, x, y: f((x, y)), X, f64[3])],
    "concat": [(lambda f, x, y: f((x, y)), X, Y), (lambda f, x, y: f([x, y], None), X, Y),
               (lambda f, x, y: f([x, y], axis=1, dtype=f64), f32[3, 4], i64[3, 2])],
    "dstack": [(lambda f, x, y: f((x, y)), X, X)],
    "expand_dims": [(lambda f, x: f(x, 1), X), (lambda f, x: f(x, (0, -1)), X)],
    "hstack": [(lambda f, x, y: f((x, y)), X, f64[3, 1]),
               (lambda f, x, y: f((x, y), dtype=f64), f32[4], i64[3])],
    "moveaxis": [(lambda f, x: f(x, 0, -1), LINE)],
    "narrow": [(lambda f, x: f(x, 1, 1, 2), X)],
    "permute_dims": [(lambda f, x: f(x, 2, 0, 1), LINE)],
    "repeat": [(lambda f, x: f(x, 2, axis=1), X), (lambda f, x: f(x, 3), X)],
    "reshape": [(lambda f, x: f(x, 2, -1), X), (lambda f, x: f(x, (12, 1)), X)],
    "roll": [(lambda f, x: f(x, 5), X), (lambda f, x: f(x, (1, -2), axis=(0, 1)), X)],
    "select": [
        (lambda f, x: f(x, 1, 2), X),
        (lambda f, x, y: f([x > 0.5, y > 0.5], [x * y, y], -1.0), X, X),
    ],
    "split": [(lambda f, x: f(x, 3, axis=1), X), (lambda f, x: f(x, [1, 2]), X)],
    "stack": [(lambda f, x, y: f((x, y), axis=1), X, X),
              (lambda f, x, y: f((x, y), dtype=f64), f32[3, 4], i64[3, 4])],
    "tensor_split": [(lambda f, x: f(x, 3, axis=1), X), (lambda f, x: f(x, [1, 2]), X)],
    "tile": [(lambda f, x: f(x, 2, 1, 3), X)],
    "unflatten": [(lambda f, x: f(x, 1, (2, -1)), X)],
    "view_as_complex": [(lambda f, x: f(x), f64[3, 2])],
    "vstack": [(lambda f, x, y: f((x, y)), X, f64[4])],
    "window": [(lambda f, x: f(x, 1, 3, stride=2), LINE)],
    "overlap_add": [(lambda f, x: f(x, 0, 9, stride=2, dilation=1), f64[4, 3])],
    # as JAX spells it
    "broadcast_in_dim": [(lambda f, x: f(x, (3, 2, 4), (0, 2)), X)],
    "collapse": [(lambda f, x: f(x, 0, 2), LINE)],
    "dot_general": [(lambda f, x, y: f(x, y, (((2,), (1,)), ((0,), (0,)))), LINE, f64[2, 6, 5])],
    "dot_product_attention": [
        (lambda f, q, k, v: f(q, k, v, is_causal=True), *(f64[2, 5, 3, 4],) * 3),
        (lambda f, q, k, v, b, m: f(q, k, v, b, m), f64[2, 5, 4, 3], f64[2, 6, 2, 3],
         f64[2, 6, 2, 3], f64[4, 5, 6], bool_[5, 1])],
    "dynamic_index_in_dim": [(lambda f, x, i: f(x, i, 1), X, i64[()])],
    "dynamic_slice_in_dim": [(lambda f, x, i: f(x, i, 2, 1), X, i64[()])],
    "dynamic_update_index_in_dim": [(lambda f, x, y, i: f(x, y, i, 1), X, f64[3], i64[()])],
    "dynamic_update_slice_in_dim": [(lambda f, x, y, i: f(x, y, i, 1), X, f64[3, 2], i64[()])],
    "index_in_dim": [(lambda f, x: f(x, 2, 1), X), (lambda f, x: f(x, 2, 1, False), X)],
    "rollaxis": [(lambda f, x: f(x, 2), LINE), (lambda f, x: f(x, 0, 3), LINE)],
    "select_n": [(lambda f, m, x, y: f(m, x, y), MASK, X, X)],
    "slice_in_dim": [(lambda f, x: f(x, 1, None, 2, 1), X)],
    # parts, orders, sets and bits
    "argpartition": [(lambda f, x: f(x, 2), X)],
    "block": [(lambda f, x, y: f([[x, y], [y, x]]), X, X)],
    "choose": [(lambda f, i, x, y: f(i, (x, y), mode="wrap"), i64[3, 4], X, f64[4])],
    "compress": [(lambda f, c, x: f(c, x, 1, size=3), bool_[4], X),
                 (lambda f, c, x: f(c, x, size=3), bool_[4], bool_[4])],
    "delete": [(lambda f, x: f(x, (0, -1), 1), X), (lambda f, x: f(x, 5), X)],
    "diag_indices": [(lambda f: f(3),)],
    "extract": [(lambda f, c, x: f(c, x, size=5), MASK, X)],
    "fill_diagonal": [(lambda f, x: f(x, 2.5), X), (lambda f, x: f(x, x), X)],
    "indices": [(lambda f: f((2, 3)),), (lambda f: f((2, 3), sparse=True),)],
    "insert": [(lambda f, x, y: f(x, (0, 2), y, 1), X, f64[3, 2]), (lambda f, x: f(x, 1, 2.5), X)],
    "ix_": [(lambda f, i, j: f(i, j), i64[3], i64[2])],
    "lexsort": [(lambda f, x, y: f((x, y)), X, X)],
    **{name: [(lambda f, x, y: f(x, y, size=5), ROWS, LABELS)]
       for name in ("intersect1d", "setdiff1d", "setxor1d", "union1d")},
    "packbits": [(lambda f, x: f(x, 1), bool_[3, 11]), (lambda f, x: f(x), ROWS)],
    "partition": [(lambda f, x: f(x, 2), X)],
    "resize": [(lambda f, x: f(x, (5, 3)), X)],
    "unpackbits": [(lambda f, x: f(x, 1, 10), u8[3, 2]), (lambda f, x: f(x), u8[3])],
    # indices that are data, and masks
    "argwhere": [(lambda f, x: f(x, 5), MASK)],
    "masked_select": [(lambda f, x: f(x, np.array([True, False, True, True])), X)],
    "nonzero": [(lambda f, x: f(x, 5), MASK)],
    "at_add": [(lambda f, x, i, y: f(x, i, y), X, i64[5], f64[5, 4])],
    "at_max": [(lambda f, x, i, y: f(x, i, y), X, i64[5], f64[5, 4])],
    "at_min": [(lambda f, x, i, y: f(x, i, y), X, i64[5], f64[5, 4])],
    "at_multiply": [(lambda f, x, i, y: f(x, i, y), X, i64[5], f64[5, 4])],
    "at_set": [(lambda f, x, i, y: f(x, i, y), X, i64[5], f64[5, 4])],
    "bincount": [
        (lambda f, x: f(x, 4), i64[9]),
        (lambda f, x, w: f(x, 4, weights=w), i64[9], f64[9]),
        (lambda f, x: f(x, length=3), bool_[9]),
    ],
    "embedding": [(lambda f, i, w: f(i, w), ROWS, X)],
    "gather": [(lambda f, x, i: f(x, 1, i), X, i64[3, 2])],
    "index": [
        (lambda f, x, i: f(x, i), X, i64[2, 2]),
        (lambda f, x: f(x, (slice(None, None, -1), 2)), X),
    ],
    "index_add": [(lambda f, x, i, y: f(x, 1, i, y, alpha=2), X, i64[5], f64[3, 5])],
    "index_copy": [(lambda f, x, i, y: f(x, 1, i, y), X, i64[5], f64[3, 5])],
    "index_fill": [(lambda f, x, i: f(x, 1, i, 2.5), X, i64[2])],
    "index_select": [(lambda f, x, i: f(x, 1, i), X, i64[5])],
    "masked_fill": [(lambda f, x, m: f(x, m, 2.5), X, MASK)],
    "put_along_axis": [
        (lambda f, x, i, y: f(x, i, y, axis=1), X, i64[3, 2], f64[3, 2]),
        (lambda f, x, i: f(x, i * 5 - 5, 2.5, 1, mode="clip"), X, i64[3, 2]),
    ],
    "scatter": [
        (lambda f, x, i, y: f(x, 1, i, y), X, i64[3, 2], f64[3, 2]),
        (lambda f, x, i, y: f(x, 1, i, y, reduce="multiply"), X, i64[3, 2], f64[3, 2]),
    ],
    "scatter_add": [(lambda f, x, i, y: f(x, 1, i, y), X, i64[3, 2], f64[3, 2])],
    "scatter_reduce": [
        (lambda f, x, i, y, how=how: f(x, 1, i, y, how), X, i64[3, 2], f64[3, 2])
        for how in ("sum", "prod", "amax", "amin", "mean")
    ],
    "take": [(lambda f, x, i: f(x, i, axis=1), X, ROWS), (lambda f, x, i: f(x, i), X, ROWS),
             *((lambda f, x, mode=mode: f(x, np.array([[0, 7], [-1, -9]]), axis=1, mode=mode), X)
               for mode in ("clip", "wrap"))],
    "take_along_axis": [(lambda f, x, i: f(x, i, axis=1), X, i64[3, 2]),
                        (lambda f, x, i: f(x, i * 5 - 5, axis=1, mode="clip"), X, i64[3, 2]),
                        (lambda f, x, i: f(x, i * 5 - 5, 1, mode="fill", fill_value=-1.5), X,
                         i64[3, 2]),
                        (lambda f, x, i: f(x, i * 5 - 5, 0, mode="fill", fill_value=-1), ROWS,
                         i64[5, 4])],
    "threshold": [(lambda f, x: f(x, 0.1, -2.0), X)],
    "where": [(lambda f, m, x, y: f(m, x, y), MASK, X, f64[4])],
    "nextafter": [(lambda f, x, y: f(x, y), *(dtype[3, 4],) * 2)
                  for dtype in (f16, bf16, f32, f64)],
    # order
    "kthvalue": [(lambda f, x: f(x, 2), X)],
    "quantile": [(lambda f, x, method=method: f(x, [0.3, 0.5], axis=1, method=method), X)
                 for method in get_args(Interpolation)],
    "topk": [(lambda f, x: f(x, 2), X)],
    # products and quotients
    "addcdiv": [(lambda f, x, a, b: f(x, a, b * b + 0.5, value=2), X, X, X)],
    "bilinear": [(lambda f, x, y, w: f(x, y, w), X, f64[3, 2], f64[5, 4, 2])],
    "cross": [(lambda f, x, y: f(x, y), f64[4, 3], f64[4, 3])],
    "digitize": [
        (lambda f, x: f(x, np.array([-1.5, 0.0, 0.5, 0.5, 2.0])), X),
        (lambda f, x: f(x, np.array([2.0, 0.5, -1.5]), right=True), X),
    ],
    "einsum": [
        (lambda f, x, y: f("ij,jk->ki", x, y), X, Y),
        (lambda f, x, y: f("ii,i", y, x, optimize=True), f64[4], Y),
        (lambda f, x, y, z: f("...i,...j,jk->...k", x, y, z), X, X, Y),
    ],
    "linear": [(lambda f, x, w, b: f(x, w, b), X, f64[5, 4], f64[5])],
    "mv": [(lambda f, x, y: f(x, y), X, f64[4])],
    # special functions
    "betainc": [(lambda f, x: f(1.5, 2.5, call("sigmoid", x)), X),
                (lambda f, x: f(0.5, 40.0, call("sigmoid", x)), X)],
    "comb": [(lambda f, x: f(x * x + 5, 2), X),
             (lambda f, x: f(x * x + 0.1, x * x, repetition=True), X),
             (lambda f, n, k: f(*(call("cast", x, f64) for x in (n, k)), repetition=True),
              i64[6, 7], i64[7])],
    "expn": [(lambda f, x: f(2, x * x + 0.1), X),
             (lambda f, n, x: f(n, x * x + 0.1), i64[4], X)],
    **{name: [(lambda f, x, a=a: f(a, x * x + a * 0.9), X) for a in (1.5, 300.0)]
       for name in ("gammainc", "gammaincc")},
    "polygamma": [(lambda f, x: f(0, x * x + 1), X), (lambda f, x: f(1, x * x + 1), X),
                  (lambda f, n, x: f(n, x * x + 1), i64[4], X)],
    **{name: [(lambda f, x: f(x, 5), X), (lambda f, x, n: f(x, n), X, i64[4])]
       for name in functions if "_polynomial_" in name},
    "scaled_dot_product_attention": [
        (lambda f, q, k, v, m: f(q, k, v, m), f64[2, 3, 4], f64[2, 5, 4], f64[2, 5, 3], f64[3, 5]),
        (lambda f, q, k, v: f(q, k, v, is_causal=True), *(f64[2, 3, 4],) * 3),
    ],
    # matrices: those that have the property that a function asks for
    "cholesky": [(lambda f, x: f(symmetric(x)), Y)],
    "cholesky_solve": [(lambda f, x, y: f(y, call("cholesky", symmetric(x))), Y, f64[4, 2])],
    "astype": [(lambda f, x: f(x, f32), X)],
    "eig": [(lambda f, x: (f(x)[0], call("abs", f(x)[1])), Y)],
    "eigh": [(lambda f, x: f(symmetric(x))[0], Y)],
    "householder_product": [(lambda f, x, t: f(x, t), f64[4, 3], f64[2])],
    "lu_factor": [(lambda f, x: f(x), X)],
    "lu_solve": [(lambda f, x, y: f(*call("lu_factor", x), y), Y, f64[4, 2])],
    "lu_unpack": [(lambda f, x: f(*call("lu_factor", x)), X)],
    "ormqr": [(lambda f, x, t, y: f(x, t, y), f64[4, 3], f64[2], Y)],
    "triangular_solve": [(lambda f, x, y: f(y, symmetric(x)), Y, f64[4, 2])],
    "svd": [(lambda f, x: f(x, full_matrices=False), X), (lambda f, x: f(x), Y),
            (lambda f, x: f(x, compute_uv=False), X)],
    "pinv": [(lambda f, x: f(x), X), (lambda f, x: f(x, hermitian=True), Y),
             (lambda f, x: f(x, 0.1, True), c128[2, 3, 3]), (lambda f, x: f(x, atol=0.1), X)],
    "matrix_rank": [(lambda f, x: f(x), f64[2, 3, 4]), (lambda f, x: f(x, hermitian=True), Y),
                    (lambda f, x: f(x, tol=2.0), X)],
    "fft": [(lambda f, x: f(x), X), (lambda f, x: f(x, norm=None), X)],
    "ihfft": [(lambda f, x: f(x), X), (lambda f, x: f(x, norm=None), X)],
    "array_equal": [(lambda f, x, y: f(x, y), X, X),
                    (lambda f, x: f(x / (x - x), x / (x - x), equal_nan=True), X)],
    "eigvalsh": [(lambda f, x: f(symmetric(x)), Y)],
    "logdet": [(lambda f, x: f(symmetric(x)), Y)],
    "fftfreq": [(lambda f: f(5, 0.5),)],
    "rfftfreq": [(lambda f: f(5, 0.5),)],
    "matrix_power": [(lambda f, x, n=n: f(symmetric(x), n), Y) for n in (3, 0, -2)],
    "multi_dot": [(lambda f, x, y, z: f([x, y, z]), X, Y, f64[4, 2])],
    "solve": [(lambda f, x, y: f(x, y), Y, f64[4, 2]),
              (lambda f, x, y: f(x, y, left=False), Y, f64[2, 4])],
    "solve_triangular": [
        (lambda f, x, y: f(call("tril", symmetric(x)), y, upper=False, left=False), Y, f64[2, 4]),
        (lambda f, x, y: f(call("tril", symmetric(x)), y, upper=False), Y, f64[4, 2]),
        *((lambda f, x, y, trans=trans: f(symmetric(x), y, trans=trans, lower=True), kind[4, 4],
           kind[4]) for kind, trans in ((f64, 0), (f64, "T"), (c128, 2))),
        (lambda f, x, y: f(x, y, trans="T", unit_diagonal=True), Y, f64[4]),
    ],
    "sqrtm": [(lambda f, x: f(x @ x.mT), Y), (lambda f, x: f(x @ x.mT), c128[2, 2])],
    "cho_factor": [(lambda f, x: f(x @ x.mT)[0], Y), (lambda f, x: f(x @ x.mT, lower=True)[0], Y)],
    "cho_solve": [(lambda f, x, b: f((x, True), b), Y, f64[4, 2]),
                  (lambda f, x, b: f((x, False), b), Y, f64[4])],
    **{name: [(lambda f, c: f(c), f64[4]), (lambda f, c: f(c), c128[2]),
              (lambda f, c, r: f(c, r), f64[4], f64[3])] for name in ("hankel", "toeplitz")},
    **{name: [(lambda f, x: f(x), f64[4]), (lambda f, x: f(x), f64[2])]
       for name in ("circulant", "companion", "fiedler")},
    "convolution_matrix": [(lambda f, x, n=n, mode=mode: f(x, n, mode), f64[4])
                           for n in (2, 3, 6) for mode in ("full", "valid", "same")],
    "leslie": [(lambda f, x, y: f(x, y), f64[4], f64[3])],
    **{name: [(lambda f: f(4),), (lambda f: f(1),)] for name in ("hadamard", "hilbert")},
    # windows
    **{
        f"{kind}_pool{rank}d": [
            (lambda f, x, rank=rank, given=given: f(x, *given), type_),
        ]
        for kind, given in (("adaptive_avg", (2,)), ("adaptive_max", (2,)), ("avg", (3, 2, 1)),
                            ("max", (3, 2, 1)))
        for rank, type_ in ((1, LINE), (2, IMAGE), (3, SOLID))
    },
    **{
        f"lp_pool{rank}d": [(lambda f, x: f(x * x + 0.1, 3.0, 2), type_)]
        for rank, type_ in ((1, LINE), (2, IMAGE), (3, SOLID))
    },
    "conv1d": [
        (lambda f, x, w, b: f(x, w, b, stride=2, padding=1), LINE, f64[4, 3, 3], f64[4]),
        (lambda f, x, w: f(x, w, padding="same", dilation=2, groups=3), LINE, f64[6, 1, 2]),
    ],
    "conv2d": [(lambda f, x, w: f(x, w, stride=2, padding=1), IMAGE, f64[3, 4, 3, 3])],
    "conv3d": [(lambda f, x, w: f(x, w), SOLID, f64[2, 2, 2, 2, 2])],
    "conv_transpose1d": [
        (lambda f, x, w: f(x, w, stride=2, padding=1, output_padding=1), LINE, f64[3, 2, 3])
    ],
    "conv_transpose2d": [(lambda f, x, w: f(x, w, groups=2), IMAGE, f64[4, 1, 2, 2])],
    "conv_transpose3d": [(lambda f, x, w: f(x, w, stride=2), SOLID, f64[2, 2, 2, 2, 2])],
    "fold": [(lambda f, x: f(x, (4, 5), (2, 2)), f64[2, 8, 12])],
    "unfold": [(lambda f, x: f(x, (2, 3), stride=2, padding=1), IMAGE)],
    "channel_shuffle": [(lambda f, x: f(x, 2), IMAGE)],
    "constant_pad_nd": [(lambda f, x: f(x, (1, 2), 0.5), X), (lambda f, x: f(x, (-1, 2)), X)],
    "pad": [
        (lambda f, x, mode=mode: f(x, ((1, 0), (2, 1)), mode=mode), X)
        for mode in ("constant", "reflect", "symmetric", "edge", "wrap", "linear_ramp", "maximum",
                     "mean", "median", "minimum")
    ] + [
        (lambda f, x, mode=mode: f(x, ((7, 0), (2, 11)), mode=mode), X)
        for mode in ("reflect", "symmetric", "wrap")
    ],
    "interpolate": [
        (lambda f, x, mode=mode: f(x, size=(7, 3), mode=mode), IMAGE)
        for mode in ("nearest", "bilinear", "bicubic")
    ]
    + [(lambda f, x: f(x, scale_factor=0.5, mode="area"), f64[1, 2, 4, 6])],
    "pixel_shuffle": [(lambda f, x: f(x, 2), IMAGE)],
    "pixel_unshuffle": [(lambda f, x: f(x, 2), f64[1, 2, 4, 6])],
    # norms
    "batch_norm": [
        (lambda f, x, m, v, w, b: f(x, m, v * v + 0.5, w, b), IMAGE, *(f64[4],) * 4),
        (lambda f, x, w, b: f(x, None, None, w, b, training=True), IMAGE, *(f64[4],) * 2),
    ],
    "group_norm": [(lambda f, x, w, b: f(x, 2, w, b), IMAGE, f64[4], f64[4])],
    "instance_norm": [
        (lambda f, x, w, b: f(x, weight=w, bias=b), IMAGE, f64[4], f64[4]),
        (lambda f, x, m: f(x, m, m * m, use_input_stats=False), IMAGE, f64[4]),
    ],
    "layer_norm": [(lambda f, x, w, b: f(x, w, b), X, f64[4], f64[4]),
                   (lambda f, x, w, b: f(x, x.shape[-2:], w, b, eps=1e-3), X, X, X),
                   (lambda f, x, b: f(x, b * b, bias=b), X, f64[4])],
    "local_response_norm": [(lambda f, x: f(x, 3, alpha=0.5), IMAGE)],
    "rms_norm": [(lambda f, x, w: f(x, w), X, f64[4]),
                 (lambda f, x, w: f(x, x.shape[-1:], w, 1e-3), X, f64[4])],
    "vector_norm": [
        (lambda f, x, p=p: f(x, ord=p, axis=1), X) for p in (1, 2, 3, float("inf"), 0.5, -1)
    ],
    # losses
    "binary_cross_entropy": [(lambda f, x, y: f(x * x / 3, y * y / 3), X, X)],
    "cross_entropy": [
        (lambda f, x, y, w: f(x, y, weight=w * w, label_smoothing=0.1), X, LABELS, f64[4]),
        (lambda f, x, y: f(x, y * y), X, X),
    ],
    "ctc_loss": [
        (
            lambda f, x, y, n, k: f(x, y, n, k, reduction="none", zero_infinity=True),
            f64[4, 2, 3],
            i64[2, 2],
            i64[2],
            i64[2],
        )
    ],
    "linear_cross_entropy": [(lambda f, x, w, y: f(x, w, y), X, f64[5, 4], LABELS)],
    "nll_loss": [(lambda f, x, y, w: f(x, y, w * w), X, LABELS, f64[4])],
    "multi_margin_loss": [(lambda f, x, y, w: f(x, y, weight=w * w), X, LABELS, f64[4])],
    "multilabel_margin_loss": [(lambda f, x, y: f(x, y), X, i64[3, 4])],
    # refused, with what to do instead
    "unique_all": [],
}  # fmt: skip
"""Rows of a body, and of the types of the tensors that it is given."""

REFUSED = sorted(name for name, rows in LISTED.items() if not rows)
"""Functions that no tensor is good for: they say what to do instead."""
