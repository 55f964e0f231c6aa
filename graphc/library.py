"""The library of the language: what programs can name without an import."""

from __future__ import annotations

from collections.abc import Mapping

from graphc import nn, optim

__all__ = ["library"]


def library() -> Mapping[str, object]:
    """Layers, optimizers and `train_step`, by the names that programs call them.

    >>> sorted(set(library()) & {"Linear", "adamw", "train_step"})
    ['Linear', 'adamw', 'train_step']
    """
    return {**nn.LIBRARY, **optim.LIBRARY}
