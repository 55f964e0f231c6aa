"""What the statements of a function do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphc.errors import DTypeError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import loops, numbers
from graphc.frontend.elaboration.branches import branch
from graphc.frontend.elaboration.expressions import Evaluator, limited
from graphc.frontend.elaboration.iterables import InGraph
from graphc.frontend.elaboration.recovery import Recovery
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.rows import Rows, row_assigned, told_of_numbers
from graphc.frontend.tracing.state import State
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.record import Record

__all__ = ["Returned", "run_body"]


class Returned(Record):
    """That a body has come to its end by `return`, with which value and where."""

    value: Any
    span: Span


def run_body(evaluator: Evaluator, body: Sequence[syntax.Statement]) -> Returned | None:
    """Run statements in order; None if they end without `return`.

    Raises:
        GraphcError: statements have no meaning, each at its place.
    """
    recovery = Recovery(evaluator.scope)
    returned: Returned | None = None
    for place, statement in enumerate(body):
        with recovery.over(statement):
            evaluator.program.count(statement.span)
            if isinstance(statement, syntax.If):
                returned = _if(evaluator, statement, body[place + 1 :])
            else:
                returned = _RUN[type(statement)](evaluator, statement)
        if returned is not None:
            break
    recovery.finish()
    return returned


def _value(evaluator: Evaluator, node: syntax.Expression) -> Any:
    """The value of an expression, in which the names of axes may stand for indices."""
    return _named_value(evaluator, node)[0]


def _named_value(evaluator: Evaluator, node: syntax.Expression) -> tuple[Any, tuple[str, ...]]:
    """The value of an expression, and the names of its axes where it computes with such names."""
    if isinstance(node, syntax.Tuple):
        return limited(tuple(_value(evaluator, one) for one in node.elements), node), ()
    if isinstance(node, syntax.List):
        return limited([_value(evaluator, one) for one in node.elements], node), ()
    if isinstance(node, syntax.ListComprehension):
        rounds = evaluator.rounds_of(node)
        return limited([_value(inner, node.element) for inner in rounds], node), ()
    named = evaluator.program.named_axes(evaluator, node)
    return (evaluator.evaluate(node), ()) if named is None else named


def _assign(evaluator: Evaluator, node: syntax.Assign) -> None:
    value, axes = _named_value(evaluator, node.value)
    if node.annotation is not None:
        value = evaluator.program.annotated(evaluator, value, node)
    if isinstance(node.target, syntax.Name):
        if isinstance(evaluator.scope.find(node.target.id), State):
            raise refused(
                f"{node.target.id!r} is state, and would be hidden by this value",
                "update",
                node.target.span,
                f"write update {node.target.id} = ..., or give the value another name",
            )
        if isinstance(node.value, syntax.Name):
            axes = evaluator.scope.axis_names(node.value.id)
        is_size = type(value) is int and loops.is_of_dims(evaluator.scope, node.value)
        evaluator.scope.define(node.target.id, value, axes, node.target.span)
        if is_size:
            evaluator.scope.mark_size(node.target.id)
    else:
        evaluator.assign(node.target, value, node.value)


def _augmented(evaluator: Evaluator, node: syntax.AugmentedAssign) -> None:
    before = syntax.Name(node.name, span=node.span)
    value = syntax.Binary(before, node.operator, node.value, span=node.span)
    _assign(evaluator, syntax.Assign(before, value, span=node.span))


def _index_assign(evaluator: Evaluator, node: syntax.IndexAssign) -> None:
    if row_assigned(evaluator, node):
        return
    value = evaluator.program.index_notation(evaluator, node)
    axes = tuple(index.id for index in node.indices)
    evaluator.scope.define(node.name, value, axes, node.span)


def _update(evaluator: Evaluator, node: syntax.Update) -> None:
    state = evaluator.evaluate(node.target)
    if not isinstance(state, State):
        raise refused(
            f"{described(state)} is no state",
            "update",
            node.target.span,
            "update what a model declares with `state` or `param`",
        )
    value = _value(evaluator, node.value)
    if isinstance(value, numbers.Formula) or numbers.is_number(value):
        value = numbers.tensor_of(value, state.dtype)
    if not isinstance(value, Tensor):
        raise refused(f"{described(value)} is no value of state", "update", node.value.span)
    if value.dtype is state.dtype and value.ndim and value.shape != state.shape:
        raise ShapeError(
            f"the state is {state.type}, its new value {value.type}", span=node.value.span
        )
    with evaluator.program.sources.at(node.span):
        state.update(value)


def _function(evaluator: Evaluator, node: syntax.Function) -> None:
    evaluator.scope.define(node.name, evaluator.program.function(node, evaluator.scope))


def _for(evaluator: Evaluator, node: syntax.For) -> Returned | None:
    with told_of_numbers(node):
        return _looped(evaluator, node)


def _looped(evaluator: Evaluator, node: syntax.For) -> Returned | None:
    over = loops.iterated(evaluator, node)
    if isinstance(over, InGraph):
        loops.scan_loop(evaluator, node, over, run_body)
        return None
    items = evaluator.items_of(over, node.iterable)
    if not items:
        loops.leave_loop(evaluator.scope, node.body, "the loop that assigns it runs 0 times")
        return None
    rows = Rows(evaluator.scope, node)
    for item in items:
        evaluator.program.count(node.span)
        evaluator.assign(node.target, item)
        rows.begin()
        returned = run_body(evaluator, node.body)
        if returned is not None:
            return returned
    with evaluator.program.sources.at(node.span.first_line()):
        rows.end(len(items))
    return None


def _while(evaluator: Evaluator, node: syntax.While) -> None:
    loops.bounded_loop(evaluator, node, run_body)


def _if(evaluator: Evaluator, node: syntax.If, rest: Sequence[syntax.Statement]) -> Returned | None:
    """An `if`, with the statements that follow it.

    Where a tensor decides, and one block alone returns, what follows is the end of the other.
    """
    links, orelse = node.chain()
    for number, link in enumerate(links):
        test = evaluator.evaluate(link.test)
        if isinstance(test, Tensor):
            whole = _with_rest(link, rest)
            inner = () if whole is link else rest
            depth = len(links) - number + sum(isinstance(one, syntax.If) for one in inner)
            if depth > syntax.MAX_BLOCK_DEPTH:
                raise refused(
                    f"more than {syntax.MAX_BLOCK_DEPTH} conditions on tensors follow each other",
                    "too-deep",
                    link.test.span,
                    "each is a branch inside of the one before it: choose with where(...)",
                )
            _require_one_bool(test, link.test)
            found: Returned | None = branch(evaluator, whole, test, run_body)
            return found
        if evaluator.truth_of(test, link.test):
            return run_body(evaluator, link.body)
    return run_body(evaluator, orelse)


def _with_rest(node: syntax.If, rest: Sequence[syntax.Statement]) -> syntax.If:
    """The branch with what follows it in the block that does not return, if one alone does."""
    if _returns(node.body) is _returns(node.orelse) or not _returns(rest):
        return node
    if _returns(node.body):
        return replace(node, orelse=(*node.orelse, *rest))
    return replace(node, body=(*node.body, *rest))


def _returns(block: Sequence[syntax.Statement]) -> bool:
    """Whether a block is seen to return, whatever is chosen in it."""
    match block:
        case (*_, syntax.Return()):
            return True
        case (*_, syntax.If() as last):
            links, orelse = last.chain()
            return all(map(_returns, (*(one.body for one in links), orelse)))
    return False


def _require_one_bool(test: Tensor, node: syntax.Expression) -> None:
    if test.shape or test.dtype is not dtypes.bool_:
        raise DTypeError(
            f"the condition of a branch is {test.type}, expected bool[]",
            code="condition",
            span=node.span,
            hint="where(condition, a, b) chooses each element; all(...) and any(...) make one bool "
            "of many, x != 0 of a number; an argument that is left out is None: if x is None: ...",
        )


def _return(evaluator: Evaluator, node: syntax.Return) -> Returned:
    if node.value is None:
        return Returned((), node.span)
    return Returned(_value(evaluator, node.value), node.value.span)


def _nothing(evaluator: Evaluator, node: syntax.Statement) -> None:
    return None


_RUN: dict[type[syntax.Statement], Callable[[Any, Any], Returned | None]] = {
    syntax.Docstring: _nothing,
    syntax.Pass: _nothing,
    syntax.Assign: _assign,
    syntax.AugmentedAssign: _augmented,
    syntax.IndexAssign: _index_assign,
    syntax.Update: _update,
    syntax.Function: _function,
    syntax.For: _for,
    syntax.While: _while,
    syntax.Return: _return,
}
