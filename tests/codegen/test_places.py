"""Places of the model in comments of generated text."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphc.codegen.emit.places import comment, described_places
from graphc.errors import Span, register_source

MODEL = "y = gelu(fc1(x))\nz = concat(\n    x,\n    y)\ns = '\\\n" + "w = " + "x + " * 60 + "x\n"


@pytest.fixture(autouse=True)
def model() -> None:
    register_source("folder/places_model.gc", MODEL)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((1, 5, 1, 17), "places_model.gc:1  gelu(fc1(x))"),
        ((1, 10, 1, 16), "places_model.gc:1  fc1(x)"),
        ((2, 5, 4, 7), "places_model.gc:2  concat( ..."),
        ((6, 5, 6, 999), "places_model.gc:6  " + ("x + " * 18).rstrip() + " ..."),
        ((40, 1, 1, 2), "places_model.gc:40:1"),
    ],
)
def test_a_place_shows_what_the_user_wrote(place: tuple[int, int, int, int], expected: str) -> None:
    assert described_places([Span("folder/places_model.gc", *place)]) == [expected]


def test_a_file_known_by_its_bare_name_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "places_other.gc").write_text("not this one")
    monkeypatch.chdir(tmp_path)
    assert described_places([Span("places_other.gc", 1, 1, 1, 4)]) == ["places_other.gc:1:1"]


def test_many_places_are_counted() -> None:
    spans = [Span("m.gc", line, 1, line, 2) for line in (1, 2, 2, 3, 4, 5)]
    assert described_places(spans) == ["m.gc:1:1", "m.gc:2:1", "m.gc:3:1", "and 2 more"]


@pytest.mark.parametrize("text", ["a\\", "a\nint x;", "a\r\x0b\x0c#error", "word " * 40, ""])
def test_a_comment_ends_with_its_line(text: str) -> None:
    lines = comment(text)
    assert bool(lines) == bool(text)
    for line in lines:
        assert line.startswith("// ")
        assert not line.endswith("\\")
        assert len(line.splitlines()) == 1
