"""Layers that look up rows of a table."""

from __future__ import annotations

from graphc.errors import DTypeError
from graphc.frontend.tracing.initializers import Initializer, normal
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """The rows of `weight` [count, features] at whole numbers: [...] to [..., features].

    A negative number counts from the end; one out of range gives zeros, and trains nothing.

    Args:
        num_embeddings, embedding_dim: rows and columns of the weight.
        dtype: of the weight.
        init: first value of the weight; by default normally distributed, as in PyTorch.

    >>> for path, parameter in Embedding(1000, 16).named_parameters():
    ...     print(path, parameter.type)
    weight f32[1000, 16]
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        dtype: DType = dtypes.f32,
        init: Initializer | None = None,
    ) -> None:
        self.weight = Parameter((num_embeddings, embedding_dim), dtype, init or normal())

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
        result: Tensor = call("embedding", ids, self.weight)
        return result


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
