"""Text to tokens: words, literals, operators, and the layout that marks lines and blocks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from graphc.config import MOST_CHARACTERS
from graphc.errors import SourceError, Span
from graphc.frontend.parsing.parse_table import parse_table
from graphc.frontend.parsing.tokens import KEYWORDS, LINE_KEYWORDS, SYMBOLS, TOKEN, Comment, Token
from graphc.frontend.syntax import REDUCTIONS

__all__ = ["MAX_ERRORS", "Lexer"]

MAX_ERRORS = 20

_CLOSERS = {"(": ")", "[": "]"}
_OPENERS = {")": "(", "]": "["}
_OPERAND_STARTS = frozenset(
    ("NAME", "NUMBER", "STRING", "LPAR", "TRUE", "FALSE", "NONE", "PREFIX", "REDUCTION")
)

_INDENTATION = re.compile(r"[ \t]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
# A line that can only be a statement, whatever bracket is still open above it.
_STATEMENT_START = re.compile(
    r"[ \t]*(?:(?:def|return|import|from|while|elif|pass)\b"
    r"|(?:dim|const|model|param|update|export)[ \t]+"
    r"(?!(?:as|if|else|and|or|for|in|is|not)\b)[^\W\d])"
)
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_HINTS = {
    ";": "write one statement on each line",
    "{": "a block is marked by ':' and indentation; lists and tuples hold values",
    "}": "a block ends where its indentation ends; lists and tuples hold values",
    "!": "for negation write `not`, for inequality `!=`",
    "?": "a choice is written `a if condition else b`",
    "$": "names consist of letters, digits and '_'",
    "`": "strings are written in double quotes",
    "\u00a0": "this is a no-break space; replace it by an ordinary one",
    "\u201c": 'this is a typographic quote; use the straight "',
    "\u201d": 'this is a typographic quote; use the straight "',
    "\u2018": "this is a typographic quote; use the straight '",
    "\u2019": "this is a typographic quote; use the straight '",
    "\u2212": "this is a typographic minus; use '-'",
    "\u00d7": "multiplication is written '*'",
    "\\": "a backslash continues a line only as its last character",
}


@dataclass(slots=True)
class Lexer:
    """Splits one source into tokens; what it cannot read it reports and steps over.

    Attributes:
        tokens: the result. Logical lines end in `_NEWLINE`, the last token is `END`.
        comments: all comments, in order.
        errors: what could not be read.
    """

    text: str
    file: str
    tokens: list[Token] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    _position: int = 0
    _line: int = 1
    _line_start: int = 0
    _indents: list[str] = field(default_factory=lambda: [""])
    # Open brackets as positions in `tokens`, and the name before the bracket just closed.
    _brackets: list[int] = field(default_factory=list)
    _reduction: Token | None = None

    def run(self) -> None:
        """Read the whole source."""
        if not self._is_acceptable():
            return
        self._position = self._line_start = int(self.text.startswith("\ufeff"))
        at_line_start = True
        while self._position < len(self.text):
            if at_line_start:
                at_line_start = False
                if not self._read_indentation():
                    at_line_start = True
                    continue
            at_line_start = self._read_token()
        self._finish()

    def _is_acceptable(self) -> bool:
        if len(self.text) > MOST_CHARACTERS:
            self._report(
                f"the source has {len(self.text)} characters; at most {MOST_CHARACTERS} are read",
                Span(self.file, 1, 1, 1, 1),
                "split it into several files and import them",
            )
            return False
        found = _FORBIDDEN.search(self.text, int(self.text.startswith("\ufeff")))
        if found is None:
            return True
        before = _LINE_END.split(self.text[: found.start()])
        line, column = len(before), len(before[-1]) + 1
        code = ord(found[0])
        kind = "half of a surrogate pair" if 0xD800 <= code < 0xE000 else "control character"
        self._report(
            f"the source contains the {kind} U+{code:04X}, which shows nothing",
            Span(self.file, line, column, line, column + 1),
            "remove it; in a string write an escape such as \\x00 or \\u202e",
        )
        return False

    def _read_indentation(self) -> bool:
        """Read the start of a logical line; false where the line is empty."""
        match = _INDENTATION.match(self.text, self._position)
        assert match is not None
        end = match.end()
        if end == len(self.text):
            self._position = end
            return True
        if self.text[end] in "\r\n":
            self._position = end
            self._read_line_end()
            return False
        if self.text[end] != "#":
            self._position = end
            self._change_level(match[0])
        return True

    def _change_level(self, indentation: str) -> None:
        current = self._indents[-1]
        if indentation == current:
            return
        if indentation.startswith(current):
            self._indents.append(indentation)
            self._append("_INDENT", "", self._position, self._position)
            return
        mixed = not current.startswith(indentation)
        level = len(self._indents) - 1
        while level and len(self._indents[level]) > len(indentation):
            level -= 1
        while len(self._indents) > level + 1:
            self._indents.pop()
            self._append("_DEDENT", "", self._position, self._position)
        if mixed:
            self._report(
                "the indentation mixes tabs and spaces, so that its depth is unclear",
                self._span(self._line_start, self._position),
                "indent with four spaces",
            )
        elif self._indents[level] != indentation:
            self._report(
                f"this line is indented by {len(indentation)}, which matches no line above it",
                self._span(self._line_start, self._position),
                "the enclosing blocks are indented by "
                + ", ".join(str(len(indent)) for indent in self._indents),
            )

    def _read_token(self) -> bool:
        """Read one token; true where a logical line ended with it."""
        match = TOKEN.match(self.text, self._position)
        if match is None:
            return self._read_unknown()
        kind = match.lastgroup
        assert kind is not None
        start, end = match.span(kind)
        self._position = end
        if kind == "NAME":
            self._add_name(match[kind], start, end)
        elif kind == "SYMBOL":
            self._add_symbol(match[kind], start, end)
        elif kind == "NEWLINE":
            return self._end_line(start, end)
        elif kind == "STRING":
            self._add_string(match[kind], start, end)
        elif kind == "COMMENT":
            self._add_comment(match[kind], start)
        elif kind == "CONTINUATION":
            self._start_line(end)
        elif kind == "PHRASE":
            phrase = " ".join(match[kind].split())
            self._append(parse_table().words[phrase], phrase, start, end)
        else:
            self._append(kind, match[kind], start, end)
        return False

    def _add_name(self, word: str, start: int, end: int) -> None:
        if not word.isascii():
            is_name = word.isidentifier()
            word = unicodedata.normalize("NFKC", word)
            if not is_name:
                self._report(
                    f"{word!r} is not a name",
                    self._span(start, end),
                    "names consist of letters, digits and '_'",
                )
                self._append("ERROR", word, start, end)
                return
        kind = KEYWORDS.get(word, "NAME")
        tokens = self.tokens
        if kind == "NAME" and tokens:
            last = tokens[-1]
            if last.type == "NAME" and last.text in LINE_KEYWORDS and self._may_be_keyword():
                last.type = last.text.upper()
        self._append(kind, word, start, end)

    def _may_be_keyword(self) -> bool:
        if len(self.tokens) < 2:
            return True
        before = self.tokens[-2].type
        if self.tokens[-1].text == "state" and before in ("LPAR", "COMMA"):
            return True
        return before in ("_NEWLINE", "_INDENT", "_DEDENT")

    def _add_symbol(self, symbol: str, start: int, end: int) -> None:
        if symbol in _CLOSERS:
            self._brackets.append(len(self.tokens))
        self._append(SYMBOLS[symbol], symbol, start, end)
        if symbol in _OPENERS:
            self._close_bracket(symbol)

    def _close_bracket(self, closer: str) -> None:
        closing = self.tokens[-1]
        if not self._brackets:
            self._report(
                f"{closer!r} closes nothing: no {_OPENERS[closer]!r} is open here",
                self._span_of(closing),
                "remove it, or add the bracket that it should close",
            )
            closing.type = "ERROR"
            return
        position = self._brackets.pop()
        opening = self.tokens[position]
        if _CLOSERS[opening.text] != closer:
            self._report(
                f"{closer!r} cannot close the {opening.text!r} opened in line {opening.line}, "
                f"column {opening.column}; expected {_CLOSERS[opening.text]!r}",
                self._span_of(closing),
            )
            closing.type = "ERROR"
            if self._brackets and self.tokens[self._brackets[-1]].text == _OPENERS[closer]:
                self._brackets.pop()
            return
        if closer == "]" and position:
            name = self.tokens[position - 1]
            is_member = position > 1 and self.tokens[position - 2].type == "DOT"
            # Whether `sum[d]` is an element or a reduction shows in what follows it.
            if name.type == "NAME" and name.text in REDUCTIONS and not is_member:
                self._reduction = name

    def _add_string(self, literal: str, start: int, end: int) -> None:
        line, line_start = self._line, self._line_start
        for newline in _LINE_END.finditer(literal):
            self._line += 1
            self._line_start = start + newline.end()
        self._append("STRING", literal, start, end)
        token = self.tokens[-1]
        token.line, token.column = line, start - line_start + 1

    def _add_comment(self, text: str, start: int) -> None:
        alone = not self.text[self._line_start : start].strip(" \t\ufeff")
        column = start - self._line_start + 1
        self.comments.append(Comment(text.rstrip(), self._line, column, alone))

    def _read_unknown(self) -> bool:
        """Report what is no token and step over it; true where a logical line ended."""
        blanks = _INDENTATION.match(self.text, self._position)
        assert blanks is not None
        start = self._position = blanks.end()
        if start == len(self.text):
            return False
        character = self.text[start]
        if character in "\"'":
            return self._read_unterminated_string(start)
        self._position += 1
        self._report(
            f"{character!r} has no meaning here",
            self._span(start, start + 1),
            _HINTS.get(character),
        )
        self._append("ERROR", character, start, start + 1)
        return False

    def _read_unterminated_string(self, start: int) -> bool:
        quote = self.text[start]
        if self.text.startswith(quote * 3, start):
            end, closer = len(self.text), quote * 3
        else:
            line_end = _LINE_END.search(self.text, start)
            end, closer = line_end.start() if line_end else len(self.text), quote
        first_line = _LINE_END.split(self.text[start:end], maxsplit=1)[0]
        span = self._span(start, start + len(first_line))
        self._report("this string is never closed", span, f"end it with {closer}")
        self._append("ERROR", quote, start, start + 1)
        self._position = end
        return False

    def _end_line(self, start: int, end: int) -> bool:
        if self._brackets:
            self._start_line(end)
            if not _STATEMENT_START.match(self.text, end):
                return False
            self._report_open_brackets()
            self._append("_NEWLINE", "", end, end)
            return True
        if self.tokens and self.tokens[-1].type not in ("_NEWLINE", "_INDENT", "_DEDENT"):
            self._append("_NEWLINE", "", start, start)
        self._start_line(end)
        return True

    def _report_open_brackets(self) -> None:
        opening = self.tokens[self._brackets[-1]]
        self._report(
            f"{opening.text!r} is never closed",
            self._span_of(opening),
            f"add the missing {_CLOSERS[opening.text]!r}",
        )
        self._brackets.clear()
        self._append("ERROR", "", self._position, self._position)

    def _read_line_end(self) -> None:
        match = _LINE_END.match(self.text, self._position)
        assert match is not None
        self._position = match.end()
        self._start_line(match.end())

    def _start_line(self, start: int) -> None:
        self._line += 1
        self._line_start = start

    def _finish(self) -> None:
        if self._brackets:
            self._report_open_brackets()
        end = len(self.text)
        if self.tokens and self.tokens[-1].type not in ("_NEWLINE", "_INDENT", "_DEDENT"):
            self._append("_NEWLINE", "", end, end)
        for _ in self._indents[1:]:
            self._append("_DEDENT", "", end, end)
        self._append("END", "", end, end)

    def _append(self, kind: str, text: str, start: int, end: int) -> None:
        if self._reduction is not None:
            if kind in _OPERAND_STARTS:
                self._reduction.type = "REDUCTION"
            self._reduction = None
        base = self._line_start - 1
        self.tokens.append(Token(kind, text, self._line, start - base, self._line, end - base))

    def _span(self, start: int, end: int) -> Span:
        base = self._line_start - 1
        return Span(self.file, self._line, start - base, self._line, end - base)

    def _span_of(self, token: Token) -> Span:
        return Span(self.file, token.line, token.column, token.end_line, token.end_column)

    def _report(self, message: str, span: Span, hint: str | None = None) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(SourceError(message, span=span, hint=hint))
