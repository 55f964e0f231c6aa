"""Values of number and string literals, and strings as literals."""

from __future__ import annotations

import math
import re

__all__ = ["LiteralError", "number_value", "string_literal", "string_value"]

_ESCAPE = re.compile(
    r"\\(?:(\r\n|\r|\n)|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))"
)
_SIMPLE_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "0": "\0",
}
_LINE_END = re.compile(r"\r\n|\r")
_MAX_DIGITS = 80


_SHORTER = "integers reach to 2**64 - 1; write a float, as in 1e30, or a smaller integer"


class LiteralError(ValueError):
    """A literal without a value; the text says why, and the hint what to write."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


def number_value(text: str) -> int | float:
    """The value of a number literal: an int below 2**64, or a finite float.

    >>> number_value("0x_ff"), number_value("1_000"), number_value("1e-3"), number_value("2.")
    (255, 1000, 0.001, 2.0)
    """
    lowered = text.lower()
    is_integer = lowered.startswith(("0x", "0o", "0b")) or re.fullmatch(r"[0-9_]+", text)
    try:
        if is_integer:
            digits = lowered.lstrip("0_") or "0"
            if len(digits) > _MAX_DIGITS:
                raise LiteralError("this integer needs more than 64 bits", _SHORTER)
            value = int(digits, 10) if digits.isdigit() else int(lowered, 0)
            if "__" in lowered or lowered.endswith("_"):
                raise ValueError
        else:
            return _float_value(lowered)
    except LiteralError:
        raise
    except ValueError:
        hint = "a complex number is complex(0, 1)" if lowered.endswith("j") else None
        raise LiteralError(f"{shortened(text)!r} is not a number", hint) from None
    if value >= 2**64:
        raise LiteralError("this integer needs more than 64 bits", _SHORTER)
    return value


def _float_value(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise LiteralError("this number is too large for float64; infinity is written `inf`")
    return value


def shortened(text: str) -> str:
    """A text as errors quote it."""
    return text if len(text) <= 40 else text[:37] + "..."


def string_value(literal: str) -> str:
    r"""The value of a string literal with its quotes.

    >>> string_value(r'"a\tb\x41"')
    'a\tbA'
    """
    width = 3 if literal[:3] in ('"""', "'''") else 1
    body = literal[width:-width]
    if "\r" in body:
        body = _LINE_END.sub("\n", body)
    return _ESCAPE.sub(_unescape, body) if "\\" in body else body


def _unescape(match: re.Match[str]) -> str:
    newline, two, four, eight, other = match.groups()
    if newline is not None:
        return ""
    if other is not None:
        if other not in _SIMPLE_ESCAPES:
            raise LiteralError(
                f"the string contains the unknown escape {match[0]!r}; a backslash is written \\\\"
            )
        return _SIMPLE_ESCAPES[other]
    code = int(two or four or eight, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise LiteralError(f"the escape {match[0]} is not a Unicode character")
    return chr(code)


def string_literal(value: str, quote: str = '"') -> str:
    r"""A literal with this value, in double or in triple double quotes.

    >>> print(string_literal("a\tb\n\"c\""))
    "a\tb\n\"c\""
    """
    lines = len(quote) == 3
    text = "".join(_escape(character, lines) for character in value)
    if not lines:
        return quote + text.replace('"', '\\"') + quote
    text = text.replace('""', '"\\"')
    if text.endswith('"'):
        text = text[:-1] + '\\"'
    return quote + text + quote


def _escape(character: str, lines: bool) -> str:
    if character == "\\":
        return "\\\\"
    if character == "\n":
        return "\n" if lines else "\\n"
    if character == "\t":
        return "\t" if lines else "\\t"
    if character == "\r":
        return "\\r"
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0:
        return f"\\x{code:02x}"
    if code in _INVISIBLE or 0xD800 <= code < 0xE000:
        return f"\\u{code:04x}"
    return character


_INVISIBLE = frozenset((*range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF))
