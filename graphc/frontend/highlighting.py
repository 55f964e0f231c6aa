"""The language for Pygments, which colours it in documents and terminals.

It is the language's own lexer that splits the text, so that the two cannot differ. Pygments finds
this one by the entry point `pygments.lexers`; nothing else in graphc imports it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pygments.lexer import Lexer as PygmentsLexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
)

from graphc.frontend.parsing.lexer import Lexer
from graphc.frontend.parsing.tokens import KEYWORDS, LINE_KEYWORDS, SYMBOLS, Token
from graphc.ir import dtype as dtypes

__all__ = ["GraphcLexer"]

Kind = Any
"""A kind of token, as Pygments has them."""

_DTYPES = frozenset(dtype.name for dtype in dtypes.ALL)
_LAYOUT = frozenset(("_NEWLINE", "_INDENT", "_DEDENT", "END"))
_PUNCTUATION = frozenset("()[],:.")
_DEFINED = {"DEF": Name.Function, "MODEL": Name.Class, "DIM": Name.Constant, "CONST": Name.Constant}
_KINDS = {"NUMBER": Number, "STRING": String, "REDUCTION": Name.Builtin}


class GraphcLexer(PygmentsLexer):  # type: ignore[misc]
    """Splits `.gc` text into the tokens of Pygments.

    >>> from pygments.token import Keyword
    >>> tokens = GraphcLexer().get_tokens("const N = 2")
    >>> next(tokens) == (Keyword.Declaration, "const")
    True
    """

    name = "graphc"
    aliases: ClassVar[list[str]] = ["graphc", "gc"]
    filenames: ClassVar[list[str]] = ["*.gc"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Kind, str]]:
        """Each stretch of the text with its position and its kind; together they are the text."""
        position = 0
        for start, end, kind in sorted(_stretches(text), key=lambda one: one[0]):
            yield from _between(text, position, start)
            yield start, kind, text[start:end]
            position = end
        yield from _between(text, position, len(text))


def _stretches(text: str) -> Iterator[tuple[int, int, Kind]]:
    """Where the tokens and comments of a text begin and end, and what they are."""
    lexer = Lexer(text, "<highlighted>")
    lexer.run()
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    for comment in lexer.comments:
        start = starts[comment.line - 1] + comment.column - 1
        yield start, start + len(comment.text), Comment.Single
    for number, token in enumerate(lexer.tokens):
        start = starts[token.line - 1] + token.column - 1
        end = starts[token.end_line - 1] + token.end_column - 1
        if start < end and token.type not in _LAYOUT:
            yield start, end, _kind(token, lexer.tokens[max(0, number - 2) : number])


def _kind(token: Token, before: Sequence[Token]) -> Kind:
    """What a token is, which for names depends on the two before it."""
    if token.type == "ERROR":
        return Error
    if token.type in _KINDS:
        return _KINDS[token.type]
    if token.type == "NAME":
        return _kind_of_name(token.text, [one.type for one in before])
    if token.text in SYMBOLS:
        return Punctuation if token.text in _PUNCTUATION else Operator
    if token.text in ("True", "False", "None"):
        return Keyword.Constant
    if KEYWORDS.get(token.text) in ("BINARY", "PREFIX"):
        return Operator.Word
    return Keyword.Declaration if token.text in {*LINE_KEYWORDS, "def"} else Keyword


def _kind_of_name(name: str, before: Sequence[str]) -> Kind:
    match before:
        case [*_, "DEF" | "MODEL" | "DIM" | "CONST" as word]:
            return _DEFINED[word]
        case ["AT"] | ["_NEWLINE" | "_INDENT" | "_DEDENT", "AT"]:
            return Name.Decorator
    return Keyword.Type if name in _DTYPES else Name


def _between(text: str, start: int, end: int) -> Iterator[tuple[int, Kind, str]]:
    """What stands between two tokens: blanks, continued lines, and what has no meaning."""
    for is_blank, part in itertools.groupby(text[start:end], lambda c: c in " \t\r\n\f\\"):
        found = "".join(part)
        yield start, (Whitespace if found.isspace() else Text if is_blank else Error), found
        start += len(found)
