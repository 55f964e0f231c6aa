"""Syntax trees as documents: the canonical spelling of every expression, type and statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.errors import Span
from graphc.frontend import syntax
from graphc.frontend.formatting.comments import CommentQueue
from graphc.frontend.formatting.layout import (
    HARD_LINE,
    LINE,
    SOFT_LINE,
    Broken,
    Concat,
    Document,
    Group,
    Line,
    Nest,
    render,
)
from graphc.frontend.parsing.literals import string_literal
from graphc.frontend.parsing.operators import REDUCTION_PRECEDENCE
from graphc.frontend.syntax import BINARY_PRECEDENCE, UNARY_PRECEDENCE

__all__ = ["Printer"]

_COMPARISON = BINARY_PRECEDENCE["=="]
_POWER = BINARY_PRECEDENCE["**"]
_CONDITIONAL = 0
_UNLIMITED = 2**62
_ATOM = 100


@dataclass(slots=True)
class Printer:
    """Makes documents of nodes, with the comments that stand among the items of brackets."""

    comments: CommentQueue = field(default_factory=CommentQueue)

    # Sequences in brackets

    def sequence(
        self,
        opening: Document,
        items: Sequence[syntax.Node],
        closing: Document,
        end: Span,
        comma_alone: bool = False,
    ) -> Document:
        """Items between brackets, one on each line where they do not fit on one.

        Args:
            opening: what stands before the first item.
            items: the nodes between.
            closing: what stands after the last item.
            end: the span that ends with the closing bracket.
            comma_alone: whether a single item keeps its comma, as in a tuple.
        """
        parts: list[Document] = []
        ends_with_comment = False
        for position, item in enumerate(items):
            is_last = position == len(items) - 1
            leading = self.comments.before(item.span.line, item.span.column)
            document = self.item(item)
            leading += self.comments.before(item.span.end_line, item.span.end_column)
            for comment in leading:
                parts += [comment.text, HARD_LINE]
            parts.append(document)
            trailing = self.comments.behind_item(item.span)
            ends_with_comment = bool(trailing)
            if not is_last or trailing or (comma_alone and len(items) == 1):
                parts.append(",")
            else:
                parts.append(Broken(","))
            parts += ["  " + comment.text for comment in trailing]
            if not is_last:
                parts.append(HARD_LINE if trailing else LINE)
        dangling = self.comments.before(end.end_line, end.end_column - 1)
        for comment in dangling:
            parts += [HARD_LINE, comment.text] if parts else [comment.text]
        if not parts:
            return Concat((opening, closing))
        last: Line = HARD_LINE if dangling or ends_with_comment else SOFT_LINE
        return Group(Concat((opening, Nest(Concat((SOFT_LINE, *parts))), last, closing)))

    def item(self, node: syntax.Node) -> Document:
        """A node in a place where brackets allow line breaks."""
        match node:
            case syntax.Keyword():
                return Concat((node.arg, "=", self.expression(node.value)))
            case syntax.Parameter():
                return self._parameter(node)
            case syntax.StateParameter():
                target = self.expression(node.target)
                return Concat(("state ", target, ": ", self.type(node.annotation)))
            case syntax.ImportedName():
                return node.name + (f" as {node.alias}" if node.alias else "")
            case syntax.Type():
                return self.type(node)
            case syntax.Expression():
                return self.expression(node)
            case _:
                raise TypeError(f"{type(node).__name__} is no item of a sequence")

    def _parameter(self, node: syntax.Parameter) -> Document:
        parts: list[Document] = [node.name]
        if node.annotation is not None:
            parts += [": ", self.type(node.annotation)]
        if node.default is not None:
            parts += ["=" if node.annotation is None else " = ", self.expression(node.default)]
        return Concat(tuple(parts))

    # Types

    def result(self, node: syntax.Type) -> Document:
        """The type of a function's result: the parameters before it break first."""
        position = self.comments.position
        document = self.type(node)
        if self.comments.position != position:
            return document
        return render(document, width=_UNLIMITED)

    def type(self, node: syntax.Type) -> Document:
        """The text of a type."""
        match node:
            case syntax.TensorType():
                return self.sequence(f"{node.dtype}[", node.shape, "]", node.span)
            case syntax.NamedType():
                return self.expression(node.name)
            case syntax.TupleType():
                return self.sequence("(", node.elements, ")", node.span, comma_alone=True)
            case _:
                raise TypeError(f"{type(node).__name__} is no type")

    # Expressions

    def value(self, node: syntax.Expression) -> Document:
        """The value of a statement, where a tuple needs no parentheses."""
        if isinstance(node, syntax.Tuple) and len(node.elements) > 1:
            return self.sequence(Broken("("), node.elements, Broken(")"), node.span)
        return self.alone(node)

    def alone(self, node: syntax.Expression, least: float = _CONDITIONAL) -> Document:
        """An expression outside brackets: a long one takes parentheses to break its lines."""
        document = self.expression(node, least)
        if not least <= _precedence(node) < _ATOM:
            return document
        inner = Nest(Concat((SOFT_LINE, document)))
        return Group(Concat((Broken("("), inner, SOFT_LINE, Broken(")"))))

    def target(self, node: syntax.Expression) -> Document:
        """What stands on the left of an assignment."""
        if isinstance(node, syntax.Tuple) and len(node.elements) > 1:
            parts: list[Document] = []
            for element in node.elements:
                parts += [self.expression(element), ", "]
            return Concat(tuple(parts[:-1]))
        return self.expression(node)

    def expression(self, node: syntax.Expression, least: float = _CONDITIONAL) -> Document:
        """An expression, in parentheses where it binds less tightly than `least`."""
        document = self._expression(node)
        if _precedence(node) < least:
            return Group(Concat(("(", Nest(Concat((SOFT_LINE, document))), SOFT_LINE, ")")))
        return document

    def _expression(self, node: syntax.Expression) -> Document:
        match node:
            case syntax.Name():
                return node.id
            case syntax.Postfix():
                return self._postfix(node)
            case syntax.Slice():
                return self._slice(node)
            case syntax.Tuple():
                return self.sequence("(", node.elements, ")", node.span, comma_alone=True)
            case syntax.List():
                return self.sequence("[", node.elements, "]", node.span)
            case syntax.ListComprehension():
                return self._comprehension(node)
            case _:
                return self._operation(node) or _literal(node)

    def _operation(self, node: syntax.Expression) -> Document | None:
        match node:
            case syntax.Unary():
                return self._unary(node)
            case syntax.Binary():
                return self._binary(node)
            case syntax.Compare():
                return self._compare(node)
            case syntax.Conditional():
                return self._conditional(node)
            case syntax.Reduction():
                return self._reduction(node)
            case _:
                return None

    def _postfix(self, node: syntax.Postfix) -> Document:
        first, links = node.chain()
        parts: list[Document] = [self._primary(first)]
        for link in links:
            match link:
                case syntax.Attribute(_, attr):
                    parts.append(f".{attr}")
                case syntax.Call(function, args, keywords):
                    if isinstance(function, syntax.Subscript) and function.reduction:
                        parts = ["(", *parts, ")"]
                    parts.append(self.sequence("(", (*args, *keywords), ")", link.span))
                case syntax.Subscript(_, indices):
                    parts.append(self.sequence("[", indices, "]", link.span))
        return Concat(tuple(parts))

    def _primary(self, node: syntax.Expression) -> Document:
        document = self.expression(node, _ATOM)
        if isinstance(node, syntax.Integer | syntax.Float):
            return Concat(("(", document, ")"))
        return document

    def _slice(self, node: syntax.Slice) -> Document:
        bounds = [node.lower, node.upper] + ([node.step] if node.step is not None else [])
        # As PEP 8 advises, the colon is spaced like an operator beside longer bounds.
        space = "" if all(bound is None or _is_simple(bound) for bound in bounds) else " "
        parts: list[Document] = []
        before: syntax.Expression | None = None
        for position, bound in enumerate(bounds):
            if position:
                parts.append((space if before else "") + ":" + (space if bound else ""))
            if bound is not None:
                parts.append(self.expression(bound))
            before = bound
        return Concat(tuple(parts))

    def _comprehension(self, node: syntax.ListComprehension) -> Document:
        parts: list[Document] = [SOFT_LINE, self.expression(node.element)]
        for clause in node.clauses:
            parts += [LINE, "for ", self.target(clause.target)]
            parts += [" in ", self.expression(clause.iterable, 1)]
            for condition in clause.conditions:
                parts += [LINE, "if ", self.expression(condition, 1)]
        return Group(Concat(("[", Nest(Concat(tuple(parts))), SOFT_LINE, "]")))

    def _unary(self, node: syntax.Unary) -> Document:
        precedence = UNARY_PRECEDENCE[node.operator]
        operator = "not " if node.operator == "not" else node.operator
        return Concat((operator, self.expression(node.operand, precedence)))

    def _binary(self, node: syntax.Binary) -> Document:
        precedence = BINARY_PRECEDENCE[node.operator]
        if precedence == _POWER:
            left = self.expression(node.left, precedence + 1)
            simple = _is_simple(node.left) and _is_simple(node.right)
            operator = "**" if simple else " ** "
            return Concat((left, operator, self.expression(node.right, UNARY_PRECEDENCE["-"])))
        # A chain of equally strong operators breaks before all of them or none.
        first, links = node.chain()
        parts: list[Document] = [self.expression(first, precedence)]
        for link in links:
            # A reduction takes all that follows it: as the last operand it needs no parentheses.
            is_reduction = isinstance(link.right, syntax.Reduction)
            least = precedence if is_reduction else precedence + 1
            parts += [LINE, f"{link.operator} ", self.expression(link.right, least)]
        return Group(Concat(tuple(parts)))

    def _compare(self, node: syntax.Compare) -> Document:
        parts: list[Document] = [self.expression(node.left, _COMPARISON + 1)]
        for operator, comparator in zip(node.operators, node.comparators, strict=True):
            operand = self.expression(comparator, _COMPARISON + 1)
            parts += [LINE, f"{operator} ", operand]
        return Group(Concat(tuple(parts)))

    def _conditional(self, node: syntax.Conditional) -> Document:
        body = self.expression(node.body, 1)
        test = self.expression(node.test, 1)
        orelse = self.expression(node.orelse)
        return Group(Concat((body, LINE, "if ", test, LINE, "else ", orelse)))

    def _reduction(self, node: syntax.Reduction) -> Document:
        least: float = REDUCTION_PRECEDENCE
        if not _starts_operand(node.operand):
            least = _ATOM + 1
        prefix = Concat((node.operator, self.indices(node.indices), " "))
        return Concat((prefix, self.expression(node.operand, least)))

    def indices(self, names: Sequence[syntax.Name]) -> Document:
        """The indices that a statement or a reduction introduces."""
        parts: list[Document] = []
        for one in names:
            parts += [", ", one.id]
            if isinstance(one, syntax.Index):
                parts += [": ", self.expression(one.extent)]
        return Concat(("[", *parts[1:], "]"))


def _literal(node: syntax.Expression) -> str:
    match node:
        case syntax.Integer():
            return node.text.lower() or str(node.value)
        case syntax.Float():
            return _float_text(node)
        case syntax.String():
            return string_literal(node.value)
        case syntax.Boolean():
            return "True" if node.value else "False"
        case syntax.NoneLiteral():
            return "None"
        case syntax.EllipsisLiteral():
            return "..."
        case _:
            raise TypeError(f"{type(node).__name__} is no expression")


def _float_text(node: syntax.Float) -> str:
    text = node.text.lower() or repr(node.value)
    mantissa, e, exponent = text.partition("e")
    if mantissa.startswith("."):
        mantissa = "0" + mantissa
    if mantissa.endswith("."):
        mantissa += "0"
    return mantissa + e + exponent.removeprefix("+")


def _precedence(node: syntax.Expression) -> float:
    match node:
        case syntax.Conditional():
            return _CONDITIONAL
        case syntax.Binary():
            return BINARY_PRECEDENCE[node.operator]
        case syntax.Compare():
            return _COMPARISON
        case syntax.Unary():
            return UNARY_PRECEDENCE[node.operator]
        case syntax.Reduction():
            return REDUCTION_PRECEDENCE
        case _:
            return _ATOM


def _is_simple(node: syntax.Expression) -> bool:
    """Whether an operand is so short that its operator needs no space."""
    while isinstance(node, syntax.Attribute):
        node = node.value
    if isinstance(node, syntax.Unary) and node.operator == "-":
        node = node.operand
    return isinstance(node, syntax.Name | syntax.Integer | syntax.Float)


def _starts_operand(node: syntax.Expression) -> bool:
    """Whether `sum[d]` before this operand is read as a reduction, and not as an element."""
    match node:
        case syntax.Binary():
            return _starts_operand(node.chain()[0])
        case syntax.Postfix():
            return _starts_operand(node.chain()[0])
        case syntax.Unary():
            return node.operator == "~"
        case syntax.List() | syntax.ListComprehension() | syntax.EllipsisLiteral():
            return False
        case _:
            return True
