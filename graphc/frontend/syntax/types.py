"""The nodes of types."""

from __future__ import annotations

from graphc.frontend.syntax.node import Expression, Type

__all__ = [
    "NamedType",
    "TensorType",
    "TupleType",
]


class TensorType(Type):
    """`f32[B, 64]`, `f32[]`, `f32[..., N]`"""

    dtype: str
    shape: tuple[Expression, ...]


class NamedType(Type):
    """`MLP`, `layers.Block`: a model as the type of a value."""

    name: Expression


class TupleType(Type):
    """`(f32[B], i32[B])`"""

    elements: tuple[Type, ...]
