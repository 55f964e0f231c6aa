"""Kernels run in NumPy: what the kernel IR means, step by step, without a target.

Steps run in ascending order and the iterations of a LANE loop together, as one vector. Ops compute
what their references say, `Fold` combines in the order that its definition fixes, and device
functions do what `functions` says. What a target leaves undefined is an error here: an
element outside its buffer, and two lanes that store to one element. Storage begins as a pattern
that no kernel computes by chance, NaN for floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    Scalar,
    Space,
    WithIndex,
    computed_first,
    walk,
)
from graphc.ir.kernel import (
    Address,
    Barrier,
    Block,
    Call,
    Declare,
    Fold,
    FoldTerm,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    LoopKind,
    ReadIndex,
    Statement,
    Store,
)
from graphc.ir.kernels.functions import Pointer, find_function
from graphc.ir.kernels.index_values import Number, index_value
from graphc.ir.kernels.listing import statement_text
from graphc.ir.kernels.scopes import name_of
from graphc.ir.kernels.warp_functions import LanePointer
from graphc.ir.op import Call as OpCall
from graphc.ir.op import Op
from graphc.ir.ops.conversion import converted
from graphc.ir.types import TensorType

__all__ = ["evaluate_kernel"]

Array = np.ndarray[Any, Any]


def evaluate_kernel(kernel: Kernel, arrays: Sequence[Array], scalars: Sequence[int]) -> None:
    """Run every step of a kernel's grid; stores go into the arrays.

    Args:
        kernel: one that the verifier accepts.
        arrays: memory for each parameter, one-dimensional and of its dtype. Two may overlap.
        scalars: a value for each of the kernel's scalars.

    Raises:
        InternalError: an access outside a buffer, two lanes that store to one element, or a call
            of a device function without a meaning.
    """
    named = {name_of(dim): value for dim, value in zip(kernel.scalars, scalars, strict=True)}
    memory = dict(zip(kernel.parameters, arrays, strict=True))
    for buffer, array in memory.items():
        if array.ndim != 1 or array.dtype != buffer.dtype.numpy:
            raise InternalError(f"{buffer.name} of {kernel.name} is given a {array.dtype} array")
    grid = index_value(kernel.grid, named)
    assert isinstance(grid, int)
    run = _Step(kernel, memory)
    with np.errstate(all="ignore"):
        for step in range(grid):
            run.block(kernel.body, _Scope({**named, name_of(kernel.step): step}))


@dataclass(frozen=True, slots=True)
class _Scope:
    """What has a name, as numbers or, inside a LANE loop, as one number for each active lane.

    Attributes:
        indices: values of index variables.
        scalars: values of `Let` and `Fold`.
        lanes: numbers of the active lanes; None outside of LANE loops.
    """

    indices: Mapping[str, Number]
    scalars: dict[Scalar, Array] = field(default_factory=dict)
    lanes: Array | None = None

    def with_index(self, variable: Dim, value: Number) -> _Scope:
        """A scope inside this one in which a variable has a value."""
        return replace(self, indices={**self.indices, name_of(variable): value})

    def where(self, condition: Array) -> _Scope:
        """The scope of the lanes for which the condition holds."""
        if condition.ndim == 0:
            return self
        indices = {
            name: value[condition] if isinstance(value, np.ndarray) else value
            for name, value in self.indices.items()
        }
        scalars = {
            scalar: value[condition] if value.ndim else value
            for scalar, value in self.scalars.items()
        }
        assert self.lanes is not None
        return _Scope(indices, scalars, self.lanes[condition])


class _Step:
    """Runs the statements of one grid step after the other; storage lasts for a block."""

    def __init__(self, kernel: Kernel, memory: Mapping[Buffer, Array]) -> None:
        self.kernel = kernel
        self.memory = dict(memory)

    # -- statements ------------------------------------------------------------------------------

    def block(self, block: Block, scope: _Scope) -> None:
        """Run a block. The values of neighbouring stores are computed before the first is made."""
        scope = replace(scope, scalars=dict(scope.scalars))
        pending: list[Store] = []
        for statement in (*block, None):
            if isinstance(statement, Store):
                pending.append(statement)
                continue
            self.stores(pending, scope)
            pending = []
            if statement is not None:
                scope = self.statement(statement, scope)

    def stores(self, stores: Sequence[Store], scope: _Scope) -> None:
        values = self.values([store.value for store in stores], scope)
        for store in stores:
            self.store(Address(store.buffer, store.index), values[store.value], scope, store)

    def store(self, to: Address, value: Array, scope: _Scope, where: Statement) -> None:
        place = self.place(to.buffer, to.index, scope, where)
        if scope.lanes is not None:
            place = np.broadcast_to(place, scope.lanes.shape)
            if to.buffer.space is not Space.LANE and len(np.unique(place)) < len(place):
                raise self.error("several lanes store to one element", where)
        array = self.memory[to.buffer]
        if to.buffer.space is Space.LANE:
            array[self.own_lane(scope, where), place] = value
        else:
            array[place] = value

    def statement(self, statement: Statement, scope: _Scope) -> _Scope:
        """Run a statement; returns the scope of those that follow."""
        match statement:
            case Declare(buffer):
                self.declare(buffer, scope)
            case Let(scalar, value):
                scope.scalars[scalar] = self.value(value, scope)
            case LetIndex(variable, index):
                return scope.with_index(variable, index_value(index, scope.indices))
            case ReadIndex(variable, value):
                return self.with_data(variable, self.value(value, scope), scope, statement)
            case Loop():
                self.loop(statement, scope)
            case If(condition, body):
                holds = self.value(condition, scope)
                if holds.any():
                    self.block(body, scope.where(holds))
            case Fold():
                self.fold(statement, scope)
            case Call():
                self.call(statement, scope)
            case Store() | Barrier():
                pass
        return scope

    def declare(self, buffer: Buffer, scope: _Scope) -> None:
        size = index_value(buffer.size, scope.indices)
        assert isinstance(size, int)
        shape = (self.kernel.lanes, size) if buffer.space is Space.LANE else (size,)
        self.memory[buffer] = np.full(shape, _unset(buffer.dtype), buffer.dtype.numpy)

    def loop(self, loop: Loop, scope: _Scope) -> None:
        extent = index_value(loop.extent, scope.indices)
        if loop.kind is LoopKind.LANE:
            assert isinstance(extent, int)
            lanes = np.arange(max(extent, 0), dtype=np.int64)
            if len(lanes):
                inner = replace(scope.with_index(loop.variable, lanes), lanes=lanes)
                self.block(loop.body, inner)
            return
        for iteration in range(int(np.max(extent, initial=0))):
            active = scope if isinstance(extent, int) else scope.where(iteration < extent)
            self.block(loop.body, active.with_index(loop.variable, iteration))

    def fold(self, fold: Fold, scope: _Scope) -> None:
        partial = [
            np.full(self.kernel.lanes, term.identity).astype(term.result.dtype.numpy)
            for term in fold.terms
        ]
        *outer, last = fold.loops or ((None, 1),)
        for inner in self.nest(outer, scope):
            self.fold_innermost(fold.terms, last, partial, inner)
        for term, lanes in zip(fold.terms, partial, strict=True):
            width = self.kernel.lanes // 2
            while width:
                lanes[:width] = _combined(term, lanes[:width], lanes[width : 2 * width])
                width //= 2
            scope.scalars[term.result] = lanes[0].reshape(())

    def nest(self, loops: Sequence[tuple[Any, DimLike]], scope: _Scope) -> Iterator[_Scope]:
        """The scopes of all iterations of a loop nest, in order."""
        if not loops:
            yield scope
            return
        (variable, extent), *rest = loops
        count = index_value(extent, scope.indices)
        assert isinstance(count, int)
        for iteration in range(count):
            yield from self.nest(rest, scope.with_index(variable, iteration))

    def fold_innermost(
        self,
        terms: Sequence[FoldTerm],
        loop: tuple[Dim | None, DimLike],
        partial: Sequence[Array],
        scope: _Scope,
    ) -> None:
        """Combine the iterations of the innermost loop into the lanes, in turn."""
        variable, extent = loop
        count = index_value(extent, scope.indices)
        assert isinstance(count, int)
        iterations = np.arange(max(count, 0), dtype=np.int64)
        inner = replace(scope, lanes=iterations % self.kernel.lanes)
        if variable is not None:
            inner = inner.with_index(variable, iterations)
        values = self.values([term.value for term in terms], inner)
        for term, lanes in zip(terms, partial, strict=True):
            every = np.broadcast_to(values[term.value], iterations.shape)
            for base in range(0, len(iterations), self.kernel.lanes):
                part = every[base : base + self.kernel.lanes]
                lanes[: len(part)] = _combined(term, lanes[: len(part)], part)

    def call(self, call: Call, scope: _Scope) -> None:
        function = find_function(call.function)
        if function is None:
            raise InternalError(
                f"kernel {self.kernel.name} calls {call.function}, which has no meaning here",
                hint="declare it in graphc/ir/kernels/functions.py, beside the others",
            )
        given = self.lane_argument if function.is_of_lane else self.argument
        function.meaning(*(given(argument, call, scope) for argument in call.arguments))

    def argument(
        self, argument: Address | Expr | DimLike | str, call: Call, scope: _Scope
    ) -> Pointer | Array | int | str:
        """What a function of the whole step is given: for an address where it points to."""
        match argument:
            case Address(buffer, index):
                array = self.memory[buffer]
                offset = index_value(index, scope.indices)
                if not isinstance(offset, int) or not 0 <= offset <= len(array):
                    raise self.error(f"the address {offset} is outside {buffer.name}", call)
                return Pointer(array, offset)
            case Expr():
                return self.value(argument, scope)
            case str():
                return argument
            case int() | Dim():
                number = index_value(argument, scope.indices)
                assert isinstance(number, int)
                return number

    def lane_argument(
        self, argument: Address | Expr | DimLike | str, call: Call, scope: _Scope
    ) -> LanePointer | Number | str:
        """What a function of a lane is given: for an address where each lane points to."""
        match argument:
            case Address(buffer, index):
                if scope.lanes is None:
                    raise self.error("a function of a lane is called outside of its lanes", call)
                places = np.broadcast_to(index_value(index, scope.indices), scope.lanes.shape)
                own = self.own_lane(scope, call) if buffer.space is Space.LANE else None
                return LanePointer(
                    self.memory[buffer],
                    places,
                    own,
                    lambda place: self.error(f"{buffer.name}[{place}] does not exist", call),
                )
            case Expr():
                return self.value(argument, scope)
            case str():
                return argument
            case int() | Dim():
                return index_value(argument, scope.indices)

    # -- expressions -----------------------------------------------------------------------------

    def value(self, root: Expr, scope: _Scope) -> Array:
        return self.values([root], scope)[root]

    def values(self, roots: Sequence[Expr], scope: _Scope) -> dict[Expr, Array]:
        """Values of expressions and of all that they are computed from."""
        known: dict[Expr, Array] = {}
        for expr in walk(*roots, operands=computed_first):
            value = np.asarray(self.compute(expr, known, scope))
            if value.dtype != expr.dtype.numpy:
                raise InternalError(
                    f"kernel {self.kernel.name}: a {type(expr).__name__} of {expr.dtype.name} "
                    f"evaluates to {value.dtype}"
                )
            known[expr] = value
        return known

    def compute(self, expr: Expr, known: Mapping[Expr, Array], scope: _Scope) -> Any:
        indices = scope.indices
        match expr:
            case Constant(value, dtype):
                return np.asarray(value).astype(dtype.numpy)
            case Scalar():
                return scope.scalars[expr]
            case IndexValue(index, dtype):
                return converted(np.asarray(index_value(index, indices), np.int64), dtype)
            case Inside(index, low, high):
                at, first, end = (index_value(d, indices) for d in (index, low, high))
                return np.logical_and(first <= at, at < end)
            case Load(buffer, index):
                place = self.place(buffer, index, scope, expr)
                array = self.memory[buffer]
                lanes = buffer.space is Space.LANE
                return array[self.own_lane(scope, expr), place] if lanes else array[place]
            case Apply(op, arguments, dtype):
                return _applied(op, [known[argument] for argument in arguments], dtype)
            case Convert(value, dtype):
                return converted(known[value], dtype)
            case Guard():
                return self.guarded(expr, known[expr.condition], scope)
            case WithIndex(variable, value, body):
                return self.value(body, self.with_data(variable, known[value], scope, expr))
        raise InternalError(f"a {type(expr).__name__} has no meaning")

    def with_data(
        self, variable: Dim, value: Array, scope: _Scope, where: Statement | Expr
    ) -> _Scope:
        """A scope in which a variable has the value that data gives it, one of its range."""
        low, high = dims.bounds(variable)
        outside = (value < low) | (value > high)
        if outside.any():
            found = int(value[outside].flat[0])
            raise self.error(f"{variable} is {found}, outside of {low}..{high}", where)
        return scope.with_index(variable, value.astype(np.int64) if value.ndim else int(value))

    def guarded(self, guard: Guard, condition: Array, scope: _Scope) -> Array:
        if condition.ndim == 0:
            return self.value(guard.value if condition else guard.otherwise, scope)
        result = np.empty(condition.shape, guard.dtype.numpy)
        for chosen, side in ((condition, guard.value), (~condition, guard.otherwise)):
            if chosen.any():
                result[chosen] = self.value(side, scope.where(chosen))
        return result

    # -- memory ----------------------------------------------------------------------------------

    def place(
        self, buffer: Buffer, index: DimLike, scope: _Scope, where: Statement | Expr
    ) -> Number:
        """The value of an index, inside its buffer."""
        place = index_value(index, scope.indices)
        size = self.memory[buffer].shape[-1]
        inside = np.logical_and(np.asarray(place) >= 0, np.asarray(place) < size)
        if not inside.all():
            first = int(np.broadcast_to(place, inside.shape)[~inside].flat[0])
            raise self.error(f"{buffer.name}[{first}] of {size} elements", where)
        return place

    def own_lane(self, scope: _Scope, where: Statement | Expr) -> Array:
        lanes = scope.lanes
        if lanes is None or (len(lanes) and lanes.max() >= self.kernel.lanes):
            raise self.error("a LANE buffer is used by other than a lane of the step", where)
        return lanes

    def error(self, what: str, where: Statement | Expr) -> InternalError:
        text = repr(where) if isinstance(where, Expr) else statement_text(where)
        return InternalError(f"kernel {self.kernel.name}: {what}", notes=[f"in {text}"])


def _combined(term: FoldTerm, left: Array, right: Array) -> Array:
    return _applied(term.combine, [left, right], term.result.dtype)


def _applied(op: Op, arguments: Sequence[Array], dtype: DType) -> Array:
    """The op's reference on arguments of one shape."""
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    types = tuple(TensorType(dtypes.from_numpy(a.dtype), shape) for a in arguments)
    call = OpCall({}, TensorType(dtype, shape), types)
    return np.asarray(op.reference(call, *(np.broadcast_to(a, shape) for a in arguments)))


def _unset(dtype: DType) -> Any:
    """What storage holds before anything is stored."""
    if dtype.precision:
        return np.asarray(np.nan).astype(dtype.numpy)
    return True if dtype is dtypes.bool_ else 0x5A
