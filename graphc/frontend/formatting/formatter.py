"""The canonical layout of `.gc` source: `graphc fmt`.

The tree is printed anew, with the comments of the source where they stood. Formatting changes
neither the tree nor any comment, and formatting twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.errors import Span
from graphc.frontend import syntax
from graphc.frontend.formatting.comments import CommentQueue
from graphc.frontend.formatting.layout import INDENT, Broken, Concat, Document, render
from graphc.frontend.formatting.printer import Printer
from graphc.frontend.parsing.literals import string_literal
from graphc.frontend.parsing.parser import parse_with_comments
from graphc.frontend.parsing.tokens import Comment

__all__ = ["format_source", "unparse"]

_DEFINITIONS = (syntax.Function, syntax.Model)
_LINE_END = re.compile(r"\r\n|\r|\n")
_NO_LINE = 2**62


def format_source(text: str, file: str = "<text>") -> str:
    """The canonical layout of a source: same tree, same comments.

    Raises:
        SourceError, ErrorGroup: the text is not a program.

    >>> print(format_source("def f( x:f32[ B ] ):  # twice\\n  return  (x*2)\\n"), end="")
    def f(x: f32[B]):  # twice
        return x * 2
    """
    module, comments = parse_with_comments(text, file)
    formatter = _Formatter(Printer(CommentQueue(_LINE_END.split(text), comments)))
    formatter.body(module.body, 0, 1, _NO_LINE)
    return "".join(line + "\n" for line in formatter.output)


def unparse(node: syntax.Node) -> str:
    """The canonical text of a module, a statement, an expression or a type.

    >>> unparse(syntax.Binary(syntax.Name("a"), "*", syntax.Unary("-", syntax.Name("b"))))
    'a * -b'
    """
    if isinstance(node, syntax.Module | syntax.Statement):
        body = node.body if isinstance(node, syntax.Module) else (node,)
        formatter = _Formatter(Printer())
        formatter.body(body, 0, 1, _NO_LINE)
        return "".join(line + "\n" for line in formatter.output)
    printer = Printer()
    if isinstance(node, syntax.Expression) and not isinstance(node, syntax.Slice):
        return render(printer.alone(node))
    return render(printer.item(node))


@dataclass(slots=True)
class _Formatter:
    """Prints statements line by line and keeps the comments and blank lines between them.

    Attributes:
        printer: makes the documents, and holds the comments not printed yet.
        output: the lines printed.
        last_line: the last line of the source that is printed.
    """

    printer: Printer
    output: list[str] = field(default_factory=list)
    last_line: int = 0

    # Blocks

    def body(
        self, body: Sequence[syntax.Statement], depth: int, column: int, end_line: int
    ) -> None:
        """Print a block.

        Args:
            body: its statements.
            depth: how many blocks are around it.
            column: where its statements start in the source.
            end_line: line of the source with the next text that is not in the block.
        """
        previous: syntax.Statement | None = None
        is_first = True
        for position, statement in enumerate(body):
            following = body[position + 1].span.line if position + 1 < len(body) else end_line
            comments = self.printer.comments.before(statement.span.line)
            attached = _attached(comments, statement.span.line)
            for number, comment in enumerate(comments):
                successor = statement if number >= len(comments) - attached else None
                is_inside = number > len(comments) - attached
                self._separate(previous, successor, comment.line, depth, is_first, is_inside)
                self._comment(comment, depth)
                previous, is_first = None, False
            line = statement.span.line
            self._separate(previous, statement, line, depth, is_first, attached > 0)
            self._statement(statement, depth, following)
            previous, is_first = statement, False
        # Comments that are indented like the block belong to it.
        for comment in self.printer.comments.indented(column, end_line):
            self._separate(previous, None, comment.line, depth, is_first, False)
            self._comment(comment, depth)
            previous, is_first = None, False

    def _separate(
        self,
        previous: syntax.Statement | None,
        successor: syntax.Statement | None,
        line: int,
        depth: int,
        is_first: bool,
        is_attached: bool,
    ) -> None:
        """Print the blank lines between two neighbours in a block."""
        if is_first or is_attached:
            return
        most = 1 if depth else 2
        blank = min(most, max(0, line - self.last_line - 1))
        if isinstance(previous, _DEFINITIONS) or isinstance(successor, _DEFINITIONS):
            blank = most
        elif isinstance(previous, syntax.Docstring) and not depth:
            blank = max(blank, 1)
        self.output += [""] * blank

    def _comment(self, comment: Comment, depth: int) -> None:
        self.output.append(" " * (INDENT * depth) + _spaced(comment.text))
        self.last_line = comment.line

    def _line(self, text: str, comments: Sequence[Comment], depth: int) -> None:
        """Print a line with the last comment behind it and the others above."""
        for comment in comments[:-1]:
            self._comment(comment, depth)
        line = " " * (INDENT * depth) + text
        if comments:
            line += "  " + _spaced(comments[-1].text)
        self.output += line.split("\n")

    # Statements

    def _statement(self, node: syntax.Statement, depth: int, end_line: int) -> None:
        match node:
            case syntax.Model():
                self._block(self._model_header(node), node.body, depth, end_line)
            case syntax.Function():
                self._function(node, depth, end_line)
            case syntax.For():
                target = self.printer.target(node.target)
                iterable = self.printer.value(node.iterable)
                header = Concat(("for ", target, " in ", iterable, ":"))
                self._block(header, node.body, depth, end_line)
            case syntax.While():
                test = self.printer.alone(node.test)
                bound = self.printer.alone(node.bound)
                header = Concat(("while ", test, ", at most ", bound, ":"))
                self._block(header, node.body, depth, end_line)
            case syntax.If():
                self._conditional(node, depth, end_line)
            case syntax.Docstring():
                self._simple(string_literal(node.text, '"""'), node.span, depth)
            case _:
                document = simple_statement(self.printer, node)
                self._simple(render(document, INDENT * depth), node.span, depth)

    def _simple(self, text: str, span: Span, depth: int) -> None:
        for comment in self.printer.comments.before(span.end_line, span.end_column):
            self._comment(comment, depth)
        self._line(text, self.printer.comments.trailing(span.end_line), depth)
        self.last_line = span.end_line

    def _block(
        self, header: Document, body: Sequence[syntax.Statement], depth: int, end_line: int
    ) -> None:
        comments = self.printer.comments.through_trailing(body[0].span.line)
        self._line(render(header, INDENT * depth), comments, depth)
        self.body(body, depth + 1, body[0].span.column, end_line)

    def _model_header(self, node: syntax.Model) -> Document:
        if not node.parameters:
            return f"model {node.name}:"
        end = node.parameters[-1].span
        parameters = self.printer.sequence("(", node.parameters, ")", end)
        return Concat((f"model {node.name}", parameters, ":"))

    def _function(self, node: syntax.Function, depth: int, end_line: int) -> None:
        after = node.span.line
        for decorator in node.decorators:
            for comment in self.printer.comments.before(decorator.span.line):
                self._comment(comment, depth)
            document = Concat(("@", self.printer.alone(decorator)))
            self._simple(render(document, INDENT * depth), decorator.span, depth)
            after = decorator.span.end_line + 1
        if node.decorators:
            line = self._line_with("def", after, node.body[0].span.line)
            for comment in self.printer.comments.before(line):
                self._comment(comment, depth)
        parts: list[Document] = [f"def {node.name}()"]
        if node.parameters:
            end = node.parameters[-1].span
            parameters = self.printer.sequence("(", node.parameters, ")", end)
            parts = [f"def {node.name}", parameters]
        if node.returns is not None:
            parts += [" -> ", self.printer.result(node.returns)]
        self._block(Concat((*parts, ":")), node.body, depth, end_line)

    def _conditional(self, node: syntax.If, depth: int, end_line: int) -> None:
        links, orelse = node.chain()
        word = "if "
        for link, following in zip(links, [*links[1:], None], strict=True):
            # `else` has no node of its own; the first line of an `elif` is that of its node.
            block_end = end_line
            if link.orelse:
                after = link.body[-1].span.end_line + 1
                block_end = self._line_with("else", after, link.orelse[0].span.line)
            header = Concat((word, self.printer.alone(link.test), ":"))
            self._block(header, link.body, depth, block_end)
            if link.orelse:
                line = block_end if following is None else following.span.line
                for comment in self.printer.comments.before(line):
                    self._comment(comment, depth)
            word = "elif "
        if orelse:
            self._block("else:", orelse, depth, end_line)

    # Places of words that have no node

    def _line_with(self, word: str, start: int, end: int) -> int:
        """The first line from start to end that begins with a word; end if there is none."""
        for line in range(start, end):
            if self._line_is(line, word):
                return line
        return end

    def _line_is(self, line: int, word: str) -> bool:
        source = self.printer.comments.source
        text = source[line - 1] if line <= len(source) else ""
        return re.match(rf"[ \t]*{word}\b", text) is not None


def _attached(comments: Sequence[Comment], line: int) -> int:
    """How many of the comments stand directly above a line."""
    count = 0
    for comment in reversed(comments):
        if comment.line != line - 1:
            break
        line = comment.line
        count += 1
    return count


def _spaced(comment: str) -> str:
    """`#text` as `# text`; `#!`, `#:` and rows of `#` stay as they are."""
    return re.sub(r"^#(?=[^\s#!:])", "# ", comment)


def simple_statement(printer: Printer, node: syntax.Statement) -> Document:
    """The document of a statement that has no block."""
    match node:
        case syntax.Import():
            return f"import {node.path}" + (f" as {node.alias}" if node.alias else "")
        case syntax.ImportFrom():
            names = printer.sequence(Broken("("), node.names, Broken(")"), node.span)
            return Concat((f"from {node.path} import ", names))
        case syntax.Dimension():
            return _dimension(printer, node)
        case syntax.Constant():
            return Concat((f"const {node.name} = ", printer.alone(node.value)))
        case syntax.Export():
            return Concat((f"export {node.name} = ", printer.alone(node.value)))
        case syntax.Declaration():
            start = Concat((f"{node.kind} {node.name}: ", printer.type(node.annotation)))
            if node.initializer is None:
                return start
            return Concat((start, " = ", printer.alone(node.initializer)))
        case syntax.Pass():
            return "pass"
        case syntax.Return():
            if node.value is None:
                return "return"
            return Concat(("return ", printer.value(node.value)))
        case _:
            return _assignment(printer, node)


def _dimension(printer: Printer, node: syntax.Dimension) -> Document:
    bounds = (node.lower, node.upper)
    is_short = all(isinstance(bound, syntax.Name | syntax.Integer) for bound in bounds)
    lower, upper = (printer.alone(bound, 1) for bound in bounds)
    parts: list[Document] = [f"dim {node.name}: ", lower, ".." if is_short else " .. ", upper]
    if node.multiple is not None:
        parts += [" multiple of ", printer.alone(node.multiple, 1)]
    return Concat(tuple(parts))


def _assignment(printer: Printer, node: syntax.Statement) -> Document:
    match node:
        case syntax.Assign():
            target = printer.target(node.target)
            if node.annotation is not None:
                target = Concat((target, ": ", printer.type(node.annotation)))
            return Concat((target, " = ", printer.value(node.value)))
        case syntax.IndexAssign():
            target = Concat((node.name, printer.indices(node.indices), " = "))
            return Concat((target, printer.value(node.value)))
        case syntax.AugmentedAssign():
            return Concat((f"{node.name} {node.operator}= ", printer.value(node.value)))
        case syntax.Update():
            target = printer.expression(node.target)
            return Concat(("update ", target, " = ", printer.value(node.value)))
        case _:
            raise TypeError(f"{type(node).__name__} is no simple statement")
