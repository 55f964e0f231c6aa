"""What tells the values apart that a function captures: contents where there are some."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MethodType
from typing import Any, TypeAlias

import numpy as np

from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.dlpack import has_dlpack

__all__ = [
    "BUFFERS",
    "Container",
    "Path",
    "Plain",
    "Same",
    "Structure",
    "changes",
    "value_key",
    "value_keys",
]

Plain = bool | int | float | complex | str | bytes
"""What is told apart by its text."""

BUFFERS: tuple[type[Any], ...] = (bytearray, memoryview, array.array)
"""What is told apart by the bytes that it holds."""

Path: TypeAlias = tuple[Any, ...]
"""Names, places and keys, one inside the other."""


@dataclass(frozen=True)
class Structure:
    """In place of what is told apart by its parts alone: its kind, and where it was met first."""

    kind: type[Any]
    path: Path


class Container(Structure):
    """In place of a container, whose parts have places and keys."""


class Same:
    """A value in a key by its identity, which it keeps alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def value_key(value: Any) -> Hashable:
    """What tells values apart: numbers, texts and arrays by content, all else by identity.

    >>> value_key(np.zeros(2)) == value_key(np.zeros(2)), value_key(0.0) == value_key(-0.0)
    (True, False)
    """
    if isinstance(value, Plain) and not isinstance(value, np.generic):
        # By its text: -0.0 is another constant than 0.0.
        return type(value), repr(value)
    if isinstance(value, Structure | MethodType):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        elements = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return type(value), value.dtype, value.shape, hashlib.sha256(elements.data).digest()
    if isinstance(value, BUFFERS):
        buffer = memoryview(value)
        content = hashlib.sha256(buffer.tobytes()).digest()
        return type(value), buffer.format, buffer.shape, content
    if has_dlpack(value) and not isinstance(value, np.ndarray | Tensor):
        # An array of another library, if its memory can be read here.
        with suppress(Exception):
            return type(value), value_key(np.from_dlpack(value))
    return Same(value)


def value_keys(captured: Mapping[Path, Any]) -> dict[Path, Hashable]:
    """The key of each value, as it is now.

    >>> value_keys({("rate",): 0.5})
    {('rate',): (<class 'float'>, '0.5')}
    """
    return {path: value_key(value) for path, value in captured.items()}


def changes(before: Mapping[Path, Hashable], after: Mapping[Path, Hashable]) -> set[Path]:
    """What has another key, and containers that have other parts: they may have more each time.

    >>> changes({("a",): 1, ("b",): 2}, {("a",): 3, ("b",): 2, ("c",): 4})
    {('a',)}
    """
    changed = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    owners = {path[:-1] for path in before.keys() ^ after.keys()}
    return changed | {
        path for path in owners if isinstance(before.get(path, after.get(path)), Container)
    }
