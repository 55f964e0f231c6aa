"""What each statement of a kernel can see: the names in scope, and the loops around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, Load, Scalar, WithIndex, walk
from graphc.ir.kernel import (
    Address,
    Block,
    Call,
    Declare,
    Fold,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    LoopKind,
    ReadIndex,
    Statement,
    Store,
    expressions,
)

__all__ = [
    "Definition",
    "Scope",
    "Violation",
    "Visit",
    "bound_indices",
    "buffers_used",
    "name_of",
    "opened",
    "visits",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """What an index variable runs over: `count` values from 0, or the one value `value`.

    The kernel's scalars and what data decides have neither.
    """

    variable: Dim
    count: DimLike | None = None
    value: DimLike | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a statement can use, and the loops that it is in.

    Attributes:
        indices: index variables by name.
        scalars: those that `Let` and `Fold` have defined, by name.
        storage: the kernel's own buffers that are declared, by name.
        loops: the loops around the statement, outer first.
    """

    indices: Mapping[str, Definition] = field(default_factory=dict)
    scalars: Mapping[str, Scalar] = field(default_factory=dict)
    storage: Mapping[str, Buffer] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()

    @property
    def lane_loop(self) -> Loop | None:
        """The loop over lanes around the statement."""
        return next((loop for loop in self.loops if loop.kind is LoopKind.LANE), None)

    def after(self, statement: Statement) -> Scope:
        """The scope of the statements that follow in the block."""
        match statement:
            case Declare(buffer):
                return replace(self, storage={**self.storage, buffer.name: buffer})
            case Let(scalar, _):
                return replace(self, scalars={**self.scalars, scalar.name: scalar})
            case LetIndex(variable, index):
                return self._with(Definition(variable, value=index))
            case ReadIndex(variable, _):
                return self._with(Definition(variable))
            case Fold(_, terms):
                results = {term.result.name: term.result for term in terms}
                return replace(self, scalars={**self.scalars, **results})
            case _:
                return self

    def inside(self, statement: Loop | If | Fold) -> Scope:
        """The scope of a statement's body, or of the values that it folds."""
        match statement:
            case Loop(variable, extent, _, _):
                scope = self._with(Definition(variable, count=extent))
                return replace(scope, loops=(*self.loops, statement))
            case Fold(loops, _):
                scope = self
                for variable, extent in loops:
                    scope = scope._with(Definition(variable, count=extent))
                return scope
            case If():
                return self

    def _with(self, definition: Definition) -> Scope:
        name = name_of(definition.variable)
        return replace(self, indices={**self.indices, name: definition})


@dataclass(frozen=True, slots=True)
class Visit:
    """A statement with its number in the order of `statements(kernel.body)`, and its scope."""

    position: int
    statement: Statement
    scope: Scope

    def violation(self, text: str) -> Violation:
        """What is wrong with the statement."""
        return Violation(text, self.position)

    @property
    def values_scope(self) -> Scope:
        """The scope in which the statement's own expressions are evaluated.

        It has the variables that data decides in them.
        """
        fold = self.statement
        scope = self.scope.inside(fold) if isinstance(fold, Fold) else self.scope
        for bound in bound_indices(fold):
            scope = scope._with(Definition(bound.variable))
        return scope


def visits(kernel: Kernel) -> Iterator[Visit]:
    """Every statement of a kernel, outer before inner, with what it can see."""
    known = [Definition(dim) for dim in kernel.scalars]
    known.append(Definition(kernel.step, count=kernel.grid))
    scope = Scope({name_of(definition.variable): definition for definition in known})
    yield from _visits(kernel.body, scope, iter(range(2**62)))


def _visits(block: Block, scope: Scope, numbers: Iterator[int]) -> Iterator[Visit]:
    for statement in block:
        yield Visit(next(numbers), statement, scope)
        if isinstance(statement, Loop | If):
            yield from _visits(statement.body, scope.inside(statement), numbers)
        scope = scope.after(statement)


@dataclass(frozen=True, slots=True)
class Violation:
    """What one check found wrong, and the number of the statement if it is one's fault."""

    text: str
    position: int | None = None


def name_of(variable: Dim) -> str:
    """The name of an index variable."""
    return next(iter(variable.names))


def bound_indices(statement: Statement) -> list[WithIndex]:
    """The indices that data decides in a statement's own expressions, inner before outer."""
    return [expr for expr in walk(*expressions(statement)) if isinstance(expr, WithIndex)]


def buffers_used(statement: Statement) -> Iterator[Buffer]:
    """The buffers that a statement itself reads or writes."""
    for expr in walk(*expressions(statement)):
        if isinstance(expr, Load):
            yield expr.buffer
    if isinstance(statement, Store):
        yield statement.buffer
    if isinstance(statement, Call):
        for argument in statement.arguments:
            if isinstance(argument, Address):
                yield argument.buffer


def opened(index: DimLike, scope: Scope) -> DimLike:
    """The index with what `LetIndex` has named written out."""
    while True:
        environment = {
            name: definition.value
            for name in dims.variables(index)
            if (definition := scope.indices[name]).value is not None
        }
        if not environment:
            return index
        index = dims.substitute(index, environment, proved=False)
