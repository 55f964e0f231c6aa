"""Checks of a kernel's names: what is called what, where it is defined, and what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphc.ir import dims
from graphc.ir.c_words import RESERVED
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, Expr, Scalar, Space, walk
from graphc.ir.kernel import (
    Address,
    Call,
    Declare,
    Fold,
    Kernel,
    Let,
    LetIndex,
    Loop,
    ReadIndex,
    Statement,
    Store,
    expressions,
    indices,
)
from graphc.ir.kernels.functions import find_function
from graphc.ir.kernels.scopes import (
    Scope,
    Violation,
    Visit,
    bound_indices,
    buffers_used,
    name_of,
    visits,
)

__all__ = ["defined", "names", "parameters", "scalars", "scopes", "stores"]


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names(kernel: Kernel) -> Iterator[Violation]:
    """The names of the kernel, its buffers and its scalars are names in C."""

    def bad(name: str) -> bool:
        return not _IDENTIFIER.fullmatch(name) or name in RESERVED

    for name in (kernel.name, *(buffer.name for buffer in kernel.parameters)):
        if bad(name):
            yield Violation(f"{name!r} is no name in C")
    for visit in visits(kernel):
        for name in _defined_names(visit.statement):
            if bad(name):
                yield visit.violation(f"{name!r} is no name in C")


def _defined_names(statement: Statement) -> list[str]:
    """The names of buffers and scalars that a statement defines."""
    match statement:
        case Declare(buffer):
            return [buffer.name]
        case Let(scalar, _):
            return [scalar.name]
        case Fold(_, terms):
            return [term.result.name for term in terms]
        case _:
            return []


def parameters(kernel: Kernel) -> Iterator[Violation]:
    """Parameters are GLOBAL, their names are distinct, and what is written is one of them."""
    seen: set[str] = set()
    for buffer in kernel.parameters:
        if buffer.space is not Space.GLOBAL:
            yield Violation(f"the parameter {buffer.name!r} lives in {buffer.space.value} memory")
        if buffer.name in seen:
            yield Violation(f"two parameters are called {buffer.name!r}")
        seen.add(buffer.name)
    for buffer in sorted(kernel.written.difference(kernel.parameters), key=lambda b: b.name):
        yield Violation(f"{buffer.name!r} is written and no parameter")


def scalars(kernel: Kernel) -> Iterator[Violation]:
    """Scalars are distinct variables, the grid needs no other, lanes are a power of two."""
    seen = {name_of(kernel.step)}
    for dim in (kernel.step, *kernel.scalars):
        if dims.variables(dim).get(name_of(dim)) is not dim:
            yield Violation(f"{dim} is more than a variable")
    for dim in kernel.scalars:
        if name_of(dim) in seen:
            yield Violation(f"two scalars are called {name_of(dim)!r}")
        seen.add(name_of(dim))
    for name in dims.variables(kernel.grid):
        if name not in seen - {name_of(kernel.step)}:
            yield Violation(f"the grid needs {name}, which is no scalar of the kernel")
    if kernel.lanes < 1 or kernel.lanes & (kernel.lanes - 1):
        yield Violation(f"the number of lanes is {kernel.lanes}, not a power of two")


def scopes(kernel: Kernel) -> Iterator[Violation]:
    """Every name is defined once in a nest of blocks."""
    for visit in visits(kernel):
        taken = {buffer.name for buffer in kernel.parameters}
        taken |= {*visit.scope.scalars, *visit.scope.storage, *map(_in_text, visit.scope.indices)}
        values: dict[str, Expr] = {}
        for bound in bound_indices(visit.statement):
            if values.setdefault(name_of(bound.variable), bound.value) is not bound.value:
                yield visit.violation(f"{bound.variable} stands for two values")
        variables = [_in_text(name_of(v)) for v in _defined_variables(visit.statement)]
        variables += map(_in_text, values)
        for name in (*_defined_names(visit.statement), *variables):
            if name in taken:
                yield visit.violation(f"{name!r} is defined twice")
            taken.add(name)


def _in_text(name: str) -> str:
    """A variable as generated text calls it: the compiler's own lose their mark there.

    A dim of the model has a mark here, so that it meets no other name, as it does not there.
    """
    return name[1:] if name.startswith("_") else f"{name} of the model"


def _defined_variables(statement: Statement) -> list[Dim]:
    match statement:
        case Loop(variable, _, _, _) | LetIndex(variable, _) | ReadIndex(variable, _):
            return [variable]
        case Fold(loops, _):
            return [variable for variable, _ in loops]
        case _:
            return []


def defined(kernel: Kernel) -> Iterator[Violation]:
    """Variables, scalars and storage are defined before they are used."""
    for visit in visits(kernel):
        for index, scope in _indices_used(visit):
            for name, variable in dims.variables(index).items():
                definition = scope.indices.get(name)
                if definition is None:
                    yield visit.violation(f"the variable {name} is used and not defined")
                elif definition.variable is not variable:
                    yield visit.violation(f"two variables are called {name}")
        for expr in walk(*expressions(visit.statement)):
            if isinstance(expr, Scalar) and visit.scope.scalars.get(expr.name) is not expr:
                yield visit.violation(f"the scalar {expr.name} is used and not defined")
        for buffer in buffers_used(visit.statement):
            own = visit.scope.storage.get(buffer.name) is buffer
            if not own and buffer not in kernel.parameters:
                text = f"{buffer.name!r} is no parameter and not declared"
                yield visit.violation(text)


def _indices_used(visit: Visit) -> Iterator[tuple[DimLike, Scope]]:
    """The indices and extents that a statement uses, with the scopes that they are used in."""
    statement, scope = visit.statement, visit.scope
    match statement:
        case Declare(buffer):
            yield buffer.size, scope
        case LetIndex(_, index) | Store(_, index, _):
            yield index, scope
        case Loop(_, extent, _, _):
            yield extent, scope
        case Fold(loops, _):
            for _, extent in loops:
                yield extent, scope
        case Call(_, arguments):
            for argument in arguments:
                if isinstance(argument, Address):
                    yield argument.index, scope
                elif isinstance(argument, int | Dim):
                    yield argument, scope
        case _:
            pass
    for expr in walk(*expressions(statement)):
        for index in indices(expr):
            yield index, visit.values_scope


def stores(kernel: Kernel) -> Iterator[Violation]:
    """Only parameters that are listed as written and the kernel's own storage change."""
    for visit in visits(kernel):
        for buffer in _buffers_written(visit.statement):
            if buffer in kernel.parameters and buffer not in kernel.written:
                text = f"{buffer.name!r} is stored to and not listed as written"
                yield visit.violation(text)


def _buffers_written(statement: Statement) -> Iterator[Buffer]:
    if isinstance(statement, Store):
        yield statement.buffer
    if isinstance(statement, Call):
        function = find_function(statement.function)
        for number in function.writes if function is not None else ():
            argument = statement.arguments[number]
            if isinstance(argument, Address):
                yield argument.buffer
