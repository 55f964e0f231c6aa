"""What is wrong where a token does not fit; what to do about it is in `hints.py`."""

from __future__ import annotations

from collections.abc import Sequence, Set

from graphc.errors import SourceError, Span
from graphc.frontend.parsing.hints import WORDS, Misfit, colons_of_slice, hint_for
from graphc.frontend.parsing.literals import shortened
from graphc.frontend.parsing.tokens import Token

__all__ = ["diagnose"]

_CLOSERS = {"LPAR": "')'", "LSQB": "']'"}

# Types of token that begin an expression, and that carry one on.
_EXPRESSION_START = frozenset(
    [
        "NAME",
        "NUMBER",
        "STRING",
        "SIGN",
        "PREFIX",
        "REDUCTION",
        "LPAR",
        "LSQB",
        "TRUE",
        "FALSE",
        "NONE",
        "ELLIPSIS",
    ]
)
_EXPRESSION_REST = frozenset(["SIGN", "BINARY", "AT", "LPAR", "LSQB", "DOT", "IF", "AUGMENTED"])

_HEADERS = {
    "DEF": "the function's signature",
    "MODEL": "the model's name and parameters",
    "FOR": "what the loop runs over",
    "WHILE": "the loop's condition and bound",
    "IF": "the condition",
    "ELIF": "the condition",
    "ELSE": "`else`",
}

_LOOPS = ("FOR", "WHILE")
_DEPTH = {"_DEDENT": 1, "_INDENT": -1}
_LAYOUT = (*_DEPTH, "_NEWLINE")

_SPELLINGS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "SIGN": "'+' or '-'",
    "PREFIX": "'not' or '~'",
    "BINARY": "an operator",
    "AUGMENTED": "an assignment such as '+='",
    "REDUCTION": "a reduction",
    "_NEWLINE": "the end of the line",
    "_INDENT": "an indented block",
    "_DEDENT": "the end of the block",
    "END": "the end of the file",
}


def diagnose(
    tokens: Sequence[Token], index: int, line_start: int, accepted: Set[str], file: str
) -> SourceError:
    """The error for a token where none of its type is accepted.

    Args:
        tokens: all tokens of the source.
        index: position of the token that does not fit.
        line_start: position of the first token of its logical line.
        accepted: the types of token that would fit.
        file: name of the source.
    """
    token = tokens[index]
    previous = tokens[index - 1] if index else token
    line = tokens[line_start:index]
    opening = _open_bracket(line)
    span = _span(token, previous, file)
    if token.type == "ELSE" and index == line_start and _header_before(tokens, index) in _LOOPS:
        return SourceError(
            "a loop has no `else`",
            span=span,
            hint="write its statements behind the loop, which always runs to its end",
        )
    hint = hint_for(Misfit(token, previous, line, accepted))
    if token.type == "_INDENT":
        return SourceError(
            "this line is indented, but no block begins above it",
            span=_span(tokens[index + 1], token, file),
            hint="remove the indentation, or end the line above it with ':' if it is a header",
        )
    if "_INDENT" in accepted:
        header = _header_above(tokens, index)
        return SourceError(
            f"expected an indented block after the header in line {header.line}",
            span=span,
            hint="indent its statements by four spaces; an empty block is `pass`",
        )
    if opening is not None and _ends_early(token, opening, line, accepted):
        return SourceError(
            f"{opening.text!r} is never closed; "
            f"expected {_expected(accepted)} before {_found(token)} in line {token.line}",
            span=_span(opening, opening, file),
            hint=f"add the missing {_CLOSERS[opening.type]}",
        )
    first = tokens[line_start]
    is_header = opening is None and (first.type != "ELSE" or index == line_start + 1)
    if "COLON" in accepted and first.type in _HEADERS and is_header:
        return SourceError(
            f"expected ':' after {_HEADERS[first.type]}, found {_found(token)}",
            span=span,
            hint=hint or "a header ends with ':'",
        )
    return SourceError(
        f"expected {_expected(accepted)}, found {_found(token)}",
        span=span,
        hint=hint,
    )


def _span(token: Token, previous: Token, file: str) -> Span:
    if token.text or token is previous:
        return Span(file, token.line, token.column, token.end_line, token.end_column)
    # Layout has no text of its own: point behind the last word.
    return Span(
        file, previous.end_line, previous.end_column, previous.end_line, previous.end_column + 1
    )


def _open_bracket(line: Sequence[Token]) -> Token | None:
    stack = []
    for token in line:
        if token.type in _CLOSERS:
            stack.append(token)
        elif token.type in ("RPAR", "RSQB") and stack:
            stack.pop()
    return stack[-1] if stack else None


def _ends_early(token: Token, opening: Token, line: Sequence[Token], accepted: Set[str]) -> bool:
    """Whether a bracket seems to lack its end, rather than to hold a wrong word."""
    closes = "RPAR" if opening.type == "LPAR" else "RSQB"
    is_in_slice = token.type == "COLON" and colons_of_slice(line) > 1
    if closes not in accepted or is_in_slice:
        return False
    return token.line > opening.line or token.type in ("COLON", "_NEWLINE", "EQUAL", "ARROW")


def _header_above(tokens: Sequence[Token], index: int) -> Token:
    position = index - 1
    while position > 0 and tokens[position].type == "_NEWLINE":
        position -= 1
    return tokens[position]


def _header_before(tokens: Sequence[Token], index: int) -> str | None:
    """The type of the first word of the header whose block ends before a token."""
    depth = 0
    for position in range(index - 1, 0, -1):
        kind = tokens[position].type
        depth += _DEPTH.get(kind, 0)
        is_first = tokens[position - 1].type in _LAYOUT and kind not in _LAYOUT
        if depth == 0 and is_first:
            return kind
    return None


def _found(token: Token) -> str:
    if token.type == "NAME":
        return f"the name '{shortened(token.text)}'"
    if token.type == "NUMBER":
        return f"the number {shortened(token.text)}"
    if token.type == "STRING":
        return "a string"
    if token.text and token.text[0].isalpha():
        return f"the keyword '{token.text}'"
    return f"'{token.text}'" if token.text else _SPELLINGS[token.type]


def _expected(accepted: Set[str]) -> str:
    """The types of token that fit, in words."""
    rest = set(accepted)
    choices = []
    if {"DEF", "MODEL", "IMPORT"} <= rest:
        return "a statement"
    if rest == {"AT", "DEF"}:
        return "the `def` of the function below its decorator"
    if "NUMBER" in rest:
        rest -= _EXPRESSION_START
        choices.append("an expression")
    elif "BINARY" in rest:
        # An operand is complete: an operator always fits and helps nobody.
        structural = rest - _EXPRESSION_REST
        rest = structural or {"BINARY"}
    choices += sorted(_spelling(kind) for kind in rest if kind not in ("_DEDENT", "END"))
    if not choices:
        return "the end of the file"
    if len(choices) == 1:
        return choices[0]
    return ", ".join(choices[:-1]) + " or " + choices[-1]


def _spelling(kind: str) -> str:
    return _SPELLINGS.get(kind) or f"'{WORDS[kind]}'"
