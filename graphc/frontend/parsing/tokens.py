"""The tokens of the language: which words there are, and how each is spelled."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphc.frontend.parsing.parse_table import parse_table
from graphc.frontend.syntax import BINARY_PRECEDENCE

__all__ = ["KEYWORDS", "LINE_KEYWORDS", "NAME", "NUMBER", "SYMBOLS", "TOKEN", "Comment", "Token"]

# Words that are keywords only before a name, where an expression could not go on.
LINE_KEYWORDS = frozenset(("dim", "const", "model", "param", "state", "update", "export"))

_SIGNS = ("+", "-")
_ASSIGNMENT_OPERATORS = ("+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>")
SYMBOLS = {
    **{word: name for word, name in parse_table().words.items() if not word[0].isalpha()},
    **{op: "BINARY" for op in BINARY_PRECEDENCE if not op[0].isalpha() and op != "@"},
    **dict.fromkeys(_SIGNS, "SIGN"),
    "~": "PREFIX",
    **{op + "=": "AUGMENTED" for op in _ASSIGNMENT_OPERATORS},
}
KEYWORDS = {
    **{
        word: name
        for word, name in parse_table().words.items()
        if word[0].isalpha() and word not in LINE_KEYWORDS
    },
    "and": "BINARY",
    "or": "BINARY",
    "is": "BINARY",
    "not": "PREFIX",
}

NAME = r"[^\W\d]\w*"
NUMBER = (
    r"0[xXoObB]\w*"
    r"|[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9][0-9_]*)?\w*"
    r"|\.[0-9][0-9_]*(?:[eE][+-]?[0-9][0-9_]*)?\w*"
)
TOKEN = re.compile(
    r"[ \t]*(?:"
    r"(?P<PHRASE>(?:multiple[ \t]+of|at[ \t]+most)\b)"
    rf"|(?P<NAME>{NAME})"
    rf"|(?P<NUMBER>{NUMBER})"
    r'|(?P<STRING>"""(?:[^"\\]++|\\[\s\S]|"(?!""))*+"""'
    r"|'''(?:[^'\\]++|\\[\s\S]|'(?!''))*+'''"
    r'|"(?!"")(?:[^"\\\r\n]++|\\[^\r\n])*+"'
    r"|'(?!'')(?:[^'\\\r\n]++|\\[^\r\n])*+')"
    r"|(?P<NEWLINE>\r\n|\r|\n)"
    r"|(?P<COMMENT>\#[^\r\n]*)"
    r"|(?P<CONTINUATION>\\(?:\r\n|\r|\n))"
    r"|(?P<SYMBOL>"
    + "|".join(re.escape(symbol) for symbol in sorted(SYMBOLS, key=len, reverse=True))
    + r"))"
)


@dataclass(slots=True)
class Token:
    """A word of the source. Type `ERROR` stands where an error has been reported already."""

    type: str
    text: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(slots=True)
class Comment:
    """A comment with its place; `alone` where nothing stands before it on its line."""

    text: str
    line: int
    column: int
    alone: bool
