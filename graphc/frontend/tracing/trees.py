"""Nested containers of tensors: their leaves in order, and the same containers around others.

Containers are lists, tuples, named tuples, dicts and dataclasses. A field of a dataclass that is
declared as `field(metadata={"static": True})` holds no leaves: it is a fact about the container.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = [
    "leaves",
    "map_leaves",
    "named_leaves",
    "pairs",
    "parts",
    "rebuilt",
    "statics",
    "with_parts",
]


def parts(tree: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by the place, key or name of a field; None for a leaf.

    >>> parts((5, 6)), parts({"a": 1}), parts(None), parts(7)
    ({0: 5, 1: 6}, {'a': 1}, {}, None)
    """
    if tree is None:
        return {}
    if isinstance(tree, list | tuple):
        return dict(zip(getattr(tree, "_fields", range(len(tree))), tree, strict=True))
    if isinstance(tree, dict):
        return tree
    return _fields(tree, static=False) if _is_open(tree) else None


def statics(tree: Any) -> Mapping[str, Any]:
    """The static fields of a dataclass."""
    return _fields(tree, static=True) if _is_open(tree) else {}


def _is_open(tree: Any) -> bool:
    return is_dataclass(tree) and not isinstance(tree, type) and not _is_own(type(tree))


def _is_own(kind: type[Any]) -> bool:
    """Whether a class, or one that it inherits from, is of this package: nodes, types, models."""
    return any(one.__module__.partition(".")[0] == "graphc" for one in kind.__mro__)


def _fields(tree: Any, static: bool) -> dict[str, Any]:
    return {
        one.name: getattr(tree, one.name)
        for one in fields(tree)
        if bool(one.metadata.get("static")) is static and hasattr(tree, one.name)
    }


def leaves(tree: Any) -> Iterator[Any]:
    """What containers hold, in order; None holds nothing, all else is a leaf.

    >>> list(leaves({"a": 1, "b": (2, [3], None)}))
    [1, 2, 3]
    """
    inside = parts(tree)
    if inside is None:
        yield tree
    else:
        for part in inside.values():
            yield from leaves(part)


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each leaf with what it is called in a message, where the tree is called `name`.

    >>> list(named_leaves({"a": 1, "b": (2, 3)}, "x"))
    [("x['a']", 1), ("x['b'][0]", 2), ("x['b'][1]", 3)]
    """
    inside = parts(tree)
    if inside is None:
        yield name, tree
    else:
        for key, part in inside.items():
            yield from named_leaves(part, f"{name}{_place(tree, key)}")


def _place(tree: Any, key: Any) -> str:
    return f"[{key!r}]" if isinstance(tree, dict) or isinstance(key, int) else f".{key}"


def rebuilt(tree: Any, values: Iterable[Any]) -> Any:
    """The containers of `tree` around `values`, one for each leaf.

    Dataclasses are made without calling their `__init__`: it may compute with the values.

    >>> rebuilt({"a": 1, "b": (2, [3], None)}, "xyz")
    {'a': 'x', 'b': ('y', ['z'], None)}
    """
    return _rebuilt(tree, iter(values))


def _rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    inside = parts(tree)
    if inside is None:
        return next(values)
    return with_parts(tree, {key: _rebuilt(part, values) for key, part in inside.items()})


def with_parts(tree: Any, made: Mapping[Any, Any]) -> Any:
    """A container like `tree`, with what `made` has for each of its parts.

    >>> with_parts({"a": 1}, {"a": 2})
    {'a': 2}
    """
    if isinstance(tree, list):
        return list(made.values())
    if isinstance(tree, tuple):
        return tree._make(made.values()) if hasattr(tree, "_make") else tuple(made.values())
    if isinstance(tree, dict):
        # A copy keeps its class, and the default of a defaultdict.
        same = copy.copy(tree)
        for key, value in made.items():
            same[key] = value
        return same
    return None if tree is None else _dataclass(type(tree), {**made, **statics(tree)})


def _dataclass(kind: type[Any], values: Mapping[str, Any]) -> Any:
    made = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The containers of `tree` around what the function makes of each leaf.

    >>> map_leaves(lambda x: 2 * x, {"a": 1, "b": (2, [3])})
    {'a': 2, 'b': (4, [6])}
    """
    return rebuilt(tree, map(function, leaves(tree)))


def pairs(one: Any, other: Any) -> list[tuple[str, Any, Any]] | None:
    """The parts of two containers of one kind, in the order of the second; None if they differ.

    A list may stand for a tuple, and a dict may have its keys in another order. Each pair has its
    place, as a message names it.

    >>> pairs({"b": 1, "a": 2}, {"a": 3, "b": 4})
    [("['a']", 2, 3), ("['b']", 1, 4)]
    """
    mine, its = parts(one), parts(other)
    if mine is None or its is None or _kind(one) != _kind(other) or mine.keys() != its.keys():
        return None
    return [(_place(other, key), mine[key], part) for key, part in its.items()]


def _kind(tree: Any) -> Any:
    for kind in (dict, list):
        if isinstance(tree, kind):
            return kind
    return list if type(tree) is tuple else (type(tree), *statics(tree).items())
