"""Attention: softmax of scaled products of queries with keys, times values.

A. Vaswani et al., "Attention is all you need" (2017), equation 1. A composition, so that its
gradients follow; the mask is computed where it is used and never stored. Of f16 and bf16 scores
and softmax are computed in f32, for a score that is rounded puts its error in an exponent. The
shares are rounded as they meet the values, so that every product, and its gradients, is one of
narrow floats (T. Dao et al., "FlashAttention", 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import broadcast, promoted
from graphc.ir.ops.contraction.matmul import matrix_product, matrix_transpose, widened_product
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, full_like, iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, scaled
from graphc.ir.ops.elementwise.logic import less, less_equal, logical_and, not_equal, where
from graphc.ir.ops.elementwise.transcendental import sqrt
from graphc.ir.ops.random.dropouts import dropout
from graphc.ir.ops.views.shape import broadcast_to, reshape

__all__ = ["attended", "attention", "shared_heads"]


@surface("scaled_dot_product_attention", "attention")
def attention(
    query: Node,
    key: Node,
    value: Node,
    attn_mask: Node | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    window: int | None = None,
    *,
    seed: Node | None = None,
    stream: int = 0,
) -> Node:
    """softmax(query @ key.T * scale + mask) @ value.

    Args:
        query: [..., H, L, E].
        key: [..., H, S, E]; with `enable_gqa` fewer heads, each for H / heads of the query
            (J. Ainslie et al., "GQA", 2023).
        value: [..., H, S, V], with the heads of `key`.
        attn_mask: broadcasts to [..., H, L, S]; where it is bool, True takes part and False is
            left out, as in PyTorch's function of this name (its layers have it the other way
            round, and so have `nn.MultiheadAttention` and `nn.Transformer`); a float is added to
            the scores.
        dropout_p: the probability with which a position is left out, and the others scaled up.
        is_causal: position i of the query sees positions up to i of the key.
        scale: 1 / sqrt(E) unless given.
        window: position i sees those less than `window` before it, and no later ones where
            `is_causal`, else those less than `window` after it too (I. Beltagy et al.,
            "Longformer", 2020).
        seed: of what is left out. In a traced function, where `dropout_p` is given by name, it is
            that of the next draw.
        stream: its number.

    A row that sees nothing is 0, and so are its gradients.

    Raises:
        ShapeError: operands of fewer than two axes, or heads that do not fit.
    """
    query, key, value = promoted(query, key, value)
    if query.dtype.kind != "float":
        raise DTypeError(
            f"attention takes floats, not {query.dtype.name}", code="dtype-unsupported"
        )
    for name, node in (("query", query), ("key", key), ("value", value)):
        if len(node.shape) < 2:
            raise ShapeError(f"attention: the {name} is {node.type}, expected [..., length, width]")
    if enable_gqa:
        key, value = shared_heads(query, key, "key"), shared_heads(query, value, "value")
    result, _ = attended(
        query,
        key,
        value,
        [] if attn_mask is None else [attn_mask],
        dropout_p,
        is_causal,
        scale,
        window,
        seed=seed,
        stream=stream,
    )
    return result


def attended(
    query: Node,
    key: Node,
    value: Node,
    masks: Sequence[Node],
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    window: int | None = None,
    *,
    seed: Node | None,
    stream: int,
) -> tuple[Node, Node]:
    """The result of `attention` under several masks, and the shares [..., H, L, S].

    The shares are as they were computed: in f32 for f16 and bf16.
    """
    if dropout_p and seed is None:
        raise UsageError(
            f"attention: dropout_p is {dropout_p}, without a seed",
            hint="give dropout_p by name in a traced function, or a seed",
        )
    dtype = query.dtype
    scores = _scaled(widened_product(query, matrix_transpose(key)), scale, query.shape[-1])
    seen = _seen(scores, is_causal, window)
    for mask in masks:
        if mask.dtype is dtypes.bool_:
            shown = mask
        else:
            shown = not_equal(mask, constant_like(-math.inf, mask))
            dtype = promoted(cast_to(query, dtype), mask)[0].dtype
            scores = add(*broadcast(*promoted(scores, mask)))
        seen = shown if seen is None else logical_and(*broadcast(seen, shown))
    shares = _shares(scores, seen, sees_something=not masks and window is None)
    if seed is not None:
        shares = dropout(shares, dropout_p, seed=seed, stream=stream)
    return matrix_product(cast_to(shares, dtype), cast_to(value, dtype)), shares


def _scaled(scores: Node, scale: float | None, width: DimLike) -> Node:
    if scale is not None:
        return scaled(scores, scale)
    if isinstance(width, Dim):
        return divide(scores, sqrt(full_like(scores, width)))
    return scaled(scores, 1 / math.sqrt(width)) if width else scores


def shared_heads(query: Node, x: Node, name: str) -> Node:
    """`x` with each of its heads repeated for the heads of the query that share it."""
    if len(query.shape) < 3 or len(x.shape) < 3:
        raise ShapeError(f"attention: the {name} is {x.type}, expected [..., heads, length, width]")
    heads, given = query.shape[-3], x.shape[-3]
    if not dims.divides(heads, given):
        raise ShapeError(
            f"attention: {heads} heads of the query do not share {given} of the {name}",
            hint="the first number is a multiple of the second",
        )
    times = heads // given
    if times == 1:
        return x
    apart = reshape(x, shape=(*x.shape[:-2], 1, *x.shape[-2:]))
    each = broadcast_to(apart, shape=(*x.shape[:-2], times, *x.shape[-2:]))
    return reshape(each, shape=(*x.shape[:-3], heads, *x.shape[-2:]))


def _seen(scores: Node, is_causal: bool, window: int | None) -> Node | None:
    """Which positions of the key each position of the query sees; None for all."""
    if window is not None and (isinstance(window, bool) or window < 1):
        raise UsageError(f"attention: window is {window!r}", hint="a whole number of 1 or more")
    if not is_causal and window is None:
        return None
    shape = scores.shape[-2:]
    row, column = (iota(shape=shape, axis=axis, dtype=dtypes.i64) for axis in (0, 1))
    found = less_equal(column, row) if is_causal else None
    if window is not None:
        near = less(row, add(column, constant_like(window, column)))
        if not is_causal:
            near = logical_and(near, less(column, add(row, constant_like(window, row))))
        found = near if found is None else logical_and(found, near)
    return found


def _shares(scores: Node, seen: Node | None, *, sees_something: bool) -> Node:
    """The softmax of what is seen of each row, and 0 for the rest; all of it without `seen`."""
    softmax = functions["softmax"]
    if seen is None:
        return softmax(scores, axis=-1)  # type: ignore[no-any-return]
    seen, scores = broadcast(seen, scores)
    shares: Node = softmax(where(seen, scores, constant_like(-math.inf, scores)), axis=-1)
    # The softmax of a row that sees nothing is NaN, which this keeps from results and gradients.
    return shares if sees_something else where(seen, shares, zeros_like(shares))


@surface("dot_product_attention")
def dot_product_attention(
    query: Node,
    key: Node,
    value: Node,
    bias: Node | None = None,
    mask: Node | None = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    local_window_size: int | None = None,
) -> Node:
    """`scaled_dot_product_attention` as JAX lays it out: heads after positions.

    Args:
        query: [..., L, H, E].
        key: [..., S, K, E]; H is a multiple of K.
        value: [..., S, K, V].
        bias: added to the scores [..., H, L, S].
        mask: where it is False a position is left out; it broadcasts to the scores.
        scale: 1 / sqrt(E) unless given.
        is_causal: position i of the query sees positions up to i of the key.
        local_window_size: how many positions before and after it a position sees.
    """
    given = bias if mask is None else mask
    if mask is not None and bias is not None:
        given = functions["where"](mask, bias, -math.inf)
    query, key, value = (functions["swapaxes"](one, -3, -2) for one in (query, key, value))
    found = attention(
        query,
        key,
        value,
        given,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=query.shape[-3] != key.shape[-3],
        window=None if local_window_size is None else local_window_size + 1,
    )
    return functions["swapaxes"](found, -3, -2)  # type: ignore[no-any-return]
