"""Types as they are written in Python, `f32["B", 64]`, before names of dims are looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from graphc.errors import DimensionError
from graphc.ir.dims import Dim, DimLike, from_text, variable
from graphc.ir.record import Record

if TYPE_CHECKING:
    from graphc.ir.dtype import DType

__all__ = ["Size", "TensorSpec"]

Size = int | str | Dim
_NAME = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = ("max", "min")


class TensorSpec(Record):
    """A dtype with a shape of numbers, dims, and texts such as "B" or "2*T + 1".

    Made by indexing a dtype; a trace gives the names in texts their ranges.

    >>> from graphc.ir import dtype
    >>> dtype.f32["B", 64], dtype.i32[()]
    (f32[B, 64], i32[])
    """

    dtype: DType
    shape: tuple[Size, ...]

    @classmethod
    def of(cls, dtype: DType, sizes: object) -> TensorSpec:
        """The spec for `dtype[sizes]`.

        Raises:
            DimensionError: a size that is no number, dim or expression of names.
        """
        given = sizes if isinstance(sizes, tuple) else (sizes,)
        for size in given:
            if isinstance(size, str):
                _require_expression(size)
                continue
            is_number = isinstance(size, int) and not isinstance(size, bool) and size >= 0
            if not is_number and not isinstance(size, Dim):
                raise DimensionError(
                    f"{dtype.name}[...]: {size!r} is no size",
                    code="dim-size-invalid",
                    hint='write numbers and names: f32["B", 64]; a single number is f32[()]',
                )
        return cls(dtype, given)

    def names(self) -> Iterator[str]:
        """The names that occur in the texts."""
        for size in self.shape:
            if isinstance(size, str):
                yield from _names(size)

    def sizes(self, named: Mapping[str, DimLike]) -> tuple[DimLike, ...]:
        """The shape with the texts read as expressions over `named`.

        Raises:
            DimensionError: a text that is no expression, or an unknown name.
        """
        return tuple(from_text(s, named) if isinstance(s, str) else s for s in self.shape)

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


def _names(text: str) -> Iterator[str]:
    return (name for name in _NAME.findall(text) if name not in _FUNCTIONS)


def _require_expression(text: str) -> None:
    """Refuse a text that is no expression, or names what cannot be a dim.

    Raises:
        DimensionError: it is one.
    """
    try:
        from_text(text, {name: variable(name, 1, 2) for name in _names(text)})
    except DimensionError as error:
        # Whether 8 // (B - 1) has a value is known once B has its range.
        if error.code in ("dim-text", "dim-name"):
            raise
