"""Compositions of f16 and bf16: as near to their values as one rounding of f32 leaves them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphc as gc
from graphc.ir import dtype as dtypes
from graphc.ir.ops.conversion import converted
from tests.accuracy import within
from tests.values import same_bits

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


def normal(*shape: int, scale: float = 1.0, mean: float = 0.0) -> Array:
    return RNG.normal(mean, scale, shape)


X, Y = normal(300, scale=2), normal(300)
ROWS, BIAS = normal(8, 64, mean=3), normal(64)
CHANNELS = normal(2, 8, 5, 5, mean=3)
# Peaked: a score that is rounded before its exponential is wrong by several hundredths.
HEADS = tuple(normal(2, 16, 32, scale=4) for _ in range(3))
LABELS = np.arange(8)

SHARES = RNG.uniform(0.01, 0.99, 300)
SIZES = RNG.uniform(0.5, 4, 300)


def each(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss of each element."""
    return lambda x, y: loss(x, y, reduction="none")


def cell(gates: int) -> tuple[Array, ...]:
    """An input, a state, and the weights of a recurrent cell."""
    rows = 8 * gates
    return (
        normal(4, 16),
        normal(4, 8),
        normal(rows, 16),
        normal(rows, 8),
        normal(rows),
        normal(rows),
    )


ATTENTION: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "attention": (gc.attention, HEADS),
    "causal": (lambda *x: gc.attention(*x, is_causal=True), HEADS),
    "with a mask": (gc.attention, (*HEADS, normal(16, 16))),
}
# The first two meet first, in the order that multiplies least as from left to right.
CHAINS: dict[str, Callable[..., Any]] = {
    "multi_dot": gc.multi_dot,
    "einsum": lambda *x: gc.einsum("ij,jk,kl->il", *x),
}
TABLE: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "softmax": (gc.softmax, (ROWS,)),
    "log_softmax": (gc.log_softmax, (ROWS,)),
    "logsumexp": (gc.logsumexp, (ROWS,)),
    "layer_norm": (gc.layer_norm, (ROWS, BIAS, BIAS)),
    "rms_norm": (gc.rms_norm, (ROWS, BIAS)),
    "group_norm": (lambda x, w, b: gc.group_norm(x, 4, w, b), (CHANNELS, normal(8), normal(8))),
    "instance_norm": (
        lambda x, w, b: gc.instance_norm(x, weight=w, bias=b),
        (CHANNELS, normal(8), normal(8)),
    ),
    "batch_norm": (
        lambda x, w, b: gc.batch_norm(x, None, None, w, b, True),
        (CHANNELS, normal(8), normal(8)),
    ),
    "cross_entropy": (lambda x: gc.cross_entropy(x, gc.asarray(LABELS)), (ROWS,)),
    "binary_cross_entropy": (each(gc.binary_cross_entropy), (SHARES, SHARES[::-1].copy())),
    "binary_cross_entropy_with_logits": (
        each(gc.binary_cross_entropy_with_logits),
        (X, SHARES),
    ),
    "huber_loss": (each(gc.huber_loss), (X, Y)),
    "smooth_l1_loss": (each(gc.smooth_l1_loss), (X, Y)),
    "linear": (gc.linear, (ROWS, normal(16, 64), normal(16))),
    "addmm": (gc.addmm, (normal(8, 16), ROWS, normal(64, 16))),
    "std": (lambda x: gc.std(x, axis=-1), (ROWS,)),
    "cov": (gc.cov, (ROWS,)),
    "normalize": (gc.normalize, (ROWS,)),
    "cosine_similarity": (gc.cosine_similarity, (ROWS, ROWS[::-1].copy())),
    "lerp": (lambda x, y: gc.lerp(x, y, 0.3), (X, Y)),
    "addcmul": (gc.addcmul, (X, Y, Y[::-1].copy())),
    "addcdiv": (gc.addcdiv, (X, Y, np.abs(Y) + 0.5)),
    "hardswish": (gc.hardswish, (X,)),
    "leaky_relu": (gc.leaky_relu, (X,)),
    "elu": (lambda x: gc.elu(x, 0.3), (X,)),
    "selu": (gc.selu, (X,)),
    "mish": (gc.mish, (X,)),
    "glu": (gc.glu, (X,)),
    "xlogy": (gc.xlogy, (X, np.abs(Y))),
    "cross_entropy by weights of f32": (
        lambda x: gc.cross_entropy(x, gc.asarray(LABELS), gc.asarray(SHARES[:64], "f32")),
        (ROWS,),
    ),
    "triplet_margin_loss": (
        lambda *x: gc.triplet_margin_loss(*x, reduction="none"),
        (ROWS, normal(8, 64), normal(8, 64)),
    ),
    "conv2d": (gc.conv2d, (CHANNELS, normal(4, 8, 3, 3), normal(4))),
    "conv2d in groups": (
        lambda *x: gc.conv2d(*x, groups=2),
        (CHANNELS, normal(4, 4, 3, 3), normal(4)),
    ),
    "conv2d of each channel": (
        lambda *x: gc.conv2d(*x, groups=8),
        (CHANNELS, normal(8, 1, 3, 3), normal(8)),
    ),
    "conv_transpose2d": (gc.conv_transpose2d, (CHANNELS, normal(8, 4, 3, 3), normal(4))),
    "fold": (lambda x: gc.fold(x, (5, 5), (2, 2)), (normal(8, 16),)),
    "rnn_tanh_cell": (gc.rnn_tanh_cell, cell(1)),
    "gru_cell": (gc.gru_cell, cell(3)),
    "lstm_cell": (
        lambda x, h, c, *weights: gc.concat(gc.lstm_cell(x, (h, c), *weights)),
        (normal(4, 16), normal(4, 8), *cell(4)[1:]),
    ),
    "polyval": (gc.polyval, (normal(5), X)),
    "einsum of rows": (
        lambda *x: gc.einsum("bhid,bhjd->bhij", *x),
        (normal(2, 3, 8, 16), normal(2, 3, 4, 16)),
    ),
    "ndtr": (gc.ndtr, (X,)),
    "log_ndtr": (gc.log_ndtr, (4 * X,)),
    "erfcx": (gc.erfcx, (SIZES,)),
    "k0": (gc.k0, (SIZES,)),
    "k1": (gc.k1, (SIZES,)),
    "spence": (gc.spence, (SIZES,)),
    "zeta": (gc.zeta, (1 + SIZES, SIZES[::-1].copy())),
    "polygamma": (lambda x: gc.polygamma(2, x), (SIZES,)),
    "multigammaln": (lambda x: gc.multigammaln(x, 3), (1 + SIZES,)),
    "factorial": (gc.factorial, (SIZES,)),
    "comb": (gc.comb, (4 + SIZES, SIZES[::-1].copy())),
    "rel_entr": (gc.rel_entr, (SIZES, SIZES[::-1].copy())),
    "boxcox": (gc.boxcox, (SIZES, X)),
    "boxcox1p": (gc.boxcox1p, (SIZES, X)),
    "chebyshev_polynomial_w": (lambda x: gc.chebyshev_polynomial_w(x, 5), (SHARES,)),
    "interp": (gc.interp, (X, np.arange(-4.0, 4.0), normal(8))),
    "logmeanexp": (lambda x: gc.logmeanexp(x, -1), (ROWS,)),
    "pdist": (gc.pdist, (ROWS,)),
    "renorm": (lambda x: gc.renorm(x, 2, 0, 20.0), (ROWS,)),
    "lp_pool2d": (lambda x: gc.lp_pool2d(x, 3.0, 2), (np.abs(CHANNELS),)),
    "vecdot": (gc.vecdot, (ROWS, normal(8, 64))),
    "grid_sample": (gc.grid_sample, (CHANNELS, RNG.uniform(-1, 1, (2, 6, 6, 2)))),
    "embedding_bag": (
        lambda table: gc.embedding_bag(gc.asarray(LABELS.reshape(2, 4)), table),
        (normal(10, 16),),
    ),
    "embedding_bag of offsets": (
        lambda table: gc.embedding_bag(gc.asarray(LABELS), table, gc.asarray([0, 3, 7])),
        (normal(10, 16),),
    ),
}


RANDOM: dict[str, Callable[..., Any]] = {
    "gumbel_softmax": lambda x: gc.gumbel_softmax(x, 0.5, seed=3),
    "alpha_dropout": lambda x: gc.alpha_dropout(x, 0.3, seed=3),
    "feature_alpha_dropout": lambda x: gc.feature_alpha_dropout(x, 0.3, seed=3),
}
DEVICES = ["reference", "cpu", "sim"]
NARROW = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


def roundoff_of(dtype: np.dtype[Any]) -> float:
    return dtypes.from_numpy(dtype).epsilon / 2


def is_rounded_once(
    found: Array, precise: Array, dtype: np.dtype[Any], off: Array | float = 0.0
) -> bool:
    """Half a unit, and what f32 loses where terms cancel: of numbers below 1/16 less is asked.

    Before that, a number may be `off` by what its parts were rounded to.
    """
    assert found.dtype == dtype
    nearest = np.clip(found.astype(np.float64), precise - off, precise + off)
    return within(found, nearest, 0.52, dtypes.from_numpy(dtype), least=1 / 16)


def values_of_all(dtype: Any, wide: Any, device: str) -> list[Array]:
    """The results of all compositions of numbers of a dtype, which are given as those of another.

    They are exports of one module: compilers take longer to start than for a kernel.
    """
    operands = [tuple(x.astype(dtype).astype(wide) for x in given) for _, given in TABLE.values()]
    functions = [function for function, _ in TABLE.values()]
    exports = {f"f{i}": gc.Export(functions[i], operands[i]) for i in range(len(functions))}
    module = gc.compile(exports, device=device)
    return [getattr(module, name)(*given) for name, given in zip(exports, operands, strict=True)]


@functools.cache
def precise_values(dtype: Any) -> list[Array]:
    return values_of_all(dtype, np.float64, "reference")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_compositions_round_once(dtype: Any, device: str) -> None:
    found = zip(TABLE, values_of_all(dtype, dtype, device), precise_values(dtype), strict=True)
    assert not [name for name, *values in found if not is_rounded_once(*values, dtype)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_rounds_its_shares_and_its_result(name: str, dtype: Any, device: str) -> None:
    """Each share is off by one roundoff of itself: the sum by the shares of the magnitudes."""
    function, operands = ATTENTION[name]
    compiled = gc.function(function, device=device)
    narrow = [operand.astype(dtype) for operand in operands]
    query, key, value, *mask = (operand.astype(np.float64) for operand in narrow)
    precise = compiled(query, key, value, *mask)
    off = roundoff_of(dtype) * compiled(query, key, np.abs(value), *mask)
    assert is_rounded_once(compiled(*narrow), precise, dtype, off)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_products_round_each(name: str, dtype: Any, device: str) -> None:
    """Each element of the first product is off by one roundoff of itself."""
    operands = [x.astype(dtype) for x in (ROWS, normal(64, 16), normal(16, 8))]
    a, b, c = (operand.astype(np.float64) for operand in operands)
    off = roundoff_of(dtype) * (np.abs(a @ b) @ np.abs(c))
    found = gc.function(CHAINS[name], device=device)(*operands)
    assert is_rounded_once(found, a @ b @ c, dtype, off)
    one_by_one = gc.function(lambda a, b, c: (a @ b) @ c, device=device)
    assert same_bits(found, one_by_one(*operands))


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", RANDOM)
def test_random_compositions_are_those_of_f32_rounded(name: str, dtype: Any) -> None:
    compiled = gc.function(RANDOM[name], device="cpu")
    narrow = ROWS.astype(dtype)
    wide = compiled(narrow.astype(np.float32))
    assert same_bits(compiled(narrow), converted(wide, dtypes.from_numpy(dtype)))
