"""What a call is given, checked against the entry's contract and bound to its dims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DimensionError, DTypeError, ShapeError, UsageError, did_you_mean
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dlpack import from_dlpack, has_dlpack
from graphc.ir.sizes import require_counted
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
            hint=f"leave out the last {len(positional) - len(names)}",
            notes=[signature],
        )
    values = dict(zip(names, positional, strict=False))
    for name, value in named.items():
        if name not in names:
            raise UsageError(
                f"{entry.name} has no argument {name!r}",
                code="argument-unknown",
                hint=_named_like(name, names),
                notes=[signature],
            )
        if name in values:
            raise UsageError(
                f"{entry.name}: {name!r} is given twice",
                code="argument-count",
                hint=f"give it by its position or as {name}=..., not both",
                notes=[signature],
            )
        values[name] = value
    missing = [name for name in names if name not in values]
    if missing:
        raise UsageError(
            f"{entry.name} needs {', '.join(map(repr, missing))} as well",
            code="argument-count",
            hint=f"add {', '.join(f'{name}=...' for name in missing)}",
            notes=[signature],
        )
    return [values[name] for name in names]


def _named_like(name: str, names: Sequence[str]) -> str:
    listed = f"its arguments are {', '.join(names)}" if names else "it takes none: leave it out"
    return did_you_mean(name, names) or listed


def _type(entry: Entry, name: str) -> str:
    return next(str(entry.slots[i].type) for i in entry.inputs if entry.slots[i].name == name)


def bind_arguments(entry: Entry, arguments: Sequence[Any]) -> tuple[list[Array], dict[str, int]]:
    """The arguments as contiguous arrays of the declared dtypes, and the values of the dims.

    An array (anything with `__dlpack__` or `__array__`) must have the declared dtype, in either
    byte order; Python numbers and lists are converted to it where it can hold them. Arrays that
    are contiguous and aligned are not copied.

    Raises:
        DTypeError, ShapeError, DimensionError, UsageError: an argument does not fit; the message
            names it.
    """
    slots = [entry.slots[number] for number in entry.inputs]
    arrays = [_array(entry, slot, one) for slot, one in zip(slots, arguments, strict=True)]
    return arrays, _bind_dims(entry, slots, arrays)


def _bind_dims(entry: Entry, slots: Sequence[Slot], arrays: Sequence[Array]) -> dict[str, int]:
    """The values of the named dims. Shapes that determine a dim are read first."""
    environment: dict[str, int] = {}
    waiting = list(zip(slots, arrays, strict=True))
    while waiting:
        later: list[tuple[Slot, Array]] = []
        failure: DimensionError | None = None
        for slot, array in waiting:
            try:
                environment = dims.bind(
                    slot.type.shape, array.shape, environment, f"the argument {slot.name!r}"
                )
            except DimensionError as error:
                failure = error.note(f"{entry.name} declares {slot.name}: {slot.type}")
                if error.code != "dim-unsolvable":
                    raise
                later.append((slot, array))
        if failure is not None and len(later) == len(waiting):
            raise failure
        waiting = later
    missing = sorted(set(entry.dims) - set(environment))
    if missing:
        raise DimensionError(
            f"{entry.name}: no argument says what {missing[0]} is",
            code="dim-unbound",
            hint=f"give an argument whose shape has {missing[0]} alone as a dim",
        )
    require_counted(entry.name, entry.limited, environment)
    return environment


def _array(entry: Entry, slot: Slot, argument: Any) -> Array:
    if isinstance(argument, bool | int | float | complex | list | tuple) and not isinstance(
        argument, np.generic
    ):
        array = _from_python(entry, slot, argument)
    else:
        array = _from_array(entry, slot, argument)
    declared = slot.type.dtype
    if array.dtype.newbyteorder("=") != declared.numpy:
        found = _dtype_name(array.dtype)
        is_bytes = declared.kind == "storage" and array.dtype == np.uint8
        hint = f"convert it: {slot.name}.astype({declared.array_api_name!r})"
        if is_bytes:
            hint = f"if it holds codes: {slot.name}.view({declared.array_api_name!r})"
        raise DTypeError(
            f"{entry.name}: the argument {slot.name!r} is {found}, expected {declared.name}",
            hint=hint,
        )
    if array.ndim != slot.type.rank:
        raise ShapeError(
            f"{entry.name}: the argument {slot.name!r} has shape {array.shape}, "
            f"expected {slot.type}",
            hint=f"a batch of one still needs its axis: {slot.name}[None]"
            if array.ndim == slot.type.rank - 1
            else f"give a shape of {slot.type.rank} sizes, as {slot.type} has",
        )
    return np.require(array, declared.numpy, ["C", "A"])


def _from_array(entry: Entry, slot: Slot, argument: Any) -> Array:
    # Plain arrays first: NumPy imports its masked ones when they are first named.
    if type(argument) is not np.ndarray and isinstance(argument, np.ma.MaskedArray):
        raise UsageError(
            f"{entry.name}: the argument {slot.name!r} is a masked array, whose mask would be lost",
            code="argument-type",
            hint=f"fill it: {slot.name}.filled(0)",
        )
    try:
        if isinstance(argument, np.ndarray) or not has_dlpack(argument):
            array = np.asarray(argument)
        else:
            array = from_dlpack(argument)
    except UsageError as error:
        error.note(f"it is the argument {slot.name!r} of {entry.name}")
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(entry, slot, argument, str(error)) from error
    if array.dtype.kind in "OSUMm":
        raise _unreadable(entry, slot, argument, "it does not hold numbers")
    return array


def _unreadable(entry: Entry, slot: Slot, argument: Any, why: str) -> UsageError:
    return UsageError(
        f"{entry.name}: the argument {slot.name!r}, a {type(argument).__name__}, cannot be read as "
        f"an array: {why}",
        code="argument-type",
        hint="give an array of numbers",
    )


# What may become what without losing its nature.
_KINDS = {"bool": 0, "unsigned": 1, "signed": 1, "float": 2, "storage": 2, "complex": 3}


def _from_python(entry: Entry, slot: Slot, value: Any) -> Array:
    """Numbers and lists of numbers as an array of the declared dtype."""
    declared = slot.type.dtype
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            f"{entry.name}: the argument {slot.name!r}: {error}",
            hint="give lists of equal lengths at each depth",
        ) from None
    if array.dtype.kind not in "biufc":
        what = "a number is too large" if array.dtype == object else f"it holds {array.dtype}"
        raise DTypeError(
            f"{entry.name}: the argument {slot.name!r} cannot become {declared.name}: {what}"
        )
    found = dtypes.from_numpy(array.dtype)
    if array.size and _KINDS[found.kind] > _KINDS[declared.kind]:
        return array
    with np.errstate(all="ignore"):
        converted = array.astype(declared.numpy)
    if declared.is_integer:
        lost = converted.astype(object) != array.astype(object)
    else:
        lost = ~np.isfinite(converted) & np.isfinite(array)
    if np.any(lost):
        raise DTypeError(
            f"{entry.name}: the argument {slot.name!r} holds {array[lost].flat[0]}, which is out "
            f"of the range of {declared.name}"
        )
    return converted


def _dtype_name(dtype: np.dtype[Any]) -> str:
    """The language's name of a dtype, or NumPy's where it has none."""
    try:
        return dtypes.from_numpy(dtype).name
    except DTypeError:
        return str(dtype)
