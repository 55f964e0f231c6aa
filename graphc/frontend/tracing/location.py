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
from types import CodeType, FrameType, TracebackType

import numpy as np

from graphc.errors import GraphcError, Span
from graphc.ir.source_map import SourceMap, is_recorded

__all__ = [
    "at_definition",
    "at_python_line",
    "at_raising_line",
    "line_span",
    "python_span",
    "spans_from",
]

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
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
    """Record nodes, and place errors, at the line of the user's code that is being executed.

    Where another language is read, which has set a span, that stays.
    """
    sources = _recording.get()
    if sources is None:
        if is_recorded():
            return nullcontext()
        sources = SourceMap()
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


@contextmanager
def at_raising_line() -> Iterator[None]:
    """Place errors that have no place yet, as those of dims, at the user's line that met them."""
    try:
        yield
    except GraphcError as error:
        frames = [
            (tb.tb_frame.f_code, tb.tb_lasti, tb.tb_lineno)
            for tb in _tracebacks(error)
            if not tb.tb_frame.f_code.co_filename.startswith(_LIBRARIES)
        ]
        if frames and _recording.get() is not None:
            error.at(_span_in(*frames[-1]))
        raise


def _tracebacks(error: BaseException) -> Iterator[TracebackType]:
    found = error.__traceback__
    while found is not None:
        yield found
        found = found.tb_next


def python_span() -> Span | None:
    """The expression that the innermost frame outside graphc is executing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return None if frame is None else _span_in(frame.f_code, frame.f_lasti, frame.f_lineno)


def _span_in(code: CodeType, offset: int, number: int) -> Span:
    """The expression of an instruction, which stands on the line of that number."""
    file = code.co_filename
    # Instructions are two bytes wide, and `co_positions` counts instructions.
    place = next(itertools.islice(code.co_positions(), offset // 2, None), None)
    if place is None or None in place:
        return line_span(file, number)
    line, end_line, start, end = place
    assert line is not None and end_line is not None and start is not None and end is not None
    return Span(file, line, _column(file, line, start), end_line, _column(file, end_line, end))


def _column(file: str, line: int, offset: int) -> int:
    """A column counted in characters from 1, from an offset in bytes of UTF-8 from 0."""
    text = linecache.getline(file, line)
    if text.isascii():
        return offset + 1
    return len(text.encode(errors="surrogatepass")[:offset].decode(errors="replace")) + 1


def line_span(file: str, line: int) -> Span:
    """All of a line but its indentation."""
    text = linecache.getline(file, line).rstrip()
    column = len(text) - len(text.lstrip()) + 1
    return Span(file, line, column, line, max(column, len(text)) + 1)
