"""The comments of a source on their way into its new layout."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.errors import Span
from graphc.frontend.parsing.tokens import Comment

__all__ = ["CommentQueue"]


@dataclass(slots=True)
class CommentQueue:
    """The comments of a source that are not printed yet, in order.

    Attributes:
        source: the lines of the source.
        comments: all its comments.
        position: how many of them are printed.
    """

    source: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    position: int = 0

    def before(self, line: int, column: int = 0) -> list[Comment]:
        """Take the comments before a place."""
        start = self.position
        while self.position < len(self.comments):
            comment = self.comments[self.position]
            if (comment.line, comment.column) >= (line, column):
                break
            self.position += 1
        return self.comments[start : self.position]

    def trailing(self, line: int) -> list[Comment]:
        """Take the comment that stands behind text on a line."""
        if self.position < len(self.comments):
            comment = self.comments[self.position]
            if comment.line == line and not comment.alone:
                self.position += 1
                return [comment]
        return []

    def behind_item(self, end: Span) -> list[Comment]:
        """Take the comment behind an item of a sequence, where no bracket closes between."""
        line, column = end.end_line, end.end_column
        if self.position < len(self.comments) and self.comments[self.position].line == line:
            between = self.source[line - 1][column - 1 : self.comments[self.position].column - 1]
            if not between.strip(" \t,"):
                return self.trailing(line)
        return []

    def through_trailing(self, line: int) -> list[Comment]:
        """Take the comments up to the last before a line that stands behind text."""
        end = start = self.position
        for position in range(start, len(self.comments)):
            if self.comments[position].line >= line:
                break
            if not self.comments[position].alone:
                end = position + 1
        self.position = end
        return self.comments[start:end]

    def indented(self, column: int, line: int) -> list[Comment]:
        """Take the comments before a line that start at a column or to its right."""
        start = self.position
        while self.position < len(self.comments):
            comment = self.comments[self.position]
            if comment.line >= line or comment.column < column:
                break
            self.position += 1
        return self.comments[start : self.position]
