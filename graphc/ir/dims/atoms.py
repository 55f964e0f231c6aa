"""What polynomials are made of: variables, opaque atoms, and products of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from graphc.ir.interning import Interned

if TYPE_CHECKING:
    from graphc.ir.dims.dim import DimLike

OpaqueKind: TypeAlias = Literal["//", "%", "max", "min"]
SortKey: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Variable(metaclass=Interned):
    """A named dimension: every value is a multiple of `multiple` in `lo..hi`, both included.

    As an atom it counts in units of `multiple`, so that divisibility is arithmetic of
    coefficients: the atom of `B: 8..4096, a multiple of 8` is `B//8`, and `B` is 8 times the atom.
    """

    name: str
    lo: int
    hi: int
    multiple: int = 1
    key: SortKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The total order of atoms: variables by name, then by range, before opaque atoms.
        key = (0, self.name, self.lo, self.hi, self.multiple)
        object.__setattr__(self, "key", key)

    def __reduce__(self) -> tuple[type[Variable], tuple[Any, ...]]:
        return Variable, (self.name, self.lo, self.hi, self.multiple)

    def range_text(self) -> str:
        """The range for a person: `1..4096`, and the multiple where there is one."""
        text = f"{self.lo}..{self.hi}"
        return text if self.multiple == 1 else f"{text}, a multiple of {self.multiple}"

    def admits(self, value: int) -> bool:
        """Whether `value` is in the range and divisible by the multiple."""
        return self.lo <= value <= self.hi and value % self.multiple == 0


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Opaque(metaclass=Interned):
    """A floor division, modulo, maximum or minimum that polynomial arithmetic cannot open."""

    kind: OpaqueKind
    arguments: tuple[DimLike, ...]
    key: SortKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys = tuple(sort_key(argument) for argument in self.arguments)
        object.__setattr__(self, "key", (1, self.kind, keys))

    def __reduce__(self) -> tuple[type[Opaque], tuple[Any, ...]]:
        return Opaque, (self.kind, self.arguments)


Atom: TypeAlias = Variable | Opaque
Monomial: TypeAlias = tuple[Atom, ...]
"""A product of atoms in their order, repeated for powers; `()` is the constant one."""
Terms: TypeAlias = dict[Monomial, int]
"""A polynomial: monomials with their coefficients."""
TermsView: TypeAlias = Mapping[Monomial, int]


def sort_key(d: DimLike) -> SortKey:
    """Key of a total order of dimensions that is the same in every process."""
    return (0, d) if isinstance(d, int) else d.key


def monomial_key(monomial: Monomial) -> SortKey:
    """Key of the graded lexicographic order, highest degree first.

    The order is compatible with multiplication, which long division needs.
    """
    return -len(monomial), tuple(atom.key for atom in monomial)


def opaque_atom(d: DimLike, kind: OpaqueKind) -> Opaque | None:
    """The atom that `d` consists of, where that is one opaque atom of this kind."""
    if isinstance(d, int) or len(d.terms) != 1:
        return None
    ((monomial, coefficient),) = d.terms
    if coefficient != 1 or len(monomial) != 1:
        return None
    atom = monomial[0]
    return atom if isinstance(atom, Opaque) and atom.kind == kind else None
