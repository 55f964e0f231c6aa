"""The types of values: a dtype and a shape whose dims may be symbolic, or a tuple of such."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.interning import Interned

__all__ = ["TensorType", "TupleType", "Type", "is_differentiable", "signature_text"]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class TensorType(metaclass=Interned):
    """The type of a tensor; equal types are one object.

    >>> from graphc.ir import dtype
    >>> print(TensorType(dtype.f32, (dims.variable("B", 1, 4096), 64)))
    f32[B, 64]
    """

    dtype: DType
    shape: tuple[DimLike, ...]

    def __post_init__(self) -> None:
        for size in self.shape:
            if (type(size) is not int or size < 0) and type(size) is not dims.Dim:
                raise ShapeError(
                    f"a tensor of shape {dims.shape_text(self.shape)}: {size} is no size",
                    hint="a size is a whole number of 0 or more, or a dim",
                )

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> DimLike:
        """Number of elements."""
        return dims.product(self.shape)

    @property
    def nbytes(self) -> DimLike:
        """Bytes of the tensor, stored contiguously."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class TupleType(metaclass=Interned):
    """The type of an operation with several results."""

    elements: tuple[TensorType, ...]

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.elements))
        return f"({inner},)" if len(self.elements) == 1 else f"({inner})"

    def __repr__(self) -> str:
        return str(self)


Type = TensorType | TupleType


def is_differentiable(type_: Type) -> bool:
    """Whether a value has derivatives: a tensor of floats, or a tuple with one."""
    elements = type_.elements if isinstance(type_, TupleType) else (type_,)
    return any(element.dtype.precision for element in elements)


def signature_text(
    name: str, inputs: Iterable[tuple[str, object]], results: Sequence[object]
) -> str:
    """What a function takes and gives; what gives nothing updates state.

    >>> signature_text("predict", [("x", "f32[8]"), ("y", "f32[]")], ["f32[2]"])
    'predict(x: f32[8], y: f32[]) -> f32[2]'
    >>> signature_text("reset", [], [])
    'reset()'
    """
    given = ", ".join(f"{name}: {type_}" for name, type_ in inputs)
    text = f"{name}({given})"
    if not results:
        return text
    found = ", ".join(map(str, results))
    return f"{text} -> {found}" if len(results) == 1 else f"{text} -> ({found})"
