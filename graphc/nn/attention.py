"""Attention of several heads."""

from __future__ import annotations

from typing import Any

from graphc.errors import ShapeError
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.initializers import xavier_normal, xavier_uniform, zeros
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter, is_training
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.nn.linear import Linear

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads, each over its part of the features (A. Vaswani et al., 2017).

    As in PyTorch, sequences are [time, batch, features] unless `batch_first`, and a bool mask is
    True where a query may not attend. The projections of queries, keys and values are one matrix,
    `in_proj_weight`, in this order; for keys or values of other features there are three.

    Args:
        embed_dim: features of queries and results, and of keys and values by default.
        num_heads: heads, each of embed_dim / num_heads features.
        dropout: the probability with which a query leaves out a key, in training.
        bias: whether the projections have one.
        add_bias_kv: whether one more key and value are learned, the same for all sequences.
        add_zero_attn: whether one more key and value are zeros.
        kdim: features of keys.
        vdim: features of values.
        batch_first: whether sequences are [batch, time, features].
        num_kv_heads: heads of keys and values, each shared by several heads of queries (J. Ainslie
            et al., "GQA", 2023); by default as many as heads.

    >>> from graphc.frontend.tracing.trace import trace
    >>> layer = MultiheadAttention(8, 2, batch_first=True)
    >>> [result.type for result in trace(layer, dtypes.f32["B", 5, 8])[0].results]
    [f32[B, 5, 8], f32[B, 5, 5]]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: DType = dtypes.f32,
        *,
        num_kv_heads: int | None = None,
    ) -> None:
        shared = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads < 1 or shared < 1 or embed_dim % num_heads or num_heads % shared:
            raise ShapeError(
                f"MultiheadAttention: {embed_dim} features in {num_heads} heads, {shared} of keys",
                hint="make embed_dim a multiple of num_heads, and that one of num_kv_heads",
            )
        self._features, self._heads, self._shared = embed_dim, num_heads, shared
        self._dropout, self._batch_first = dropout, batch_first
        self._add_zero_attn = add_zero_attn
        kept = embed_dim // num_heads * shared
        widths = (embed_dim, kdim or embed_dim, vdim or embed_dim)
        self._is_separate = set(widths) != {embed_dim}
        if self._is_separate:
            for name, rows, width in zip("qkv", (embed_dim, kept, kept), widths, strict=True):
                weight = Parameter((rows, width), dtype, xavier_uniform())
                setattr(self, f"{name}_proj_weight", weight)
        else:
            shape = (embed_dim + 2 * kept, embed_dim)
            self.in_proj_weight = Parameter(shape, dtype, xavier_uniform())
        self.in_proj_bias = Parameter(embed_dim + 2 * kept, dtype, zeros()) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)
        self.bias_k = Parameter((1, 1, kept), dtype, xavier_normal()) if add_bias_kv else None
        self.bias_v = Parameter((1, 1, kept), dtype, xavier_normal()) if add_bias_kv else None

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What each query attends to among keys and values, and how much to each.

        Args:
            query: [L, N, embed_dim], or [L, embed_dim] where there is no batch.
            key: [S, N, kdim]; the queries by default, which is self-attention.
            value: [S, N, vdim]; the keys by default.
            key_padding_mask: [N, S]: True where no query may attend, or numbers to add to scores.
            need_weights: whether the second result is how much each query attends to each key, [N,
                L, S], and not None.
            attn_mask: [L, S] or [N * num_heads, L, S]: True where a query may not attend, or
                numbers to add to scores.
            average_attn_weights: whether that result is the mean over heads, and not [N, num_heads,
                L, S].
            is_causal: whether a query attends to its own place and those before alone; an
                `attn_mask` counts in its place.

        Raises:
            ShapeError: operands of other shapes.
        """
        key = query if key is None else key
        result: tuple[Tensor, Tensor | None] = call(
            "multi_head_attention_forward",
            query,
            key,
            key if value is None else value,
            self._features,
            self._heads,
            bias_k=self.bias_k,
            bias_v=self.bias_v,
            add_zero_attn=self._add_zero_attn,
            out_proj_weight=self.out_proj.weight,
            out_proj_bias=self.out_proj.bias,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            num_kv_heads=self._shared,
            batch_first=self._batch_first,
            **self._projections(),
            **self._noise(),
        )
        return result

    def _projections(self) -> dict[str, Any]:
        weights: dict[str, Any] = {
            "in_proj_weight": None if self._is_separate else self.in_proj_weight,
            "in_proj_bias": self.in_proj_bias,
            "use_separate_proj_weight": self._is_separate,
        }
        if self._is_separate:
            names = (f"{name}_proj_weight" for name in "qkv")
            weights.update((name, getattr(self, name)) for name in names)
        return weights

    def _noise(self) -> dict[str, Any]:
        if not is_training() or not self._dropout:
            return {"dropout_p": 0.0}
        drawn = tracing().random_key(self)
        return {"dropout_p": self._dropout, "seed": drawn.seed, "stream": drawn.stream}
