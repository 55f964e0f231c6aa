"""Maximum and minimum in normal form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from graphc.errors import DimensionError
from graphc.ir.dims.atoms import Opaque, opaque_atom, sort_key
from graphc.ir.dims.dim import Dim, DimLike, check_size, from_atom, rules
from graphc.ir.dims.proofs import always_less_equal

_Kind: TypeAlias = Literal["max", "min"]


def maximum(*dims: DimLike) -> DimLike:
    """The largest of one or more dimensions; those proved never to win are dropped.

    >>> from graphc.ir.dims import variable
    >>> A, B = variable("A", 1, 8), variable("B", 1, 64)
    >>> maximum(A, B, 1), maximum(A, A + 1)
    (max(A, B), A + 1)
    """
    return _extremum("max", dims)


def minimum(*dims: DimLike) -> DimLike:
    """The smallest of one or more dimensions; those proved never to win are dropped."""
    return _extremum("min", dims)


rules["max"] = maximum
rules["min"] = minimum


def _extremum(kind: _Kind, dims: Sequence[DimLike]) -> DimLike:
    if not dims:
        raise DimensionError(
            f"{kind} of no dimensions", code="dim-empty", hint="give one dimension at least"
        )
    candidates = sorted({x for d in dims for x in _operands(kind, d)}, key=sort_key)
    # Every pair is compared below: the limit of size comes first.
    check_size(sum(d.size if isinstance(d, Dim) else 1 for d in candidates), 0, ())
    kept: list[DimLike] = []
    for candidate in candidates:
        if not any(_never_wins(kind, candidate, other) for other in kept):
            kept = [other for other in kept if not _never_wins(kind, other, candidate)]
            kept.append(candidate)
    return kept[0] if len(kept) == 1 else from_atom(Opaque(kind, tuple(kept)))


def _operands(kind: _Kind, d: DimLike) -> tuple[DimLike, ...]:
    nested = opaque_atom(d, kind)
    return nested.arguments if nested else (d,)


def _never_wins(kind: _Kind, a: DimLike, b: DimLike) -> bool:
    return always_less_equal(a, b) if kind == "max" else always_less_equal(b, a)
