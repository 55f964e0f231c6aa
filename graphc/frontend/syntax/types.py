"""The nodes of types."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.frontend.syntax.node import Expression, Type

__all__ = [
    "NamedType",
    "TensorType",
    "TupleType",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TensorType(Type):
    """`f32[B, 64]`, `f32[]`, `f32[..., N]`"""

    dtype: str
    shape: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NamedType(Type):
    """`MLP`, `layers.Block`: a model as the type of a value."""

    name: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TupleType(Type):
    """`(f32[B], i32[B])`"""

    elements: tuple[Type, ...]
