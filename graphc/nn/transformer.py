"""The encoder and the decoder of a transformer (A. Vaswani et al., 2017).

Weights are called and laid out as in PyTorch, and masks mean what they mean there: a query may not
attend where a mask of bools holds, and one of numbers is added to the scores. Sequences are [time,
batch, features], with `batch_first` [batch, time, features], or without a batch [time, features].
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from graphc.frontend.tracing.initializers import xavier_uniform
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.nn.attention import MultiheadAttention
from graphc.nn.dropout import Dropout
from graphc.nn.linear import Linear
from graphc.nn.normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Mask = Tensor | None


class _Layer(Module):
    """Attention and a network of two linear layers, each added to what it is given."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._norm_first, self._activation = norm_first, activation
        for name in self._attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        for number in range(1, len(self._attentions) + 2):
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            setattr(self, f"norm{number}", norm)
            setattr(self, f"dropout{number}", Dropout(dropout))

    _attentions: tuple[str, ...]

    def _added(self, number: int, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` and what a part gives for it, normalised before the part or after the sum."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        result: Tensor = (
            x + dropout(part(norm(x))) if self._norm_first else norm(x + dropout(part(x)))
        )
        return result

    def _attended(
        self, name: str, query: Tensor, memory: Tensor, mask: Mask, padding: Mask, causal: bool
    ) -> Tensor:
        """What `query` attends to in `memory`."""
        attention = getattr(self, name)
        result: Tensor = attention(query, memory, memory, padding, False, mask, is_causal=causal)[0]
        return result

    def _feed_forward(self, x: Tensor) -> Tensor:
        rows, name = self.linear1(x), self._activation
        active = call(name, rows) if isinstance(name, str) else name(rows)
        result: Tensor = self.linear2(self.dropout(active))
        return result


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a network of two linear layers.

    Args:
        d_model: features of operands and results.
        nhead: heads of the attention.
        dim_feedforward: features between the linear layers.
        dropout: the probability of dropout, in training.
        activation: between the linear layers: the name of a function, or one.
        layer_norm_eps: epsilon of the normalisations.
        batch_first: whether operands are [batch, time, features], and not [time, batch, features].
        norm_first: whether normalisations come before attention and network, and not after.
        bias: whether linear layers and normalisations have one.

    >>> [path for path, _ in TransformerEncoderLayer(8, 2, bias=False).named_parameters()]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['self_attn.in_proj_weight', 'self_attn.out_proj.weight', 'linear1.weight', 'linear2.weight',
     'norm1.weight', 'norm2.weight']
    """

    _attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The layer applied to a sequence.

        Args:
            src: the sequence.
            src_mask: [time, time] or [batch * nhead, time, time]: True where a place may not
                attend, or numbers to add to scores.
            src_key_padding_mask: [batch, time], of places that none attends to.
            is_causal: whether what is later is hidden, where there is no `src_mask`.
        """

        def attention(x: Tensor) -> Tensor:
            return self._attended("self_attn", x, x, src_mask, src_key_padding_mask, is_causal)

        return self._added(2, self._added(1, src, attention), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the results of an encoder, then a network of linear layers.

    Its arguments are those of `TransformerEncoderLayer`.
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The layer applied to a sequence, and to the results of an encoder.

        Masks are those of `TransformerEncoderLayer`, of the sequence (tgt) and of the results.
        """

        def attention(x: Tensor) -> Tensor:
            return self._attended("self_attn", x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def attention_to_memory(x: Tensor) -> Tensor:
            return self._attended(
                "multihead_attn", x, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            )

        x = self._added(2, self._added(1, tgt, attention), attention_to_memory)
        return self._added(3, x, self._feed_forward)


class _Stack(Module):
    """Copies of a layer one after another, each with weights of its own; then `norm`."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = [copy.deepcopy(layer) for _ in range(num_layers)]
        self.norm = norm

    def _stacked(self, x: Tensor, *arguments: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *arguments)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of an encoder layer, each with weights of its own, then `norm`."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Tensor,
        mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The layers applied to a sequence, with the masks of `TransformerEncoderLayer`."""
        return self._stacked(src, mask, src_key_padding_mask, is_causal)


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder layer, each with weights of its own, then `norm`."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The layers applied to a sequence, with the masks of `TransformerDecoderLayer`."""
        return self._stacked(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )


class Transformer(Module):
    """An encoder, and a decoder that attends to what it gives.

    Args:
        num_encoder_layers, num_decoder_layers: of each, of the arguments that follow.
        custom_encoder, custom_decoder: modules in place of these.

    The other arguments are those of `TransformerEncoderLayer`. Matrices are at first of
    `xavier_uniform`, as in PyTorch.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DType = dtypes.f32,
    ) -> None:
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        settings = (batch_first, norm_first, bias, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*sizes, *settings), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*sizes, *settings), num_decoder_layers, norm()
        )
        for parameter in self.parameters():
            if len(parameter.sizes) > 1:
                parameter.init = xavier_uniform()

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Mask = None,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder applied to `tgt` and what the encoder gives for `src`.

        Masks are those of `TransformerDecoderLayer`, and those of `src`.
        """
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        result: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )
        return result

    @staticmethod
    def generate_square_subsequent_mask(size: int, dtype: DType = dtypes.f32) -> Tensor:
        """The mask [size, size] that hides what is later: 0 up to the diagonal, -inf above it."""
        result: Tensor = call("triu", call("full", (size, size), -math.inf, dtype), 1)
        return result
