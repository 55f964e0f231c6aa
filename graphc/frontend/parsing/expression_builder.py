"""The actions of the grammar for expressions and types.

An action makes the syntax-tree node of one production. Actions are named after the rules and
aliases of `grammar.lark` and take the values of the right side in order: tokens, nodes, and None
for what is absent.
"""

# ruff: noqa: D102 (the grammar says what each action is for)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any

from graphc.errors import SourceError, Span
from graphc.frontend import syntax
from graphc.frontend.parsing.lexer import MAX_ERRORS
from graphc.frontend.parsing.literals import LiteralError, number_value, string_value
from graphc.frontend.parsing.operators import ReductionPrefix, apply_precedence
from graphc.frontend.parsing.tokens import Token

__all__ = ["ExpressionBuilder", "TooManyErrors", "nodes_among"]


class TooManyErrors(Exception):
    """So much is wrong that reading on helps nobody."""


@dataclass(slots=True)
class ExpressionBuilder:
    """Builds the expressions and types of one source and collects what is wrong with them."""

    file: str
    errors: list[SourceError] = field(default_factory=list)

    def span_of(self, first: Token | syntax.Node, last: Token | syntax.Node | Span) -> Span:
        start = first if isinstance(first, Token) else first.span
        end = last.span if isinstance(last, syntax.Node) else last
        return Span(self.file, start.line, start.column, end.end_line, end.end_column)

    def refuse(self, message: str, span: Span, hint: str | None = None) -> None:
        self.report(SourceError(message, span=span, hint=hint))

    def report(self, error: SourceError) -> None:
        """Collect an error, once: a line that is read anew may be refused as before.

        Raises:
            TooManyErrors: there are as many as are ever shown.
        """
        if any((one.span, one.message) == (error.span, error.message) for one in self.errors):
            return
        self.errors.append(error)
        if len(self.errors) >= MAX_ERRORS:
            raise TooManyErrors

    # Types

    def tensor_type(
        self,
        dtype: Token,
        opening: Token,
        shape: tuple[syntax.Expression, ...] | None,
        closing: Token,
    ) -> syntax.TensorType:
        return syntax.TensorType(dtype.text, shape or (), span=self.span_of(dtype, closing))

    def dims(self, *items: Any) -> tuple[Any, ...]:
        return nodes_among(items)

    def named_type(self, path: Sequence[Token]) -> syntax.NamedType:
        name: syntax.Expression = self.name(path[0])
        for part in path[2::2]:
            name = syntax.Attribute(name, part.text, span=self.span_of(path[0], part))
        return syntax.NamedType(name, span=name.span)

    def tuple_type(
        self, opening: Token, types: tuple[tuple[syntax.Type, ...], bool] | None, closing: Token
    ) -> syntax.Type:
        elements: tuple[syntax.Type, ...] = types[0] if types else ()
        is_tuple = types is None or types[1]
        if elements and not is_tuple:
            return elements[0]
        return syntax.TupleType(elements, span=self.span_of(opening, closing))

    def types(self, *items: Any) -> tuple[Any, bool]:
        return nodes_among(items), any(isinstance(item, Token) for item in items)

    # Expressions

    def bare_tuple(self, *items: Any) -> syntax.Tuple:
        last = next(item for item in reversed(items) if item is not None)
        return syntax.Tuple(nodes_among(items), span=self.span_of(items[0], last))

    def conditional(
        self,
        body: syntax.Expression,
        if_: Token,
        test: syntax.Expression,
        else_: Token,
        orelse: syntax.Expression,
    ) -> syntax.Conditional:
        return syntax.Conditional(test, body, orelse, span=self.span_of(body, orelse))

    def flat_operation(self, *items: Any) -> syntax.Expression:
        try:
            return apply_precedence(self.file, items)
        except SourceError as error:
            self.report(error)
            return syntax.NoneLiteral(span=self.span_of(items[0], items[-1]))

    def reduction(
        self,
        word: Token,
        opening: Token,
        indices: tuple[syntax.Expression, ...],
        closing: Token,
    ) -> ReductionPrefix:
        names = self.index_names(indices)
        return ReductionPrefix(word.text, names, self.span_of(word, closing))

    def name(self, token: Token) -> syntax.Name:
        return syntax.Name(token.text, span=self.span_of(token, token))

    def number(self, token: Token) -> syntax.Expression:
        span = self.span_of(token, token)
        try:
            value = number_value(token.text)
        except LiteralError as error:
            self.refuse(str(error), span, error.hint)
            value = 0
        if isinstance(value, int):
            return syntax.Integer(value, token.text, span=span)
        return syntax.Float(value, token.text, span=span)

    def string(self, token: Token) -> syntax.String:
        span = self.span_of(token, token)
        try:
            return syntax.String(string_value(token.text), span=span)
        except LiteralError as error:
            self.refuse(str(error), span, error.hint)
            return syntax.String("", span=span)

    def true(self, token: Token) -> syntax.Boolean:
        return syntax.Boolean(True, span=self.span_of(token, token))

    def false(self, token: Token) -> syntax.Boolean:
        return syntax.Boolean(False, span=self.span_of(token, token))

    def none(self, token: Token) -> syntax.NoneLiteral:
        return syntax.NoneLiteral(span=self.span_of(token, token))

    def ellipsis(self, token: Token) -> syntax.EllipsisLiteral:
        return syntax.EllipsisLiteral(span=self.span_of(token, token))

    def attribute(self, value: syntax.Expression, dot: Token, attr: Token) -> syntax.Attribute:
        return syntax.Attribute(value, attr.text, span=self.span_of(value, attr))

    def call(
        self,
        function: syntax.Expression,
        opening: Token,
        arguments: tuple[Any, ...] | None,
        closing: Token,
    ) -> syntax.Call:
        args: list[syntax.Expression] = []
        keywords: list[syntax.Keyword] = []
        for argument in arguments or ():
            if isinstance(argument, syntax.Keyword):
                if any(argument.arg == other.arg for other in keywords):
                    self.refuse(f"the keyword '{argument.arg}' stands twice", argument.span)
                keywords.append(argument)
                continue
            if keywords:
                self.refuse(
                    f"a positional argument follows the keyword '{keywords[-1].arg}'",
                    argument.span,
                    "put the positional arguments first",
                )
            args.append(argument)
        span = self.span_of(function, closing)
        return syntax.Call(function, tuple(args), tuple(keywords), span=span)

    def arguments(self, *items: Any) -> tuple[Any, ...]:
        return nodes_among(items)

    def keyword(self, name: Token, equal: Token, value: syntax.Expression) -> syntax.Keyword:
        return syntax.Keyword(name.text, value, span=self.span_of(name, value))

    def subscript(
        self,
        value: syntax.Expression,
        opening: Token,
        indices: tuple[syntax.Expression, ...],
        closing: Token,
    ) -> syntax.Subscript:
        return syntax.Subscript(value, indices, span=self.span_of(value, closing))

    def indices(self, *items: Any) -> tuple[Any, ...]:
        return nodes_among(items)

    def slice(
        self,
        lower: syntax.Expression | None,
        colon: Token,
        upper: syntax.Expression | None,
        second_colon: Token | None,
        step: syntax.Expression | None,
    ) -> syntax.Slice:
        span = self.span_of(lower or colon, step or second_colon or upper or colon)
        return syntax.Slice(lower, upper, step, span=span)

    def parenthesized(
        self, opening: Token, value: syntax.Expression | None, closing: Token
    ) -> syntax.Expression:
        span = self.span_of(opening, closing)
        return syntax.Tuple((), span=span) if value is None else replaced(value, span=span)

    def list(self, opening: Token, elements: tuple[Any, ...] | None, closing: Token) -> syntax.List:
        return syntax.List(elements or (), span=self.span_of(opening, closing))

    def elements(self, *items: Any) -> tuple[Any, ...]:
        return nodes_among(items)

    def comprehension(
        self,
        opening: Token,
        element: syntax.Expression,
        *clauses: Any,
    ) -> syntax.ListComprehension:
        *inner, closing = clauses
        span = self.span_of(opening, closing)
        return syntax.ListComprehension(element, tuple(inner), span=span)

    def clause(
        self,
        for_: Token,
        target: syntax.Expression,
        in_: Token,
        iterable: syntax.Expression,
        *conditions: syntax.Expression,
    ) -> syntax.Clause:
        self.check_target(target)
        span = self.span_of(for_, conditions[-1] if conditions else iterable)
        return syntax.Clause(target, iterable, conditions, span=span)

    def condition(self, if_: Token, test: syntax.Expression) -> syntax.Expression:
        return test

    # Checks

    def check_target(self, target: syntax.Expression) -> None:
        pending = [target]
        while pending:
            node = pending.pop()
            if isinstance(node, syntax.Tuple) and node.elements:
                pending += node.elements
            elif isinstance(node, syntax.Attribute):
                self.refuse(
                    "a member of a value cannot be assigned",
                    node.span,
                    "state gets a new value by `update name = value`, and parts are made in the "
                    "body of a model: fc = Linear(3, 4)",
                )
            elif not isinstance(node, syntax.Name):
                self.refuse(
                    f"{_described(node)} cannot be assigned; expected a name",
                    node.span,
                    "'=' assigns; to compare, write '=='",
                )

    def index_names(self, indices: Sequence[syntax.Expression]) -> tuple[syntax.Name, ...]:
        names: dict[str, syntax.Name] = {}
        for one in indices:
            index = _introduced(one)
            if index is None:
                self.refuse(
                    "index notation takes the names of indices here, such as `i` or `i: 3`",
                    one.span,
                    "values never change in place: x = x.at[0].set(y) is a new one",
                )
            elif index.id in names:
                self.refuse(f"the index '{index.id}' stands twice", index.span)
            else:
                names[index.id] = index
        return tuple(names.values())


def _introduced(node: syntax.Expression) -> syntax.Name | None:
    """The index that `i` or `i: extent` introduces; None for anything else."""
    match node:
        case syntax.Slice(syntax.Name(name), upper, None) if upper is not None:
            return syntax.Index(name, upper, span=node.span)
        case syntax.Name():
            return node
    return None


def nodes_among(items: Sequence[Any]) -> tuple[Any, ...]:
    """The items of a list without its commas and what is absent."""
    return tuple(item for item in items if item is not None and not isinstance(item, Token))


def _described(node: syntax.Expression) -> str:
    match node:
        case syntax.Call():
            return "a call"
        case syntax.Integer() | syntax.Float() | syntax.String() | syntax.Boolean():
            return "a literal"
        case syntax.NoneLiteral() | syntax.EllipsisLiteral():
            return "a literal"
        case syntax.Subscript():
            return "an element"
        case _:
            return "an expression"
