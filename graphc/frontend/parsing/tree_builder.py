"""The actions of the grammar for statements and whole files; see `expression_builder`."""

# ruff: noqa: D102 (the grammar says what each action is for)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from graphc.errors import Span
from graphc.frontend import syntax
from graphc.frontend.parsing.expression_builder import ExpressionBuilder, nodes_among
from graphc.frontend.parsing.hints import unused_hint
from graphc.frontend.parsing.tokens import Token
from graphc.ir.record import Record

__all__ = ["TreeBuilder"]


class _Block(Record):
    """The statements below a header, and where they end."""

    body: tuple[syntax.Statement, ...]
    end: Span


@dataclass(slots=True)
class TreeBuilder(ExpressionBuilder):
    """Builds the tree of one source and collects what is wrong with it."""

    # Modules

    def module(self, *body: syntax.Statement) -> syntax.Module:
        end = body[-1].span if body else Span(self.file, 1, 1, 1, 1)
        span = Span(self.file, 1, 1, end.end_line, end.end_column)
        return syntax.Module(body, span=span)

    def simple(self, statement: syntax.Statement, newline: Token) -> syntax.Statement:
        return statement

    def block(self, colon: Token, newline: Token, indent: Token, *body_and_dedent: Any) -> _Block:
        body = body_and_dedent[:-1]
        return _Block(body, body[-1].span)

    def path(self, *parts: Token) -> Sequence[Token]:
        return parts

    def import_module(
        self, word: Token, path: Sequence[Token], as_: Token | None, alias: Token | None
    ) -> syntax.Import:
        span = self.span_of(word, alias or path[-1])
        return syntax.Import(_dotted(path), alias.text if alias else None, span=span)

    def imported_name(
        self, name: Token, as_: Token | None, alias: Token | None
    ) -> syntax.ImportedName:
        span = self.span_of(name, alias or name)
        return syntax.ImportedName(name.text, alias.text if alias else None, span=span)

    def imported_names(self, *names: Any) -> tuple[syntax.ImportedName, ...]:
        return nodes_among(names)

    def import_names(
        self,
        word: Token,
        path: Sequence[Token],
        import_: Token,
        names: tuple[syntax.ImportedName, ...],
    ) -> syntax.ImportFrom:
        return syntax.ImportFrom(_dotted(path), names, span=self.span_of(word, names[-1]))

    def import_bracketed_names(
        self,
        word: Token,
        path: Sequence[Token],
        import_: Token,
        opening: Token,
        names: tuple[syntax.ImportedName, ...],
        closing: Token,
    ) -> syntax.ImportFrom:
        return syntax.ImportFrom(_dotted(path), names, span=self.span_of(word, closing))

    def dimension(
        self,
        word: Token,
        name: Token,
        colon: Token,
        lower: syntax.Expression,
        range_: Token,
        upper: syntax.Expression,
        multiple_of: Token | None,
        multiple: syntax.Expression | None,
    ) -> syntax.Dimension:
        span = self.span_of(word, multiple or upper)
        return syntax.Dimension(name.text, lower, upper, multiple, span=span)

    def constant(
        self, word: Token, name: Token, equal: Token, value: syntax.Expression
    ) -> syntax.Constant:
        return syntax.Constant(name.text, value, span=self.span_of(word, value))

    def export(
        self, word: Token, name: Token, equal: Token, value: syntax.Expression
    ) -> syntax.Export:
        return syntax.Export(name.text, value, span=self.span_of(word, value))

    # Models and functions

    def model(
        self,
        word: Token,
        name: Token,
        opening: Token | None,
        parameters: tuple[Any, ...] | None,
        closing: Token | None,
        block: _Block,
    ) -> syntax.Model:
        for parameter in parameters or ():
            if isinstance(parameter, syntax.StateParameter):
                self.refuse(
                    "a model takes no state as a parameter",
                    parameter.span,
                    "declare it in the model's body: `state name: f32[] = zeros()`",
                )
        span = self.span_of(word, block.end)
        return syntax.Model(name.text, parameters or (), block.body, span=span)

    def function(
        self,
        decorators: tuple[Any, ...],
        word: Token,
        name: Token,
        opening: Token,
        parameters: tuple[Any, ...],
        closing: Token,
        arrow: Token | None,
        returns: syntax.Type | None,
        block: _Block,
    ) -> syntax.Function:
        at_signs = [first for first, _ in decorators]
        return syntax.Function(
            name.text,
            parameters,
            returns,
            block.body,
            tuple(decorator for _, decorator in decorators),
            span=self.span_of(at_signs[0] if at_signs else word, block.end),
        )

    def decorators(self, *decorators: tuple[Token, syntax.Expression]) -> tuple[Any, ...]:
        return decorators

    def decorator(
        self, at_sign: Token, value: syntax.Expression, newline: Token
    ) -> tuple[Token, syntax.Expression]:
        return at_sign, value

    def parameters(self, *items: Any) -> tuple[Any, ...]:
        return nodes_among(items)

    def parameter(
        self,
        name: Token,
        colon: Token | None,
        annotation: syntax.Type | None,
        equal: Token | None,
        default: syntax.Expression | None,
    ) -> syntax.Parameter:
        span = self.span_of(name, default or annotation or name)
        if iskeyword(name.text):
            # Functions are called from Python as well, by the names of their parameters.
            self.refuse(
                f"{name.text!r} cannot name a parameter: it is a keyword of Python",
                self.span_of(name, name),
                f"call it {name.text}_",
            )
        return syntax.Parameter(name.text, annotation, default, span=span)

    def state_parameter(
        self, word: Token, target: syntax.Expression, colon: Token, annotation: syntax.Type
    ) -> syntax.StateParameter:
        self._check_place(target)
        return syntax.StateParameter(target, annotation, span=self.span_of(word, annotation))

    def declaration(
        self,
        word: Token,
        name: Token,
        colon: Token,
        annotation: syntax.Type,
        equal: Token | None,
        initializer: syntax.Expression | None,
    ) -> syntax.Declaration:
        span = self.span_of(word, initializer or annotation)
        return syntax.Declaration(word.text, name.text, annotation, initializer, span=span)

    # Statements

    def update(
        self, word: Token, target: syntax.Expression, equal: Token, value: syntax.Expression
    ) -> syntax.Update:
        self._check_place(target)
        return syntax.Update(target, value, span=self.span_of(word, value))

    def assign(
        self, target: syntax.Expression, equal: Token, value: syntax.Expression
    ) -> syntax.Statement:
        span = self.span_of(target, value)
        if isinstance(target, syntax.Subscript):
            return self._index_assign(target, value, span)
        self.check_target(target)
        return syntax.Assign(target, value, span=span)

    def _index_assign(
        self, target: syntax.Subscript, value: syntax.Expression, span: Span
    ) -> syntax.Statement:
        if not isinstance(target.value, syntax.Name):
            self.refuse(
                "index notation defines a new name, not a part of a value", target.value.span
            )
            return syntax.Pass(span=span)
        indices = self.index_names(target.indices)
        return syntax.IndexAssign(target.value.id, indices, value, span=span)

    def annotated_assign(
        self,
        target: syntax.Expression,
        colon: Token,
        annotation: syntax.Type,
        equal: Token,
        value: syntax.Expression,
    ) -> syntax.Assign:
        if not isinstance(target, syntax.Name):
            is_notation = isinstance(target, syntax.Subscript)
            hint = (
                "how far an index runs is stated beside it: y[i: 3] = x[i]" if is_notation else None
            )
            self.refuse("only a single name can be annotated with a type", target.span, hint)
        return syntax.Assign(target, value, annotation, span=self.span_of(target, value))

    def augmented_assign(
        self, target: syntax.Expression, operator: Token, value: syntax.Expression
    ) -> syntax.Statement:
        span = self.span_of(target, value)
        if not isinstance(target, syntax.Name):
            self.refuse(
                f"'{operator.text}' takes a single name on its left",
                target.span,
                "values never change in place: x = x.at[i].add(y) is a new one",
            )
            return syntax.Pass(span=span)
        return syntax.AugmentedAssign(target.id, operator.text[:-1], value, span=span)

    def return_(self, word: Token, value: syntax.Expression | None) -> syntax.Return:
        return syntax.Return(value, span=self.span_of(word, value or word))

    def pass_(self, word: Token) -> syntax.Pass:
        return syntax.Pass(span=self.span_of(word, word))

    def expression_statement(self, value: syntax.Expression) -> syntax.Statement:
        if isinstance(value, syntax.String):
            return syntax.Docstring(value.value, span=value.span)
        self.refuse("this value is computed and not used", value.span, unused_hint(value))
        return syntax.Pass(span=value.span)

    def for_loop(
        self,
        word: Token,
        target: syntax.Expression,
        in_: Token,
        iterable: syntax.Expression,
        block: _Block,
    ) -> syntax.For:
        self.check_target(target)
        return syntax.For(target, iterable, block.body, span=self.span_of(word, block.end))

    def while_loop(
        self,
        word: Token,
        test: syntax.Expression,
        comma: Token,
        at_most: Token,
        bound: syntax.Expression,
        block: _Block,
    ) -> syntax.While:
        return syntax.While(test, bound, block.body, span=self.span_of(word, block.end))

    def unbounded_loop(self, word: Token, test: syntax.Expression, block: _Block) -> syntax.While:
        self.refuse(
            "this loop has no bound; expected ', at most' and a number after its condition",
            self.span_of(word, test),
            "write `while condition, at most 100:`",
        )
        return syntax.While(test, syntax.Integer(1), block.body, span=self.span_of(word, block.end))

    def conditional_block(
        self,
        word: Token,
        test: syntax.Expression,
        block: _Block,
        elifs: Sequence[tuple[Token, syntax.Expression, _Block]],
        else_: Token | None,
        orelse: _Block | None,
    ) -> syntax.If:
        rest = orelse.body if orelse else ()
        end = (orelse or (elifs[-1][2] if elifs else block)).end
        for elif_, elif_test, elif_block in reversed(elifs):
            span = self.span_of(elif_, end)
            rest = (syntax.If(elif_test, elif_block.body, rest, span=span),)
        return syntax.If(test, block.body, rest, span=self.span_of(word, end))

    def elif_blocks(self, *blocks: Any) -> Sequence[Any]:
        return blocks

    def elif_block(self, word: Token, test: syntax.Expression, block: _Block) -> Any:
        return word, test, block

    def _check_place(self, target: syntax.Expression) -> None:
        """State is named like `fc1.weight` or `blocks[0].bias`."""
        node = target
        while not isinstance(node, syntax.Name):
            if isinstance(node, syntax.Subscript):
                index = node.indices[0]
                if len(node.indices) == 1 and isinstance(index, syntax.Integer):
                    node = node.value
                    continue
            elif isinstance(node, syntax.Attribute):
                node = node.value
                continue
            self.refuse("expected the name of a piece of state, such as `fc1.weight`", target.span)
            return


def _dotted(path: Sequence[Token]) -> str:
    return "".join(part.text for part in path)
