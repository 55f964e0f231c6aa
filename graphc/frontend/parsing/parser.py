"""Text to syntax tree.

The parser runs the LALR table of `grammar.lark` over the tokens. After an error it gives up the
logical line, goes on with the next, and so reports several errors in one run. Nothing in it
recurses over the text: any text ends in a tree or in errors with a position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import SourceError, group, register_source
from graphc.frontend.parsing.diagnosis import diagnose
from graphc.frontend.parsing.expression_builder import TooManyErrors
from graphc.frontend.parsing.lexer import MAX_ERRORS, Lexer
from graphc.frontend.parsing.parse_table import ParseTable, Rule, parse_table
from graphc.frontend.parsing.placement import check_depth, check_placement
from graphc.frontend.parsing.tokens import Comment, Token
from graphc.frontend.parsing.tree_builder import TreeBuilder
from graphc.frontend.syntax import Expression, Module

__all__ = ["parse", "parse_expression", "parse_with_comments"]

_LAYOUT = frozenset(("_NEWLINE", "_INDENT", "_DEDENT"))
# What stands in for a header or a line that could not be read, and for a block that is missing.
_HEADER = ("IF", "TRUE", "COLON", "_NEWLINE")
_LINE = ("PASS", "_NEWLINE")
_BLOCK = ("_INDENT", *_LINE, "_DEDENT")


def parse(text: str, file: str = "<text>") -> Module:
    """Parse the text of a `.gc` file.

    Args:
        text: the source, any text at all.
        file: its name in spans and errors.

    Raises:
        SourceError: the text is not a program.
        ErrorGroup: it has several errors; at most twenty are reported.

    >>> parse("const HIDDEN = 256").body
    (Constant(name='HIDDEN', value=Integer(value=256)),)
    """
    return parse_with_comments(text, file)[0]


def parse_with_comments(text: str, file: str = "<text>") -> tuple[Module, list[Comment]]:
    """Parse as `parse` does, and also return the comments in order."""
    lexer = Lexer(text, file)
    lexer.run()
    parser = _Parser(lexer.tokens, TreeBuilder(file))
    module = parser.run("module") if lexer.tokens else None
    errors = lexer.errors + parser.errors
    if isinstance(module, Module) and not errors:
        check_placement(module, errors)
    _raise(errors, text, file)
    assert isinstance(module, Module)
    return module, lexer.comments


def parse_expression(text: str, file: str = "<text>") -> Expression:
    """Parse a single expression, or a tuple without parentheses.

    Raises:
        SourceError, ErrorGroup: as `parse`.

    >>> parse_expression("-x")
    Unary(operator='-', operand=Name(id='x'))
    """
    lexer = Lexer(text, file)
    lexer.run()
    tokens = lexer.tokens
    while len(tokens) > 1 and tokens[-2].type in _LAYOUT:
        del tokens[-2]
    if tokens and tokens[0].type == "_INDENT":
        del tokens[0]
    parser = _Parser(tokens, TreeBuilder(file))
    value = parser.run("value") if tokens else None
    errors = lexer.errors + parser.errors
    if isinstance(value, Expression):
        check_depth(value, errors)
    _raise(errors, text, file)
    assert isinstance(value, Expression)
    return value


def _raise(errors: list[SourceError], text: str, file: str) -> None:
    if not errors:
        return
    register_source(file, text)
    errors.sort(key=lambda error: (error.span.line, error.span.column) if error.span else (0, 0))
    raise group(errors[:MAX_ERRORS])


@dataclass(slots=True)
class _Parser:
    """One run over the tokens of a source."""

    tokens: list[Token]
    builder: TreeBuilder
    table: ParseTable = field(default_factory=parse_table)
    states: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    # The stacks as they were at the start of the logical line, or of the decorator above it.
    marked_states: list[int] = field(default_factory=list)
    marked_values: list[Any] = field(default_factory=list)
    marked_start: int = 0
    line_start: int = 0

    @property
    def errors(self) -> list[SourceError]:
        return self.builder.errors

    def run(self, start: str) -> object:
        """The value of the start symbol; where there are errors it means nothing."""
        self.states = [self.table.start[start]]
        index = 0
        try:
            while index < len(self.tokens):
                refused = self._advance(index)
                if refused is None:
                    return self.values[-1]
                index = self._recover(refused)
        except TooManyErrors:
            return None
        return None

    def _advance(self, index: int) -> int | None:
        """Consume tokens from a position on; the position of the first that does not fit."""
        rows, tokens = self.table.states, self.tokens
        reductions = _reductions(self.table, self.builder)
        at_line_start = True
        while index < len(tokens):
            token = tokens[index]
            kind = token.type
            if at_line_start:
                self._mark(index)
            states, values = self.states, self.values
            action = rows[states[-1]].get(kind)
            while action is not None and action < 0:
                size, origin, build = reductions[-1 - action]
                if build is None:
                    # The value is passed on: only its symbol changes.
                    states[-1] = rows[states[-2]][origin]
                else:
                    popped = values[len(values) - size :]
                    del values[len(values) - size :], states[len(states) - size :]
                    values.append(build(popped))
                    states.append(rows[states[-1]][origin])
                action = rows[states[-1]].get(kind)
            if action is None:
                return None if self._is_complete(token) else index
            states.append(action)
            values.append(token)
            at_line_start = kind in _LAYOUT
            index += 1
        return None

    def _is_complete(self, token: Token) -> bool:
        return token.type == "END" and self.states[-1] in self.table.end.values()

    def _mark(self, index: int) -> None:
        # Below a decorator only its function can follow: the two share a mark.
        after_decorator = (
            index > 0
            and self.tokens[index - 1].type == "_NEWLINE"
            and self.tokens[self.line_start].type == "AT"
        )
        self.line_start = index
        if not after_decorator:
            self.marked_start = index
            self.marked_states = self.states.copy()
            self.marked_values = self.values.copy()

    def _recover(self, index: int) -> int:
        """Report the token that does not fit; the position from which to go on."""
        token = self.tokens[index]
        accepted = self._accepted()
        end = self._line_end(index)
        line = self.tokens[self.line_start : end]
        if all(other.type != "ERROR" for other in line):
            diagnosis = diagnose(self.tokens, index, self.line_start, accepted, self.builder.file)
            self.builder.report(diagnosis)
        if accepted == {"_INDENT"}:
            return index if self._insert(_BLOCK) else len(self.tokens)
        if token.type == "_INDENT":
            return index if self._insert(_HEADER) else len(self.tokens)
        self.states, self.values = self.marked_states.copy(), self.marked_values.copy()
        if index == self.line_start and self.marked_start < index:
            # The line begins anew without the decorator, and a mark of its own.
            return index
        if index == self.line_start and (token.type in _LAYOUT or token.type == "END"):
            return len(self.tokens)
        is_header = end < len(self.tokens) and self.tokens[end].type == "_INDENT"
        return end if self._insert(_HEADER if is_header else _LINE) else len(self.tokens)

    def _line_end(self, index: int) -> int:
        while index < len(self.tokens) and self.tokens[index].type != "_NEWLINE":
            index += 1
        return index + 1

    def _insert(self, kinds: tuple[str, ...]) -> bool:
        """Consume tokens that are not in the source; false where they do not fit either."""
        place = self.tokens[self.line_start]
        inserted = [
            Token(kind, "", place.line, place.column, place.line, place.column) for kind in kinds
        ]
        probe = _Parser(inserted, self.builder, self.table, self.states, self.values)
        return probe._advance(0) is None

    def _accepted(self) -> set[str]:
        """The types of token that fit in the current state."""
        row = self.table.states[self.states[-1]]
        return {kind for kind in row if kind.isupper() and self._accepts(kind)}

    def _accepts(self, kind: str) -> bool:
        rows, rules = self.table.states, self.table.rules
        states = self.states.copy()
        action = rows[states[-1]].get(kind)
        while action is not None and action < 0:
            rule = rules[-1 - action]
            del states[len(states) - rule.size :]
            states.append(rows[states[-1]][rule.origin])
            action = rows[states[-1]].get(kind)
        return action is not None or (kind == "END" and states[-1] in self.table.end.values())


def _reductions(
    table: ParseTable, builder: TreeBuilder
) -> list[tuple[int, str, Callable[[list[Any]], Any] | None]]:
    """For each rule its size, its symbol, and the function from the values popped to its value."""
    reductions: list[tuple[int, str, Callable[[list[Any]], Any] | None]] = []
    for rule in table.rules:
        build: Callable[[list[Any]], Any] | None = None
        if rule.action is not None:
            is_list = rule.action.startswith("_")
            build = rule.arguments if is_list else _action(builder, rule)
        reductions.append((rule.size, rule.origin, build))
    return reductions


def _action(builder: TreeBuilder, rule: Rule) -> Callable[[list[Any]], Any]:
    build = getattr(builder, rule.action or "")
    if not rule.spliced and not rule.missing:
        return lambda values: build(*values)
    return lambda values: build(*rule.arguments(values))
