"""Whether the indices of a kernel can be computed in 32 bits."""

from __future__ import annotations

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dims.atoms import Atom, Variable
from graphc.ir.expr import walk
from graphc.ir.kernel import Kernel, expressions, indices, own_indices, statements

__all__ = ["fits_in_32_bits"]

# Half of the range of int: loops over blocks and threads go on beyond their end by one stride.
_LARGEST = 2**30


def fits_in_32_bits(kernel: Kernel) -> bool:
    """Whether every index, and every sum and product on the way to it, is proved to fit.

    The ranges of the dims decide, not the sizes of one call.
    """
    found = [kernel.grid, kernel.step, *kernel.scalars]
    for statement in statements(kernel.body):
        found += own_indices(statement)
        for expr in walk(*expressions(statement)):
            found += indices(expr)
    return all(_magnitude(index) <= _LARGEST for index in dict.fromkeys(found))


def _magnitude(index: DimLike) -> int:
    """A bound on the absolute value of everything that is computed for an index."""
    if isinstance(index, int):
        return abs(index)
    total = 0
    for monomial, coefficient in index.terms:
        product = abs(coefficient)
        for atom in monomial:
            product *= _atom_magnitude(atom)
        total += product
    return total


def _atom_magnitude(atom: Atom) -> int:
    if isinstance(atom, Variable):
        return max(abs(atom.lo), abs(atom.hi)) // atom.multiple
    inner = [_magnitude(argument) for argument in atom.arguments]
    if max(inner) > _LARGEST or atom.kind in ("max", "min"):
        return max(inner)
    dividend, divisor = atom.arguments
    if atom.kind == "%":
        return min(inner) if dims.bounds(dividend)[0] >= 0 else inner[1]
    # Rounding down moves a negative quotient away from zero.
    return inner[0] // max(dims.bounds(divisor)[0], 1) + 1
