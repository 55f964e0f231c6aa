"""Places of the model, as comments of generated text name them."""

from __future__ import annotations

import linecache
import os
import re
import textwrap
from collections.abc import Sequence

from graphc.errors import Span
from graphc.ir.source_map import portable

__all__ = ["c_string", "comment", "described_places"]

_COLUMNS = 88

# A kernel that stems from many places names the first few.
_PLACES_SHOWN = 3
_EXCERPT_COLUMNS = 72


def comment(text: str) -> list[str]:
    """The text as comments of a line each, whatever is in it.

    >>> comment("x, fc1.weight")
    ['// x, fc1.weight']
    """
    lines = textwrap.wrap(text, _COLUMNS, break_on_hyphens=False)
    # A backslash at the end, or the trigraph for one, would take the next line into the comment.
    cut = [re.sub(r"(\\|\?\?/)+$", "", _escaped(line)) for line in lines]
    return [f"//   {line}" if number else f"// {line}" for number, line in enumerate(cut)]


def c_string(text: str) -> str:
    """The text as a string of C in one line, whatever is in it.

    >>> print(c_string('net "a".gc'), c_string("a\\nb"), c_string("??/"))
    "net \\042a\\042.gc" "a\\012b" "\\077\\077/"
    """
    coded = re.sub(r'["\\?]', lambda match: f"\\{ord(match[0]):03o}", text)
    return f'"{_escaped(coded)}"'


def _escaped(text: str) -> str:
    """The text with octal escapes of the bytes of all characters that cannot be printed."""
    return "".join(
        c if c.isprintable() else "".join(f"\\{b:03o}" for b in c.encode("utf-8", "surrogatepass"))
        for c in text
    )


def described_places(spans: Sequence[Span]) -> list[str]:
    """A line for each place: the file and line, and what the user wrote there.

    >>> described_places([Span("folded.gc", 12, 5, 12, 11)])
    ['folded.gc:12:5']
    """
    lines = list(dict.fromkeys(map(_described, spans)))
    rest = len(lines) - _PLACES_SHOWN
    return [*lines[:_PLACES_SHOWN], *([f"and {rest} more"] if rest > 0 else [])]


def _described(span: Span) -> str:
    text = _excerpt(span)
    return f"{portable(span).file}:{span.line}  {text}" if text else str(portable(span))


def _excerpt(span: Span) -> str:
    """The expression in one line; empty where the source is not known.

    A file that is known by its bare name alone may be anybody's: it is not looked for.
    """
    if span.file not in linecache.cache and not os.path.isabs(span.file):
        return ""
    line = linecache.getline(span.file, span.line)
    is_whole = span.end_line == span.line
    text = line[span.column - 1 : span.end_column - 1 if is_whole else None]
    text = " ".join(text.split())
    if text and (not is_whole or len(text) > _EXCERPT_COLUMNS):
        return f"{text[:_EXCERPT_COLUMNS].rstrip()} ..."
    return text
