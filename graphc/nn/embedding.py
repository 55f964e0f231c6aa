"""Layers that look up rows of a table."""

from __future__ import annotations

from graphc.errors import DTypeError, ShapeError
from graphc.frontend.tracing.initializers import Initializer, Key, normal
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.creation.constants import iota

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """The rows of `weight` [count, features] at whole numbers: [...] to [..., features].

    A negative number counts from the end; one out of range gives zeros, and trains nothing.

    Args:
        num_embeddings, embedding_dim: rows and columns of the weight.
        padding_idx: the row, if any, that is not trained.
        dtype: of the weight.
        init: first value of the weight; by default normally distributed but for the row of padding,
            which is zeros, as in PyTorch.

    >>> for path, parameter in Embedding(1000, 16).named_parameters():
    ...     print(path, parameter.type)
    weight f32[1000, 16]
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: DType = dtypes.f32,
        init: Initializer | None = None,
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ShapeError(
                f"Embedding: padding_idx is {padding_idx}, of {num_embeddings} rows",
                hint=f"expected {-num_embeddings} to {num_embeddings - 1}",
            )
        self._padding_idx = padding_idx
        shape = (num_embeddings, embedding_dim)
        self.weight = Parameter(shape, dtype, init or _normal_but_for(padding_idx))

    def forward(self, ids: Tensor) -> Tensor:
        """The rows at `ids`.

        Raises:
            DTypeError: ids that are no integers.
        """
        if not ids.dtype.is_integer:
            count, features = self.weight.sizes
            raise DTypeError(
                f"Embedding({count}, {features}) takes integers, and was given {ids.type}",
                hint="ids are row numbers; cast(ids, i64)",
            )
        result: Tensor = call("embedding", ids, self.weight, self._padding_idx)
        return result


def _normal_but_for(row: int | None) -> Initializer:
    """Normally distributed, with zeros in one row."""

    def initialize(shape: tuple[int, ...], dtype: DType, key: Key) -> Node:
        weight = normal()(shape, dtype, key)
        if row is None:
            return weight
        rows = iota(shape=shape, axis=0, dtype=dtypes.i64)
        is_padding = functions["equal"](rows, row % shape[0])
        zeroed: Node = functions["where"](is_padding, 0.0, weight)
        return zeroed

    return initialize


class EmbeddingBag(Module):
    """The rows of `weight` [count, features] at bags of whole numbers, each bag as one row.

    Args:
        num_embeddings, embedding_dim: rows and columns of the weight.
        mode: "sum", "mean" or "max" of the rows of a bag.
        include_last_offset: whether the last of the offsets is where the last bag ends.
        padding_idx: the row that counts in no bag; with offsets.
        dtype: of the weight.
        init: first value of the weight; by default normally distributed, as in PyTorch.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        mode: str = "mean",
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: DType = dtypes.f32,
        init: Initializer | None = None,
    ) -> None:
        self._keywords = {
            "mode": mode,
            "include_last_offset": include_last_offset,
            "padding_idx": padding_idx,
        }
        self.weight = Parameter((num_embeddings, embedding_dim), dtype, init or normal())

    def forward(
        self, ids: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """A row for each bag: ids [..., L], or a vector in which bags begin at `offsets`."""
        result: Tensor = call(
            "embedding_bag",
            ids,
            self.weight,
            offsets=offsets,
            per_sample_weights=per_sample_weights,
            **self._keywords,
        )
        return result
