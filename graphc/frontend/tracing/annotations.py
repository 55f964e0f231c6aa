"""What the annotation of a parameter has room for, and what errors call that."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.node import Node

__all__ = ["expected", "room"]

Room = Callable[[Any], bool]

_SIZES = frozenset((int, Dim))


@functools.cache
def room(annotation: Any) -> Room:
    """Whether a value may stand for a parameter, by its annotation.

    What it says of texts and numbers is their kind alone: the function knows which it takes.

    >>> fits = room(int | list[int])
    >>> fits((2, 3)), fits((2, 0.5)), fits(True)
    (True, False, False)
    """
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object) or DType in (annotation, *inside):
        return lambda value: True  # what means a dtype is read, and refused, by `as_dtype`
    if origin in (Union, types.UnionType):
        return _any_of(frozenset(inside))
    if origin is Literal:
        return _instance(*{type(one) for one in inside})
    if origin is tuple and Ellipsis not in inside:
        parts = tuple(map(room, inside))
        return lambda value: (
            isinstance(value, list | tuple)
            and len(value) == len(parts)
            and all(fits(one) for fits, one in zip(parts, value, strict=True))
        )
    if isinstance(origin, type) and issubclass(origin, Iterable):
        fits = room(inside[0])
        return lambda value: isinstance(value, list | tuple | range) and all(map(fits, value))
    return _KINDS.get(annotation) or _instance(annotation)


def _any_of(choices: frozenset[Any]) -> Room:
    rooms = [room(one) for one in choices]
    if choices.isdisjoint((bool, float)) and choices >= _SIZES:
        refused: type = bool
    elif Node in choices and Dim not in choices:
        refused = Dim
    else:
        return lambda value: any(fits(value) for fits in rooms)
    return lambda value: not isinstance(value, refused) and any(fits(value) for fits in rooms)


def _instance(*kinds: type) -> Room:
    return lambda value: isinstance(value, kinds)


_KINDS: Mapping[Any, Room] = {
    bool: _instance(bool, int, types.NoneType),
    float: _instance(int, float, complex, Dim),
    complex: _instance(int, float, complex),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
}
"""The types in whose place others may stand, or not all that Python counts among them."""

_NAMES: Mapping[Any, str] = {
    Any: "a value",
    object: "a value",
    Node: "a tensor",
    int: "a whole number",
    float: "a number",
    complex: "a number",
    bool: "True or False",
    str: "a text",
    slice: "a slice",
    types.EllipsisType: "...",
}


@functools.cache
def expected(annotation: Any) -> str:
    """What has a place, in words.

    >>> expected(int | list[int] | None)
    'a whole number or a list of whole numbers'
    """
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        parts = [one for one in inside if one is not types.NoneType]
        is_size = _SIZES.issubset(parts)
        words = [
            "a size" if is_size and one is int else expected(one)
            for one in parts
            if not (is_size and one is Dim)
        ]
        # Unions are equal in every order, and have one answer: the shortest words go first.
        return " or ".join(sorted(set(words), key=lambda one: (len(one), one)))
    if origin is Literal:
        return " or ".join({_NAMES[type(one)]: None for one in inside})
    if isinstance(origin, type) and issubclass(origin, Iterable):
        words = [word.split(" ", 1)[1] for word in expected(inside[0]).split(" or ") if " " in word]
        many = " or ".join(word if " of " in word else f"{word}s" for word in words)
        return f"a list of {many}" if many else "a list"
    return _NAMES.get(annotation) or annotation.__name__
