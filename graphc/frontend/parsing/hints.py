"""What to do about a token that does not fit, and about a statement that does nothing."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence, Set

from graphc.errors import nearest_name
from graphc.frontend import syntax
from graphc.frontend.foreign_names import KEYWORDS, instead
from graphc.frontend.parsing.parse_table import parse_table
from graphc.frontend.parsing.tokens import LINE_KEYWORDS, Token
from graphc.ir.record import Record

__all__ = ["WORDS", "Misfit", "colons_of_slice", "hint_for", "unused_hint"]

WORDS = {name: word for word, name in parse_table().words.items()}
"""How each keyword and symbol is spelled, by the type of its token."""

_OPERANDS = ("NAME", "NUMBER", "STRING")
_LAYOUT = ("_NEWLINE", "_INDENT", "_DEDENT", "END")
_DOUBLED = {
    "&": "write `and`, or a single '&' between tensors",
    "|": "write `or`, or a single '|' between tensors",
    "+": "write `x += 1`",
    "=": "write a single '=' to assign, '==' to compare",
}


class Misfit(Record):
    """A token where none of its type is accepted.

    Attributes:
        token: what does not fit.
        previous: the token before it.
        line: the tokens of its logical line up to it.
        accepted: the types of token that would fit.
    """

    token: Token
    previous: Token
    line: Sequence[Token]
    accepted: Set[str]

    def is_after(self, *kinds: str) -> bool:
        """Whether the token before it is of one of these types."""
        return self.previous.type in kinds


def hint_for(misfit: Misfit) -> str | None:
    """The text of the first row of the table whose condition holds."""
    for condition, text in _HINTS:
        found = condition(misfit)
        if found:
            return text.format(found)
    return None


def unused_hint(value: syntax.Expression) -> str:
    """What to do about an expression that stands as a statement."""
    found: str | None = None
    match value:
        case syntax.Compare(_, ("==",), _):
            found = "'==' compares; to assign, write '='"
        case syntax.Name(word):
            found = KEYWORDS.get(word)
        case syntax.Call(syntax.Name(word)):
            found = instead(word)
        case syntax.Call(syntax.Attribute(_, word)):
            found = instead(f".{word}")
            if found is None and word.endswith("_"):
                found = "tensors are values: assign what the call gives, x = relu(x)"
    return found or "assign it to a name, or return it"


def colons_of_slice(line: Sequence[Token]) -> int:
    """How many colons the slice has that is not finished at the end of a line."""
    depth = colons = 0
    for token in reversed(line):
        if token.type in ("RPAR", "RSQB"):
            depth += 1
        elif token.type in ("LPAR", "LSQB"):
            depth -= 1
        if depth < 0 or (depth == 0 and token.type == "COMMA"):
            break
        colons += depth == 0 and token.type == "COLON"
    return colons


# -- conditions -----------------------------------------------------------------------------------


def _foreign(misfit: Misfit) -> str | None:
    words = (misfit.token, misfit.previous, *misfit.line[:1])
    return next((KEYWORDS[w.text] for w in words if w.type == "NAME" and w.text in KEYWORDS), None)


def _statement_of_function(misfit: Misfit) -> str | None:
    """`print x`, as in older languages."""
    is_call = len(misfit.line) == 1 and misfit.previous.type == "NAME"
    return instead(misfit.previous.text) if is_call else None


def _keyword_for_a_name(misfit: Misfit) -> str | None:
    token = misfit.token
    is_name = "NAME" in misfit.accepted and token.type not in ("NAME", "_NEWLINE")
    return token.text if is_name and token.text.isalpha() else None


def _mistyped_first_word(misfit: Misfit) -> str | None:
    line = misfit.line
    if len(line) != 1 or line[0].type != "NAME" or misfit.token.type in _LAYOUT:
        return None
    keywords = [*sorted(LINE_KEYWORDS), "def", "import", "from", "for", "while", "if", "return"]
    return _similar(line[0].text, keywords)


def _mistyped_keyword(misfit: Misfit) -> str | None:
    if misfit.token.type != "NAME":
        return None
    return _similar(misfit.token.text, [WORDS[kind] for kind in misfit.accepted if kind in WORDS])


def _similar(word: str, known: list[str]) -> str | None:
    found = difflib.get_close_matches(word[:40], known, 1, 0.6)
    return found[0] if found else None


def _mistyped_reduction(misfit: Misfit) -> str | None:
    """`sm[d] x`: a name with indices, where a reduction would fit."""
    if misfit.token.type not in (*_OPERANDS, "LPAR") or not misfit.is_after("RSQB"):
        return None
    depth = 0
    for place in range(len(misfit.line) - 1, 0, -1):
        kind = misfit.line[place].type
        depth += (kind == "RSQB") - (kind == "LSQB")
        if depth == 0:
            before = misfit.line[place - 1]
            near = nearest_name(before.text, syntax.REDUCTIONS) if before.type == "NAME" else None
            indices = "".join(one.text for one in misfit.line[place:])
            return near and f"{near}{indices}"
    return None


def _doubled(misfit: Misfit) -> str | None:
    token, previous, line = misfit.token, misfit.previous, misfit.line
    if token.text == previous.text:
        return _DOUBLED.get(token.text)
    ends_in_two = token.type == "_NEWLINE" and len(line) > 1 and line[-2].text == previous.text
    return _DOUBLED["+"] if ends_in_two and previous.text == "+" else None


def _lacks_comma(misfit: Misfit) -> bool:
    ends_operand = misfit.is_after(*_OPERANDS, "RPAR", "RSQB")
    return misfit.token.type in _OPERANDS and "COMMA" in misfit.accepted and ends_operand


_HINTS: Sequence[tuple[Callable[[Misfit], object], str]] = (
    (_foreign, "{}"),
    (
        lambda m: m.token.type == "STRING" and m.previous.text in ("f", "r", "b"),
        "texts are constants, without a letter before them, and without values inside",
    ),
    (lambda m: m.token.type == "IF" and m.is_after("ELSE"), "write `elif`"),
    (
        lambda m: m.token.text == "." and m.line and m.line[0].type == "MODEL",
        "a model has parameters, and no base class: model M(n=64):",
    ),
    (
        lambda m: m.line and m.line[0].type == "DIM",
        "a dim has a range, dim B: 1..64; one size is a constant, const B = 8",
    ),
    (
        lambda m: m.line and m.line[0].type == "CONST" and m.token.type == "COLON",
        "a constant has a value and no type: const N = 8",
    ),
    (
        lambda m: m.line and m.line[0].type in ("PARAM", "STATE") and m.token.type == "EQUAL",
        "its type stands behind the name: param w: f32[64] = normal(), state n: i32[] = 0",
    ),
    (
        lambda m: m.token.type == "IN",
        "there is no test of membership: compare with '==' and `or`",
    ),
    (lambda m: m.token.type == "EQUAL", "'=' assigns; to compare, write '=='"),
    (
        lambda m: m.is_after("ARROW"),
        "the type of the result follows '->', as f32[B, 10]; leave '->' away to leave it open",
    ),
    (
        lambda m: m.token.type == "COLON" and colons_of_slice(m.line) > 1,
        "a slice is start:stop:step, and axes are separated by ','",
    ),
    (_keyword_for_a_name, "'{}' is a keyword and cannot be a name"),
    (_statement_of_function, "{}"),
    (_mistyped_first_word, "did you mean '{}'?"),
    (_mistyped_keyword, "did you mean '{}'?"),
    (_doubled, "{}"),
    (
        lambda m: m.token.text in ("*", "**"),
        "there are no starred values: lists are joined by '+', as in [x] + rows, and arguments are "
        "written one by one, or as a list",
    ),
    (
        lambda m: m.token.type == "FOR" and m.line,
        "what is computed for each element is a list, in brackets: sum([f(x) for x in values])",
    ),
    (_mistyped_reduction, "did you mean '{}'?"),
    (_lacks_comma, "a comma may be missing before it"),
    (
        lambda m: m.token.type == "NUMBER" and m.token.text.startswith(".") and m.is_after("NAME"),
        "the members of a list are written `blocks[0]`",
    ),
)
"""What to do, by the first condition that holds; what it gives stands in place of {}."""
