"""Values of Python in messages, which no array of thousands of numbers fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend.tracing.trees import map_leaves
from graphc.ir.record import Record

__all__ = ["shown"]

_LENGTH = 80


def shown(value: Any) -> str:
    """A value in one short line, with its type where that is not plain to see.

    >>> shown(np.ones((2, 3))), shown({"a": [np.zeros(4, np.float32)]}), shown(3)
    ('array float64[2, 3]', "{'a': [array float32[4]]}", '3 (int)')
    """
    if isinstance(value, np.ndarray):
        return repr(_type_of(value))
    is_nested = isinstance(value, list | tuple | dict)
    text = " ".join(repr(map_leaves(_type_of, value) if is_nested else value).split())
    text = text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
    is_plain = is_nested or value is None or text.startswith("<")
    return text if is_plain else f"{text} ({type(value).__name__})"


class _ArrayType(Record):
    """The type of an array, which stands for it in a text."""

    dtype: str
    shape: tuple[int, ...]

    def __repr__(self) -> str:
        return f"array {self.dtype}[{', '.join(map(str, self.shape))}]"


def _type_of(leaf: Any) -> Any:
    is_array = isinstance(leaf, np.ndarray)
    return _ArrayType(str(leaf.dtype), leaf.shape) if is_array else leaf
