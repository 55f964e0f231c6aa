"""The layer that looks up rows of a table."""

from __future__ import annotations

from graphc.errors import DTypeError
from graphc.frontend.initializers import Initializer, normal
from graphc.frontend.module import Module
from graphc.frontend.state import Parameter
from graphc.frontend.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["Embedding"]


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
