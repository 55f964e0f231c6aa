"""Errors as text: the excerpt of the source and its caret."""

import pytest

from graphc.errors import GraphcError, Span, register_source


def rendered(text: str, column: int, end_column: int, message: str = "wrong") -> list[str]:
    register_source("rendered.gc", text + "\n")
    span = Span("rendered.gc", 1, column, 1, end_column)
    return GraphcError(message, span=span).render().splitlines()


@pytest.mark.parametrize("at", [0, 1, 3, 40, 117, 118, 119, 120, 121, 500, 9_000, 9_998, 9_999])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 80, 119, 10_000])
def test_a_long_line_is_cut_around_the_caret(at: int, after: int):
    lines = rendered("a" * at + "b" + "c" * after, at + 1, at + 2)
    assert max(map(len, lines)) <= 130
    source, caret = lines[-2], lines[-1]
    assert source[caret.index("^")] == "b" and caret.count("^") == 1
    assert source.startswith("1 | ...") == (at + 1 + after > 120 and at > 40)
    assert source.endswith(("...", "bc"[min(after, 1)]))


def test_what_is_wrong_may_be_longer_than_what_is_shown():
    lines = rendered("x = " + "y" * 5_000, 5, 5_005)
    assert lines[-1] == "  |     " + "^" * 116
    assert lines[-2] == "1 | x = " + "y" * 113 + "..."


def test_a_span_behind_the_end_of_the_line():
    assert rendered("x =", 4, 5)[-2:] == ["1 | x =", "  |    ^"]


def test_tabs_keep_the_caret_below_its_text():
    assert rendered("\tx\t= y", 4, 5)[-2:] == ["1 | \tx\t= y", "  | \t \t^"]


def test_a_long_message_is_cut():
    first = rendered("x", 1, 2, f"nothing is called {'n' * 100_000}")[0]
    assert len(first) < 1100 and first.endswith("nnn") and " ... " in first
