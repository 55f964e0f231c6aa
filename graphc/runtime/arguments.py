"""What a call is given, checked against the entry's contract and bound to its dims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DimensionError, DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.runtime.program import Entry, Slot

__all__ = ["bind_arguments", "ordered_arguments"]

Array = np.ndarray[Any, Any]


def ordered_arguments(
    entry: Entry, positional: Sequence[Any], named: Mapping[str, Any]
) -> list[Any]:
    """The arguments of a call in the entry's order.

    Raises:
        UsageError: too many, too few, unknown or repeated ones.
    """
    names = [entry.slots[slot].name for slot in entry.inputs]
    if not named and len(positional) == len(names):
        return list(positional)
    signature = f"{entry.name}({', '.join(f'{n}: {_type(entry, n)}' for n in names)})"
    if len(positional) > len(names):
        raise UsageError(
            f"{entry.name} takes {len(names)} arguments, {len(positional)} were given",
            code="argument-count",
            notes=[signature],
        )
    values = dict(zip(names, positional, strict=False))
    for name, value in named.items():
        if name not in names:
            raise UsageError(
                f"{entry.name} has no argument {name!r}", code="argument-unknown", notes=[signature]
            )
        if name in values:
            raise UsageError(
                f"{entry.name}: {name!r} is given twice", code="argument-count", notes=[signature]
            )
        values[name] = value
    missing = [name for name in names if name not in values]
    if missing:
        raise UsageError(
            f"{entry.name} needs {', '.join(map(repr, missing))} as well",
            code="argument-count",
            notes=[signature],
        )
    return [values[name] for name in names]


def _type(entry: Entry, name: str) -> str:
    return next(str(entry.slots[i].type) for i in entry.inputs if entry.slots[i].name == name)


def bind_arguments(entry: Entry, arguments: Sequence[Any]) -> tuple[list[Array], dict[str, int]]:
    """The arguments as contiguous arrays of the declared dtypes, and the values of the dims.

    An array must have the declared dtype; Python numbers and lists are converted to it.

    Raises:
        DTypeError, ShapeError, DimensionError: an argument does not fit; the message names it.
    """
    arrays: list[Array] = []
    environment: dict[str, int] = {}
    for number, argument in zip(entry.inputs, arguments, strict=True):
        slot = entry.slots[number]
        array = _array(entry, slot, argument)
        try:
            environment = dims.bind(slot.type.shape, array.shape, environment)
        except DimensionError as error:
            raise error.note(_expected(entry, slot)) from None
        except ShapeError as error:
            raise error.note(_expected(entry, slot)) from None
        arrays.append(array)
    missing = sorted(set(entry.dims) - set(environment))
    if missing:
        raise DimensionError(
            f"{entry.name}: no argument says what {missing[0]} is",
            hint=f"give an argument whose shape has {missing[0]} alone as a dim",
        )
    return arrays, environment


def _expected(entry: Entry, slot: Slot) -> str:
    return f"in argument {slot.name!r} of {entry.name}, declared as {slot.type}"


def _array(entry: Entry, slot: Slot, argument: Any) -> Array:
    dtype = slot.type.dtype.numpy
    if isinstance(argument, np.ndarray):
        array = argument
    elif isinstance(argument, bool | int | float | complex | list | tuple):
        array = _from_python(entry, slot, argument)
    elif hasattr(argument, "__dlpack__"):
        array = np.from_dlpack(argument)
    else:
        array = np.asarray(argument)
    if array.dtype != dtype:
        found = dtypes.from_numpy(array.dtype)
        raise DTypeError(
            f"{entry.name}: argument {slot.name!r} is {found.name}, expected {slot.type.dtype.name}",
            hint=f"convert it: {slot.name}.astype({dtype.name!r})",
        )
    if len(array.shape) != slot.type.rank:
        raise ShapeError(
            f"{entry.name}: argument {slot.name!r} has shape {array.shape}, expected {slot.type}",
            hint="a batch of one still needs its axis: x[None]"
            if array.ndim == slot.type.rank - 1
            else None,
        )
    return np.require(array, requirements=["C", "A"])


def _from_python(entry: Entry, slot: Slot, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{entry.name}: argument {slot.name!r}: {error}") from None
    target = slot.type.dtype.numpy
    if array.size == 0 or np.can_cast(array.dtype, target, casting="same_kind"):
        return array.astype(target)
    if array.dtype.kind in "iub" and target.kind in "iufc":
        converted = array.astype(target)
        if np.array_equal(converted, array):
            return converted
    return array
