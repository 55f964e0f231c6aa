"""The library of layers: modules written on the tracer, visible in the language by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphc.frontend.tracing.arguments import checked_method
from graphc.frontend.tracing.initializers import INITIALIZERS
from graphc.frontend.tracing.members import no_member
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Buffer, Parameter
from graphc.nn import (
    activation,
    attention,
    channel_normalization,
    container,
    convolution,
    distance,
    dropout,
    embedding,
    linear,
    loss,
    normalization,
    padding,
    pooling,
    rearrangement,
    recurrent,
    transformer,
)
from graphc.nn.activation import *
from graphc.nn.attention import *
from graphc.nn.channel_normalization import *
from graphc.nn.container import *
from graphc.nn.convolution import *
from graphc.nn.distance import *
from graphc.nn.dropout import *
from graphc.nn.embedding import *
from graphc.nn.left_out import LEFT_OUT
from graphc.nn.linear import *
from graphc.nn.loss import *
from graphc.nn.normalization import *
from graphc.nn.padding import *
from graphc.nn.pooling import *
from graphc.nn.rearrangement import *
from graphc.nn.recurrent import *
from graphc.nn.transformer import *

__all__ = ["INITIALIZERS", "LEFT_OUT", "LIBRARY", "Buffer", "Module", "Parameter"]
__all__ += activation.__all__
__all__ += attention.__all__
__all__ += channel_normalization.__all__
__all__ += container.__all__
__all__ += convolution.__all__
__all__ += distance.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += pooling.__all__
__all__ += rearrangement.__all__
__all__ += recurrent.__all__
__all__ += transformer.__all__

# Functions of Python are none of the language.
_OF_PYTHON = (Module, TripletMarginWithDistanceLoss)

LIBRARY: dict[str, Callable[..., Any]] = {
    name: value
    for name, value in ((name, globals()[name]) for name in __all__ if name != "LIBRARY")
    if isinstance(value, type) and issubclass(value, Module) and value not in _OF_PYTHON
}
"""What the language calls each layer; calling the value makes one."""

for _layer in (*LIBRARY.values(), TripletMarginWithDistanceLoss):
    _layer.__init__ = checked_method(_layer.__name__, _layer.__init__)  # type: ignore[method-assign]


def __getattr__(name: str) -> NoReturn:
    if name in LEFT_OUT:
        raise AttributeError(f"module {__name__!r} has no layer {name!r}: {LEFT_OUT[name]}")
    raise no_member(__name__, name, __all__)
