"""Layers that are a function of the registry with all but its tensors fixed."""

from __future__ import annotations

from typing import Any

from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = ["FunctionLayer", "UnaryLayer"]


class FunctionLayer(Module):
    """The function of a name; further arguments follow its tensors."""

    def __init__(self, function: str, *arguments: Any, **keywords: Any) -> None:
        self._function = function
        self._arguments = arguments
        self._keywords = keywords

    def _of(self, *operands: Any, **keywords: Any) -> Tensor:
        """The function of its tensors."""
        result: Tensor = call(
            self._function, *operands, *self._arguments, **self._keywords, **keywords
        )
        return result


class UnaryLayer(FunctionLayer):
    """A function of one tensor."""

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        return self._of(x)
