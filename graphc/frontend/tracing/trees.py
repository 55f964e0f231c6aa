"""Nested containers of tensors: their leaves in order, and the same containers around others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["leaves", "map_leaves", "rebuilt"]


def leaves(tree: Any) -> Iterator[Any]:
    """What lists, tuples and dicts hold, in order; None holds nothing, all else is a leaf.

    >>> list(leaves({"a": 1, "b": (2, [3], None)}))
    [1, 2, 3]
    """
    if isinstance(tree, list | tuple):
        for part in tree:
            yield from leaves(part)
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from leaves(part)
    elif tree is not None:
        yield tree


def rebuilt(tree: Any, values: Iterable[Any]) -> Any:
    """The containers of `tree` around `values`, one for each leaf.

    >>> rebuilt({"a": 1, "b": (2, [3], None)}, "xyz")
    {'a': 'x', 'b': ('y', ['z'], None)}
    """
    return _rebuilt(tree, iter(values))


def _rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, list):
        return [_rebuilt(part, values) for part in tree]
    if isinstance(tree, tuple):
        parts = (_rebuilt(part, values) for part in tree)
        # A named tuple takes its fields one by one.
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, dict):
        return {key: _rebuilt(part, values) for key, part in tree.items()}
    return None if tree is None else next(values)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The containers of `tree` around what the function makes of each leaf.

    >>> map_leaves(lambda x: 2 * x, {"a": 1, "b": (2, [3])})
    {'a': 2, 'b': (4, [6])}
    """
    return rebuilt(tree, map(function, leaves(tree)))
