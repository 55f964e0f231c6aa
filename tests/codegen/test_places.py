"""Places of the model in comments of generated text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from graphc import api
from graphc.codegen.emit.places import c_string, comment, described_places
from graphc.compiler import compile_for
from graphc.errors import Span, register_source
from graphc.ir.dtype import f32
from graphc.ir.graph import Unit
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap, portable
from graphc.passes.tables import lift_tables
from graphc.runtime.module_file import read_module

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
    # A file of which no text is known in this process.
    spans = [Span("places_unread.gc", line, 1, line, 2) for line in (1, 2, 2, 3, 4, 5)]
    expected = [*(f"places_unread.gc:{line}:1" for line in (1, 2, 3)), "and 2 more"]
    assert described_places(spans) == expected


STRANGE = [
    "a\\", "a??/", "a\\??/\\\\", "a\\\0", "a\nint x;", "a\r\x0b\x0c#error", "a\x85b\u2028c",
    "*/ \udcff", "word " * 40, 'a"b', "ü\u202e", "",
]  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_a_comment_ends_with_its_line(text: str) -> None:
    lines = comment(text)
    assert bool(lines) == bool(text)
    for line in lines:
        assert line.startswith("// ")
        assert not line.endswith(("\\", "??/"))
        assert line.isprintable()


@pytest.mark.parametrize("text", [*STRANGE, "\ud800", "".join(map(chr, range(1, 256)))])
def test_a_string_of_c_is_the_text_in_one_line(text: str, tmp_path: Path) -> None:
    literal = c_string(text)
    assert literal.isprintable()
    assert "?" not in literal
    size = len(text.encode("utf-8", "surrogatepass"))
    source = f"#include <stdio.h>\nint main(void) {{ fwrite({literal}, {size}, 1, stdout); }}"
    binary = tmp_path / "print"
    command = ["gcc", "-std=c11", "-x", "c", "-", "-o", str(binary)]
    subprocess.run(command, input=source.encode(), check=True)
    printed = subprocess.run([binary], capture_output=True, check=True).stdout
    assert printed == text.encode("utf-8", "surrogatepass")


# -- places in modules ----------------------------------------------------------------------------

LOOP = """
dim T: 0..64


def inner(x: f32[3], row: f32[3]) -> f32[3]:
    return tanh(x + row)


def loop(x: f32[3], rows: f32[T, 3]) -> f32[3]:
    for row in rows:
        x = inner(x, row)
        if sum(x) > 9.0:
            x = exp(x)
    return x


export loop = loop
"""

PART = """
def part(x: f32[3]) -> f32[3]:
    return {}(x)
"""

WHOLE = """
from one.part import part as first
from two.part import part as second


export first = first
export second = second
"""


def places(unit: Unit) -> dict[str, list[str]]:
    """The places that each kernel comes from, but for what is written there."""
    kernels = compile_for(unit, "cuda").kernels
    return {
        name: [f"{portable(span).file}:{span.line}" for span in kernel.spans]
        for name, kernel in kernels.items()
    }


def test_kernels_in_bodies_name_their_lines_in_a_module_too(tmp_path: Path) -> None:
    path = tmp_path / "loop.gc"
    path.write_text(LOOP)
    api.build(path).file.write(tmp_path / "loop.gcm")
    loaded = places(api.unit_of(read_module(tmp_path / "loop.gcm")))
    assert loaded == places(lift_tables(api.source_unit(path)))
    assert set(loaded["add_tanh"]) == {"loop.gc:6"}
    assert loaded["exp_kernel"] == ["loop.gc:13"]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, function in (("one", "tanh"), ("two", "exp")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.gc").write_text(PART.format(function))
    path = tmp_path / "whole.gc"
    path.write_text(WHOLE)
    api.build(path).file.write(tmp_path / "whole.gcm")
    for unit in (
        lift_tables(api.source_unit(path)),
        api.unit_of(read_module(tmp_path / "whole.gcm")),
    ):
        assert places(unit) == {"tanh_kernel": ["one/part.gc:3"], "exp_kernel": ["two/part.gc:3"]}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/m/a.gc", "/m/b.gc"], ["a.gc", "b.gc"]),
        (["/m/a.gc", "/n/a.gc", "/m/b.gc"], ["m/a.gc", "n/a.gc", "b.gc"]),
        (["/x/m/a.gc", "/y/m/a.gc", "/y/n/a.gc"], ["x/m/a.gc", "y/m/a.gc", "y/n/a.gc"]),
        (["a.gc", "m/a.gc"], ["a.gc", "m/a.gc"]),
        (["C:\\m\\a.gc", "C:\\n\\a.gc"], ["m/a.gc", "n/a.gc"]),
        (["m/a.gc", "m\\a.gc"], ["m/a.gc", "m/a.gc"]),
        (["../a.gc", "../m/./a.gc"], ["a.gc", "m/a.gc"]),
        (["m\nn.gc", "b\udcff.gc", "\u2028.gc"], ["m%0An.gc", "b%ED%B3%BF.gc", "%E2%80%A8.gc"]),
        (["a\n/a.gc", "b/a.gc", ".."], ["a%0A/a.gc", "b/a.gc", "unnamed"]),
    ],
)
def test_files_are_named_with_as_few_folders_as_tell_them_apart(
    files: list[str], expected: list[str]
) -> None:
    sources = SourceMap()
    node = graph_input("x", f32, ())
    sources.add(node, [Span(file, 1, 1, 1, 2) for file in files])
    assert [portable(span).file for span in sources.spans(node)] == expected
