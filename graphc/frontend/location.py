"""Where in the user's Python an operation was written, and which source map records it."""

from __future__ import annotations

import inspect
import itertools
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType

import numpy as np

from graphc.errors import Span
from graphc.ir.source_map import SourceMap

__all__ = ["at_definition", "at_python_line", "line_span", "python_span", "spans_from"]

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_LIBRARIES = (_PACKAGE, str(Path(np.__file__).resolve().parent) + os.sep)
"""Where no frame is one of the user's: NumPy calls the methods of what it is given."""

_recording: ContextVar[SourceMap | None] = ContextVar("graphc_python_spans", default=None)


@contextmanager
def spans_from(sources: SourceMap | None) -> Iterator[None]:
    """Record the operations called inside at the lines of the Python code that calls them.

    With None they keep the span that is current where they are called: this is what a reader of
    another language wants, who sets the spans with `SourceMap.at`.
    """
    token = _recording.set(sources)
    try:
        yield
    finally:
        _recording.reset(token)


def at_python_line() -> AbstractContextManager[None]:
    """Record nodes, and place errors, at the line of the user's code that is being executed."""
    sources = _recording.get()
    if sources is None:
        return nullcontext()
    span = python_span()
    return sources.at(span) if span is not None else nullcontext()


def at_definition(function: Callable[..., object]) -> AbstractContextManager[None]:
    """Record nodes, and place errors, at the first line of a Python function."""
    sources = _recording.get()
    plain = inspect.unwrap(function)
    code = getattr(getattr(plain, "__func__", plain), "__code__", None)
    if sources is None or not isinstance(code, CodeType) or code.co_filename.startswith(_PACKAGE):
        return nullcontext()
    return sources.at(line_span(code.co_filename, code.co_firstlineno))


def python_span() -> Span | None:
    """The expression that the innermost frame outside graphc is executing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return None if frame is None else _span_of(frame)


def _span_of(frame: FrameType) -> Span:
    file = frame.f_code.co_filename
    # Instructions are two bytes wide, and `co_positions` counts instructions.
    instruction = frame.f_lasti // 2
    place = next(itertools.islice(frame.f_code.co_positions(), instruction, None), None)
    if place is None or None in place:
        return line_span(file, frame.f_lineno)
    line, end_line, start, end = place
    assert line is not None and end_line is not None and start is not None and end is not None
    return Span(file, line, _column(file, line, start), end_line, _column(file, end_line, end))


def _column(file: str, line: int, offset: int) -> int:
    """A column counted in characters from 1, from an offset in bytes of UTF-8 from 0."""
    text = linecache.getline(file, line)
    if text.isascii():
        return offset + 1
    return len(text.encode()[:offset].decode(errors="replace")) + 1


def line_span(file: str, line: int) -> Span:
    """All of a line but its indentation."""
    text = linecache.getline(file, line).rstrip()
    column = len(text) - len(text.lstrip()) + 1
    return Span(file, line, column, line, max(column, len(text)) + 1)
