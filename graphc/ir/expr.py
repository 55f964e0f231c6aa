"""Scalar expressions of the kernel IR: what one element of a tensor is computed from.

Expressions are interned, so common subexpressions are one object and are computed once.
Indices are dims: polynomials over loop variables and named dims, which normalise as they are
built, so that index arithmetic simplifies itself. An index that data decides is a variable too,
which `WithIndex` gives a value to: so it composes with views, and its range proves bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.interning import Interned

if TYPE_CHECKING:
    from graphc.ir.op import Op

__all__ = [
    "Apply",
    "Buffer",
    "Constant",
    "Convert",
    "Expr",
    "Guard",
    "Index",
    "IndexValue",
    "Inside",
    "Load",
    "Read",
    "Scalar",
    "Space",
    "Unknown",
    "WithIndex",
    "computed_always",
    "computed_first",
    "converted",
    "substitute",
    "walk",
    "with_index",
]

Index = tuple[DimLike, ...]


class Space(Enum):
    """Where a buffer lives."""

    GLOBAL = "global"  # memory of the device, shared by all blocks
    SHARED = "shared"  # memory of one block; on the host, scratch of one grid step
    LANE = "lane"  # private to each lane (thread of a block, element of a vector)
    REGISTER = "register"  # one small array for the grid step (host) or thread, fully unrolled


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Buffer(metaclass=Interned):
    """A named array of scalars: a kernel's parameter (GLOBAL) or its own storage.

    Attributes:
        size: number of elements; for LANE, those of one lane; 0 for a parameter, whose size
            its launch knows.
        alignment: bytes.
    """

    name: str
    dtype: DType
    size: DimLike
    space: Space = Space.GLOBAL
    alignment: int = 64


class Expr:
    """Base of scalar expressions; each has a dtype."""

    __slots__ = ()
    dtype: DType

    @property
    def operands(self) -> tuple[Expr, ...]:
        """The expressions that this one is computed from."""
        return ()


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Constant(Expr, metaclass=Interned):
    """A literal number."""

    value: bool | int | float | complex
    dtype: DType


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Scalar(Expr, metaclass=Interned):
    """A named scalar that a `Let` statement defines."""

    name: str
    dtype: DType


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class IndexValue(Expr, metaclass=Interned):
    """An index or dim as a number in the data."""

    index: DimLike
    dtype: DType


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Inside(Expr, metaclass=Interned):
    """Whether `low <= index < high`."""

    index: DimLike
    low: DimLike
    high: DimLike
    dtype: DType = field(init=False, default=dtypes.bool_)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Load(Expr, metaclass=Interned):
    """The element of a buffer at a flat index. A LANE buffer is read at its own lane."""

    buffer: Buffer
    index: DimLike
    dtype: DType = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.buffer.dtype)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Apply(Expr, metaclass=Interned):
    """An elementwise op on scalars; its declaration says how a target spells it."""

    op: Op
    arguments: tuple[Expr, ...]
    dtype: DType

    @property
    def operands(self) -> tuple[Expr, ...]:  # noqa: D102
        return self.arguments


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Convert(Expr, metaclass=Interned):
    """The value as a number of another dtype: rounded, truncated or saturated as `cast` does."""

    value: Expr
    dtype: DType

    @property
    def operands(self) -> tuple[Expr, ...]:  # noqa: D102
        return (self.value,)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Guard(Expr, metaclass=Interned):
    """`value` where `condition` holds, else `otherwise`; the one not taken is not computed."""

    condition: Expr
    value: Expr
    otherwise: Expr
    dtype: DType = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.value.dtype)

    @property
    def operands(self) -> tuple[Expr, ...]:  # noqa: D102
        return (self.condition, self.value, self.otherwise)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class WithIndex(Expr, metaclass=Interned):
    """`body`, in whose indices `variable` stands for the integer `value`.

    The value is one of the variable's range wherever the expression is computed: `value` sees to
    that, or a `Guard` around. A variable stands for one value in a statement. It is named after
    the value (see `with_index`), so that equal expressions are one object.
    """

    variable: Dim
    value: Expr
    body: Expr
    dtype: DType = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.body.dtype)

    @property
    def operands(self) -> tuple[Expr, ...]:  # noqa: D102
        return (self.value, self.body)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Unknown(Expr, metaclass=Interned):
    """Stands for an operand that is not computed yet, while it is asked what a rule reads."""

    dtype: DType


def converted(value: Expr, dtype: DType) -> Expr:
    """The value in a dtype."""
    return value if value.dtype is dtype else Convert(value, dtype)


def with_index(value: Expr, size: DimLike, body: Callable[[DimLike], Expr]) -> Expr:
    """`body(i)` for the index i that an integer expression gives.

    Args:
        value: a whole number that is proved to be in 0 .. size - 1 wherever it is computed.
        size: an upper bound.
        body: the expression at an index, which is a variable with that range.
    """
    if isinstance(value, IndexValue):
        return body(value.index)
    last = max(dims.bounds(size)[1] - 1, 0)
    if last == 0:
        return body(0)
    variable = dims.variable(f"_at_{_digest(value)}_{last}", 0, last)
    assert isinstance(variable, Dim)
    return WithIndex(variable, value, body(variable))


def _digest(root: Expr) -> str:
    """A short name that is the same in every process for equal expressions, and for no others."""
    numbers: dict[Expr, int] = {}
    text = hashlib.sha256()
    for number, expr in enumerate(walk(root)):
        numbers[expr] = number
        inner = [numbers[operand] for operand in expr.operands]
        text.update(f"{type(expr).__name__} {_own_facts(expr)} {inner}\n".encode())
    return text.hexdigest()[:16]


def _own_facts(expr: Expr) -> str:
    """What an expression says beside its operands."""
    match expr:
        case Constant(value, dtype):
            return f"{value!r} {dtype.name}"
        case Scalar(name, dtype):
            return f"{name} {dtype.name}"
        case IndexValue(index, dtype):
            return f"{index} {dtype.name}"
        case Inside(index, low, high):
            return f"{index}, {low}, {high}"
        case Load(buffer, index):
            return f"{buffer.name} {buffer.space.value} {buffer.dtype.name} {index}"
        case Apply(op, _, dtype):
            return f"{op.name} {dtype.name}"
        case WithIndex(variable, _, _):
            return str(variable)
        case _:
            return expr.dtype.name


Read = Callable[[int, Index], Expr]
"""Reads operand number i at an index: what a lowering rule is given."""


def walk(
    *roots: Expr, operands: Callable[[Expr], tuple[Expr, ...]] = lambda expr: expr.operands
) -> Iterator[Expr]:
    """Every expression below `roots`, each once, operands first.

    Args:
        roots: where to begin.
        operands: those of an expression that count: `computed_first`, `computed_always`, or all.
    """
    done: set[Expr] = set()
    for root in roots:
        stack: list[tuple[Expr, Iterator[Expr]]] = [(root, iter(operands(root)))]
        if root in done:
            continue
        done.add(root)
        while stack:
            expr, pending = stack[-1]
            for child in pending:
                if child not in done:
                    done.add(child)
                    stack.append((child, iter(operands(child))))
                    break
            else:
                stack.pop()
                yield expr


def computed_first(expr: Expr) -> tuple[Expr, ...]:
    """The operands that an expression begins with: the condition of a `Guard`, or an index."""
    match expr:
        case Guard(condition, _, _):
            return (condition,)
        case WithIndex(_, value, _):
            return (value,)
    return expr.operands


def computed_always(expr: Expr) -> tuple[Expr, ...]:
    """The operands that are computed in any case: of a `Guard` the condition alone."""
    return (expr.condition,) if isinstance(expr, Guard) else expr.operands


def substitute(
    expr: Expr,
    environment: Mapping[str, DimLike],
    replacements: Mapping[Expr, Expr] = MappingProxyType({}),
) -> Expr:
    """The expression with variables of its indices replaced, and then whole subexpressions."""
    new: dict[Expr, Expr] = {}

    def index(dim: DimLike) -> DimLike:
        return dims.substitute(dim, environment, proved=False)

    for old in walk(expr):
        made: Expr
        match old:
            case Load(buffer, at):
                made = Load(buffer, index(at))
            case IndexValue(at, dtype):
                made = IndexValue(index(at), dtype)
            case Inside(at, low, high):
                made = Inside(index(at), index(low), index(high))
            case Apply(op, arguments, dtype):
                made = Apply(op, tuple(new[a] for a in arguments), dtype)
            case Convert(value, dtype):
                made = Convert(new[value], dtype)
            case Guard(condition, value, otherwise):
                made = Guard(new[condition], new[value], new[otherwise])
            case WithIndex(variable, value, body):
                renamed = index(variable)
                assert isinstance(renamed, Dim)
                made = WithIndex(renamed, new[value], new[body])
            case _:
                made = old
        new[old] = replacements.get(made, made)
    return new[expr]
