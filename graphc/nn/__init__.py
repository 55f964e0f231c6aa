"""The library of layers: modules written on the tracer, visible in the language by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.frontend.initializers import INITIALIZERS
from graphc.frontend.module import Module
from graphc.frontend.state import Buffer, Parameter
from graphc.nn.activation import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from graphc.nn.container import Flatten, Sequential
from graphc.nn.dropout import Dropout
from graphc.nn.embedding import Embedding
from graphc.nn.linear import Linear
from graphc.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss
from graphc.nn.normalization import LayerNorm, RMSNorm

__all__ = [
    "ELU",
    "GELU",
    "INITIALIZERS",
    "LIBRARY",
    "BCEWithLogitsLoss",
    "Buffer",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]

LIBRARY: dict[str, Callable[..., Any]] = {
    layer.__name__: layer
    for layer in (
        *(BCEWithLogitsLoss, CrossEntropyLoss, Dropout, ELU, Embedding, Flatten, GELU),
        *(Identity, L1Loss, LayerNorm, LeakyReLU, Linear, LogSoftmax, MSELoss, RMSNorm, ReLU),
        *(Sequential, SiLU, Sigmoid, Softmax, Softplus, Tanh),
    )
}
"""What the language calls each layer; calling the value makes one."""
