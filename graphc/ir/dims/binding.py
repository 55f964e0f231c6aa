"""Values for the variables of dimensions: evaluation, substitution, and binding at call time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import DimensionError
from graphc.ir.dims.atoms import Atom, Variable
from graphc.ir.dims.dim import Dim, DimLike, from_atom, rules, variable_dim
from graphc.ir.dims.division import divides
from graphc.ir.dims.proofs import bounds


def variables(d: DimLike) -> dict[str, Dim]:
    """The variables that `d` depends on, by name and in the order of their names."""
    if not isinstance(d, Dim):
        return {}
    return {name: variable_dim(declared) for name, declared in d.names.items()}


def evaluate(d: DimLike, values: Mapping[str, int]) -> int:
    """The value of `d`.

    Raises:
        DimensionError: a variable has no value, or one outside its range.
    """
    if not isinstance(d, Dim):
        return d
    for name, declared in d.names.items():
        if name not in values:
            raise DimensionError(
                f"dimension {name} has no value, and {d} needs one",
                code="dim-unbound",
                hint=f"give a value in {declared.range_text()}",
            )
        _check_value(declared, values[name])
    value: int = value_of(d, values)
    return value


def value_of(
    d: DimLike, values: Mapping[str, Any], largest: Callable[[Sequence[Any]], Any] = max
) -> Any:
    """The value of `d` in the numbers that its variables have: ints, or arrays of them.

    Args:
        d: what is computed; ranges are not checked.
        values: a number for each variable.
        largest: the maximum of several such numbers.
    """
    if not isinstance(d, Dim):
        return d
    return sum(
        c * math.prod(_atom_value(a, values, largest) for a in monomial) for monomial, c in d.terms
    )


def _atom_value(
    atom: Atom, values: Mapping[str, Any], largest: Callable[[Sequence[Any]], Any]
) -> Any:
    if isinstance(atom, Variable):
        return values[atom.name] // atom.multiple
    arguments = [value_of(argument, values, largest) for argument in atom.arguments]
    match atom.kind:
        case "//":
            return arguments[0] // arguments[1]
        case "%":
            return arguments[0] % arguments[1]
        case "max":
            return largest(arguments)
        case "min":
            return -largest([-argument for argument in arguments])


def substitute(d: DimLike, values: Mapping[str, DimLike], *, proved: bool = True) -> DimLike:
    """`d` with variables replaced, all at once; variables without a value stay.

    Args:
        proved: demand a proof that each replacement stays in the range of its variable. Loop
            variables are replaced without: what bounds them is the loop, not their form.

    Raises:
        DimensionError: a replacement is not proved to stay in the range of its variable, or
            a variable of `d` meets another one of its name.
    """
    if not isinstance(d, Dim) or values.keys().isdisjoint(d.names):
        return d
    for name, declared in d.names.items():
        if proved and name in values:
            _check_replacement(declared, values[name])
    return _rebuild(d, values)


def _rebuild(d: DimLike, values: Mapping[str, DimLike]) -> DimLike:
    if not isinstance(d, Dim):
        return d
    total: DimLike = 0
    for monomial, coefficient in d.terms:
        term: DimLike = coefficient
        for atom in monomial:
            term = term * _rebuilt_atom(atom, values)
        total = total + term
    return total


def _rebuilt_atom(atom: Atom, values: Mapping[str, DimLike]) -> DimLike:
    if isinstance(atom, Variable):
        return values[atom.name] // atom.multiple if atom.name in values else from_atom(atom)
    return rules[atom.kind](*[_rebuild(argument, values) for argument in atom.arguments])


def _check_value(declared: Variable, value: int, place: str = "") -> None:
    if not declared.admits(value):
        raise DimensionError(
            f"{place}dimension {declared.name} is {value}, expected {declared.range_text()}",
            code="dim-out-of-range",
            hint=f"use a size in the range, or widen the declaration of {declared.name}",
        )


def _check_replacement(declared: Variable, value: DimLike) -> None:
    if not isinstance(value, Dim):
        _check_value(declared, value)
        return
    lo, hi = bounds(value)
    if lo < declared.lo or hi > declared.hi or not divides(value, declared.multiple):
        raise DimensionError(
            f"{value} cannot stand for dimension {declared.name}, which is "
            f"{declared.range_text()}: it is not proved to stay in that range",
            code="dim-out-of-range",
            hint=f"narrow the dimensions in {value}, or widen the declaration of {declared.name}",
        )


def solve(pattern: DimLike, value: int, known: Mapping[str, int]) -> dict[str, int] | None:
    """The value of the unknown variable that makes `pattern` equal to `value`.

    Returns `{}` where nothing is unknown and the values agree, `{name: x}` where one unknown
    occurs linearly, and None where they disagree or no value in the range solves the equation.

    >>> from graphc.ir.dims import variable
    >>> solve(2 * variable("N", 1, 8) + 1, 9, {})
    {'N': 4}

    Raises:
        DimensionError: several unknowns, one that does not occur linearly, or a known value
            outside its range.
    """
    solved = _solve_any(pattern, value, known)
    if solved is not None and isinstance(pattern, Dim):
        for name, found in solved.items():
            if not pattern.names[name].admits(found):
                return None
    return solved


def _solve_any(pattern: DimLike, value: int, known: Mapping[str, int]) -> dict[str, int] | None:
    """As `solve`, for values out of range too."""
    rest = substitute(pattern, known)
    if not isinstance(rest, Dim):
        return {} if rest == value else None
    unknown = _linear_variable(rest)
    if unknown is None:
        raise DimensionError(
            f"{pattern} = {value} does not determine {' and '.join(rest.names)}",
            code="dim-unsolvable",
            hint="let one of the shapes have an axis with the name alone",
        )
    (_, slope), *constant = rest.terms
    offset = constant[0][1] if constant else 0
    steps, odd = divmod(value - offset, slope)
    return None if odd else {unknown.name: steps * unknown.multiple}


def _linear_variable(d: Dim) -> Variable | None:
    """The variable `x` of an expression `a*x + b`."""
    monomial, *others = (monomial for monomial, _ in d.terms)
    if len(monomial) != 1 or any(others):
        return None
    atom = monomial[0]
    return atom if isinstance(atom, Variable) else None


def bind(
    pattern: Sequence[DimLike],
    shape: Sequence[int],
    known: Mapping[str, int],
    subject: str = "the array",
) -> dict[str, int]:
    """`known` with the values that matching `shape` against `pattern` gives to its variables.

    Axes that determine a variable are read first, whatever their order, so that `[N*M, N]` binds.

    >>> from graphc.ir.dims import variable
    >>> bind((variable("B", 1, 4096), 64), (32, 64), {})
    {'B': 32}

    Args:
        pattern: the declared shape.
        shape: the shape found.
        known: values from other shapes; not changed.
        subject: what the shape belongs to, for errors.

    Raises:
        DimensionError: another rank, a value outside a range, sizes that do not agree, or an
            axis that leaves a variable undetermined.
    """
    if len(pattern) != len(shape):
        raise DimensionError(
            f"{subject} has {len(shape)} dimensions, {shape_text(shape)}, "
            f"expected {len(pattern)}: {shape_text(pattern)}",
            code="dim-rank",
            hint="reshape it, or change the declared shape",
        )
    found = dict(known)
    waiting = list(range(len(pattern)))
    while waiting:
        axis = next((i for i in waiting if _is_determined(pattern[i], found)), waiting[0])
        waiting.remove(axis)
        _bind_axis(pattern, shape, axis, found, subject)
    return found


def shape_text(shape: Sequence[DimLike]) -> str:
    """A shape as errors write it."""
    return f"[{', '.join(map(str, shape))}]"


def _is_determined(pattern: DimLike, known: Mapping[str, int]) -> bool:
    """Whether a size for the pattern gives a value to all its variables."""
    if not isinstance(pattern, Dim) or _linear_variable(pattern) is not None:
        return True
    if pattern.names.keys() <= known.keys():
        return True
    rest = substitute(pattern, known)
    return not isinstance(rest, Dim) or _linear_variable(rest) is not None


def _bind_axis(
    pattern: Sequence[DimLike],
    shape: Sequence[int],
    axis: int,
    found: dict[str, int],
    subject: str,
) -> None:
    one, size = pattern[axis], shape[axis]
    if not isinstance(one, Dim) and one == size:
        return
    place = f"{subject} of shape {shape_text(shape)}, axis {axis}: "
    solved = _solve_any(one, size, found)
    if solved is None:
        names = one.names if isinstance(one, Dim) else {}
        said = [f"{name} is {found.get(name, names[name].range_text())}" for name in names]
        where = f", where {' and '.join(said)}" if said else ""
        raise DimensionError(
            f"{place}the size is {size}, expected {one}{where}",
            code="dim-mismatch",
            hint=f"give a size that fits the declared shape {shape_text(pattern)}, or change that",
        )
    for name, value in solved.items():
        if isinstance(one, Dim):
            _check_value(one.names[name], value, place)
    found |= solved
