"""Checks of index ranges: variables hold what they count, and indices are inside storage."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir import dims
from graphc.ir.dims import DimLike, polynomial
from graphc.ir.dims.atoms import Opaque, TermsView
from graphc.ir.dims.dim import from_terms, terms_of
from graphc.ir.expr import Buffer, Load, Space, computed_always, walk
from graphc.ir.kernel import (
    Address,
    Call,
    Fold,
    Kernel,
    LetIndex,
    Loop,
    Statement,
    Store,
    expressions,
)
from graphc.ir.kernels.scopes import Definition, Scope, Violation, opened, visits

__all__ = ["bounds", "ranges"]


def ranges(kernel: Kernel) -> Iterator[Violation]:
    """The range of an index variable holds every value that it takes."""
    if not _holds(Definition(kernel.step, count=kernel.grid), Scope()):
        yield Violation(f"{kernel.step} does not hold every step of {kernel.grid}")
    for visit in visits(kernel):
        statement, scope = visit.statement, visit.scope
        found: list[Definition] = []
        match statement:
            case Loop(variable, extent, _, _):
                found.append(Definition(variable, count=extent))
            case LetIndex(variable, index):
                found.append(Definition(variable, value=index))
            case Fold(loops, _):
                found += [Definition(variable, count=extent) for variable, extent in loops]
            case _:
                pass
        for definition in found:
            if not _holds(definition, scope):
                what = definition.value if definition.count is None else definition.count
                low, high = dims.bounds(definition.variable)
                text = f"{definition.variable} is {low}..{high}, which is not proved to hold {what}"
                yield visit.violation(text)


def _holds(definition: Definition, scope: Scope) -> bool:
    """Whether every value of the variable is proved to be in its range."""
    low, high = dims.bounds(definition.variable)
    multiple = next(iter(definition.variable.names.values())).multiple
    if definition.value is not None and not dims.divides(definition.value, multiple):
        return False
    if definition.value is not None:
        last = _last_quotient(definition.value, scope)
        highest = definition.value if last is None else last
        return _proved(low, definition.value, scope) and _proved(highest, high, scope)
    assert definition.count is not None
    return low <= 0 and multiple == 1 and _proved(definition.count, high + 1, scope)


def _last_quotient(value: DimLike, scope: Scope) -> DimLike | None:
    """The largest value of `v // d` where v counts to a multiple p * d: p - 1; None otherwise."""
    if isinstance(value, int) or len(value.terms) != 1:
        return None
    ((monomial, coefficient),) = value.terms
    atom = monomial[0] if len(monomial) == 1 and coefficient == 1 else None
    if not isinstance(atom, Opaque) or atom.kind != "//":
        return None
    numerator, divisor = atom.arguments
    names = list(dims.variables(numerator))
    definition = scope.indices.get(names[0]) if len(names) == 1 else None
    if definition is None or definition.count is None or definition.variable is not numerator:
        return None
    count = terms_of(definition.count)
    quotient, rest = polynomial.divide(count, _where_it_runs(terms_of(divisor), count))
    return from_terms(quotient) - 1 if not polynomial.nonzero(rest) else None


def _where_it_runs(divisor: TermsView, count: TermsView) -> TermsView:
    """The divisor with `E` for every factor `max(1, E)` whose `E` divides the count.

    Where something runs, the count is not 0, and so `E` is not.
    """
    opened: TermsView = polynomial.ONE
    if len(divisor) != 1:
        return divisor
    ((monomial, coefficient),) = divisor.items()
    for atom in monomial:
        factor: TermsView = {(atom,): 1}
        if isinstance(atom, Opaque) and atom.kind == "max" and 1 in atom.arguments:
            (extent,) = (one for one in atom.arguments if one != 1)
            rest = polynomial.divide(count, terms_of(extent))[1]
            if dims.always_less_equal(0, extent) and not polynomial.nonzero(rest):
                factor = terms_of(extent)
        opened = polynomial.multiply(opened, factor)
    return polynomial.scale(opened, coefficient)


def bounds(kernel: Kernel) -> Iterator[Violation]:
    """Indices of the kernel's own storage are proved to be inside it."""
    for visit in visits(kernel):
        scope = visit.values_scope
        for buffer, index, past in _own_places(visit.statement):
            inside = _proved(0, index, scope) and _proved(index + 1 - past, buffer.size, scope)
            if not inside:
                text = f"{buffer.name}[{index}] is not proved to be below {buffer.size}"
                yield visit.violation(text)


def _own_places(statement: Statement) -> Iterator[tuple[Buffer, DimLike, int]]:
    """Places in the kernel's own storage that are used in any case.

    The number is by how much the place may lie past the end: an address may point there.
    """
    for expr in walk(*expressions(statement), operands=computed_always):
        if isinstance(expr, Load) and expr.buffer.space is not Space.GLOBAL:
            yield expr.buffer, expr.index, 0
    if isinstance(statement, Store) and statement.buffer.space is not Space.GLOBAL:
        yield statement.buffer, statement.index, 0
    if isinstance(statement, Call):
        for argument in statement.arguments:
            if isinstance(argument, Address) and argument.buffer.space is not Space.GLOBAL:
                yield argument.buffer, argument.index, 1


def _proved(low: DimLike, high: DimLike, scope: Scope) -> bool:
    """Whether `low <= high`, by the variables' ranges or by the loops that they run in."""
    if dims.always_less_equal(low, high):
        return True
    low, high = _tightened(low, scope), _tightened(high, scope)
    if dims.always_less_equal(low, high):
        return True
    return dims.always_less_equal(
        _tightened(opened(low, scope), scope), _tightened(opened(high, scope), scope)
    )


def _tightened(index: DimLike, scope: Scope) -> DimLike:
    """The index with variables whose range is no wider than their loop."""
    narrow: dict[str, DimLike] = {}
    for name, variable in dims.variables(index).items():
        definition = scope.indices.get(name)
        if definition is not None and definition.count is not None:
            last = dims.bounds(definition.count)[1] - 1
            if 0 <= last < dims.bounds(variable)[1]:
                narrow[name] = dims.variable(name, 0, last)
    return dims.substitute(index, narrow, proved=False)
