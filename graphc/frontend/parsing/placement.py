"""Where statements may stand, and how deeply a program may nest."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.errors import SourceError
from graphc.frontend import syntax
from graphc.frontend.syntax import (
    MAX_BLOCK_DEPTH,
    MAX_EXPRESSION_DEPTH,
    MAX_POSTFIX_LENGTH,
    Module,
    Node,
    Statement,
    children,
)
from graphc.ir.record import Record

__all__ = ["check_depth", "check_placement"]


class _Room(Record):
    """A kind of body with the statements that have a meaning in it."""

    name: str
    allowed: tuple[type[Statement], ...]


_MODULE = _Room(
    "at the top of a file",
    (
        syntax.Import,
        syntax.ImportFrom,
        syntax.Dimension,
        syntax.Constant,
        syntax.Export,
        syntax.Model,
        syntax.Function,
        syntax.Pass,
    ),
)
_MODEL = _Room(
    "in a model",
    (
        syntax.Declaration,
        syntax.Assign,
        syntax.Function,
        syntax.If,
        syntax.Pass,
    ),
)
_FUNCTION = _Room(
    "in a function",
    (
        syntax.Assign,
        syntax.IndexAssign,
        syntax.AugmentedAssign,
        syntax.Update,
        syntax.Function,
        syntax.For,
        syntax.While,
        syntax.If,
        syntax.Return,
        syntax.Pass,
    ),
)

_DESCRIPTIONS: dict[type[Statement], str] = {
    syntax.Import: "an import",
    syntax.ImportFrom: "an import",
    syntax.Dimension: "a dimension",
    syntax.Constant: "a constant",
    syntax.Export: "an export",
    syntax.Model: "a model",
    syntax.Function: "a function",
    syntax.Declaration: "a declaration of parameters or state",
    syntax.Assign: "an assignment",
    syntax.IndexAssign: "a definition in index notation",
    syntax.AugmentedAssign: "an assignment",
    syntax.Update: "an update",
    syntax.For: "a loop",
    syntax.While: "a loop",
    syntax.If: "a condition",
    syntax.Return: "a return",
}

_HINTS: dict[tuple[str, type[Statement]], str] = {
    (_MODULE.name, syntax.Assign): "a value known at build time is written `const NAME = value`",
    (_MODULE.name, syntax.Declaration): "parameters and state are declared in a model",
    (_FUNCTION.name, syntax.Declaration): "declare it in the body of the model",
    (_MODEL.name, syntax.Constant): "put it at the top of the file",
    (_MODEL.name, syntax.Return): "a model computes in its methods: `def forward(...)`",
}


def check_placement(module: Module, errors: list[SourceError]) -> None:
    """Report every statement that has no meaning where it stands, or nests too deeply."""
    _check_body(module.body, _MODULE, 0, errors, opens=True)


def _check_body(
    body: tuple[Statement, ...],
    room: _Room,
    depth: int,
    errors: list[SourceError],
    opens: bool = False,
) -> None:
    if body and depth > MAX_BLOCK_DEPTH:
        errors.append(
            SourceError(
                f"blocks are nested more than {MAX_BLOCK_DEPTH} deep here",
                span=body[0].span.first_line(),
                hint="move the inner blocks into a function",
            )
        )
        return
    for position, statement in enumerate(body):
        if isinstance(statement, syntax.Docstring):
            if position or not opens:
                errors.append(_misplaced_docstring(statement))
            continue
        if not isinstance(statement, room.allowed):
            errors.append(_misplaced(statement, room))
            continue
        _check_width(statement, errors)
        _check_blocks(statement, room, depth, errors)


def _check_blocks(statement: Statement, room: _Room, depth: int, errors: list[SourceError]) -> None:
    match statement:
        case syntax.Model():
            _check_body(statement.body, _MODEL, depth + 1, errors, opens=True)
        case syntax.Function():
            _check_body(statement.body, _FUNCTION, depth + 1, errors, opens=True)
        case syntax.For() | syntax.While():
            _check_body(statement.body, room, depth + 1, errors)
        case syntax.If():
            links, orelse = statement.chain()
            for link in links:
                if link is not statement:
                    _check_width(link, errors)
                _check_body(link.body, room, depth + 1, errors)
            _check_body(orelse, room, depth + 1, errors)


def _misplaced(statement: Statement, room: _Room) -> SourceError:
    return SourceError(
        f"{_DESCRIPTIONS[type(statement)]} has no meaning {room.name}",
        span=statement.span.first_line(),
        hint=_HINTS.get((room.name, type(statement))),
    )


def _misplaced_docstring(statement: Statement) -> SourceError:
    return SourceError(
        "a string alone is a docstring, which opens a file, a model or a function",
        span=statement.span,
        hint="a remark is a comment: `# ...`",
    )


def _check_width(statement: Statement, errors: list[SourceError]) -> None:
    span = statement.span
    # A text of so few characters cannot nest any deeper.
    if span.line == span.end_line and span.end_column - span.column <= MAX_EXPRESSION_DEPTH:
        return
    for child in children(statement):
        if not isinstance(child, Statement):
            check_depth(child, errors)


def check_depth(root: Node, errors: list[SourceError]) -> None:
    """Report an expression or type that nests deeper than `MAX_EXPRESSION_DEPTH`.

    The members and calls of `x.relu().sum()` nest no deeper than `x`, but their number is bounded.
    """
    level = [root]
    for _ in range(MAX_EXPRESSION_DEPTH):
        level = [child for node in level for child in _below(node, errors)]
        if not level:
            return
    errors.append(
        SourceError(
            f"this expression nests more than {MAX_EXPRESSION_DEPTH} deep",
            span=root.span,
            hint="give its parts names: assign them one by one",
        )
    )


def _below(node: Node, errors: list[SourceError]) -> Iterator[Node]:
    """The nodes that nest one level deeper than a node."""
    if not isinstance(node, syntax.Postfix):
        yield from children(node)
        return
    first, links = node.chain()
    if len(links) > MAX_POSTFIX_LENGTH:
        errors.append(
            SourceError(
                f"this expression has more than {MAX_POSTFIX_LENGTH} members, calls and elements "
                "behind each other",
                span=node.span,
                hint="give its parts names: assign them one by one",
            )
        )
        return
    yield first
    for link in links:
        yield from (child for child in children(link) if child is not link.receiver)
