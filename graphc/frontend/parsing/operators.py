"""Shapes a flat sequence of operands and operators by precedence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphc.errors import SourceError, Span
from graphc.frontend.parsing.tokens import Token
from graphc.frontend.syntax import (
    BINARY_PRECEDENCE,
    COMPARISONS,
    UNARY_PRECEDENCE,
    Binary,
    Compare,
    Expression,
    Name,
    NoneLiteral,
    Reduction,
    Unary,
)
from graphc.ir.record import Record

__all__ = ["REDUCTION_PRECEDENCE", "ReductionPrefix", "apply_precedence"]

_PRODUCT = BINARY_PRECEDENCE["*"]
_COMPARISON = BINARY_PRECEDENCE["=="]
_POWER = BINARY_PRECEDENCE["**"]
# Between sums and products: a reduction takes the whole product that follows it.
REDUCTION_PRECEDENCE = _PRODUCT - 0.5


class ReductionPrefix(Record):
    """`sum[d]` in front of its operand."""

    operator: str
    indices: tuple[Name, ...]
    span: Span


@dataclass(slots=True)
class _Pending:
    """An operator that waits for its right operand."""

    precedence: float
    text: str
    build: Callable[[_Stacks], None]
    prefix: ReductionPrefix | Token | None = None


@dataclass(slots=True)
class _Stacks:
    file: str
    operands: list[Expression] = field(default_factory=list)
    pending: list[_Pending] = field(default_factory=list)

    def reduce(self, precedence: float) -> None:
        """Apply the pending operators that bind at least as tightly."""
        while self.pending and self.pending[-1].precedence >= precedence:
            self.pending[-1].build(self)


def apply_precedence(
    file: str, items: Sequence[Expression | Token | ReductionPrefix]
) -> Expression:
    """The expression of a sequence of prefixes, operands and infix operators.

    The sequence is well-formed, as the grammar ensures. The work is linear in its length and
    needs no recursion, whatever its nesting (Dijkstra's two stacks).

    Raises:
        SourceError: `not` where an operand of an operator that binds more tightly stands, or `is`
            between operands of which none is `None`.
    """
    stacks = _Stacks(file)
    wants_operand = True
    for item in items:
        if isinstance(item, Expression):
            stacks.operands.append(item)
            wants_operand = False
        elif isinstance(item, ReductionPrefix):
            stacks.pending.append(
                _Pending(REDUCTION_PRECEDENCE, item.operator, _build_reduction, item)
            )
        elif wants_operand:
            _push_unary(stacks, item)
        else:
            _push_infix(stacks, item.text)
            wants_operand = True
    stacks.reduce(0)
    return stacks.operands[0]


def _push_unary(stacks: _Stacks, token: Token) -> None:
    precedence = UNARY_PRECEDENCE[token.text]
    if token.text == "not" and stacks.pending and stacks.pending[-1].text == "is":
        stacks.pending[-1].text = "is not"
        return
    if stacks.pending and stacks.pending[-1].precedence > precedence and token.text == "not":
        raise SourceError(
            f"`not` binds less tightly than the '{stacks.pending[-1].text}' before it",
            span=Span(stacks.file, token.line, token.column, token.end_line, token.end_column),
            hint="put parentheses around `not` and its operand",
        )
    stacks.pending.append(_Pending(precedence, token.text, _build_unary, token))


def _push_infix(stacks: _Stacks, operator: str) -> None:
    precedence = BINARY_PRECEDENCE[operator]
    if precedence == _COMPARISON:
        # Comparisons at one level stay pending and become one chain.
        stacks.reduce(precedence + 1)
        stacks.pending.append(_Pending(precedence, operator, _build_comparison))
        return
    # `**` associates to the right: an equal one waits.
    stacks.reduce(precedence + 1 if precedence == _POWER else precedence)
    stacks.pending.append(_Pending(precedence, operator, _build_binary))


def _span(first: Span, last: Span) -> Span:
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


def _build_unary(stacks: _Stacks) -> None:
    token = stacks.pending.pop().prefix
    assert isinstance(token, Token)
    operand = stacks.operands.pop()
    end = operand.span
    span = Span(end.file, token.line, token.column, end.end_line, end.end_column)
    stacks.operands.append(Unary(token.text, operand, span=span))


def _build_reduction(stacks: _Stacks) -> None:
    prefix = stacks.pending.pop().prefix
    assert isinstance(prefix, ReductionPrefix)
    operand = stacks.operands.pop()
    span = _span(prefix.span, operand.span)
    stacks.operands.append(Reduction(prefix.operator, prefix.indices, operand, span=span))


def _build_binary(stacks: _Stacks) -> None:
    operator = stacks.pending.pop().text
    right = stacks.operands.pop()
    left = stacks.operands.pop()
    stacks.operands.append(Binary(left, operator, right, span=_span(left.span, right.span)))


def _build_comparison(stacks: _Stacks) -> None:
    operators: list[str] = []
    while stacks.pending and stacks.pending[-1].text in COMPARISONS:
        operators.append(stacks.pending.pop().text)
    comparators = stacks.operands[-len(operators) :]
    del stacks.operands[-len(operators) :]
    left = stacks.operands.pop()
    span = _span(left.span, comparators[-1].span)
    operators.reverse()
    for operator, *pair in zip(operators, (left, *comparators), comparators, strict=False):
        if operator in ("is", "is not") and not any(isinstance(one, NoneLiteral) for one in pair):
            raise SourceError(
                f"`{operator}` asks whether a value is None",
                span=_span(pair[0].span, pair[1].span),
                hint="compare with '==' or '!='",
            )
    stacks.operands.append(Compare(left, tuple(operators), tuple(comparators), span=span))
