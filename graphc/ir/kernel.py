"""The kernel IR: loops over grid steps and lanes, storage, and stores of scalar expressions.

A kernel runs `body` once for each step of its grid, in any order and in parallel; a grid step
has `lanes` lanes. On CUDA a step is a block and a lane is a thread; on the host a step is a
stretch of a loop that one thread runs and the lanes are the elements of its vectors. Schedules
build kernels, one emitter prints them, a dialect says how its target spells them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from graphc.errors import Span
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, Expr, IndexValue, Inside, Load, Scalar
from graphc.ir.op import Op

__all__ = [
    "Address",
    "Barrier",
    "Block",
    "Call",
    "Declare",
    "Fold",
    "FoldTerm",
    "If",
    "Kernel",
    "Let",
    "LetIndex",
    "Loop",
    "LoopKind",
    "ReadIndex",
    "Statement",
    "Store",
    "defined_indices",
    "expressions",
    "indices",
    "own_indices",
    "statements",
]


class LoopKind(Enum):
    """How the iterations of a loop relate."""

    LANE = "lane"  # spread over the lanes of the grid step, iteration i on lane i modulo lanes
    SERIAL = "serial"  # one after the other
    UNROLLED = "unrolled"  # one after the other, written out


@dataclass(frozen=True, slots=True)
class Declare:
    """Storage that lives for the rest of the block."""

    buffer: Buffer


@dataclass(frozen=True, slots=True)
class Let:
    """A name for a value, for the rest of the block."""

    scalar: Scalar
    value: Expr


@dataclass(frozen=True, slots=True)
class LetIndex:
    """A name for an index, for the rest of the block."""

    variable: Dim
    index: DimLike


@dataclass(frozen=True, slots=True)
class ReadIndex:
    """A name for an index that data decides, for the rest of the block.

    The value is one of the variable's range wherever the statement runs.
    """

    variable: Dim
    value: Expr


@dataclass(frozen=True, slots=True)
class Store:
    """buffer[index] = value, of the dtype of the buffer; by one lane, or by each into its own."""

    buffer: Buffer
    index: DimLike
    value: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """body for variable = 0 .. extent - 1."""

    variable: Dim
    extent: DimLike
    kind: LoopKind
    body: Block


@dataclass(frozen=True, slots=True)
class If:
    """body where the condition holds."""

    condition: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class Barrier:
    """All lanes have finished what is above before any begins what is below."""


@dataclass(frozen=True, slots=True)
class FoldTerm:
    """One value that a `Fold` computes: result = combine over all iterations of value.

    `accumulator` is the dtype that is combined in; the result has it too.
    """

    result: Scalar
    combine: Op
    identity: bool | int | float
    value: Expr


@dataclass(frozen=True, slots=True)
class Fold:
    """Reduce over a loop nest, all lanes together; afterwards every lane knows each result.

    The iterations of the innermost loop go to the lanes in turn. Each lane combines its
    iterations in order, then lane i is combined with lane i + w for w = lanes/2, ..., 1. This
    order is the meaning of the statement: a result never depends on how it is run.
    """

    loops: tuple[tuple[Dim, DimLike], ...]
    terms: tuple[FoldTerm, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an element, an argument of a `Call`."""

    buffer: Buffer
    index: DimLike


@dataclass(frozen=True, slots=True)
class Call:
    """A device function that a dialect offers as a capability (tile copies, mma, waits)."""

    function: str
    arguments: tuple[Address | Expr | DimLike | str, ...]


Statement = Declare | Let | LetIndex | ReadIndex | Store | Loop | If | Barrier | Fold | Call
Block = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function over buffers, run for each step of a grid.

    Attributes:
        name: a C identifier that says what is computed.
        parameters: GLOBAL buffers, in the order in which a launch binds them.
        written: those of the parameters that are stored to.
        scalars: dims that a launch gives values for (named dims, extents).
        step: the variable that counts grid steps; `grid` is their number.
        lanes: lanes of a grid step.
        body: what a step does.
        spans: the source lines that it computes, for `#line` and for people.
    """

    name: str
    parameters: tuple[Buffer, ...]
    written: frozenset[Buffer]
    scalars: tuple[Dim, ...]
    step: Dim
    grid: DimLike
    lanes: int
    body: Block
    spans: tuple[Span, ...] = ()


def statements(block: Block) -> Iterator[Statement]:
    """Every statement of a block, outer before inner."""
    for statement in block:
        yield statement
        if isinstance(statement, Loop | If):
            yield from statements(statement.body)


def expressions(statement: Statement) -> tuple[Expr, ...]:
    """The expressions that a statement itself evaluates, not those of its body."""
    match statement:
        case Let(_, value) | ReadIndex(_, value) | Store(_, _, value):
            return (value,)
        case If(condition, _):
            return (condition,)
        case Fold(_, terms):
            return tuple(term.value for term in terms)
        case Call(_, arguments):
            return tuple(a for a in arguments if isinstance(a, Expr))
        case _:
            return ()


def own_indices(statement: Statement) -> tuple[DimLike, ...]:
    """The indices that a statement itself computes, besides those of its expressions."""
    match statement:
        case Loop(_, extent, _, _):
            return (extent,)
        case Fold(loops, _):
            return tuple(extent for _, extent in loops)
        case Store(_, index, _) | LetIndex(_, index):
            return (index,)
        case Call(_, arguments):
            places = (a.index if isinstance(a, Address) else a for a in arguments)
            return tuple(place for place in places if isinstance(place, int | Dim))
    return ()


def defined_indices(statement: Statement) -> tuple[Dim, ...]:
    """The index variables that a statement defines, besides those of its expressions."""
    match statement:
        case Loop(variable, _, _, _) | LetIndex(variable, _) | ReadIndex(variable, _):
            return (variable,)
        case Fold(loops, _):
            return tuple(variable for variable, _ in loops)
    return ()


def indices(expr: Expr) -> tuple[DimLike, ...]:
    """The indices that an expression itself mentions, not those of its operands."""
    match expr:
        case Load(_, index):
            return (index,)
        case IndexValue(index, _):
            return (index,)
        case Inside(index, low, high):
            return (index, low, high)
        case _:
            return ()
