"""What names in types mean: `f32["B", 64]` beside a declared dim B, or with the default range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphc.errors import DimensionError, UsageError
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.trees import leaves
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.spec import TensorSpec
from graphc.ir.types import TensorType

__all__ = ["DEFAULT_RANGE", "dim", "named_dims"]

DEFAULT_RANGE = (1, 2**31 - 1)
"""What a named dim ranges over where no declaration says otherwise."""


def dim(
    name: str = "", lo: int = DEFAULT_RANGE[0], hi: int = DEFAULT_RANGE[1], multiple: int = 1
) -> Dim:
    """A size that each call chooses: one of the multiples of `multiple` in `lo..hi`.

    >>> dim("B", 1, 4096) * 2
    B*2

    Raises:
        DimensionError: the name is no identifier, or the range holds no value.
        UsageError: what is no name, or no whole number.
    """
    if name == "":
        raise UsageError("a dim needs a name", code="argument-missing", hint=_USAGE)
    if not isinstance(name, str):
        raise UsageError(f"a dim is called {shown(name)}, expected a text", hint=_USAGE)
    for what, value in (("lo", lo), ("hi", hi), ("multiple", multiple)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise UsageError(
                f"dim {name}: {what} is {shown(value)}, expected a whole number", hint=_USAGE
            )
    return dims.variable(name, int(lo), int(hi), int(multiple))


_USAGE = 'write gc.dim("B", 1, 4096), or f32["B", 64] where any size fits'


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
    types = [leaf for leaf in leaves(list(arguments)) if isinstance(leaf, TensorSpec | TensorType)]
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
