"""What names in types mean: `f32["B", 64]` beside a declared dim B, or with the default range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphc.errors import DimensionError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.spec import TensorSpec
from graphc.ir.types import TensorType

__all__ = ["DEFAULT_RANGE", "named_dims"]

DEFAULT_RANGE = (1, 2**31 - 1)
"""What a named dim ranges over where no declaration says otherwise."""


def named_dims(
    arguments: Iterable[Any], declared: Iterable[Dim] = (), known: Iterable[Dim] = ()
) -> dict[str, DimLike]:
    """The dim that each name means, in all types among `arguments`.

    A name that neither `declared` nor a type has a dim for is the one of `known`, or else ranges
    over `DEFAULT_RANGE`.

    >>> from graphc.ir.dtype import f32
    >>> B = dims.variable("B", 1, 8)
    >>> found = named_dims([f32["B", "N"], (f32[B],)])
    >>> found["B"] is B, found["N"]
    (True, N)

    Raises:
        DimensionError: one name is declared with two ranges, or begins with '_'.
    """
    types = [type_ for argument in arguments for type_ in _types_in(argument)]
    sizes = [size for type_ in types for size in type_.shape]
    found: dict[str, DimLike] = {}
    for size in (*declared, *sizes):
        variables = dims.variables(size) if isinstance(size, Dim) else {}
        for name, variable in variables.items():
            _check_name(name)
            if found.setdefault(name, variable) is not variable:
                raise DimensionError(
                    f"the dim {name} is declared with two ranges",
                    code="dim-conflict",
                    hint="declare it once, and use that dim, or its name, everywhere",
                )
    others = {str(dim): dim for dim in known}
    for type_ in types:
        for name in type_.names() if isinstance(type_, TensorSpec) else ():
            _check_name(name)
            if name not in found:
                is_known = name in others
                found[name] = others[name] if is_known else dims.variable(name, *DEFAULT_RANGE)
    return found


def _check_name(name: str) -> None:
    if name.startswith("_"):
        raise DimensionError(
            f"a dim cannot be called {name!r}: names that begin with '_' are the compiler's own",
            code="dim-name",
            hint=f"call it {name.strip('_') or 'N'!r}",
        )


def _types_in(value: Any) -> Iterator[TensorSpec | TensorType]:
    if isinstance(value, TensorSpec | TensorType):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _types_in(part)
    elif isinstance(value, dict):
        yield from _types_in(list(value.values()))
