"""Calls of library functions with arguments that they are not made for: errors with a place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphc.errors import ErrorGroup, GraphcError, InternalError
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from tests.own_words import own_words
from tests.surface_calls import NAMES

LIBRARY = library()
ARGUMENTS = ("x", '"a"', "None", "[x]", "[[x]]", "1.5", "(1, None)")
PLACES = ("{}", "x, {}", "[x, x], {}")


def errors_of(call: str) -> Iterator[GraphcError]:
    """What the language says of a call; nothing where it has a meaning."""
    text = f"def f(x: f32[3, 4]):\n    return {call}\n\ndef g(x: f32[3, 4]):\n    return f(x)\n"
    try:
        elaborate(text, "nonsense.gc", LIBRARY)
    except ErrorGroup as group:
        yield from group.errors
    except GraphcError as error:
        yield error


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_is_an_error_with_a_place(name: str) -> None:
    for place in PLACES:
        for argument in ARGUMENTS:
            call = f"{name}({place.format(argument)})"
            for error in errors_of(call):
                assert not isinstance(error, InternalError), (call, error)
                assert error.span is not None and error.span.file == "nonsense.gc", (call, error)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("concat(x)", "concat: tensors is"),
        ("stack(x, 0)", "stack: tensors is"),
        ("concat(None)", "expected a list of tensors"),
        ("rand(3, x)", "expected a size"),
        ('eye("a")', "expected a size"),
        ("hstack([[x]])", "hstack"),
        ("adaptive_avg_pool1d(x, x)", "adaptive_avg_pool1d"),
    ],
)
def test_what_is_said(call: str, expected: str) -> None:
    (error,) = errors_of(call)
    assert expected in own_words(error)
