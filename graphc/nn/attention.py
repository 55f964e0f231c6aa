"""Attention of several heads."""

from __future__ import annotations

import math
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend.tracing.initializers import xavier_uniform, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter, is_training, tracing
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.nn.linear import Linear

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads, each over its part of the features (A. Vaswani et al., 2017).

    The projections of queries, keys and values are one matrix, `in_proj_weight`, in this order.

    Args:
        embed_dim: features of queries, keys, values and results.
        num_heads: heads, each of embed_dim / num_heads features.
        bias: whether the projections have one.
        num_kv_heads: heads of keys and values, each shared by several heads of queries (J. Ainslie
            et al., "GQA", 2023); by default as many as heads.
        dropout: the probability with which a query leaves out a key, in training.

    >>> from graphc.frontend.tracing.trace import trace
    >>> trace(MultiheadAttention(8, 2), dtypes.f32["B", 5, 8])[0].results[0].type
    f32[B, 5, 8]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        num_kv_heads: int | None = None,
        dtype: DType = dtypes.f32,
        dropout: float = 0.0,
    ) -> None:
        shared = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads < 1 or shared < 1 or embed_dim % num_heads or num_heads % shared:
            raise ShapeError(
                f"MultiheadAttention: {embed_dim} features in {num_heads} heads, {shared} of keys",
                hint="make embed_dim a multiple of num_heads, and that one of num_kv_heads",
            )
        self._heads, self._shared, self._features = num_heads, shared, embed_dim
        self._width, self._dropout = embed_dim // num_heads, dropout
        rows = embed_dim + 2 * shared * self._width
        self.in_proj_weight = Parameter((rows, embed_dim), dtype, xavier_uniform())
        self.in_proj_bias = Parameter(rows, dtype, zeros()) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """What each query [B, L, embed_dim] attends to among keys and values [B, S, embed_dim].

        Args:
            query: the queries.
            key: the queries by default, which is self-attention.
            value: the keys by default.
            attn_mask: as of `attention`: True where a query may attend, or numbers to add.
            is_causal: whether a query attends to its own place and those before alone.
            key_padding_mask: [B, S], as in PyTorch: True where no query may attend, or numbers to
                add.

        Raises:
            ShapeError: operands of other shapes.
        """
        key = query if key is None else key
        value = key if value is None else value
        for name, one in (("query", query), ("key", key), ("value", value)):
            if one.ndim != 3 or one.shape[-1] != self._features:
                raise ShapeError(
                    f"MultiheadAttention: the {name} is {one.type}, expected [B, L, "
                    f"{self._features}]"
                )
        kept = self._shared * self._width
        q = self._projected(query, 0, self._features, self._heads)
        k = self._projected(key, self._features, kept, self._shared)
        v = self._projected(value, self._features + kept, kept, self._shared)
        noise: dict[str, Any] = {}
        if is_training() and self._dropout:
            drawn = tracing().random_key(self)
            noise = {"dropout_p": self._dropout, "seed": drawn.seed, "stream": drawn.stream}
        mixed = call(
            "attention",
            q,
            k,
            v,
            attn_mask if key_padding_mask is None else _padded(attn_mask, key_padding_mask),
            is_causal=is_causal,
            enable_gqa=self._shared != self._heads,
            **noise,
        )
        batch, length = query.shape[0], query.shape[1]
        joined = call("permute_dims", mixed, (0, 2, 1, 3)).reshape(batch, length, self._features)
        result: Tensor = self.out_proj(joined)
        return result

    def _projected(self, x: Tensor, start: DimLike, width: int, heads: int) -> Tensor:
        """`x` times some rows of the projection, as [B, heads, L, features of a head]."""
        weight = self.in_proj_weight[start : start + width]
        bias = None if self.in_proj_bias is None else self.in_proj_bias[start : start + width]
        rows = call("linear", x, weight, bias)
        split = rows.reshape(x.shape[0], x.shape[1], heads, self._width)
        result: Tensor = call("permute_dims", split, (0, 2, 1, 3))
        return result


def _padded(mask: Tensor | None, padding: Tensor) -> Tensor:
    """A mask that hides the keys of a padding [B, S] too."""
    column: Tensor = padding.reshape(padding.shape[0], 1, 1, padding.shape[1])
    if padding.dtype is dtypes.bool_:
        column = call("logical_not", column)
    if mask is None:
        return column
    if mask.dtype is dtypes.bool_ and column.dtype is dtypes.bool_:
        both: Tensor = call("logical_and", mask, column)
        return both
    added: Tensor = _to_add(mask) + _to_add(column)
    return added


def _to_add(mask: Tensor) -> Tensor:
    """A mask of what is seen as numbers to add to scores."""
    if mask.dtype is not dtypes.bool_:
        return mask
    result: Tensor = call("where", mask, 0.0, -math.inf)
    return result
