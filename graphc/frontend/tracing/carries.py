"""The first carry of a loop, in which numbers take the dtypes that the body gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from graphc.errors import DTypeError, GraphcError
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.frontend.tracing.trees import leaves, map_leaves, named_leaves, rebuilt
from graphc.ir import dtype as dtypes
from graphc.ir.ops.broadcasting import promoted

__all__ = [
    "Beside",
    "Seen",
    "beside",
    "carrying",
    "in_dtype_of",
    "is_plain_number",
    "tensors_in",
    "with_numbers",
]


class _Begun(Exception):
    """What an iteration makes of the carries is known, and no loop is made of this beginning."""

    def __init__(self, leaves: list[Any]) -> None:
        super().__init__()
        self.leaves = leaves


Seen = Callable[[list[Any]], None]
"""Is told what an iteration makes of the carries, leaf by leaf, before the loop is made."""

Run = Callable[[Any, Seen], tuple[Sequence[Tensor], Any]]
"""Traces a loop from a first carry: the tensors in its last one, and what else the loop gives.

Where numbers are in the first carry, the loop carries the tensors alone.
"""

Beside = Callable[[Any, Tensor | None], Tensor]
"""A tensor as it is; a number as one, in the dtype of another tensor where it can have that."""

_is_tried: ContextVar[bool] = ContextVar("graphc_body_is_tried", default=False)


def carrying(init: Any, run: Run, beside: Beside, rows: Sequence[Tensor] = ()) -> tuple[Any, Any]:
    """What `run` makes of the first carry, in which numbers have the dtypes that the body gives.

    A number has no dtype of its own, in a loop as elsewhere. So the body is traced with the numbers
    themselves first, which shows what becomes of them. Where it computes with tensors alone, they
    have their default dtypes, and then those that the body makes of these. What is traced for its
    dtypes goes through loops inside of it once.

    Args:
        init: a tree of tensors and numbers.
        rows: what the loop runs over.

    Returns:
        The last carry, and what else the loop gives.
    """
    last: Sequence[Tensor]
    if _is_tried.get():
        last, rest = _with_numbers_to_the_end(init, run, beside)
        return rebuilt(init, last), rest
    first = _first_tensors(init, run, beside)
    refused: GraphcError | None = None
    for start in (first, *_with_floats(init, first, rows)):
        try:
            last, rest = _widening(init, start, run, beside)
            return rebuilt(init, last), rest
        except GraphcError as error:
            if any(one.code != "dtype-promotion" for one in error.errors):
                raise
            refused = refused or error
    assert refused is not None
    raise refused


def _with_numbers_to_the_end(init: Any, run: Run, beside: Beside) -> tuple[list[Tensor], Any]:
    """A loop of which nobody needs more than the types."""
    first = list(leaves(init))
    while True:
        after: list[Any] = []
        last, rest = run(rebuilt(init, first), after.extend)
        found = _met(first, after, beside)
        if all(isinstance(one, Tensor) for one in found) or _is_same(found, first):
            remaining = iter(last)
            return [
                next(remaining) if isinstance(now, Tensor) else beside(now, beside(then, None))
                for now, then in zip(first, after, strict=True)
            ], rest
        first = found


def _met(first: Sequence[Any], after: Sequence[Any], beside: Beside) -> list[Any]:
    """A first carry with those numbers as tensors of which an iteration made tensors."""
    return [
        beside(now, then) if isinstance(then, Tensor) and not isinstance(now, Tensor) else now
        for now, then in zip(first, after, strict=True)
    ]


def _is_same(found: Sequence[Any], first: Sequence[Any]) -> bool:
    return all(one is now for one, now in zip(found, first, strict=True))


def _with_floats(
    init: Any, first: Sequence[Tensor], rows: Sequence[Tensor]
) -> Iterator[list[Tensor]]:
    """The first carry with one whole number of Python's as a float, and then with all of them.

    A tensor of integers has no common dtype with the floats that a body adds to it; a number has.
    """
    floats = [one.dtype for one in (*rows, *first) if one.dtype.kind in ("float", "complex")]
    dtype = floats[0] if floats else dtypes.f32
    places = [place for place, value in enumerate(leaves(init)) if type(value) is int]
    for chosen in (*([place] for place in places), *([places] if len(places) > 1 else [])):
        yield [
            call("cast", one, dtype) if place in chosen else one for place, one in enumerate(first)
        ]


def _widening(
    init: Any, first: list[Tensor], run: Run, beside: Beside
) -> tuple[Sequence[Tensor], Any]:
    given = list(leaves(init))
    for _ in given:

        def seen(after: list[Any], before: list[Tensor] = first) -> None:
            new = [
                now if isinstance(value, Tensor) else beside(value, beside(then, now))
                for value, now, then in zip(given, before, after, strict=True)
            ]
            if any(one.type is not now.type for one, now in zip(new, before, strict=True)):
                raise _Begun(new)

        try:
            return run(rebuilt(init, first), seen)
        except _Begun as begun:
            first = begun.leaves
    return run(rebuilt(init, first), lambda after: None)


def _first_tensors(init: Any, run: Run, beside: Beside) -> list[Tensor]:
    """The first carries, with the numbers of the dtypes that the body makes of numbers."""
    first = list(leaves(init))
    while not all(isinstance(one, Tensor) for one in first):
        after = _tried(run, rebuilt(init, first))
        if after is None:
            return [beside(one, None) for one in first]
        found = _met(first, after, beside)
        if _is_same(found, first):
            return [beside(now, beside(then, None)) for now, then in zip(first, after, strict=True)]
        first = found
    return first


def _tried(run: Run, first: Any) -> list[Any] | None:
    """What an iteration makes of carries with numbers among them; None where it needs tensors."""

    def seen(after: list[Any]) -> None:
        raise _Begun(after)

    token = _is_tried.set(True)
    try:
        run(first, seen)
    except _Begun as begun:
        return begun.leaves
    except Exception:
        # Whatever a function of the user raises where it is given numbers for tensors.
        return None
    finally:
        _is_tried.reset(token)
    return None


def with_numbers(form: Any, tensors: Sequence[Tensor]) -> Any:
    """A first carry with other tensors in the places of its own, and the numbers that it has."""
    remaining = iter(tensors)
    return map_leaves(lambda leaf: next(remaining) if isinstance(leaf, Tensor) else leaf, form)


def tensors_in(form: Any, name: str) -> list[tuple[str, Tensor]]:
    """The tensors of a first carry, each with what it is called in errors."""
    return [(what, leaf) for what, leaf in named_leaves(form, name) if isinstance(leaf, Tensor)]


def in_dtype_of(value: Any, tensor: Tensor, otherwise: Tensor) -> Tensor:
    """A Python number in the dtype of a tensor, where beside that it would have no other."""
    if not is_plain_number(value) or promoted(tensor.node, value)[1].dtype is not tensor.dtype:
        return otherwise
    number: Tensor = call("full", (), value, tensor.dtype)
    return number


def is_plain_number(value: Any) -> bool:
    """Whether a value is a number of Python, which has no dtype."""
    is_plain = isinstance(value, bool | int | float | complex)
    return is_plain and not isinstance(value, np.generic)


def beside(value: Any, other: Tensor | None) -> Tensor:
    """A value as a tensor, a number in the dtype of another one if that can hold it."""
    own = as_tensor(value, "the number")
    try:
        return own if other is None else in_dtype_of(value, other, own)
    except DTypeError:
        return own
