"""Every error that graphc reports to its user.

An error says what was found, what was expected, where, and what to do. `GraphcError.render`
lays that out with the source line and a caret; the command line prints exactly that text.

    error[shape-mismatch]: matmul: the inner dimensions differ, 64 and 32
      --> mlp.gc:12:9
       |
    12 |     h = x @ w
       |         ^^^^^
       = hint: transpose w, or change its first dimension to 64
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

__all__ = [
    "DTypeError",
    "DeviceError",
    "DimensionError",
    "ErrorGroup",
    "GraphcError",
    "InternalError",
    "MemberLookupError",
    "ModuleFormatError",
    "NameLookupError",
    "OutOfRangeError",
    "ShapeError",
    "SimulatorError",
    "SourceError",
    "Span",
    "ToolchainError",
    "TracedValueError",
    "UsageError",
    "VerificationError",
    "did_you_mean",
    "group",
    "nearest_name",
    "register_source",
]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source text. Lines and columns count from 1; the end column is exclusive.

    Attributes:
        known_as: what modules and generated code call the file, where its bare name will not do.

    >>> str(Span("mlp.gc", 3, 5, 3, 9))
    'mlp.gc:3:5'
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    known_as: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def first_line(self) -> Span:
        """The stretch up to the end of its first line: the header of a block, for example."""
        if self.line == self.end_line:
            return self
        return Span(self.file, self.line, self.column, self.line + 1, 1)


def register_source(file: str, text: str) -> None:
    """Make the text of a source that is not on disk available to rendered errors."""
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    linecache.cache[file] = (len(text), None, lines, file)


class GraphcError(Exception):
    """Base of all graphc errors.

    Args:
        message: what was found and what was expected, in one sentence.
        code: the error's stable name, listed in the error index; defaults to the class's.
        span: where in the user's source.
        hint: what to do about it.
        notes: further facts, one line each.
        argument: the parameter whose argument is at fault, for callers that know its place.
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        span: Span | None = None,
        hint: str | None = None,
        notes: Iterable[str] = (),
        argument: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.span = span
        self.hint = hint
        self.notes = tuple(notes)
        self.argument = argument

    def __str__(self) -> str:
        return self.render()

    @property
    def errors(self) -> tuple[GraphcError, ...]:
        """The errors that it consists of: itself alone, unless it is a group."""
        return (self,)

    def at(self, span: Span | None) -> Self:
        """Set the span where none is known yet: the innermost place wins."""
        if self.span is None:
            self.span = span
        return self

    def note(self, text: str) -> Self:
        """Add a line of context and return the error."""
        self.notes = (*self.notes, text)
        return self

    def render(self) -> str:
        """The error as text for a person: message, place with caret, notes and hint."""
        lines = [f"error[{self.code}]: {_shortened(self.message)}"]
        margin = " "
        if self.span is not None:
            excerpt, margin = _excerpt(self.span)
            lines += excerpt
        lines += [f"{margin} = note: {_shortened(text)}" for text in self.notes]
        if self.hint:
            lines.append(f"{margin} = hint: {_shortened(self.hint)}")
        return "\n".join(lines)


_WIDTH = 120
"""Characters that are shown of a line of source."""
_LENGTH = 1000
"""Characters that are shown of a message, which may quote what is as long as anyone likes."""


def _shortened(text: str) -> str:
    half = _LENGTH // 2
    return text if len(text) <= _LENGTH else f"{text[:half]} ... {text[-half:]}"


def _excerpt(span: Span) -> tuple[list[str], str]:
    number = str(span.line)
    margin = " " * (len(number) + 1)
    place = [f"{margin[:-1]}--> {span}"]
    line = linecache.getline(span.file, span.line).rstrip("\r\n")
    if not line:
        return place, margin
    end = min(span.end_column if span.end_line == span.line else len(line) + 1, len(line) + 1)
    text, start = _window(line, span.column - 1)
    indent = text[:start]
    width = max(1, min(end - span.column, len(text) - start))
    # Tabs keep their width in the caret line, so that the caret stands below its text.
    indent = "".join("\t" if c == "\t" else " " for c in indent)
    return [
        *place,
        f"{margin}|",
        f"{number} | {text}",
        f"{margin}| {indent}{'^' * width}",
    ], margin


def _window(line: str, start: int) -> tuple[str, int]:
    """The part of a line to be shown, and where in it the character at `start` stands.

    >>> text, start = _window("a" * 500 + "b" + "c" * 500, 500)
    >>> len(text) == _WIDTH, text[:4], text[start], text[-4:]
    (True, '...a', 'b', 'c...')
    """
    if len(line) <= _WIDTH:
        return line, start
    # As much as there is after the place, of which most is what is wrong.
    first = max(0, min(start - _WIDTH // 3, len(line) - _WIDTH))
    text = line[first : first + _WIDTH]
    if first:
        text = "..." + text[3:]
    if first + _WIDTH < len(line):
        text = text[:-3] + "..."
    return text, start - first


def did_you_mean(name: str, *known: Iterable[str]) -> str | None:
    """A hint with the nearest of the known names, if one is near (see `nearest_name`)."""
    near = nearest_name(name, *known)
    return None if near is None else f"did you mean {near!r}?"


def nearest_name(name: str, *known: Iterable[str]) -> str | None:
    """The known name that may have been meant.

    Near are names that differ in case and underscores alone, those that begin with `name`, and
    those that some edits lead to, fewer for shorter names.

    Args:
        known: groups of names; what is near in one of them comes before all later ones.

    >>> nearest_name("Soft_max", ["sort", "softmax"]), nearest_name("ff", ["if", "ffn"], ["fft"])
    ('softmax', 'ffn')
    >>> nearest_name("hh", ["h", "hx"])
    """
    for names in known:
        distances = [(_distance(name, one), place, one) for place, one in enumerate(names)]
        near = [(distance, place, one) for distance, place, one in distances if distance]
        if near:
            return min(near)[-1]
    return None


_LONGEST_NAME = 80
"""Characters of a name that may be one that was meant, and was mistyped."""


def _distance(name: str, known: str) -> tuple[int, int, bool] | None:
    """How far one name is from another one, for those that are near."""
    is_function, is_class = name[:1].islower(), known[:1].isupper()
    given, other = (text.replace("_", "").lower() for text in (name, known))
    if not given or len(name) > _LONGEST_NAME:
        return None
    if given == other:
        return 0, 0, is_function and is_class
    if len(given) > 2 and other.startswith(given):
        return 1, len(other), is_function is is_class
    most = min(max(1, len(given) // 3), 3, (max(len(given), len(other)) - 1) // 2)
    if abs(len(given) - len(other)) > most:
        return None
    edits = _edits(given, other)
    return (2, edits, is_function is is_class) if edits <= most else None


def _edits(name: str, other: str) -> int:
    """Letters to insert, remove or replace, or neighbours to exchange, to make a name another.

    The optimal string alignment distance: R. A. Wagner and M. J. Fischer, The String-to-String
    Correction Problem, J. ACM 21 (1974), with exchanges.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, 1):
        last, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and wanted == name[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


class SourceError(GraphcError):
    """The text of a model is not a program of the language."""

    default_code = "syntax"


class NameLookupError(GraphcError):
    """A name that is not defined, or not a member of what it is looked up in."""

    default_code = "unknown-name"


class MemberLookupError(NameLookupError, AttributeError):
    """An attribute that an object does not have; `hasattr` understands it."""


class ShapeError(GraphcError, ValueError):
    """Shapes that do not fit together; a `ValueError`, as the array API standard has it."""

    default_code = "shape-mismatch"


class OutOfRangeError(ShapeError, IndexError):
    """An axis that a tensor does not have, or a place that is not proved to be one of an axis.

    Attributes:
        axis: the axis whose place it is.
    """

    axis: int | None = None


class DTypeError(GraphcError):
    """Dtypes that do not fit together, or that an operation does not take."""

    default_code = "dtype-mismatch"


class DimensionError(GraphcError):
    """A symbolic dimension out of its range, unbound, or used inconsistently."""

    default_code = "dimension"


class UsageError(GraphcError):
    """Wrong arguments: of a command, of a call from Python, or of an operation in a program."""

    default_code = "usage"


class TracedValueError(UsageError, TypeError):
    """Python asks for the value of a tensor whose graph is still being built."""

    default_code = "traced-value"


class ModuleFormatError(GraphcError):
    """A `.gcm` file that is truncated, edited, or of an unknown format."""

    default_code = "module-format"


class DeviceError(GraphcError):
    """A device that was asked for and is missing, or that refused its work."""

    default_code = "device"


class ToolchainError(GraphcError):
    """A compiler or an optional package that is missing or failed."""

    default_code = "toolchain"


class VerificationError(GraphcError):
    """A graph or kernel that breaks an invariant; the message names the check and the pass."""

    default_code = "verification"


class SimulatorError(GraphcError):
    """A simulated kernel that broke a rule of CUDA: `findings` as data, notes as text."""

    default_code = "simulator"

    def __init__(self, message: str, *, findings: Sequence[object] = ()) -> None:
        super().__init__(message, notes=[str(finding) for finding in findings])
        self.findings = tuple(findings)


class InternalError(GraphcError):
    """A defect of graphc itself."""

    default_code = "internal"


def group(errors: Sequence[GraphcError]) -> GraphcError:
    """One error or more as one: the error itself, or a group."""
    return errors[0] if len(errors) == 1 else ErrorGroup(errors)


class ErrorGroup(GraphcError):
    """Several errors of one run, in source order."""

    default_code = "errors"

    def __init__(self, errors: Sequence[GraphcError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self._errors = tuple(errors)
        self.span = errors[0].span if errors else None

    @property
    def errors(self) -> tuple[GraphcError, ...]:
        """The errors that it consists of."""
        return self._errors

    def at(self, span: Span | None) -> Self:
        """Set the span of each error where none is known yet."""
        for error in self._errors:
            error.at(span)
        return super().at(span)

    def render(self) -> str:
        """All errors, each as it would be rendered alone, separated by an empty line."""
        return "\n\n".join(error.render() for error in self.errors)
