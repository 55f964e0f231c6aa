"""What errors say themselves, for tests that look for words in it."""

from __future__ import annotations

from graphc.errors import GraphcError

__all__ = ["own_words"]


def own_words(error: GraphcError) -> str:
    """The message, notes and hint of an error, or of each of several.

    Without the line of source that `str` shows: it may be the very line of the test that names
    the words to be found.
    """
    lines = (line for one in error.errors for line in (one.message, *one.notes, one.hint or ""))
    return "\n".join(lines)
