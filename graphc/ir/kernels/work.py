"""How much work a kernel is: an estimate from its text, for given dims.

The unit is a multiply-add of vectors whose operands are at hand. A number that is loaded or stored
takes the time of two of them, a function such as `exp` that of sixteen: so measured where the
data lies in a core's cache, where it matters whether a launch is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Apply, Convert, Expr, Load, Space, walk
from graphc.ir.kernel import (
    Block,
    Call,
    Fold,
    If,
    Kernel,
    LetIndex,
    Loop,
    ReadIndex,
    Statement,
    Store,
    expressions,
)
from graphc.ir.kernels.functions import find_function
from graphc.ir.op import Elementwise

__all__ = ["work_of_step"]

_OF_MEMORY = 2
_OF_FUNCTION = 16


def work_of_step(kernel: Kernel) -> DimLike:
    """The work of the first grid step, which is as large as any, in the kernel's scalars.

    Extents that depend on other loops are those of the first iteration; those that data decides
    are as large as they can be. Both branches of an expression count.
    """
    return _of_block(kernel.body, _at(0, kernel.step))


def _at(value: DimLike, *variables: Dim) -> dict[str, DimLike]:
    return {name: value for variable in variables for name in dims.variables(variable)}


def _of_block(block: Block, known: Mapping[str, DimLike]) -> DimLike:
    """The work of a block, where the index variables have the values `known`."""
    total: DimLike = 0
    for statement in block:
        match statement:
            case LetIndex(variable, index):
                known = {**known, **_at(_extent(index, known), variable)}
            case ReadIndex(variable, _):
                known = {**known, **_at(dims.bounds(variable)[1], variable)}
            case _:
                pass
        total = total + _of_statement(statement, known)
    return total


def _of_statement(statement: Statement, known: Mapping[str, DimLike]) -> DimLike:
    own = _of_expressions(expressions(statement))
    match statement:
        case Store(buffer, _, _):
            return own + (_OF_MEMORY if buffer.space is Space.GLOBAL else 1)
        case Loop(variable, extent, _, body):
            return _extent(extent, known) * _of_block(body, {**known, **_at(0, variable)})
        case If(_, body):
            return own + _of_block(body, known)
        case Fold(loops, terms):
            extents = (_extent(extent, known) for _, extent in loops)
            return dims.product(extents) * (own + len(terms))
        case Call(name, arguments):
            function = find_function(name)
            assert function is not None
            counted = [arguments[number] for number in function.extents]
            sizes = (_extent(one, known) for one in counted if isinstance(one, Dim | int))
            return own + function.work * dims.product(sizes)
        case _:
            return own


def _extent(extent: DimLike, known: Mapping[str, DimLike]) -> DimLike:
    return dims.substitute(extent, known, proved=False)


def _of_expressions(roots: Iterable[Expr]) -> int:
    return sum(_of_expression(expr) for expr in walk(*roots))


def _of_expression(expr: Expr) -> int:
    match expr:
        case Load(buffer, _):
            return _OF_MEMORY if buffer.space is Space.GLOBAL else 1
        case Apply(op, _, _):
            is_cheap = not isinstance(op.lowering, Elementwise) or op.lowering.cheap
            return 1 if is_cheap else _OF_FUNCTION
        case Convert():
            return 1
        case _:
            return 0
