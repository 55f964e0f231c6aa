"""What to say about a token that does not fit."""

from __future__ import annotations

import difflib
from collections.abc import Sequence, Set

from graphc.errors import SourceError, Span
from graphc.frontend import syntax
from graphc.frontend.parsing.parse_table import parse_table
from graphc.frontend.parsing.tokens import LINE_KEYWORDS, Token

__all__ = ["diagnose", "unused_hint"]

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

_WORDS = {name: word for word, name in parse_table().words.items()}
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

# What people write who come from another language.
_FOREIGN = {
    "class": "a model is written `model Name(...):`",
    "lambda": "functions have names: write a `def`",
    "let": "assign directly: `x = value`",
    "var": "assign directly: `x = value`",
    "fn": "a function is written `def name(...):`",
    "func": "a function is written `def name(...):`",
    "function": "a function is written `def name(...):`",
    "is": "compare with '=='",
    "global": "a value known at build time is a `const`",
    "assert": "conditions on shapes are stated by the ranges of dimensions",
    "del": "values need no deletion",
    "raise": "a graph has no exceptions",
    "try": "a graph has no exceptions",
    "except": "a graph has no exceptions",
    "finally": "a graph has no exceptions",
    "nonlocal": "a function gives its values by `return`",
    "with": "there are no context managers",
    "yield": "a function gives its values by `return`",
    "async": "everything runs in order",
    "await": "everything runs in order",
    "break": "a loop ends by its condition: `while condition, at most 100:`",
    "continue": "select values with `where` or an `if`",
}
_GRADIENT = "gradients are functions: grad(f), or train_step(...) for a training step"
_UNUSED = {
    "backward": _GRADIENT,
    "requires_grad_": _GRADIENT,
    "append": "lists are values: items = items + [x]",
    "extend": "lists are values: items = items + others",
    "print": "nothing is printed while a program is built: return the value from an export",
    "__init__": "a model has no constructor: its body makes its parts",
    "update": "state gets a new value by `update name = value`",
}
_DOUBLED = {
    "&": "write `and`, or a single '&' between tensors",
    "|": "write `or`, or a single '|' between tensors",
    "+": "write `x += 1`",
    "=": "write a single '=' to assign, '==' to compare",
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
    if opening is not None and _ends_early(token, opening, accepted):
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
            hint=_hint(token, previous, line, accepted) or "a header ends with ':'",
        )
    return SourceError(
        f"expected {_expected(accepted)}, found {_found(token)}",
        span=span,
        hint=_hint(token, previous, line, accepted),
    )


def unused_hint(value: syntax.Expression) -> str:
    """What to do about an expression that stands as a statement."""
    match value:
        case syntax.Compare(_, ("==",), _):
            return "'==' compares; to assign, write '='"
        case syntax.Name(word) if word in _FOREIGN:
            return _FOREIGN[word]
        case syntax.Call(syntax.Name(word) | syntax.Attribute(_, word)) if word in _UNUSED:
            return _UNUSED[word]
        case syntax.Call(syntax.Attribute(_, word)) if word.endswith("_"):
            return "tensors are values: assign what the call gives, x = relu(x)"
    return "assign it to a name, or return it"


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


def _ends_early(token: Token, opening: Token, accepted: Set[str]) -> bool:
    """Whether a bracket seems to lack its end, rather than to hold a wrong word."""
    closes = "RPAR" if opening.type == "LPAR" else "RSQB"
    if closes not in accepted:
        return False
    return token.line > opening.line or token.type in ("COLON", "_NEWLINE", "EQUAL", "ARROW")


def _header_above(tokens: Sequence[Token], index: int) -> Token:
    position = index - 1
    while position > 0 and tokens[position].type == "_NEWLINE":
        position -= 1
    return tokens[position]


def _found(token: Token) -> str:
    if token.type == "NAME":
        return f"the name '{_shortened(token.text)}'"
    if token.type == "NUMBER":
        return f"the number {_shortened(token.text)}"
    if token.type == "STRING":
        return "a string"
    if token.text and token.text[0].isalpha():
        return f"the keyword '{token.text}'"
    return f"'{token.text}'" if token.text else _SPELLINGS[token.type]


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


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
    return _SPELLINGS.get(kind) or f"'{_WORDS[kind]}'"


def _hint(token: Token, previous: Token, line: Sequence[Token], accepted: Set[str]) -> str | None:
    for word in (token, previous, *line[:1]):
        if word.type == "NAME" and word.text in _FOREIGN:
            return _FOREIGN[word.text]
    if token.type == "STRING" and previous.text in ("f", "r", "b"):
        return "texts are constants, without a letter before them"
    if token.type == "IF" and previous.type == "ELSE":
        return "write `elif`"
    if token.type == "IN":
        return "there is no test of membership: compare with '==' and `or`"
    if token.type == "EQUAL" and line and line[0].type == "DIM":
        return "a dim has a range, dim B: 1..64; one size is a constant, const B = 8"
    if token.type == "EQUAL":
        return "'=' assigns; to compare, write '=='"
    if token.type not in ("NAME", "_NEWLINE") and "NAME" in accepted and token.text.isalpha():
        return f"'{token.text}' is a keyword and cannot be a name"
    if len(line) == 1 and line[0].type == "NAME" and not _is_layout(token):
        keyword = _similar_keyword(line[0].text)
        if keyword:
            return f"did you mean '{keyword}'?"
    if token.type == "NAME":
        similar = difflib.get_close_matches(
            token.text[:40], [_WORDS[kind] for kind in accepted if kind in _WORDS], 1, 0.6
        )
        if similar:
            return f"did you mean '{similar[0]}'?"
    if token.text == previous.text and token.text in _DOUBLED:
        return _DOUBLED[token.text]
    if token.type == "_NEWLINE" and previous.text == "+" and len(line) > 1 and line[-2].text == "+":
        return _DOUBLED["+"]
    if token.text in ("*", "**"):
        return "there are no starred arguments: pass a list, or write each of them"
    if _begins_operand(token) and "COMMA" in accepted and _ends_operand(previous):
        return "a comma may be missing before it"
    if token.type == "NUMBER" and token.text.startswith(".") and previous.type == "NAME":
        return "the members of a list are written `blocks[0]`"
    return None


def _begins_operand(token: Token) -> bool:
    return token.type in ("NAME", "NUMBER", "STRING")


def _ends_operand(token: Token) -> bool:
    return token.type in ("NAME", "NUMBER", "STRING", "RPAR", "RSQB")


def _is_layout(token: Token) -> bool:
    return token.type in ("_NEWLINE", "_INDENT", "_DEDENT", "END")


def _similar_keyword(word: str) -> str | None:
    keywords = [*sorted(LINE_KEYWORDS), "def", "import", "from", "for", "while", "if", "return"]
    similar = difflib.get_close_matches(word[:40], keywords, 1, 0.6)
    return similar[0] if similar else None
