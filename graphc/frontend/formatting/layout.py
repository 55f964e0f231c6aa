"""Lays text out within a width: what fits stays on one line, the rest breaks at its outer brackets.

The documents and the algorithm are those of Wadler, "A prettier printer" (2003), in the strict
and linear form of Lindig, "Strictly pretty" (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "HARD_LINE",
    "LINE",
    "SOFT_LINE",
    "WIDTH",
    "Broken",
    "Concat",
    "Document",
    "Group",
    "Line",
    "Nest",
    "render",
]

WIDTH = 88
INDENT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line break, or `flat` where its group stays on one line; None always breaks."""

    flat: str | None


@dataclass(frozen=True, slots=True)
class Broken:
    """Text that stands only where its group is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Concat:
    """Documents one after the other."""

    parts: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Nest:
    """A document whose line breaks are indented by one step more."""

    content: Document


@dataclass(frozen=True, slots=True)
class Group:
    """A document that stays on one line if it fits, and breaks at all its lines if not."""

    content: Document


Document = str | Line | Broken | Concat | Nest | Group

LINE = Line(" ")
SOFT_LINE = Line("")
HARD_LINE = Line(None)


def render(document: Document, indent: int = 0, width: int = WIDTH) -> str:
    """The text of a document that starts at a column, without that indentation itself.

    >>> items = Nest(Concat((SOFT_LINE, "a,", LINE, "b", Broken(","))))
    >>> call = Group(Concat(("f(", items, SOFT_LINE, ")")))
    >>> render(call)
    'f(a, b)'
    >>> print(render(call, width=6))
    f(
        a,
        b,
    )
    """
    output: list[str] = []
    column = indent
    stack: list[tuple[int, bool, Document]] = [(indent, False, document)]
    while stack:
        level, flat, item = stack.pop()
        match item:
            case str():
                output.append(item)
                column += len(item)
            case Concat():
                stack += ((level, flat, part) for part in reversed(item.parts))
            case Nest():
                stack.append((level + INDENT, flat, item.content))
            case Group():
                fits = flat or _fits(width - column, item.content, stack)
                stack.append((level, fits, item.content))
            case Broken():
                if not flat:
                    output.append(item.text)
                    column += len(item.text)
            case Line():
                if flat and item.flat is not None:
                    output.append(item.flat)
                    column += len(item.flat)
                else:
                    output.append("\n" + " " * level)
                    column = level
    return "".join(output)


def _fits(room: int, document: Document, rest: list[tuple[int, bool, Document]]) -> bool:
    """Whether a document on one line, with what follows it up to a break, leaves room."""
    stack: list[tuple[bool, Document]] = [(True, document)]
    following = len(rest)
    while room >= 0:
        if not stack:
            if not following:
                return True
            following -= 1
            _, flat, item = rest[following]
        else:
            flat, item = stack.pop()
        match item:
            case str():
                room -= len(item)
            case Concat():
                stack += ((flat, part) for part in reversed(item.parts))
            case Nest() | Group():
                stack.append((flat, item.content))
            case Broken():
                room -= 0 if flat else len(item.text)
            case Line():
                if item.flat is None:
                    return not flat
                if not flat:
                    return True
                room -= len(item.flat)
    return False
