"""Checks of a kernel's dtypes: every expression is what its op's rule says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.expr import Apply, Constant, Convert, Expr, Guard, IndexValue, WithIndex, walk
from graphc.ir.kernel import (
    Fold,
    FoldTerm,
    If,
    Kernel,
    Let,
    ReadIndex,
    Statement,
    Store,
    expressions,
)
from graphc.ir.kernels.scopes import Violation, visits
from graphc.ir.op import Elementwise, Op
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType

__all__ = ["types"]


def types(kernel: Kernel) -> Iterator[Violation]:
    """Dtypes are those that the rules of the ops and the buffers say."""
    for visit in visits(kernel):
        for text in _type_errors(visit.statement):
            yield visit.violation(text)


def _type_errors(statement: Statement) -> Iterator[str]:
    for expr in walk(*expressions(statement)):
        yield from _expression_errors(expr)
    match statement:
        case Let(scalar, value) if scalar.dtype is not value.dtype:
            yield f"{scalar.name} is {scalar.dtype.name}, its value {value.dtype.name}"
        case ReadIndex(variable, value) if not value.dtype.is_integer:
            yield f"{variable} is a {value.dtype.name}"
        case Store(buffer, _, value) if buffer.dtype is not value.dtype:
            yield f"{buffer.name} holds {buffer.dtype.name}, the value is {value.dtype.name}"
        case Fold(_, terms):
            for term in terms:
                yield from _term_errors(term)
        case If(condition, _) if condition.dtype is not dtypes.bool_:
            yield f"a condition is {condition.dtype.name}"


def _expression_errors(expr: Expr) -> Iterator[str]:
    match expr:
        case Constant(value, dtype) if not _is_of(value, dtype):
            yield f"{value!r} is no constant of {dtype.name}"
        case Apply(op, arguments, dtype):
            found = _result_dtype(op, tuple(argument.dtype for argument in arguments))
            if found is not dtype:
                operands = ", ".join(argument.dtype.name for argument in arguments)
                expected = found.name if isinstance(found, DType) else found
                yield f"{op.name}({operands}) is {dtype.name}, its rule says: {expected}"
        case Convert(value, dtype) if value.dtype.kind == "complex":
            if dtype.kind not in ("complex", "bool"):
                yield f"a conversion of {value.dtype.name} to {dtype.name}"
        case IndexValue(_, dtype) if dtype.kind in ("bool", "complex"):
            yield f"an index as {dtype.name}"
        case WithIndex(variable, value, _) if not value.dtype.is_integer:
            yield f"{variable} is a {value.dtype.name}"
        case Guard(condition, value, otherwise):
            if condition.dtype is not dtypes.bool_:
                yield f"a condition is {condition.dtype.name}"
            if value.dtype is not otherwise.dtype:
                yield f"a guard of {value.dtype.name} and {otherwise.dtype.name}"


def _term_errors(term: FoldTerm) -> Iterator[str]:
    dtype = term.result.dtype
    if term.value.dtype is not dtype:
        yield f"{term.result.name} is {dtype.name}, what it folds is {term.value.dtype.name}"
    if _result_dtype(term.combine, (dtype, dtype)) is not dtype:
        yield f"{term.combine.name} does not combine {dtype.name}"
    if not _is_of(term.identity, dtype):
        yield f"the identity {term.identity!r} is not of {dtype.name}"


def _is_of(value: bool | int | float | complex, dtype: DType) -> bool:
    """Whether a number is one of the dtype; whole numbers are numbers of every dtype."""
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool, int),
        "signed": (int,),
        "unsigned": (int,),
        "complex": (int, float, complex),
    }
    expected = kinds.get(dtype.kind, (int, float))
    is_misplaced = isinstance(value, bool) and dtype.kind != "bool"
    return isinstance(value, expected) and not is_misplaced and dtypes.holds(dtype, value)


@cache
def _result_dtype(op: Op, operands: tuple[DType, ...]) -> DType | str:
    """The dtype that an op gives for single numbers, or why it gives none."""
    if not isinstance(op.lowering, Elementwise):
        return "it is no elementwise op"
    try:
        nodes = tuple(graph_input(f"x{i}", dtype, ()) for i, dtype in enumerate(operands))
        node = op(*nodes)
    except GraphcError as error:
        return error.message
    return node.dtype if isinstance(node.type, TensorType) else "several results"
